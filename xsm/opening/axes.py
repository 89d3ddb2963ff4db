"""Latitudes and longitudes of rows and columns, as axes where the grid allows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.conventions.swath_coordinates import known_degrees
from xsm.errors import GridError
from xsm.opening.ease_grid import (
    EASE2_SHAPES,
    ease2_axes,
    ease2_metres,
    global_shape,
    nearest_index,
)

Axes = tuple[NDArray[Any], NDArray[Any]]
QUARTER_DEGREE = (720, 1440)
AXIS_TOLERANCE = 2e-3  # degrees, of latitudes in one row of a float32 field
LATITUDE = {"standard_name": "latitude", "long_name": "latitude", "units": "degrees_north"}
LONGITUDE = {"standard_name": "longitude", "long_name": "longitude", "units": "degrees_east"}


def assign_axes(ds: xr.Dataset, axes: Axes) -> xr.Dataset:
    """`ds` on (..., y, x) with 1-D coordinates and dimensions lat and lon."""
    ds = ds.drop_vars([name for name in ("lat", "lon") if name in ds.variables])
    ds = ds.rename(y="lat", x="lon")
    return ds.assign_coords(
        lat=("lat", axes[0], {**LATITUDE, "axis": "Y"}),
        lon=("lon", axes[1], {**LONGITUDE, "axis": "X"}),
    )


def global_axes(grid: str, shape: tuple[int, int]) -> Axes | None:
    """Axes of a product's global grid (north first, from -180) if `shape` is its shape."""
    if grid == "ease2" and (kilometres := global_shape(shape)) is not None:
        return ease2_axes(kilometres)
    if grid == "quarter_degree" and shape == QUARTER_DEGREE:
        rows, columns = QUARTER_DEGREE
        return 89.875 - 0.25 * np.arange(rows), -179.875 + 0.25 * np.arange(columns)
    return None


def axes_of_metres(y: NDArray[np.float64], x: NDArray[np.float64]) -> Axes | None:
    """Axes of rows and columns in metres of the EASE-Grid 2.0; None if they are on no such grid."""
    if min(y.size, x.size) < 2:  # a single row may lie on a grid by chance
        return None
    for kilometres in EASE2_SHAPES:
        exact = []
        for values, metres, axis in zip(
            (y, x), ease2_metres(kilometres), ease2_axes(kilometres), strict=True
        ):
            index, on_axis = nearest_index(values, metres)
            if on_axis.all() and (np.abs(np.diff(index)) == 1).all():
                exact.append(axis[index])
        if len(exact) == 2:
            return exact[0], exact[1]
    return None


def merge_fields(fields: Iterable[NDArray[np.float64]], name: str) -> NDArray[np.float64]:
    """2-D latitudes or longitudes (rows, columns) of several files, NaN where none has a number.

    Raises
    ------
    GridError
        If the files contradict each other: swaths whose cells move.
    """
    merged: NDArray[np.float64] | None = None
    for field in fields:
        values = known_degrees(field)
        if merged is None:
            merged = values
            continue
        difference = np.abs(wrap_longitude(values - merged))
        if (difference > AXIS_TOLERANCE).any():
            raise GridError(
                f"the {name}s of the files differ by up to {np.nanmax(difference):g} degrees in "
                f"the same cell: {HOW_TO_GRID}"
            )
        merged = np.where(np.isnan(merged), values, merged)
    assert merged is not None
    return merged


HOW_TO_GRID = (
    "these are swaths, or points of a grid without rows and columns (ASCAT), and expected was a "
    "grid with them. Grid each first: pyresample "
    "(kd_tree.resample_nearest to an AreaDefinition) for swaths and points, xarray-regrid "
    "(ds.regrid.linear) for other grids; then join the days."
)


def axes_of_fields(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> Axes | None:
    """Axes of 2-D latitudes and longitudes, exact where they lie on EASE-Grid 2.0.

    Parameters
    ----------
    lat, lon : (H, W) degrees, NaN where unknown

    Returns
    -------
    (lat (H,), lon (W,)) or None
        None if rows and columns are no parallels and meridians, or rows or columns without any
        number cannot be derived from the others.
    """
    rows, columns = _constant_along(lat, 1), _constant_along(lon, 0)
    if rows is None or columns is None:
        return None
    for kilometres in EASE2_SHAPES:
        grid = ease2_axes(kilometres)
        exact = _part_of_axis(rows, grid[0]), _part_of_axis(columns, grid[1])
        if exact[0] is not None and exact[1] is not None:
            return exact[0], exact[1]
    rows, columns = _completed(rows), _completed(columns)
    return None if rows is None or columns is None else (rows, columns)


def _constant_along(field: NDArray[np.float64], axis: int) -> NDArray[np.float64] | None:
    """The values of a field that does not change along `axis`; NaN where all are missing."""
    present = np.isfinite(field)
    if not present.any():
        return None
    largest = np.where(present, field, -np.inf).max(axis)
    smallest = np.where(present, field, np.inf).min(axis)
    values = np.where(present.any(axis), smallest, np.nan)
    apart = (largest - smallest)[np.isfinite(values)]
    return values if (apart <= AXIS_TOLERANCE).all() else None


def _part_of_axis(
    values: NDArray[np.float64], axis: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The stretch of `axis` that `values` are, if they are one; missing ones are completed."""
    present = np.flatnonzero(np.isfinite(values))
    if axis[0] < 0 < axis[-1] and axis.size > 2:  # longitudes, which may be 0..360 in the file
        values = wrap_longitude(values)
    index, on_axis = nearest_index(values[present], axis)
    if not on_axis.all():
        return None
    step = 1 if present.size < 2 or index[-1] >= index[0] else -1
    first = int(index[0]) - step * int(present[0])
    stretch = first + step * np.arange(values.size)
    if (stretch[present] != index).any() or stretch.min() < 0 or stretch.max() >= axis.size:
        return None
    return axis[stretch]


def _completed(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """An axis with its missing values completed where the steps are equal; else None."""
    present = np.flatnonzero(np.isfinite(values))
    if present.size == values.size:
        return values
    if present.size < 2:
        return None
    steps = np.diff(values[present]) / np.diff(present)
    step = float(np.median(steps))
    if np.abs(steps - step).max() > 0.01 * abs(step):
        return None
    index = np.arange(values.size)
    return values[present[0]] + (index - present[0]) * (
        (values[present[-1]] - values[present[0]]) / (present[-1] - present[0])
    )
