"""Write a lazy result to Zarr region by region, and resume after an interruption."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from xsm.blockwise.chunks import chunk_slices
from xsm.blockwise.dask_engine import SHARED
from xsm.conventions.grid import cf_axes, time_dim
from xsm.errors import InputError, TimeAxisError
from xsm.options import get_option
from xsm.progress import bar

Region = dict[Any, slice]


def write_zarr(
    obj: xr.Dataset,
    path: str | Path,
    *,
    region_dims: Iterable[Hashable] | None = None,
    progress: bool | None = None,
) -> Path:
    """Compute a lazy Dataset into a Zarr store region by region; resume an interrupted call.

    One region is in memory at a time, so a year of the globe needs no more memory than one chunk of
    cells. A gap-filled record also needs statistics of the whole record: they are computed once, at
    the start of each call, and held in memory (a tenth of the record).

    The file ``<path>.progress.json`` beside the store lists the regions that are written; it is
    removed when all are. The same call after a crash, a full disk or a time limit writes the
    others.

    Parameters
    ----------
    obj : Dataset
        Of Dask arrays, as from :func:`xsm.estimate` or :func:`xsm.gapfill` on chunked input.
    path : str or Path
        Folder of the store.
    region_dims : iterable of str, optional
        Dimensions that are split into regions, a chunk each. Default: all chunked dimensions except
        time, or time if no other is chunked. An estimate depends on all days of a cell, so its time
        is better left whole; a gap-filled record depends on four days and many cells around, so
        ``region_dims="time"`` reads less.
    progress : bool, optional
        Show a progress bar; default on a terminal.

    Returns
    -------
    Path
        The store.

    Raises
    ------
    InputError
        If nothing is lazy, a name in `region_dims` is no chunked dimension, chunks are not regular,
        or the store exists and is not an unfinished one of the same Dataset.

    Examples
    --------
    ::

        ds = xr.open_mfdataset("predictors/*.nc", chunks={"lat": 100, "lon": 100})
        xsm.write_zarr(ds.sm.estimate(model="mine"), "estimate.zarr")
    """
    if not isinstance(obj, xr.Dataset):
        raise InputError(f"obj is a {type(obj).__name__}: expected a Dataset; see .to_dataset().")
    dims = _region_dims(obj, region_dims)
    store = Path(path)
    progress_file = store.with_name(store.name + ".progress.json")
    key = _identity(obj, dims)
    obj = obj.drop_encoding()  # chunks and codecs of the files that the input came from
    done = _begin(obj, dims, store, progress_file, key)
    regions = list(_regions(obj, dims))
    if len(regions) > len(done):
        obj = _with_shared_computed(obj)
    with bar("write", len(regions), get_option("progress", progress), "region") as shown:
        for n, region in enumerate(regions):
            if n not in done:
                _write(obj, store, region)
                done.append(n)
                _replace(progress_file, {"identity": key, "done": done})
            shown.update(1)
    _consolidate(store)
    progress_file.unlink()
    return store


def _region_dims(obj: xr.Dataset, given: Iterable[Hashable] | None) -> list[Hashable]:
    """Dimensions that are split into regions, in the order of the Dataset."""
    try:
        chunks = obj.chunksizes
    except ValueError as error:
        raise InputError(f"the variables of obj differ in their chunks: {error}") from error
    if not chunks:
        raise InputError("obj holds no Dask array: expected lazy input; else use .to_zarr(path).")
    if given is None:
        several = [dim for dim, sizes in chunks.items() if len(sizes) > 1]
        times = _times(obj)
        return [dim for dim in several if dim not in times] or several
    dims: list[Hashable] = [given] if isinstance(given, str) else list(given)
    if strange := [dim for dim in dims if dim not in chunks]:
        raise InputError(
            f"region_dims={dims!r}: {strange} is no chunked dimension of {list(chunks)}."
        )
    return dims


def _times(obj: xr.Dataset) -> set[str]:
    """Dimensions that are time, of any variable."""
    times = set()
    for da in obj.data_vars.values():
        try:
            times.add(time_dim(da, cf_axes(da), obj))
        except TimeAxisError:
            continue
    return times


def _with_shared_computed(obj: xr.Dataset) -> xr.Dataset:
    """`obj` with the layers that all regions depend on (statistics of a record) computed."""
    import dask.array as da
    from dask.base import compute_as_if_collection
    from dask.highlevelgraph import HighLevelGraph, MaterializedLayer

    lazy = {name: v.data for name, v in obj.data_vars.items() if isinstance(v.data, da.Array)}
    graph = HighLevelGraph.merge(*(array.dask for array in lazy.values()))
    layers = {n: layer for n, layer in graph.layers.items() if n.startswith(SHARED)}
    if not layers:
        return obj
    keys = [key for layer in layers.values() for key in layer.get_output_keys()]
    values = dict(zip(keys, compute_as_if_collection(da.Array, graph, keys), strict=True))
    computed = {
        n: MaterializedLayer({key: values[key] for key in layer.get_output_keys()})
        for n, layer in layers.items()
    }
    graph = HighLevelGraph(
        {**graph.layers, **computed},
        {n: set() if n in computed else x for n, x in graph.dependencies.items()},
    )
    return obj.assign(
        {
            name: (obj[name].dims, da.Array(graph, a.name, a.chunks, meta=a._meta), obj[name].attrs)
            for name, a in lazy.items()
        }
    )


def _regions(obj: xr.Dataset, dims: list[Hashable]) -> Iterable[Region]:
    for slices in itertools.product(*(chunk_slices(obj.chunksizes[dim]) for dim in dims)):
        yield dict(zip(dims, slices, strict=True))


def _begin(
    obj: xr.Dataset, dims: list[Hashable], store: Path, progress_file: Path, key: str
) -> list[int]:
    """Regions that an earlier call wrote; a new store is created with its coordinates."""
    if progress_file.exists():
        progress = json.loads(progress_file.read_text())
        if progress["identity"] != key:
            raise InputError(
                f"path={str(store)!r} is the unfinished store of another Dataset or of other "
                "chunks: delete it and its .progress.json, or choose another path."
            )
        return list(progress["done"])
    if store.exists():
        raise InputError(f"path={str(store)!r} exists: delete it, or choose another path.")
    store.parent.mkdir(parents=True, exist_ok=True)
    partial = store.with_name(store.name + ".partial")
    try:
        # replaces what an interrupted creation left
        _template(obj, dims).to_zarr(partial, mode="w", compute=False, consolidated=False)
    except (ValueError, NotImplementedError) as error:
        raise InputError(
            f"obj cannot be written in its chunks: {error} Make them regular with .chunk()."
        ) from error
    partial.rename(store)
    _replace(progress_file, {"identity": key, "done": []})
    return []


def _consolidate(store: Path) -> None:
    """Gather the metadata of all variables in one place, as xarray's own stores have them."""
    import warnings

    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that format 3 does not know of it yet
        zarr.consolidate_metadata(store)


def _by_region(variable: xr.Variable, dims: Iterable[Hashable]) -> bool:
    """Whether it is written region by region; others are written when the store is created."""
    return variable.chunks is not None and set(dims) <= set(variable.dims)


def _template(obj: xr.Dataset, dims: list[Hashable]) -> xr.Dataset:
    whole = {
        n: v.compute() for n, v in obj.variables.items() if v.chunks and not _by_region(v, dims)
    }
    return obj.assign({n: v for n, v in whole.items() if n in obj.data_vars}).assign_coords(
        {n: v for n, v in whole.items() if n in obj.coords}
    )


def _write(obj: xr.Dataset, store: Path, region: Region) -> None:
    others = [name for name, v in obj.variables.items() if not _by_region(v, region)]
    part = obj.drop_vars(others).isel(region)
    part.to_zarr(store, region=region or "auto", consolidated=False)


def _replace(progress_file: Path, content: Mapping[str, Any]) -> None:
    """Write a file atomically."""
    new = progress_file.with_name(progress_file.name + ".new")
    new.write_text(json.dumps(content))
    os.replace(new, progress_file)


def _identity(obj: xr.Dataset, dims: list[Hashable]) -> str:
    """Fingerprint of variables, chunks and attributes without the history, which holds the time."""
    attrs = {name: str(v) for name, v in obj.attrs.items() if name != "history"}
    form = {
        str(name): [list(map(str, v.dims)), list(v.shape), str(v.dtype), str(v.chunks)]
        for name, v in obj.variables.items()
    }
    named = {str(n): {str(k): str(a) for k, a in v.attrs.items()} for n, v in obj.variables.items()}
    text = json.dumps([form, named, attrs, list(map(str, dims))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
