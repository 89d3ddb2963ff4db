"""Which files and stores a user means: paths, folders, globs, lists and zip archives."""

from __future__ import annotations

import atexit
import glob
import logging
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from xsm.conventions.archives import check_room, extract_member
from xsm.errors import InputError

logger = logging.getLogger(__name__)

SUFFIXES = (
    ".nc",
    ".nc4",
    ".nc3",
    ".cdf",
    ".netcdf",
    ".h5",
    ".hdf5",
    ".he5",
    ".hdf",
    ".grib",
    ".grb",
    ".grib2",
    ".grb2",
)
ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")
ACCEPTED = "a file, folder, glob, zip archive or Zarr store, or a list of them"


class Source(NamedTuple):
    """A file or store, or an object that is open already.

    location : path or URL; the xarray object itself where it is open
    name : shown in messages, and searched for the day
    zarr : whether it is a Zarr store
    """

    location: Any
    name: str
    zarr: bool = False


def list_sources(paths: Any) -> list[Source]:
    """The files and stores that `paths` means, those of a folder or glob sorted by name.

    Members of a zip archive are unpacked to a temporary folder, which is removed when Python
    ends.

    Raises
    ------
    InputError
        If a path does not exist, or there is no data file in what was given.
    """
    if isinstance(paths, str | os.PathLike | xr.Dataset | xr.DataTree):
        items: list[Any] = [paths]
    elif isinstance(paths, Iterable):
        items = list(paths)
    else:
        raise InputError(f"paths is a {type(paths).__name__}: expected {ACCEPTED}.")
    sources = [source for item in items for source in _sources_of(item)]
    if not sources:
        raise InputError(f"paths={paths!r} is empty: expected {ACCEPTED}.")
    return sources


def _sources_of(item: Any) -> list[Source]:
    if isinstance(item, xr.Dataset | xr.DataTree):
        root = item if isinstance(item, xr.Dataset) else item.to_dataset()
        source = root.encoding.get("source") or getattr(item, "name", None) or "Dataset"
        return [Source(item, _base_name(str(source)))]
    if not isinstance(item, str | os.PathLike):
        raise InputError(f"paths holds a {type(item).__name__}: expected {ACCEPTED}.")
    text = os.fspath(item)
    if "://" in text:
        return [Source(text, _base_name(text), zarr=text.rstrip("/").endswith(".zarr"))]
    path = Path(text).expanduser()
    if path.exists():
        return _sources_at(path)
    if glob.has_magic(text):
        matches = sorted(glob.glob(os.path.expanduser(text), recursive=True))
        sources = [s for match in matches for s in _sources_at(Path(match), named=False)]
        if sources:
            return sources
        raise InputError(
            f"paths={text!r}: no data file matches this pattern ({len(matches)} other files do). "
            f"Expected files that end in {', '.join(SUFFIXES)}, zip archives or Zarr stores."
        )
    raise InputError(f"paths={text!r} does not exist (in {Path.cwd()}): expected {ACCEPTED}.")


def _sources_at(path: Path, *, named: bool = True) -> list[Source]:
    """What is at an existing path; `named` where the user gave the path itself."""
    if _is_zarr(path):
        return [Source(str(path), path.name, zarr=True)]
    if path.is_dir():
        sources = _in_folder(path)
        if not sources and named:
            names = sorted(other.name for other in path.iterdir())
            raise InputError(
                f"paths={str(path)!r}: the folder contains no data file, only "
                f"{', '.join(names[:5]) or 'nothing'}. Expected files that end in "
                f"{', '.join(SUFFIXES)}, zip archives or Zarr stores. Unpack other archives, and "
                "convert other files to NetCDF."
            )
        return sources
    if path.suffix.lower() == ".zip":
        return _in_archive(path)
    return [Source(str(path), path.name)] if named or _is_data_file(path) else []


def _in_folder(folder: Path) -> list[Source]:
    sources = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() or path.suffix.lower() == ".zip" or _is_data_file(path):
            sources += _sources_at(path, named=False)
    return sources


def _in_archive(path: Path) -> list[Source]:
    try:
        return _unpacked(path)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"paths={str(path)!r} cannot be unpacked: {error}. Download it again, or unpack it "
            "yourself and give the folder."
        ) from error


def _unpacked(path: Path) -> list[Source]:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        marks = [name for name in names if _base_name(name) in ZARR_MARKS]
        members = names if marks else [name for name in names if _is_data_file(Path(name))]
        if not members:
            raise InputError(
                f"paths={str(path)!r}: the archive contains no data file, only "
                f"{', '.join(names[:5]) or 'nothing'}. Expected members that end in "
                f"{', '.join(SUFFIXES)}."
            )
        folder = tempfile.TemporaryDirectory(prefix="xsm-")
        atexit.register(folder.cleanup)
        check_room(archive, members, Path(folder.name))
        for member in members:
            extract_member(archive, member, Path(folder.name))
    logger.info(
        "%d files of %s are unpacked to %s until Python ends", len(members), path, folder.name
    )
    unpacked = Path(folder.name)
    if _is_zarr(unpacked):
        return [Source(str(unpacked), path.name, zarr=True)]
    return _in_folder(unpacked)


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / mark).is_file() for mark in ZARR_MARKS)


def _is_data_file(path: Path) -> bool:
    hidden = path.name.startswith((".", "__"))
    return path.suffix.lower() in SUFFIXES and not hidden


def _base_name(text: str) -> str:
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2]
