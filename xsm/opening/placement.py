"""A file's data on rows and columns: from axes, from points, from 2-D places, by its shape."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.conventions.grid import coordinate, wrap_longitude
from xsm.conventions.swath_coordinates import known_degrees
from xsm.conventions.units import conversion
from xsm.errors import GridError, UnitError
from xsm.opening.axes import AXIS_TOLERANCE, Axes, assign_axes, axes_of_metres, global_axes
from xsm.opening.file_forms import FileForm
from xsm.opening.points import place_points

SAMPLES = 16  # rows and columns of a global grid that are compared to its axes


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
    if _goes_east(ds, rows):
        rows, columns = columns, rows
    shape = ds.sizes[rows], ds.sizes[columns]
    axes = global_axes(form.grid, shape)
    if axes is None and (axes := global_axes(form.grid, shape[::-1])) is not None:
        rows, columns = columns, rows
    if axes is None and (lat is None or lon is None):
        axes = _axes_of_projection(ds, rows, columns)
    fields = {}
    if lat is not None and lon is not None:
        if axes is not None and not _on_axes(lat, lon, rows, columns, axes):
            axes = None
        if axes is None:
            fields = {"lat": lat.transpose(rows, columns), "lon": lon.transpose(rows, columns)}
        ds = ds.drop_vars([lat.name, lon.name])
    labels = {n for n in (rows, columns) if n in ds.variables}
    ds = ds.drop_vars(labels).rename({rows: "y", columns: "x"})
    if axes is not None:
        return assign_axes(ds, axes).transpose(..., "time", "lat", "lon")
    if fields:
        ds = ds.assign_coords({k: (("y", "x"), v.values) for k, v in fields.items()})
    return ds.transpose(..., "time", "y", "x")


def _goes_east(ds: xr.Dataset, dim: str) -> bool:
    """Whether a dimension is that of columns, by its coordinate."""
    attrs = ds[dim].attrs if dim in ds.coords else {}
    return attrs.get("axis") == "X" or attrs.get("standard_name") == "projection_x_coordinate"


def _axes_of_projection(ds: xr.Dataset, rows: str, columns: str) -> Axes | None:
    """Axes where the coordinates of rows and columns are distances on the EASE-Grid 2.0."""
    metres = []
    for dim in (rows, columns):
        try:
            factor, _ = conversion(str(ds[dim].attrs["units"]), "m", dim)
        except (KeyError, UnitError):  # no coordinate, no unit, or no length
            return None
        metres.append(factor * ds[dim].values.astype(np.float64))
    return axes_of_metres(metres[0], metres[1])


def _on_axes(lat: xr.DataArray, lon: xr.DataArray, rows: str, columns: str, axes: Axes) -> bool:
    """Whether 2-D places of a global grid are its axes: by a sample, by all if that is missing."""
    for field, dim, axis in ((lat, rows, axes[0]), (lon, columns, axes[1])):
        for number in (SAMPLES, max(field.shape)):
            steps = {d: slice(None, None, max(1, field.sizes[d] // number)) for d in field.dims}
            values = known_degrees(field.isel(steps).transpose(rows, columns).values)
            expected = axis[steps[dim]]
            expected = expected[:, None] if dim == rows else expected[None, :]
            apart = np.abs(wrap_longitude(values - expected))
            if (apart > AXIS_TOLERANCE).any():
                return False
            if np.isfinite(apart).any():
                break
    return True


def _position_of(da: xr.DataArray, ds: xr.Dataset, kind: str) -> xr.DataArray | None:
    own = coordinate(da, ds, kind)
    if own is None:
        names = ("nav_lat", "cell_lat") if kind == "latitude" else ("nav_lon", "cell_lon")
        own = next((ds[n] for n in names if n in ds.variables), None)
    return own
