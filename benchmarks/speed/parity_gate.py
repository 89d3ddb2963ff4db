"""The gate before timing: only calls that agree with the reference in float64 are timed.

``python -m benchmarks.speed.parity_gate [--device cuda]`` checks every row of the dispatch table on
small, odd inputs, without pytest. Tolerances are those of tests/kernels.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.speed import synthetic_masks
from benchmarks.speed.operation_samples import (
    BY_CELL,
    OPERATIONS,
    Sample,
    make_sample,
    map_tensors,
    precision,
)
from tests.kernels.samples import DTYPES, TOLERANCE
from xsm_kernels.dispatch import TABLE

N_BANDS, BAND_ROWS = 5, 6
CHANNELS = {"masked_conv3d": (1, 20, 64), "pointwise_layers": (20, 32)}  # of an operation, else 1
Call = Callable[[], Any]
Row = dict[str, Any]


class ParityError(Exception):
    """A call does not compute what the reference defines."""


@dataclass(frozen=True)
class Expected:
    """A band of output rows: results in float64 and their allowed errors."""

    rows: slice
    results: list[tuple[torch.Tensor, torch.Tensor | None]]


def row_bands(height: int) -> Iterator[slice]:
    """Rows to compare: all of a small grid, five bands from edge to edge of a large one."""
    if height <= N_BANDS * BAND_ROWS:
        yield slice(0, height)
        return
    for band in range(N_BANDS):
        start = band * (height - BAND_ROWS) // (N_BANDS - 1)
        yield slice(start, start + BAND_ROWS)


def expected_results(sample: Sample) -> list[Expected]:
    """What `sample` must give, from the reference in float64 on bands of rows."""
    bounds = OPERATIONS[sample.op][1]
    height = sample.masks.mask.shape[1]
    expected = []
    for rows in row_bands(height):
        first, last = max(rows.start - sample.halo, 0), min(rows.stop + sample.halo, height)
        inside = slice(rows.start - first, rows.stop - first)
        results = bounds(_cut(sample, first, last), sample.options, TOLERANCE[sample.dtype])
        results = [
            (r[..., inside, :], None if a is None else a[..., inside, :]) for r, a in results
        ]
        expected.append(Expected(rows, results))
    return expected


def _rows(array: torch.Tensor | None, rows: slice) -> torch.Tensor | None:
    return None if array is None else array[..., rows, :]


def _cut(sample: Sample, first: int, last: int) -> dict[str, Any]:
    """Rows of the arrays, in float64."""
    cut = {}
    for name, array in sample.arrays.items():
        if name in BY_CELL:
            array = map_tensors(lambda a: a[..., first:last, :], array)
        cut[name] = map_tensors(lambda a: a if a.dtype == torch.bool else a.double(), array)
    return cut


def tolerance_fraction(output: Any, expected: list[Expected]) -> float:
    """Largest error divided by the allowed error; infinite for a NaN or a wrong mask."""
    outputs = output if isinstance(output, tuple) else (output,)
    largest = 0.0
    for band in expected:
        for result, (reference, allowed) in zip(outputs, band.results, strict=True):
            values = torch.as_tensor(result)[..., band.rows, :]
            if values.shape != reference.shape:
                return float("inf")
            if allowed is None:
                largest = max(largest, 0.0 if torch.equal(values, reference) else float("inf"))
                continue
            error = (values.double() - reference).abs()
            fraction = torch.where(error == 0, 0.0, error / allowed)
            fraction = torch.where(fraction.isnan(), torch.inf, fraction)
            largest = max(largest, float(fraction.max()))
    return largest


def require_parity(fraction: float, label: str) -> None:
    """Raise where the error exceeds the allowed one.

    Raises
    ------
    ParityError
    """
    if not fraction <= 1:
        raise ParityError(
            f"{label}: error {fraction:.3g} times the allowed one against the reference in "
            "float64. Nothing is timed until it is correct: see tests/kernels/test_parity.py."
        )


def verified_calls(
    common: Row,
    variants: dict[str, Callable[[], Call]],
    judge: Callable[[str, Any], tuple[Row, float]],
    *,
    keep_going: bool,
) -> tuple[list[Row], dict[str, Call]]:
    """A row for each variant, and the calls that may be timed. Each call has run once.

    Parameters
    ----------
    common : dict
        Entries that all rows share.
    variants : dict
        By name, a function that prepares a call (compiles, copies). Preparation is not timed.
    judge : callable
        From a name and the output of its call: further entries of the row, and the error as a
        fraction of the allowed one (0 where nothing is required).
    keep_going : bool
        Leave out a wrong variant and note it in its row, instead of raising.

    Raises
    ------
    ParityError
    """
    rows, calls = [], {}
    for name, prepare in variants.items():
        row = common | {"variant": name}
        rows.append(row)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch's own deprecations
                call = prepare()
                output = call()
        except Exception as error:  # a variant that cannot run on this machine is noted
            row["note"] = f"does not run: {type(error).__name__}: {str(error)[:160]}"
            continue
        entries, fraction = judge(name, output)
        row |= entries
        del output
        try:
            label = f"{common.get('op', common['group'])}, {name}, {common['dtype']}"
            require_parity(fraction, label)
        except ParityError as error:
            if not keep_going:
                raise
            row |= {"failed": True, "note": str(error)}
            continue
        calls[name] = call
    return rows, calls


def check_table(device: str, small: bool = False) -> list[dict[str, Any]]:
    """Every row of the dispatch table and dtype on odd inputs, with its tolerance fraction."""
    inputs = [synthetic_masks.dense(3, 5, 7)] if small else [synthetic_masks.dense(3, 9, 19)]
    if not small:
        inputs.append(synthetic_masks.occupied(4, 13, 37, 30, scattered=True))
    return [
        _check(make_sample(op, masks, channels, dtype, device), backend)
        for masks in inputs
        for op, backend in TABLE
        if op in OPERATIONS
        for dtype in DTYPES[backend]
        for channels in ((3,) if small else CHANNELS.get(op, (1,)))
        if make_sample(op, masks, 1, dtype, device).runnable()[backend] is None
    ]


def _check(sample: Sample, backend: str) -> dict[str, Any]:
    with torch.inference_mode(), precision(sample.dtype):
        fraction = tolerance_fraction(sample.call(backend), expected_results(sample))
    common = {
        "op": sample.op, "backend": backend, "dtype": sample.dtype, "case": sample.masks.name,
    }  # fmt: skip
    return common | {"channels": sample.channels, "tolerance_fraction": fraction}


def main(arguments: list[str] | None = None) -> None:
    """Check all rows; fail where one is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--small", action="store_true", help="one input of a few cells")
    options = parser.parse_args(arguments)
    rows = check_table(options.device, options.small)
    for row in rows:
        names = ("op", "backend", "dtype", "case", "channels")
        columns = [f"{row[name]!s:13}" for name in names]
        print(*columns, f"{row['tolerance_fraction']:.3f} of the tolerance")
    wrong = [row for row in rows if not row["tolerance_fraction"] <= 1]
    print(f"parity: {len(rows) - len(wrong)} of {len(rows)} rows agree with float64")
    if wrong or not rows:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
