"""Verify, then time: operations, the network, and ``xsm.gapfill``.

``python -m benchmarks.speed [--quick] [--device cpu|cuda] [--threads 2]`` writes
``benchmarks/results/speed_<cpu|gpu>.json`` (with ``--quick`` or ``--tiny``: ``build/speed/``) and
draws speed against occupancy and the roofline. Fails before any timing where a result is wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.provenance import RESULTS, ROOT, write_result
from benchmarks.speed import THREAD_VARIABLES


def main(arguments: list[str] | None = None) -> None:
    """Read the options, measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small shapes, under two minutes")
    size.add_argument("--tiny", action="store_true", help="to check that everything runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of every variant")
    parser.add_argument("--minutes", type=float, default=60.0, help="start nothing after these")
    parser.add_argument("--keep-going", action="store_true", help="time the correct rows")
    parser.add_argument("--out", type=Path, help="the JSON file")
    parser.add_argument("--figures", type=Path, help="folder of the figures")
    options = parser.parse_args(arguments)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(options.threads)
    small = options.quick or options.tiny
    suffix = "gpu" if options.device == "cuda" else "cpu"
    folder = ROOT / "build" / "speed" if small else RESULTS
    out = options.out or folder / f"speed_{suffix}.json"
    result = run(options, out)
    from benchmarks.speed import figures, speed_tables

    figures.draw(result, options.figures or (out.parent if small else ROOT / "docs" / "figures"))
    print(speed_tables.report(result))
    if result["failed"]:
        raise SystemExit("wrong, and not timed: " + "; ".join(result["failed"]))


def run(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Measure all that the options ask for, and write it.

    Raises
    ------
    SystemExit
        If a row is wrong and ``--keep-going`` is not given.
    """
    import torch

    from benchmarks.speed import machine, measurement_plan
    from benchmarks.speed.parity_gate import ParityError

    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    plan = measurement_plan.CUDA if options.device == "cuda" else measurement_plan.FULL
    plan = measurement_plan.QUICK if options.quick else plan
    plan = measurement_plan.TINY if options.tiny else plan
    size = "quick" if options.quick else "tiny" if options.tiny else "full"
    begin = time.monotonic()
    result: dict[str, Any] = machine.describe(options.device) | {
        "threads": options.threads,
        "size": size,
        "peak": machine.peaks(options.device, list(plan.dtypes), plan.matrix_size),
        "rows": [],
        "skipped": [],
        "failed": [],
    }
    for name, measure in measurement_plan.measurements(plan, options.device, options.keep_going):
        if time.monotonic() - begin > 60 * options.minutes:
            result["skipped"].append(name)
            continue
        try:
            rows = measure()
        except ParityError as error:
            raise SystemExit(f"parity failed, nothing is timed: {error}") from error
        result["rows"] += rows
        result["failed"] += [row["note"] for row in rows if row.get("failed")]
        print(f"{time.monotonic() - begin:6.0f} s  {name}", file=sys.stderr, flush=True)
        result["seconds"] = time.monotonic() - begin
        result["tuned"] = tuned_configurations()
        if options.keep_going:  # an interrupted run leaves its results so far
            write_result(result, out)
    write_result(result, out)
    return result


def tuned_configurations() -> dict[str, Any]:
    """Configurations of the Triton kernels that were chosen by timing."""
    module = sys.modules.get("xsm_kernels._triton_common")
    if module is None:
        return {}
    return {key: config._asdict() for key, config in module.tuned_configurations().items()}


if __name__ == "__main__":
    main()
