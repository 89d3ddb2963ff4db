"""Write a lazy result to Zarr region by region, and resume after an interruption."""

from __future__ import annotations

import itertools
import logging
import shutil
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import xarray as xr

from xsm.blockwise.chunks import chunk_slices
from xsm.blockwise.dask_engine import persist_shared
from xsm.blockwise.dask_workers import compute_each, one_pool
from xsm.blockwise.icechunk_store import commit
from xsm.blockwise.work_blocks import (
    as_one_task,
    fingerprint,
    has_blocks,
    slices_of_edges,
    unsplit_edges,
)
from xsm.blockwise.writer_lock import only_writer
from xsm.blockwise.zarr_encoding import checked_encoding, odd_attributes
from xsm.blockwise.zarr_log import (
    WriteLog,
    checksum,
    differing_form,
    differing_identity,
    form_of,
    identity_of,
)
from xsm.blockwise.zarr_store import (
    consolidate,
    finish_writes,
    is_consolidated,
    local_store,
    open_store,
)
from xsm.blockwise.zarr_values import values_in_store
from xsm.conventions.encoding import check_packed, is_packed, without_layout
from xsm.conventions.grid import cf_axes, time_dim
from xsm.conventions.variables import check_chunks, check_names, check_references
from xsm.conventions.write_log import COMPLETE, CREATED, LOG
from xsm.errors import InputError, TimeAxisError
from xsm.options import get_option
from xsm.progress import bar

logger = logging.getLogger(__name__)

Region = dict[Any, slice]
MODES = ("resume", "overwrite", "w")


class _Write(NamedTuple):
    """What is written: the Dataset, its regions, and how the store is made."""

    obj: xr.Dataset
    dims: list[Hashable]
    regions: list[Region]
    identity: dict[str, Any]
    zarr_format: Any  # 2, 3 or None
    encoding: dict[str, dict[str, Any]]
    options: dict[str, Any]  # of Dask, see one_pool

    @property
    def by_region(self) -> list[Hashable]:
        """Variables that are written region by region; others when the store is created."""
        names = self.obj.variables
        return [n for n, v in names.items() if v.chunks and set(self.dims) <= set(v.dims)]

    @property
    def others(self) -> list[Hashable]:
        return [name for name in self.obj.variables if name not in self.by_region]


def write_zarr(
    obj: xr.Dataset,
    path: Any,
    *,
    mode: str = "resume",
    region_dims: Iterable[Hashable] | None = None,
    zarr_format: int | None = None,
    encoding: Mapping[str, Mapping[str, Any]] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    verify: bool = True,
    progress: bool | None = None,
) -> Any:
    """Compute a lazy Dataset into a Zarr store region by region; resume an interrupted call.

    As many regions as there are workers are computed at a time, and none waits for another, so a
    year of the globe needs little memory. Regions are made of whole blocks of work: however small
    the chunks of the store, a block is computed once. A gap-filled record also needs statistics of
    the whole record: they are computed once, at the start of each call. What grows with the record
    (a tenth of it; four times as much as it where simpler methods may be mixed in, compressed) is
    held in the store until the last region is written, the rest in memory.

    The group ``xsm_write_log`` of the store lists the regions that are written. The same call after
    a crash, a full disk or a time limit writes the others, and those whose values no longer have
    their checksum; after the last one it does nothing.

    Parameters
    ----------
    obj : Dataset
        Of Dask arrays, as from :func:`xsm.estimate` or :func:`xsm.gapfill` on chunked input.
    path : str, Path or Zarr store
        Folder of the store; a URL of fsspec, such as ``s3://bucket/name.zarr``, whose package must
        be installed; a store object of Zarr; or an ``icechunk.Repository``, whose branch ``main``
        gets a commit whenever regions are complete.
    mode : {"resume", "overwrite"}
        ``"resume"``: create the store, or write what it lacks of `obj`; a finished store of the
        same Dataset stays as it is. ``"overwrite"`` (or ``"w"``, as in xarray): replace a store.
        On a local disk the new one is written to ``<path>.new`` and takes the place of the old one
        when it is complete, so `obj` may be made from the old one; elsewhere it is deleted first.
    region_dims : iterable of str, optional
        Dimensions that are split into regions. Default: all chunked dimensions of a result of xsm;
        of other Datasets all but time, or time if no other is chunked.
    zarr_format : {2, 3}, optional
        Default: that of Zarr.
    encoding : mapping, optional
        For variables by name, ``chunks``, ``shards``, ``compressors`` and so on, as in
        ``obj.to_zarr``. Chunks are the chunks of `obj` by default.
    storage_options : mapping, optional
        For the file system of a URL.
    verify : bool
        Compare the checksums of regions that are written. It reads them.
    progress : bool, optional
        Show a progress bar; default on a terminal.

    Returns
    -------
    Path, str or Zarr store
        `path`; a Path for a folder.

    Raises
    ------
    InputError
        If nothing is lazy, a name in `region_dims` is no chunked dimension, chunks are not regular,
        `mode` or the protocol of a URL is unknown, the path holds something else than a Zarr store,
        or, with ``mode="resume"``, a store that another Dataset was written to; the message names
        what differs.
    MissingPackageError
        If the package for a URL is not installed.

    Notes
    -----
    Two Datasets are the same if their variables, attributes, chunks and coordinates are, the calls
    in their history apart from the time (model, options, version of xsm), and a checksum of six
    chunks of each input. Packing (``scale_factor``, ``dtype``, ...) is as in ``obj.to_zarr``;
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
    if zarr_format not in (None, 2, 3):
        raise InputError(f"zarr_format={zarr_format!r}: expected 2, 3 or None.")
    check_names(obj, "obj")
    for da in (*obj.data_vars.values(), *obj.coords.values()):
        check_references(da, "obj")
    given = checked_encoding(obj, encoding)
    dims, follows_blocks = _region_dims(obj, region_dims)
    given_path, store = open_store(path, storage_options)
    obj = without_layout(obj)
    regions = _regions(obj, dims, given, follows_blocks)
    write = _write if mode == "resume" else _overwrite
    try:
        with one_pool() as options:
            identity = identity_of(obj, dims, fingerprint(_lazy(obj), options))
            job = _Write(obj, dims, regions, identity, zarr_format, given, options)
            write(job, store, given_path, verify, get_option("progress", progress))
    except OSError as error:  # a full or read-only disk, a lost connection
        finish_writes()
        error.add_note(
            f"xsm.write_zarr(..., path={str(given_path)!r}) was interrupted: regions that were "
            "written are kept, and the same call writes the others."
        )
        raise
    return given_path


def _overwrite(job: _Write, store: Any, path: Any, verify: bool, progress: Any) -> None:
    if not isinstance(path, Path):
        import zarr

        if not WriteLog(store).identity == job.identity or WriteLog(store).complete:
            zarr.open_group(store, mode="w", zarr_format=job.zarr_format)
        _write(job, store, path, verify, progress)
        return
    new = path.with_name(path.name + ".new")
    if new.exists():
        log = WriteLog(local_store(new))
        if not log.identity:
            raise InputError(
                f"path={str(path)!r}: the new store would be written to {str(new)!r}, which exists "
                "and is no unfinished store. Move it away."
            )
        if log.identity != job.identity or _differs(job, local_store(new)):
            with only_writer(new):
                shutil.rmtree(new)
    if not new.exists() and (not path.exists() or _resumable(job, path)):
        _write(job, store, path, verify, progress)
        return
    if path.exists():
        with only_writer(path):
            _check_is_zarr(path)
    _write(job, local_store(new), new, verify, progress)
    if path.exists():
        with only_writer(path):
            shutil.rmtree(path)
    new.rename(path)


def _resumable(job: _Write, path: Path) -> bool:
    """Whether an earlier call of the same job was interrupted there."""
    log = WriteLog(local_store(path))
    same = log.identity == job.identity and not log.complete
    return same and not (log.created and _differs(job, local_store(path)))


def _write(job: _Write, store: Any, path: Any, verify: bool, progress: Any) -> None:
    """Write the regions that a store lacks; `path` is for messages."""
    with only_writer(path):
        _write_alone(job, store, path, verify, progress)


def _write_alone(job: _Write, store: Any, path: Any, verify: bool, progress: Any) -> None:
    log = _begin(job, store, path)
    names = _texts(job.by_region)
    others = _texts(job.others)
    done = log.checksums()
    if done.size != len(job.regions) + 1:
        raise InputError(
            f"path={str(path)!r} has other regions than obj: its chunks were made by another "
            "version or other options. Choose another path, or mode='overwrite'."
        )
    bad = []
    if verify:
        parts: list[Any] = [(others, {})] + [(names, region) for region in job.regions]
        for n in np.flatnonzero(done).tolist():
            if checksum(store, *parts[n]) != done[n]:
                bad.append(n)
    if bad:
        logger.warning(
            "%s: %d of %d regions do not have their checksum and are written again",
            *(path, len(bad), done.size),
        )
        done[bad] = 0
    if done[0] == 0:
        _create(job, store, append=True)
        log.write_checksums([0], [checksum(store, others, {})])
    missing = np.flatnonzero(done[1:] == 0).tolist()
    if not missing and not bad and log.complete and is_consolidated(store):
        logger.info("%s is complete: there is nothing to write", path)
        return
    if missing:
        with values_in_store(store) as save:
            obj = persist_shared(job.obj, job.options, save)
            _write_regions(job._replace(obj=obj), store, log, missing, progress)
    log.mark(COMPLETE)
    consolidate(store)
    commit(store, "xsm: complete")


def _write_regions(
    job: _Write, store: Any, log: WriteLog, missing: Sequence[int], progress: Any
) -> None:
    """Write some regions, several at a time, and note each in the log when it is written."""
    with bar("write", len(job.regions), progress, "region") as shown:
        shown.update(len(job.regions) - len(missing))
        writes = _write_here if hasattr(store, "commit") else _write_on_workers
        for number, value in writes(job, store, missing):
            log.write_checksums([number + 1], [value])
            commit(store, f"xsm: region {number + 1} of {len(job.regions)}")
            shown.update(1)


def _write_here(job: _Write, store: Any, missing: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Write regions to a store that this process alone can write to, computed one by one."""
    for number in missing:
        region = job.regions[number]
        part = _region_of(job, number).compute(**job.options)
        part.to_zarr(store, region=region or "auto", consolidated=False)
        yield number, checksum(store, _texts(job.by_region), region)


def _write_on_workers(job: _Write, store: Any, missing: Sequence[int]) -> Iterator[tuple[int, int]]:
    writes = (_writing(job, store, number) for number in missing)
    for done, value in compute_each(writes, job.options):
        yield missing[done], value


def _writing(job: _Write, store: Any, number: int) -> Any:
    """A delayed value: a region is written, and this is its checksum."""
    from dask import delayed

    region = job.regions[number]
    part = _region_of(job, number)
    written = part.to_zarr(store, region=region or "auto", compute=False, consolidated=False)
    finish = partial(_checksum_after, store=store, names=_texts(job.by_region), region=region)
    name = f"xsm-region-{number}-{uuid4().hex}"
    value = delayed(finish, pure=False)(written, dask_key_name=name)
    return as_one_task(value, _lazy(job.obj))


def _region_of(job: _Write, number: int) -> xr.Dataset:
    part = job.obj.drop_vars(job.others).isel(job.regions[number])
    return _in_chunks_of(part.assign(_packed(job, part)), job.encoding)


def _packed(job: _Write, part: xr.Dataset) -> dict[Hashable, xr.Variable]:
    """Variables stored as integers, with an error where these cannot hold the values."""
    checked = {}
    for name, variable in part.variables.items():
        encoding = job.encoding.get(str(name), job.obj[name].encoding)
        if not is_packed(variable.dtype, encoding):
            continue
        check = partial(check_packed, name=str(name), encoding=encoding)
        data = variable.data
        data = data.map_blocks(check, dtype=data.dtype) if variable.chunks else check(data)
        checked[name] = variable.copy(data=data)
    return checked


def _texts(names: Iterable[Hashable]) -> list[str]:
    return [str(name) for name in names]


def _checksum_after(_written: Any, **of_region: Any) -> int:
    return checksum(**of_region)


def _begin(job: _Write, store: Any, path: Any) -> WriteLog:
    """The log of a store; a new store is created with its coordinates."""
    log = WriteLog(store)
    if not log.identity:
        if isinstance(path, Path) and path.exists() and any(path.iterdir()):
            _check_is_zarr(path)
        if names := _array_names(store):
            raise InputError(
                f"path={str(path)!r} holds a Zarr store with {names[0]!r} that write_zarr did not "
                "write, or whose log is damaged. Choose another path, or replace it: "
                "mode='overwrite'."
            )
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        log = WriteLog.create(store, job.identity, len(job.regions) + 1, job.zarr_format)
    difference = differing_identity(log.identity, job.identity)
    if log.created:
        difference = _differs(job, store) or difference
    if difference:
        state = "holds another Dataset than obj" if log.complete else "is the unfinished store of"
        state += "" if log.complete else " another Dataset"
        raise InputError(
            f"path={str(path)!r} exists and {state}: {difference}. Choose another path, or replace "
            "it: mode='overwrite'."
        )
    if not log.created:
        _remove_half_made(job, store)
        _create(job, store, append=True)
        others = _texts(job.others)
        log.write_checksums([0], [checksum(store, others, {})])
        log.mark(CREATED)
        commit(store, "xsm: arrays created")
    return log


def _remove_half_made(job: _Write, store: Any) -> None:
    """Remove arrays that a call began to create: one without its attributes cannot be read."""
    import zarr

    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    for name in job.obj.variables:
        del group[str(name)]


def _create(job: _Write, store: Any, *, append: bool, compute: bool = True) -> None:
    """The arrays of `obj` in a store, with what is not written region by region."""
    template = _in_chunks_of(_template(job, compute=compute), job.encoding)
    try:
        template.to_zarr(
            store,
            mode="a" if append else "w",
            compute=False,
            consolidated=False,
            zarr_format=job.zarr_format,
            encoding=job.encoding,
        )
    except TypeError as error:
        raise InputError(
            f"obj has an attribute that no file can hold: {odd_attributes(job.obj)}. Make it text "
            "or a number."
        ) from error
    except (ValueError, NotImplementedError) as error:
        given = any({"chunks", "shards"} & {*entry} for entry in job.encoding.values())
        advice = "Make them regular with .chunk()."
        if given:
            advice = "Change chunks or shards in encoding."
        raise InputError(f"obj cannot be written in its chunks: {error} {advice}") from error


def _template(job: _Write, *, compute: bool) -> xr.Dataset:
    """`obj` with what is not written region by region in memory: computed, or zeros."""
    obj, by_region = job.obj, job.by_region
    whole = {
        n: v.compute(**job.options) if compute else v.copy(data=np.zeros(v.shape, v.dtype))
        for n, v in obj.variables.items()
        if v.chunks and n not in by_region
    }
    made = obj.assign({n: v for n, v in whole.items() if n in obj.data_vars}).assign_coords(
        {n: v for n, v in whole.items() if n in obj.coords}
    )
    return made.assign(_packed(job, made[job.others])) if compute else made


def _differs(job: _Write, store: Any) -> str:
    """How the form or the coordinates of a store differ from those of `obj`; "" if they do not."""
    from zarr.storage import MemoryStore

    expected = MemoryStore()
    _create(job, expected, append=False, compute=False)
    try:
        form = form_of(store)
    except Exception as error:  # damaged metadata: stores have errors of their own
        return f"the store cannot be read ({error})"
    if difference := differing_form(form, form_of(expected)):
        return difference
    whole = xr.open_zarr(expected, consolidated=False)
    for name, coord in whole.coords.items():
        if job.obj[name].chunks is not None:
            continue
        try:
            stored = xr.open_zarr(
                store, consolidated=False, drop_variables=[n for n in form if n != name]
            )[name].load()
        except Exception:  # damaged: its checksum is checked later
            continue
        # as variables: the array may have further coordinates, scalar ones for example
        if not stored.variable.equals(coord.variable):
            return f"{name} is {_ends(stored)} in the store, {_ends(coord)} in obj"
    return ""


def _ends(coord: xr.DataArray) -> str:
    """First and last value, for messages."""
    values = coord.values.ravel()
    return f"{values[0]} to {values[-1]}" if values.size else "empty"


def _region_dims(obj: xr.Dataset, given: Iterable[Hashable] | None) -> tuple[list[Hashable], bool]:
    """Dimensions that are split into regions, and whether regions follow blocks of work."""
    try:
        chunks = obj.chunksizes
    except ValueError as error:
        raise InputError(f"the variables of obj differ in their chunks: {error}") from error
    for name, variable in obj.variables.items():
        check_chunks(xr.DataArray(variable, name=name))
    if not chunks:
        raise InputError("obj holds no Dask array: expected lazy input; else use .to_zarr(path).")
    marked = has_blocks(_lazy(obj))
    if given is None:
        several = [dim for dim, sizes in chunks.items() if len(sizes) > 1]
        if marked:
            return several, True
        times = _times(obj)
        return [dim for dim in several if dim not in times] or several, False
    dims: list[Hashable]
    if isinstance(given, str) or not isinstance(given, Iterable):
        dims = [given]
    else:
        dims = list(given)
    if strange := [dim for dim in dims if dim not in chunks]:
        raise InputError(
            f"region_dims={dims!r}: {strange} is no chunked dimension of {list(chunks)}."
        )
    return dims, marked


def _times(obj: xr.Dataset) -> set[str]:
    """Dimensions that are time, of any variable."""
    times = set()
    for da in obj.data_vars.values():
        try:
            times.add(time_dim(da, cf_axes(da), obj))
        except TimeAxisError:
            continue
    return times


def _regions(
    obj: xr.Dataset, dims: list[Hashable], encoding: Mapping[str, Any], follows_blocks: bool
) -> list[Region]:
    """Regions that split no block of work and no chunk of the store."""
    slices = {dim: chunk_slices(obj.chunksizes[dim]) for dim in dims}
    edges = {dim: [0, *(part.stop for part in parts)] for dim, parts in slices.items()}
    if follows_blocks:
        arrays = {
            str(n): (v.data, v.dims) for n, v in obj.variables.items() if v.chunks is not None
        }
        edges |= unsplit_edges(arrays, dims)
    for dim, unit in _units(obj, encoding).items():
        if dim in edges:
            edges[dim] = [n for n in edges[dim] if n % unit == 0 or n == obj.sizes[dim]]
    parts = [slices_of_edges(edges[dim]) for dim in dims]
    return [dict(zip(dims, part, strict=True)) for part in itertools.product(*parts)]


def _units(obj: xr.Dataset, encoding: Mapping[str, Any]) -> dict[Hashable, int]:
    """Least common multiple of the chunks or shards that are asked for, by dimension."""
    units: dict[Hashable, int] = {}
    for name, options in encoding.items():
        sizes = options.get("shards") or options.get("chunks")
        if sizes is None:
            continue
        for dim, size in zip(obj[name].dims, sizes, strict=True):
            units[dim] = int(np.lcm(units.get(dim, 1), int(size)))
    return units


def _in_chunks_of(obj: xr.Dataset, encoding: Mapping[str, Any]) -> xr.Dataset:
    """`obj` in the shards or chunks that are asked for, so that none is written in two parts."""
    changed = {}
    for name, options in encoding.items():
        sizes = options.get("shards") or options.get("chunks")
        if sizes is not None and name in obj.variables and obj[name].chunks is not None:
            changed[name] = obj[name].chunk(dict(zip(obj[name].dims, sizes, strict=True)))
    return obj.assign(changed)


def _lazy(obj: xr.Dataset) -> list[Any]:
    return [v.data for v in obj.variables.values() if v.chunks is not None]


def _check_is_zarr(store: Path) -> None:
    """Refuse to remove a folder or file that is no Zarr store."""
    if not any((store / name).is_file() for name in ("zarr.json", ".zgroup")):
        raise InputError(f"path={str(store)!r} exists and is no Zarr store: choose another path.")


def _array_names(store: Any) -> list[str]:
    """Names of the arrays in a store; none if there is no store."""
    import zarr

    try:
        group = zarr.open_group(store, mode="r", use_consolidated=False)
    except FileNotFoundError:
        return []
    try:
        return sorted(name for name, _ in group.members() if name != LOG)
    except Exception as error:  # something there cannot be read
        logger.warning("%s: %s: %s", store, type(error).__name__, error)
        return ["something"]
