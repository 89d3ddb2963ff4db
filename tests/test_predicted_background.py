"""gapfill(predictors=...): honest estimates, lazy on Dask, and a clear error for bad input."""

import sys

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.conventions.cf import BY_BACKGROUND, BY_NETWORK, DEPARTURE_BY_NETWORK, OBSERVED
from xsm.errors import InputError, MissingPackageError, TimeAxisError, UnitError
from xsm.estimation.memory import exponential_mean

torch = pytest.importorskip("torch", reason="needs xsm[train]")
SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
DAYS, ROWS, COLUMNS = 60, 3, 6


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Two networks, few epochs, and a short fit of the local part."""
    from xsm.networks.registry import network
    from xsm.training import months_fit, out_of_sample

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(out_of_sample, "N_FOLDS", 2)
        patch.setattr(months_fit, "RESPONSE_STEPS", 3)
        patch.setitem(network("dense").training, "epochs", 8)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(threads)


def made(days=DAYS, columns=COLUMNS, seed=0) -> tuple[xr.Dataset, xr.DataArray]:
    """Rain, the soil moisture that follows from it with gaps, and without."""
    rng = np.random.default_rng(seed)
    shape = (days, ROWS, columns)
    rain = np.where(rng.random(shape) < 0.25, rng.exponential(10.0, shape), 0.0)
    truth = 0.1 + 0.05 * exponential_mean(rain.reshape(days, -1), 3.0).reshape(shape) / 2.5
    values = np.where(rng.random(shape) < 0.65, truth + 0.01 * rng.standard_normal(shape), np.nan)
    dims = ("time", "lat", "lon")
    coords = {
        "time": np.datetime64("2015-04-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
        "lat": 45.0 - 2 * np.arange(ROWS),
        "lon": 5.0 + 2 * np.arange(columns),
    }
    ds = xr.Dataset(
        {
            SM: (dims, values.astype(np.float32), {"units": "m3 m-3"}),
            "rain": (dims, rain.astype(np.float32), {
                "units": "mm day-1", "standard_name": "lwe_precipitation_rate"}),
            "elevation": (dims[1:], rng.random(shape[1:]) * 500, {"units": "m"}),
        },
        coords,
    )  # fmt: skip
    return ds, xr.DataArray(truth, coords, dims)


@pytest.fixture(scope="module")
def world() -> tuple[xr.Dataset, xr.DataArray]:
    return made()


@pytest.fixture(scope="module")
def filled(world) -> xr.Dataset:
    return world[0].sm.gapfill(predictors=["rain", "elevation"], calibrate=False)


def error(out: xr.Dataset, world) -> float:
    ds, truth = world
    gap = np.isnan(ds[SM].values)
    return float(np.sqrt(np.nanmean((out[SM] - truth).values[gap] ** 2)))


def test_weather_improves_the_fill(world, filled):
    ds, _ = world
    assert error(filled, world) < 0.9 * error(ds.sm.gapfill(calibrate=False), world)
    observed = ds[SM].notnull().values
    np.testing.assert_array_equal(filled[SM].values[observed], ds[SM].values[observed])
    assert (filled[FLAG].values[observed] == OBSERVED).all()
    assert not np.isin(filled[FLAG].values, [BY_NETWORK, 2, 6]).any()
    assert filled[SM].attrs["gapfill_background"] == "estimates from rain, elevation"
    assert "predictors='estimates from rain, elevation'" in filled.attrs["history"]


def test_a_dataset_of_predictors_and_the_record_among_them(world, filled):
    ds, _ = world
    out = ds[SM].sm.gapfill(predictors=ds, calibrate=False)
    np.testing.assert_array_equal(out[SM].values, filled[SM].values)


def test_what_belongs_to_the_record_is_no_predictor(world, filled):
    ds, _ = world
    belonging = ds.assign({UNC: ds[SM] / 10, FLAG: ds[SM] * 0 + 1, "quality": ds[SM] + 1})
    belonging[SM].attrs["ancillary_variables"] = "quality"
    out = belonging[SM].sm.gapfill(predictors=belonging, calibrate=False)
    np.testing.assert_array_equal(out[SM].values, filled[SM].values)
    assert out[SM].attrs["gapfill_background"] == "estimates from rain, elevation"


def test_a_record_in_percent(world, filled):
    ds, _ = world
    ds = ds.assign({SM: (100 * ds[SM]).assign_attrs(units="%")})
    out = ds.sm.gapfill(predictors=["rain", "elevation"], calibrate=False)
    for name in (SM, UNC):
        np.testing.assert_allclose(out[name] / 100, filled[name], atol=1e-4)


def test_no_estimate_has_seen_its_day(world):
    """Changed observations of a block change no estimate within it."""
    from xsm.training.out_of_sample import BLOCK_DAYS, fit_out_of_sample

    ds, _ = world
    changed = ds[SM].copy(deep=True)
    block = slice(2 * BLOCK_DAYS, 3 * BLOCK_DAYS)
    changed[block] = changed[block].values[::-1, ::-1]
    weather = ds[["rain", "elevation"]]
    before, after = (fit_out_of_sample(weather, target) for target in (ds[SM], changed))
    inside, outside = before.values[:, block], before.values[:, 3 * BLOCK_DAYS :]
    # the cell's mean and standard deviation are those of all its days
    assert np.corrcoef(inside.ravel(), after.values[:, block].ravel())[0, 1] > 0.9
    assert np.isfinite(outside).all() and not np.array_equal(outside, after.values[:, 30:])


def test_weight_of_all_networks_in_a_gap_grows_with_the_distance_to_observations(world):
    from xsm.predicted_background import _estimate_of_record
    from xsm.training.out_of_sample import fit_out_of_sample

    ds = world[0].copy(deep=True)
    ds[SM][20:31, 1, 2] = np.nan
    ds[SM][19, 1, 2], ds[SM][31, 1, 2] = 0.2, 0.2
    weather = ds[["rain", "elevation"]]
    fitted = fit_out_of_sample(weather, ds[SM])
    background = _estimate_of_record(weather, ds[SM], None, False)
    of_all = weather.sm.estimate(model=fitted.model)
    left_out = of_all[SM].transpose("lat", "lon", "time").copy()
    left_out.values = fitted.values.reshape(left_out.shape)
    left_out = left_out.transpose(*ds[SM].dims)
    of_all_networks = of_all[SM].transpose(*ds[SM].dims)
    observed = ds[SM].notnull().values
    days = np.arange(len(observed))
    apart = np.where(observed[None], abs(days[:, None] - days)[..., None, None], len(days))
    weight = np.where(observed, 0.0, np.clip(0.3 + 0.1 * apart.min(axis=1), 0.4, 0.8))
    gap = slice(20, 31), 1, 2
    by_hand = [0.4, 0.5, 0.6, 0.7, 0.8, 0.8, 0.8, 0.7, 0.6, 0.5, 0.4]
    np.testing.assert_allclose(weight[gap], by_hand)
    expected = left_out + weight * (of_all_networks - left_out)
    result = background[SM].transpose(*ds[SM].dims)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert not np.allclose(left_out, of_all_networks, atol=1e-3)
    np.testing.assert_array_equal(background[UNC], of_all[UNC])


def test_lazy_on_dask_and_equal(world, filled):
    dask = pytest.importorskip("dask", reason="needs xsm[dask]")
    ds, _ = world
    calls = []
    with dask.config.set(scheduler=lambda *a, **k: calls.append(1)):
        lazy = ds.chunk(time=20).sm.gapfill(predictors=["rain", "elevation"], calibrate=False)
    assert not calls and lazy[SM].chunks is not None
    with dask.config.set(scheduler="synchronous"):
        for name in (SM, UNC, FLAG):
            np.testing.assert_allclose(lazy[name], filled[name], atol=1e-5)
    with pytest.raises(UnitError, match="precipitation"):
        wrong = ds["rain"].assign_attrs(units="K").to_dataset().chunk()
        ds.sm.gapfill(predictors=wrong)


def test_land_never_observed_orbits_and_a_tree(world, filled):
    """Each record has estimates of its own, also where a cell was never observed."""
    ds, truth = world
    changed = (ds[SM] + np.float32(0.2)).assign_attrs(ds[SM].attrs)
    changed[:, 1, 1] = np.nan
    both = ds.assign({SM: xr.concat([ds[SM], changed], "orbit")})
    both[SM].attrs = ds[SM].attrs
    tree = xr.DataTree.from_dict({"/am": both, "/empty": xr.Dataset()})
    land = np.ones((ROWS, COLUMNS), bool)
    out = tree.sm.gapfill(predictors=["rain", "elevation"], land=land, calibrate=False)["am"]
    np.testing.assert_allclose(out[SM][0], filled[SM], atol=1e-6)
    assert (out[FLAG][1, :, 1, 1] == BY_BACKGROUND).all()
    assert abs(out[SM][1, :, 1, 1] - 0.2 - truth[:, 1, 1]).mean() < 0.05
    gap = ds[SM].isnull().values
    assert abs(out[SM][1] - 0.2 - filled[SM]).values[gap].mean() < 0.01
    pytest.importorskip("dask", reason="needs xsm[dask]")
    chunked = both.chunk(time=20)
    lazy = chunked.sm.gapfill(predictors=["rain", "elevation"], land=land, calibrate=False)
    assert lazy[SM].chunks == chunked[SM].chunks
    np.testing.assert_allclose(lazy[SM], out[SM], atol=1e-5)


def test_predictors_of_some_days_and_with_gaps(world):
    ds, _ = world
    weather = ds[["rain", "elevation"]].isel(time=slice(0, 50))
    weather["rain"] = weather["rain"].where(weather["time.day"] != 7)
    out = ds.sm.gapfill(predictors=weather, calibrate=False)
    gap = (out[SM].notnull() & ds[SM].isnull()).values
    np.testing.assert_array_equal(out[FLAG].values[50:][gap[50:]], BY_NETWORK)
    np.testing.assert_array_equal(out[FLAG].values[:50][gap[:50]], DEPARTURE_BY_NETWORK)


def test_predictors_out_of_their_declared_range_are_missing(world):
    """Also where the range is in packed numbers and the predictors are on Dask."""
    ds, _ = world
    hidden = np.random.default_rng(5).random(ds["rain"].shape) < 0.1
    of_rain = dict(ds["rain"].attrs)
    gaps = ds.assign(rain=ds["rain"].where(~hidden).assign_attrs(of_rain))
    packed = of_rain | {"valid_range": np.int16([-10, 30000])}
    undecoded = ds.assign(rain=ds["rain"].where(~hidden, -9999.0).assign_attrs(packed))
    undecoded["rain"].encoding = {"scale_factor": 0.01, "add_offset": 0.1}
    expected, *found = (
        xsm.gapfill(given[SM], predictors=given[["rain", "elevation"]], calibrate=False)
        for given in (gaps, undecoded, undecoded.chunk(time=20))
    )
    for out in found:
        np.testing.assert_allclose(out[SM], expected[SM], atol=1e-5)


def shifted(ds, **by):
    return ds[["rain", "elevation"]].assign_coords({k: ds[k] + v for k, v in by.items()})


BAD = {
    "other cells": (lambda ds: shifted(ds, lat=0.7), InputError, "other lat than the predictors"),
    "other days": (lambda ds: shifted(ds, time=np.timedelta64(900, "D")),
                   (InputError, TimeAxisError), "no day in common|values over 0 days"),
    "wrong unit": (lambda ds: ds[["rain"]].assign(rain=ds["rain"].assign_attrs(units="K")),
                   UnitError, "'K'"),
    "no unit": (lambda ds: ds[["rain"]].drop_attrs(deep=True).rename(rain="precipitation"),
                UnitError, "no attribute 'units'"),
    "empty": (lambda ds: ds[["rain"]].where(False).assign(
        rain=ds["rain"].where(False).assign_attrs(ds["rain"].attrs)), InputError,
        r"predictors \['precipitation'\] have no value"),
    "static only": (lambda ds: ds[["elevation"]], TimeAxisError, "time axis"),
    "a number": (lambda ds: 5, InputError, "predictors is a int"),
    "unknown name": (lambda ds: ["snow"], InputError, r"\['snow'\] are no variables"),
    "the record": (lambda ds: SM, InputError, "are no variables beside soil_moisture"),
    "nothing": (lambda ds: [], InputError, "predictors is empty: expected a Dataset, or names"),
    "numbers": (lambda ds: ["rain", 3], InputError, r"predictors holds \[3\]: expected a Dataset"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_predictors(world, case):
    ds, _ = world
    predictors, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        ds.sm.gapfill(predictors=predictors(ds))


def test_records_that_cannot_be_fitted(world):
    ds, _ = world
    with pytest.raises(InputError, match="over 1[0-9] days .* expected 500 values and 20 days"):
        ds.isel(time=slice(0, 18)).sm.gapfill(predictors="rain")
    constant = ds.assign({SM: ds[SM].where(ds[SM].isnull(), 0.2).assign_attrs(ds[SM].attrs)})
    with pytest.raises(InputError, match="0.2 everywhere"):
        constant.sm.gapfill(predictors="rain")
    names = xr.DataArray(list("abc"), dims="station")
    with pytest.raises(InputError):
        ds.sm.gapfill(predictors=names)


def test_cells_that_are_there_twice(world):
    """Such a grid has no order, so the record itself is refused."""
    ds, _ = world
    twice = xr.concat([ds, ds.isel(lon=[0])], "lon", data_vars="minimal")
    with pytest.raises(xsm.errors.GridError):
        twice.sm.gapfill(predictors="rain")


def test_a_model_fitted_elsewhere_is_a_background(world):
    """On other cells its regional part estimates, which is brought to the climate of the cells."""
    from xsm.training.out_of_sample import fit_out_of_sample

    ds, _ = world
    model = fit_out_of_sample(ds[["rain", "elevation"]], ds[SM]).model
    other, truth = made(seed=5)
    other = other.assign_coords(lon=other["lon"] + 60)
    estimate = other[["rain", "elevation"]].sm.estimate(model=model)
    assert (estimate["soil_moisture_flag"] == 5).all()  # estimated_by_regional_part
    out = other.sm.gapfill(background=estimate, calibrate=False)
    plain = other.sm.gapfill(calibrate=False)
    both = other, truth.assign_coords(lon=other["lon"])
    assert error(out, both) < error(plain, both)


def test_without_torch(world, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError, match="torch"):
        world[0].sm.gapfill(predictors="rain")
