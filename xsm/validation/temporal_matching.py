"""Station series matched with the days of a gridded record."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.conventions.record import GriddedRecord
from xsm.conventions.time_axis import ROUNDING, daily_axis, days_of, standard_dates
from xsm.errors import InputError, TimeAxisError

PAIRINGS = ("mean", "nearest")
NOON = np.timedelta64(12, "h")

Times = NDArray[Any]  # datetime64


def time_span(name: str, value: Any) -> np.timedelta64:
    """A positive time span from ``"12h"`` and the like.

    Raises
    ------
    InputError
        If it is not one.
    """
    import pandas as pd

    try:
        if isinstance(value, int | float | np.number):  # of nanoseconds, which nobody means
            raise TypeError("a number without a unit")
        span = pd.Timedelta(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(
            f"stations: {name}={value!r}: expected a time span such as '12h' ({error})."
        ) from error
    if not span > pd.Timedelta(0):
        raise InputError(f"stations: {name}={value!r}: expected a positive time span, as '12h'.")
    return span.to_timedelta64().astype("timedelta64[ns]")


def time_of_day(overpass: str) -> np.timedelta64:
    """Time since midnight from a text such as "06:00".

    Raises
    ------
    InputError
        If it is not a time of day.
    """
    try:
        return np.datetime64(f"2000-01-01T{overpass}", "ns") - np.datetime64("2000-01-01", "ns")
    except ValueError as error:
        raise InputError(
            f"stations: overpass={overpass!r}: expected a local solar time such as '06:00'."
        ) from error


def observation_times(
    record: GriddedRecord, days: NDArray[np.intp], overpass: str | None = None
) -> Times:
    """Times (D,) of the observations of a record on some of its days.

    With `overpass` these are local solar times: convert them with :func:`solar_to_utc`. Otherwise
    they are the times of the record in UTC, or noon where these are plain dates.
    """
    dates = record.days[days].astype("datetime64[ns]")
    if overpass is not None:
        return dates + time_of_day(overpass)
    times = standard_dates(record.time)
    if not np.issubdtype(times.dtype, np.datetime64):
        return dates + NOON
    times = times.astype("datetime64[ns]")
    plain_dates = (np.abs(times - record.days.astype(times.dtype)) <= ROUNDING).all()
    return dates + NOON if plain_dates else times[days]


def solar_to_utc(times: Times, lon: float) -> Times:
    """Local solar times at a longitude, in UTC."""
    degrees_east = wrap_longitude(lon)
    return times - np.timedelta64(int(round(degrees_east / 15.0 * 3600)), "s")


def daily_index(time: xr.DataArray) -> Times | None:
    """The days of a time axis with one time a day; None if it is sub-daily.

    Raises
    ------
    TimeAxisError
        If times are missing (NaT), repeated or unsorted, or sub-daily in another calendar than the
        standard one.
    """
    values = standard_dates(time)
    if not np.issubdtype(values.dtype, np.datetime64):
        return daily_axis(time, argument="reference").dates
    if count := int(np.isnat(values).sum()):
        raise TimeAxisError(
            f"reference: {time.name} holds {count} missing times (NaT), whose values belong to no "
            f'day. Leave them out: reference.isel({time.name}=reference["{time.name}"].notnull()).'
        )
    steps = np.diff(values)
    if (steps <= np.timedelta64(0)).any():
        at = int(np.flatnonzero(steps <= np.timedelta64(0))[0])
        raise TimeAxisError(
            f"reference: {time.name} has repeated or unsorted times: {str(values[at])[:19]} is "
            f"followed by {str(values[at + 1])[:19]}. Expected each once, in order: "
            f'reference.drop_duplicates("{time.name}").sortby("{time.name}").'
        )
    days = days_of(values)
    return days if np.unique(days).size == days.size else None


def match_daily(values: NDArray[Any], value_days: Times, record_days: Times) -> NDArray[np.float32]:
    """Daily values (P, N) on the days of a record, by calendar day.

    Parameters
    ----------
    values : ndarray, (P, N)
    value_days : ndarray, (N,)
        datetime64[D]
    record_days : ndarray, (D,)
        datetime64[D]

    Returns
    -------
    ndarray of float32, (P, D)
        NaN on days without a value.
    """
    out = np.full((values.shape[0], record_days.size), np.nan, np.float32)
    _, to, source = np.intersect1d(record_days, value_days, return_indices=True)
    out[:, to] = values[:, source]
    return out


def match_series(
    values: NDArray[Any],
    time: Times,
    observed_at: Times,
    *,
    window: np.timedelta64,
    pairing: str = "mean",
) -> NDArray[np.float32]:
    """One sub-daily series at the observation times of a record.

    Parameters
    ----------
    values, time : ndarray, (N,)
        Sorted by time; NaN = missing.
    observed_at : ndarray, (D,)
    window : timedelta64
        Span before and after each observation.
    pairing : {"mean", "nearest"}
        Mean of the values in [observed_at - window, observed_at + window), or the nearest value
        within the window.

    Returns
    -------
    ndarray of float32, (D,)
    """
    valid = np.isfinite(values)
    values, time = np.asarray(values, np.float64)[valid], time[valid].astype("datetime64[ns]")
    if values.size == 0:
        return np.full(observed_at.size, np.nan, np.float32)
    if pairing == "nearest":
        after = np.clip(np.searchsorted(time, observed_at), 1, max(time.size - 1, 1))
        after = np.minimum(after, time.size - 1)
        before = np.maximum(after - 1, 0)
        before_is_nearer = np.abs(observed_at - time[before]) <= np.abs(time[after] - observed_at)
        nearest = np.where(before_is_nearer, before, after)
        within = np.abs(time[nearest] - observed_at) <= window
        return np.where(within, values[nearest], np.nan).astype(np.float32)
    first = np.searchsorted(time, observed_at - window)
    last = np.searchsorted(time, observed_at + window)
    offset = values.mean()  # subtracted so that cumulative sums keep their precision
    sums = np.concatenate([[0.0], np.cumsum(values - offset)])
    number = last - first
    mean = (sums[last] - sums[first]) / np.maximum(number, 1) + offset
    return np.where(number > 0, mean, np.nan).astype(np.float32)
