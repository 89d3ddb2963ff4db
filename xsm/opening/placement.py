"""A file's data on rows and columns: from axes, from points, from 2-D places, by its shape."""

from __future__ import annotations

import xarray as xr

from xsm.conventions.grid import coordinate
from xsm.errors import GridError
from xsm.opening.axes import assign_axes, global_axes
from xsm.opening.file_forms import FileForm
from xsm.opening.points import place_points


def on_rows_and_columns(ds: xr.Dataset, name: str, form: FileForm) -> xr.Dataset:
    """`ds` on (..., time, lat, lon), or on (..., time, y, x) where its grid has no axes."""
    da = ds[name]
    lat, lon = (_position_of(da, ds, kind) for kind in ("latitude", "longitude"))
    space = [d for d in da.dims if d != "time"]
    if lat is not None and lon is not None and lat.ndim == lon.ndim == 1:
        if lat.dims == lon.dims:
            placed = place_points(ds, str(lat.dims[0]), lat, lon)
            return placed.transpose(..., "time", "lat", "lon")
        rows, columns = str(lat.dims[0]), str(lon.dims[0])
        ds = ds.drop_vars({lat.name, lon.name, rows, columns} & set(ds.variables))
        ds = ds.rename({rows: "y", columns: "x"})
        return assign_axes(ds, (lat.values, lon.values)).transpose(
            ..., "time", "lat", "lon", missing_dims="ignore"
        )
    if len(space) < 2:
        raise GridError(
            f"{name} in {ds.encoding.get('source')} has the dimensions {da.dims} and no latitude "
            "and longitude along them: expected rows and columns, or points with both."
        )
    rows, columns = map(str, space[-2:])
    if lat is not None and lon is not None:
        ds = ds.drop_vars([lat.name, lon.name])
        fields = {"lat": lat.values, "lon": lon.values}
    else:
        fields = {}
    shape = ds.sizes[rows], ds.sizes[columns]
    axes = global_axes(form.grid, shape)
    if axes is None and (axes := global_axes(form.grid, shape[::-1])) is not None:
        rows, columns = columns, rows
    labels = {n for n in (rows, columns) if n in ds.variables}
    ds = ds.drop_vars(labels).rename({rows: "y", columns: "x"})
    if axes is not None:
        return assign_axes(ds, axes).transpose(..., "time", "lat", "lon")
    if fields:
        ds = ds.assign_coords({k: (("y", "x"), v) for k, v in fields.items()})
    return ds.transpose(..., "time", "y", "x")


def _position_of(da: xr.DataArray, ds: xr.Dataset, kind: str) -> xr.DataArray | None:
    own = coordinate(da, ds, kind)
    if own is None:
        names = ("nav_lat", "cell_lat") if kind == "latitude" else ("nav_lon", "cell_lon")
        own = next((ds[n] for n in names if n in ds.variables), None)
    return own
