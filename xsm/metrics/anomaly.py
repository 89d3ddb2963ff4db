"""Anomalies: what is left of a record without its seasons."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.time_axis import year_length
from xsm.errors import InputError, TimeAxisError
from xsm.metrics.pairs import Dims, pair
from xsm.metrics.series import whole

METHODS = ("moving_window", "climatology")
# Days before each month, in calendars of 360 and 365 days and in a year with a 29 February.
_BEFORE = {
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
    """Differences from a running mean, or from the mean of the season.

    Parameters
    ----------
    da : DataArray
        With dates (datetime64, or cftime of any calendar) along `dim`, at any steps.
    dim : str
    method : {"moving_window", "climatology"}
        The mean of all values within ``window / 2`` days before and after (as in pytesmo), or of
        all values, in all years, within so many days of this day of the year.
    window : float
        Days.

    Returns
    -------
    DataArray
        Same dimensions, chunks and unit; NaN where `da` is. Lazy if `da` is.

    Raises
    ------
    InputError
        If `method`, `dim` or `window` is not one of these.
    TimeAxisError
        If there are no dates along `dim`.

    Notes
    -----
    Days of the year are counted in a year with a 29 February, so that 1 March is one day in all
    years; calendars without one have their own 365 or 360 days. The year is a ring.
    """
    if method not in METHODS:
        raise InputError(f"method={method!r}: expected one of {', '.join(map(repr, METHODS))}.")
    if not 0 < window <= 180:
        raise InputError(f"window={window!r}: expected days, above 0 and up to 180.")
    if dim not in da.dims:
        raise InputError(f"dim={dim!r}: expected one of the dimensions {da.dims}.")
    position, period = _position(da, dim, method)
    found = xr.apply_ufunc(
        partial(_departure, position=position, half=window / 2, period=period),
        whole(da, (dim,)),
        input_core_dims=[[dim]],
        output_core_dims=[[dim]],
        dask="parallelized",
        output_dtypes=[np.float64],
    ).transpose(*da.dims)
    if da.chunks is not None:
        found = found.chunk(da.chunksizes)
    attrs = {"long_name": f"anomaly of {da.attrs.get('long_name', da.name or 'the record')}"}
    return found.rename(da.name).assign_attrs(
        attrs | {k: da.attrs[k] for k in ("units",) if k in da.attrs}
    )


def _position(
    da: xr.DataArray, dim: Hashable, method: str
) -> tuple[NDArray[np.float64], float | None]:
    """Where each value stands (T,), in days, and the length of the ring, if it is one."""
    if not _dated(da, dim):
        raise TimeAxisError(
            f"{dim} holds no dates: anomalies need a time axis. Set it: "
            f"da.assign_coords({dim}=pd.date_range(...))."
        )
    time = da[dim]
    if method == "climatology":
        year = year_length(time)
        days = _BEFORE[year][time.dt.month.values - 1] + time.dt.day.values
        return days.astype(np.float64), float(year)
    if time.dtype.kind == "M":
        since = time.values - time.values[:1]
        return since / np.timedelta64(1, "D"), None
    import cftime

    return np.asarray(cftime.date2num(time.values, "days since 1800-01-01"), np.float64), None


def _dated(da: xr.DataArray, dim: Hashable) -> bool:
    if dim not in da.coords or not da[dim].size:
        return False
    first = da[dim].values[0]
    return isinstance(first, np.datetime64) or hasattr(first, "calendar")


def _departure(
    values: NDArray[Any], *, position: NDArray[np.float64], half: float, period: float | None
) -> NDArray[np.float64]:
    """Values (..., T) less the mean of those whose position is within `half`."""
    places, where = np.unique(position, return_inverse=True)
    order = np.argsort(position, kind="stable")
    starts = np.searchsorted(position[order], places)
    seen = np.isfinite(values)
    count = np.maximum(seen.sum(axis=-1, keepdims=True), 1)
    # from the mean of all, so that running sums stay small
    centred = values - np.where(seen, values, 0).sum(axis=-1, keepdims=True, dtype=float) / count
    sums = np.stack([np.where(seen, centred, 0.0), seen])
    sums = np.add.reduceat(sums[..., order], starts, axis=-1)
    around = places
    if period is not None:
        around = np.concatenate([places - period, places, places + period])
        sums = np.tile(sums, 3)
    total = np.concatenate([np.zeros_like(sums[..., :1]), sums.cumsum(axis=-1)], axis=-1)
    first = np.searchsorted(around, places - half, "left")
    last = np.searchsorted(around, places + half, "right")
    within, number = (total[..., last] - total[..., first])[..., where]
    return np.where(seen, centred - within / np.maximum(np.rint(number), 1), np.nan)


def paired_anomalies(
    est: xr.DataArray, ref: xr.DataArray, *, dim: Dims, method: str, window: float
) -> tuple[xr.DataArray, xr.DataArray]:
    """Anomalies of both, of the values that have a partner; `dim` must hold the time axis."""
    pairs = pair(est, ref, dim=dim, any_units=True)
    x, y = pairs.series
    dated = [d for d in pairs.dims if _dated(x, d)]
    if pairs.disjoint or not dated:
        if not pairs.disjoint and all(x.sizes[d] for d in pairs.dims):
            raise TimeAxisError(
                f"dim={dim!r}: none of these holds dates, and anomalies need a time axis. Reduce "
                'over it, or choose a metric other than "anomaly_r".'
            )
        return x, y
    both = np.isfinite(x) & np.isfinite(y)
    first, second = (
        anomalies(da.where(both), dim=dated[0], method=method, window=window) for da in (x, y)
    )
    return first, second
