"""Functions of whole series, over any dimensions; of Dask arrays one block of series at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.metrics.pairs import Pairs

Arrays = tuple[NDArray[Any], ...]


def over_series(
    function: Callable[..., Any],
    pairs: Pairs,
    *,
    outputs: Sequence[Any] = (np.float64,),
    new: Mapping[Hashable, int] | None = None,
    new_of: Sequence[Sequence[Hashable]] | None = None,
    **settings: Any,
) -> tuple[xr.DataArray, ...]:
    """Call ``function(*series, **settings)`` with arrays (P, T) of float64, NaN where missing.

    Parameters
    ----------
    function : callable
        Returns an array (P, ...), or a tuple of them.
    pairs : Pairs
    outputs : sequence of dtype
    new : mapping
        Dimensions that outputs have after P, and their sizes.
    new_of : sequence of sequences
        Which of them each output has.

    Returns
    -------
    tuple of DataArray
        One for each of `outputs`, on the dimensions that stay.
    """
    count = len(outputs)
    dims = list(pairs.dims)
    found = xr.apply_ufunc(
        partial(_flat, function, len(dims), count, settings),
        *(whole(da, pairs.dims) for da in pairs.series),
        input_core_dims=[dims] * len(pairs.series),
        output_core_dims=[list(names) for names in new_of or [()] * count],
        dask="parallelized",
        output_dtypes=list(outputs),
        dask_gufunc_kwargs={"output_sizes": dict(new or {})},
    )
    return found if isinstance(found, tuple) else (found,)


def whole(da: xr.DataArray, dims: tuple[Hashable, ...]) -> xr.DataArray:
    """`da` with each series in one block, the other dimensions cut so that blocks stay small."""
    if da.chunks is None or all(len(da.chunksizes[d]) == 1 for d in dims):
        return da
    sizes: dict[Hashable, Any] = {d: -1 if d in dims else "auto" for d in da.dims}
    return da.chunk(sizes)


def _flat(
    function: Callable[..., Any], reduced: int, count: int, settings: dict[str, Any], *series: Any
) -> Any:
    shape = series[0].shape[: series[0].ndim - reduced]
    length = int(np.prod(series[0].shape[len(shape) :]))
    cells = int(np.prod(shape))
    flat = [np.ascontiguousarray(np.asarray(s).reshape(cells, length), np.float64) for s in series]
    found = function(*flat, **settings)
    arrays = found if isinstance(found, tuple) else (found,)
    back = tuple(a.reshape((*shape, *a.shape[1:])) for a in arrays)
    return back if count > 1 else back[0]
