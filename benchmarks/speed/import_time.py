"""What ``import xsm`` adds to ``import xarray``: interleaved runs, medians, no assertion.

``python -m benchmarks.speed.import_time [--runs N]`` writes
``benchmarks/results/import_time.json``.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.provenance import write_result

RESULT = Path(__file__).resolve().parents[1] / "results" / "import_time.json"
PROBE = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import {}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def import_seconds(modules: str) -> tuple[float, float]:
    """Wall-clock and processor seconds to import `modules` in a fresh interpreter."""
    process = subprocess.run(
        [sys.executable, "-c", PROBE.format(modules)], capture_output=True, text=True, check=True
    )
    wall, cpu = map(float, process.stdout.split())
    return wall, cpu


def measure(runs: int) -> dict:
    """Medians and 20th and 80th percentiles, in seconds; the two imports alternate."""
    imports = {"xarray": "xarray", "xsm": "xarray, xsm"}
    times: dict[str, list[float]] = {}
    for modules in imports.values():
        import_seconds(modules)  # fills the file cache and the bytecode cache
    for _ in range(runs):
        for name, modules in imports.items():
            for clock, seconds in zip(("", "_cpu"), import_seconds(modules), strict=True):
                times.setdefault(name + clock, []).append(seconds)
    for clock in ("", "_cpu"):
        pairs = zip(times["xarray" + clock], times["xsm" + clock], strict=True)
        times["added" + clock] = [both - alone for alone, both in pairs]
    result: dict = {"runs": runs}
    for name, values in times.items():
        quantiles = statistics.quantiles(values, n=5)
        result[f"{name}_s"] = {
            "p20": round(quantiles[0], 4),
            "median": round(statistics.median(values), 4),
            "p80": round(quantiles[3], 4),
        }
    result["python"] = platform.python_version()
    result["machine"] = platform.machine()
    result["load"] = round(os.getloadavg()[0], 1)
    result["xarray"] = version("xarray")
    result["date"] = datetime.now(UTC).date().isoformat()
    return result


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=21)
    result = measure(parser.parse_args().runs)
    write_result(result, RESULT)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
