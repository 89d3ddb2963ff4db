"""Station series on the days of a product."""

import cftime
import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import grid
from xsm.conventions.record import gridded_record
from xsm.conventions.time_axis import daily_axis
from xsm.errors import InputError, TimeAxisError
from xsm.validation.temporal_matching import (
    daily_index,
    match_daily,
    match_series,
    observation_times,
    solar_to_utc,
    time_span,
)

HOURS = np.arange(np.datetime64("2015-04-01T00", "h"), np.datetime64("2015-04-04T00", "h"))


def moments(*texts):
    return np.array(texts, "datetime64[ns]")


def test_mean_of_a_day_is_half_open():
    values = np.arange(72.0)
    at = moments("2015-04-01T12", "2015-04-02T12", "2015-04-09T12")
    found = match_series(values, HOURS, at, window=time_span("window", "12h"))
    np.testing.assert_allclose(found, [np.arange(24).mean(), np.arange(24, 48).mean(), np.nan])


def test_mean_leaves_out_what_is_missing():
    values = np.where(np.arange(72) % 2, np.nan, np.arange(72.0))
    found = match_series(values, HOURS, moments("2015-04-01T12"), window=time_span("window", "12h"))
    assert found[0] == np.arange(0, 24, 2).mean()
    nothing = match_series(
        values * np.nan, HOURS, moments("2015-04-01T12"), window=time_span("w", "1h")
    )
    assert np.isnan(nothing).all()


def test_nearest_within_the_window():
    values = np.arange(72.0)
    values[5:9] = np.nan
    at = moments("2015-04-01T06:10", "2015-04-01T07:30", "2015-04-05T00")
    options = {"pairing": "nearest"}
    near = match_series(values, HOURS, at, window=time_span("window", "2h"), **options)
    np.testing.assert_array_equal(near, [np.nan, 9, np.nan])
    wide = match_series(values, HOURS, at, window=time_span("window", "2D"), **options)
    np.testing.assert_array_equal(wide, [4, 9, 71])


def test_moments_of_a_product():
    record = gridded_record(grid(days=2))
    days = np.arange(2)
    assert (
        observation_times(record, days).tolist()
        == moments("2015-04-01T12", "2015-04-02T12").tolist()
    )
    stamped = grid(days=2)
    stamped["time"] = stamped.time + np.timedelta64(90, "m")
    record = gridded_record(stamped)
    assert observation_times(record, days)[0] == np.datetime64("2015-04-01T01:30")
    morning = observation_times(record, days, "06:00")[:1]
    # 06:00 at 90 W is noon in UTC
    assert solar_to_utc(morning, -90.0)[0] == np.datetime64("2015-04-01T12:00")
    assert solar_to_utc(morning, 270.0)[0] == np.datetime64("2015-04-01T12:00")
    with pytest.raises(InputError, match="overpass='six'"):
        observation_times(record, days, "six")


def test_daily_values_go_by_calendar_day():
    time = xr.DataArray(HOURS[[0, 30, 55]], dims="time", name="time")
    value_days = daily_index(time)
    days = np.array(["2015-04-02", "2015-04-03", "2015-04-04"], "datetime64[D]")
    found = match_daily(np.array([[1.0, 2.0, 3.0]]), value_days, days)
    np.testing.assert_array_equal(found, [[2, 3, np.nan]])
    assert daily_index(xr.DataArray(HOURS, dims="time", name="time")) is None


def test_calendars_meet_by_day():
    noleap = xr.date_range("2016-02-28", periods=2, calendar="noleap", use_cftime=True)
    days = daily_axis(xr.DataArray(noleap, dims="time", name="time")).dates
    assert days.astype(str).tolist() == ["2016-02-28", "2016-03-01"]
    even = np.array([cftime.Datetime360Day(2016, 2, d) for d in (29, 30)])
    days = daily_axis(xr.DataArray(even, dims="time", name="time")).dates
    assert days.astype(str).tolist() == ["2016-02-29", "NaT"]


@pytest.mark.parametrize(
    ("order", "fault"), [([0, 1, 1, 2], "has 1 repeated day"), ([0, 2, 1], "is not sorted")]
)
def test_days_once_and_in_order(order, fault):
    with pytest.raises(TimeAxisError, match=fault):
        gridded_record(grid(days=3).isel(time=order))
    time = grid(days=3).time.isel(time=order)
    with pytest.raises(TimeAxisError, match="repeated or unsorted"):
        daily_index(time)


def test_time_spans():
    assert time_span("window", "90min") == np.timedelta64(90, "m")
    for wrong in ("soon", "0h", "-1h", None):
        with pytest.raises(InputError, match="window="):
            time_span("window", wrong)


def test_a_missing_time_is_an_error_that_says_how_to_leave_it_out():
    times = HOURS.copy()
    times[3] = np.datetime64("NaT")
    time = xr.DataArray(times, dims="time", coords={"time": times}, name="time")
    with pytest.raises(TimeAxisError, match=r"time holds 1 missing times \(NaT\).*isel\(time="):
        daily_index(time)
    assert daily_index(time.isel(time=time["time"].notnull())) is None
