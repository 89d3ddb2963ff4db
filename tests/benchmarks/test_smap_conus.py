"""A year of SMAP from weather: left-out days are not used, and the output has the agreed form."""

import json

import numpy as np
import pytest
import xarray as xr

from benchmarks.skill import smap_conus
from benchmarks.skill.antecedent_predictors import (
    antecedent_predictors,
    bucket,
    exponential_mean,
    snow_and_water,
)
from benchmarks.skill.estimate_tables import smap_conus as table
from benchmarks.skill.local_gaussian_process import LocalGaussianProcess, local_anomalies
from benchmarks.skill.retrieval_noise import attainable_correlation, retrieval_noise

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
    for name in smap_conus.STATIC:
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
    small = {"epochs": 15, "hidden_size": 8, "batch_size": 128, "dropout": 0.0}
    monkeypatch.setattr(smap_conus, "NETWORK", smap_conus.NETWORK | small)
    real = smap_conus.LocalGaussianProcess
    monkeypatch.setattr(
        smap_conus, "LocalGaussianProcess", lambda z, y, seed: real(z, y, steps=5, seed=seed)
    )


def test_the_later_year_is_on_the_grid_of_the_data(tmp_path, quick):
    path, fading = synthetic_file(tmp_path)
    out = tmp_path / "out" / "later.nc"
    smap_conus.main(["--data", str(path), "--out", str(out), "--ensemble-size", "2"])
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
    smap_conus.main(
        ["--data", str(path), "--out", str(tmp_path / "again.nc"), "--ensemble-size", "2"]
    )
    with xr.open_dataset(tmp_path / "again.nc") as again:
        np.testing.assert_allclose(again["soil_moisture"], sm, atol=1e-6)


def test_cross_validation_is_written_with_its_settings(tmp_path, quick):
    path, _ = synthetic_file(tmp_path)
    result = tmp_path / "cv.json"
    smap_conus.main(
        ["--data", str(path), "--cross-validate", "months", "--result", str(result)]
        + ["--ensemble-size", "3"]
    )
    rows = json.loads(result.read_text())["rows"]
    assert [row["estimate"] for row in rows] == ["networks", "networks_and_local"]
    assert all(0 < row["ubrmse"] <= row["rmse"] < 0.1 and row["cells"] == 7 for row in rows)
    assert table(json.loads(result.read_text())).count("\n| ") == 3


@pytest.mark.parametrize(("unit", "guard"), [("months", 7), ("quarters", 10)])
def test_every_day_is_left_out_once_behind_a_guard(unit, guard):
    time = np.datetime64("2015-04-01") + np.arange(366)
    parts = list(smap_conus.folds(time, unit))
    np.testing.assert_array_equal(sum(out.astype(int) for _, out in parts), 1)
    for learn, out in parts:
        far = abs(np.flatnonzero(learn)[:, None] - np.flatnonzero(out)).min()
        assert far == guard + 1


@pytest.mark.parametrize("n_folds", [2, 6])
def test_each_day_is_left_out_by_one_network(n_folds):
    parts = list(smap_conus.residual_folds(366, n_folds))
    np.testing.assert_array_equal(sum(out.astype(int) for _, out in parts), 1)
    for learn, out in parts:
        assert abs(np.flatnonzero(learn)[:, None] - np.flatnonzero(out)).min() == 5


def test_local_response_and_repeat_cycle_are_learnt():
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    z = rng.standard_normal((240, 6, 3)).astype(np.float32)
    track = np.tile(0.02 * rng.standard_normal((8, 6)), (30, 1))
    truth = 0.03 * z[..., 0] + track
    residual = truth[:160] + 0.005 * rng.standard_normal((160, 6))
    residual[rng.random(residual.shape) < 0.4] = np.nan
    found = LocalGaussianProcess(z, residual, steps=60).predict()
    later = found[160:] - truth[160:]
    assert found.shape == (240, 6)
    assert later.std() < 0.25 * track.std() < 0.25 * truth.std()


def test_missing_days_have_no_effect():
    pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    z = rng.standard_normal((80, 4, 3)).astype(np.float32)
    residual = 0.05 * z[:60, :, 0]
    residual[40:] = np.nan
    one, two = (LocalGaussianProcess(z, r, steps=0).predict() for r in (residual, residual[:40]))
    np.testing.assert_allclose(one, two, atol=1e-6)


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


def test_local_anomalies_use_the_selected_days_only():
    x = np.random.default_rng(1).standard_normal((30, 2, 2))
    moved = x.copy()
    moved[20:] += 5
    np.testing.assert_array_equal(
        local_anomalies(x, slice(0, 20))[:20], local_anomalies(moved, slice(0, 20))[:20]
    )
    np.testing.assert_allclose(local_anomalies(x, slice(0, 20))[:20].mean(0), 0, atol=1e-6)


def test_scores_by_hand():
    observed = np.array([[0.1, np.nan], [0.2, 0.3], [0.3, 0.4]])
    found = smap_conus.scores(observed + [[0.02, 0.04]], observed)
    assert found["rmse"] == pytest.approx(0.03)
    assert found["ubrmse"] == pytest.approx(0.0, abs=1e-9)
    assert found["bias"] == pytest.approx(0.03)
    assert found["r"] == found["r_mean"] == pytest.approx(1.0)


def test_exponential_mean_decays():
    x = np.zeros((400, 1))
    x[370] = 1.0
    found = exponential_mean(x, 10.0)[370:, 0]
    np.testing.assert_allclose(found[1:] / found[:-1], np.exp(-0.1))
    assert found[0] == pytest.approx(1 - np.exp(-0.1))


def test_the_bucket_stays_within_its_capacity_and_water_is_conserved():
    rain = np.random.default_rng(2).exponential(5.0, (500, 3))
    warm = 8 * np.sin(np.arange(500) / 20)[:, None] * np.ones(3)
    snow, water = snow_and_water(rain, warm)
    np.testing.assert_allclose(rain.sum(0), water.sum(0) + snow[-1])
    assert (snow >= 0).all()
    store = bucket(water, np.full_like(water, 2.0), 20.0, 0.8, 0.03)
    assert 0 < store.min() < store.max() <= 1


def test_predictors_use_no_later_weather_than_the_next_day():
    rng = np.random.default_rng(3)
    names = ("precipitation", "temperature", "shortwave", "longwave", "humidity", "wind")
    forcing = {name: rng.random((500, 2)) * (0.02 if name == "humidity" else 10) for name in names}
    later = {name: values.copy() for name, values in forcing.items()}
    for values in later.values():
        values[450:] *= 0.5
    day = np.arange(500) % 365 + 1
    one, two = antecedent_predictors(forcing, day), antecedent_predictors(later, day)
    for name in one:
        np.testing.assert_array_equal(one[name][:449], two[name][:449], err_msg=name)
    assert len(one) == 43
