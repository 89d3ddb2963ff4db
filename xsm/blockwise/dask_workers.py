"""Who computes what Dask is given: how many workers there are, and work for all of them at once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

QUEUED = 2  # values for each worker of a cluster: one is computed, one waits; more workers may come


def cluster_client() -> Any:
    """The client of ``dask.distributed`` that Dask computes with; None if there is none."""
    from dask import config

    distributed, scheduler = sys.modules.get("distributed"), config.get("scheduler", None)
    if distributed is None:
        return None
    if isinstance(scheduler, distributed.Client):
        return scheduler
    if scheduler not in (None, "distributed", "dask.distributed"):
        return None
    try:
        return distributed.get_client()
    except ValueError:  # there is no client
        return None


def worker_count() -> int:
    """Chunks that Dask computes at a time, in this process or on the cluster in use."""
    from dask import config
    from dask.system import CPU_COUNT

    client = cluster_client()
    if client is not None:
        return max(sum(client.nthreads().values()), 1)
    if config.get("scheduler", None) in ("synchronous", "sync", "single-threaded"):
        return 1
    return min(config.get("num_workers", None) or CPU_COUNT, CPU_COUNT)


@contextmanager
def one_pool() -> Iterator[dict[str, Any]]:
    """Options of ``dask.compute`` by which several calls, also at once, share their workers.

    Dask would start processes for each call, and threads for each thread that calls it.
    """
    from dask import config
    from dask.system import CPU_COUNT

    scheduler = config.get("scheduler", None)
    count = config.get("num_workers", None) or CPU_COUNT
    given = config.get("pool", None)
    with ExitStack() as stack:
        if cluster_client() is not None:
            options = {}
        elif scheduler in ("processes", "multiprocessing"):
            context = get_context(config.get("multiprocessing.context", "spawn"))
            pool = given or stack.enter_context(ProcessPoolExecutor(count, context))
            # a process would be handed six tasks, and return nothing before the last
            options = {"pool": pool, "chunksize": 1}
        elif scheduler in (None, "threads", "threading"):
            pool = given or stack.enter_context(ThreadPoolExecutor(count, "xsm-dask"))
            options = {"pool": pool}
        else:
            options = {}
        yield options


def compute_each(values: Iterable[Any], options: Mapping[str, Any]) -> Iterator[tuple[int, Any]]:
    """Number and result of delayed values, as they are there.

    They are begun in their order, as many as there are workers, and each is taken from `values`
    when it is begun. If one fails, those that run are finished and yielded before the error is
    raised.

    Parameters
    ----------
    values : iterable of dask.delayed
    options : mapping
        Of :func:`one_pool`.
    """
    from dask.base import compute

    if cluster_client() is None and worker_count() == 1:
        for n, value in enumerate(values):
            yield n, compute(value, **options)[0]
        return
    remaining = enumerate(values)
    running: dict[Any, int] = {}
    failure: Exception | None = None
    with _submission(options) as (submit, wait, limit):
        try:
            while True:
                while failure is None and len(running) < limit():
                    n, value = next(remaining, (-1, None))
                    if value is None:
                        break
                    running[submit(value)] = n
                if not running:
                    break
                for future in wait(list(running), return_when="FIRST_COMPLETED").done:
                    n = running.pop(future)
                    try:
                        result = future.result()
                    except Exception as error:
                        failure = failure or error
                    else:
                        yield n, result
        finally:
            for future in running:
                future.cancel()
    if failure is not None:
        raise failure


@contextmanager
def _submission(
    options: Mapping[str, Any],
) -> Iterator[tuple[Callable[[Any], Any], Callable[..., Any], Callable[[], int]]]:
    """How to begin a delayed value, to wait for some, and how many to begin."""
    client = cluster_client()
    if client is not None:
        from distributed import wait

        yield partial(_begin_on_cluster, client, {}), wait, lambda: QUEUED * worker_count()
        return
    from concurrent.futures import wait as wait_for

    count = worker_count()
    with ThreadPoolExecutor(count, "xsm-compute") as pool:
        yield partial(_begin, pool, options), wait_for, lambda: count


def _begin_on_cluster(client: Any, placed: dict[Any, str], value: Any) -> Any:
    """Begin a value on the worker that has fewest; `placed` has the worker of each future.

    The scheduler would send all to the worker that holds what they share.
    """
    for future in [future for future in placed if future.done()]:
        del placed[future]
    threads, given = client.nthreads(), Counter(placed.values())
    worker = min(threads, key=lambda name: given[name] / threads[name], default=None)
    wanted = None if worker is None else [worker]
    future = client.compute(value, workers=wanted, allow_other_workers=True)
    if worker is not None:
        placed[future] = worker
    return future


def _begin(pool: Executor, options: Mapping[str, Any], value: Any) -> Any:
    return pool.submit(value.compute, **options)
