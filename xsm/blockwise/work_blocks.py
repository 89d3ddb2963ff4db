"""Marks in the graphs of lazy results: what is computed as one, and what the input was.

A result in small chunks may come from large blocks of work: a network runs on a month of days or on
whole series, however the result is cut. Whoever computes a result in parts needs parts that no
block is split by, or the block is computed for each of them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from xsm.blockwise.block_reader import dependencies_of, is_held

BLOCK = "xsm-block-"  # begins the names of layers whose tasks are blocks of work
STORED = "xsm-stored-"  # begins the names of layers of arrays that a store may hold meanwhile
FINGERPRINT = "xsm-fingerprint-"  # begins the names of layers of checksums of the input
SAMPLED_CHUNKS = 6  # of an input, for its fingerprint

Key = tuple[Any, ...]


def as_block(x: Any) -> Any:
    """`x` whose chunks are marked as blocks of work."""
    from dask.base import tokenize

    return x.map_blocks(_same, name=f"{BLOCK}{tokenize(x.name)}", dtype=x.dtype, meta=x._meta)


def _same(block: Any) -> Any:
    return block


def with_fingerprint(outputs: Sequence[Any], sources: Iterable[Any]) -> list[Any]:
    """Dask arrays with a layer of checksums of their sources in their graph.

    The layer is computed by :func:`fingerprint` only. It has some chunks of each source: the first,
    the last, and others between.
    """
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    sources = list(sources)
    if not sources:
        return list(outputs)
    name = f"{FINGERPRINT}{tokenize([x.name for x in sources])}"
    layer = {}
    for s, x in enumerate(sources):
        count = int(np.prod(x.numblocks))
        for n in np.unique(np.linspace(0, count - 1, SAMPLED_CHUNKS).astype(int)).tolist():
            index = tuple(int(i) for i in np.unravel_index(n, x.numblocks))
            layer[(name, s, n)] = (_checksum, (x.name, *index))
    graph = HighLevelGraph.from_collections(name, layer, dependencies=sources)
    return [
        da.Array(HighLevelGraph.merge(x.dask, graph), x.name, x.chunks, meta=x._meta)
        for x in outputs
    ]


def _checksum(block: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(np.asarray(block)).tobytes())


def fingerprint(arrays: Iterable[Any], options: Mapping[str, Any]) -> str | None:
    """Checksum of the inputs that Dask arrays were made from, as far as they are marked.

    The sampled chunks of the inputs are computed, with these options of Dask. None without a mark.
    """
    import dask.array as da
    from dask.base import compute_as_if_collection
    from dask.highlevelgraph import HighLevelGraph

    graph = HighLevelGraph.merge(*(x.dask for x in arrays))
    layers = [layer for name, layer in graph.layers.items() if name.startswith(FINGERPRINT)]
    if not layers:
        return None
    # names of layers may differ from process to process: the order is that of the values
    keys = [sorted(layer.get_output_keys()) for layer in layers]
    values = compute_as_if_collection(da.Array, graph, keys, **options)
    text = repr(sorted(tuple(map(int, part)) for part in values))
    return f"{zlib.crc32(text.encode()):08x}"


class _Tasks:
    """Computes a graph of its own; lies in a graph as the function of one task."""

    def __init__(self, graph: Mapping[Any, Any], key: Any, names: Sequence[Any]) -> None:
        self.graph, self.key, self.names = graph, key, names

    def __call__(self, values: Sequence[Any]) -> Any:
        from dask import get

        return get({**self.graph, **dict(zip(self.names, values, strict=True))}, self.key)


def as_one_task(value: Any, sources: Iterable[Any]) -> Any:
    """A delayed value as a single task, if it is made of one block that reads its own input.

    Otherwise a worker of a cluster begins the next block before what follows the first one, such as
    writing it, has been sent to it, and holds the results of both; or another worker fetches them.
    What is in memory, or on the workers, stays outside of the task; `sources` are Dask arrays whose
    graphs have it. What the store holds meanwhile is read inside of it.
    """
    from dask import optimize
    from dask.delayed import Delayed

    (value,) = optimize(value)
    graph = dict(value.__dask_graph__())
    blocks = [key for key in graph if _is_block(key)]
    if len(blocks) != 1:
        return value
    held = {key: graph[key] for key in graph if is_held(graph, key)}
    # a cluster knows by their keys what its workers have: optimised graphs lack it
    lacking = set().union(*(dependencies_of(graph, key) for key in graph)) - set(graph)
    for layers in (x.dask.layers for x in sources):
        for key in lacking:
            if key in (layer := layers.get(_layer_name(key), {})):
                held[key] = layer[key]
    in_store = {
        key
        for key in graph
        if _layer_name(key).startswith(STORED) and not dependencies_of(graph, key)
    }
    if (lacking | dependencies_of(graph, blocks[0])) - set(held) - in_store:
        return value
    names, inner = list(held), {key: node for key, node in graph.items() if key not in held}
    return Delayed(value.key, {**held, value.key: (_Tasks(inner, value.key, names), names)})


def has_blocks(arrays: Iterable[Any]) -> bool:
    """Whether any of some Dask arrays is made of marked blocks."""
    return any(name.startswith(BLOCK) for x in arrays for name in x.dask.layers)


def unsplit_edges(
    arrays: Mapping[str, tuple[Any, Sequence[Any]]], dims: Iterable[Any]
) -> dict[Any, list[int]]:
    """Edges between chunks, per dimension, at which no block of work is split.

    Parameters
    ----------
    arrays : mapping of name to (dask array, dims)
        With the same chunks along the same dimensions.
    dims : iterable
        Dimensions to return.

    Returns
    -------
    dict of list of int
        From 0 to the length of the dimension.
    """
    chunks = {d: s for x, names in arrays.values() for d, s in zip(names, x.chunks, strict=True)}
    inside = {dim: np.zeros(len(chunks[dim]), bool) for dim in dims}
    for x, names in arrays.values():
        axes = {dim: names.index(dim) for dim in inside if dim in names}
        spans: dict[Any, np.ndarray] = {}
        for key, blocks in _blocks_of_chunks(x):
            index = np.array(key[1:])
            for block in blocks:
                span = spans.setdefault(block, np.stack([index, index]))
                np.minimum(span[0], index, out=span[0])
                np.maximum(span[1], index, out=span[1])
        for first, last in spans.values():
            for dim, axis in axes.items():
                inside[dim][first[axis] : last[axis]] = True  # the edges after these chunks
    return {
        dim: [0, *(e for e, no in zip(accumulate(chunks[dim]), split, strict=True) if not no)]
        for dim, split in inside.items()
    }


def _blocks_of_chunks(x: Any) -> Iterator[tuple[Key, frozenset[Key]]]:
    """The key of each chunk of `x` and those of the blocks of work that it is made of."""
    from dask.core import flatten

    graph = dict(x.__dask_graph__())
    blocks: dict[Any, frozenset[Any]] = {}

    for chunk in flatten(x.__dask_keys__()):
        stack = [chunk]
        while stack:
            key = stack[-1]
            if key in blocks:
                stack.pop()
            elif _is_block(key):
                blocks[key] = frozenset([key])
            else:
                needed = dependencies_of(graph, key)
                waiting = [other for other in needed if other not in blocks]
                stack += waiting
                if not waiting:
                    blocks[key] = frozenset().union(*(blocks[other] for other in needed))
        yield chunk, blocks[chunk]


def _is_block(key: Any) -> bool:
    return _layer_name(key).startswith(BLOCK)


def _layer_name(key: Any) -> str:
    name = key[0] if isinstance(key, tuple) else key
    return name if isinstance(name, str) else ""


def slices_of_edges(edges: Sequence[int]) -> list[slice]:
    """The slices between edges.

    Examples
    --------
    >>> slices_of_edges([0, 2, 5])
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return [slice(a, b) for a, b in pairwise(edges)]
