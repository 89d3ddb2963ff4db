"""How many blocks of work run at once in a process, and with how many threads of the kernels.

A scheduler may have many more threads than there are processors. A network uses several threads of
its own, so blocks beyond what the processors can work on would only take memory: they wait before
they read their input.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from os import cpu_count
from threading import BoundedSemaphore
from typing import Any


@contextmanager
def network_slot() -> Iterator[None]:
    """Wait until a block of a network may run; its kernels use the threads of this worker."""
    from xsm_kernels import limit_threads, thread_count

    threads = min(worker_threads() or thread_count(), thread_count())
    with _slots(max(processors() // threads, 1)), limit_threads(threads):
        return_free_memory()
        yield


@contextmanager
def processor_slot() -> Iterator[None]:
    """Wait until a block of work of one thread may run."""
    with _slots(processors(), "processor"):
        yield


def in_processor_slot(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function inside :func:`processor_slot`."""
    with processor_slot():
        return function(*args)


def return_free_memory() -> None:
    """Give the system what the allocator of glibc keeps of freed memory; elsewhere nothing.

    Statistics and results that live long lie between others that were freed, and an allocator alone
    returns only what lies at its end.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another system or C library
        return None
    return trim


def worker_threads() -> int | None:
    """Processors that belong to this process alone; None if it has the machine.

    A worker of ``dask.distributed`` has as many as it has threads, a process of a pool has one.
    """
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        try:
            return int(distributed.get_worker().state.nthreads)
        except ValueError:  # not in a task of a worker
            pass
    return None if multiprocessing.parent_process() is None else 1


def processors() -> int:
    """Processors that this process may use."""
    return worker_threads() or cpu_count() or 1


@cache
def _slots(count: int, _kind: str = "network") -> BoundedSemaphore:
    return BoundedSemaphore(count)
