"""How compiled loops are built and run: compiled once, on first use, and run by one thread pool.

Compiled loops release the GIL, so plain threads suffice. The pool is shared: several Dask workers
that call kernels at once queue for the same NUMBA_NUM_THREADS threads and never multiply them, and
no Numba threading layer (some abort on concurrent calls, all add seconds of compilation) starts.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from operator import index
from threading import RLock, local
from typing import Any, TypeVar

from xsm_kernels.errors import ArgumentError

CHUNKS_PER_THREAD = 8

Built = TypeVar("Built")


def compile_once(build: Callable[..., Built]) -> Callable[..., Built]:
    """Decorate a function that builds a compiled loop: it runs once, whichever thread comes first.

    Threads that call it meanwhile wait and receive the same result. `build` takes no argument, or
    hashable ones such as a dtype; it then runs once for each of them.

    A function under ``@njit`` at module level compiles on its first call, once in every thread
    that calls it at that time. To protect it, call it only through a builder that compiles it for
    fixed types, or loads it from the cache on disk (:func:`xsm_kernels.compile_loop`)::

        @njit(nogil=True)
        def _total(values, out, start, stop):
            for i in range(start, stop):
                out[i] = values[i].sum()

        @compile_once
        def total():
            values = types.Array(types.float64, 2, "C", readonly=True)
            out = types.Array(types.float64, 1, "C")
            return compile_loop(_total, types.void(values, out, types.int64, types.int64))

        run_in_threads(total(), len(out), values, out)

    Functions that only compiled code calls need no builder of their own.
    """
    cached, lock = cache(build), RLock()

    @wraps(build)
    def compiled(*args: Hashable) -> Built:
        with lock:
            return cached(*args)

    return compiled


# `is_busy` in the threads of the pool: if they waited for others of the pool, none might be left
_worker = local()
_limit: ContextVar[int | None] = ContextVar("xsm_kernels_threads", default=None)


def thread_count() -> int:
    """Threads that a kernel may use: NUMBA_NUM_THREADS, by default the CPUs of this process.

    Fewer inside :func:`limit_threads`, and 1 inside a function that :func:`run_in_threads` calls.

    Returns
    -------
    int
        1 or more.
    """
    if getattr(_worker, "is_busy", False):
        return 1
    limit = _limit.get()
    return _all_threads() if limit is None else min(limit, _all_threads())


def _all_threads() -> int:
    from numba import config

    return int(config.NUMBA_NUM_THREADS)


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """Let the kernels that this thread calls use no more than `count` threads.

    A context manager: the limit ends with its block. It holds for the thread (and the asyncio task)
    that enters the block; other threads keep theirs. It does not raise NUMBA_NUM_THREADS.

    Parameters
    ----------
    count : int
        1 or more.

    Raises
    ------
    ArgumentError
        `count` is no whole number, or below 1.

    Examples
    --------
    >>> with limit_threads(1):
    ...     thread_count()
    1
    """
    try:
        threads = index(count)
    except TypeError:
        threads = 0
    if threads < 1:
        raise ArgumentError(f"count={count!r}: give a number of threads, 1 or more.")
    token = _limit.set(threads)
    try:
        yield
    finally:
        _limit.reset(token)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    def begin() -> None:
        _worker.is_busy = True

    return ThreadPoolExecutor(threads, thread_name_prefix="xsm_kernels", initializer=begin)


# threads do not survive a fork
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def run_in_threads(function: Callable[..., Any], count: int, *args: Any) -> None:
    """Call ``function(*args, start, stop)`` over ranges that cover ``range(count)``.

    The ranges do not overlap and go to the threads of a pool that all callers share, in any order;
    on one thread (:func:`thread_count`) it is a single call with the whole range. A call inside
    `function` runs on the thread that makes it. Only code that releases the GIL runs at the same
    time as other ranges.

    Parameters
    ----------
    function : callable
        Often a loop from :func:`compile_loop`. It writes its results into `args`, and no range
        writes what another one reads or writes.
    count : int
        0 or more; with 0 nothing is called.
    *args
        Passed on to each call.

    Raises
    ------
    ArgumentError
        `count` is no whole number, or below 0.
    Exception
        The first error of `function`. No further range is begun, and none is running any more.
    """
    try:
        size = index(count)
    except TypeError:
        size = -1
    if size < 0:
        raise ArgumentError(f"count={count!r}: give a number of items, 0 or more.")
    threads = min(thread_count(), size)
    if threads <= 1:
        if size:
            function(*args, 0, size)
        return
    chunks = min(size, threads * CHUNKS_PER_THREAD)
    edges = [size * chunk // chunks for chunk in range(chunks + 1)]
    ranges = iter(list(zip(edges[:-1], edges[1:], strict=True)))

    def work() -> None:
        for start, stop in ranges:  # shared by all threads: each takes the next range
            function(*args, start, stop)

    futures = [_pool(_all_threads()).submit(work) for _ in range(threads)]
    try:
        for future in futures:
            future.result()
    except BaseException:
        # the arrays are the caller's again: no thread writes to them after this
        deque(ranges, maxlen=0)
        wait([future for future in futures if not future.cancel()])
        raise
