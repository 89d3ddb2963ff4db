"""Verify, then time: operations, the network, and ``xsm.gapfill``.

``python -m benchmarks.speed [--quick] [--device cpu|cuda] [--threads 2]`` writes
``benchmarks/results/speed_<cpu|gpu>.json`` (with ``--quick`` or ``--tiny``: ``build/speed/``) and
draws speed against occupancy and the roofline. Fails, and times nothing, where a row is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.speed import THREAD_VARIABLES

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> None:
    """Read the options, measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small shapes, under two minutes")
    size.add_argument("--tiny", action="store_true", help="to see that everything runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of every variant")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin nothing after these")
    parser.add_argument("--keep-going", action="store_true", help="time the rows that are right")
    parser.add_argument("--out", type=Path, help="the JSON file")
    parser.add_argument("--figures", type=Path, help="folder of the drawings")
    chosen = parser.parse_args(arguments)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(chosen.threads)
    small = chosen.quick or chosen.tiny
    where = "gpu" if chosen.device == "cuda" else "cpu"
    folder = ROOT / "build" / "speed" if small else ROOT / "benchmarks" / "results"
    out = chosen.out or folder / f"speed_{where}.json"
    result = run(chosen, out)
    from benchmarks.speed import figures, tables

    figures.draw(result, chosen.figures or (out.parent if small else ROOT / "docs" / "figures"))
    print(tables.report(result))
    if result["failed"]:
        raise SystemExit("wrong, and not timed: " + "; ".join(result["failed"]))


def run(chosen: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Measure all that the options ask for, and write it.

    Raises
    ------
    SystemExit
        If a row is wrong and the rest is not asked for.
    """
    import torch

    from benchmarks.speed import machine, plans
    from benchmarks.speed.parity import ParityError

    torch.set_num_threads(chosen.threads)
    torch.backends.cudnn.benchmark = True
    plan = plans.CUDA if chosen.device == "cuda" else plans.FULL
    plan = plans.TINY if chosen.tiny else plans.QUICK if chosen.quick else plan
    begin = time.monotonic()
    result: dict[str, Any] = machine.describe(chosen.device) | {
        "threads": chosen.threads, "size": "quick" if chosen.quick else "tiny" if chosen.tiny else
        "full", "peak": machine.peaks(chosen.device, list(plan.dtypes), plan.product),
        "rows": [], "left_out": [], "failed": [],
    }  # fmt: skip
    for name, job in plans.jobs(plan, chosen.device, chosen.keep_going):
        if time.monotonic() - begin > 60 * chosen.minutes:
            result["left_out"].append(name)
            continue
        try:
            rows = job()
        except ParityError as error:
            raise SystemExit(f"parity failed, nothing is timed: {error}") from error
        result["rows"] += rows
        result["failed"] += [row["note"] for row in rows if row.get("failed")]
        print(f"{time.monotonic() - begin:6.0f} s  {name}", file=sys.stderr, flush=True)
        result["seconds"] = time.monotonic() - begin
        result["tuned"] = tuned()
        if chosen.keep_going:  # a run that is cut short leaves what it has
            write(result, out)
    write(result, out)
    return result


def tuned() -> dict[str, Any]:
    """Configurations that were chosen by timing them."""
    module = sys.modules.get("xsm_kernels._triton_common")
    return (
        {} if module is None else {k: c._asdict() for k, c in module.tuned_configurations().items()}
    )


def write(result: dict[str, Any], out: Path) -> None:
    """The result as JSON."""
    from benchmarks.skill.provenance import finite

    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(finite(result), indent=1) + "\n")


if __name__ == "__main__":
    main()
