"""Parts of a Dask array that are read inside the task which needs them.

A record is read several times, each time block by block. With a task for each chunk and reading a
graph would have many times more tasks than chunks, and a scheduler would read ahead as many blocks
as it has threads. Here a task holds the small graphs of its own chunks and computes one after the
other, so it needs no more memory than its block and one chunk, and reads when it runs.

Tasks that more than a few blocks need, such as a mean over the record, stay tasks of the graph. A
chunk that such a task needs too is read once more in the block: else it would be held from then on,
and with it the record. Values in memory, such as those of a persisted array, stay where they are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SHARED = "xsm-shared-"  # begins the names of layers of small values that many blocks draw on
NEIGHBOURS = 3  # blocks that may each compute the same task: a block and those beside it

Key = Any
Target = tuple[Any, slice, slice]


class Piece(NamedTuple):
    """What one chunk contributes to a block."""

    chunk: tuple[int, int, int]  # its index
    source: tuple[slice, slice, slice]  # of the chunk
    target: Target  # of the block


class BlockReader:
    """Reads a block; lies in the graph as the argument of a task."""

    def __init__(self, groups: list[Any], names: list[Key]) -> None:
        self.groups = groups  # (graph, names of values, [(key, source, target)])
        self.names = names  # of the values that `read` takes

    def read(
        self,
        values: Sequence[Any],
        out: NDArray[Any],
        convert: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray,
    ) -> NDArray[Any]:
        """Write the chunks, converted, to their places in `out`, and return it."""
        given = dict(zip(self.names, values, strict=True))
        for graph, names, pieces in self.groups:
            computed = dict.fromkeys(key for key, *_ in pieces)
            if graph:
                keys = [key for key in computed if key not in given]
                values_of_group = {name: given[name] for name in names}
                values_of_keys = _compute(graph, values_of_group, keys)
                computed |= dict(zip(keys, values_of_keys, strict=True))
            for key, source, target in pieces:
                chunk = given[key] if key in given else computed[key]
                out[target] = convert(np.asarray(chunk)[source])
        return out


def _compute(graph: Mapping[Key, Any], given: Mapping[Key, Any], keys: Sequence[Key]) -> list[Any]:
    """Values of some keys of a graph; `given` are those of the keys that it refers to."""
    from dask import get

    if len(graph) == 1 and hasattr(node := graph[keys[0]], "dependencies"):
        return [node({name: given[name] for name in node.dependencies})]  # a chunk that is read
    return list(get({**graph, **given}, list(keys)))


class RecordGraph:
    """The graph of a Dask array (N, H, W), for the readers of its blocks.

    Attributes
    ----------
    layers : set of str
        Those that the values of the readers come from. What has the readers depends on them.
    """

    def __init__(self, x: Any) -> None:
        self.x = x
        self.graph = dict(x.__dask_graph__())
        self.layers = {x.name}
        self._kept = {
            key
            for name, layer in x.dask.layers.items()
            if name.startswith(SHARED)
            for key in layer.get_output_keys()
        }

    def readers(self, blocks: Sequence[Iterable[Piece]]) -> list[tuple[BlockReader, list[Key]]]:
        """Readers of blocks, with the keys of the values they take."""
        pieces = [[((self.x.name, *p.chunk), p.source, p.target) for p in b] for b in blocks]
        shared = self.needed_by_many([{key for key, *_ in block} for block in pieces])
        out = []
        for block in pieces:
            groups = self._groups(block, shared)
            names = list(dict.fromkeys(key for _, own, _ in groups for key in own))
            out.append((BlockReader(groups, names), names))
        taken = {key for _, names in out for key in names}
        self.layers |= {
            name for name, layer in self.x.dask.layers.items() if any(key in layer for key in taken)
        }
        return out

    def needed_by_many(self, blocks: list[set[Key]]) -> set[Key]:
        """Tasks that more than a few blocks need, and those of layers that all draw on."""
        users: dict[Key, set[int]] = {}
        for n, keys in enumerate(blocks):
            for key in keys:
                users.setdefault(key, set()).add(n)
        shared = set()
        for key in reversed(self.in_order(users)):
            own = users.get(key)
            if own is None or is_held(self.graph, key):
                continue  # needed by shared tasks alone
            if len(own) > NEIGHBOURS or key in self._kept:
                shared.add(key)
                continue
            for other in dependencies_of(self.graph, key):
                users.setdefault(other, set()).update(own)
        return shared

    def in_order(self, keys: Iterable[Key]) -> list[Key]:
        """All that some keys depend on, each after what it depends on."""
        order: dict[Key, None] = {}
        stack = list(keys)
        while stack:
            key = stack[-1]
            waiting = [other for other in dependencies_of(self.graph, key) if other not in order]
            if key in order or not waiting:
                order[key] = None
                stack.pop()
            else:
                stack += waiting
        return list(order)

    def _groups(self, block: list[Any], shared: set[Key]) -> list[Any]:
        """The pieces of a block with their graphs; those that share a task are together."""
        groups: list[Any] = []
        group_of: dict[Key, int] = {}
        for piece in block:
            graph, names = self._graph_of(piece[0], shared)
            numbers = sorted({group_of[key] for key in graph if key in group_of})
            if not numbers:
                numbers = [len(groups)]
                groups.append(({}, {}, []))
            own = groups[numbers[0]]
            for n in reversed(numbers[1:]):
                for mine, theirs in zip(own[:2], groups[n][:2], strict=True):
                    mine.update(theirs)
                own[2].extend(groups[n][2])
                groups[n] = ({}, {}, [])
            own[0].update(graph)
            own[1].update(names)
            own[2].append(piece)
            group_of |= dict.fromkeys(own[0], numbers[0])
        return [(graph, list(names), pieces) for graph, names, pieces in groups if pieces]

    def _graph_of(self, key: Key, shared: set[Key]) -> tuple[dict[Key, Any], dict[Key, None]]:
        """The tasks of a chunk, and the names of the values that they take."""
        graph: dict[Key, Any] = {}
        names: dict[Key, None] = {}
        stack = [key]
        while stack:
            key = stack.pop()
            if key in graph or key in names:
                continue
            if key in shared or is_held(self.graph, key):
                names[key] = None
            else:
                graph[key] = self.graph[key]
                stack += dependencies_of(self.graph, key)
        return graph, names


def day_pieces(
    sizes: Sequence[int], positions: NDArray[np.integer], first: int, last: int
) -> list[tuple[int, slice, Any]]:
    """Chunk, part of it and target of the days of a record that lie at some positions.

    Parameters
    ----------
    sizes : sequence of int
        Of the chunks along time.
    positions : ndarray of int, shape (N,)
        Of the days, increasing; the others are absent.
    first, last : int
        Positions of the block, which may reach beyond the record.
    """
    start, stop = np.searchsorted(positions, [first, last])
    out = []
    for n, part in _chunks_within(tuple(sizes), int(start), int(stop)):
        low, high = max(part.start, start), min(part.stop, stop)
        if low < high:
            target: Any = positions[low:high] - first
            if target[-1] - target[0] == high - low - 1:
                target = slice(int(target[0]), int(target[-1]) + 1)
            out.append((n, slice(int(low - part.start), int(high - part.start)), target))
    return out


def _chunks_within(sizes: tuple[int, ...], start: int, stop: int) -> list[tuple[int, slice]]:
    """Numbers and slices of the chunks that hold any of the cells from `start` to `stop`."""
    edges = _edges(sizes)
    first = max(bisect_right(edges, start) - 1, 0)
    last = min(bisect_left(edges, stop), len(sizes))
    return [(n, slice(edges[n], edges[n + 1])) for n in range(first, last)]


@lru_cache(maxsize=16)
def _edges(sizes: tuple[int, ...]) -> list[int]:
    return [0, *accumulate(sizes)]


def cell_pieces(
    sizes: Sequence[int], start: int, stop: int, wrap: bool
) -> list[tuple[int, slice, slice]]:
    """The same for rows or columns, which may go around the globe."""
    length = sum(sizes)
    spans = [(start, stop, 0)]
    if wrap:
        turns = range(start // length, (stop - 1) // length + 1)
        spans = [
            (max(start - k * length, 0), min(stop - k * length, length), k * length) for k in turns
        ]
    out = []
    for low, high, offset in spans:
        for n, part in _chunks_within(tuple(sizes), low, high):
            a, b = max(part.start, low), min(part.stop, high)
            if a < b:
                target = slice(a + offset - start, b + offset - start)
                out.append((n, slice(a - part.start, b - part.start), target))
    return out


def block_pieces(
    days: list[tuple[int, slice, Any]],
    rows: list[tuple[int, slice, slice]],
    columns: list[tuple[int, slice, slice]],
) -> list[Piece]:
    """All pieces of a block."""
    return [
        Piece(*(tuple(axis[n] for axis in axes) for n in range(3)))  # type: ignore[arg-type]
        for axes in product(days, rows, columns)
    ]


# A node of a graph is an object with `dependencies` and `substitute`, or, in the older form, a
# tuple of a function and its arguments, a key, or a value. What the workers of a cluster hold is an
# object with the key that it has in the graph.


def dependencies_of(graph: Mapping[Key, Any], key: Key) -> set[Key]:
    """The other keys of a graph that a node refers to."""
    from dask.core import get_dependencies

    own = getattr(graph[key], "dependencies", None)
    return set(get_dependencies(graph, key) if own is None else own) - {key}


def is_held(graph: Mapping[Key, Any], key: Key) -> bool:
    """Whether the value of a node is there: in memory, or on the workers of a cluster."""
    node = graph[key]
    if hasattr(node, "dependencies"):
        return hasattr(node, "value") and not node.dependencies
    values = np.ndarray | np.generic | int | float
    return isinstance(node, values) or getattr(node, "key", None) == key
