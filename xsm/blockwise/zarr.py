"""Write a lazy result to Zarr region by region, and resume after an interruption."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import shutil
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xarray as xr

from xsm.blockwise.chunks import chunk_slices
from xsm.blockwise.dask_engine import SHARED
from xsm.conventions.encoding import without_layout
from xsm.conventions.grid import cf_axes, time_dim
from xsm.errors import InputError, TimeAxisError
from xsm.options import get_option
from xsm.progress import bar

logger = logging.getLogger(__name__)

Region = dict[Any, slice]
MODES = ("resume", "overwrite", "w")


def write_zarr(
    obj: xr.Dataset,
    path: str | Path,
    *,
    mode: str = "resume",
    region_dims: Iterable[Hashable] | None = None,
    progress: bool | None = None,
) -> Path:
    """Compute a lazy Dataset into a Zarr store region by region; resume an interrupted call.

    One region is in memory at a time, so a year of the globe needs no more memory than one chunk of
    cells. A gap-filled record also needs statistics of the whole record: they are computed once, at
    the start of each call, and held in memory (a tenth of the record).

    The file ``<path>.progress.json`` beside the store lists the regions that are written; it is
    removed when all are. The same call after a crash, a full disk or a time limit writes the
    others; after the last one it does nothing.

    Parameters
    ----------
    obj : Dataset
        Of Dask arrays, as from :func:`xsm.estimate` or :func:`xsm.gapfill` on chunked input.
    path : str or Path
        Folder of the store.
    mode : {"resume", "overwrite"}
        ``"resume"``: create the store, or write what it lacks of `obj`; a finished store of the
        same Dataset stays as it is. ``"overwrite"`` (or ``"w"``, as in xarray): replace a store.
        The new one is written to ``<path>.new`` and takes the place of the old one when it is
        complete, so `obj` may be made from the old one.
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
        `mode` is unknown, the path holds something else than a Zarr store, or, with
        ``mode="resume"``, the store of another Dataset.

    Notes
    -----
    Two Datasets are the same if their variables, attributes (except the history), chunks and
    coordinates are. Computed values are not compared: to write the same form from other data, use
    ``mode="overwrite"``. Packing (``scale_factor``, ``dtype``, ...) is as in ``obj.to_zarr``;
    chunks and compression of the files that `obj` came from are not used.

    Examples
    --------
    ::

        ds = xr.open_mfdataset("predictors/*.nc", chunks={"lat": 100, "lon": 100})
        xsm.write_zarr(ds.sm.estimate(model="mine"), "estimate.zarr")
    """
    if not isinstance(obj, xr.Dataset):
        raise InputError(f"obj is a {type(obj).__name__}: expected a Dataset; see .to_dataset().")
    if mode not in MODES:
        raise InputError(f"mode={mode!r}: expected 'resume', or 'overwrite' (or 'w').")
    dims = _region_dims(obj, region_dims)
    store = Path(path)
    obj = without_layout(obj)
    job = _job(obj, dims)
    target = store
    if mode != "resume" and store.exists() and not _same_unfinished(store, job):
        _check_is_zarr(store)
        target = store.with_name(store.name + ".new")
        if target.exists() and not _same_unfinished(target, job):
            _check_is_zarr(target)
            _remove(target)
    elif _is_finished(store):
        _check_same_form(obj, dims, store)
        logger.info("%s is complete: there is nothing to write", store)
        return store
    _write_regions(obj, dims, target, job, get_option("progress", progress))
    if target != store:
        _remove(store)
        target.rename(store)
    return store


def _write_regions(
    obj: xr.Dataset, dims: list[Hashable], store: Path, job: Mapping[str, str], progress: Any
) -> None:
    """Write the regions that the store lacks."""
    done = _begin(obj, dims, store, job)
    regions = list(_regions(obj, dims))
    if len(regions) > len(done):
        obj = _with_shared_computed(obj)
    with bar("write", len(regions), progress, "region") as shown:
        for n, region in enumerate(regions):
            if n not in done:
                _write(obj, store, region)
                done.append(n)
                _replace(_progress_file(store), {**job, "done": done})
            shown.update(1)
    _consolidate(store)
    _progress_file(store).unlink()


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


def _progress_file(store: Path) -> Path:
    return store.with_name(store.name + ".progress.json")


def _is_finished(store: Path) -> bool:
    return store.exists() and not _progress_file(store).exists()


def _same_unfinished(store: Path, job: Mapping[str, str]) -> bool:
    """Whether an earlier call of the same job was interrupted."""
    file = _progress_file(store)
    return file.exists() and json.loads(file.read_text())["identity"] == job["identity"]


def _begin(obj: xr.Dataset, dims: list[Hashable], store: Path, job: Mapping[str, str]) -> list[int]:
    """Regions that an earlier call wrote; a new store is created with its coordinates."""
    file = _progress_file(store)
    if file.exists() and store.exists():
        progress = json.loads(file.read_text())
        if progress["identity"] != job["identity"]:
            raise InputError(
                f"path={str(store)!r} is the unfinished store of another Dataset or of other "
                f"chunks: of {progress.get('content', 'unknown content')}. obj is "
                f"{job['content']}. Choose another path, or mode='overwrite'."
            )
        return list(progress["done"])
    store.parent.mkdir(parents=True, exist_ok=True)
    partial = store.with_name(store.name + ".partial")
    _create(obj, dims, partial)  # replaces what an interrupted creation left
    # before the store has its name: a store without this file is a finished one
    _replace(file, {**job, "done": []})
    partial.rename(store)
    return []


def _create(obj: xr.Dataset, dims: list[Hashable], store: Path, *, compute: bool = True) -> None:
    """A store of the form of `obj`, with what is not written region by region."""
    template = _template(obj, dims, compute=compute)
    try:
        template.to_zarr(store, mode="w", compute=False, consolidated=False)
    except (ValueError, NotImplementedError) as error:
        raise InputError(
            f"obj cannot be written in its chunks: {error} Make them regular with .chunk()."
        ) from error


def _check_is_zarr(store: Path) -> None:
    """Refuse to remove a folder or file that is no Zarr store."""
    if not any((store / name).is_file() for name in ("zarr.json", ".zgroup")):
        raise InputError(f"path={str(store)!r} exists and is no Zarr store: choose another path.")


def _remove(store: Path) -> None:
    shutil.rmtree(store)
    _progress_file(store).unlink(missing_ok=True)


def _check_same_form(obj: xr.Dataset, dims: list[Hashable], store: Path) -> None:
    """Raise an InputError if a finished store is not that of `obj`, naming what differs."""
    _check_is_zarr(store)
    with TemporaryDirectory() as folder:
        expected = Path(folder) / "form.zarr"
        _create(obj, dims, expected, compute=False)
        difference = _difference(_form(store), _form(expected))
        if not difference:
            stored, whole = (xr.open_zarr(p, consolidated=False) for p in (store, expected))
            for name, coord in whole.coords.items():
                if obj[name].chunks is None and not stored[name].equals(coord):
                    difference = (
                        f"{name} is {_ends(stored[name])} in the store, {_ends(coord)} in obj"
                    )
                    break
    if difference:
        raise InputError(
            f"path={str(store)!r} exists and holds another Dataset than obj: {difference}. Choose "
            "another path, or replace it: mode='overwrite'."
        )


def _form(store: Path) -> dict[str, Any]:
    """Metadata of a store: of the arrays by name, and its attributes without the history."""
    import zarr

    group = zarr.open_group(store, mode="r", use_consolidated=False)
    attrs = {k: v for k, v in dict(group.attrs).items() if k != "history"}
    arrays = {name: array.metadata.to_dict() for name, array in group.arrays()}
    return {"": {"attributes": attrs}, **arrays}


def _difference(stored: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """What differs between two forms, in words; "" if nothing."""
    if lone := sorted(set(stored) - set(expected)):
        return f"the store has {', '.join(lone)}, obj has not"
    if lone := sorted(set(expected) - set(stored)):
        return f"obj has {', '.join(lone)}, the store has not"
    for name, wanted in sorted(expected.items()):
        have = stored[name]
        for key in ("shape", "data_type", "dtype", *sorted(set(have) | set(wanted))):
            one, other = (
                json.dumps(m.get(key), default=str, sort_keys=True) for m in (have, wanted)
            )
            if one != other and key == "attributes":
                names = {*have[key], *wanted[key]}
                key = next(n for n in sorted(names) if _text(have[key], n) != _text(wanted[key], n))
                one, other = _text(have["attributes"], key), _text(wanted["attributes"], key)
                key = f"the attribute {key!r}"
            if one != other:
                return f"{key} of {name or 'the Dataset'} is {one} in the store, {other} in obj"
    return ""


def _text(attrs: Mapping[str, Any], name: str) -> str:
    return json.dumps(attrs.get(name), default=str, sort_keys=True)


def _ends(coord: xr.DataArray) -> str:
    """First and last value, for messages."""
    values = coord.values.ravel()
    return f"{values[0]} to {values[-1]}" if values.size else "empty"


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


def _template(obj: xr.Dataset, dims: list[Hashable], *, compute: bool = True) -> xr.Dataset:
    """`obj` with what is not written region by region in memory: computed, or zeros."""
    whole = {
        n: v.compute() if compute else v.copy(data=np.zeros(v.shape, v.dtype))
        for n, v in obj.variables.items()
        if v.chunks and not _by_region(v, dims)
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


def _job(obj: xr.Dataset, dims: list[Hashable]) -> dict[str, str]:
    """What a call writes: its fingerprint, and its content in words.

    The fingerprint is of variables, chunks, attributes without the history, which holds the time,
    and coordinates in memory.
    """
    attrs = {str(name): str(v) for name, v in obj.attrs.items() if name != "history"}
    form = {
        str(name): [list(map(str, v.dims)), list(v.shape), str(v.dtype), str(v.chunks)]
        for name, v in obj.variables.items()
    }
    named = {str(n): {str(k): str(a) for k, a in v.attrs.items()} for n, v in obj.variables.items()}
    text = json.dumps([form, named, attrs, list(map(str, dims))], sort_keys=True)
    fingerprint = hashlib.sha256(text.encode())
    for name, coord in obj.coords.items():
        if coord.chunks is None:
            values = np.ascontiguousarray(coord.values)
            as_bytes = str(values.tolist()).encode() if values.dtype == object else values.tobytes()
            fingerprint.update(str(name).encode() + as_bytes)
    spans = [f"{n} {_ends(obj[n])}" for n in obj.dims if n in obj.coords]
    sizes = ", ".join(f"{n}={size}" for n, size in obj.sizes.items())
    content = f"{', '.join(map(str, obj.data_vars))} ({sizes}; {', '.join(spans)})"
    return {"identity": fingerprint.hexdigest()[:16], "content": content}
