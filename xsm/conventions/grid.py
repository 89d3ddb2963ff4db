"""The layout of a grid: its dimensions, their order on the ground, and longitude arithmetic."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from xsm.conventions.time_axis import is_date
from xsm.errors import GridError, TimeAxisError

# Names tried where the attributes say nothing; lower case.
TIME_NAMES = ("time", "date", "day", "days", "t", "datetime", "valid_time")
Y_NAMES = (
    "lat",
    "latitude",
    "nlat",
    "rlat",
    "nav_lat",
    "y",
    "yc",
    "ydim",
    "row",
    "rows",
    "northing",
    "south_north",
    "north_south",
    "y0",
    "j",
)
X_NAMES = (
    "lon",
    "longitude",
    "long",
    "nlon",
    "rlon",
    "nav_lon",
    "x",
    "xc",
    "xdim",
    "col",
    "cols",
    "column",
    "columns",
    "easting",
    "west_east",
    "east_west",
    "x0",
    "i",
)


PLACE_NAMES = (*Y_NAMES, *X_NAMES)


class Layout(NamedTuple):
    """The dimensions of a record and how it is stored.

    The working order is ``(*others, time, y, x)`` with the northernmost row and the westernmost
    column first.
    """

    time: str
    y: str
    x: str
    others: tuple[str, ...]  # orbit, depth, ...: each element is a record of its own
    wrap: bool  # the grid closes around the globe: the last column is the neighbour of the first
    # index of the westernmost column where longitudes jump: 0..5, 350..360 across Greenwich
    lon_origin: int = 0
    south_first: bool = False
    east_first: bool = False

    @property
    def order(self) -> tuple[str, ...]:
        """Dimensions in working order."""
        return (*self.others, self.time, self.y, self.x)

    def to_working_order(self, obj: Any) -> Any:
        """An xarray object with its rows north first and its columns west first."""
        return _flipped(self._rolled(obj, -self.lon_origin), self._flips)

    def to_stored_order(self, obj: Any) -> Any:
        """The inverse of :meth:`to_working_order`, for objects with all columns of the grid."""
        return self._rolled(_flipped(obj, self._flips), self.lon_origin)

    def array_to_working_order(self, array: Any) -> Any:
        """A NumPy or Dask array (..., H, W) with its rows north first, its columns west first."""
        return self._flip_array(_roll_columns(array, -self.lon_origin))

    def array_to_stored_order(self, array: Any) -> Any:
        """The inverse of :meth:`array_to_working_order`."""
        return _roll_columns(self._flip_array(array), self.lon_origin)

    @property
    def _flips(self) -> list[str]:
        flips = ((self.y, self.south_first), (self.x, self.east_first))
        return [dim for dim, flip in flips if flip]

    def _rolled(self, obj: Any, columns: int) -> Any:
        return (
            obj.roll({self.x: columns}, roll_coords=True) if columns and self.x in obj.dims else obj
        )

    def _flip_array(self, array: Any) -> Any:
        rows, columns = (
            slice(None, None, -1 if f else 1) for f in (self.south_first, self.east_first)
        )
        return array[..., rows, columns] if self.south_first or self.east_first else array


def _flipped(obj: Any, dims: list[str]) -> Any:
    index = {dim: slice(None, None, -1) for dim in dims if dim in obj.dims}
    return obj.isel(index) if index else obj


def _roll_columns(array: Any, columns: int) -> Any:
    if columns == 0:
        return array
    rolled = np.roll(array, columns, -1)
    return rolled.rechunk(array.chunks) if hasattr(array, "chunks") else rolled


def layout_of(da: xr.DataArray, ds: xr.Dataset | None = None) -> Layout:
    """Tell the dimensions of `da` apart: by CF attributes (cf-xarray), then by name, then by order.

    Parameters
    ----------
    da : DataArray
    ds : Dataset, optional
        Where it comes from: 2-D latitudes and longitudes may be variables of it.

    Raises
    ------
    TimeAxisError
        If it has no time axis.
    GridError
        If it lies on points instead of a grid, a dimension is empty, or rows or columns are not in
        order; longitudes may jump by 360 degrees once (0..5, 350..360).
    """
    if empty := [str(dim) for dim, size in da.sizes.items() if size == 0]:
        raise GridError(
            f"{da.name} has no data: size 0 on {', '.join(empty)} ({dict(da.sizes)}). "
            "Check the selection made before."
        )
    axes = cf_axes(da)
    time = time_dim(da, axes, ds)
    spatial = [str(dim) for dim in da.dims if dim != time]
    lat, lon = (coordinate(da, ds, kind) for kind in ("latitude", "longitude"))
    for position in (lat, lon):
        if position is not None and not np.issubdtype(position.dtype, np.number):
            raise GridError(
                f"{position.name} holds {np.ravel(position.values)[:2].tolist()!r} (dtype "
                f"{position.dtype}): expected degrees as numbers. Convert them, such as "
                f'ds.assign_coords({position.name}=ds["{position.name}"].astype(float)).'
            )
    if lat is not None and lon is not None and lat.dims == lon.dims and lat.ndim == 1:
        raise GridError(no_grid_message(da, lat, lon))
    if len(spatial) < 2:
        raise GridError(no_grid_message(da, time=time))
    y, x = _rows_and_columns(da, axes, spatial, lat, lon)
    for dim in (y, x):
        _check_complete(da, dim)
    lon_origin = _lon_origin(da, x)
    _check_order(da, y, x, lon_origin)
    return Layout(
        time,
        y,
        x,
        others=tuple(dim for dim in spatial if dim not in (y, x)),
        wrap=_closes_around_globe(lon, x),
        lon_origin=lon_origin,
        south_first=_mean_step(lat, y) > 0,
        east_first=_mean_step(lon, x, around=True) < 0,
    )


def no_grid_message(
    da: xr.DataArray,
    lat: xr.DataArray | None = None,
    lon: xr.DataArray | None = None,
    time: str | None = None,
) -> str:
    """Why a single series, points or a swath are refused, and how they get on a grid.

    `lat` and `lon` are those of points, `time` is the time dimension, where they are known.
    """
    along = [str(d) for d in da.dims if d != time and str(d).lower() not in TIME_NAMES]
    if not along:
        return (
            f"{da.name} has the dimensions {da.dims}: expected rows and columns (such as lat and "
            "lon) beside time. A network fills from the neighbours of a cell; a single series has "
            "none. Lists keep the dimensions of a selection, such as ds.isel(lat=[0], lon=[0])."
        )
    single = [str(n) for n, c in da.coords.items() if c.ndim == 0 and str(n).lower() in PLACE_NAMES]
    if single and lat is None and lon is None:
        return (
            f"{da.name} has the dimensions {da.dims}, and {' and '.join(single)} is a single "
            "value: expected rows and columns (such as lat and lon) beside time. A list keeps the "
            f"dimension of a selection, such as ds.isel({single[0]}=[0])."
        )
    dim = along[0]
    is_stacked = isinstance(da.indexes.get(dim), pd.MultiIndex)
    names = [str(c.name) for c in (lat, lon) if c is not None] or ["lat", "lon"]
    return (
        f"{da.name} lies on points (a list of places, or a swath): {' and '.join(names)} both run "
        f"along {dim!r} ({da.sizes[dim]} points). Expected a grid with rows and columns. "
        "xsm.open_record(files) puts points on the grid of their product where they lie on it; "
        f'{"ds" if is_stacked else f"ds.set_index({dim}={names})"}.unstack("{dim}") does for those '
        "of any regular grid; a swath is resampled first, such as with pyresample."
    )


def cf_axes(da: xr.DataArray) -> dict[str, list[str]]:
    """1-D dimensions by the attributes of their coordinates: {"T": [...], "Y": [...], ...}."""
    import cf_xarray  # noqa: F401  (registers .cf)

    dims: dict[str, list[str]] = {}
    for mapping in (da.cf.axes, da.cf.coordinates):
        for key, names in mapping.items():
            axis = {"time": "T", "latitude": "Y", "longitude": "X"}.get(key, key)
            for name in names:
                if da[name].ndim == 1 and str(da[name].dims[0]) not in dims.setdefault(axis, []):
                    dims[axis].append(str(da[name].dims[0]))
    return dims


def time_dim(da: xr.DataArray, axes: dict[str, list[str]], ds: xr.Dataset | None) -> str:
    """The time dimension of `da`: by CF attributes, by dates, then by name.

    Raises
    ------
    TimeAxisError
        If there is none.
    """
    dates = [
        str(coord.dims[0])
        for coord in da.coords.values()
        if coord.ndim == 1 and is_date(coord.variable)
    ]
    named = [str(dim) for dim in da.dims if str(dim).lower() in TIME_NAMES]
    candidates = [*axes.get("T", []), *dates, *named]
    if candidates:
        # prefer a dimension with dates to one with the name only
        return next((dim for dim in candidates if dim in dates), candidates[0])
    problem = (
        f"{da.name} has no time axis: its dimensions are {tuple(da.dims)}. "
        "Expected daily data of several days. "
    )
    scalar = next((n for n, c in da.coords.items() if c.ndim == 0 and is_date(c.variable)), None)
    if scalar is not None:
        raise TimeAxisError(
            problem + f"It is the single day {str(da[scalar].values)[:10]}: fill the record before "
            f'you select a day of it, or restore the axis with .expand_dims("{scalar}").'
        )
    from xsm.conventions.file_dates import day_of_file  # for this message only

    day = day_of_file(xr.Dataset() if ds is None else ds)
    date = f"The day of the file is {str(day)[:10]}. " if day is not None else ""
    raise TimeAxisError(
        problem + date + "Open the files of all days as one record: "
        "xr.open_mfdataset(files, preprocess=xsm.add_day); for this one: xsm.add_day(ds)."
    )


def time_of(da: xr.DataArray, dim: str) -> xr.DataArray:
    """The dates along `dim`."""
    if dim in da.coords:
        return da[dim]
    for name, coord in da.coords.items():
        if coord.dims == (dim,) and is_date(coord.variable):
            return da[name]
    raise TimeAxisError(
        f"dimension {dim!r} of {da.name} has no dates: expected a coordinate. Set it: "
        f'ds.assign_coords({dim}=pd.date_range("2015-04-01", periods={da.sizes[dim]})).'
    )


def coordinate(da: xr.DataArray, ds: xr.Dataset | None, kind: str) -> xr.DataArray | None:
    """The latitude or longitude of `da`: a coordinate, or a variable of `ds` on its dimensions."""
    names = Y_NAMES[:2] if kind == "latitude" else X_NAMES[:3]
    units = f"degrees_{'north' if kind == 'latitude' else 'east'}"
    pool = list(da.coords.values())
    if ds is not None:
        pool += [ds[name] for name in ds.variables if name not in da.coords and name != da.name]
    for test in (
        lambda v: v.attrs.get("standard_name") == kind,
        lambda v: str(v.name).lower() in names,
        lambda v: v.attrs.get("units") == units,
    ):
        for variable in pool:
            if variable.ndim in (1, 2) and set(variable.dims) <= set(da.dims) and test(variable):
                return variable
        for variable in pool:  # known inside the swath of each day
            if variable.ndim == 3 and set(variable.dims) <= set(da.dims) and test(variable):
                days = [
                    d
                    for d in variable.dims
                    if d in variable.coords and is_date(variable[d].variable)
                ]
                if days:
                    from xsm.conventions.swath_coordinates import merge_days  # rare

                    return merge_days(variable, str(days[0]))
    return None


def _rows_and_columns(
    da: xr.DataArray,
    axes: dict[str, list[str]],
    spatial: list[str],
    lat: xr.DataArray | None,
    lon: xr.DataArray | None,
) -> tuple[str, str]:
    def pick(axis: str, own: xr.DataArray | None, names: tuple[str, ...]) -> str | None:
        by_cf = [dim for dim in axes.get(axis, []) if dim in spatial]
        by_coordinate = [str(own.dims[0])] if own is not None and own.ndim == 1 else []
        by_name = sorted(
            (dim for dim in spatial if dim.lower() in names), key=lambda d: names.index(d.lower())
        )
        return next((d for d in [*by_cf, *by_coordinate, *by_name] if d in spatial), None)

    y, x = pick("Y", lat, Y_NAMES), pick("X", lon, X_NAMES)
    if y is not None and x is not None and y != x:
        return y, x
    for own in (lat, lon):
        if own is not None and own.ndim == 2:
            return str(own.dims[0]), str(own.dims[1])
    left = [dim for dim in spatial if dim not in (y, x)]
    if y is not None and x is None and len(left) == 1:
        return y, left[0]
    if x is not None and y is None and len(left) == 1:
        return left[0], x
    if len(spatial) == 2 and y is None and x is None:
        return spatial[0], spatial[1]
    raise GridError(
        f"{da.name} has the dimensions {tuple(da.dims)}: which are rows and columns? Say it with "
        'attributes, such as ds["name"].attrs["axis"] = "Y" and "X", or rename them to lat and lon.'
    )


def _lon_origin(da: xr.DataArray, x: str) -> int:
    """Index of the column after the jump of longitudes that begin anew within the axis; 0: none."""
    if not _is_axis(da, x) or da.sizes[x] < 3 or not is_longitude(da[x]):
        return 0
    values = np.asarray(da[x].to_numpy(), np.float64)
    steps = np.diff(np.append(values, values[0]))
    steps = (-steps if np.median(wrap_longitude(steps)) < 0 else steps) % 360.0
    at = int(steps[:-1].argmax())
    usual = 1.5 * np.delete(steps, [at, -1]).max()
    once_around = abs(steps.sum() - 360.0) < 1e-3
    return at + 1 if once_around and steps[-1] <= usual < steps[at] else 0


def _is_axis(da: xr.DataArray, dim: str) -> bool:
    return dim in da.coords and np.issubdtype(da[dim].dtype, np.number)


def _check_complete(da: xr.DataArray, dim: str) -> None:
    if not _is_axis(da, dim):
        return
    missing = np.flatnonzero(~np.isfinite(np.asarray(da[dim].to_numpy(), np.float64)))
    if missing.size:
        raise GridError(
            f"{dim} has {missing.size} missing values (position {int(missing[0])}): expected a "
            f"number for each of its {da.sizes[dim]} rows or columns. Set them, or drop the rows "
            f'or columns without: ds.isel({dim}=ds["{dim}"].notnull()).'
        )


def _check_order(da: xr.DataArray, y: str, x: str, lon_origin: int) -> None:
    for dim in (y, x):
        if not _is_axis(da, dim):
            continue
        values = np.asarray(da[dim].to_numpy(), np.float64)
        values = np.roll(values, -lon_origin) if dim == x else values
        steps = wrap_longitude(np.diff(values)) if is_longitude(da[dim]) else np.diff(values)
        if steps.size and not ((steps > 0).all() or (steps < 0).all()):
            down = np.median(steps) < 0
            at = int(np.flatnonzero(steps >= 0 if down else steps <= 0)[0])
            raise GridError(
                f"{dim} is neither increasing nor decreasing: {values[at]:g} is followed by "
                f"{values[at + 1]:g} (position {at}). Neighbours in the array must be neighbours "
                f'on the ground: sort it with ds.sortby("{dim}") or drop repeated ones.'
            )


def is_longitude(coord: xr.DataArray) -> bool:
    """Whether it is a longitude, by its standard name, unit or name."""
    return (
        coord.attrs.get("standard_name") in ("longitude", "grid_longitude")
        or str(coord.attrs.get("units", "")).lower().startswith(("degrees_e", "degree_e"))
        or str(coord.name).lower() in ("lon", "longitude", "long", "rlon", "nav_lon")
    )


def wrap_longitude(lon: Any, centre: float = 0.0) -> Any:
    """Longitudes, or steps of longitude, within half a turn of `centre`; NumPy or xarray.

    Examples
    --------
    >>> wrap_longitude(350.0), wrap_longitude(-10.0, centre=180.0)
    (-10.0, 350.0)
    """
    return (lon - centre + 180.0) % 360.0 - 180.0 + centre


def roll_longitude(da: xr.DataArray, dim: str, centre: float) -> xr.DataArray:
    """`da` with its longitudes within half a turn of `centre`, ascending; itself if they are."""
    lon = wrap_longitude(da[dim], centre)
    if np.allclose(lon, da[dim]):
        return da
    return da.assign_coords({dim: lon.assign_attrs(da[dim].attrs)}).sortby(dim)


def _mean_step(coord: xr.DataArray | None, dim: str, *, around: bool = False) -> float:
    """Mean step of latitude or longitude along `dim`; 0 where it would have to be read."""
    if coord is None or dim not in coord.dims or coord.chunks is not None or coord.sizes[dim] < 2:
        return 0.0
    steps = np.diff(np.asarray(coord.transpose(..., dim).to_numpy(), np.float64), axis=-1)
    steps = wrap_longitude(steps) if around else steps
    steps = steps[np.isfinite(steps)]
    return float(np.median(steps)) if steps.size else 0.0


def _closes_around_globe(lon: xr.DataArray | None, x: str) -> bool:
    """Whether equal steps of longitude along `x` add up to 360 degrees."""
    if lon is None or x not in lon.dims or lon.chunks is not None:
        return False
    rows = np.atleast_2d(np.asarray(lon.transpose(..., x).to_numpy(), np.float64))
    values = rows[rows.shape[0] // 2]
    if values.size < 3 or not np.isfinite(values).all():
        return False
    steps = wrap_longitude(np.diff(values))
    step = steps.mean()
    regular = np.all(np.abs(steps - step) < 0.05 * abs(step))
    return bool(regular and abs(values.size * abs(step) - 360.0) < 0.05 * abs(step))
