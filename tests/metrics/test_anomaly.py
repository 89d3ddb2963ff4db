"""Anomalies against pytesmo, in leap years, and in calendars that have none."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pytesmo.time_series.anomaly import calc_anomaly

from tests.metrics.samples import series
from xsm import metrics
from xsm.errors import InputError, TimeAxisError


def test_moving_window_equals_pytesmo(osse):
    est = osse[0].astype(float)
    found = metrics.anomalies(est, window=35)
    for cell in range(4):
        one = est[cell].to_series()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = calc_anomaly(one, window_size=35)
        np.testing.assert_allclose(found[cell], expected.reindex(one.index), atol=1e-6)


def test_moving_window_is_of_days_not_of_values():
    days = pd.to_datetime(["2015-01-01", "2015-01-02", "2015-01-12", "2015-01-30", "2015-02-20"])
    da = xr.DataArray([1.0, 3.0, 5.0, 100.0, 7.0], dims="time", coords={"time": days})
    found = metrics.anomalies(da, window=35)
    assert found.values == pytest.approx([1 - 3, 3 - 3, 5 - 3, 100 - 100, 7 - 7])


def test_unsorted_and_repeated_times_are_taken_as_they_are():
    da = series(np.random.default_rng(0).random((1, 60)))
    order = np.random.default_rng(1).permutation(60)
    shuffled = metrics.anomalies(da[:, order])
    xr.testing.assert_allclose(shuffled, metrics.anomalies(da)[:, order], rtol=1e-12)


def seasonal(time, amplitude=0.1) -> xr.DataArray:
    """A wave with the year, of phase given by month and day."""
    phase = 2 * np.pi * (time.dt.month - 1 + (time.dt.day - 1) / 31) / 12
    return (0.25 + amplitude * np.sin(phase)).assign_coords(time=time)


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day", "julian", "all_leap"])
def test_climatology_takes_the_season_away_in_any_calendar(calendar):
    time = xr.date_range("2001-01-01", "2008-12-30", calendar=calendar, use_cftime=True)
    time = xr.DataArray(time, dims="time", coords={"time": time})
    da = seasonal(time)
    found = metrics.anomalies(da, method="climatology", window=11)
    assert abs(found).max() < 0.006  # what an 11-day mean takes off a wave
    event = da.copy()
    event[1000] += 0.2
    found = metrics.anomalies(event, method="climatology", window=11)
    assert int(np.abs(found.values).argmax()) == 1000


def test_leap_years_keep_every_day_of_the_year_in_its_place():
    time = pd.date_range("2003-01-01", "2006-12-31")
    da = xr.DataArray(np.zeros(time.size), dims="time", coords={"time": time})
    # 1 March alone is different, in every year
    da[(time.month == 3) & (time.day == 1)] = 1.0
    found = metrics.anomalies(da, method="climatology", window=1)
    assert (abs(found) < 1e-12).all()
    assert found.sizes["time"] == time.size  # 29 February 2004 is there
    last = metrics.anomalies(da, method="climatology", window=3)
    first_of_march = last[(time.month == 3) & (time.day == 1)]
    # 28 and 29 February, 1 and 2 March: 1 March has 9 neighbours with itself, 5 of them after it
    assert first_of_march.values == pytest.approx(1 - 4 / 9)


def test_the_year_is_a_ring():
    time = pd.date_range("2001-01-01", "2002-12-31")
    da = xr.DataArray(np.zeros(time.size), dims="time", coords={"time": time})
    da[time.day_of_year == 365] = 1.0
    found = metrics.anomalies(da, method="climatology", window=3)
    assert found.sel(time="2002-01-01").item() == pytest.approx(-1 / 3)


def test_datetime_and_cftime_agree():
    time = xr.date_range("2015-01-01", periods=800)
    values = np.random.default_rng(0).random(800)
    plain = xr.DataArray(values, dims="time", coords={"time": time})
    cftime = plain.assign_coords(time=xr.date_range("2015-01-01", periods=800, use_cftime=True))
    for method in ("moving_window", "climatology"):
        np.testing.assert_allclose(
            metrics.anomalies(cftime, method=method), metrics.anomalies(plain, method=method),
            atol=1e-12,
        )  # fmt: skip


def test_anomaly_r_is_of_the_pairs_alone(osse):
    est, ref = osse
    both = est.notnull() & ref.notnull()
    x, y = (metrics.anomalies(da.where(both)) for da in (est, ref))
    expected = metrics.pearson_r(x, y, dim="time")
    np.testing.assert_allclose(metrics.anomaly_r(est, ref, dim="time"), expected, atol=1e-12)
    season = metrics.anomaly_r(est, ref, dim="time", method="climatology")
    assert (abs(season) <= 1).all()


def test_units_and_gaps_stay(osse):
    est = osse[0]
    found = metrics.anomalies(est)
    assert found.attrs["units"] == est.attrs["units"]
    assert found.dims == est.dims
    assert (found.isnull() == est.isnull()).all()


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"method": "monthly"}, InputError, "method='monthly': expected one of 'moving_window'"),
        ({"window": 0}, InputError, "window=0"),
        ({"dim": "day"}, InputError, "dim='day'"),
        ({"dim": "cell"}, TimeAxisError, "cell holds no dates"),
    ],
)
def test_wrong_options_say_what_is_right(osse, options, error, words):
    with pytest.raises(error, match=words):
        metrics.anomalies(osse[0], **options)


@pytest.mark.parametrize("method", ["moving_window", "climatology"])
@pytest.mark.parametrize("at", [0, 3])
def test_a_missing_date_is_an_error(method, at):
    da = series([[0.1, 0.2, 0.3, 0.1, 0.2, 0.3]])
    days = pd.date_range("2015-01-01", periods=6).to_numpy().copy()
    days[at] = np.datetime64("NaT")
    with pytest.raises(TimeAxisError, match=r"time holds 1 missing dates \(NaT\).*notnull"):
        metrics.anomalies(da := da.assign_coords(time=days), method=method)
    assert metrics.anomalies(da.isel(time=da.time.notnull()), method=method).size == 5
