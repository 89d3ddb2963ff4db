"""Stores of Zarr: opened by path or URL, their consolidated metadata, the end of their writes."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from xsm.blockwise.icechunk_store import committing_store, is_repository
from xsm.errors import InputError, MissingPackageError

LOCAL = ("file://", "local://")  # URLs of folders
LONGEST_WRITE = 60.0  # seconds to wait for writes after an error


def open_store(path: Any, storage_options: Mapping[str, Any] | None) -> tuple[Any, Any]:
    """What to return, and the store of Zarr, which can be written to and read meanwhile.

    Raises
    ------
    InputError, MissingPackageError
    """
    given, store = _opened(path, storage_options)
    from zarr.storage import ZipStore

    if store.read_only:
        raise InputError(f"path={str(path)!r} is a store for reading only: open it for writing.")
    if isinstance(store, ZipStore) or (isinstance(given, Path) and _is_archive(given)):
        raise InputError(
            f"path={str(path)!r} is an archive, in which nothing can be replaced: write to a "
            "folder and pack that, such as with shutil.make_archive(name, 'zip', folder)."
        )
    return given, store


def _is_archive(path: Path) -> bool:
    return path.is_file() and is_zipfile(path)


def _opened(path: Any, storage_options: Mapping[str, Any] | None) -> tuple[Any, Any]:
    from zarr.abc.store import Store

    if isinstance(path, Store):
        return path, path
    if is_repository(path):
        return path, committing_store(path)
    if not isinstance(path, str | Path) or "\0" in str(path):
        raise InputError(f"path={path!r}: expected a folder, a URL or a store of Zarr.")
    if storage_options is not None and not isinstance(storage_options, Mapping):
        raise InputError(f"storage_options={storage_options!r}: expected a mapping.")
    text = str(path)
    if isinstance(path, Path) or "://" not in text:
        return Path(path), local_store(Path(path))
    from zarr.storage import FsspecStore

    if text.startswith(LOCAL):
        local = Path(_local_path(text))
        return local, local_store(local)
    try:
        return text, FsspecStore.from_url(text, storage_options=dict(storage_options or {}))
    except ImportError as error:
        raise MissingPackageError(
            f"path={text!r} needs the package of its file system: {error}."
        ) from error
    except ValueError as error:
        raise InputError(
            f"path={text!r}: {error}. Expected a folder, or a URL that fsspec knows."
        ) from error


def _local_path(url: str) -> str:
    """The path in a URL of a folder.

    >>> _local_path("file:///data/out.zarr"), _local_path("local://out.zarr")
    ('/data/out.zarr', 'out.zarr')
    """
    path = url.partition("://")[2]
    return path[1:] if path[2:3] == ":" else path  # /C:/data of Windows


def local_store(path: Path) -> Any:
    from zarr.storage import LocalStore

    return LocalStore(path)


def _takes_consolidated(store: Any) -> bool:
    return getattr(store, "supports_consolidated_metadata", True)


def is_consolidated(store: Any) -> bool:
    """Whether the metadata of all variables are in one place, or the store has no such place."""
    import zarr

    if not _takes_consolidated(store):
        return True
    return zarr.open_group(store, mode="r").metadata.consolidated_metadata is not None


def consolidate(store: Any) -> None:
    """Gather the metadata of all variables in one place, as xarray's own stores have them."""
    import zarr

    if not _takes_consolidated(store):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that format 3 does not know of it yet
        zarr.consolidate_metadata(store)


def finish_writes() -> None:
    """Wait until the writes that Zarr has begun are done.

    Zarr writes several files at a time. If one write fails, it raises the error while the others
    go on, and a file could appear under the next call.
    """
    from zarr.core.sync import sync

    async def wait() -> None:
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=LONGEST_WRITE)

    sync(wait())
