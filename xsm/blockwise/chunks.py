"""Chunks of (time, rows, columns): joined, with their neighbours' edges, with lost days put in."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import accumulate
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

BLOCK_BYTES = 8 * 2**20  # of a file that is read in blocks


def aligned(sizes: tuple[int, ...], step: int, least: int) -> tuple[int, ...]:
    """Chunks of days that begin at multiples of `step` near where `sizes` do, of `least` or more.

    Examples
    --------
    >>> aligned((31, 28, 31, 30, 2), 10, 20)
    (30, 30, 30, 32)
    """
    length = sum(sizes)
    edges = [0]
    for edge in accumulate(sizes):
        near = round(edge / step) * step
        if edges[-1] + least <= near <= length - least:
            edges.append(near)
    return tuple(np.diff([*edges, length]).tolist())


def all_days(x: Any, days: NDArray[np.int64], absent: Any = np.nan) -> Any:
    """`x` (N, H, W) with the days between that it has not, filled with `absent`."""
    import dask.array as da

    if days.size == days[-1] + 1:
        return x
    starts = [0, *(np.flatnonzero(np.diff(days) > 1) + 1).tolist(), days.size]
    parts = []
    for first, last in zip(starts[:-1], starts[1:], strict=True):
        if first:
            lost = int(days[first] - days[first - 1]) - 1
            shape = (lost, *x.shape[1:])
            chunks = (max(x.chunks[0]), *x.chunks[1:])
            parts.append(da.full(shape, absent, dtype=x.dtype, chunks=chunks))
        parts.append(x[first:last])
    return da.concatenate(parts, axis=0)


def real_days(x: Any, days: NDArray[np.int64], axis: int) -> Any:
    import dask.array as da

    return x if days.size == x.shape[axis] else da.take(x, days, axis=axis)


def with_days_around(x: Any, depth: int, outside: float) -> Any:
    """Each block of (T, H, W) with `depth` days of its neighbours on both sides.

    Before the first and after the last day is `outside`.
    """
    import dask.array as da

    if x.numblocks[0] > 1:
        around = {0: outside, 1: "none", 2: "none"}
        return da.overlap.overlap(x, depth={0: depth, 1: 0, 2: 0}, boundary=around)
    edge = da.full((depth, *x.shape[1:]), outside, dtype=x.dtype, chunks=(depth, *x.chunks[1:]))
    return da.concatenate([edge, x, edge]).rechunk({0: -1})


def with_chunks_of(x: Any, least: list[int]) -> Any:
    """`x` with neighbouring chunks joined until each has `least` cells, or the whole axis."""
    chunks = []
    for sizes, wanted in zip(x.chunks, least, strict=True):
        joined: list[int] = []
        for size in sizes:
            if joined and joined[-1] < wanted:
                joined[-1] += size
            else:
                joined.append(size)
        if len(joined) > 1 and joined[-1] < wanted:
            last = joined.pop()
            joined[-1] += last
        chunks.append(tuple(joined))
    return x.rechunk(tuple(chunks))


def chunk_file_backed(da: xr.DataArray, dim: str) -> xr.DataArray:
    """`da` in Dask chunks along `dim` if it is still in a file and large, else as it is.

    Without Dask installed it stays as it is and is read whole.
    """
    # the one way to tell whether a variable is still in its file, without reading it
    in_memory = getattr(da.variable, "_in_memory", True)
    if da.chunks is not None or in_memory or da.nbytes <= BLOCK_BYTES or find_spec("dask") is None:
        return da
    step = max(1, int(BLOCK_BYTES * da.sizes[dim] / da.nbytes))
    return da.chunk({dim: step})
