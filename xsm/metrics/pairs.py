"""Which values make a pair: labels, dimensions, units and missing values, settled in one place.

Two values are a pair where both are finite and the weight, if any, is above zero
(``compiled_moments.is_pair``); every statistic is of the pairs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from xsm.conventions.units import to_m3m3_factor
from xsm.errors import InputError, UnitError

Dims = Hashable | Sequence[Hashable]


class Pairs(NamedTuple):
    """Series of equal dimensions, labels and dtype (float32 or float64).

    Attributes
    ----------
    series : tuple of DataArray
        The estimate, the reference; a third one for triple collocation.
    weights : DataArray or None
    dims : tuple
        The dimensions to reduce.
    disjoint : bool
        No label of a reduced dimension is common to all.
    units : str or None
    """

    series: tuple[xr.DataArray, ...]
    weights: xr.DataArray | None
    dims: tuple[Hashable, ...]
    disjoint: bool
    units: str | None


def pair(
    *series: xr.DataArray,
    dim: Dims,
    weights: xr.DataArray | None = None,
    any_units: bool = False,
    names: Sequence[str] = ("est", "ref"),
) -> Pairs:
    """Bring series onto the labels they share.

    Parameters
    ----------
    *series : DataArray
        Along `dim` the labels common to all are used; other dimensions must agree, or be missing.
    dim : str or sequence of str
        What the statistic reduces.
    weights : DataArray, optional
        Broadcast like the series.
    any_units : bool
        Whether the units may differ.
    names : sequence of str
        Names of the arguments, for messages.

    Raises
    ------
    InputError
        If an argument is no numeric DataArray, `dim` is not among the dimensions, or the labels
        of a dimension that stays differ.
    UnitError
        If the units differ.
    """
    records = dict(zip(names, series, strict=True))
    given = records if weights is None else records | {"weights": weights}
    for name, da in given.items():
        _check_array(name, da)
    dims = _dims(dim, [d for da in given.values() for d in da.dims])
    units = _units(records, any_units)
    some = all(da.sizes.get(d, 1) for da in series for d in dims)
    arrays = _aligned(given, dims)
    dtype = np.result_type(np.float32, *(da.dtype for da in series))
    paired = [da.astype(dtype, copy=False) for da in arrays[: len(series)]]
    paired[0] = paired[0].assign_coords(_kept_coords(given, dims))
    return Pairs(
        tuple(paired),
        None if weights is None else arrays[-1].astype(np.float64, copy=False),
        dims,
        some and any(arrays[0].sizes[d] == 0 for d in dims),
        units,
    )


def _check_array(name: str, da: Any) -> None:
    if not isinstance(da, xr.DataArray):
        raise InputError(
            f"{name} is a {type(da).__name__}: expected an xarray.DataArray, such as "
            'ds["soil_moisture"] or xr.DataArray(values, dims=("time", ...)).'
        )
    if da.dtype.kind not in "fiub" or da.dtype.itemsize > 8:
        raise InputError(f"{name} holds {da.dtype}: expected real numbers, float64 at the widest.")


def _dims(dim: Dims, present: list[Hashable]) -> tuple[Hashable, ...]:
    dims = tuple(dim) if isinstance(dim, (list, tuple, set)) else (dim,)
    missing = [d for d in dims if d not in present]
    if missing or not dims:
        raise InputError(
            f"dim={dim!r}: expected one or more of the dimensions "
            f"{', '.join(map(repr, dict.fromkeys(present)))}."
        )
    return dims


def _units(series: dict[str, xr.DataArray], any_units: bool) -> str | None:
    given = {name: str(da.attrs["units"]) for name, da in series.items() if "units" in da.attrs}
    if len(set(given.values())) > 1 and not any_units and not _same_worth(set(given.values())):
        said = ", ".join(f"{name} is in {units!r}" for name, units in given.items())
        raise UnitError(f"{said}: expected one unit. Convert one of them, its attribute included.")
    return next(reversed(given.values()), None)


def _same_worth(units: set[str]) -> bool:
    """Whether these are spellings of one unit of soil moisture."""
    try:
        return len({to_m3m3_factor(text) for text in units}) == 1
    except UnitError:
        return False


def _aligned(given: dict[str, xr.DataArray], dims: tuple[Hashable, ...]) -> list[xr.DataArray]:
    """Inner join along `dims`, exact along the others, then broadcast; indexes alone are kept."""
    bare = [da.reset_coords(drop=True) for da in given.values()]
    others = {d for da in bare for d in da.dims} - set(dims)
    try:
        bare = list(xr.align(*bare, join="exact", exclude=set(dims), copy=False))
        bare = list(xr.align(*bare, join="inner", exclude=others, copy=False))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{' and '.join(given)} cannot be paired: {error}. Select the labels they share "
            f"(xr.align), or bring them onto one grid; only along dim={dims} is this done here."
        ) from error
    if any(da.chunks is not None for da in bare):
        # what is repeated, such as weights, is repeated block by block
        most = max(da.ndim for da in bare)
        bare = [da.chunk() if da.chunks is None and da.ndim < most else da for da in bare]
    return list(xr.broadcast(*bare))


def _kept_coords(given: dict[str, xr.DataArray], dims: tuple[Hashable, ...]) -> dict[Hashable, Any]:
    """Coordinates beside the indexes that outlive the reduction; where two differ, neither."""
    found: dict[Hashable, xr.Variable] = {}
    differing = set()
    for da in given.values():
        for name, coord in da.coords.items():
            if name in da.indexes or set(coord.dims) & set(dims):
                continue
            bare = coord.variable
            if name in found and not _same(found[name], bare):
                differing.add(name)
            found.setdefault(name, bare)
    return {name: bare for name, bare in found.items() if name not in differing}


def _same(a: xr.Variable, b: xr.Variable) -> bool:
    """Whether two are identical; False where that takes a computation."""
    return a is b or (a.chunks is None and b.chunks is None and a.identical(b))
