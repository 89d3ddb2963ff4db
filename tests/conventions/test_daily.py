"""Hourly values become daily ones by their meaning; arrays meet by the day."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.estimation.worlds import world
from xsm.conventions.align import on_days
from xsm.conventions.daily import daily_values
from xsm.conventions.predictors import find_predictors
from xsm.errors import InputError, TimeAxisError, UnitError

DAYS = 60


def hourly(daily: xr.DataArray, shape: np.ndarray) -> xr.DataArray:
    """`daily` at each hour, plus or times a daily cycle `shape` (24,)."""
    hours = pd.date_range(daily.time.values[0], periods=24 * daily.sizes["time"], freq="h")
    at_hours = daily.isel(time=np.repeat(np.arange(daily.sizes["time"]), 24))
    cycle = xr.DataArray(np.tile(shape, daily.sizes["time"]), dims="time")
    return (at_hours.drop_vars("time") * cycle).assign_coords(time=hours).assign_attrs(daily.attrs)


CYCLE = 1 + 0.3 * np.sin((np.arange(24) - 8) / 24 * 2 * np.pi)  # mean 1


@pytest.mark.parametrize("chunks", [None, {"time": 100}])
def test_a_state_becomes_its_daily_mean(chunks):
    ds = world()
    lst = hourly(ds["lst"], CYCLE)
    lst = lst if chunks is None else lst.chunk(chunks)
    out = find_predictors(ds, ["precipitation", "lst"], {"lst": lst}).arrays["lst"]
    np.testing.assert_allclose(out.transpose(*ds["lst"].dims), ds["lst"], rtol=1e-5)


def test_a_rate_becomes_its_mean_and_an_amount_its_sum():
    ds = world()
    rate = hourly(ds["precipitation"], CYCLE)  # mm day-1
    amount = (rate / 24 / 1000).assign_attrs(units="m")
    for given in (rate, amount):
        found = find_predictors(ds, ["lst", "precipitation"], {"precipitation": given})
        factor, offset = found.factors["precipitation"]
        daily = factor * found.arrays["precipitation"].transpose(*ds["lst"].dims) + offset
        np.testing.assert_allclose(daily, ds["precipitation"], rtol=1e-4, atol=1e-6)


def test_what_is_accumulated_since_midnight_is_taken_at_the_end_of_the_day():
    ds = world()
    amount = (hourly(ds["precipitation"], CYCLE) / 24).assign_attrs(units="mm")
    # the value at hour h is the sum of the hours before it; the one of 00 that of the day before
    total = amount.coarsen(time=24).construct(time=("day", "hour")).cumsum("hour")
    stacked = (
        total.stack(time=("day", "hour")).transpose("time", ...).drop_vars(["day", "hour", "time"])
    )
    hours = pd.date_range(ds.time.values[0], periods=24 * DAYS, freq="h") + pd.Timedelta("1h")
    land = stacked.assign_coords(time=hours).assign_attrs(units="mm")
    out = daily_values(land, "time", amount=True)
    expected = ds["precipitation"].transpose(*out.dims)
    np.testing.assert_array_equal(out.time.values.astype("M8[D]"), ds.time.values.astype("M8[D]"))
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="on Dask.*cell_methods.*ERA5-Land"):
        daily_values(land.chunk(time=240), "time", amount=True)
    said = land.assign_attrs(cell_methods="time: sum").chunk(time=240)
    assert daily_values(said, "time", amount=True).sizes["time"] >= DAYS


def test_daily_amounts_are_rates():
    ds = world()
    ds["precipitation"] = (ds["precipitation"] / 1000).assign_attrs(units="m")
    factor, offset = find_predictors(ds, ["precipitation"]).factors["precipitation"]
    assert (factor, offset) == pytest.approx((1000.0, 0.0))


def test_days_with_few_of_their_hours_are_missing():
    lst = hourly(world()["lst"], CYCLE)
    late = lst.isel(time=slice(12, None))
    out = daily_values(late, "time")
    assert np.isnan(out.isel(time=0)).all() and np.isfinite(out.isel(time=1)).all()
    holes = lst.copy()
    holes[24:34] = np.nan
    out = daily_values(holes, "time")
    assert np.isnan(out.isel(time=1)).all() and np.isfinite(out.isel(time=2)).all()


def test_hours_in_disorder_and_repeated_days_are_refused():
    ds = world()
    backwards = hourly(ds["lst"], CYCLE).isel(time=slice(None, None, -1))
    twice = ds["lst"].isel(time=np.repeat(np.arange(DAYS), 2))
    for lst in (backwards, twice):
        with pytest.raises(TimeAxisError, match="repeated days"):
            find_predictors(ds, ["precipitation", "lst"], {"lst": lst})


def test_arrays_stamped_at_another_time_of_day_meet_by_the_day():
    ds = world()
    noon = ds["lst"].assign_coords(time=ds.time + np.timedelta64(12, "h"))
    out = on_days(noon, ds["precipitation"], "time")
    xr.testing.assert_identical(out.drop_attrs(), ds["lst"].drop_attrs())
    some = noon.isel(time=slice(3, 20, 2))
    out = on_days(some, ds["precipitation"], "time")
    assert np.flatnonzero(np.isfinite(out[:, 0, 0])).tolist() == list(range(3, 20, 2))
    no_leap = noon.convert_calendar("noleap", use_cftime=True)
    out = on_days(no_leap, ds["precipitation"], "time")
    np.testing.assert_array_equal(out.values, ds["lst"].values)


def test_all_lacking_units_are_listed_at_once():
    ds = world()
    for name in ("lst", "precipitation"):
        del ds[name].attrs["units"]
    with pytest.raises(UnitError, match=r"'lst'.*'K'.*'precipitation'.*'mm day-1'.*Set them"):
        find_predictors(ds, ["lst", "precipitation"])
