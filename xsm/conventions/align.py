"""The one aligner: arrays brought to the days, rows and columns of another."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.daily import days_as_labels
from xsm.conventions.grid import coordinate, is_longitude, roll_longitude
from xsm.conventions.record import GriddedRecord
from xsm.errors import GridError, InputError, TimeAxisError, VariableNotFoundError

TOLERANCE = 1e-4  # of labels, in their unit


def match_labels(
    da: xr.DataArray, dim: str, like: xr.DataArray, *, same_spacing: bool = False
) -> xr.DataArray | None:
    """`da` at the labels of ``like[dim]``, in their order; None if it lacks some of them.

    Longitudes are compared around the globe. Without labels on either side, `da` itself. With
    `same_spacing`, labels picked out of a finer grid do not match.
    """
    if (
        dim not in da.indexes
        or dim not in like.indexes
        or da.indexes[dim].equals(like.indexes[dim])
    ):
        return da
    want = np.asarray(like.indexes[dim], np.float64)
    if is_longitude(like[dim]):
        da = roll_longitude(da, dim, 0.5 * float(want.min() + want.max()))
    have = np.asarray(da.indexes[dim], np.float64)
    order = np.argsort(have)
    index = order[np.clip(np.searchsorted(have[order], want - TOLERANCE), 0, have.size - 1)]
    if not np.allclose(have[index], want, rtol=0, atol=TOLERANCE):
        return None
    if same_spacing and np.any(np.abs(np.diff(index)) > 1):
        return None
    if np.array_equal(index, np.arange(have.size)):
        return da.assign_coords({dim: like[dim]})
    return da.isel({dim: index}).assign_coords({dim: like[dim]})


def coordinate_of_cells(base: xr.DataArray, ds: xr.Dataset, kind: str) -> xr.DataArray | None:
    """Latitude or longitude of `base`: along its dimensions, or of its single cell."""
    scalars = [name for name, coord in base.coords.items() if coord.ndim == 0]
    coord = coordinate(base.expand_dims(scalars), ds, kind)
    if coord is None:
        return None
    return coord.isel({dim: 0 for dim in coord.dims if dim in scalars}).reset_coords(drop=True)


def position_predictor(base: xr.DataArray, ds: xr.Dataset, name: str) -> xr.DataArray:
    """:func:`coordinate_of_cells` as a predictor, degrees."""
    coord = coordinate_of_cells(base, ds, name)
    if coord is None:
        raise VariableNotFoundError(
            f"the model takes {name!r}, but the input has no such coordinate."
        )
    return coord.assign_attrs(units="degree")


def on_days(da: xr.DataArray, base: xr.DataArray, dim: str) -> xr.DataArray:
    """Daily `da` on the days of `base`, whatever their times of day; days it lacks are missing.

    Raises
    ------
    TimeAxisError
        If its days are repeated, or it has no day in common with `base`.
    """
    if dim not in da.dims or da[dim].equals(base[dim]):
        return da
    calendars = {str(getattr(x[dim].dt, "calendar", "")) for x in (da, base)}
    have, want = (days_as_labels(x, dim, standard=len(calendars) > 1) for x in (da, base))
    if np.unique(have).size < have.size:
        raise TimeAxisError(
            f"{da.name} has repeated days: expected one time a day. Average them first, such as "
            f'.resample({dim}="1D").mean(keep_attrs=True).'
        )
    if not np.isin(have, want).any():
        raise TimeAxisError(
            f"{da.name} ({da.indexes[dim][0]} ...) has no day in common with {base.name} "
            f"({base.indexes[dim][0]} ...): expected the same period."
        )
    if not np.array_equal(have, want):
        da = da.assign_coords({dim: have}).reindex({dim: want})
    return da.assign_coords({dim: base[dim]})


def on_cells(
    da: xr.DataArray, base: xr.DataArray, name: str, time: str, regrid: str | None
) -> xr.DataArray:
    """Predictor `name` on the rows and columns of `base`.

    Parameters
    ----------
    da, base : DataArray
    name : str
        Of the predictor, for messages.
    time : str
        Dimension to leave alone.
    regrid : {None, "nearest", "linear"}
        How other rows and columns are interpolated; None refuses them.

    Raises
    ------
    GridError
        If it has other dimensions, or other rows and columns and `regrid` is None.
    """
    if strange := [str(d) for d in da.dims if d not in base.dims]:
        raise GridError(
            f"predictor {name!r} has the dimensions {da.dims}, the others {base.dims}: "
            f"{strange} fits none. Select or rename."
        )
    for dim in map(str, da.dims):
        if dim == time:
            continue
        if dim not in da.indexes or dim not in base.indexes:
            if dim in da.indexes or dim in base.indexes:
                lacking, labelled = (da, base) if dim in base.indexes else (base, da)
                raise GridError(
                    f"predictor {name!r}: {lacking.name!r} has no coordinate {dim!r} and "
                    f"{labelled.name!r} has one: rows and columns are not matched by their order. "
                    f'Assign it, such as .assign_coords({dim}=other["{dim}"]) if they agree.'
                )
            if da.sizes[dim] != base.sizes[dim]:
                raise GridError(
                    f"predictor {name!r} has {da.sizes[dim]} {dim}, {base.name!r} has "
                    f"{base.sizes[dim]}, and coordinates that tell which is which are lacking: "
                    "bring them on one grid."
                )
            continue
        matched = match_labels(da, dim, base, same_spacing=True)
        if matched is None and regrid is None:
            have, want = da.indexes[dim], base.indexes[dim]
            raise GridError(
                f"predictor {name!r} has other {dim} ({have[0]:g} ... {have[-1]:g}, {len(have)}) "
                f"than {base.name!r} ({want[0]:g} ... {want[-1]:g}, {len(want)}): bring them on "
                'one grid, or ask for it with regrid="linear" or "nearest".'
            )
        if matched is None:
            if is_longitude(base[dim]):
                want = base.indexes[dim]
                da = roll_longitude(da, dim, 0.5 * float(want.min() + want.max()))
            matched = da.interp({dim: base[dim]}, method=regrid)  # type: ignore[arg-type]
        da = matched
    return da


def land_mask(land: Any, record: GriddedRecord) -> Any:
    """`land` as an array of bool (rows, columns) in working order, or None if it is None.

    Parameters
    ----------
    land : None, str, DataArray or array_like
        A string names a variable of the record's Dataset; an array_like is in stored order.
    record : GriddedRecord

    Raises
    ------
    InputError
        If it has other dimensions, other coordinates, or is no mask.
    """
    if land is None:
        return None
    if isinstance(land, str):
        land = _land_variable(land, record)
    elif isinstance(land, xr.DataArray):
        land = _unlabelled_to_working_order(land, record)
    else:
        array = land if hasattr(land, "dtype") else np.asarray(land)
        _check_shape(array, record)
        return _as_mask(record.layout.array_to_working_order(array))
    if set(land.dims) != set(record.space):
        raise InputError(
            f"land has the dimensions {land.dims}: expected {record.space}. "
            "Select one day of it, or rename its dimensions."
        )
    for dim in record.space:
        matched = match_labels(land, dim, record.da)
        if matched is None:
            raise InputError(_other_labels(land, record.da, dim))
        land = matched
    array = land.transpose(*record.space).data
    _check_shape(array, record)
    return _as_mask(array)


def _land_variable(name: str, record: GriddedRecord) -> xr.DataArray:
    ds = record.ds
    if ds is None or name not in ds.variables:
        maps = [] if ds is None else [str(n) for n, v in ds.variables.items() if v.ndim == 2]
        raise InputError(f"land={name!r} is no variable of the input; expected one of {maps}.")
    return ds[name]


def _unlabelled_to_working_order(land: xr.DataArray, record: GriddedRecord) -> xr.DataArray:
    """A dimension without labels is stored as that of the record is."""
    layout = record.layout
    y, x = (dim not in land.indexes or dim not in record.da.indexes for dim in record.space)
    stored_alike = layout._replace(
        south_first=layout.south_first and y,
        east_first=layout.east_first and x,
        lon_origin=layout.lon_origin if x else 0,
    )
    return stored_alike.to_working_order(land)


def _check_shape(array: Any, record: GriddedRecord) -> None:
    if tuple(array.shape) != record.shape:
        raise InputError(
            f"land has the shape {tuple(array.shape)}: expected {record.shape} (rows, columns)."
        )


def _as_mask(array: Any) -> Any:
    if array.dtype == bool:
        return array
    if not _is_mask(array):
        raise InputError(
            f"land has dtype {array.dtype} and other values than 0 and 1: expected True on land. "
            "For a fraction of land pass a condition, such as land_fraction > 0.5."
        )
    return array == 1


def _other_labels(land: xr.DataArray, base: xr.DataArray, dim: str) -> str:
    have, want = land.indexes[dim], base.indexes[dim]
    counted = ""
    if is_longitude(base[dim]) and (max(have) > 180) != (max(want) > 180):
        shift = f"({dim} + 180) % 360 - 180" if max(have) > 180 else f"{dim} % 360"
        shift = shift.replace(dim, f'land["{dim}"]')
        counted = f'.assign_coords({dim}={shift}).sortby("{dim}")'
    return (
        f"land lies on other {dim} ({have[0]:g} ... {have[-1]:g}, {have.size}) than the record "
        f"({want[0]:g} ... {want[-1]:g}, {want.size}): put it there first, such as "
        f'land{counted}.sel({dim}=ds["{dim}"], method="nearest").'
    )


def _is_mask(array: Any) -> bool:
    # a Dask array must say it by its type: looking at it would compute
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        return False
    values = array[~np.isnan(array)] if array.dtype.kind == "f" else array
    return bool(np.isin(values, (0, 1)).all())
