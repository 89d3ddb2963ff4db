"""Predictors on the days, rows and columns of one of them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.errors import GridError, TimeAxisError, VariableNotFoundError
from xsm.grids import coordinate, half_turn, in_degrees_east


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
