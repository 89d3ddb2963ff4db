"""Workers of one thread on this machine that have imported and compiled all, and their memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from benchmarks.scale.block_memory import record
from benchmarks.speed.timing import PeakMemory

_STATE: dict[str, Any] = {}  # of a worker


@contextmanager
def workers(scheduler: str, count: int) -> Iterator[Any]:
    """Processes, or a cluster whose client is yielded; Dask computes with them."""
    import dask

    if scheduler == "processes":
        with ProcessPoolExecutor(count, get_context("spawn")) as pool:
            options: dict[str, Any] = {"pool": pool, "num_workers": count, "chunksize": 1}
            with dask.config.set(scheduler="processes", **options):
                list(pool.map(compile_all, range(2 * count)))
                yield None
        return
    from distributed import Client, LocalCluster

    # the samples of its profiler grow with time, and would be taken for memory of the record
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.run(compile_all)
        yield client


def compile_all(_: int = 0) -> None:
    """Import and compile in this process."""
    import xsm  # noqa: F401

    small = record(40, 20, (12, 12)).sm.gapfill(calibrate=False)
    small.compute(scheduler="synchronous")
    time.sleep(0.2)  # so that another process of a pool takes the next call


def begin() -> None:
    """Begin to measure this process."""
    _STATE["memory"], _STATE["cpu"] = PeakMemory(), time.process_time()


def measured() -> tuple[float, float]:
    """Peak memory (MB of 1e6 bytes) and CPU seconds of this process since :func:`begin`."""
    return _STATE["memory"].megabytes(), time.process_time() - _STATE["cpu"]
