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


def trial(delay: float, kills: int = 1) -> bool:
    """Kill a writer `delay` seconds after it began, `kills` times; whether the end is right."""
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
            time.sleep(delay)
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
            writer.stdout.close()
        xsm.write_zarr(dataset(), path, progress=False)
        with xr.open_zarr(path) as written:
            return bool(written.load().identical(dataset().load()))


def measure(trials: int, seed: int = 0) -> dict[str, int]:
    """How many of some trials ended right; every second one is killed twice."""
    rng = random.Random(seed)
    good = sum(trial(rng.uniform(0.0, 1.2), 1 + n % 2) for n in range(trials))
    return {"trials": trials, "identical": good}


if __name__ == "__main__":
    import xsm

    writing = dataset(SECONDS_PER_BLOCK)
    print("ready", flush=True)
    xsm.write_zarr(writing, sys.argv[1], region_dims=("time", "lat", "lon"), progress=False)
