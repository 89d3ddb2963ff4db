"""Lists of points, swaths along one dimension and time-series cells, placed on their grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.conventions.swath_coordinates import known_degrees
from xsm.errors import GridError, TimeAxisError
from xsm.opening.axes import HOW_TO_GRID, Axes, assign_axes
from xsm.opening.ease_grid import EASE2_SHAPES, TOLERANCE, ease2_axes, nearest_index

# Steps of the regular grids of products, degrees
DEGREE_STEPS = (1.0, 0.5, 0.25, 0.2, 0.125, 0.1, 0.05)
FRACTION_OF_CELLS = 1e-4  # of a grid; fewer points are no part of it
FEW = 100_000  # cells that may be empty whatever the number of points

SAMPLE_COUNTS = ("row_size", "rowSize")
SAMPLE_LOCATIONS = ("locationIndex", "location_index", "station_index", "stationIndex")


class Placement(NamedTuple):
    """Where points lie: rows and columns (N,) of the stretch of a grid with these axes."""

    grid: str
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    axes: Axes


def place_points(ds: xr.Dataset, dim: str, lat: xr.DataArray, lon: xr.DataArray) -> xr.Dataset:
    """Variables along points as variables on (time, lat, lon).

    Parameters
    ----------
    ds : Dataset
        With data on `dim` and time.
    dim : str
        The dimension of points.
    lat, lon : DataArray, (N,)
        Degrees; points without a position are dropped.

    Returns
    -------
    Dataset
        On the stretch of the grid that the points cover, north first; NaN in cells without a
        point. Where a file of one time has several points in a cell (overpasses of one day), they
        are at several times, a second apart.

    Raises
    ------
    GridError
        If the points lie on no grid known here, or are series of which two lie in one cell.
    """
    lats, lons = known_degrees(lat.values), known_degrees(lon.values)
    present = np.flatnonzero(np.isfinite(lats) & np.isfinite(lons))
    if present.size == 0:
        raise GridError(f"none of the {lats.size} points along {dim!r} has a latitude.")
    placement = _placement(lats[present], wrap_longitude(lons[present]))
    if placement is None:
        raise GridError(
            f"the data lie on {present.size} points along {dim!r}, which lie on no EASE-Grid 2.0 "
            f"({', '.join(f'{km:g}' for km in EASE2_SHAPES)} km) and on no regular grid of "
            f"{', '.join(f'{step:g}' for step in DEGREE_STEPS)} degrees: {HOW_TO_GRID}"
        )
    shape = placement.axes[0].size, placement.axes[1].size
    flat = placement.rows * shape[1] + placement.columns
    number = _number_in_cell(flat)
    if number.max() > 0 and ds.sizes["time"] > 1:
        raise GridError(
            f"{np.count_nonzero(number)} of {flat.size} points along {dim!r} lie in the same cell "
            f"of the {placement.grid} as another: expected one series a cell. Average them first."
        )
    ds = ds.drop_vars([name for name, v in ds.coords.items() if dim in v.dims])
    passes = []
    for k in range(number.max() + 1):
        index = np.full(shape, -1)
        index.ravel()[flat[number == k]] = present[number == k]
        one = _at(ds, dim, index)
        passes.append(one.assign_coords(time=one["time"] + k * np.timedelta64(1, "s")))
    placed = passes[0]
    if len(passes) > 1:
        placed = xr.concat(passes, "time", data_vars="minimal", coords="minimal", compat="override")
    placed = placed.assign_attrs(grid=placement.grid)
    return assign_axes(placed, placement.axes)


def _number_in_cell(flat: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each point, how many points before it lie in its cell."""
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    first = np.append(True, ordered[1:] != ordered[:-1])
    starts = np.maximum.accumulate(np.where(first, np.arange(flat.size), 0))
    number = np.empty(flat.size, np.int64)
    number[order] = np.arange(flat.size) - starts
    return number


def _at(ds: xr.Dataset, dim: str, index: NDArray[np.int64]) -> xr.Dataset:
    """The points `index` (rows, columns) of `ds`, missing where it is negative."""
    at = xr.DataArray(np.maximum(index, 0), dims=("y", "x"))
    inside = xr.DataArray(index >= 0, dims=("y", "x"))
    moved = ds[[name for name, v in ds.data_vars.items() if dim in v.dims]]
    placed = moved.isel({dim: at})
    if placed.chunks:  # one of each row and a few columns
        placed = placed.chunk(y=-1, x=-1)
    placed = placed.where(inside)
    for name in moved.data_vars:
        placed[name].attrs = dict(ds[name].attrs)
    return placed.assign({n: v for n, v in ds.data_vars.items() if dim not in v.dims})


def _placement(lat: NDArray[np.float64], lon: NDArray[np.float64]) -> Placement | None:
    """The coarsest grid that all points lie on."""
    for kilometres in EASE2_SHAPES:
        axes = ease2_axes(kilometres)
        (rows, row_fits), (columns, column_fits) = map(nearest_index, (lat, lon), axes)
        if row_fits.all() and column_fits.all():
            return _stretch(f"EASE-Grid 2.0, {kilometres:g} km", rows, columns, axes)
    for step in DEGREE_STEPS:
        for first in (0.5 * step, 0.0):
            rows_f, columns_f = (90.0 - first - lat) / step, (lon + 180.0 - first) / step
            rows, columns = np.rint(rows_f).astype(int), np.rint(columns_f).astype(int)
            apart = max(np.abs(rows_f - rows).max(), np.abs(columns_f - columns).max())
            if apart <= TOLERANCE:
                whole = (
                    90.0 - first - step * np.arange(round(180.0 / step) + 1),
                    -180.0 + first + step * np.arange(round(360.0 / step) + 1),
                )
                return _stretch(f"regular grid of {step:g} degrees", rows, columns, whole)
    return None


def _stretch(
    grid: str, rows: NDArray[np.int64], columns: NDArray[np.int64], axes: Axes
) -> Placement | None:
    """The placement on the part of a grid between the outermost points."""
    north, west = rows.min(), columns.min()
    part = axes[0][north : rows.max() + 1], axes[1][west : columns.max() + 1]
    cells = part[0].size * part[1].size
    if cells > FEW and rows.size < FRACTION_OF_CELLS * cells:
        return None
    return Placement(grid, rows - north, columns - west, part)


def ragged_dimension(ds: xr.Dataset) -> str | None:
    """The dimension of observations of several locations in one row (CF ragged array), or None."""
    for name, variable in ds.variables.items():
        if name in SAMPLE_COUNTS or "sample_dimension" in variable.attrs:
            given = variable.attrs.get("sample_dimension")
            others = [str(dim) for dim in ds.dims if dim not in variable.dims]
            return str(given) if given in ds.dims else next(iter(others), None)
        if name in SAMPLE_LOCATIONS or "instance_dimension" in variable.attrs:
            return str(variable.dims[0])
    return None


def unravel(ds: xr.Dataset, dim: str, time: str) -> xr.Dataset:
    """Observations along one dimension as variables on (time, locations); reads them.

    Parameters
    ----------
    ds : Dataset
        CF contiguous (``row_size``) or indexed (``locationIndex``) ragged array.
    dim : str
        The dimension of observations.
    time : str
        Variable with the date of each.

    Raises
    ------
    TimeAxisError
        If a location has several observations on a day.
    """
    counts = next(
        (n for n, v in ds.variables.items() if n in SAMPLE_COUNTS or "sample_dimension" in v.attrs),
        None,
    )
    if counts is not None:
        number = ds[counts].values.astype(np.int64)
        location = np.repeat(np.arange(number.size), number)
        points = str(ds[counts].dims[0])
    else:
        name = next(
            n
            for n, v in ds.variables.items()
            if n in SAMPLE_LOCATIONS or "instance_dimension" in v.attrs
        )
        location = ds[name].values.astype(np.int64)
        points = str(ds[name].attrs.get("instance_dimension", ""))
        if points not in ds.dims:
            points = next(str(d) for d in ds.dims if d != dim)
    days = ds[time].values[: location.size].astype("datetime64[D]")
    unique, day = np.unique(days, return_inverse=True)
    flat = day * ds.sizes[points] + location
    if np.unique(flat).size < flat.size:
        raise TimeAxisError(
            f"{flat.size - np.unique(flat).size} observations fall on a day on which their "
            "location has one already: expected one a day. Average them first, by location and day."
        )
    shape = unique.size, ds.sizes[points]
    used = [n for n, v in ds.variables.items() if dim in v.dims]
    out = ds.drop_vars(used if counts is None else [*used, counts])
    for name, variable in ds.data_vars.items():
        index = name in SAMPLE_LOCATIONS or "instance_dimension" in variable.attrs
        if variable.dims == (dim,) and variable.dtype.kind in "fiub" and name != time and not index:
            values = np.full(shape, np.nan, np.result_type(variable.dtype, np.float32))
            values.ravel()[flat] = variable.values[: location.size]
            out[name] = (("time", points), values, variable.attrs)
    return out.assign_coords(time=unique.astype("datetime64[ns]"))
