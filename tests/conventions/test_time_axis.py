"""Which day is which, and spans of days."""

import datetime

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.conventions.grid import layout_of
from xsm.conventions.time_axis import daily_axis, gap_days, year_length
from xsm.errors import InputError, TimeAxisError

T, H, W = 4, 3, 5


def array(dims=("time", "lat", "lon"), name="sm", **coords) -> xr.DataArray:
    sizes = dict(zip(("time", "lat", "lon"), (T, H, W), strict=True))
    shape = tuple(sizes.get(dim, 2 + i) for i, dim in enumerate(dims))
    return xr.DataArray(np.zeros(shape, np.float32), dims=dims, name=name, coords=coords)


def dates(n=T, start="2015-04-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=n)


def times(values) -> xr.DataArray:
    return xr.DataArray(values, dims="time", name="time")


def test_times_of_day_do_not_count():
    when = np.array(["2015-04-01T01:35", "2015-04-02T00:10", "2015-04-05T23:59"], "datetime64[ns]")
    assert daily_axis(times(when)).numbers.tolist() == [0, 1, 4]


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "proleptic_gregorian"])
def test_days_of_any_calendar(calendar):
    when = xr.date_range("2016-02-27", periods=5, calendar=calendar, use_cftime=True)
    assert daily_axis(times(when)).numbers.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "index",
    [
        dates().tz_localize("UTC"),
        (dates() + pd.Timedelta("6h")).tz_localize("UTC").tz_convert("Asia/Tokyo"),
        dates().to_period("D"),
        dates().to_period("D").to_timestamp(how="end"),
        pd.Index(dates().to_pydatetime(), dtype=object),
        dates() - pd.Timedelta("40us"),
        dates() - pd.to_timedelta([0, 1, 2, 400_000], unit="us"),
        xr.date_range(dates()[0], periods=T, calendar="noleap", use_cftime=True)
        - datetime.timedelta(microseconds=40),
    ],
    ids=["utc", "zone", "period", "period end", "datetime", "early", "rounded", "cftime early"],
)
def test_dates_of_any_dtype_and_a_hair_early_are_the_days_meant(index):
    axis = daily_axis(array(time=("time", index)).time)
    assert axis.dates.astype(str).tolist() == [str(day.date()) for day in dates()]
    assert axis.time.dt.day.values.size == T


def test_a_stamp_at_the_last_second_of_a_day_is_that_day():
    when = dates().to_numpy() + np.timedelta64(86_399, "s")
    assert daily_axis(times(when)).dates.astype(str).tolist()[0] == "2015-04-01"


@pytest.mark.skipif(xr.__version__ < "2025.6", reason="this xarray cannot copy categories")
def test_categories_beside_the_record_are_no_dates():
    da = array(time=dates(), biome=("lat", pd.Categorical(list("aab"))))
    assert layout_of(da).time == "time"


def test_a_year_of_a_calendar():
    for calendar, days in (("standard", 366), ("noleap", 365), ("360_day", 360)):
        when = xr.date_range("2016-02-27", periods=2, calendar=calendar, use_cftime=True)
        assert year_length(times(when)) == days
    assert year_length(times(dates())) == 366


def test_repeated_days_are_shown():
    when = dates().insert(2, pd.Timestamp("2015-04-02T12:00"))
    with pytest.raises(TimeAxisError, match=r"1 repeated days \(2015-04-02, 2015-04-02T12:00:00\)"):
        daily_axis(times(when), consecutive=True)


def test_unsorted_days_are_shown():
    when = dates()[[0, 2, 1, 3]]
    with pytest.raises(TimeAxisError, match=r"2015-04-03 before 2015-04-02.*sortby\(\"time\"\)"):
        daily_axis(times(when), consecutive=True)


@pytest.mark.parametrize("freq", ["8D", "MS", "2D"])
def test_composites_are_refused(freq):
    with pytest.raises(TimeAxisError, match="expected daily data.*asfreq"):
        daily_axis(times(pd.date_range("2015-01-01", periods=5, freq=freq)), consecutive=True)


def test_hourly_data_are_refused():
    with pytest.raises(TimeAxisError, match="repeated days.*resample"):
        daily_axis(times(pd.date_range("2015-01-01", periods=30, freq="h")), consecutive=True)


@pytest.mark.parametrize("values", [np.arange(4), np.arange(4.0), np.array(["a", "b", "c", "d"])])
def test_no_dates_are_refused(values):
    with pytest.raises(TimeAxisError, match="expected dates.*decode_cf"):
        daily_axis(times(values), consecutive=True)


def test_missing_dates_are_refused():
    with pytest.raises(TimeAxisError, match="1 missing dates"):
        daily_axis(times(np.array(["2015-04-01", "NaT"], "datetime64[ns]")), consecutive=True)


def test_no_time_axis_says_how_to_get_one():
    ds = xr.Dataset({"sm": array(("Longitude", "Latitude"))})
    ds.encoding["source"] = "/data/LPRM-AMSR2_L3_D_SOILM3_V001_20150401013507.nc4"
    with pytest.raises(TimeAxisError, match="2015-04-01.*preprocess=xsm.add_day"):
        layout_of(ds["sm"], ds)


def test_one_day_of_a_record_says_so():
    da = array(time=dates()).isel(time=1)
    with pytest.raises(TimeAxisError, match="the single day 2015-04-02.*before"):
        layout_of(da)


@pytest.mark.parametrize(
    "span",
    [
        5,
        np.int64(5),
        "5D",
        "120h",
        np.timedelta64(5, "D"),
        np.timedelta64(5 * 24, "h"),
        pd.Timedelta(5, "D"),
        datetime.timedelta(days=5),
    ],
)
def test_spans_of_five_days(span):
    assert gap_days(span) == 5


@pytest.mark.parametrize("span", [0, -3, "12h", np.timedelta64(1, "s")])
def test_spans_below_a_day_are_refused(span):
    with pytest.raises(InputError, match="expected a day or more"):
        gap_days(span)


@pytest.mark.parametrize("span", ["long", True, 5.5, [5], np.timedelta64("NaT"), "5"])
def test_no_spans_are_refused(span):
    with pytest.raises(InputError, match="max_gap=.*expected"):
        gap_days(span)
