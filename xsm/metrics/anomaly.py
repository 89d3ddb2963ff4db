"""Anomalies: a record without its seasonal cycle."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_choice
from xsm.conventions.cf import with_attrs
from xsm.conventions.time_axis import year_length
from xsm.errors import InputError, TimeAxisError
from xsm.metrics.pairs import Dims, one_chunk_along, pair

ANOMALY_METHODS = ("moving_window", "climatology")
# In calendars of 360 and 365 days, and in a year with a 29 February.
_DAYS_BEFORE_MONTH = {
    360: np.arange(12) * 30,
    365: np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30]),
    366: np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30]),
}


def anomalies(
    da: xr.DataArray,
    *,
    dim: Hashable = "time",
    method: str = "moving_window",
    window: float = 35,
) -> xr.DataArray:
    """Differences from a running mean, or from the mean of the time of year.

    Parameters
    ----------
    da : DataArray
        With dates (datetime64, or cftime of any calendar) along `dim`, at any steps.
    dim : str
    method : {"moving_window", "climatology"}
        Subtract the mean of all values within ``window / 2`` days before and after (as in pytesmo),
        or of the values of all years within ``window / 2`` days of the same day of the year.
    window : float
        Days.

    Returns
    -------
    DataArray
        Same dimensions, chunks and units; NaN where `da` is. Lazy if `da` is.

    Raises
    ------
    InputError
        If `method`, `dim` or `window` is not one of these.
    TimeAxisError
        If there are no dates along `dim`, or one is missing (NaT).

    Notes
    -----
    Days of the year are counted in a year with a 29 February, so that 1 March has one number in all
    years; calendars without one have 365 or 360 days. 31 December and 1 January are neighbours.
    """
    check_choice("method", method, ANOMALY_METHODS)
    if not 0 < window <= 180:
        raise InputError(f"window={window!r}: expected days, above 0 and up to 180.")
    if dim not in da.dims:
        raise InputError(f"dim={dim!r}: expected one of the dimensions {da.dims}.")
    day, year = _day_and_year(da, dim, method)
    out = xr.apply_ufunc(
        partial(_subtract_mean, day=day, half_window=window / 2, year=year),
        one_chunk_along(da, (dim,)),
        input_core_dims=[[dim]],
        output_core_dims=[[dim]],
        dask="parallelized",
        output_dtypes=[np.float64],
    ).transpose(*da.dims)
    if da.chunks is not None:
        out = out.chunk(da.chunksizes)
    attrs = {"long_name": f"anomaly of {da.attrs.get('long_name', da.name or 'the record')}"}
    attrs |= {"units": da.attrs["units"]} if "units" in da.attrs else {}
    return with_attrs(out.assign_coords(da.coords).rename(da.name), **attrs)


def _day_and_year(
    da: xr.DataArray, dim: Hashable, method: str
) -> tuple[NDArray[np.float64], float | None]:
    """Day of each value (T,); of the year for a climatology, with the days of that year."""
    if not _has_dates(da, dim):
        raise TimeAxisError(
            f"{dim} holds no dates: anomalies need a time axis. Set it: "
            f"da.assign_coords({dim}=pd.date_range(...))."
        )
    time = da[dim]
    if count := int(time.isnull().sum()):
        raise TimeAxisError(
            f"{dim} holds {count} missing dates (NaT), whose values have no season. Leave them "
            f"out, such as da.isel({dim}=da[{dim!r}].notnull())."
        )
    if method == "climatology":
        year = year_length(time)
        day = _DAYS_BEFORE_MONTH[year][time.dt.month.values - 1] + time.dt.day.values
        return day.astype(np.float64), float(year)
    if time.dtype.kind == "M":
        elapsed = time.values - time.values[:1]
        return elapsed / np.timedelta64(1, "D"), None
    import cftime

    return np.asarray(cftime.date2num(time.values, "days since 1800-01-01"), np.float64), None


def _has_dates(da: xr.DataArray, dim: Hashable) -> bool:
    if dim not in da.coords or not da[dim].size:
        return False
    dates = da[dim].values
    return dates.dtype.kind == "M" or hasattr(dates[0], "calendar")


def _subtract_mean(
    values: NDArray[Any], *, day: NDArray[np.float64], half_window: float, year: float | None
) -> NDArray[np.float64]:
    """Values (..., T) minus the mean of those whose day is within `half_window`."""
    days, index = np.unique(day, return_inverse=True)
    order = np.argsort(day, kind="stable")
    starts = np.searchsorted(day[order], days)
    observed = np.isfinite(values)
    count = np.maximum(observed.sum(axis=-1, keepdims=True), 1)
    # relative to the mean of all, so that running sums stay small
    mean = np.where(observed, values, 0).sum(axis=-1, keepdims=True, dtype=float) / count
    centred = values - mean
    sums = np.stack([np.where(observed, centred, 0.0), observed])
    sums = np.add.reduceat(sums[..., order], starts, axis=-1)
    around = days
    if year is not None:
        around = np.concatenate([days - year, days, days + year])
        sums = np.tile(sums, 3)
    running = np.concatenate([np.zeros_like(sums[..., :1]), sums.cumsum(axis=-1)], axis=-1)
    first = np.searchsorted(around, days - half_window, "left")
    last = np.searchsorted(around, days + half_window, "right")
    window_sum, window_count = (running[..., last] - running[..., first])[..., index]
    window_mean = window_sum / np.maximum(np.rint(window_count), 1)
    return np.where(observed, centred - window_mean, np.nan)


def paired_anomalies(
    est: xr.DataArray, ref: xr.DataArray, *, dim: Dims, method: str, window: float
) -> tuple[xr.DataArray, xr.DataArray]:
    """Anomalies of the pairs of both; `dim` must contain the time axis."""
    pairs = pair(est, ref, dim=dim, any_units=True)
    x, y = pairs.series
    time_dims = [d for d in pairs.dims if _has_dates(x, d)]
    if pairs.disjoint or not time_dims:
        if not pairs.disjoint and all(x.sizes[d] for d in pairs.dims):
            raise TimeAxisError(
                f"dim={dim!r}: none of these holds dates, and anomalies need a time axis. Reduce "
                'over it, or choose a metric other than "anomaly_r".'
            )
        return x, y
    paired = np.isfinite(x) & np.isfinite(y)
    est_anomaly, ref_anomaly = (
        anomalies(da.where(paired), dim=time_dims[0], method=method, window=window) for da in (x, y)
    )
    return est_anomaly, ref_anomaly
