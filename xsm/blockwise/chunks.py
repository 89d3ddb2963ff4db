"""Chunks of Dask arrays (time, rows, columns): joined, aligned, with absent days, read again."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.variables import is_file_backed

BLOCK_BYTES = 8 * 2**20  # of a file that is read in blocks


def chunk_file_backed(da: xr.DataArray, dim: str) -> xr.DataArray:
    """`da` in Dask chunks along `dim` if it is still in a file and large, else as it is.

    Without Dask installed it stays as it is and is read whole.
    """
    if not is_file_backed(da) or da.nbytes <= BLOCK_BYTES or find_spec("dask") is None:
        return da
    step = max(1, int(BLOCK_BYTES * da.sizes[dim] / da.nbytes))
    return da.chunk({dim: step})


def chunk_slices(sizes: Iterable[int]) -> list[slice]:
    """The slices that chunks of these sizes cover.

    Examples
    --------
    >>> chunk_slices((2, 3))
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return [slice(a, b) for a, b in pairwise((0, *accumulate(sizes)))]


def align_chunks(sizes: tuple[int, ...], step: int, least: int) -> tuple[int, ...]:
    """Chunks near those of `sizes` that begin at multiples of `step` and hold `least` or more.

    Examples
    --------
    >>> align_chunks((31, 28, 31, 30, 2), 10, 20)
    (30, 30, 30, 32)
    """
    length = sum(sizes)
    edges = [0]
    for edge in accumulate(sizes):
        near = round(edge / step) * step
        if edges[-1] + least <= near <= length - least:
            edges.append(near)
    return tuple(np.diff([*edges, length]).tolist())


def join_chunks(x: Any, least: list[int]) -> Any:
    """`x` with neighbouring chunks joined until each has `least` cells, or the whole axis."""
    return x.rechunk(tuple(map(join_sizes, x.chunks, least)))


def join_sizes(sizes: Iterable[int], least: int, last: int | None = None) -> tuple[int, ...]:
    """Chunks of an axis joined until each has `least` cells, or the whole axis.

    The last one may have fewer if it has `last` or more.

    Examples
    --------
    >>> join_sizes((5, 5, 5, 3), 8)
    (10, 8)
    >>> join_sizes((5, 5, 5, 3), 10, last=4)
    (10, 8)
    >>> join_sizes((5, 5, 5), 10, last=4)
    (10, 5)
    """
    joined: list[int] = []
    for size in sizes:
        if joined and joined[-1] < least:
            joined[-1] += size
        else:
            joined.append(size)
    if len(joined) > 1 and joined[-1] < (least if last is None else last):
        rest = joined.pop()
        joined[-1] += rest
    return tuple(joined)


def insert_absent_days(x: Any, days: NDArray[np.int64], missing: Any = np.nan) -> Any:
    """`x` (N, H, W) with the days that it lacks between its first and last, as `missing`."""
    import dask.array as da

    if days.size == days[-1] + 1:
        return x
    starts = [0, *(np.flatnonzero(np.diff(days) > 1) + 1).tolist(), days.size]
    parts = []
    for first, last in pairwise(starts):
        if first:
            absent = int(days[first] - days[first - 1]) - 1
            shape = (absent, *x.shape[1:])
            chunks = (max(x.chunks[0]), *x.chunks[1:])
            parts.append(da.full(shape, missing, dtype=x.dtype, chunks=chunks))
        parts.append(x[first:last])
    return da.concatenate(parts, axis=0)


def drop_absent_days(x: Any, days: NDArray[np.int64], axis: int) -> Any:
    """The inverse of :func:`insert_absent_days`, along `axis`."""
    import dask.array as da

    return x if days.size == x.shape[axis] else da.take(x, days, axis=axis)
