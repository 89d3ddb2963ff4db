"""Latitudes and longitudes that a file gives only inside the swath of its day."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import GridError

NAMES = {"latitude": ("lat", "latitude"), "longitude": ("lon", "longitude", "long")}
DAYS_AT_ONCE = 16
TOLERANCE = 1e-3  # degrees, between the days


def is_position(da: xr.DataArray) -> bool:
    """Whether it is a latitude or a longitude, by its standard name, name or unit."""
    if str(da.attrs.get("standard_name")) in NAMES:
        return True
    names = [name for kind in NAMES.values() for name in kind]
    units = str(da.attrs.get("units", "")).lower()
    return str(da.name).lower() in names or units in ("degrees_north", "degrees_east")


def complete_coordinate(da: xr.DataArray) -> bool:
    """Whether every cell has a number; False for a Dask array, which is not read."""
    return da.chunks is None and bool(np.isfinite(known_degrees(da.values)).all())


def known_degrees(values: NDArray[Any]) -> NDArray[np.float64]:
    """Degrees as float64; NaN for what cannot be any, such as the -9999 of a file.

    Examples
    --------
    >>> known_degrees(np.array([-9999.0, 10.0, 359.5]))
    array([  nan,  10. , 359.5])
    """
    values = np.asarray(values, np.float64)
    return np.where(np.abs(values) <= 360.0, values, np.nan)


def merge_days(da: xr.DataArray, dim: str) -> xr.DataArray:
    """A coordinate (time, rows, columns) merged over its days; read until every cell has one.

    Raises
    ------
    GridError
        If the days contradict each other: swaths whose cells move.
    """
    ordered = da.transpose(dim, ...)
    merged = np.full(ordered.shape[1:], np.nan)
    for first in range(0, ordered.sizes[dim], DAYS_AT_ONCE):
        days = known_degrees(ordered.isel({dim: slice(first, first + DAYS_AT_ONCE)}).to_numpy())
        for day in days:
            apart = np.abs(day - merged)
            apart = np.minimum(apart, np.abs(360.0 - apart))
            if (apart > TOLERANCE).any():
                raise GridError(
                    f"{da.name} differs from day to day by up to "
                    f"{np.nanmax(apart):g} degrees: expected one grid for all days. "
                    "These are swaths: grid each first, such as with pyresample, or open the "
                    "files with xsm.open_record."
                )
            merged = np.where(np.isnan(merged), day, merged)
        if np.isfinite(merged).all():
            break
    cell = ordered.isel({dim: 0}, drop=True).reset_coords(drop=True)
    return cell.copy(data=merged.astype(da.dtype if da.dtype.kind == "f" else np.float64))
