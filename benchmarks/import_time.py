"""What ``import xsm`` adds to ``import xarray``: interleaved runs, medians, no assertion.

``python benchmarks/import_time.py [--runs N]`` writes ``benchmarks/results/import_time.json``.
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

RESULT = Path(__file__).resolve().parent / "results" / "import_time.json"
PROBE = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import {}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def seconds(what: str) -> tuple[float, float]:
    """Seconds, by the clock and of the processor, to import ``what`` in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(what)], capture_output=True, text=True, check=True
    )
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def measure(runs: int) -> dict:
    """Medians and 20th and 80th percentiles, in seconds; the two imports take turns."""
    imports = {"xarray": "xarray", "xsm": "xarray, xsm"}
    times: dict[str, list[float]] = {}
    for what in imports.values():
        seconds(what)  # fills the file cache and the bytecode
    for _ in range(runs):
        for name, what in imports.items():
            for kind, spent in zip(("", "_cpu"), seconds(what), strict=True):
                times.setdefault(name + kind, []).append(spent)
    for kind in ("", "_cpu"):
        pairs = zip(times["xarray" + kind], times["xsm" + kind], strict=True)
        times["added" + kind] = [both - alone for alone, both in pairs]
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
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
