"""What the first call of a fresh process costs, with and without the cache of compiled loops.

``python -m benchmarks.speed.first_call [--runs N]`` writes ``benchmarks/results/first_call.json``:
medians of whole processes, from the start of Python to its end, over 30 days of Iberia.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.provenance import write_result

RESULT = Path(__file__).resolve().parents[1] / "results" / "first_call.json"
OPEN = "import numpy as np, xarray as xr; ds = xr.open_dataset({path!r}).load(); "
CALLS = {
    # what every process with xarray and a file pays
    "xarray": OPEN + "xr.DataArray(np.zeros(3))",
    "gapfill": OPEN + "import xsm; ds[['soil_moisture']].sm.gapfill(progress=False)",
    "estimate": OPEN + "import xsm; ds.sm.estimate(progress=False)",
    "metrics": OPEN + "import xsm; a, b = ds.soil_moisture, ds.swvl1; "
    "[f(a, b, dim='time') for f in (xsm.metrics.ubrmsd, xsm.metrics.spearman_rho)]",
    "tutorial": "import xsm; xsm.tutorial.open_dataset('amsr2-iberia', days=30)",
}
SAVE = (
    "import sys, xsm; "
    "ds = xsm.tutorial.open_dataset('amsr2-iberia', days=30, truth=False); "
    "ds.to_netcdf(sys.argv[1])"
)


def seconds(code: str, env: dict[str, str]) -> tuple[float, float]:
    """Wall-clock and processor seconds of a fresh process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=env, check=True, capture_output=True
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(runs: int) -> dict:
    """Medians by call and state of the cache."""
    times: dict[str, dict[str, list[tuple[float, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "iberia.nc")
        subprocess.run([sys.executable, "-c", SAVE, path], check=True, capture_output=True)
        for name, code in CALLS.items():
            rows = times[name] = {"off": [], "empty": [], "filled": []}
            for run in range(runs):
                env = {**os.environ, "XSM_CACHE_DIR": f"{folder}/{name}-{run}"}
                for state in ("off", "empty", "filled"):
                    env["XSM_CACHE"] = "0" if state == "off" else "1"
                    rows[state].append(seconds(code.format(path=path), env))
    medians = {
        name: {
            state: {
                clock: round(statistics.median(pair[n] for pair in pairs), 2)
                for n, clock in enumerate(("wall_s", "cpu_s"))
            }
            for state, pairs in rows.items()
        }
        for name, rows in times.items()
    }
    return {
        "runs": runs,
        "calls": medians,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numba": version("numba"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    result = measure(parser.parse_args().runs)
    write_result(result, RESULT)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
