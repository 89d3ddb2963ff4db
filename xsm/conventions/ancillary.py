"""Ancillary fields (land cover, climate class) at stations and on the cells of a record."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.grid import coordinate
from xsm.conventions.nearest_cells import nearest_on_axis
from xsm.conventions.record import STATION, GriddedRecord
from xsm.errors import InputError


def field_at(name: str, spec: Any, record: GriddedRecord, pairs: xr.Dataset) -> xr.DataArray | None:
    """A category of each station: its own coordinate, else the value of its cell.

    Parameters
    ----------
    name : str
        Of the stratum.
    spec : None, str, or array
        Name of a coordinate or variable, or values; None: of the name of the stratum.
    record : GriddedRecord
    pairs : Dataset
        Of :func:`xsm.validation.in_situ.collocate`.
    """
    label = spec if isinstance(spec, str) else name
    if (spec is None or isinstance(spec, str)) and label in pairs.coords:
        return pairs[label]
    if spec is not None and not isinstance(spec, str):
        field = spec if isinstance(spec, xr.DataArray) else None
        if field is None or STATION in field.dims:
            values = np.asarray(spec if field is None else _by_label(name, field, pairs))
            if values.shape == (pairs.sizes[STATION],):
                return xr.DataArray(values, dims=STATION, attrs=getattr(spec, "attrs", {}))
            if field is not None or values.shape != record.shape:
                raise InputError(
                    f"by: {name} has the shape {values.shape}: expected one value for each of the "
                    f"{pairs.sizes[STATION]} stations that are scored, or {record.shape}. A "
                    f"coordinate of the stations is matched with them: by={{{name!r}: 'its name'}}."
                )
        grid = grid_field(name, spec, record)
    else:
        grid = grid_field(name, label, record)
    if grid is None:
        return None
    cell = pairs["cell"].values
    values = np.asarray(grid.values).ravel()[np.maximum(cell, 0)]
    missing = "" if values.dtype.kind in "OUT" else np.nan
    values = np.where(cell >= 0, values, missing)
    return xr.DataArray(values, dims=STATION, attrs=grid.attrs)


def _by_label(name: str, field: xr.DataArray, pairs: xr.Dataset) -> xr.DataArray:
    """An array along station in the order of the stations; without labels as it came.

    Raises
    ------
    InputError
        If its labels are not those of the stations.
    """
    if STATION not in field.indexes or field.ndim != 1:
        return field
    index = field.indexes[STATION]
    whole = index.dtype.kind == "f" and bool((index.to_numpy() % 1 == 0).all())
    index = (index.astype(np.int64) if whole else index).astype(str)
    labels = [
        pairs[key].values.astype(str)
        for key in (STATION, "station_id", "station_name")
        if key in pairs.coords
    ]
    for own in labels if index.is_unique else []:
        if (positions := index.get_indexer(own)).min(initial=0) >= 0:
            return field.isel({STATION: positions})
    expected = ", ".join(labels[0][:3]) if labels else "none"
    raise InputError(
        f"by: {name} has the stations {', '.join(index[:3])}: expected {expected}. Give it these "
        "labels, or none for values in their order."
    )


def grid_field(name: str, spec: Any, record: GriddedRecord) -> xr.DataArray | None:
    """A field (rows, columns) on the grid of a record.

    Parameters
    ----------
    name : str
        Of the stratum, for messages.
    spec : None, str, DataArray or ndarray
        A name is looked up in the Dataset of the record; a DataArray on another grid of latitudes
        and longitudes is taken at the nearest cell.

    Raises
    ------
    InputError
        If it does not fit the grid.
    """
    given = not (spec is None or isinstance(spec, str))
    if not given:
        label = name if spec is None else spec
        if record.ds is None or label not in record.ds.variables:
            return None
        spec = record.ds[label]
    if not isinstance(spec, xr.DataArray):
        values = np.asarray(spec)
        if values.shape != record.shape:
            raise InputError(f"by: {name} has the shape {values.shape}: expected {record.shape}.")
        return xr.DataArray(record.layout.array_to_working_order(values), dims=record.space)
    if given and set(spec.dims) == set(record.space) and not spec.coords:
        spec = record.layout.to_working_order(spec)
    if set(spec.dims) == set(record.space):
        same = all(
            dim not in spec.coords
            or dim not in record.da.coords
            or spec[dim].size == record.da[dim].size
            and np.allclose(spec[dim], record.da[dim])
            for dim in record.space
        )
        if same and spec.transpose(*record.space).shape == record.shape:
            return spec.transpose(*record.space)
    return _nearest(name, spec, record)


def _nearest(name: str, field: xr.DataArray, record: GriddedRecord) -> xr.DataArray:
    field_lat, field_lon = (coordinate(field, None, kind) for kind in ("latitude", "longitude"))
    if field_lat is None or field_lon is None or field_lat.ndim != 1 or field.ndim != 2:
        raise InputError(
            f"by: {name} has the dimensions {dict(field.sizes)}: expected those of the record, or "
            "a map on 1-D latitudes and longitudes."
        )
    lat, lon = record.coordinates()
    if record.regular:
        lat, lon = xr.broadcast(
            xr.DataArray(lat.values, dims="y"), xr.DataArray(lon.values, dims="x")
        )
    row, in_row = nearest_on_axis(field_lat.values, lat.values)
    column, in_column = nearest_on_axis(field_lon.values, lon.values, around=True)
    values = field.transpose(field_lat.dims[0], field_lon.dims[0]).values[row, column]
    missing = "" if values.dtype.kind in "OUT" else np.nan
    values = np.where(in_row & in_column, values, missing)
    return xr.DataArray(values, dims=record.space, attrs=field.attrs)
