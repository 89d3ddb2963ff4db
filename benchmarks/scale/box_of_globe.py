"""A box of ten degrees from Zarr to Zarr, and what the globe would cost at that rate.

``python -m benchmarks.scale.box_of_globe NAME`` measures one box. The globe is an extrapolation:
the CPU seconds of the box for each cell and year, times the land cells of the globe, over the
processors of some nodes, or the blocks of work where these are fewer. Reading from a common disk
and waiting are not in it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.scale.block_memory import ONE_THREAD, fresh_process, record

WORKERS = 2
# days, cells, chunks in days; cells of the globe, and its blocks of work in the chunks of the page
BOXES: dict[str, tuple[int, tuple[int, int], int, int, int]] = {
    "a year at 0.05 degrees": (365, (200, 200), 30, 3600 * 7200, 468),
    "forty years at 0.25 degrees": (14_610, (40, 40), 365, 720 * 1440, 410),
}
LAND = 0.29  # of the globe; cells never observed cost little
PROCESSORS = 16  # of a node
NODES = (1, 10, 100)


def fill_box(name: str) -> dict[str, Any]:
    """Seconds, CPU seconds and peak memory per worker of a box."""
    import xarray as xr

    import xsm
    from benchmarks.scale import local_cluster

    days, cells, chunk, of_globe, blocks = BOXES[name]
    with tempfile.TemporaryDirectory() as folder:
        source, path = (Path(folder) / f"{part}.zarr" for part in ("source", "filled"))
        record(days, chunk, cells).to_zarr(source)
        ds = xr.open_zarr(source)
        with local_cluster.workers("distributed", WORKERS) as client:
            client.run(local_cluster.begin)
            local_cluster.begin()
            begin = time.perf_counter()
            xsm.write_zarr(ds.sm.gapfill(calibrate=False), path, progress=False)
            seconds = time.perf_counter() - begin
            of_workers = list(client.run(local_cluster.measured).values())
            here = local_cluster.measured()
        cpu_seconds = sum(cpu for _, cpu in [*of_workers, here])
        with xr.open_zarr(path) as filled:
            missing = int(filled["sm"].isnull().sum())
    total = cells[0] * cells[1]
    whole = cpu_seconds / total * of_globe * LAND
    return {
        "name": name,
        "days": days,
        "cells": list(cells),
        "chunk_days": chunk,
        "workers": WORKERS,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "worker_peak_mb": max(peak for peak, _ in of_workers),
        "client_peak_mb": here[0],
        "cpu_ms_per_cell_and_year": 1000 * cpu_seconds / total / (days / 365.25),
        "cpu_us_per_value": 1e6 * cpu_seconds / total / days,
        "values_left_missing": missing,
        "globe_cpu_hours": whole / 3600,
        "globe_blocks": blocks,  # more processors than these gain nothing
        "globe_minutes_by_nodes": {str(n): whole / 60 / min(n * PROCESSORS, blocks) for n in NODES},
        "processors_per_node": PROCESSORS,
        "land_fraction": LAND,
    }


def measure() -> list[dict[str, Any]]:
    """All boxes, each in processes of its own."""
    return [fresh_process("benchmarks.scale.box_of_globe", name, **ONE_THREAD) for name in BOXES]


if __name__ == "__main__":
    print(json.dumps(fill_box(sys.argv[1])))
