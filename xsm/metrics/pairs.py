"""Pairs of values: labels, dimensions, units and missing values are settled here.

Two values are a pair where both are finite and the weight, if any, is above zero
(`xsm.metrics.moments.is_pair`). Every statistic is computed from pairs only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import with_attrs
from xsm.conventions.units import to_m3m3_factor
from xsm.errors import InputError, UnitError

Dims = Hashable | Sequence[Hashable]

MIN_PAIRS = 3  # fewer give no interval, no p value and no scaling


class Pairs(NamedTuple):
    """Series of equal dimensions, labels and dtype (float32 or float64).

    Attributes
    ----------
    series : tuple of DataArray
        The estimate and the reference; a third one for triple collocation.
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
        Dimensions that the statistic reduces.
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
        of a dimension that is not reduced differ.
    UnitError
        If the units differ.
    """
    records = dict(zip(names, series, strict=True))
    arguments = records if weights is None else records | {"weights": weights}
    for name, da in arguments.items():
        _check_array(name, da)
    dims = _reduced_dims(dim, [d for da in arguments.values() for d in da.dims])
    units = _common_units(records, any_units)
    none_empty = all(da.sizes.get(d, 1) for da in series for d in dims)
    arrays = _align(arguments, dims)
    dtype = np.result_type(np.float32, *(da.dtype for da in series))
    paired = [da.astype(dtype, copy=False) for da in arrays[: len(series)]]
    paired[0] = paired[0].assign_coords(_remaining_coords(arguments, dims))
    return Pairs(
        tuple(paired),
        None if weights is None else arrays[-1].astype(np.float64, copy=False),
        dims,
        none_empty and any(arrays[0].sizes[d] == 0 for d in dims),
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


def _reduced_dims(dim: Dims, present: list[Hashable]) -> tuple[Hashable, ...]:
    dims = tuple(dim) if isinstance(dim, (list, tuple, set)) else (dim,)
    missing = [d for d in dims if d not in present]
    if missing or not dims:
        raise InputError(
            f"dim={dim!r}: expected one or more of the dimensions "
            f"{', '.join(map(repr, dict.fromkeys(present)))}."
        )
    return dims


def _common_units(series: dict[str, xr.DataArray], any_units: bool) -> str | None:
    units = {name: str(da.attrs["units"]) for name, da in series.items() if "units" in da.attrs}
    if len(set(units.values())) > 1 and not any_units and not _are_equal(set(units.values())):
        listed = ", ".join(f"{name} is in {unit!r}" for name, unit in units.items())
        raise UnitError(
            f"{listed}: expected one unit. Convert one of them, its attribute included."
        )
    return next(reversed(units.values()), None)


def _are_equal(units: set[str]) -> bool:
    """Whether these are spellings of one unit of soil moisture."""
    try:
        return len({to_m3m3_factor(text) for text in units}) == 1
    except UnitError:
        return False


def _align(arguments: dict[str, xr.DataArray], dims: tuple[Hashable, ...]) -> list[xr.DataArray]:
    """Inner join along `dims`, exact along the others, then broadcast; drops other coordinates."""
    _check_calendars(arguments, dims)
    arrays = [da.reset_coords(drop=True) for da in arguments.values()]
    others = {d for da in arrays for d in da.dims} - set(dims)
    try:
        arrays = list(xr.align(*arrays, join="exact", exclude=set(dims), copy=False))
        arrays = list(xr.align(*arrays, join="inner", exclude=others, copy=False))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{' and '.join(arguments)} cannot be paired: {error}. Select the labels they share "
            f"(xr.align), or bring them onto one grid; labels are matched along dim={dims} only."
        ) from error
    if any(da.chunks is not None for da in arrays):
        # broadcast an array of fewer dimensions, such as weights, chunk by chunk
        ndim = max(da.ndim for da in arrays)
        arrays = [da.chunk() if da.chunks is None and da.ndim < ndim else da for da in arrays]
    return list(xr.broadcast(*arrays))


def _check_calendars(arguments: dict[str, xr.DataArray], dims: tuple[Hashable, ...]) -> None:
    """Dates of cftime and datetime64 have no label in common, whatever their days."""
    for dim in dims:
        indexes = {n: da.indexes[dim] for n, da in arguments.items() if dim in da.indexes}
        cftime = [n for n, index in indexes.items() if isinstance(index, xr.CFTimeIndex)]
        others = [n for n, index in indexes.items() if isinstance(index, pd.DatetimeIndex)]
        if cftime and others:
            raise InputError(
                f"{cftime[0]} has dates of the calendar {indexes[cftime[0]].calendar!r} along "
                f"{dim!r}, {others[0]} has datetime64: expected one calendar. Convert one, such as "
                f'{cftime[0]}.convert_calendar("standard", use_cftime=False, dim={dim!r}).'
            )


def _remaining_coords(
    arguments: dict[str, xr.DataArray], dims: tuple[Hashable, ...]
) -> dict[Hashable, Any]:
    """Coordinates other than indexes without `dims`; those that differ are left out."""
    coords: dict[Hashable, xr.Variable] = {}
    differing = set()
    for da in arguments.values():
        for name, coord in da.coords.items():
            if name in da.indexes or set(coord.dims) & set(dims):
                continue
            variable = coord.variable
            if name in coords and not _are_equal_variables(coords[name], variable):
                differing.add(name)
            coords.setdefault(name, variable)
    return {name: variable for name, variable in coords.items() if name not in differing}


def _are_equal_variables(a: xr.Variable, b: xr.Variable) -> bool:
    """Whether two variables have equal values; False where that needs a computation."""
    return a is b or (a.chunks is None and b.chunks is None and a.equals(b))


def apply_to_series(
    function: Callable[..., Any],
    pairs: Pairs,
    *,
    output_dtypes: Sequence[Any] = (np.float64,),
    output_dims: Sequence[Sequence[Hashable]] | None = None,
    new_sizes: Mapping[Hashable, int] | None = None,
    **options: Any,
) -> tuple[xr.DataArray, ...]:
    """Call ``function(*series, **options)`` with arrays (P, T) of float64, NaN where missing.

    P counts the points of the dimensions that are not reduced, T the values along `pairs.dims`. Of
    Dask arrays, one block of points is done at a time.

    Parameters
    ----------
    function : callable
        Returns an array (P, ...), or a tuple of arrays.
    pairs : Pairs
    output_dtypes : sequence of dtype
    output_dims : sequence of sequences
        Dimensions that each output has after P.
    new_sizes : mapping
        Sizes of these dimensions.
    **options
        Passed to `function`.

    Returns
    -------
    tuple of DataArray
        One for each of `output_dtypes`, on the dimensions that are not reduced and `output_dims`,
        without attributes; coordinates have theirs.
    """
    n_outputs = len(output_dtypes)
    dims = list(pairs.dims)
    outputs = xr.apply_ufunc(
        partial(_call_flat, function, len(dims), n_outputs, options),
        *(one_chunk_along(da, pairs.dims) for da in pairs.series),
        input_core_dims=[dims] * len(pairs.series),
        output_core_dims=[list(names) for names in output_dims or [()] * n_outputs],
        dask="parallelized",
        output_dtypes=list(output_dtypes),
        dask_gufunc_kwargs={"output_sizes": dict(new_sizes or {})},
        keep_attrs=True,  # of coordinates
    )
    return tuple(with_attrs(da) for da in (outputs if n_outputs > 1 else (outputs,)))


def one_chunk_along(da: xr.DataArray, dims: tuple[Hashable, ...]) -> xr.DataArray:
    """`da` with one chunk along `dims`; the other dimensions are chunked so that chunks stay small.

    Arrays in memory, and those that have one chunk there, are returned as they are.
    """
    if da.chunks is None or all(len(da.chunksizes[d]) == 1 for d in dims):
        return da
    sizes: dict[Hashable, Any] = {d: -1 if d in dims else "auto" for d in da.dims}
    return da.chunk(sizes)


def _call_flat(
    function: Callable[..., Any], n_dims: int, n_outputs: int, options: dict[str, Any], *series: Any
) -> Any:
    """Call `function` with the last `n_dims` axes of each series as one, the others as one."""
    shape = series[0].shape[: series[0].ndim - n_dims]
    length = int(np.prod(series[0].shape[len(shape) :]))
    points = int(np.prod(shape))
    flat = [
        np.ascontiguousarray(np.asarray(values).reshape(points, length), np.float64)
        for values in series
    ]
    result: tuple[NDArray[Any], ...] | NDArray[Any] = function(*flat, **options)
    arrays = result if isinstance(result, tuple) else (result,)
    reshaped = tuple(a.reshape((*shape, *a.shape[1:])) for a in arrays)
    return reshaped if n_outputs > 1 else reshaped[0]
