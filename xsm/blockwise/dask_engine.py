"""The engine for arrays larger than memory: a few verbs on Dask arrays, on Dask's public API.

- :func:`map_halo`: a function of each block and its neighbours in time;
- :func:`map_series` and :func:`map_pixels`: a function of whole series, some cells at a time;
- :func:`arrays_of_layers`: arrays whose tasks read their own input
  (:mod:`xsm.blockwise.block_reader`).

Arrays of records are (T, H, W). Nothing is computed by a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr

from xsm.blockwise.block_reader import SHARED, RecordGraph
from xsm.blockwise.chunks import join_chunks
from xsm.blockwise.tiling import series_tile
from xsm.blockwise.work_blocks import STORED, as_block, with_fingerprint

SERIES_BLOCK = 64_000_000  # values of a block of whole series, about; larger ones are split


def shared(x: Any) -> Any:
    """`x` in a layer of its own, which :func:`xsm.write_zarr` computes once for all regions."""
    from dask.base import tokenize

    return x.map_blocks(_identity, name=f"{SHARED}{tokenize(x.name)}", dtype=x.dtype, meta=x._meta)


def stored(x: Any) -> Any:
    """`x` in a layer that :func:`xsm.write_zarr` computes once and holds in the store meanwhile.

    For what each region needs a part of, though it can only be made for all of them at once.
    """
    from dask.base import tokenize

    of = {"dtype": x.dtype, "meta": x._meta}
    held = x.map_blocks(_identity, name=f"{STORED}{tokenize(x.name)}", **of)
    return held.map_blocks(np.asarray, **of)  # reads it


def _identity(block: Any) -> Any:
    return block


def persist_shared(
    obj: xr.Dataset,
    options: Mapping[str, Any],
    save: Callable[[str, Any], Any] | None = None,
) -> xr.Dataset:
    """`obj` with its shared layers computed, once for all that is computed of it.

    The values stay where Dask holds them: in this process, or on the workers of a cluster. Those of
    layers whose names begin with ``STORED`` are replaced by what ``save(name, value)`` returns.
    `options` are those of :func:`xsm.blockwise.dask_workers.one_pool`.
    """
    import dask.array as da
    from dask.base import compute, persist
    from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

    lazy = {n: v for n, v in obj.variables.items() if isinstance(v.data, da.Array)}
    graph = HighLevelGraph.merge(*(v.data.dask for v in lazy.values()))
    layers = {n: x for n, x in graph.layers.items() if n.startswith((SHARED, STORED))}
    keys = [k for x in layers.values() for k in x.get_output_keys()]
    if not keys:
        return obj
    wanted, names = (graph, {}) if save is None else _with_saving(graph, save)
    (held,) = persist(_Keys(wanted, [names.get(key, key) for key in keys]), **options)
    if names:
        saved = {key: held[key] for key in names.values()}
        (values,) = compute(_Keys(saved, list(saved)), **options)
        # as tasks: small, and part of the task that needs them
        own = {key: (partial(_identity, value),) for key, value in zip(names, values, strict=True)}
        held = {**held, **own}
    computed = {
        n: MaterializedLayer({key: held[key] for key in layer.get_output_keys()})
        for n, layer in layers.items()
    }
    graph = HighLevelGraph(
        {**graph.layers, **computed},
        {n: set() if n in computed else x for n, x in graph.dependencies.items()},
    )
    return obj.assign(
        {
            name: v.copy(data=da.Array(graph, v.data.name, v.data.chunks, meta=v.data._meta))
            for name, v in lazy.items()
        }
    )


def _with_saving(graph: Any, save: Callable[[str, Any], Any]) -> tuple[Any, dict[Any, Any]]:
    """`graph` with a task for each value of a STORED layer that saves it, and their keys by its."""
    from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

    layers = {name: layer for name, layer in graph.layers.items() if name.startswith(STORED)}
    keys = [key for layer in layers.values() for key in layer.get_output_keys()]
    name = f"saved-{uuid4().hex}"  # a cluster would take what another call saved for it
    tasks = {(name, n): (partial(save, str(n)), key) for n, key in enumerate(keys)}
    graph = HighLevelGraph(
        {**graph.layers, name: MaterializedLayer(tasks)}, {**graph.dependencies, name: set(layers)}
    )
    return graph, dict(zip(keys, tasks, strict=True))


class _Keys:
    """Some keys of a graph as a Dask collection, whose persisted form is a mapping."""

    def __init__(self, graph: Any, keys: list[Any]) -> None:
        self._graph, self._keys = graph, keys

    def __dask_graph__(self) -> Any:
        return self._graph

    def __dask_keys__(self) -> list[Any]:
        return self._keys

    @staticmethod
    def __dask_optimize__(graph: Any, keys: Any, **_: Any) -> Any:
        from dask.array.optimization import optimize

        return optimize(graph, keys)

    @property
    def __dask_scheduler__(self) -> Any:
        import dask.array as da

        return da.Array.__dask_scheduler__

    def __dask_postcompute__(self) -> Any:
        return list, ()

    def __dask_postpersist__(self) -> Any:
        return (lambda graph, **_: graph), ()


def token_of(*parts: Any) -> str:
    """A name for what is made from these parts."""
    from dask.base import tokenize

    return str(tokenize(*parts))


def arrays_of_layers(
    layers: Mapping[str, Mapping[Any, Any]],
    dependencies: Mapping[str, Iterable[str]],
    outputs: Sequence[tuple[str, Mapping[Any, Any], np.dtype[Any]]],
    sources: Sequence[Any],
    chunks: Any,
) -> list[Any]:
    """Dask arrays from the tasks of their graphs.

    Parameters
    ----------
    layers : mapping of name to layer
        Tasks by key, needed by all outputs.
    dependencies : mapping of name to names
        The layers and sources that each layer and each output depends on.
    outputs : sequence of (name, layer, dtype)
    sources : sequence of dask array
    chunks : tuple
        Of each output.
    """
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    base = HighLevelGraph.merge(*(source.dask for source in sources))
    out = []
    for name, layer, dtype in outputs:
        needed = {k: set(v) for k, v in dependencies.items() if k in layers or k == name}
        graph = HighLevelGraph(
            {**base.layers, **layers, name: layer}, {**base.dependencies, **needed}
        )
        out.append(da.Array(graph, name, chunks, meta=np.empty((0,) * len(chunks), dtype)))
    return out


def compute_keys(layer: Mapping[Any, Any], keys: Sequence[Any], source: RecordGraph) -> list[Any]:
    """Values of some tasks that read a Dask array."""
    import dask.array as da
    from dask.base import compute_as_if_collection
    from dask.highlevelgraph import HighLevelGraph

    name, base = f"tasks-{token_of(source.x.name, list(map(str, layer)))}", source.x.dask
    graph = HighLevelGraph(
        {**base.layers, name: layer}, {**base.dependencies, name: set(source.layers)}
    )
    return list(compute_as_if_collection(da.Array, graph, list(keys)))


def combine_arrays(
    function: Callable[..., Any],
    arrays: Sequence[Any],
    shape: tuple[int, ...],
    dtype: Any = np.float64,
) -> Any:
    """``function([arrays])``, of this shape, in one chunk; its arguments are whole arrays."""
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    arrays = [x.rechunk(-1) for x in arrays]
    name = f"combined-{tokenize(function, [x.name for x in arrays])}"
    key = (name, *(0,) * len(shape))
    layer = {key: (function, [(x.name, *(0,) * x.ndim) for x in arrays])}
    graph = HighLevelGraph.from_collections(name, layer, dependencies=arrays)
    chunks = tuple((n,) for n in shape)
    return da.Array(graph, name, chunks, meta=np.empty((0,) * len(shape), dtype))


def map_halo(
    function: Callable[..., Any], x: Any, depth: int, outside: Any, dtype: Any, **options: Any
) -> Any:
    """Apply a function to each block (t, h, w) with `depth` days of its neighbours in time.

    The function keeps the shape; the days around are cut off again. Chunks are joined until they
    hold `depth` days.
    """
    return join_chunks(x, [depth, 1, 1]).map_overlap(
        function,
        depth={0: depth, 1: 0, 2: 0},
        boundary={0: outside, 1: "none", 2: "none"},
        dtype=dtype,
        meta=np.empty((0,) * 3, dtype),
        **options,
    )


def map_series(
    function: Callable[..., Any],
    x: Any,
    *others: tuple[Any, str],
    outputs: int,
    workspace: int = 0,
    margin: int = 0,
) -> Any:
    """Apply a function of whole series (T, h, w) to some cells at a time: (outputs, T, H, W).

    The result has the chunks of `x`. `workspace` is what the function needs per cell, in values.
    `others` are arrays in one chunk with their axes, passed as further arguments. With a `margin`
    the function takes that many rows and columns more on each side; `x` has them, and the result,
    in chunks of its own, has not.
    """
    import dask.array as da

    def whole(series: Any, cells: tuple[Any, Any]) -> Any:
        return da.blockwise(
            function,
            "otyx",
            series,
            "tyx",
            *(part for pair in others for part in pair),
            new_axes={"o": outputs},
            adjust_chunks=dict(zip("yx", cells, strict=True)),
            concatenate=True,
            dtype=np.float32,
            meta=np.empty((0,) * 4, np.float32),
        )

    rows, columns = (n - 2 * margin for n in x.shape[1:])
    tile = series_tile((x.shape[0], rows, columns), workspace)
    if not margin:
        tiled = x.rechunk(tile)
        return whole(tiled, tiled.chunks[1:]).rechunk((outputs, *x.chunks))
    parts: list[list[Any]] = []
    for y in range(0, rows, tile[1]):
        parts.append([])
        for z in range(0, columns, tile[2]):
            cells = min(tile[1], rows - y), min(tile[2], columns - z)
            around = (slice(s, s + n + 2 * margin) for s, n in zip((y, z), cells, strict=True))
            parts[-1].append(whole(x[(slice(None), *around)].rechunk(-1), cells))
    return da.block(parts)


def map_realizations(
    function: Callable[..., Any],
    arrays: Sequence[Any],
    positions: Sequence[Any],
    number: int,
    shared_values: Any,
    dtype: Any,
) -> Any:
    """Realizations (number, T, H, W) of arrays (T, H, W), one chunk and realization at a time.

    ``function(*blocks, days, rows, columns, realizations, shared_values)`` gets the `positions`
    (three arrays, one for each axis) of a block and the numbers of its realizations; it returns an
    array (1, t, h, w). `shared_values` is an array (P,) in one chunk.
    """
    import dask.array as da

    chunks = arrays[0].chunks
    along = [da.from_array(x, c) for x, c in zip(positions, chunks, strict=True)]
    blocks = [part for x in arrays for part in (x.rechunk(chunks), "tyx")]
    axes = [part for x, axis in zip(along, "tyx", strict=True) for part in (x, axis)]
    realizations = da.arange(number, chunks=1)
    return da.blockwise(
        function, "styx", *blocks, *axes, realizations, "s", shared_values, "p",
        concatenate=True, dtype=dtype, meta=np.empty((0,) * 4, dtype),
    )  # fmt: skip


def pad_cells(x: Any, margins: Sequence[tuple[int, int]]) -> Any:
    """NaN around the last two axes of a Dask array."""
    import dask.array as da

    if not np.any(margins):
        return x
    return da.pad(x, [(0, 0)] * (x.ndim - 2) + [*margins], constant_values=np.nan)


def map_pixels(
    function: Callable[..., Any],
    arrays: Sequence[xr.DataArray],
    time: str,
    dtypes: Sequence[Any],
) -> list[xr.DataArray]:
    """Apply a function of whole series to some pixels at a time.

    Parameters
    ----------
    function : callable
        Takes one NumPy array for each of `arrays`, (..., T) or (...) where it has no `time`;
        returns an array (..., T) for each of `dtypes`, several of them as a tuple.
    arrays : sequence of DataArray
        NumPy or Dask, on the same pixels; at least one has `time`.
    time : str
        The core dimension.
    dtypes : sequence of dtype
        Of the results.

    Returns
    -------
    list of DataArray
        In the dimensions, coordinates and chunks of the first array with `time`. Lazy if any of
        `arrays` is.
    """
    base = next(da for da in arrays if time in da.dims)
    lazy, given = any(da.chunks is not None for da in arrays), arrays
    if lazy:
        arrays = [_whole_series(da, time, len(arrays)) for da in arrays]
        arrays, function = [xr.DataArray(_shared_object(function)), *arrays], _call
    results = xr.apply_ufunc(
        function,
        *(da.reset_coords(drop=True) for da in arrays),
        input_core_dims=[[time] if time in da.dims else [] for da in arrays],
        output_core_dims=[[time]] * len(dtypes),
        dask="parallelized",
        output_dtypes=list(dtypes),
        join="override",
        keep_attrs=False,  # those of the first array are not those of the results
    )
    outs = []
    for result in results if len(dtypes) > 1 else (results,):
        if lazy:
            result = result.copy(data=as_block(result.data))
        result = result.transpose(*base.dims).assign_coords(base.coords)
        outs.append(result.chunk(base.chunksizes) if base.chunks is not None else result)
    if not lazy:
        return outs
    sources = [da.data for da in given if da.chunks is not None]
    marked = with_fingerprint([out.data for out in outs], sources)
    return [out.copy(data=data) for out, data in zip(outs, marked, strict=True)]


def _shared_object(value: Any) -> Any:
    """Anything, such as a function with a network, as a Dask array () that all blocks share.

    Otherwise a cluster is sent it with each block.
    """
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    name = f"{SHARED}{token_of(value)}"
    graph = HighLevelGraph({name: {(name,): (partial(_identity, value),)}}, {name: set()})
    return da.Array(graph, name, (), meta=np.empty((), object))


def _call(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _whole_series(da: xr.DataArray, time: str, count: int) -> xr.DataArray:
    """`da` in chunks of whole series, of no more than SERIES_BLOCK values in `count` arrays."""
    if time not in da.dims:
        return da
    # in one step: days are never joined for all cells of a chunk
    largest: dict[Any, int] = dict(da.sizes)
    if da.chunks is not None:
        largest |= {d: max(s) for d, s in da.chunksizes.items()}
    cells = max(int(SERIES_BLOCK / (da.sizes[time] * count)), 1)
    wanted: dict[Any, int] = {time: -1}
    for dim in (d for d in da.dims if d != time):
        others = int(np.prod([n for d, n in largest.items() if d not in (dim, time)]))
        fitting = max(cells // max(others, 1), 1)
        if largest[dim] > fitting:
            wanted[dim] = largest[dim] = fitting
    return da.chunk(wanted)


def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    """Dask arrays along a new axis."""
    import dask.array as da

    return da.stack(arrays, axis)


def as_chunk(array: Any) -> Any:
    """A NumPy or Dask array as a Dask array in one chunk."""
    import dask.array as da

    return da.asarray(array).rechunk(-1)


def plane_of_axes(function: Callable[..., Any], rows: Any, columns: Any, *, dtype: Any) -> Any:
    """``function(rows, columns)`` (H, W) in one chunk, from axes (H,) and (W,) or planes (H, W)."""
    import dask.array as da

    axes = ("y", "x") if rows.ndim == 1 else ("yx", "yx")
    pairs = [
        part
        for pair in zip((as_chunk(rows), as_chunk(columns)), axes, strict=True)
        for part in pair
    ]
    return da.blockwise(function, "yx", *pairs, dtype=dtype, meta=np.empty((0, 0), dtype))
