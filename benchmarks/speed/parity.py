"""The gate: no row is timed before it agrees with the reference in float64.

``python -m benchmarks.speed.parity [--device cuda]`` checks every row of the dispatch table on
small, odd inputs, without pytest. Tolerances are those of tests/kernels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.speed import scenes
from benchmarks.speed.operations import (
    BY_CELL,
    OPERATIONS,
    Sample,
    each,
    make_sample,
    precision,
)
from tests.kernels.samples import DTYPES, TOLERANCE
from xsm_kernels.dispatch import TABLE

BANDS, BAND_ROWS = 5, 6
CHANNELS = {"masked_conv3d": (1, 20, 64), "pointwise_layers": (20, 32)}  # of an operation, else 1


class ParityError(Exception):
    """A row does not compute what the reference defines."""


@dataclass(frozen=True)
class Expected:
    """Rows of the output and what must stand there: float64 results and their allowed errors."""

    rows: slice
    results: list[tuple[torch.Tensor, torch.Tensor | None]]


def bands(height: int) -> Iterator[slice]:
    """Rows to be compared: all of a small grid, five bands from edge to edge of a large one."""
    if height <= BANDS * BAND_ROWS:
        yield slice(0, height)
        return
    for band in range(BANDS):
        start = band * (height - BAND_ROWS) // (BANDS - 1)
        yield slice(start, start + BAND_ROWS)


def expect(sample: Sample) -> list[Expected]:
    """What `sample` must give, from the reference in float64 on its bands of rows."""
    bounds = OPERATIONS[sample.op][1]
    height = sample.scene.mask.shape[1]
    found = []
    for rows in bands(height):
        first, last = max(rows.start - sample.halo, 0), min(rows.stop + sample.halo, height)
        inside = slice(rows.start - first, rows.stop - first)
        results = bounds(_cut(sample, first, last), sample.options, TOLERANCE[sample.dtype])
        kept = [(r[..., inside, :], None if a is None else a[..., inside, :]) for r, a in results]
        found.append(Expected(rows, kept))
    return found


def _cut(sample: Sample, first: int, last: int) -> dict[str, Any]:
    """Rows of the arrays, in float64."""
    cut = {}
    for name, array in sample.arrays.items():
        if name in BY_CELL:
            array = each(lambda a: a[..., first:last, :], array)
        cut[name] = each(lambda a: a if a.dtype == torch.bool else a.double(), array)
    return cut


def worst(output: Any, expected: list[Expected]) -> float:
    """Largest error as a part of the allowed one; infinite where a mask differs or a NaN is."""
    outputs = output if isinstance(output, tuple) else (output,)
    largest = 0.0
    for band in expected:
        for result, (right, allowed) in zip(outputs, band.results, strict=True):
            found = torch.as_tensor(result)[..., band.rows, :]
            if found.shape != right.shape:
                return float("inf")
            if allowed is None:
                largest = max(largest, 0.0 if torch.equal(found, right) else float("inf"))
                continue
            error = (found.double() - right).abs()
            share = torch.where(error == 0, 0.0, error / allowed)
            share = torch.where(share.isnan(), torch.inf, share)
            largest = max(largest, float(share.max()))
    return largest


def demand(share: float, what: str) -> None:
    """Refuse what is off by more than is allowed.

    Raises
    ------
    ParityError
    """
    if not share <= 1:
        raise ParityError(
            f"{what}: error {share:.3g} times the allowed one against the reference in float64; "
            "nothing is timed before it is right (tests/kernels/test_parity.py)."
        )


def check_table(device: str, small: bool = False) -> list[dict[str, Any]]:
    """Every row and dtype on odd inputs; each with its share of the tolerance."""
    inputs = [scenes.dense(3, 5, 7)] if small else [scenes.dense(3, 9, 19)]
    if not small:
        inputs.append(scenes.occupied(4, 13, 37, 30, scattered=True))
    return [
        _check(make_sample(op, scene, channels, dtype, device), backend)
        for scene in inputs
        for op, backend in TABLE
        if op in OPERATIONS
        for dtype in DTYPES[backend]
        for channels in ((3,) if small else CHANNELS.get(op, (1,)))
        if make_sample(op, scene, 1, dtype, device).runnable()[backend] is None
    ]


def _check(sample: Sample, backend: str) -> dict[str, Any]:
    with torch.inference_mode(), precision(sample.dtype):
        share = worst(sample.call(backend), expect(sample))
    about = {"op": sample.op, "backend": backend, "dtype": sample.dtype, "case": sample.scene.name}
    return about | {"channels": sample.channels, "worst": share}


def main(arguments: list[str] | None = None) -> None:
    """Check all rows; fail where one is off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--small", action="store_true", help="one input of a few cells")
    chosen = parser.parse_args(arguments)
    rows = check_table(chosen.device, chosen.small)
    for row in rows:
        names = ("op", "backend", "dtype", "case", "channels")
        print(*(f"{row[name]!s:13}" for name in names), f"{row['worst']:.3f} of the tolerance")
    off = [row for row in rows if not row["worst"] <= 1]
    print(f"parity: {len(rows) - len(off)} of {len(rows)} rows agree with float64")
    if off or not rows:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
