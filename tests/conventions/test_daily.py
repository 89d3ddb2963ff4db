"""Hourly values become daily ones by their meaning; arrays meet by the day."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.estimation.worlds import world
from xsm.conventions.align import on_days
from xsm.conventions.daily import daily_values, has_steps
from xsm.conventions.predictors import find_predictors
from xsm.errors import InputError, TimeAxisError, UnitError

DAYS = 60


def hourly(da: xr.DataArray, shape: np.ndarray) -> xr.DataArray:
    """`da` of each day at each hour, plus or times a daily cycle `shape` (24,)."""
    hours = pd.date_range(da.time.values[0], periods=24 * da.sizes["time"], freq="h")
    at_hours = da.isel(time=np.repeat(np.arange(da.sizes["time"]), 24))
    cycle = xr.DataArray(np.tile(shape, da.sizes["time"]), dims="time")
    return (at_hours.drop_vars("time") * cycle).assign_coords(time=hours).assign_attrs(da.attrs)


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
        found_daily = factor * found.arrays["precipitation"].transpose(*ds["lst"].dims) + offset
        np.testing.assert_allclose(found_daily, ds["precipitation"], rtol=1e-4, atol=1e-6)


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


def at_hours(hours: list[list[float]]) -> xr.DataArray:
    """One cell whose temperature has a daily cycle, at these hours of the days."""
    start = np.datetime64("2015-01-01", "ns")
    minutes = [int(60 * (24 * day + h)) for day, times in enumerate(hours) for h in times]
    time = pd.DatetimeIndex(start + np.array(minutes, "timedelta64[m]"))
    cycle = 280 + 10 * np.cos(2 * np.pi * (time.hour + time.minute / 60 - 14) / 24)
    return xr.DataArray(np.asarray(cycle), {"time": time}, "time", "lst", {"units": "K"})


EIGHT = list(range(0, 24, 3))
MEANS = {  # hours of each day -> which days have a mean
    "first and last day in part": ([[18, 21], EIGHT, EIGHT, [0, 3]], [0, 1, 1, 0]),
    "two steps of eight every day": ([[0, 3]] * 3, [0, 0, 0]),
    "a single day in part": ([[0, 3]], [0]),
    "half a day every day": ([EIGHT[:5]] * 3, [0, 0, 0]),
    "six of eight": ([EIGHT, EIGHT[:6], EIGHT[1:7]], [1, 1, 1]),
    "two overpasses": ([[6, 18]] * 3, [1, 1, 1]),
    "four overpasses": ([[1.5, 10.5, 13.5, 22.5]] * 3, [1, 1, 1]),
    "two overpasses in daylight": ([[10.5, 13.5]] * 3, [0, 0, 0]),
}


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize("case", MEANS)
def test_a_part_of_a_day_has_no_mean(case, calendar, caplog):
    hours, expected = MEANS[case]
    da = at_hours(hours)
    if calendar != "standard":
        da = da.convert_calendar(calendar, use_cftime=True)
    out, lazy = daily_values(da, "time"), daily_values(da.chunk(time=3), "time")
    assert np.isfinite(out).values.tolist() == list(map(bool, expected))
    xr.testing.assert_allclose(lazy.compute(), out)
    cycle = 0.35 * 10
    assert (abs(out - 280).where(np.isfinite(out), 0) <= cycle).all()
    texts = [r.getMessage() for r in caplog.records if "no daily mean" in r.getMessage()]
    assert len(texts) == (0 if all(expected) else 1)
    if texts:
        absent = [f"2015-01-0{k + 1} ({len(hours[k])})" for k, e in enumerate(expected) if not e]
        assert f"of {len(absent)} of {len(hours)} days" in texts[0]
        assert ", ".join(absent) in texts[0]
        assert 'da.resample(time="1D").mean() before' in texts[0]
    caplog.clear()
    steady = daily_values(da, "time", steady=True)
    enough = [len(day) >= 0.75 * max(map(len, hours)) for day in hours]
    assert np.isfinite(steady).values.tolist() == enough
    part = sum(e and not x for e, x in zip(enough, expected, strict=True))
    assert (f"the means of {part} of {len(hours)} days, which have times in a" in caplog.text) == (
        part > 0
    )


def test_a_sum_of_a_part_of_a_day_is_missing(caplog):
    for hours, expected in (
        ([[18, 21], EIGHT, EIGHT[:7], [0, 3]], [np.nan, 8.0, 8.0, np.nan]),
        ([[0, 3]] * 3, [np.nan] * 3),  # two of eight steps every day
        ([[0, 12]] * 3, [2.0] * 3),
        ([EIGHT[:7]] * 3, [8.0] * 3),  # an absent step counts as the mean of the others
    ):
        da = xr.ones_like(at_hours(hours)).assign_attrs(units="mm", cell_methods="time: sum")
        caplog.clear()
        np.testing.assert_array_equal(daily_values(da, "time", amount=True), expected)
        assert ("no daily sum" in caplog.text) == np.isnan(expected).any()


def test_amounts_stamped_at_the_end_of_their_step_have_days_of_their_own():
    """The first one, at midnight, is of the day before: it has no sum, and that day is its own."""
    da = xr.ones_like(at_hours([EIGHT] * 3))
    da = da.assign_attrs(units="mm", cell_methods="time: sum", GRIB_stepType="accum")
    out = daily_values(da, "time", amount=True)
    days = np.arange("2014-12-31", "2015-01-04", dtype="M8[D]")
    np.testing.assert_array_equal(out.time.values.astype("M8[D]"), days)
    np.testing.assert_array_equal(out, [np.nan, 8.0, 8.0, 8.0])


def test_steps_of_a_model_are_regular():
    assert has_steps(at_hours([EIGHT, EIGHT[2:], [0, 3]]).time.values)
    for hours in ([[6, 18]] * 3, [[1.5, 10.5, 13.4, 22.5]] * 2, [[12]], [[12]] * 4):
        assert not has_steps(at_hours(hours).time.values)
