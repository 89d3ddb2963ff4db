"""Files that later processes can use again: where they lie, and how they are written and read.

``XSM_CACHE_DIR`` moves the folder, ``XSM_CACHE=0`` turns it off. A file has a checksum and is
written under another name first: processes that start together never see half a file. Failure to
write is no error, so a home that is read-only costs time alone. Whoever can write to the folder can
run code as its user, as with any cache of compiled code.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

logger = logging.getLogger(__name__)


def cache_folder() -> Path | None:
    """Folder for what later processes can use again; None if there is to be none.

    ``XSM_CACHE_DIR``, else ``xsm`` in the folder for caches of this user (``XDG_CACHE_HOME``, by
    default ``~/.cache``; ``~/Library/Caches``; ``%LOCALAPPDATA%``). It is not created.

    Returns
    -------
    Path or None
        None with ``XSM_CACHE=0``, and where the user has no home directory.
    """
    if os.environ.get("XSM_CACHE") == "0":
        return None
    try:
        if folder := os.environ.get("XSM_CACHE_DIR"):
            return Path(folder).expanduser().absolute()
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "xsm"
        if folder := os.environ.get("XDG_CACHE_HOME"):
            return Path(folder) / "xsm"
        return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "xsm"
    except RuntimeError:  # no home directory
        return None


def from_disk(name: str, make: Callable[[], bytes]) -> bytes:
    """What an earlier process has stored under this name, or what `make` returns.

    Parameters
    ----------
    name : str
        Of the file. It holds all that the content depends on, such as a version.
    make : callable
        Called if there is no such file, or if it has changed since it was written.

    Returns
    -------
    bytes
        The same whether or not it could be stored.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    try:
        return read_checked(folder / name)
    except (OSError, ValueError) as error:
        logger.debug("%s is made anew: %r", name, error)
    content = make()
    try:
        write_checked(folder / name, content)
    except OSError as error:
        logger.debug("%s is not stored: %r", name, error)
    return content


def read_checked(path: Path) -> bytes:
    """Content of a file that :func:`write_checked` wrote; ValueError if it has changed."""
    content = path.read_bytes()
    payload = content[32:]
    if hashlib.sha256(payload).digest() != content[:32]:
        raise ValueError(f"{path.name} does not have its checksum")
    return payload


def write_checked(path: Path, payload: bytes) -> None:
    """Write a file with a checksum, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(hashlib.sha256(payload).digest() + payload)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
