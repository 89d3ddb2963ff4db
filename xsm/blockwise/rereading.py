"""Read a Dask array once more, later: memory for time.

An array that is needed twice, the second time only when the whole of it was seen, stays in memory
in between. Read again instead, it never is there as a whole.
"""

from __future__ import annotations

from typing import Any


def read_again(x: Any, *which: int) -> Any:
    """The same Dask array from a reading of its own; `which` tells them apart.

    What the array comes from (files, and whatever is computed of them) runs once more under other
    keys, so that no scheduler and no optimiser takes it for the first reading. Nothing holds it
    back until it is needed: schedulers read in the order in which they compute, and a reading
    that waits for a result overtakes, when let go, all that began to wait before it. Chunks that
    are in memory are not copied.

    Parameters
    ----------
    x : dask array
    *which : int
        All 0 for `x` itself.
    """
    import dask.array as da
    from dask._task_spec import Alias, DataNode, convert_legacy_graph
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    # dask.graph_manipulation.clone loses the keys of a graph that was optimised
    nodes = convert_legacy_graph(dict(x.__dask_graph__()))
    if not any(which) or all(isinstance(node, Alias | DataNode) for node in nodes.values()):
        return x
    prefix = f"again-{tokenize(x.name, which)}"
    again = {k: _renamed(k, prefix) for k, node in nodes.items() if not isinstance(node, DataNode)}
    layer: dict[Any, Any] = {}
    for key, new in again.items():
        node = nodes[key]
        if isinstance(node, Alias):  # its substitute() keeps the key of one of data in memory
            layer[new] = Alias(new, again.get(node.target, node.target))
        else:
            subs = {k: again[k] for k in node.dependencies if k in again}
            layer[new] = node.substitute(subs, key=new)
    name = _renamed(x.name, prefix)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[x])
    return da.Array(graph, name, x.chunks, meta=x._meta)


def _renamed(key: Any, prefix: str) -> Any:
    return (f"{prefix}-{key[0]}", *key[1:]) if isinstance(key, tuple) else f"{prefix}-{key}"
