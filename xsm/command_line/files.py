"""Files in and out of the commands: records, predictors, stations, NetCDF and Zarr."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from xsm.blockwise.zarr import write_zarr
from xsm.conventions.encoding import without_layout
from xsm.errors import InputError, MissingPackageError
from xsm.insitu import open_ismn, open_stations
from xsm.opening.open_record import open_record
from xsm.opening.sources import list_sources

DAYS_PER_CHUNK, CELLS_PER_CHUNK = 30, 100
MERGE: dict[str, Any] = {
    "combine_attrs": "drop_conflicts",
    "compat": "no_conflicts",
    "join": "outer",
}
NETCDF = (".nc", ".nc4")
STORES = (".zarr", *NETCDF)


def check_output(path: Path, *, overwrite: bool, suffixes: Sequence[str] = STORES) -> None:
    """Refuse an output that cannot be written, before any work.

    `suffixes` are those that the command can write.

    Raises
    ------
    InputError
        If the suffix is unknown, the folder does not exist, or a NetCDF file exists and `overwrite`
        is False. A Zarr store that exists is resumed.
    MissingPackageError
        If the output is Zarr and dask or zarr is not installed.
    """
    if path.suffix not in suffixes:
        raise InputError(
            f"--output {str(path)!r}: expected a name that ends in {' or '.join(suffixes)}."
        )
    if not path.absolute().parent.is_dir():
        raise InputError(f"--output {str(path)!r}: the folder {path.parent} does not exist.")
    if path.suffix != ".zarr" and path.exists() and not overwrite:
        raise InputError(f"--output {str(path)!r} exists: use --overwrite, or another name.")
    if path.suffix == ".zarr" and not (find_spec("dask") and find_spec("zarr")):
        raise MissingPackageError(
            f"--output {str(path)!r} needs dask and zarr: pip install 'xsm[dask]'."
        )


def check_report(path: Path) -> None:
    """Refuse a report whose folder does not exist, before any work."""
    if not path.absolute().parent.is_dir():
        raise InputError(f"--report {str(path)!r}: the folder {path.parent} does not exist.")


def read_record(paths: Sequence[str], arguments: Any, *, lazy: bool = False) -> xr.Dataset:
    """The daily record in files; in memory, or, if `lazy`, in chunks of days."""
    ds = open_record(
        list(paths),
        arguments.product,
        quality=None if arguments.quality == "none" else arguments.quality,
        overpass=arguments.overpass,
        var=arguments.var,
        chunks={} if lazy else None,
    )
    if not lazy:
        return ds
    # a file a day is a chunk a day: too small for a network that uses nine days
    return _in_chunks(ds, arguments.chunks or {"time": DAYS_PER_CHUNK})


def read_predictors(paths: Sequence[str], chunks: Mapping[str, int] | None) -> xr.Dataset:
    """Predictors in files or stores, merged; lazy, with the days of a cell together.

    Raises
    ------
    InputError
        If there is no such file, or the files cannot be merged.
    """
    lazy: dict[str, Any] = {"chunks": {}} if find_spec("dask") else {}
    try:
        parts = [
            xr.open_dataset(source.location, engine="zarr" if source.zarr else None, **lazy)
            for source in list_sources(list(paths))
        ]
        ds = parts[0] if len(parts) == 1 else xr.merge(parts, **MERGE)
    except (OSError, ValueError) as error:
        raise InputError(f"the predictors {list(paths)} cannot be opened: {error}") from error
    if not find_spec("dask"):
        return ds
    whole = {dim: -1 if _is_time(ds, dim) else CELLS_PER_CHUNK for dim in ds.dims}
    return _in_chunks(ds, chunks or whole)


def _in_chunks(ds: xr.Dataset, chunks: Mapping[Any, int]) -> xr.Dataset:
    if strange := [dim for dim in chunks if dim not in ds.dims]:
        raise InputError(
            f"--chunks: {strange} are no dimensions: expected some of {list(ds.dims)}."
        )
    return ds.chunk(chunks)


def read_references(arguments: Any) -> Any:
    """What ``xsm validate`` compares with: None, stations, a product, or two of these."""
    positions = arguments.metadata
    references = [open_stations(table, metadata=positions) for table in arguments.stations or ()]
    references += [open_ismn(path) for path in arguments.ismn or ()]
    stations = [references] if len(references) > 1 else references
    products = [open_record(paths, chunks=None) for paths in arguments.reference or ()]
    match [*products, *stations]:
        case []:
            return None
        case [one]:
            return one
        case several:
            return tuple(several)


def write(result: xr.Dataset, path: Path, *, overwrite: bool) -> None:
    """Write a result; a Zarr store region by region, so that the same command resumes it.

    Parameters
    ----------
    result : Dataset
    path : Path
        Ends in .zarr or .nc, see `check_output`.
    overwrite : bool
        Replace a Zarr store instead of resuming it.
    """
    if path.suffix == ".zarr":
        try:
            write_zarr(result, path, mode="overwrite" if overwrite else "resume")
        except InputError as error:
            raise InputError(str(error).replace("mode='overwrite'", "--overwrite")) from error
        return
    # complete or absent: a name that is not the output's until all is written
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        without_layout(result).load().to_netcdf(partial, engine="netcdf4")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def show(text: str) -> None:
    """A text for the reader of the terminal."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def _is_time(ds: xr.Dataset, dim: Any) -> bool:
    return isinstance(ds.indexes.get(dim), pd.DatetimeIndex | xr.CFTimeIndex)
