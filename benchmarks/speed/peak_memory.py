"""Peak memory of ``xsm.gapfill`` beyond its input and output: a month against a year.

``python -m benchmarks.speed.peak_memory [--days 30 365] [--threads 2]`` fills records of both
lengths, in memory and on Dask from one Zarr store into another, each in a separate process, and
writes ``benchmarks/results/speed_memory.json``.
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

from benchmarks.provenance import RESULTS, ROOT, provenance, write_result
from benchmarks.speed import THREAD_VARIABLES

MODES = ("memory", "dask")
CHUNKS = {"time": 30, "lat": 100, "lon": 100}


def record(days: int, rows: int, columns: int) -> Any:
    """Noise under swaths: three of eight columns are missing, different ones every day."""
    from benchmarks.speed.gapfill_timing import labelled

    noise = np.random.default_rng(0).standard_normal((days, rows, columns), np.float32)
    noise *= np.float32(0.05)
    noise += np.float32(0.25)
    for day in range(days):
        noise[day, :, (np.arange(columns) + 13 * day) % 64 < 24] = np.nan
    return labelled(noise, 0.25)


def fill(mode: str, days: int, cells: tuple[int, int], threads: int) -> dict[str, Any]:
    """Fill one record in this process; peak memory beyond input and output, MB of 1e6 bytes."""
    import xsm
    from benchmarks.speed.timing import PeakMemory

    data = record(days, *cells)
    small, size = data[:10, :8, :8].copy(), data.nbytes
    if mode == "dask":
        import dask

        dask.config.set(scheduler="threads", num_workers=threads)
    xsm.gapfill(small, progress=False)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        if mode == "dask":  # .load() would join all chunks of the output in memory
            source, target = f"{folder}/source", f"{folder}/target"
            data.chunk(CHUNKS).to_zarr(source, consolidated=False)
            data = xr.open_zarr(source, consolidated=False)[data.name]
            xsm.gapfill(small.chunk(), progress=False).load()  # imports what Dask needs
        memory, begin = PeakMemory(), time.perf_counter()
        filled = xsm.gapfill(data, progress=False)
        if mode == "dask":
            filled.to_zarr(target, consolidated=False)
        seconds, peak = time.perf_counter() - begin, memory.megabytes()
        result = xr.open_zarr(target, consolidated=False) if mode == "dask" else filled
        filled_fraction = float(np.isfinite(result[data.name]).mean())
    if peak is None:
        raise SystemExit("this system does not report the peak memory of a process")
    output = 0.0
    if mode == "memory":
        output = sum(filled[name].nbytes for name in filled.data_vars) / 1e6
    return {
        "mode": mode, "days": days, "input_mb": size / 1e6, "output_mb": output,
        "overhead_mb": peak - output, "seconds": seconds, "filled_fraction": filled_fraction,
    }  # fmt: skip


def measure(days: list[int], cells: tuple[int, int], threads: int, repeats: int) -> dict[str, Any]:
    """Rows by mode and length (the run of median memory), and the growth with length."""
    rows = []
    for mode in MODES:
        for length in days:
            runs = [_in_a_process(mode, length, cells, threads) for _ in range(repeats)]
            rows.append(sorted(runs, key=lambda run: run["overhead_mb"])[(len(runs) - 1) // 2])
    overhead = {(row["mode"], row["days"]): row["overhead_mb"] for row in rows}
    growth = {mode: overhead[mode, max(days)] / overhead[mode, min(days)] - 1 for mode in MODES}
    return {"cells": list(cells), "repeats": repeats, "rows": rows, "growth": growth}


def _in_a_process(mode: str, days: int, cells: tuple[int, int], threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.speed.peak_memory", "--only", mode]
    command += ["--days", str(days), "--cells", *map(str, cells), "--threads", str(threads)]
    env = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    process = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    if process.returncode:
        raise SystemExit(f"filling {days} days ({mode}) failed:\n{process.stderr}")
    row: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    return row


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=[30, 365])
    parser.add_argument("--cells", type=int, nargs=2, default=[200, 300], help="rows, columns")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "speed_memory.json")
    parser.add_argument("--only", choices=MODES, help="one record, in this process")
    options = parser.parse_args(arguments)
    cells = options.cells[0], options.cells[1]
    if options.only:
        print(json.dumps(fill(options.only, options.days[0], cells, options.threads)))
        return
    measured = measure(options.days, cells, options.threads, options.repeats)
    result = provenance(["default"]) | {"threads": options.threads} | measured
    write_result(result, options.out)
    for row in result["rows"]:
        print(f"{row['mode']:8} {row['days']:4} days {row['overhead_mb']:8.1f} MB beyond both")
    print({mode: f"{100 * growth:+.1f} %" for mode, growth in result["growth"].items()})


if __name__ == "__main__":
    main()
