"""The skill benchmark end to end, on a small record."""

import json

import numpy as np
import pytest
import xarray as xr

import xsm  # noqa: F401  # the accessor
from benchmarks.skill import cache, evaluation_records, gapfill
from benchmarks.skill.gapfill_methods import Methods
from xsm.errors import XsmError


@pytest.fixture(scope="module")
def record():
    """A coarse globe of 16 days (16, 60, 120) that changes slowly, observed in stripes."""
    t, y, x = np.ogrid[:16, :60, :120]
    field = 0.25 + 0.1 * np.cos(x / 9 + t / 5) * np.cos(y / 7) + 0 * t
    rng = np.random.default_rng(0)
    values = (field + rng.normal(0, 0.01, field.shape)).astype(np.float32)
    values[np.broadcast_to((x + 13 * t) % 30 < 12, values.shape)] = np.nan
    lat, lon = np.arange(88.5, -90, -3), np.arange(-178.5, 180, 3)
    truth = field.astype(np.float32)
    time = np.datetime64("2015-04-01", "ns") + np.arange(16) * np.timedelta64(1, "D")
    return evaluation_records.EvaluationRecord("synthetic", values, lat, lon, time, truth=truth)


@pytest.fixture(autouse=True)
def load_synthetic(monkeypatch, record):
    monkeypatch.setattr(gapfill, "load", lambda name: record)


def test_simple_methods_end_to_end(tmp_path, capsys):
    out = tmp_path / "result.json"
    names = ["linear", "window_mean", "climatology"]
    gapfill.main(["--methods", *names, "--model", "--n-realizations", "2", "--out", str(out)])
    result = json.loads(out.read_text())
    assert result["settings"]["n_realizations"] == 2
    assert {"date", "versions", "python", "models"} <= set(result)
    assert {row["method"] for row in result["rows"]} == set(names)
    assert {row["reference"] for row in result["rows"]} == {"retrieval", "truth"}
    labels = ("reference", "scope", "gap_pattern")
    sizes = {tuple(row[key] for key in labels): set() for row in result["rows"]}
    for row in result["rows"]:
        sizes[tuple(row[key] for key in labels)].add(row["n"])
    assert all(len(size) == 1 for size in sizes.values())  # all methods on the same cells
    labels = {"reference": "retrieval", "scope": "region", "gap_pattern": "swath"}
    swaths = [r for r in result["rows"] if all(r[k] == v for k, v in labels.items())]
    errors = {r["method"]: r["rmsd"] for r in swaths}
    assert errors["linear"] < errors["climatology"]  # the field changes slowly
    printed = capsys.readouterr().out
    assert "against the truth, strict" in printed
    assert "window_mean" in printed


def test_a_missing_network_stops_the_measurement(tmp_path):
    out = tmp_path / "result.json"
    with pytest.raises(XsmError):
        gapfill.main(["--methods", "linear", "--model", "no-such", "--out", str(out)])
    assert not out.exists()


def test_quick_reports_skipped_methods(tmp_path, capsys):
    out = tmp_path / "result.json"
    gapfill.main(["--quick", "--methods", "linear", "--model", "no-such", "--out", str(out)])
    result = json.loads(out.read_text())
    assert "no-such" in result["skipped"]["no-such"]
    assert result["quick"] is True
    assert "skipped no-such" in capsys.readouterr().out


def test_fitted_methods_on_request(record):
    pytest.importorskip("lightgbm")
    pytest.importorskip("pydineof")
    pytest.importorskip("pytesmo")
    methods = Methods(record, models=(), quick=True)
    result = gapfill.measure(record, ["climatology", "dctpls", "dineof", "trees"], methods, 1)
    rows = [
        r
        for r in result["rows"]
        if (r["gap_pattern"], r["scope"], r["reference"]) == ("all", "region", "truth")
    ]
    errors = {r["method"]: r["rmsd"] for r in rows}
    assert set(errors) == {"climatology", "dctpls", "dineof", "trees"}
    assert errors["trees"] < errors["climatology"]
    assert errors["dctpls"] < errors["climatology"]
    assert all(r["n_unfilled"] == 0 for r in rows)


def test_a_network_is_scored_as_users_call_it(record):
    values = np.where(record.values > 0.3, np.float32(np.nan), record.values)
    mean, std = Methods(record, models=("default",)).get("default")(values, np.isnan(values))
    coords = {"time": record.time, "lat": record.lat, "lon": record.lon}
    da = xr.DataArray(values, coords, tuple(coords), name="sm", attrs={"units": "m3 m-3"})
    filled = da.sm.gapfill()
    np.testing.assert_array_equal(mean, filled["sm"].values)
    np.testing.assert_array_equal(std, filled["sm_uncertainty"].values)


def test_baselines_are_read_from_the_cache(record, monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "FOLDER", tmp_path)
    first = gapfill.measure(record, ["linear"], Methods(record, quick=True), 1, use_cache=True)
    assert len(list(tmp_path.iterdir())) == 1

    def fail(self, name):
        raise AssertionError(f"{name} was computed again")

    monkeypatch.setattr(Methods, "get", fail)
    again = gapfill.measure(record, ["linear"], Methods(record, quick=True), 1, use_cache=True)
    assert json.dumps(again) == json.dumps(first)
    moved = evaluation_records.EvaluationRecord(
        "synthetic", record.values + np.float32(0.01), record.lat, record.lon, record.time
    )
    with pytest.raises(AssertionError, match="computed again"):
        gapfill.measure(moved, ["linear"], Methods(moved, quick=True), 1, use_cache=True)


def test_real_data_elsewhere_or_a_clear_error(monkeypatch, tmp_path):
    monkeypatch.setenv("XSM_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="set XSM_DATA"):
        evaluation_records.load("amsr2")


def test_the_real_month_in_its_unit():
    if not (evaluation_records.data_folder() / evaluation_records.AMSR2).exists():
        pytest.skip("the AMSR2 month is not here; set XSM_DATA to its folder")
    real = evaluation_records.load("amsr2")
    assert real.values.shape == (30, 720, 1440)
    assert real.values.dtype == np.float32
    assert 0 <= np.nanmin(real.values) and 0.5 < np.nanmax(real.values) <= 1
    assert len(real.static) == len(evaluation_records.STATIC_GRIDS)
    assert all(grid.shape == (720, 1440) for grid in real.static)
