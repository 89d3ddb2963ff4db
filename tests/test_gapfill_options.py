"""Where and when values are filled in: land, days, calendars, longest gaps, the fallback."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.conventions.cf import BY_CLIMATOLOGY, BY_NETWORK, NOT_FILLED, NOT_LAND
from xsm.errors import InputError
from xsm.gapfilling.climatology import climatology
from xsm.gapfilling.fill import long_gaps

pytestmark = pytest.mark.usefixtures("network")
SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
SEA = (slice(None), slice(0, 3), slice(0, 4))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


# where values may go


def test_land_decides_where_values_go(record):
    land = record[SM].isel(time=0, drop=True).notnull() & False
    land[4:7, 5:9] = True
    out = record.sm.gapfill(land=land)
    filled = (out[FLAG] == BY_NETWORK).any("time")
    assert (filled & ~land).sum() == 0
    assert (out[FLAG] == NOT_FILLED).sum() == 0
    assert int(filled.sum()) == 12
    seen = np.isfinite(record[SM].values)
    assert same_bits(out[SM].values[seen], record[SM].values[seen])


def test_land_may_be_larger_than_what_was_observed(record):
    out = record.sm.gapfill(land=np.ones((9, 16), bool))
    assert not (out[FLAG] == NOT_LAND).any()
    assert np.isfinite(out[SM].values[:, 2, 3]).all()  # beside observed cells
    assert (
        np.isnan(out[SM].values[:, 0, 1]).all() == (out[FLAG].values[:, 0, 1] == NOT_FILLED).all()
    )


def test_land_in_any_form_is_the_same(record):
    mask = np.zeros((9, 16), bool)
    mask[3:, 2:9] = True
    expected = record.sm.gapfill(land=mask)[SM]
    da = xr.DataArray(mask, coords={"lat": record["lat"], "lon": record["lon"]})
    forms = [
        da,
        da.transpose(),
        da.isel(lat=slice(None, None, -1)),
        da.astype(int),
        da * 1.0,
        da[:, ::-1],
    ]
    for land in forms:
        xr.testing.assert_identical(record.sm.gapfill(land=land)[SM], expected)
    out = record.assign(land=da).sm.gapfill(land="land")
    xr.testing.assert_identical(out[SM].drop_vars([]), expected)


@pytest.mark.parametrize(
    ("land", "message"),
    [
        (np.ones((3, 3), bool), r"shape \(3, 3\): expected \(9, 16\)"),
        (np.full((9, 16), 0.5), "other values than 0 and 1.*land_fraction > 0.5"),
        ("land", "land='land' is no variable"),
        (xr.DataArray(np.ones((9, 16), bool), dims=("y", "x")), "expected .'lat', 'lon'"),
        (
            xr.DataArray(np.ones((9, 16), bool), dims=("lat", "lon"), coords={"lat": np.arange(9)}),
            "other lat",
        ),
    ],
)
def test_wrong_land_is_refused(record, land, message):
    with pytest.raises(InputError, match=message):
        record.sm.gapfill(land=land)


# days


def test_lost_days_count_and_are_not_returned(record):
    whole = record.copy(deep=True)
    whole[SM][[3, 4, 8]] = np.nan
    short = whole.isel(time=[0, 1, 2, 5, 6, 7, 9, 10, 11])
    expected = whole.sm.gapfill().sel(time=short["time"])
    out = short.sm.gapfill()
    xr.testing.assert_identical(out.drop_attrs(), expected.drop_attrs())
    limited = short.sm.gapfill(max_gap=3, fallback="climatology")
    expected = whole.sm.gapfill(max_gap=3, fallback="climatology").sel(time=short["time"])
    xr.testing.assert_identical(limited.drop_attrs(), expected.drop_attrs())


@pytest.mark.parametrize("days", [1, 2, 5])
def test_record_of_any_length_works(record, days):
    out = record.isel(time=slice(days)).sm.gapfill()
    land = np.isfinite(record[SM][:days]).any("time")
    assert (np.isfinite(out[SM]) | ~land).all()


def test_one_day_is_that_day_among_empty_ones(record):
    empty = record.where(record["time"] == record["time"][4])
    expected = empty.sm.gapfill().isel(time=[4])
    xr.testing.assert_identical(
        record.isel(time=[4]).sm.gapfill().drop_attrs(), expected.drop_attrs()
    )


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_calendars(record, calendar):
    when = xr.date_range("2016-02-20", periods=12, calendar=calendar, use_cftime=True)
    expected = record.sm.gapfill(fallback="climatology")
    out = record.assign_coords(time=when).sm.gapfill(fallback="climatology")
    np.testing.assert_array_equal(out[SM].values, expected[SM].values)
    assert out.indexes["time"].equals(when)


def test_max_gap_leaves_longer_gaps_empty_whole(record):
    record[SM][:] = 0.3
    cell = {"lat": 5, "lon": 7}
    for first, last in ((0, 3), (4, 6), (7, 12)):  # gaps of 3, 2 and 5 days
        record[SM][{**cell, "time": slice(first, last)}] = np.nan
    record[SM][{**cell, "time": [3, 6]}] = 0.2
    filled = [
        np.isfinite(record.sm.gapfill(max_gap=limit)[SM].isel(cell).values).astype(int).tolist()
        for limit in ("2D", 3, np.timedelta64(4, "D"), pd.Timedelta("5D"))
    ]
    assert filled == [
        [0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    ]
    flags = record.sm.gapfill(max_gap=2, fallback="climatology")[FLAG].isel(cell).values
    assert flags.tolist() == [3, 3, 3, 0, 1, 1, 0, 3, 3, 3, 3, 3]


def test_long_gaps_against_a_plain_definition():
    missing = np.random.default_rng(1).random((40, 6, 5)) < 0.7
    for limit in (1, 3, 8):
        expected = np.zeros_like(missing)
        for y, x in np.ndindex(6, 5):
            runs = np.split(np.arange(40), np.flatnonzero(np.diff(missing[:, y, x])) + 1)
            for run in runs:
                expected[run, y, x] = missing[run[0], y, x] and len(run) > limit
        np.testing.assert_array_equal(long_gaps(missing, limit), expected)


def test_fallback_fills_what_nine_days_cannot(record):
    values = np.full((40, 9, 16), np.nan, np.float32)
    values[[0, 1, 2, 20, 21, 22]] = 0.2
    values[[1, 21]] = 0.3
    ds = record.isel(time=[0] * 40).assign_coords(time=pd.date_range("2015-04-01", periods=40))
    ds[SM].values[:] = values
    plain, out = ds.sm.gapfill(), ds.sm.gapfill(fallback="climatology")
    assert (plain[FLAG].values[:, 0, 0] == NOT_FILLED).any()
    assert np.isnan(plain[SM].values[11, 0, 0])
    same = plain[FLAG].values != NOT_FILLED
    assert same_bits(out[SM].values[same], plain[SM].values[same])
    rest = out[FLAG].values[~same]
    assert set(np.unique(rest)) == {BY_CLIMATOLOGY, NOT_FILLED}
    np.testing.assert_allclose(out[SM].values[11, 0, 0], 7 / 30, rtol=1e-5)
    np.testing.assert_allclose(
        out[UNC].values[11, 0, 0], np.std([0.2, 0.3, 0.2] * 2, ddof=1), rtol=1e-5
    )
    # nothing seen within 15 days of the last ones
    assert (out[FLAG].values[38:] == NOT_FILLED).all()


def test_climatology_against_a_plain_definition():
    rng = np.random.default_rng(3)
    days = np.arange(900)
    doy = days % 365 + 1
    values = rng.random((900, 2, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.95] = np.nan
    values[:, 1, 2] = np.nan
    mean, spread = climatology(values, doy, 365)
    for day in (0, 3, 364, 700):
        distance = np.abs(doy - doy[day])
        near = np.minimum(distance, 365 - distance) <= 15
        for y, x in np.ndindex(2, 3):
            seen = values[near, y, x][np.isfinite(values[near, y, x])].astype(float)
            if seen.size < 3:
                assert np.isnan(mean[day, y, x]) and np.isnan(spread[day, y, x])
            else:
                assert mean[day, y, x] == pytest.approx(seen.mean(), rel=1e-5)
                assert spread[day, y, x] == pytest.approx(seen.std(ddof=1), rel=1e-4)
