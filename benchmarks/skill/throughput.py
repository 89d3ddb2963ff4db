"""Run time and memory of ``xsm.gapfill`` on a global month.

``python -m benchmarks.skill.throughput [--data amsr2|osse] [--model default] [--threads 2]`` runs
it once in a fresh process and writes ``benchmarks/results/throughput_<data>.json``: seconds of the
call (after the kernels are compiled on a few cells) and of the whole process, million cells per
second (of the grid, and of land), and the peak resident memory of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from benchmarks.provenance import RESULTS, ROOT, provenance, write_result

PROBE = """
import json, resource, sys, time
begin = time.perf_counter()
import numpy as np, xarray as xr
import xsm
from benchmarks.skill.evaluation_records import load

record = load(sys.argv[1])
time_axis = np.datetime64("2015-04-01") + np.arange(record.values.shape[0])
data = xr.DataArray(
    record.values,
    dims=("time", "lat", "lon"),
    coords={"time": time_axis.astype("datetime64[ns]"), "lat": record.lat, "lon": record.lon},
    name="soil_moisture",
    attrs={"units": "m3 m-3"},
)
loaded = time.perf_counter()
small = {"time": slice(0, 10), "lat": slice(300, 310), "lon": slice(700, 710)}
xsm.gapfill(data.isel(small), model=sys.argv[2])
compiled = time.perf_counter()
out = xsm.gapfill(data, model=sys.argv[2])
filled = out["soil_moisture"].values
end = time.perf_counter()
land = np.isfinite(record.values).any(axis=0)
print(json.dumps({
    "shape": list(record.values.shape),
    "cells_million": record.values.size / 1e6,
    "land_cells_million": int(land.sum()) * record.values.shape[0] / 1e6,
    "observed_fraction_of_land": float(np.isfinite(record.values[:, land]).mean()),
    "filled_fraction_of_land": float(np.isfinite(filled[:, land]).mean()),
    "compile_seconds": compiled - loaded,
    "seconds": end - compiled,
    "process_seconds": end - begin,
    "peak_rss_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
}))
"""


def measure(data: str, model: str, threads: int) -> dict[str, float]:
    """Run the probe in a fresh process with a number of threads; its figures."""
    env = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"):
        env[name] = str(threads)
    paths = [str(ROOT), str(ROOT / "kernels"), env.get("PYTHONPATH", "")]
    env["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    command = [sys.executable, "-c", PROBE, data, model]
    process = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    if process.returncode:
        raise SystemExit(f"the probe failed:\n{process.stderr}")
    figures: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    figures["mcells_per_second"] = figures["cells_million"] / figures["seconds"]
    figures["land_mcells_per_second"] = figures["land_cells_million"] / figures["seconds"]
    return figures


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("amsr2", "osse"), default="amsr2")
    parser.add_argument("--model", default="default")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args(arguments)
    figures = measure(options.data, options.model, options.threads)
    result = {
        "data": options.data,
        **provenance([options.model]),
        "threads": options.threads,
        "figures": figures,
    }
    write_result(result, RESULTS / f"throughput_{options.data}.json")
    for name, value in figures.items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
