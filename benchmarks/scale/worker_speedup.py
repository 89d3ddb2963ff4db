"""Time by number of workers: of blocks that wait, of blocks that compute, and of the machine.

Two processors need not be twice as fast as one: they may share a core, its caches or a quota. So
a fill whose chunks take their time to be read, as from a slow disk, shows how well work is spread;
and two fills in two processes that know nothing of each other show what the machine can do.

``python -m benchmarks.scale.worker_speedup SCHEDULER HOW WORKERS WAITING`` measures once.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import xarray as xr

from benchmarks.scale.block_memory import record

DAYS, CHUNK = 240, 30
SECONDS_TO_READ = 0.25  # a chunk, where blocks wait
WAITING_CELLS = (8, 8)
COMPUTING_CELLS = (60, 120)
SCHEDULERS = ("processes", "distributed")
CALLS = ("write_zarr", "compute", "to_zarr")
WORKERS = (1, 2)
ROUNDS = 3


def _slowly(block: Any, seconds: float) -> Any:
    time.sleep(seconds)
    return block


def slow(ds: xr.Dataset, seconds: float) -> xr.Dataset:
    """`ds` whose chunks take a while to be read."""

    def slowly(da: xr.DataArray) -> xr.DataArray:
        if da.chunks is None:
            return da
        blocks = da.data.map_blocks(_slowly, seconds, dtype=da.dtype, meta=da.data._meta)
        return da.copy(data=blocks)

    return ds.map(slowly)


@contextmanager
def _workers(scheduler: str, count: int) -> Iterator[None]:
    """Workers of one thread that have imported and compiled all."""
    import dask

    if scheduler == "processes":
        with ProcessPoolExecutor(count, get_context("spawn")) as pool:
            options: dict[str, Any] = {"pool": pool, "num_workers": count, "chunksize": 1}
            with dask.config.set(scheduler="processes", **options):
                list(pool.map(_imported, range(2 * count)))
                yield
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(_imported, 0)
        yield


def _imported(_: int) -> None:
    """Import and compile in this process."""
    import xsm  # noqa: F401

    record(40, 20, (12, 12)).sm.gapfill(calibrate=False).compute(scheduler="synchronous")
    time.sleep(0.2)


def _predictors() -> xr.Dataset:
    from benchmarks.scale.graph_sizes import lazy_predictors

    return lazy_predictors((60, 64, 4), (60, 4, 4))


def timed(scheduler: str, how: str, workers: int, waiting: bool) -> float:
    """Seconds of one fill."""
    import xsm

    if how == "estimate":
        lazy = slow(_predictors(), SECONDS_TO_READ).sm.estimate()
    else:
        ds = record(DAYS, CHUNK, WAITING_CELLS if waiting else COMPUTING_CELLS)
        lazy = (slow(ds, SECONDS_TO_READ) if waiting else ds).sm.gapfill(calibrate=False)
    with _workers(scheduler, workers), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "filled.zarr"
        calls = {
            "write_zarr": partial(xsm.write_zarr, lazy, path, progress=False),
            "estimate": partial(xsm.write_zarr, lazy, path, progress=False),
            "to_zarr": partial(lazy.to_zarr, path),
            "compute": lazy.compute,
        }
        begin = time.perf_counter()
        calls[how]()
        return time.perf_counter() - begin


if __name__ == "__main__":
    scheduler, how, workers, waiting = sys.argv[1:]
    print(json.dumps(timed(scheduler, how, int(workers), waiting == "waiting")))
