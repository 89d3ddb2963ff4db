"""Blocks of days through a model: tiles, borders, empty records, cards."""

import json

import numpy as np
import pytest

from xsm.errors import ModelError
from xsm.networks import block_inference
from xsm.networks.block_inference import fill_block, record_statistics
from xsm.networks.model import SCHEMA, load_model, models, save_model
from xsm.networks.partial_conv import default, initial_params


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config = default(width=4, hidden=8)
    config["scales"] = [3, 7]
    config["features"] = [
        f for f in config["features"] if f.rsplit("_")[-1] not in ("15", "31", "61")
    ]
    rng = np.random.default_rng(0)
    params = {
        k: v + 0.1 * rng.standard_normal(v.shape, np.float32)
        for k, v in initial_params(config).items()
    }
    return save_model(tmp_path_factory.mktemp("model") / "small", {"config": config}, params)


def record(days=14, height=24, width=30, seed=0):
    rng = np.random.default_rng(seed)
    values = (0.25 + 0.05 * rng.standard_normal((days, height, width))).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    values[:, :4, :5] = np.nan  # sea
    return values


def fill(values, model, stats=None, **options):
    days, rows, columns = model.halo
    stats = record_statistics(values) if stats is None else stats
    around = ((rows, rows), (columns, columns))
    wide = np.pad(values, ((days, days), *around), constant_values=np.nan)
    return fill_block(wide, np.pad(stats, ((0, 0), *around)), model, **options)


def test_halo_counts_pyramid_and_layers(model):
    assert model.halo == (4, 4 + 3, 4 + 3)
    assert load_model("default").halo == (4, 34, 34)


def test_every_cell_ever_observed_gets_a_mean_and_a_spread(model):
    values = record()
    mean, std = fill(values, model)
    land = np.isfinite(values).any(0)
    assert np.isfinite(mean[:, land]).all()
    assert (std[:, land] > 0).all()
    assert np.isnan(mean[:, ~land]).all()
    assert np.isnan(std[:, ~land]).all()


def test_tiles_equal_the_whole(model):
    values = record(height=40, width=44)
    stats = record_statistics(values)
    whole = fill(values, model, stats)
    days, rows, columns = model.halo
    wide = np.pad(values, ((days,) * 2, (rows,) * 2, (columns,) * 2), constant_values=np.nan)
    wide_stats = np.pad(stats, ((0, 0), (rows,) * 2, (columns,) * 2))
    tile = fill_block(
        wide[3 : 3 + 5 + 2 * days, 10 : 26 + 2 * rows, 12 : 30 + 2 * columns],
        wide_stats[:, 10 : 26 + 2 * rows, 12 : 30 + 2 * columns],
        model,
        first=3,
    )
    np.testing.assert_allclose(tile, whole[:, 3:8, 10:26, 12:30], atol=1e-5)


def test_nothing_in_reach_stays_empty(model):
    values = record(days=30)
    values[8:24] = np.nan
    mean, _ = fill(values, model)
    assert np.isnan(mean[12:20]).all()
    assert np.isfinite(mean[11]).any()
    empty = fill(np.full((3, 8, 9), np.nan, np.float32), model)
    assert empty.shape == (2, 3, 8, 9)
    assert np.isnan(empty).all()


def test_backends_agree(model):
    pytest.importorskip("torch")
    values = record()
    np.testing.assert_allclose(
        fill(values, model, backend="numba"), fill(values, model, backend="reference"), atol=1e-5
    )


def test_saved_models_come_back(model, tmp_path):
    save_model(tmp_path / "mine", model.card, model.params)
    again = load_model(tmp_path / "mine.safetensors")
    assert again.name == "mine"
    assert again.card["schema"] == SCHEMA
    assert again.identity.startswith("mine (sha256 ")
    for key, value in model.params.items():
        np.testing.assert_array_equal(again.params[key], value)


def test_an_unknown_model_says_what_there_is():
    with pytest.raises(ModelError, match="'nonesuch'.*default"):
        load_model("nonesuch")


def test_another_schema_is_refused(model, tmp_path):
    save_model(tmp_path / "old", model.card, model.params)
    card = json.loads((tmp_path / "old.json").read_text())
    (tmp_path / "old.json").write_text(json.dumps(card | {"schema": 99}))
    with pytest.raises(ModelError, match="schema 99"):
        load_model(tmp_path / "old")


def test_other_weights_are_refused(model, tmp_path):
    save_model(tmp_path / "a", model.card, model.params)
    blob = bytearray((tmp_path / "a.safetensors").read_bytes())
    blob[-1] ^= 1
    (tmp_path / "a.safetensors").write_bytes(bytes(blob))
    with pytest.raises(ModelError, match="sha256"):
        load_model(tmp_path / "a")


def test_a_card_that_is_no_json_is_refused(model, tmp_path):
    save_model(tmp_path / "b", model.card, model.params)
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        load_model(tmp_path / "b")


def test_shipped_models_load_and_say_what_they_are():
    for name, card in models().items():
        loaded = load_model(name)
        assert loaded.name == name
        assert {"description", "licence", "trained_on", "calibration"} <= set(card)


def test_a_day_without_any_observation_is_not_extrapolated_from_the_edge_of_the_window(model):
    """The features of the day to estimate are valid, so that no convolution is scaled up."""
    values = np.full((9, 24, 30), np.nan, np.float32)
    values[:, 12, 15] = [0.3, 0.1, 0.2, 0.25, np.nan, 0.3, 0.2, 0.15, 0.35]
    stats = record_statistics(values)
    only_first = np.where(np.arange(9)[:, None, None] == 0, values, np.nan).astype(np.float32)
    from_features = fill(np.where(np.isfinite(only_first), only_first, np.inf), model, stats)
    mean, std = fill(only_first, model, stats)[:, 1:5, 12, 15]  # within reach of the first day
    np.testing.assert_array_equal(mean, from_features[0, 1:5, 12, 15])
    np.testing.assert_array_equal(std, from_features[1, 1:5, 12, 15])


def test_days_with_an_observation_near_are_run_once(model, monkeypatch):
    runs = []
    run = block_inference._run_numpy
    monkeypatch.setattr(block_inference, "_run_numpy", lambda *a: runs.append(a) or run(*a))
    fill(record(), model)
    assert len(runs) == 1
