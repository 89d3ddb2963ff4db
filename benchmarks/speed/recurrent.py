"""Verify, then time: the recurrent kernels and the AtLSTM that is made of them.

``python -m benchmarks.speed.recurrent [--device cpu|cuda] [--threads 2]`` writes
``benchmarks/results/recurrent_<cpu|gpu>.json`` (with ``--tiny``: ``build/speed/``): Bi-LSTM of
hidden 32, 64 and 128 and AtLSTM with and without a window on 425 days of 16 predictors, in pixels
per second. Fails, and times nothing, where a row is wrong.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.speed import THREAD_VARIABLES
from benchmarks.speed.__main__ import write
from benchmarks.tables import markdown, number

ROOT = Path(__file__).resolve().parents[2]
YEAR_PIXELS = 3600 * 7200 * 0.24  # land cells of 0.05 degrees
OURS = ("numba", "triton", "ours")
Row = dict[str, Any]
Result = dict[str, Any]


def plan(device: str, tiny: bool) -> list[dict[str, Any]]:
    """What is measured: op, hidden, batch, window, dtype."""
    if tiny:
        dtypes = ["bfloat16"] if device == "cuda" else ["float32"]
        lstm = {"op": "lstm", "hidden": 16, "batch": 3, "window": None, "days": 5}
        return [lstm | {"dtype": dtypes[0]}] + [
            lstm | {"op": "atlstm", "window": window, "dtype": dtypes[0]} for window in (None, 2)
        ]
    # a GPU takes more pixels at once
    scale, dtypes = (16, ["bfloat16", "tf32", "float32"]) if device == "cuda" else (1, ["float32"])
    sizes = [(64, 64), (64, 256), (64, 1024), (32, 256), (128, 256)]
    found = []
    for dtype in dtypes:
        lstm = {"op": "lstm", "window": None, "dtype": dtype}
        found += [lstm | {"hidden": h, "batch": b * scale} for h, b in sizes]
        atlstm = {"op": "atlstm", "hidden": 64, "dtype": dtype}
        few = (256,) if device == "cuda" else (64, 256)
        found += [atlstm | {"batch": b * scale, "window": w} for w in (None, 30) for b in few]
    return [case | {"days": 425} for case in found]


def measure(case: dict[str, Any], device: str, keep_going: bool, seconds: float) -> list[Row]:
    """Rows of one case: verified, then timed in turns.

    Raises
    ------
    ParityError
        If a variant is wrong and the rest is not asked for.
    """
    import torch

    from benchmarks.speed import recurrent_variants, timing
    from benchmarks.speed.operations import precision
    from benchmarks.speed.verified import verified

    about = case | {"group": "recurrent", "channels": recurrent_variants.CHANNELS}
    with torch.inference_mode(), precision(case["dtype"]):
        sample = recurrent_variants.Sample(**case, device=device)
        judge = partial(recurrent_variants.judge, sample)
        rows, calls = verified(about, sample.variants(), judge, keep_going=keep_going)
        times = timing.interleaved(calls, device=device, rounds=7, seconds=seconds)
    for row in rows:
        if found := times.get(row["variant"]):
            row |= found | {"pixels_per_second": case["batch"] / found["median_s"]}
    return rows


def table(result: Result) -> str:
    """Pixels per second by variant, and what ours gain over torch.nn.LSTM and the best PyTorch."""
    variants = list(dict.fromkeys(row["variant"] for row in result["rows"]))
    cases: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in result["rows"]:
        case = tuple(row[key] for key in ("op", "hidden", "window", "batch", "dtype"))
        if "median_s" in row:
            cases.setdefault(case, {})[row["variant"]] = row["pixels_per_second"]
    head = ["pixels per second", *variants, "ours / torch.nn.LSTM", "global year, min"]
    lines = []
    for (op, hidden, window, batch, dtype), rates in cases.items():
        ours = max((rate for name, rate in rates.items() if name in OURS), default=None)
        base = max((rate for name, rate in rates.items() if name.startswith("torch.nn.LSTM")),
                   default=None)  # fmt: skip
        near = "" if op == "lstm" else f", window {window or 'all'}"
        name = "Bi-LSTM" if op == "lstm" else "AtLSTM"
        lines.append(
            [f"{name} {hidden}{near}, {batch} pixels, {dtype}"]
            + [number(rates.get(variant), 0) for variant in variants]
            + [number(ours / base if ours and base else None, 2)]
            + [number(YEAR_PIXELS / max(rates.values()) / 60, 1)]
        )
    versions = result["versions"]
    where = result.get("gpu") or f"{result['processor']} ({result['machine']})"
    small = "" if result["size"] == "full" else " A tiny run, not a measurement."
    notes = {f"Not timed: {r['variant']}: {r['note']}." for r in result["rows"] if "note" in r}
    said = (
        f"Sequences of {result['rows'][0]['days']} days of {result['rows'][0]['channels']} "
        f"predictors. {where}, {result['threads']} threads, load {result['load']} before; torch "
        f"{versions['torch']}, numba {versions['numba']}, triton {versions['triton']}. "
        f"A global year: {YEAR_PIXELS:,.0f} pixels of 0.05 degrees, one year each, by the fastest. "
        f"Measured {result['date']}.{small}"
    )
    return "\n\n".join([markdown(head, lines), " ".join([said, *sorted(notes)])])


def main(arguments: list[str] | None = None) -> None:
    """Read the options, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="to see that everything runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of every variant")
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing per case")
    parser.add_argument("--keep-going", action="store_true", help="time the rows that are right")
    parser.add_argument("--out", type=Path, help="the JSON file")
    chosen = parser.parse_args(arguments)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(chosen.threads)
    import torch

    from benchmarks.speed import machine
    from benchmarks.speed.parity import ParityError

    torch.set_num_threads(chosen.threads)
    size = "tiny" if chosen.tiny else "full"
    result = machine.describe(chosen.device) | {"threads": chosen.threads, "size": size, "rows": []}
    where = "gpu" if chosen.device == "cuda" else "cpu"
    folder = ROOT / "build" / "speed" if chosen.tiny else ROOT / "benchmarks" / "results"
    out = chosen.out or folder / f"recurrent_{where}.json"
    for case in plan(chosen.device, chosen.tiny):
        try:
            result["rows"] += measure(case, chosen.device, chosen.keep_going, chosen.seconds)
        except ParityError as error:
            raise SystemExit(f"parity failed, nothing is timed: {error}") from error
        if chosen.keep_going:  # a run that is cut short leaves what it has
            write(result, out)
    write(result, out)
    print(table(result))
    if failed := [row["note"] for row in result["rows"] if row.get("failed")]:
        raise SystemExit("wrong, and not timed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
