"""Training samples: hidden cells are not in the inputs, the same seed gives the same samples."""

import numpy as np
import pytest

from tests.training.patch_samples import sampler, small_model, weather
from xsm.errors import InputError
from xsm.training.patches import Sampler, TrainingRecord, mixed_gaps, sample_stream

pytest.importorskip("torch")


def test_hidden_cells_are_not_in_the_inputs_but_in_the_target():
    sample = sampler().draw()
    inner = slice(4, -4)
    visible = sample.inputs["anomaly"][1][0, 0, 4:-4, inner, inner]
    assert sample.hidden.any()
    assert not (visible & sample.hidden).any()
    assert np.isfinite(sample.target[sample.hidden]).all()
    observed = np.isfinite(sample.target)
    np.testing.assert_array_equal(visible | sample.hidden, observed & (sample.land[inner, inner]))


def test_statistics_do_not_depend_on_hidden_values():
    source = sampler()
    values = source.records[0].values[:, :30, :30].copy()
    hidden = np.zeros(values.shape, bool)
    hidden[5, 15, 15] = np.isfinite(values[5, 15, 15])
    hidden[6, 15, 15] = np.isfinite(values[6, 15, 15])
    assert hidden.any()
    other = np.where(hidden, np.float32(0.9), values)
    source.rng = np.random.default_rng(1)
    one = source._sample(values, hidden, values)
    source.rng = np.random.default_rng(1)
    two = source._sample(other, hidden, values)
    for name in one.inputs:
        np.testing.assert_array_equal(one.inputs[name][0], two.inputs[name][0])
    np.testing.assert_array_equal(one.mean, two.mean)


def test_a_simulated_record_is_trained_on_its_truth():
    values = weather()
    truth = np.where(np.isfinite(values), values + 0.25, np.float32(0.5))
    source = Sampler([TrainingRecord(values, truth=truth)], small_model(), patch=16, days=6)
    sample = source.draw()
    visible = sample.inputs["anomaly"][1][0, 0, 4:-4, 4:-4, 4:-4]
    retrieved = sample.inputs["anomaly"][0][0, 0, 4:-4, 4:-4, 4:-4] * sample.std + sample.mean
    unclipped = visible & (np.abs(retrieved - sample.mean) < 4.9 * sample.std)
    assert unclipped.any()
    np.testing.assert_allclose(sample.target[unclipped], retrieved[unclipped] + 0.25, atol=1e-4)


def test_same_seed_same_samples():
    one, two, other = sampler(3).draw(), sampler(3).draw(), sampler(4).draw()
    np.testing.assert_array_equal(one.target, two.target)
    assert not np.array_equal(one.hidden, other.hidden)


def test_workers_draw_different_samples_that_repeat():
    from itertools import islice

    one, two = (list(islice(sample_stream(sampler(3), workers=2), 4)) for _ in "ab")
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.hidden, b.hidden)
    assert not np.array_equal(one[0].hidden, one[1].hidden)
    assert not np.array_equal(one[0].hidden, one[2].hidden)


def test_days_beyond_the_record_are_missing():
    source = sampler(days=24)
    sample = source.draw()
    mask = sample.inputs["features"][1][0, 0]
    assert mask.shape[0] == 24 + 8
    assert not mask[:4].any()
    assert not mask[-4:].any()
    assert mask[4].any()


def test_mixed_gaps_hide_about_the_fraction_of_observed_cells():
    observed = np.random.default_rng(0).random((20, 40, 40)) < 0.6
    hidden = mixed_gaps(observed, 0.2, np.random.default_rng(1))
    assert not (hidden & ~observed).any()
    assert 0.1 < hidden.sum() / observed.sum() < 0.3


def test_a_record_without_enough_observations():
    values = np.full((8, 20, 20), np.nan, np.float32)
    values[:4] = 0.3
    with pytest.raises(InputError, match="no cell with 5 observations"):
        Sampler([TrainingRecord(values)], small_model(), patch=16, days=6)


def test_records_are_drawn_by_their_weights():
    records = [TrainingRecord(weather(), weight=3.0), TrainingRecord(weather(), weight=1.0)]
    source = Sampler(records, small_model(), patch=16, days=6)
    np.testing.assert_allclose(source.probabilities, [0.75, 0.25])
