"""Verify, then time: the recurrent kernels and the AtLSTM that is made of them.

``python -m benchmarks.speed.recurrent [--device cpu|cuda] [--threads 2]`` writes
``benchmarks/results/recurrent_<cpu|gpu>.json`` (with ``--tiny``: ``build/speed/``): Bi-LSTM of
hidden size 32, 64 and 128, and AtLSTM with and without an attention window, on 425 days of 16
predictors, in pixels per second. Fails before any timing where a result is wrong.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.provenance import RESULTS, ROOT, write_result
from benchmarks.speed import THREAD_VARIABLES
from benchmarks.speed.speed_tables import span
from benchmarks.tables import markdown, number

YEAR_PIXELS = 3600 * 7200 * 0.24  # land cells of 0.05 degrees
XSM_VARIANTS = ("numba", "triton", "ours")
Row = dict[str, Any]
Result = dict[str, Any]


def cases(device: str, tiny: bool) -> list[dict[str, Any]]:
    """Cases to measure: operation, hidden size, batch size, attention window, dtype, days."""
    if tiny:
        dtypes = ["bfloat16"] if device == "cuda" else ["float32"]
        lstm = {"op": "lstm", "hidden_size": 16, "batch_size": 3, "attention_window": None}
        lstm |= {"days": 5, "dtype": dtypes[0]}
        atlstm = [lstm | {"op": "atlstm", "attention_window": window} for window in (None, 2)]
        return [lstm, *atlstm]
    # a GPU needs larger batches
    scale, dtypes = (16, ["bfloat16", "tf32", "float32"]) if device == "cuda" else (1, ["float32"])
    sizes = [(64, 64), (64, 256), (64, 1024), (32, 256), (128, 256)]
    selected = []
    for dtype in dtypes:
        lstm = {"op": "lstm", "attention_window": None, "dtype": dtype}
        selected += [lstm | {"hidden_size": h, "batch_size": b * scale} for h, b in sizes]
        atlstm = {"op": "atlstm", "hidden_size": 64, "dtype": dtype}
        batches = (256,) if device == "cuda" else (64, 256)
        selected += [
            atlstm | {"batch_size": b * scale, "attention_window": window}
            for window in (None, 30)
            for b in batches
        ]
    return [case | {"days": 425} for case in selected]


def measure(case: dict[str, Any], device: str, keep_going: bool, seconds: float) -> list[Row]:
    """Rows of one case: verified, then timed in turn.

    Raises
    ------
    ParityError
        If a variant is wrong and `keep_going` is False.
    """
    import torch

    from benchmarks.speed import recurrent_variants, timing
    from benchmarks.speed.operation_samples import precision
    from benchmarks.speed.parity_gate import verified_calls

    common = case | {"group": "recurrent", "channels": recurrent_variants.CHANNELS}
    with torch.inference_mode(), precision(case["dtype"]):
        sample = recurrent_variants.Sample(**case, device=device)
        judge = partial(recurrent_variants.judge, sample)
        rows, calls = verified_calls(common, sample.variants(), judge, keep_going=keep_going)
        times = timing.interleaved(calls, device=device, rounds=7, seconds=seconds)
    for row in rows:
        if seconds_of := times.get(row["variant"]):
            rate = case["batch_size"] / seconds_of["median_s"]
            row |= seconds_of | {"pixels_per_second": rate}
    return rows


def table(result: Result) -> str:
    """Pixels per second by variant, and the speed-up over torch.nn.LSTM."""
    variants = list(dict.fromkeys(row["variant"] for row in result["rows"]))
    rates_of = _rates(result)
    head = ["pixels per second", *variants, "ours / torch.nn.LSTM", "global year, s"]
    lines = []
    for (op, hidden, window, batch, dtype), rates in rates_of.items():
        ours = max((rate for name, rate in rates.items() if name in XSM_VARIANTS), default=None)
        torch_rates = (rate for name, rate in rates.items() if name.startswith("torch.nn.LSTM"))
        base = max(torch_rates, default=None)
        attention = "" if op == "lstm" else f", window {window or 'all'}"
        name = "Bi-LSTM" if op == "lstm" else "AtLSTM"
        lines.append(
            [f"{name} {hidden}{attention}, {batch} pixels, {dtype}"]
            + [number(rates.get(variant), 0) for variant in variants]
            + [number(ours / base if ours and base else None, 2)]
            + [number(YEAR_PIXELS / max(rates.values()), 1)]
        )
    versions = result["versions"]
    machine = result.get("gpu") or f"{result['processor']} ({result['machine']})"
    small = "" if result["size"] == "full" else " A tiny run, not a measurement."
    notes = {f"Not timed: {r['variant']}: {r['note']}." for r in result["rows"] if "note" in r}
    note = (
        f"Sequences of {result['rows'][0]['days']} days of {result['rows'][0]['channels']} "
        f"predictors. {machine}, {result['threads']} threads, load {result['load']} before; torch "
        f"{versions['torch']}, numba {versions['numba']}, triton {versions['triton']}. "
        f"A global year: {YEAR_PIXELS:,.0f} pixels of 0.05 degrees, one year each, by the fastest. "
        f"Measured {result['date']}.{small}"
    )
    return "\n\n".join([markdown(head, lines), " ".join([note, *sorted(notes)])])


def _rates(result: Result) -> dict[tuple[Any, ...], dict[str, float]]:
    """Network, hidden size, window, pixels at a time, dtype -> variant -> pixels per second."""
    keys = ("op", "hidden_size", "attention_window", "batch_size", "dtype")
    rates: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in result["rows"]:
        if "median_s" in row:
            case = tuple(row[key] for key in keys)
            rates.setdefault(case, {})[row["variant"]] = row["pixels_per_second"]
    return rates


def speed_ups(result: Result) -> str:
    """What the table says, in words: ranges over its rows, for each dtype."""
    ratios_of: dict[tuple[str, str, str], list[float]] = {}
    for (op, _, _, _, dtype), rates in _rates(result).items():
        ours = max((rate for name, rate in rates.items() if name in XSM_VARIANTS), default=None)
        bases = {
            "the same network of PyTorch layers" if op != "lstm" else "cuDNN": max(
                (rate for name, rate in rates.items() if name.startswith("torch.nn.LSTM")),
                default=None,
            ),
            "FlashRNN": max(
                (rate for name, rate in rates.items() if name.startswith("flashrnn")), default=None
            ),
        }
        network = "A bidirectional LSTM" if op == "lstm" else "An AtLSTM"
        for base, rate in bases.items():
            if ours and rate:
                ratios_of.setdefault((f"{network} in {dtype}", base, dtype), []).append(ours / rate)
    sentences: dict[str, list[str]] = {}
    for (network, base, _), ratios in ratios_of.items():
        sentences.setdefault(network, []).append(f"{span(ratios)} times as fast as {base}")
    return " ".join(f"{name} is {' and '.join(what)}." for name, what in sentences.items())


def main(arguments: list[str] | None = None) -> None:
    """Read the options, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="to check that everything runs")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="of every variant")
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing per case")
    parser.add_argument("--keep-going", action="store_true", help="time the correct rows")
    parser.add_argument("--out", type=Path, help="the JSON file")
    options = parser.parse_args(arguments)
    for name in THREAD_VARIABLES:
        os.environ[name] = str(options.threads)
    import torch

    from benchmarks.speed import machine
    from benchmarks.speed.parity_gate import ParityError

    torch.set_num_threads(options.threads)
    size = "tiny" if options.tiny else "full"
    result = machine.describe(options.device) | {
        "threads": options.threads,
        "size": size,
        "rows": [],
    }
    suffix = "gpu" if options.device == "cuda" else "cpu"
    folder = ROOT / "build" / "speed" if options.tiny else RESULTS
    out = options.out or folder / f"recurrent_{suffix}.json"
    for case in cases(options.device, options.tiny):
        try:
            result["rows"] += measure(case, options.device, options.keep_going, options.seconds)
        except ParityError as error:
            raise SystemExit(f"parity failed, nothing is timed: {error}") from error
        if options.keep_going:  # an interrupted run leaves its results so far
            write_result(result, out)
    write_result(result, out)
    print(table(result))
    if failed := [row["note"] for row in result["rows"] if row.get("failed")]:
        raise SystemExit("wrong, and not timed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
