"""Two gridded records brought onto the coarser of their grids, lazily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_choice
from xsm.conventions.grid import wrap_longitude
from xsm.conventions.nearest_cells import find_cells, nearest_on_axis
from xsm.conventions.record import GriddedRecord, gridded_record
from xsm.conventions.valid_values import DECLARED
from xsm.conventions.variables import to_m3m3
from xsm.errors import GridError, InputError, TimeAxisError

METHODS = ("conservative", "nearest")
MIN_COVERAGE = 0.5  # fraction of the area of a coarse cell that must be observed


def cell_area(record: GriddedRecord) -> float:
    """Mean area of a cell in square degrees (regular) or of the square of its spacing (2-D)."""
    lat, lon = (np.asarray(c.values, np.float64) for c in record.coordinates())
    if record.regular:
        return _step(lat) * _step(lon)
    north = np.hypot(
        np.diff(lat, axis=0), wrap_longitude(np.diff(lon, axis=0)) * np.cos(np.deg2rad(lat[1:]))
    )
    east = np.hypot(
        np.diff(lat, axis=1), wrap_longitude(np.diff(lon, axis=1)) * np.cos(np.deg2rad(lat[:, 1:]))
    )
    # spacings were scaled to true distances: undo it to compare with a regular grid
    return float(np.nanmedian(north) * np.nanmedian(east) / np.cos(np.deg2rad(np.nanmean(lat))))


def _step(axis: NDArray[Any]) -> float:
    return float(np.abs(np.median(wrap_longitude(np.diff(axis))))) if axis.size > 1 else 1.0


def same_grid(a: GriddedRecord, b: GriddedRecord) -> bool:
    """Whether two records lie on the same cells in the same order.

    Two grids without latitudes and longitudes do if they have the same shape; one without is never
    laid on one with them.
    """
    shapes = [[r.da.sizes[dim] for dim in r.space] for r in (a, b)]
    if shapes[0] != shapes[1]:
        return False
    placed = [r.lat is not None and r.lon is not None for r in (a, b)]
    if not any(placed):
        return True
    if not all(placed) or a.lat is None or b.lat is None or a.lon is None or b.lon is None:
        return False
    if a.lat.ndim != b.lat.ndim:
        return False
    pairs = [(r.transpose(*(d for d in s if d in r.dims)).values) for r, s in (
        (a.lat, a.space), (b.lat, b.space), (a.lon, a.space), (b.lon, b.space))]  # fmt: skip
    lat = np.allclose(pairs[0], pairs[1], rtol=0, atol=1e-4, equal_nan=True)
    return bool(
        lat and np.allclose(wrap_longitude(pairs[2] - pairs[3]), 0, atol=1e-4, equal_nan=True)
    )


def coarsest(records: Sequence[GriddedRecord]) -> GriddedRecord:
    """The record with the largest cells, the first of several."""
    areas = [cell_area(record) for record in records]
    return records[int(np.argmax(np.round(areas, 6)))]


def cropped(target: GriddedRecord, records: Sequence[GriddedRecord]) -> GriddedRecord:
    """`target` without the rows and columns outside another record; at least two are kept."""
    if not all(record.regular for record in (target, *records)):
        return target
    lat, lon = (np.asarray(c.values, np.float64) for c in target.coordinates())
    keep = [np.ones(lat.size, bool), np.ones(lon.size, bool)]
    for record in records:
        axes = [np.asarray(c.values, np.float64) for c in record.coordinates()]
        # half a cell of the target beyond the centres of the record
        for i, (axis, centres) in enumerate(((lat, axes[0]), (lon, axes[1]))):
            reach = 0.5 * (_step(axis) + _step(centres))
            distance = np.abs(wrap_longitude(axis[:, None] - centres[None])).min(axis=1)
            keep[i] &= distance < reach
    index = [np.flatnonzero(k) for k in keep]
    if any(part.size == 0 for part in index):
        other = next((record for record in records if record is not target), target)
        _check_overlap(False, other, target)
    # at least two, so that the spacing is defined
    cut = [slice(max(min(part[0], n - 2), 0), max(part[-1] + 1, min(part[0] + 2, n)))
           for part, n in zip(index, (lat.size, lon.size), strict=True)]  # fmt: skip
    if any(np.diff(part).max(initial=1) > 1 for part in index):
        cut[1] = slice(None)  # the area crosses the edge of the map
    at = dict(zip(target.space, cut, strict=True))
    lat_cut, lon_cut = (c.isel(at, missing_dims="ignore") for c in target.coordinates())
    ds = None if target.ds is None else target.ds.isel(at, missing_dims="ignore")
    whole = lon_cut.sizes == target.coordinates()[1].sizes
    layout = target.layout if whole else target.layout._replace(lon_origin=0)
    da = target.da.isel(at)
    return replace(target, da=da, ds=ds, layout=layout, lat=lat_cut, lon=lon_cut)


def _coincide(record: GriddedRecord, target: GriddedRecord) -> bool:
    """Whether every cell of `target` is a cell of `record`."""
    if not (record.regular and target.regular):
        return False
    for coords in zip(record.coordinates(), target.coordinates(), strict=True):
        own, axis = (np.asarray(c.values, np.float64) for c in coords)
        if abs(_step(own) - _step(axis)) > 1e-4:
            return False
        if np.abs(wrap_longitude(axis[:, None] - own[None])).min(axis=1).max() > 1e-4:
            return False
    return True


def on_grid(
    record: GriddedRecord, target: GriddedRecord, days: NDArray[np.intp], method: str
) -> xr.DataArray:
    """Some days of a record in m3 m-3 on the grid of another, with its names of dimensions.

    Parameters
    ----------
    record, target : GriddedRecord
    days : ndarray of int
    method : {"conservative", "nearest"}
        Area mean of what is observed within a target cell, missing where less than half of its area
        is observed (both grids regular in latitude and longitude); or the cell nearest to its
        centre.

    Raises
    ------
    InputError, GridError
        Unknown method; a grid that is not regular with "conservative"; no common area.
    """
    check_choice("regrid", method, METHODS)
    consecutive = days[-1] - days[0] + 1 == days.size
    # a slice keeps the chunks of a Dask array
    index = slice(int(days[0]), int(days[-1]) + 1) if consecutive else days
    da = record.da.isel({record.layout.time: index})
    names = dict(zip((record.layout.time, *record.space), ("time", *target.space), strict=True))
    da = to_m3m3(da, record.variable).reset_coords(drop=True)
    da = da.rename({old: new for old, new in names.items() if old != new})
    da = da.drop_vars([dim for dim in target.space if dim in da.coords])
    if same_grid(record, target):
        return da
    for grid in (record, target):
        grid.coordinates()  # there have to be some
    if method == "nearest" or _coincide(record, target):
        return _nearest(da, record, target)
    if not (record.regular and target.regular):
        raise GridError(
            f"regrid='conservative': {record.name if not record.regular else target.name} does not "
            "lie on 1-D latitudes and longitudes; use regrid='nearest'."
        )
    return _conservative(da, record, target)


def _nearest(da: xr.DataArray, record: GriddedRecord, target: GriddedRecord) -> xr.DataArray:
    y, x = target.space
    lat, lon = (np.asarray(c.values, np.float64) for c in target.coordinates())
    if record.regular and target.regular:
        own_lat, own_lon = (np.asarray(c.values, np.float64) for c in record.coordinates())
        rows, in_rows = nearest_on_axis(own_lat, lat)
        columns, in_columns = nearest_on_axis(own_lon, lon, around=True)
        _check_overlap(bool(in_rows.any() and in_columns.any()), record, target)
        inside = xr.DataArray(in_rows[:, None] & in_columns, dims=(y, x))
        return da.isel({y: rows, x: columns}).where(inside)
    if target.regular:
        lat, lon = (a.ravel() for a in np.meshgrid(lat, lon, indexing="ij"))
    cells = find_cells(record, lat.ravel(), lon.ravel())
    _check_overlap(bool(cells.inside.any()), record, target)
    shape = tuple(target.da.sizes[dim] for dim in (y, x))
    index = [
        xr.DataArray(np.maximum(part[:, 0], 0).reshape(shape), dims=("_y", "_x"))
        for part in (cells.rows, cells.columns)
    ]
    chosen = da.isel({y: index[0], x: index[1]}).rename({"_y": y, "_x": x})
    return chosen.where(xr.DataArray(cells.inside.reshape(shape), dims=(y, x)))


def _conservative(da: xr.DataArray, record: GriddedRecord, target: GriddedRecord) -> xr.DataArray:
    y, x = target.space
    (own_lat, own_lon), (lat, lon) = (
        [np.asarray(c.values, np.float64) for c in r.coordinates()] for r in (record, target)
    )
    rows = overlaps(np.sin(np.deg2rad(edges(own_lat, 90.0))), np.sin(np.deg2rad(edges(lat, 90.0))))
    own_lon, lon = np.unwrap(own_lon, period=360.0), np.unwrap(lon, period=360.0)
    columns = overlaps(edges(own_lon), edges(lon), around=360.0)
    _check_overlap(bool(rows.nnz and columns.nnz), record, target)
    whole = da if da.chunks is None else da.chunk({y: -1, x: -1})
    return xr.apply_ufunc(
        partial(_block_means, rows=rows, columns=columns),
        whole,
        input_core_dims=[[y, x]],
        output_core_dims=[[y, x]],
        exclude_dims={y, x},
        dask="parallelized",
        output_dtypes=[da.dtype],
        dask_gufunc_kwargs={"output_sizes": {y: lat.size, x: lon.size}},
        keep_attrs=True,
    )


def edges(axis: NDArray[Any], limit: float = np.inf) -> NDArray[np.float64]:
    """Lower and upper edge of each cell, (N, 2), from its centres; N + 1 edges in a row.

    Examples
    --------
    >>> edges(np.array([1.0, 2.0, 4.0])).tolist()
    [[0.5, 1.5], [1.5, 3.0], [3.0, 5.0]]
    """
    axis = np.asarray(axis, np.float64)
    steps = np.diff(axis) if axis.size > 1 else np.array([1.0])
    middle = axis[:-1] + 0.5 * np.diff(axis)
    line = np.concatenate([[axis[0] - 0.5 * steps[0]], middle, [axis[-1] + 0.5 * steps[-1]]])
    line = np.clip(line, -limit, limit)
    return np.sort(np.stack([line[:-1], line[1:]], axis=1), axis=1)


def overlaps(own: NDArray[Any], target: NDArray[Any], *, around: float | None = None) -> Any:
    """Sparse (targets, own): length that two cells share, as a fraction of the target cell.

    Parameters
    ----------
    own, target : ndarray, (N, 2), (M, 2)
        Lower and upper edges.
    around : float, optional
        Period of the axis: 360 for longitudes.
    """
    from scipy import sparse

    width = target[:, 1] - target[:, 0]
    total = sparse.csr_array((target.shape[0], own.shape[0]))
    order = np.argsort(own[:, 0])
    low, high = own[order].T
    for turn in (0.0,) if around is None else (-around, 0.0, around):
        first = np.searchsorted(high + turn, target[:, 0], side="right")
        last = np.searchsorted(low + turn, target[:, 1], side="left")
        number = np.maximum(last - first, 0)
        row = np.repeat(np.arange(target.shape[0]), number)
        start = np.repeat(first - np.concatenate([[0], np.cumsum(number)[:-1]]), number)
        column = start + np.arange(row.size)
        shared = np.minimum(high[column] + turn, target[row, 1]) - np.maximum(
            low[column] + turn, target[row, 0]
        )
        fraction = np.maximum(shared, 0.0) / width[row]
        total = total + sparse.csr_array((fraction, (row, order[column])), shape=total.shape)
    total.eliminate_zeros()
    return total


def _block_means(values: NDArray[Any], *, rows: Any, columns: Any) -> NDArray[Any]:
    """Area means (..., M, N) of what is observed of (..., H, W)."""
    shape = (*values.shape[:-2], rows.shape[0], columns.shape[0])
    out = np.empty((int(np.prod(shape[:-2])), *shape[-2:]), values.dtype)
    for i, day in enumerate(values.reshape(-1, *values.shape[-2:])):
        observed = np.isfinite(day)
        area = (columns @ (rows @ observed.astype(np.float64)).T).T
        total = (columns @ (rows @ np.where(observed, day, 0).astype(np.float64)).T).T
        mean = np.divide(
            total, area, out=np.full(area.shape, np.nan), where=area >= MIN_COVERAGE - 1e-9
        )
        out[i] = mean
    return out.reshape(shape)


def _check_overlap(overlap: bool, record: GriddedRecord, target: GriddedRecord) -> None:
    if not overlap:
        raise InputError(
            f"{record.name} and {target.name} have no area in common: {_extent(record)}; "
            f"{_extent(target)}. Check the longitudes and the selection made before."
        )


def _extent(record: GriddedRecord) -> str:
    lat, lon = record.coordinates()
    return (
        f"{record.name} from {float(lat.min()):g} to {float(lat.max()):g} N, "
        f"{float(lon.min()):g} to {float(lon.max()):g} E"
    )


def on_record(field: Any, record: GriddedRecord, argument: str) -> xr.DataArray:
    """A daily field in m3 m-3 on the days and cells of a record; NaN where it has no value.

    Parameters
    ----------
    field : str, Dataset or DataArray
        The name of a variable of the record's Dataset, or a gridded object.
    record : GriddedRecord
    argument : str
        That `field` was given as, for messages.

    Returns
    -------
    DataArray, (time, y, x)
        In the working order of the record; lazy if `field` is. A coarser field is the same in all
        cells within one of its own, a finer one their area mean.

    Raises
    ------
    InputError
        If there is no such variable, no day in common, or no common area.
    """
    if isinstance(field, str):
        if record.ds is None or field not in record.ds:
            names = [] if record.ds is None else list(map(str, record.ds.data_vars))
            raise InputError(
                f"{argument}={field!r} is no variable of the input, which has {names}."
            )
        field = record.ds[field]
    other = gridded_record(field, argument=argument, single=True)
    _, own, days = np.intersect1d(record.days, other.days, return_indices=True)
    if days.size == 0:
        raise TimeAxisError(
            f"{argument}: {other.name} ({other.days[0]} to {other.days[-1]}) has no day in common "
            f"with {record.name} ({record.days[0]} to {record.days[-1]})."
        )
    regular = other.regular and record.regular
    placed = other.lat is not None and record.lat is not None
    if placed and not regular and not same_grid(other, record):
        raise GridError(
            f"{argument}: {other.name} and {record.name} lie on different grids, and not both on "
            "1-D latitudes and longitudes: bring the first onto the rows and columns of the record "
            "before."
        )
    da = on_grid(other, record, days, "conservative")
    da = da.assign_coords(time=own).reindex(time=np.arange(record.days.size))
    return da.drop_vars("time").transpose("time", *record.space)


def uncertainty_on_record(
    ds: xr.Dataset, name: str, record: GriddedRecord, argument: str
) -> xr.DataArray:
    """The variable ``<name>_uncertainty`` of a Dataset as :func:`on_record`."""
    std = ds[f"{name}_uncertainty"]
    units = {"units": std.attrs.get("units", ds[name].attrs.get("units"))}
    own = {k: v for k, v in std.attrs.items() if k in DECLARED}
    of_values = {k: v for k, v in ds[name].attrs.items() if k not in DECLARED}
    # no soil moisture by its name, but on the same grid
    std = std.rename(name)
    std.attrs = {k: v for k, v in (of_values | own | units).items() if v is not None}
    return on_record(std, record, argument)
