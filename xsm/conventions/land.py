"""Where values may be filled: land masks that users pass, and the land of GLOBE by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.align import match_labels
from xsm.conventions.grid import is_longitude
from xsm.conventions.record import GriddedRecord
from xsm.errors import InputError

GLOBE = "globe"


def names_globe(land: Any, record: GriddedRecord) -> bool:
    """Whether `land` is ``"globe"``, and no variable of the record has that name.

    Raises
    ------
    GridError
        If it is, and the record has no latitudes and longitudes.
    """
    if not isinstance(land, str) or land != GLOBE:
        return False
    if record.ds is not None and GLOBE in record.ds.variables:
        return False
    record.coordinates()
    return True


def land_mask(land: Any, record: GriddedRecord) -> Any:
    """`land` as an array of bool (rows, columns) in working order, or None if it is None.

    Parameters
    ----------
    land : None, str, DataArray or array_like
        A string names a variable of the record's Dataset, see also :func:`names_globe`; an
        array_like is in stored order.
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
        raise InputError(
            f"land={name!r} is no variable of the input: expected one of {maps}, or {GLOBE!r}."
        )
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
