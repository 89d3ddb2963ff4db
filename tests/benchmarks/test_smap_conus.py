"""A year of SMAP from weather: left-out days are not used, and the output has the agreed form."""

import json
from functools import partial

import numpy as np
import pytest
import xarray as xr

import xsm
from benchmarks.skill import smap_conus, smap_left_out
from benchmarks.skill.estimate_tables import smap_conus as table
from benchmarks.skill.retrieval_noise import attainable_correlation, retrieval_noise
from xsm.estimation.memory import exponential_mean
from xsm.training import months_fit

FORCING = ("APCP", "DLWRF", "DSWRF", "SPFH_2", "TMP_2", "UGRD_10", "VGRD_10")


def synthetic_file(folder, seed=0):
    """A file like the real one: 2 x 4 cells, one of them without SMAP."""
    rng = np.random.default_rng(seed)
    days, shape = 800, (800, 2, 4)
    size = dict(zip(FORCING, (0.1, 30.0, 50.0, 0.001, 4.0, 2.0, 2.0), strict=True))
    middle = dict(zip(FORCING, (0.05, 300.0, 200.0, 0.006, 285.0, 0.0, 0.0), strict=True))
    dims = ("time", "lat", "lon")
    data = {}
    for name in FORCING:
        values = middle[name] + size[name] * rng.standard_normal(shape)
        low = 0.0 if name in ("APCP", "DSWRF", "SPFH_2") else -np.inf
        data[f"{name}_FORA"] = (dims, np.maximum(values, low).astype(np.float32))
    fading = exponential_mean(24.0 * data["APCP_FORA"][1].reshape(days, -1), 5.0).reshape(shape)
    smap = 0.1 + 0.08 * fading + 0.01 * rng.standard_normal(shape)
    smap[rng.random(shape) < 0.1] = np.nan
    smap[366:] = np.nan
    smap[:, 1, 3] = np.nan
    data["SMAP_AM"] = (dims, smap.astype(np.float32), {"units": "m3 m-3"})
    for name in ("Clay", "Sand", "Silt", "NDVI", "Bulk"):
        data[name] = (dims[1:], rng.random((2, 4)).astype(np.float32))
    data["flag_landcover"] = (dims[1:], np.array([[1, 5, 5, 1], [10, 10, 1, 5]], np.float32))
    coords = {
        "time": np.datetime64("2015-04-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
        "lat": [40.0, 38.0],
        "lon": [-100.0, -98.0, -96.0, -94.0],
    }
    path = folder / "synthetic.nc"
    xr.Dataset(data, coords).to_netcdf(path)
    return path, fading


@pytest.fixture
def quick(monkeypatch):
    pytest.importorskip("torch")
    small = {
        "epochs": 10, "hidden_size": 8, "batch_size": 128, "dropout": 0.0, "ensemble_size": 2,
        "progress": False, "model": "dense",
    }  # fmt: skip
    fit = partial(xsm.fit_estimator, **small)
    monkeypatch.setattr(xsm, "fit_estimator", fit)
    monkeypatch.setattr(months_fit, "RESPONSE_STEPS", 5)


def test_the_later_year_is_on_the_grid_of_the_data(tmp_path, quick):
    path, fading = synthetic_file(tmp_path)
    out = tmp_path / "out" / "later.nc"
    smap_conus.main(["--data", str(path), "--out", str(out)])
    with xr.open_dataset(out) as ds:
        sm = ds["soil_moisture"].load()
    assert sm.dims == ("time", "lat", "lon")
    assert str(sm.time.values[0])[:10] == "2016-04-01"
    assert str(sm.time.values[-1])[:10] == "2017-03-31"
    assert sm.attrs["units"] == "m3 m-3"
    np.testing.assert_array_equal(sm.isnull().all("time"), [[0, 0, 0, 0], [0, 0, 0, 1]])
    truth = 0.1 + 0.08 * fading[366:731]
    estimated = np.isfinite(sm.values)
    assert np.corrcoef(sm.values[estimated], truth[estimated])[0, 1] > 0.7


def test_cross_validation_is_written_with_its_settings(tmp_path, quick):
    path, _ = synthetic_file(tmp_path)
    result = tmp_path / "cv.json"
    smap_left_out.main(["--data", str(path), "--result", str(result)])
    rows = json.loads(result.read_text())["rows"]
    assert [row["estimate"] for row in rows] == ["default"]
    assert all(0 < row["ubrmse"] <= row["rmse"] < 0.1 and row["cells"] == 7 for row in rows)
    assert table(json.loads(result.read_text())).count("\n| ") == 2
    rest = ["--networks", "2", "--variants", "bilstm_departures", "--result"]
    smap_left_out.main(["--data", str(path), *rest, str(result)])
    after = json.loads(result.read_text())["rows"]
    measured = [(row["estimate"], row["networks"]) for row in after]
    assert measured == [("default", None), ("bilstm_departures", 2)]
    assert after[0] == rows[0]
    assert 0 < after[1]["rmse"] < 0.1 and table(json.loads(result.read_text())).count("\n| ") == 3


def test_cells_left_out_are_those_of_the_split(tmp_path, quick, monkeypatch):
    path, _ = synthetic_file(tmp_path)
    apart = tmp_path / "apart.nc"
    with xr.open_dataset(path) as ds:  # in boxes of their own
        ds.assign_coords(lat=[45.0, 30.0], lon=[-120.0, -110.0, -100.0, -90.0]).to_netcdf(apart)
    monkeypatch.setattr(smap_left_out, "SEEDS_OF_CELLS", 2)
    result = tmp_path / "cells.json"
    smap_left_out.main(["--data", str(apart), "--units", "cells", "--result", str(result)])
    (row,) = json.loads(result.read_text())["rows"]
    assert (row["left_out"], row["estimate"], row["cells"]) == ("cells", "default", 2)
    assert 0 < row["ubrmse"] <= row["rmse"] < 0.2 and -1 <= row["r"] <= 1


@pytest.mark.parametrize(("unit", "guard"), [("months", 7), ("quarters", 10)])
def test_every_day_is_left_out_once_behind_a_guard(unit, guard):
    days = np.datetime64("2015-04-01", "ns") + np.arange(731) * np.timedelta64(1, "D")
    parts = smap_left_out.folds(xr.DataArray(days, dims="time"), unit)
    times_left_out = sum(out.values.astype(int) for _, out in parts)
    np.testing.assert_array_equal(times_left_out, np.arange(731) < 366)
    for learn, out in parts:
        far = abs(np.flatnonzero(learn)[:, None] - np.flatnonzero(out)).min()
        assert far == guard + 1


def test_noise_is_estimated_in_dry_spells_only():
    rng = np.random.default_rng(4)
    rain, warm = np.zeros((600, 3)), np.full((600, 3), 20.0)
    y = 0.3 - 0.0002 * np.arange(600)[:, None] + 0.01 * rng.standard_normal((600, 3))
    y[rng.random(y.shape) < 0.5] = np.nan
    wet = rng.random(600) < 0.05
    y[wet] += 0.2
    rain[wet] = 10.0
    warm[:, 2] = 0.0
    found = retrieval_noise(y, rain, warm)
    np.testing.assert_allclose(found[:2], 0.01, rtol=0.15)
    assert np.isnan(found[2])
    limit = attainable_correlation(y, rain, warm)
    assert limit["cells"] == 2
    assert limit["r"] == pytest.approx(np.sqrt(1 - 1e-4 / np.nanvar(y[:, :2])), abs=0.01)


def test_scores_by_hand():
    observed = np.array([[0.1, np.nan], [0.2, 0.3], [0.3, 0.4]])
    target = xr.DataArray(observed, dims=("time", "cell"))
    std = target.copy(data=np.array([[0.1, 0.1], [0.1, 0.03], [0.015, 0.03]]))
    estimated = target + xr.DataArray([0.02, 0.04], dims="cell")
    sm = xr.Dataset({"soil_moisture": estimated, "soil_moisture_uncertainty": std})
    day = xr.DataArray(np.arange(3), dims="time")
    found = smap_left_out.scores([sm.where(day < 2), sm.where(day == 2)], target)
    assert found["rmse"] == pytest.approx(0.03)
    assert found["ubrmse"] == pytest.approx(0.0, abs=1e-9)
    assert found["bias"] == pytest.approx(0.03)
    assert found["r"] == found["r_mean"] == pytest.approx(1.0)
    assert (found["within_68"], found["within_95"]) == (0.4, 1.0)
