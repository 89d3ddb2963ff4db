"""Learned methods of other packages: their inputs, a fit of one epoch, scores and the table."""

import sys

import numpy as np
import pytest

from benchmarks.skill import learned_methods
from benchmarks.skill.evaluation_records import EvaluationRecord
from benchmarks.skill.learned_fits import METHODS, PACKAGES, FittingData, Size
from benchmarks.skill.learned_inputs import ANOMALY, AREA_SIZES, CROP, Anomalies, crop, series
from xsm.errors import MissingPackageError
from xsm.training.splits import day_mask, region_mask

TINY = Size(epochs=1, batch=4, gap_sets=1, cells=200, validation=200, batches=2)


@pytest.fixture(scope="module")
def record():
    """A coarse globe of 18 days (18, 60, 120) that changes slowly, observed in stripes."""
    t, y, x = np.ogrid[:18, :60, :120]
    field = 0.25 + 0.1 * np.cos(2 * np.pi * x / 60 + t / 5) * np.cos(y / 7) + 0 * t
    rng = np.random.default_rng(0)
    values = (field + rng.normal(0, 0.01, field.shape)).astype(np.float32)
    values[np.broadcast_to((x + 13 * t) % 30 < 12, values.shape)] = np.nan
    lat, lon = np.arange(88.5, -90, -3), np.arange(-178.5, 180, 3)
    time = np.datetime64("2015-04-01", "ns") + np.arange(18) * np.timedelta64(1, "D")
    return EvaluationRecord("synthetic", values, lat, lon, time)


def test_anomalies_return_to_soil_moisture(record):
    visible = Anomalies.of(record.values)
    day, row, column = (index[::101] for index in np.nonzero(np.isfinite(record.values)))
    back = visible.absolute(visible.values[day, row, column], row, column)
    np.testing.assert_allclose(back, record.values[day, row, column], atol=1e-6)
    assert np.nanmax(np.abs(np.nanmean(visible.values, axis=0))) < 1e-4


def test_series_hold_the_cell_and_the_means_of_its_neighbours(record):
    visible = Anomalies.of(record.values)
    row, column = np.array([30, 7, 59]), np.array([60, 119, 0])
    inputs = series(visible, slice(3, None), row, column)
    assert inputs.shape == (3, 15, 9)
    np.testing.assert_array_equal(inputs[:, :, 0], visible.values[3:, row, column].T)
    for i, (y, x) in enumerate(zip(row, column, strict=True)):
        for k, size in enumerate(AREA_SIZES[:3], start=1):
            rows = np.arange(max(y - size // 2, 0), min(y + size // 2 + 1, 60))
            columns = np.arange(x - size // 2, x + size // 2 + 1) % 120
            area = visible.values[3:].copy()
            area[:, y, x] = np.nan  # the cell itself is not its neighbour
            area = area[:, rows][:, :, columns].reshape(15, -1)
            seen = np.isfinite(area).any(axis=1)
            np.testing.assert_array_equal(np.isfinite(inputs[i, :, k]), seen)
            means = np.nanmean(area[seen], axis=1)
            np.testing.assert_allclose(inputs[i, seen, k], means, atol=1e-5)
        np.testing.assert_array_equal(inputs[i, :, -2], visible.mean[y, x])
        np.testing.assert_array_equal(inputs[i, :, -1], visible.std[y, x])


def test_a_hidden_value_is_in_no_feature_of_its_cell(record):
    row, column = np.array([30]), np.array([60])
    day = int(np.flatnonzero(np.isfinite(record.values[:, 30, 60]))[0])
    hidden = record.values.copy()
    hidden[day, 30, 60] = np.nan
    visible = Anomalies.of(hidden)
    before = series(visible, slice(None), row, column)
    visible.values[day, 30, 60] = 99.0
    after = series(visible, slice(None), row, column)
    np.testing.assert_allclose(before[..., 1:], after[..., 1:], atol=1e-4)


def test_crops_go_round_the_globe_and_are_missing_outside_the_record(record):
    visible = Anomalies.of(record.values)
    days, cells = crop(visible, 1, -10, 100)
    assert days.shape == (9, CROP, CROP) and cells.shape == (2, CROP, CROP)
    assert np.isnan(days[:, :10]).all() and np.isnan(cells[:, :10]).all()
    assert np.isnan(days[:3]).all()  # days before the first
    columns = np.arange(100, 100 + CROP) % 120
    np.testing.assert_array_equal(days[4, 10:], visible.values[1, :46][:, columns])
    np.testing.assert_array_equal(cells[0, 10:], visible.mean[:46][:, columns])
    days, _ = crop(Anomalies.of(record.values, wrap=False), 17, 0, 100)
    assert np.isnan(days[:, :, 20:]).all() and np.isnan(days[5:]).all()
    np.testing.assert_array_equal(days[4, :, :20], visible.values[17, :CROP, 100:])


def test_fits_see_neither_the_test_regions_nor_the_test_days(record):
    data = FittingData.of(record)
    assert data.training.shape[0] == day_mask(18, "train").sum()
    assert data.validation.shape[0] == 18 - day_mask(18, "test").sum()
    train = region_mask(record.lat, record.lon, "train")
    assert np.isfinite(data.training[:, train]).any()
    assert not np.isfinite(data.training[:, ~train]).any()
    scored = np.isfinite(data.target) & np.isnan(data.validation)
    assert scored.any()
    assert not scored[:, ~region_mask(record.lat, record.lon, "val")].any()
    visible, anomalies = data.with_gaps(np.random.default_rng(0))
    hidden = np.isfinite(anomalies) & np.isnan(visible.values)
    assert 0.02 < hidden.sum() / np.isfinite(data.training).sum() < 0.5


def test_rows_are_of_the_strict_cells_and_make_a_table(record):
    def offset(by, std=None):
        hidden = learned_methods.strict_cells(record, 0)
        mean = record.values[hidden.scored] + np.float32(by)
        return [(mean, None if std is None else np.full_like(mean, std))]

    estimates = {"linear": offset(0.1), "convcnp": offset(0.02, 0.02)}
    rows, scored = learned_methods.score(record, estimates)
    assert {row["scope"] for row in rows} == {"strict"}
    overall = {row["method"]: row for row in rows if row["gap_pattern"] == "all"}
    assert overall["linear"]["rmsd"] == pytest.approx(0.1, abs=1e-5)
    assert overall["convcnp"]["coverage_95"] == 1
    assert overall["convcnp"]["crps"] < overall["convcnp"]["mae"]
    test = region_mask(record.lat, record.lon, "test")
    assert 0 < scored["cells"] <= test.sum() and 0 < scored["boxes"] <= 27
    methods = {"linear": {"seconds_fill": [1.0]}}
    methods["convcnp"] = {
        "seconds_fill": [2.0, 9.0, 1.0],
        "seconds_fit": 700.0,
        "parameters": 12345,
    }
    result = {"rows": rows, "scored": scored, "methods": methods}
    result |= {"n_realizations": 1, "test_days": 3, "date": "2015-04-30"}
    text = learned_methods.table(result)
    assert "| ConvCNP (DeepSensor) | 0.0200 |" in text
    assert "12,345 | 700 | 2 |" in text
    assert f"{scored['cells']:,} cells in {scored['boxes']} test regions" in text


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepsensor", None)
    with pytest.raises(MissingPackageError, match=r"deepsensor.*xsm\[learned\]"):
        learned_methods.main(["--methods", "convcnp"])


@pytest.mark.filterwarnings("ignore")  # of packages that are not ours
@pytest.mark.parametrize("name", METHODS)
def test_one_epoch_of_each_method(name, record, tmp_path, monkeypatch):
    pytest.importorskip(PACKAGES[name], reason="learned methods need xsm[learned]")
    monkeypatch.setattr(learned_methods.cache, "FOLDER", tmp_path)
    arguments = name, range(2), TINY, True, record
    estimates, settings = learned_methods.estimate(*arguments)
    assert settings["best_epoch"] == 1 and settings["parameters"] > 10_000
    assert 0 < settings["validation_rmse"] < 0.3
    for seed, (mean, std) in enumerate(estimates):
        hidden = learned_methods.strict_cells(record, seed)
        reference = record.values[hidden.scored]
        assert mean.shape == reference.shape and np.isfinite(mean).all()
        assert np.sqrt(np.mean((mean - reference) ** 2)) < 0.5
        assert (std is None) == (name != "convcnp")
        if std is not None:
            assert (std > 0).all() and (std < 10 * ANOMALY).all()
    again, _ = learned_methods.estimate(*arguments)  # from the cache
    np.testing.assert_array_equal(again[1][0], estimates[1][0])
