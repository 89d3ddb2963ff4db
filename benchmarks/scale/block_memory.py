"""Peak memory and time of a lazy fill, by length of the record, threads and workers.

``python -m benchmarks.scale.block_memory DAYS CHUNK WORKERS SCHEDULER`` measures in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

CELLS = (60, 120)
MEMORY = ((30, 30), (365, 30), (2190, 30))  # days, chunk
DAYS, CHUNK = 180, 30  # of the runs by threads
THREADS = (1, 32)
ONE_THREAD = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
TRIM = {"MALLOC_TRIM_THRESHOLD_": "65536"}  # as Dask sets it for its workers: free memory goes back


def record(days: int, chunk: int, cells: tuple[int, int] = CELLS) -> xr.Dataset:
    """Half of noise around a seasonal cycle; each chunk is made when it is read."""
    import dask.array as da

    def load(block_info: Any = None) -> Any:
        (first, last), *_ = block_info[None]["array-location"]
        rng = np.random.default_rng(first)
        noise = 0.03 * rng.standard_normal((last - first, *cells), np.float32)
        season = 0.1 * np.sin(np.arange(first, last) / 58, dtype=np.float32)
        values = np.float32(0.25) + season[:, None, None] + noise
        values[rng.random(values.shape, np.float32) < 0.5] = np.nan
        return values

    sizes = da.core.normalize_chunks((chunk,), (days,))[0]
    values = da.map_blocks(load, chunks=(sizes, *((n,) for n in cells)), dtype=np.float32)
    return xr.Dataset(
        {"sm": (("time", "lat", "lon"), values, {"units": "m3 m-3"})},
        {
            "time": np.datetime64("2010-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "lat": 60 - 0.25 * np.arange(cells[0]),
            "lon": 10 + 0.25 * np.arange(cells[1]),
        },
    )


def fill(days: int, chunk: int, workers: int, scheduler: str) -> dict[str, Any]:
    """Seconds and peak memory (MB of 1e6 bytes) of one fill into a store.

    In threads, memory is that of this process; on a cluster, that of the worker that takes most.
    """
    import dask

    import xsm
    from benchmarks.scale import local_cluster

    ds = record(days, chunk)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "filled.zarr"
        with (
            dask.config.set(scheduler="threads", num_workers=workers)
            if scheduler == "threads"
            else local_cluster.workers(scheduler, workers)
        ) as client:
            if scheduler == "threads":
                local_cluster.compile_all()
                local_cluster.begin()
            else:
                client.run(local_cluster.begin)
            begin = time.perf_counter()
            xsm.write_zarr(ds.sm.gapfill(calibrate=False), path, progress=False)
            seconds = time.perf_counter() - begin
            parts = (
                [local_cluster.measured()]
                if scheduler == "threads"
                else client.run(local_cluster.measured).values()
            )
    return {
        "days": days,
        "chunk_days": chunk,
        "workers": workers,
        "scheduler": scheduler,
        "seconds": seconds,
        "peak_mb": max(peak for peak, _ in parts),
    }


def fresh_process(module: str, *arguments: Any, **environment: str) -> Any:
    """What ``python -m module arguments`` prints last, as JSON."""
    command = [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **environment}
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure() -> dict[str, list[dict[str, Any]]]:
    """Memory by length of the record, in threads and on a cluster, and memory by threads."""
    once = partial(fresh_process, "benchmarks.scale.block_memory", **TRIM)
    return {
        "length": [once(*row, 1, "threads", **ONE_THREAD) for row in MEMORY],
        "length_per_worker": [once(*row, 2, "distributed", **ONE_THREAD) for row in MEMORY],
        "threads": [once(DAYS, CHUNK, n, "threads") for n in THREADS],
    }


if __name__ == "__main__":
    days, chunk, workers = map(int, sys.argv[1:4])
    print(json.dumps(fill(days, chunk, workers, sys.argv[4])))
