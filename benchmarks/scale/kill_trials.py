"""A process that writes a store is killed at any moment; the next one finishes it, bit for bit.

``python -m benchmarks.scale.kill_trials FOLDER`` writes; it is what is killed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

SHAPE, CHUNKS = (24, 20, 20), (4, 10, 10)
SECONDS_PER_BLOCK = 0.02
REGION_DIMS = ("time", "lat", "lon")


def dataset(seconds: float = 0.0) -> xr.Dataset:
    """Blocks of noise that take a while."""
    import dask.array as da

    def block(block_info: Any = None) -> Any:
        time.sleep(seconds)
        index = block_info[None]["chunk-location"]
        rng = np.random.default_rng(index)
        return rng.standard_normal(block_info[None]["chunk-shape"], np.float32)

    sizes = tuple((c,) * (n // c) for n, c in zip(SHAPE, CHUNKS, strict=True))
    values = da.map_blocks(block, chunks=sizes, dtype=np.float32, name="noise")
    return xr.Dataset(
        {"sm": (("time", "lat", "lon"), values, {"units": "m3 m-3"})},
        {"time": np.arange(SHAPE[0]), "lat": np.arange(SHAPE[1]), "lon": np.arange(SHAPE[2])},
    )


def regions_written(path: Path) -> int:
    """Regions in the log of a store."""
    from zarr.storage import LocalStore

    from xsm.blockwise.zarr_log import WriteLog

    log = WriteLog(LocalStore(path))
    return int((log.checksums() > 0).sum()) if log.identity else 0


def trial(delay: float, kills: int = 1, after_regions: int = 0) -> bool:
    """Kill a writer, `kills` times, and resume; whether the end is right.

    It is killed `delay` seconds after it began, or after some regions were written.
    """
    import xsm

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.zarr"
        for _ in range(kills):
            writer = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.scale.kill_trials", str(path)],
                stdout=subprocess.PIPE,
            )
            assert writer.stdout is not None
            writer.stdout.readline()  # it is about to write
            while after_regions and regions_written(path) < after_regions:
                time.sleep(0.005)
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        xsm.write_zarr(dataset(), path, region_dims=REGION_DIMS, progress=False)
        with xr.open_zarr(path) as written:
            return bool(written.load().identical(dataset().load()))


def measure(trials: int, seed: int = 0) -> dict[str, int]:
    """How many of some trials ended right; every second one is killed twice."""
    rng = random.Random(seed)
    good = sum(
        trial(rng.uniform(0.0, 0.2), 1 + n % 2, rng.choice([0, 1, 5, 12])) for n in range(trials)
    )
    return {"trials": trials, "identical": good}


if __name__ == "__main__":
    import xsm

    writing = dataset(SECONDS_PER_BLOCK)
    print("ready", flush=True)
    xsm.write_zarr(writing, sys.argv[1], region_dims=REGION_DIMS, progress=False)
