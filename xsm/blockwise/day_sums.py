"""Sums over the days of Dask arrays that are read for them alone.

Dask computes a chunk once and holds it until all that depends on it is computed. Where a sum over
all days comes first and something of each day follows from it, that is the whole record. Here a
task reads its own chunks, and what follows reads them once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.block_reader import BlockReader, Piece, RecordGraph
from xsm.blockwise.chunks import chunk_slices
from xsm.blockwise.dask_engine import token_of
from xsm.blockwise.worker_slots import in_processor_slot

MERGED = 8  # partial sums that are merged by one task
Sums = NDArray[np.float64]


def sums_over_days(
    function: Callable[..., Sums],
    merge: Callable[[Sums], Sums],
    arrays: Sequence[Any],
    planes: Sequence[Any] = (),
    *,
    outputs: int,
) -> Any:
    """``function(*blocks, *planes)``, (outputs, 1, H, W), of all days.

    Parameters
    ----------
    function : callable
        Takes a block (t, h, w) of each of `arrays` and that part (1, h, w) of each of `planes`;
        returns sums (outputs, 1, h, w).
    merge : callable
        Of several sums (K, outputs, 1, h, w); returns those of all their days.
    arrays : sequence of NumPy or Dask array, shape (..., T, H, W)
        Dask arrays in the same chunks. Those with leading dimensions have the same ones, of which
        each element is a record.
    planes : sequence of NumPy or Dask array, shape (..., 1, H, W)
        Dask arrays in one chunk.
    outputs : int

    Returns
    -------
    NumPy or Dask array of float64, shape (outputs, ..., 1, H, W)
    """
    if not hasattr(arrays[0], "chunks"):
        return function(*arrays, *planes)
    import dask.array as da

    leading = arrays[0].shape[:-3]
    if leading:
        sums = [
            sums_over_days(
                function, merge,
                *([x[n] if x.ndim > 3 else x for x in group] for group in (arrays, planes)),
                outputs=outputs,
            )
            for n in range(leading[0])
        ]  # fmt: skip
        return da.stack(sums, axis=1)
    return _of_record(function, merge, arrays, planes, outputs)


def _of_record(
    function: Callable[..., Sums],
    merge: Callable[[Sums], Sums],
    arrays: Sequence[Any],
    planes: Sequence[Any],
    outputs: int,
) -> Any:
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    chunks = arrays[0].chunks
    blocks = list(np.ndindex(*map(len, chunks)))
    slices = [chunk_slices(sizes) for sizes in chunks]
    graphs = [RecordGraph(x) for x in (*arrays, *planes)]
    readers = [
        graph.readers([[_piece(slices, index, whole=n >= len(arrays))] for index in blocks])
        for n, graph in enumerate(graphs)
    ]
    dtypes = [graph.x.dtype for graph in graphs]
    name = f"sums-over-days-{token_of(function, [graph.x.name for graph in graphs])}"
    layer: dict[Any, Any] = {}
    parts: dict[tuple[int, ...], list[Any]] = {}
    for n, index in enumerate(blocks):
        t, y, x = (sizes[i] for sizes, i in zip(chunks, index, strict=True))
        shapes = [(t, y, x)] * len(arrays) + [(1, y, x)] * len(planes)
        own, values = zip(*(reader[n] for reader in readers), strict=True)
        block = partial(_sums_of_block, function, own, shapes, dtypes)
        layer[(f"{name}-part", *index)] = (in_processor_slot, block, list(values))
        parts.setdefault(index[1:], []).append((f"{name}-part", *index))
    for cells, keys in parts.items():
        level = 0
        while len(keys) > MERGED:
            level += 1
            groups = [keys[n : n + MERGED] for n in range(0, len(keys), MERGED)]
            keys = [(f"{name}-{level}", n, *cells) for n in range(len(groups))]
            layer |= {k: (partial(_merge, merge), g) for k, g in zip(keys, groups, strict=True)}
        layer[(name, 0, 0, *cells)] = (partial(_merge, merge), keys)
    base = HighLevelGraph.merge(*(graph.x.dask for graph in graphs))
    needed = set().union(*(graph.layers for graph in graphs))
    graph = HighLevelGraph({**base.layers, name: layer}, {**base.dependencies, name: needed})
    return da.Array(graph, name, ((outputs,), (1,), *chunks[1:]), meta=np.empty((0,) * 4))


def _piece(slices: Sequence[Sequence[slice]], index: Sequence[int], *, whole: bool) -> Piece:
    """A chunk, or that part of a plane in one chunk."""
    t, y, x = (parts[i] for parts, i in zip(slices, index, strict=True))
    if whole:
        target = slice(0, 1), slice(0, y.stop - y.start), slice(0, x.stop - x.start)
        return Piece((0, 0, 0), (slice(0, 1), y, x), target)
    days, rows, columns = (slice(0, part.stop - part.start) for part in (t, y, x))
    return Piece((index[0], index[1], index[2]), (days, rows, columns), (days, rows, columns))


def _sums_of_block(
    function: Callable[..., Sums],
    readers: Sequence[BlockReader],
    shapes: Sequence[tuple[int, int, int]],
    dtypes: Sequence[Any],
    values: Sequence[Sequence[Any]],
) -> Sums:
    read = zip(readers, values, shapes, dtypes, strict=True)
    return function(*(r.read(given, np.empty(shape, dtype)) for r, given, shape, dtype in read))


def _merge(merge: Callable[[Sums], Sums], parts: list[Sums]) -> Sums:
    return parts[0] if len(parts) == 1 else merge(np.stack(parts))
