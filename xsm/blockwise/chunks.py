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


def clone_graph(x: Any, *seed: int) -> Any:
    """The same Dask array with keys of its own, so that its sources are read once more.

    An array that is needed twice, the second time only after all of it was seen, stays in memory
    in between. A clone is read again instead: no scheduler and no optimiser takes it for the first
    reading, and it is read when it is needed. Chunks in memory are shared, not copied.

    Parameters
    ----------
    x : dask array
    *seed : int
        Tell clones apart; all 0 for `x` itself.

    Notes
    -----
    ``dask.graph_manipulation.clone`` fails on graphs that were optimised or that hold delayed
    objects (Dask 2026.8).
    """
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    graph = dict(x.__dask_graph__())
    if not any(seed) or not any(map(_computes, graph.values())):
        return x
    prefix = f"clone-{tokenize(x.name, seed)}"
    renamed = {key: _rename(key, prefix) for key, node in graph.items() if not _is_data(node)}
    layer = {new: _clone_node(graph[key], new, renamed) for key, new in renamed.items()}
    name = _rename(x.name, prefix)
    clone = HighLevelGraph.from_collections(name, layer, dependencies=[x])
    return da.Array(clone, name, x.chunks, meta=x._meta)


def _rename(key: Any, prefix: str) -> Any:
    return (f"{prefix}-{key[0]}", *key[1:]) if isinstance(key, tuple) else f"{prefix}-{key}"


# A node of a graph is an object with `dependencies` and `substitute`, or, in the older form, a
# tuple of a function and its arguments, a key, or a value.


def _is_data(node: Any) -> bool:
    """Whether a node holds a value in memory."""
    if hasattr(node, "substitute"):
        return hasattr(node, "value") and not node.dependencies
    return isinstance(node, np.ndarray | np.generic | int | float)


def _computes(node: Any) -> bool:
    """Whether a node calls a function: it neither holds a value nor refers to another node."""
    if hasattr(node, "substitute"):
        return not (_is_data(node) or hasattr(node, "target"))
    return isinstance(node, tuple) and bool(node) and callable(node[0])


def _clone_node(node: Any, key: Any, renamed: dict[Any, Any]) -> Any:
    """A node of a graph under a new key, with references to the renamed nodes."""
    if hasattr(node, "target"):  # `substitute` of a reference to data keeps the old key
        return type(node)(key, renamed.get(node.target, node.target))
    if hasattr(node, "substitute"):
        return node.substitute({k: renamed[k] for k in node.dependencies if k in renamed}, key=key)
    return _rename_references(node, renamed)


def _rename_references(node: Any, renamed: dict[Any, Any]) -> Any:
    if isinstance(node, tuple) and node and callable(node[0]):
        return (node[0], *(_rename_references(part, renamed) for part in node[1:]))
    if isinstance(node, list):
        return [_rename_references(part, renamed) for part in node]
    try:
        return renamed.get(node, node)
    except TypeError:
        return node
