"""Predictors on the days, rows and columns of one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.grid import Layout, coordinate, half_turn, in_degrees_east
from xsm.errors import GridError, InputError, TimeAxisError, VariableNotFoundError


def place_of(base: xr.DataArray, ds: xr.Dataset, kind: str) -> xr.DataArray | None:
    """Latitude or longitude of `base`: along its dimensions, or of the one place it is of."""
    alone = [name for name, coord in base.coords.items() if coord.ndim == 0]
    found = coordinate(base.expand_dims(alone), ds, kind)
    if found is None:
        return None
    return found.isel({dim: 0 for dim in found.dims if dim in alone}).reset_coords(drop=True)


def position(base: xr.DataArray, ds: xr.Dataset, name: str) -> xr.DataArray:
    """:func:`place_of` as a predictor."""
    found = place_of(base, ds, name)
    if found is None:
        raise VariableNotFoundError(
            f"the model takes {name!r}, but the input has no such coordinate."
        )
    return found.assign_attrs(units="degree")


def on_days(da: xr.DataArray, base: xr.DataArray, dim: str) -> xr.DataArray:
    """`da` on the days of `base`; days it has not are missing, and interpolated if few."""
    if dim not in da.dims or da[dim].equals(base[dim]):
        return da
    if not da.indexes[dim].is_unique:
        raise TimeAxisError(
            f"{da.name} has repeated days: expected one time a day. Average them first, such as "
            f'.resample({dim}="1D").mean().'
        )
    if not any(np.isin(da.indexes[dim], base.indexes[dim])):
        raise TimeAxisError(
            f"{da.name} ({da.indexes[dim][0]} ...) has no day in common with {base.name} "
            f"({base.indexes[dim][0]} ...): expected the same period and calendar, stamped at the "
            f'same time of day, such as by .assign_coords({dim}=....dt.floor("D")).'
        )
    return da.reindex({dim: base[dim]})


def on_grid(
    da: xr.DataArray, base: xr.DataArray, name: str, time: str, regrid: str | None
) -> xr.DataArray:
    """`da` on the rows and columns of `base`."""
    if strange := [str(d) for d in da.dims if d not in base.dims]:
        raise GridError(
            f"predictor {name!r} has the dimensions {da.dims}, the others {base.dims}: "
            f"{strange} fits none. Select or rename."
        )
    for dim in da.dims:
        if dim == time:
            continue
        if dim not in da.indexes or dim not in base.indexes:
            if da.sizes[dim] != base.sizes[dim]:
                raise GridError(
                    f"predictor {name!r} has {da.sizes[dim]} {dim}, {base.name!r} has "
                    f"{base.sizes[dim]}, and coordinates that tell which is which are lacking: "
                    "bring them on one grid."
                )
            continue
        have, want = da.indexes[dim], base.indexes[dim]
        if have.equals(want):
            continue
        if in_degrees_east(base[dim]):
            da = _turned(da, str(dim), 0.5 * (want.min() + want.max()))
            have = da.indexes[dim]
        if len(have) == len(want) and np.allclose(have, want, rtol=0, atol=1e-4):
            da = da.assign_coords({dim: base[dim]})
        elif regrid is None:
            raise GridError(
                f"predictor {name!r} has other {dim} ({have[0]:g} ... {have[-1]:g}, {len(have)}) "
                f"than {base.name!r} ({want[0]:g} ... {want[-1]:g}, {len(want)}): bring them on "
                'one grid, or ask for it with regrid="linear" or "nearest".'
            )
        else:
            da = da.interp({dim: base[dim]}, method=regrid)  # type: ignore[arg-type]
    return da


def _turned(da: xr.DataArray, dim: str, middle: float) -> xr.DataArray:
    """`da` with its longitudes within half a turn of `middle`, in order."""
    lon = half_turn(da[dim] - middle) + middle
    if np.allclose(lon, da[dim]):
        return da
    return da.assign_coords({dim: lon.assign_attrs(da[dim].attrs)}).sortby(dim)


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
