"""One writer at a time for a store on a local disk.

The lock is on the folder of the store (``flock``), so it needs no file of its own, and it ends with
the process that holds it, also with a killed one. Where a file system has no locks, there is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from xsm.errors import InputError

_held: set[int] = set()  # file descriptors


@contextmanager
def only_writer(path: Any) -> Iterator[None]:
    """Hold the lock on the folder of a store; other kinds of path have none.

    Raises
    ------
    InputError
        If another process or thread holds it.
    """
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    if not isinstance(path, Path) or (path.exists() and not path.is_dir()):
        yield
        return
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY)
    _held.add(descriptor)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"path={str(path)!r}: another process or thread is writing to it. Wait until it "
                "ends, or choose another path."
            ) from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        _held.discard(descriptor)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child that was just forked
        os.close(descriptor)


def _release_in_child() -> None:
    """A forked child does not hold the lock of its parent."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
