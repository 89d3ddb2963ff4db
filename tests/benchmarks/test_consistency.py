"""Gap-filling by a network, and the consistency figures, with a tiny network."""

import numpy as np
import pytest

from benchmarks.skill import consistency
from benchmarks.skill.consistency import fill_with_network
from xsm.networks.block_inference import fill_block, record_statistics
from xsm.networks.model import Model
from xsm.networks.partial_conv import default, initial_params


@pytest.fixture(scope="module")
def model():
    """An untrained network without zero weights."""
    config = default(width=8, hidden=8)
    rng = np.random.default_rng(0)
    params = initial_params(config)
    params = {k: (v + rng.normal(0, 0.05, v.shape)).astype(np.float32) for k, v in params.items()}
    return Model({"name": "tiny", "config": config, "sha256": "0" * 64}, params)


def test_tiles_equal_one_block_with_a_halo(model):
    values = consistency.simulated(10, 12, 20)
    mean, std = fill_with_network(values, model=model, tile=7)
    halo = [(h, h) for h in model.halo]
    padded = np.pad(values, halo, constant_values=np.nan)
    stats = record_statistics(padded[4:-4])
    expected = fill_block(padded, stats, model)
    np.testing.assert_allclose(np.stack([mean, std]), expected, atol=1e-6)
    assert np.isfinite(mean).any()


def test_windows_without_wanted_cells_stay_empty(model):
    values = consistency.simulated(10, 12, 20)
    where = np.zeros(values.shape, bool)
    where[3, 2, 2] = True
    mean, _ = fill_with_network(values, model=model, where=where, tile=6)
    assert np.isfinite(mean[:, :6, :6]).any()
    assert np.isnan(mean[:, 6:]).all()
    assert np.isnan(mean[:, :, 6:]).all()


def test_results_do_not_depend_on_how_the_record_is_split(model):
    differences = consistency.measure(model, n_days=11, height=20, width=48)
    assert set(differences) == {
        "streaming_against_windows",
        "whole_against_tiles",
        "rolled_longitudes",
    }
    assert max(differences.values()) <= consistency.TOLERANCE


def test_a_difference_is_detected():
    a = np.array([1.0, np.nan, 3.0])
    assert consistency.largest(a, np.array([1.0, np.nan, 3.5])) == 0.5
    assert consistency.largest(a, np.array([1.0, 2.0, 3.0])) == float("inf")
