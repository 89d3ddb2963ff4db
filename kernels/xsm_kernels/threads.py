"""One pool of threads for all compiled kernels of the process.

Kernels release the GIL, so plain threads do. The pool is shared: several Dask workers that call
kernels at once queue for the same NUMBA_NUM_THREADS threads and never multiply them, and no
Numba threading layer (some abort on concurrent calls, all add seconds of compilation) is started.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

CHUNKS_PER_THREAD = 8


def thread_count() -> int:
    """Threads a kernel may use: NUMBA_NUM_THREADS, by default the CPUs of this process."""
    from numba import config

    return int(config.NUMBA_NUM_THREADS)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="xsm_kernels")


# threads do not survive a fork
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


def spread(function: Callable[..., Any], count: int, *args: Any) -> None:
    """Call ``function(*args, start, stop)`` over chunks that cover ``range(count)``."""
    threads = min(thread_count(), count)
    if threads <= 1:
        if count:
            function(*args, 0, count)
        return
    chunks = min(count, threads * CHUNKS_PER_THREAD)
    edges = [count * chunk // chunks for chunk in range(chunks + 1)]
    turns = iter(list(zip(edges[:-1], edges[1:], strict=True)))

    def work() -> None:
        for start, stop in turns:  # of all threads together: each takes the next
            function(*args, start, stop)

    futures = [_pool(thread_count()).submit(work) for _ in range(threads)]
    for future in futures:
        future.result()
