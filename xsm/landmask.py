"""The land mask that a user gives, brought onto the rows and columns of the record."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.grids import Layout


def land_mask(land: Any, da: xr.DataArray, ds: xr.Dataset | None, layout: Layout) -> Any:
    """`land` as an array of bool (rows, columns), NumPy or Dask, or None if it is None.

    Parameters
    ----------
    land : None, str, DataArray or array_like
        A string names a variable of `ds`.
    da : DataArray
        The record.
    ds : Dataset or None
    layout : Layout

    Raises
    ------
    InputError
        If it has other dimensions, other coordinates, or is no mask.
    """
    if land is None:
        return None
    shape = (da.sizes[layout.y], da.sizes[layout.x])
    if isinstance(land, str):
        if ds is None or land not in ds.variables:
            known = [] if ds is None else [str(n) for n, v in ds.variables.items() if v.ndim == 2]
            raise InputError(f"land={land!r} is no variable of the input; expected one of {known}.")
        land = ds[land]
    if isinstance(land, xr.DataArray):
        if set(land.dims) != {layout.y, layout.x}:
            raise InputError(
                f"land has the dimensions {land.dims}: expected {(layout.y, layout.x)}. "
                "Select one day of it, or rename its dimensions."
            )
        land = land.transpose(layout.y, layout.x)
        for dim in (layout.y, layout.x):
            land = _on_labels(land, da, dim)
        land = land.data
    array = land if hasattr(land, "dtype") else np.asarray(land)
    if array.shape != shape:
        raise InputError(f"land has the shape {array.shape}: expected {shape} (rows, columns).")
    if array.dtype != bool and not _is_mask(array):
        raise InputError(
            f"land has dtype {array.dtype} and other values than 0 and 1: expected True on land. "
            "For a share of land pass a condition, such as land_fraction > 0.5."
        )
    return array if array.dtype == bool else array == 1


def _on_labels(land: xr.DataArray, da: xr.DataArray, dim: str) -> xr.DataArray:
    """`land` with the labels of `da` along `dim`, in their order."""
    if dim not in land.indexes or dim not in da.indexes:
        return land
    have, want = (np.asarray(index, np.float64) for index in (land.indexes[dim], da.indexes[dim]))
    if have.shape == want.shape and np.allclose(have, want, rtol=0, atol=1e-4):
        return land
    order = np.argsort(have)
    at = order[np.clip(np.searchsorted(have[order], want - 1e-4), 0, have.size - 1)]
    if not np.allclose(have[at], want, rtol=0, atol=1e-4):
        raise InputError(
            f"land lies on other {dim} ({have[0]:g} ... {have[-1]:g}, {have.size}) than the record "
            f"({want[0]:g} ... {want[-1]:g}, {want.size}): put it there first, such as "
            f'land.sel({dim}=ds["{dim}"], method="nearest").'
        )
    return land.isel({dim: at})


def _is_mask(array: Any) -> bool:
    # a Dask array must say it by its type: looking at it would compute
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        return False
    return bool(
        np.isin(array[~np.isnan(array)] if array.dtype.kind == "f" else array, (0, 1)).all()
    )
