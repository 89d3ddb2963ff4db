"""Peak memory of ``xsm.gapfill`` beyond its input and output: a month against a year.

``python -m benchmarks.speed.memory [--days 30 365] [--threads 2]`` fills records of both lengths,
in memory, and on Dask from one Zarr store into another, each in a process of its own, and writes
``benchmarks/results/speed_memory.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.skill.provenance import finite, provenance
from benchmarks.skill.records import ROOT
from benchmarks.speed import THREAD_VARIABLES

RESULTS = ROOT / "benchmarks" / "results"
PATHS = ("memory", "dask")
CHUNKS = {"time": 30, "lat": 100, "lon": 100}


def record(days: int, rows: int, columns: int) -> Any:
    """Noise under swaths: three of eight columns are missing, others every day."""
    from benchmarks.speed.endtoend import labelled

    noise = np.random.default_rng(0).standard_normal((days, rows, columns), np.float32)
    noise *= np.float32(0.05)
    noise += np.float32(0.25)
    for day in range(days):
        noise[day, :, (np.arange(columns) + 13 * day) % 64 < 24] = np.nan
    return labelled(noise, 0.25)


def fill(path: str, days: int, cells: tuple[int, int], threads: int) -> dict[str, Any]:
    """Fill one record in this process; what it took beyond input and output, MB of 1e6 bytes."""
    import xsm
    from benchmarks.speed.timing import PeakMemory

    data = record(days, *cells)
    few, size = data[:10, :8, :8].copy(), data.nbytes
    if path == "dask":
        import dask

        dask.config.set(scheduler="threads", num_workers=threads)
    xsm.gapfill(few, progress=False)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        if path == "dask":  # as users do; .load() would join all chunks of the output at the end
            source, target = f"{folder}/source", f"{folder}/target"
            data.chunk(CHUNKS).to_zarr(source, consolidated=False)
            data = xr.open_zarr(source, consolidated=False)[data.name]
            xsm.gapfill(few.chunk(), progress=False).load()  # imports what Dask needs
        memory, begin = PeakMemory(), time.perf_counter()
        filled = xsm.gapfill(data, progress=False)
        if path == "dask":
            filled.to_zarr(target, consolidated=False)
        seconds, peak = time.perf_counter() - begin, memory.megabytes()
        known = xr.open_zarr(target, consolidated=False) if path == "dask" else filled
        share = float(np.isfinite(known[data.name]).mean())
    if peak is None:
        raise SystemExit("this system does not tell the peak memory of a process")
    output = 0.0
    if path == "memory":
        output = sum(filled[name].nbytes for name in filled.data_vars) / 1e6
    return {
        "path": path, "days": days, "input_mb": size / 1e6, "output_mb": output,
        "extra_mb": peak - output, "seconds": seconds, "filled": share,
    }  # fmt: skip


def measure(days: list[int], cells: tuple[int, int], threads: int, repeats: int) -> dict[str, Any]:
    """Rows by path and length, the run of median memory of each, and how far the lengths differ."""
    rows = []
    for path in PATHS:
        for length in days:
            runs = [_in_a_process(path, length, cells, threads) for _ in range(repeats)]
            rows.append(sorted(runs, key=lambda run: run["extra_mb"])[(len(runs) - 1) // 2])
    extra = {(row["path"], row["days"]): row["extra_mb"] for row in rows}
    grown = {path: extra[path, max(days)] / extra[path, min(days)] - 1 for path in PATHS}
    return {"cells": list(cells), "repeats": repeats, "rows": rows, "difference": grown}


def _in_a_process(path: str, days: int, cells: tuple[int, int], threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.speed.memory", "--only", path]
    command += ["--days", str(days), "--cells", *map(str, cells), "--threads", str(threads)]
    env = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"filling {days} days ({path}) failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=[30, 365])
    parser.add_argument("--cells", type=int, nargs=2, default=[200, 300], help="rows, columns")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "speed_memory.json")
    parser.add_argument("--only", choices=PATHS, help="one record, in this process")
    chosen = parser.parse_args(arguments)
    cells = chosen.cells[0], chosen.cells[1]
    if chosen.only:
        print(json.dumps(fill(chosen.only, chosen.days[0], cells, chosen.threads)))
        return
    found = measure(chosen.days, cells, chosen.threads, chosen.repeats)
    result = provenance(["default"]) | {"threads": chosen.threads} | found
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(finite(result), indent=1) + "\n")
    for row in result["rows"]:
        print(f"{row['path']:8} {row['days']:4} days {row['extra_mb']:8.1f} MB beyond both")
    print({path: f"{100 * share:+.1f} %" for path, share in result["difference"].items()})


if __name__ == "__main__":
    main()
