"""Series of stations brought onto the days of a product."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.record import GriddedRecord
from xsm.conventions.time_axis import daily_axis
from xsm.errors import InputError, TimeAxisError

PAIRINGS = ("mean", "nearest")
NOON = np.timedelta64(12, "h")

Times = NDArray[Any]  # datetime64


def span(name: str, given: Any) -> np.timedelta64:
    """A positive span of time from ``"12h"`` and the like.

    Raises
    ------
    InputError
        If it is none.
    """
    import pandas as pd

    try:
        found = pd.Timedelta(given)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{name}={given!r}: expected a span of time such as '12h' ({error})."
        ) from error
    if not found > pd.Timedelta(0):
        raise InputError(f"{name}={given!r}: expected more than no time, such as '12h'.")
    return found.to_timedelta64().astype("timedelta64[ns]")


def centres(record: GriddedRecord, days: NDArray[np.intp], overpass: str | None = None) -> Times:
    """Moments (D,) in UTC that the values of a product's days stand for.

    With an overpass these are in local solar time: shift them with :func:`local`. Otherwise the
    times of the product, or noon where these are bare days.
    """
    dates = record.days[days].astype("datetime64[ns]")
    if overpass is not None:
        return dates + time_of_day(overpass)
    stamps = np.asarray(record.time.values)
    if not np.issubdtype(stamps.dtype, np.datetime64):
        return dates + NOON
    stamps = stamps.astype("datetime64[ns]")
    bare = (stamps == stamps.astype("datetime64[D]")).all()
    return dates + NOON if bare else stamps[days]


def local(moments: Times, lon: float) -> Times:
    """Moments in local solar time at a longitude, in UTC."""
    east = (lon + 180.0) % 360.0 - 180.0
    return moments - np.timedelta64(int(round(east / 15.0 * 3600)), "s")


def time_of_day(overpass: str) -> np.timedelta64:
    """Time since midnight of a text such as "06:00"; an InputError if it is none."""
    try:
        return np.datetime64(f"2000-01-01T{overpass}", "ns") - np.datetime64("2000-01-01", "ns")
    except ValueError as error:
        raise InputError(
            f"overpass={overpass!r}: expected a local solar time such as '06:00'."
        ) from error


def daily_index(time: xr.DataArray) -> Times | None:
    """The days of dates that are one a day, None for sub-daily ones.

    Raises
    ------
    TimeAxisError
        If dates are repeated or not in order, or sub-daily in a calendar other than the standard.
    """
    values = np.asarray(time.values)
    if not np.issubdtype(values.dtype, np.datetime64):
        return daily_axis(time, argument="reference").dates
    steps = np.diff(values)
    if (steps <= np.timedelta64(0)).any():
        at = int(np.flatnonzero(steps <= np.timedelta64(0))[0])
        raise TimeAxisError(
            f"reference: {time.name} has repeated or unsorted times: {str(values[at])[:19]} is "
            f"followed by {str(values[at + 1])[:19]}. Expected each once, in order: "
            f'reference.drop_duplicates("{time.name}").sortby("{time.name}").'
        )
    days = values.astype("datetime64[D]")
    return days if np.unique(days).size == days.size else None


def match_daily(values: NDArray[Any], own: Times, days: Times) -> NDArray[np.float32]:
    """Values (P, N) of days `own` (N,) on the days (D,), by calendar day; (P, D)."""
    out = np.full((values.shape[0], days.size), np.nan, np.float32)
    _, mine, theirs = np.intersect1d(days, own, return_indices=True)
    out[:, mine] = values[:, theirs]
    return out


def match_series(
    values: NDArray[Any],
    time: Times,
    moments: Times,
    *,
    window: np.timedelta64,
    pairing: str = "mean",
) -> NDArray[np.float32]:
    """One sub-daily series on the moments of a product.

    Parameters
    ----------
    values, time : ndarray, (N,)
        In order; NaN = missing.
    moments : ndarray, (D,)
    window : timedelta64
        Reach on either side.
    pairing : {"mean", "nearest"}
        Mean of what lies within [moment - window, moment + window), or the nearest value within
        the window.

    Returns
    -------
    ndarray of float32, (D,)
    """
    seen = np.isfinite(values)
    values, time = np.asarray(values, np.float64)[seen], time[seen].astype("datetime64[ns]")
    if values.size == 0:
        return np.full(moments.size, np.nan, np.float32)
    if pairing == "nearest":
        after = np.clip(np.searchsorted(time, moments), 1, max(time.size - 1, 1))
        after = np.minimum(after, time.size - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.abs(moments - time[before]) <= np.abs(time[after] - moments)
        at = np.where(nearer, before, after)
        close = np.abs(time[at] - moments) <= window
        return np.where(close, values[at], np.nan).astype(np.float32)
    first, last = np.searchsorted(time, moments - window), np.searchsorted(time, moments + window)
    centre = values.mean()
    sums = np.concatenate([[0.0], np.cumsum(values - centre)])
    number = last - first
    mean = (sums[last] - sums[first]) / np.maximum(number, 1) + centre
    return np.where(number > 0, mean, np.nan).astype(np.float32)
