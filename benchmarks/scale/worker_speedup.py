"""Time by number of workers: of blocks that wait, of blocks that compute, and of the machine.

Two processors need not be twice as fast as one: they may share a core, its caches or a quota. So
chunks that take their time to be read, as from a slow disk, show how well work is spread, and two
processes that know nothing of each other show what the machine can do.

``python -m benchmarks.scale.worker_speedup SCHEDULER CALL WORKERS WAITING`` measures once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.scale.block_memory import ONE_THREAD, fresh_process, record
from benchmarks.scale.graph_sizes import lazy_predictors

MODULE = "benchmarks.scale.worker_speedup"
DAYS, CHUNK = 240, 30
SECONDS_TO_READ = 0.25  # a chunk, where blocks wait
WAITING_CELLS = (8, 8)
COMPUTING_CELLS = (60, 120)
SCHEDULERS = ("processes", "distributed")
CALLS = ("write_zarr", "compute", "to_zarr", "estimate")
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


def timed(scheduler: str, call: str, workers: int, waiting: bool) -> float:
    """Seconds of one call; the scheduler "synchronous" has one worker, this process."""
    import dask

    import xsm
    from benchmarks.scale import local_cluster

    if call == "estimate":
        ds = lazy_predictors((60, 64, 4), (60, 4, 4))
        lazy = (slow(ds, SECONDS_TO_READ) if waiting else ds).sm.estimate()
    else:
        ds = record(DAYS, CHUNK, WAITING_CELLS if waiting else COMPUTING_CELLS)
        lazy = (slow(ds, SECONDS_TO_READ) if waiting else ds).sm.gapfill(calibrate=False)
    ready: Any = local_cluster.workers(scheduler, workers)
    if scheduler == "synchronous":
        local_cluster.compile_all()
        ready = nullcontext()
        dask.config.set(scheduler="synchronous")
    with ready, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "filled.zarr"
        calls = {
            "write_zarr": partial(xsm.write_zarr, lazy, path, progress=False),
            "estimate": partial(xsm.write_zarr, lazy, path, progress=False),
            "to_zarr": partial(lazy.to_zarr, path),
            "compute": lazy.compute,
        }
        begin = time.perf_counter()
        calls[call]()
        return time.perf_counter() - begin


def of_machine(processes: int) -> float:
    """Mean seconds of one fill in each of some processes at once."""
    arguments = ["synchronous", "write_zarr", "1", "computing"]
    command = [sys.executable, "-W", "ignore", "-m", MODULE, *arguments]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    return float(np.mean([json.loads(p.communicate()[0].splitlines()[-1]) for p in running]))


def measure() -> dict[str, list[dict[str, Any]]]:
    """Seconds by number of workers: medians of interleaved rounds, and of single waiting runs."""
    once = partial(fresh_process, MODULE, **ONE_THREAD)
    waiting = [
        {
            "scheduler": scheduler,
            "call": call,
            "seconds": {str(n): once(scheduler, call, n, "waiting") for n in WORKERS},
        }
        for call in CALLS
        for scheduler in SCHEDULERS
    ]
    runs: dict[str, dict[str, list[float]]] = {
        name: {str(n): [] for n in WORKERS} for name in (*SCHEDULERS, "machine")
    }
    for _ in range(ROUNDS):
        for n in WORKERS:
            for scheduler in SCHEDULERS:
                seconds = once(scheduler, "write_zarr", n, "computing")
                runs[scheduler][str(n)].append(seconds)
            # n fills in the time of n processes are one in the n-th part of it
            runs["machine"][str(n)].append(of_machine(n) / n)
    computing = [
        {
            "scheduler": name,
            "call": "write_zarr",
            "seconds": {n: float(np.median(times)) for n, times in of_runs.items()},
        }
        for name, of_runs in runs.items()
    ]
    return {"waiting": waiting, "computing": computing}


if __name__ == "__main__":
    scheduler, call, workers, waiting = sys.argv[1:]
    print(json.dumps(timed(scheduler, call, int(workers), waiting == "waiting")))
