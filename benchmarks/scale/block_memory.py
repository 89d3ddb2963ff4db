"""Peak memory and time of a lazy fill, by length of the record, chunks, threads and processes.

``python -m benchmarks.scale.block_memory DAYS CHUNK WORKERS SCHEDULER`` measures in this process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

CELLS = (60, 120)
MEMORY = ((30, 30), (180, 30))  # days, chunk
DAYS, CHUNK = 180, 30  # of the runs by threads and by processes
THREADS = (1, 32)
ONE_THREAD = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
WORKERS = (1, 2)


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
    """Seconds and peak memory (MB of 1e6 bytes) of one fill into a store, in this process."""
    import dask

    import xsm
    from benchmarks.speed.timing import PeakMemory

    ds = record(days, chunk)
    options: dict[str, Any] = {"scheduler": scheduler, "num_workers": workers}
    if scheduler == "processes":  # one pool for all regions; Dask would start one for each
        options["pool"] = ProcessPoolExecutor(workers, get_context("spawn"))
    small = record(40, 20).isel(lat=slice(12), lon=slice(12))
    with dask.config.set(options):  # imports and compiles in all workers
        small.sm.gapfill(calibrate=False).compute()
    with tempfile.TemporaryDirectory() as folder:
        filled = ds.sm.gapfill(calibrate=False)
        memory, begin = PeakMemory(), time.perf_counter()
        with dask.config.set(options):
            xsm.write_zarr(filled, Path(folder) / "filled.zarr", progress=False)
        seconds = time.perf_counter() - begin
    return {
        "days": days,
        "chunk_days": chunk,
        "workers": workers,
        "scheduler": scheduler,
        "seconds": seconds,
        "peak_mb": memory.megabytes(),
    }


def fresh_process(*arguments: Any, **environment: str) -> dict[str, Any]:
    """:func:`fill` in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", __name__, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure() -> dict[str, list[dict[str, Any]]]:
    """Memory by length of the record, memory by threads, and time by processes."""
    one_thread = {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {
        "length": [fresh_process(*row, 2, "threads") for row in MEMORY],
        "threads": [fresh_process(DAYS, CHUNK, n, "threads") for n in THREADS],
        "workers": [fresh_process(DAYS, CHUNK, n, "processes", **one_thread) for n in WORKERS],
    }


if __name__ == "__main__":
    days, chunk, workers = map(int, sys.argv[1:4])
    print(json.dumps(fill(days, chunk, workers, sys.argv[4])))
