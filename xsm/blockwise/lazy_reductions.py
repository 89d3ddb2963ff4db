"""Reductions in lazy input, such as a mean over all days, which a write computes once.

Where an input is made lazily, as departures from its own mean are, each chunk of it needs a value
that all of the input goes into. Whoever computes a result in parts would read all of it for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from xsm.blockwise.block_reader import NEIGHBOURS, Key, RecordGraph, dependencies_of, is_held
from xsm.blockwise.work_blocks import STORED


def with_reductions_stored(x: Any) -> Any:
    """`x` whose reductions are in layers that :func:`xsm.write_zarr` holds in the store meanwhile.

    A reduction is a task that more than a few chunks need, and that is made of more than a few
    others that read. Values and chunks are the same.

    Parameters
    ----------
    x : NumPy or Dask array
    """
    if not hasattr(x, "chunks"):
        return x
    import dask.array as da
    from dask.base import tokenize
    from dask.core import flatten
    from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

    record = RecordGraph(x)
    needed = record.needed_by_many([{key} for key in flatten(x.__dask_keys__())])
    reductions = sorted((key for key in needed if _reads_many(record.graph, key)), key=str)
    if not reductions:
        return x
    token = tokenize(x.name)
    made, stored = f"reduced-{token}", f"{STORED}reduced-{token}"
    copies = {key: (made, n) for n, key in enumerate(record.in_order(reductions))}
    tasks = {own: _renamed(record.graph, key, copies) for key, own in copies.items()}
    held = {(stored, n): (_same, copies[key]) for n, key in enumerate(reductions)}
    read = {key: (_read, (stored, n)) for n, key in enumerate(reductions)}
    layers, dependencies = dict(x.dask.layers), dict(x.dask.dependencies)
    for name, layer in x.dask.layers.items():
        if of_layer := {key: task for key, task in read.items() if key in layer}:
            layers[name] = MaterializedLayer(dict(layer) | of_layer)
            dependencies[name] = dependencies[name] | {stored}
    layers |= {made: MaterializedLayer(tasks), stored: MaterializedLayer(held)}
    dependencies |= {made: set(), stored: {made}}
    return da.Array(HighLevelGraph(layers, dependencies), x.name, x.chunks, meta=x._meta)


def _renamed(graph: Mapping[Key, Any], key: Key, names: Mapping[Key, Key]) -> Any:
    """A node of a graph with new names of itself and of what it refers to."""
    from dask.core import subs

    node = graph[key]
    if hasattr(node, "substitute"):
        return node.substitute(dict(names), key=names[key])
    for other in dependencies_of(graph, key):
        node = subs(node, other, names[other])
    return node


def _reads_many(graph: Mapping[Key, Any], key: Key) -> bool:
    """Whether more than a few tasks that read, and take no other task, go into a task."""
    reading: set[Key] = set()
    done, stack = {key}, [key]
    while stack and len(reading) <= NEIGHBOURS:
        key = stack.pop()
        others = {other for other in dependencies_of(graph, key) if not _is_source(graph, other)}
        if not others:
            reading.add(key)
        stack += others - done
        done |= others
    return len(reading) > NEIGHBOURS


def _is_source(graph: Mapping[Key, Any], key: Key) -> bool:
    """Whether a node is no task: values, or what chunks are read from, such as an open file."""
    node = graph[key]
    runs = hasattr(node, "func") or (isinstance(node, tuple) and node and callable(node[0]))
    return is_held(graph, key) or not (runs or dependencies_of(graph, key))


def _same(value: Any) -> Any:
    return value


def _read(value: Any) -> Any:
    """What a store holds meanwhile, as an array; other values as they are."""
    return np.asarray(value) if hasattr(value, "store") else value
