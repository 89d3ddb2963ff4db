"""Filling departures from a background."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.conventions.cf import (
    BY_BACKGROUND,
    DEPARTURE_BY_INTERPOLATION,
    DEPARTURE_BY_NETWORK,
    FILLED,
    NOT_FILLED,
    OBSERVED,
)
from xsm.errors import GridError, InputError, TimeAxisError, UnitError
from xsm.gapfilling.background import STD, background_departure, regression, relative_error


@pytest.fixture(scope="module")
def iberia() -> xr.Dataset:
    return xsm.tutorial.open_dataset("amsr2-iberia", days=45, resolution=0.5)


def error(filled: xr.Dataset, ds: xr.Dataset) -> float:
    """RMSE in the gaps, of departures from the mean difference of each cell."""
    gaps = ds["soil_moisture"].isnull() & filled["soil_moisture"].notnull()
    difference = (filled["soil_moisture"] - ds["soil_moisture_truth"]).where(gaps)
    return float(((difference - difference.mean("time")) ** 2).mean() ** 0.5)


def test_the_regression_of_a_cell():
    rng = np.random.default_rng(0)
    b = rng.normal(size=(400, 3, 3))
    data = 0.2 + 0.05 * b + 0.001 * rng.normal(size=b.shape)
    data[rng.random(b.shape) < 0.4] = np.nan
    planes = regression(data, 7.0 + 3.0 * b)
    departure = background_departure(7.0 + 3.0 * b, planes)
    np.testing.assert_allclose(departure - departure.mean(0), 0.05 * (b - b.mean(0)), atol=2e-3)
    residual = np.nanstd(data - departure, axis=0)
    assert residual.max() < 2e-3
    np.testing.assert_allclose(planes[STD][0], residual, rtol=0.1)
    assert (background_departure(-b, regression(data, -b)) == 0).all()  # never against the record
    gap = 7.0 + 3.0 * b
    gap[10:20] = np.nan
    departure = background_departure(gap, regression(data, gap))
    assert (departure[10:20] == 0).all() and np.isfinite(departure).all()


def test_a_cell_without_observations_has_no_departure():
    data = np.full((20, 1, 2), np.nan)
    data[:, 0, 0] = np.linspace(0.1, 0.3, 20)
    background = np.random.default_rng(0).normal(size=data.shape)
    planes = regression(data, background)
    assert (background_departure(background, planes)[:, 0, 1] == 0).all()
    assert planes[STD][0, 0, 1] == pytest.approx(np.std(data[:, 0, 0]), rel=0.2)


def test_a_reanalysis_improves_the_fill(iberia):
    plain = iberia.sm.gapfill()
    with_background = iberia.sm.gapfill(background="swvl1")
    assert error(with_background, iberia) < 0.92 * error(plain, iberia)
    observed = iberia["soil_moisture"].notnull().values
    np.testing.assert_array_equal(
        with_background["soil_moisture"].values[observed], iberia["soil_moisture"].values[observed]
    )
    filled = np.isfinite(with_background["soil_moisture"].values)
    assert filled[np.isfinite(plain["soil_moisture"].values)].all()
    assert "background='swvl1'" in with_background.attrs["history"]
    attrs = with_background["soil_moisture"].attrs
    assert attrs["gapfill_background"] == "swvl1"
    assert attrs["gapfill_hidden_rmse"].startswith("departures from the background: network ")
    flag = with_background["soil_moisture_flag"].values
    gaps = filled & ~observed
    with_background_there = (DEPARTURE_BY_NETWORK, DEPARTURE_BY_INTERPOLATION, BY_BACKGROUND)
    assert np.isin(flag[gaps], with_background_there).all() and (flag[observed] == OBSERVED).all()
    assert np.isin(with_background_there, FILLED).all()


def test_on_dask_on_another_grid_and_in_another_order(iberia):
    field = iberia["swvl1"].sortby("lat").transpose("lon", "lat", "time")
    expected = iberia.sm.gapfill(background="swvl1")
    out = iberia.sm.gapfill(background=field)
    xr.testing.assert_allclose(out.drop_attrs(), expected.drop_attrs(), atol=1e-6)
    pytest.importorskip("dask", reason="needs xsm[dask]")
    chunked = iberia.chunk(time=20)
    lazy = chunked.sm.gapfill(background=field.chunk(time=15))
    assert lazy["soil_moisture"].chunks == chunked["soil_moisture"].chunks
    for name in ("soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"):
        np.testing.assert_allclose(lazy[name], expected[name], atol=1e-5)
    coarse = iberia["swvl1"].coarsen(lat=2, lon=2, boundary="trim").mean(keep_attrs=True)
    assert error(iberia.sm.gapfill(background=coarse), iberia) < error(iberia.sm.gapfill(), iberia)


def test_a_background_that_does_not_fit_is_refused(iberia):
    with pytest.raises(InputError, match="background='none' is no variable"):
        iberia.sm.gapfill(background="none")
    later = iberia["swvl1"].assign_coords(time=iberia.time + np.timedelta64(500, "D"))
    with pytest.raises(TimeAxisError, match="background: .* no day in common"):
        iberia.sm.gapfill(background=later)


def test_a_background_with_nothing_in_it_changes_nothing(iberia, caplog):
    nothing = iberia["swvl1"].where(False).assign_attrs(iberia["swvl1"].attrs)
    out, plain = iberia.sm.gapfill(background=nothing), iberia.sm.gapfill()
    np.testing.assert_allclose(out["soil_moisture"], plain["soil_moisture"], atol=1e-6)
    assert caplog.text.count("background: it has no value on the days and cells") == 1


@pytest.mark.parametrize("chunks", [None, {"time": 20}])
def test_a_background_that_is_the_record_is_told(made, caplog, chunks):
    """Its departures are 0, and so would be the uncertainty."""
    record, background, _ = made
    filled = record.to_dataset().sm.gapfill(calibrate=False)
    ds = record.to_dataset() if chunks is None else record.to_dataset().chunk(chunks)
    caplog.clear()
    for given in (filled, 1.5 * filled[SM] + 0.02, record):
        ds.sm.gapfill(background=given.assign_attrs(units="m3 m-3"), calibrate=False).load()
        assert caplog.text.count("background: it equals the record wherever") == 1
        caplog.clear()
    ds.sm.gapfill(background=background, calibrate=False).load()
    constant = record.where(record.isnull(), 0.2).to_dataset()
    constant.sm.gapfill(background=background, calibrate=False)
    assert "background" not in caplog.text
    with pytest.raises(InputError, match="background='soil_moisture' is the record itself"):
        ds.sm.gapfill(background=SM)


SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"


@pytest.fixture(scope="module")
def made() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """A record with days and a cell that were never observed; its background, its truth."""
    rng = np.random.default_rng(0)
    shape = (60, 8, 8)
    weather = rng.standard_normal(shape)
    for t in range(1, shape[0]):
        weather[t] = 0.8 * weather[t - 1] + 0.6 * weather[t]
    truth = 0.25 + 0.05 * weather + 0.01 * rng.standard_normal(shape)
    values = np.where(rng.random(shape) < 0.5, truth, np.nan)
    values[20:45] = np.nan
    values[:, 5, 5] = np.nan
    coords = {
        "time": np.datetime64("2015-04-01", "ns") + np.arange(60) * np.timedelta64(1, "D"),
        "lat": 45.0 - np.arange(8) / 4,
        "lon": 5.0 + np.arange(8) / 4,
    }
    fields = [
        xr.DataArray(v.astype(np.float32), coords, ("time", "lat", "lon"), name=SM)
        for v in (values, 0.3 + 0.03 * weather, truth)
    ]
    return tuple(f.assign_attrs(units="m3 m-3") for f in fields)


def test_the_background_alone_fills_what_the_network_cannot(made):
    record, background, truth = made
    out = record.sm.gapfill(background=background)
    gap = np.isnan(record.values)
    alone = out[FLAG].values == BY_BACKGROUND
    assert alone[28:36, :5].all() and not alone[:, 5, 5].any()
    error = (out[SM] - truth).values[alone]
    assert np.sqrt(np.mean(error**2)) < 0.015 and (out[UNC].values[alone] < 0.02).all()
    everywhere = record.sm.gapfill(background=background, land=np.ones((8, 8), bool))
    never = everywhere.isel(lat=5, lon=5)
    assert (never[FLAG] == BY_BACKGROUND).all()
    # without observations its mean is unknown, but not the climate of the others
    assert abs(never[SM] - truth[:, 5, 5]).mean() < 0.02
    assert not np.isnan(everywhere[SM].values[gap]).any()
    short = record.sm.gapfill(background=background, max_gap=10)
    assert (short[FLAG].values[20:45, :5] == NOT_FILLED).all()


def test_the_uncertainty_covers_the_errors_of_background_and_fill(made):
    record, background, truth = made
    for scale in (0.0, 0.03):  # a background with errors of its own
        noise = scale * np.random.default_rng(1).standard_normal(record.shape)
        out = record.sm.gapfill(background=background + noise.astype(np.float32))
        error, std = abs(out[SM] - truth).values, out[UNC].values
        gap = np.isfinite(std)
        for level, half_width in ((0.68, 1.0), (0.95, 1.96)):
            assert np.mean(error[gap] < half_width * std[gap]) == pytest.approx(level, abs=0.07)


def test_a_background_in_other_units_or_constant(made):
    record, background, _ = made
    percent = (100 * background).assign_attrs(units="%")
    expected = record.sm.gapfill(background=background)
    xr.testing.assert_allclose(
        record.sm.gapfill(background=percent).drop_attrs(), expected.drop_attrs(), atol=1e-5
    )
    in_percent = (100 * record).assign_attrs(units="%").sm.gapfill(background=background)
    for name in (SM, UNC):
        np.testing.assert_allclose(in_percent[name] / 100, expected[name], atol=1e-5)
    with pytest.raises(UnitError, match="'K'"):
        record.sm.gapfill(background=(background + 273).assign_attrs(units="K"))
    constant = xr.full_like(background, 0.3).assign_attrs(background.attrs)
    out, plain = record.sm.gapfill(background=constant), record.sm.gapfill()
    reached = np.isfinite(plain[SM].values)
    np.testing.assert_allclose(out[SM].values[reached], plain[SM].values[reached], atol=0.06)
    # it explains nothing, so it fills nothing alone
    np.testing.assert_array_equal(np.isfinite(out[SM].values), reached)


def test_a_background_with_gaps_on_other_days_and_cells(made):
    record, background, _ = made
    part = background.isel(time=slice(10, 50), lat=slice(0, 6)).where(background["time.day"] != 20)
    out = record.sm.gapfill(background=part.assign_attrs(background.attrs))
    there = np.isfinite(part.reindex_like(record)).values
    by_background = np.isin(
        out[FLAG].values, (DEPARTURE_BY_NETWORK, DEPARTURE_BY_INTERPOLATION, BY_BACKGROUND)
    )
    gap = np.isnan(record.values) & np.isfinite(out[SM].values)
    np.testing.assert_array_equal(by_background[gap], there[gap])
    elsewhere = background.assign_coords(lon=background["lon"] + 90)
    with pytest.raises(InputError, match="no area in common"):
        record.sm.gapfill(background=elsewhere)
    with pytest.raises(InputError, match="background and predictors are both given"):
        record.sm.gapfill(background=background, predictors=background.to_dataset(name="tp"))


@pytest.fixture(scope="module")
def uneven(made) -> tuple[xr.DataArray, xr.Dataset, xr.DataArray]:
    """A background whose errors are eight times as large on every other day, and says so."""
    record, background, truth = made
    rng = np.random.default_rng(2)
    std = np.where(np.arange(60) % 2, 0.005, 0.04)[:, None, None] * np.ones(record.shape)
    error = rng.standard_normal(record.shape)
    for t in range(1, 60):
        error[t] = 0.9 * error[t - 1] + 0.19**0.5 * error[t]
    error *= std
    field = (truth.where(record.notnull().any("time")) + error).astype(np.float32)
    ds = field.assign_attrs(background.attrs).to_dataset(name="sm")
    attrs = {"units": "m3 m-3", "standard_name": "soil_moisture_content standard_error"}
    ds["sm_uncertainty"] = background.copy(data=std.astype(np.float32)).assign_attrs(attrs)
    return record.where(record["time"].dt.day % 7 != 0).assign_attrs(record.attrs), ds, truth


def test_departures_are_filled_in_units_of_the_error_of_the_background(uneven):
    record, background, truth = uneven
    out, without = (record.sm.gapfill(background=b) for b in (background, background["sm"]))
    gap = np.isfinite(out[UNC].values) & np.isfinite(without[UNC].values)
    rmse = [np.sqrt(np.mean((o[SM] - truth).values[gap] ** 2)) for o in (out, without)]
    assert rmse[0] < rmse[1]
    good = gap & (np.arange(60) % 2 == 1)[:, None, None]
    poor = gap & ~good
    assert out[UNC].values[good].mean() < 0.6 * out[UNC].values[poor].mean()
    for days in (good, poor):
        covered = abs(out[SM] - truth).values[days] < out[UNC].values[days]
        assert covered.mean() == pytest.approx(0.68, abs=0.08)
    observed = record.notnull().values
    np.testing.assert_array_equal(out[SM].values[observed], record.values[observed])


def test_the_error_of_a_background_matters_only_relative_to_other_days(uneven):
    record, background, _ = uneven
    expected = record.sm.gapfill(background=background)
    scaled = background.assign(sm_uncertainty=0.2 * background["sm_uncertainty"])
    scaled["sm_uncertainty"].attrs = background["sm_uncertainty"].attrs
    beside = background.assign({SM: record})
    even = background.assign(sm_uncertainty=xr.full_like(background["sm_uncertainty"], 0.02))
    for out in (
        record.sm.gapfill(background=scaled),
        beside.sm.gapfill(var=SM, background="sm"),
    ):
        np.testing.assert_allclose(out[SM], expected[SM], atol=1e-5)
        np.testing.assert_allclose(out[UNC], expected[UNC], atol=1e-5)
    np.testing.assert_allclose(
        record.sm.gapfill(background=even)[SM],
        record.sm.gapfill(background=background["sm"])[SM],
        atol=1e-5,
    )
    pytest.importorskip("dask", reason="needs xsm[dask]")
    chunked = record.chunk(time=20)
    lazy = chunked.sm.gapfill(background=background.chunk(time=15))
    for name in (SM, UNC, FLAG):
        assert lazy[name].chunks == chunked.chunks
        np.testing.assert_allclose(lazy[name], expected[name], atol=1e-5)


def test_the_relative_error_is_fitted_to_the_residuals():
    rng = np.random.default_rng(3)
    error = rng.uniform(0.5, 1.5, (400, 5, 5))
    error /= np.sqrt((error**2).mean(axis=0))
    for beta in (0.0, 0.6, 1.0):  # the part of the variance that follows the error
        std = np.sqrt(1 - beta + beta * error**2)
        residual = 0.03 * std * rng.standard_normal(error.shape)
        np.testing.assert_allclose(relative_error(residual, 7.0 * error), std, atol=0.06)


def test_the_relative_error_where_nothing_is_known():
    rng = np.random.default_rng(4)
    error = np.where(np.arange(200) % 2, 0.01, 0.09)[:, None, None] * np.ones((1, 1, 4))
    residual = error * rng.standard_normal(error.shape)
    residual[:, 0, 1] = np.nan  # a cell without observations: as the others
    error[:, 0, 2] = 0.0  # says nothing
    error[::4, 0, 3] = np.nan
    ratio = relative_error(residual, error)[:, 0]
    for cell in (0, 1):
        assert ratio[1::2, cell].max() < 0.3 and ratio[::2, cell].min() > 1.3
    assert (ratio[:, 2] == 1).all() and (ratio[::4, 3] == 1).all()
    nothing = relative_error(np.full((3, 1, 1), np.nan), np.full((3, 1, 1), 0.1))
    assert (nothing == 1).all()


def test_a_background_on_a_curved_grid_says_what_to_do(made):
    """Gapfill has no argument for how to regrid."""
    record, background, _ = made
    lat, lon = xr.broadcast(background["lat"], background["lon"])
    curved = background.drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    curved = curved.assign_coords(
        lat=(("y", "x"), lat.values, {"units": "degrees_north"}),
        lon=(("y", "x"), lon.values + 0.01 * lat.values, {"units": "degrees_east"}),
    )
    with pytest.raises(GridError, match="background: .* bring the first onto the rows and columns"):
        record.sm.gapfill(background=curved)
