"""Whether gap-filling gives the same numbers however the record is split.

``python -m benchmarks.skill.consistency [--model default]`` fills a simulated record (1) as one
stream and day by day from nine-day windows, (2) whole and in tiles, (3) with and without rolled
longitudes. It prints the largest absolute difference of mean and standard deviation of each pair,
and writes ``benchmarks/results/consistency.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.provenance import RESULTS, provenance, write_result
from xsm.conventions.windows import windows
from xsm.networks.block_inference import fill_block, load_model, record_statistics

TOLERANCE = 1e-5  # m3 m-3


def simulated(
    n_days: int = 14, height: int = 48, width: int = 96, seed: int = 0
) -> NDArray[np.float32]:
    """A record (T, H, W) around the globe, smooth in space, with swaths, random gaps and sea."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (4, 3))
    t, y, x = np.ogrid[:n_days, :height, :width]
    values = np.full((n_days, height, width), 0.25)
    for i, (a, b, c) in enumerate(phase, start=1):
        values = values + 0.04 * np.cos(2 * np.pi * i * x / width + a) * np.cos(
            i * y / 9 + b
        ) * np.cos(t / (2 + i) + c)
    values = values + rng.normal(0, 0.02, values.shape)
    swath = (x + 11 * t + y // 3) % 32 < 12
    gaps = rng.random(values.shape) < 0.1
    sea = (np.cos(2 * np.pi * x / width) + np.cos(y / 11.0) < -0.9) & (t >= 0)
    return np.where(swath | gaps | sea, np.nan, values).astype(np.float32)


def fill_with_network(
    values: NDArray[np.float32],
    *,
    model: str | Path | Any = "default",
    where: NDArray[np.bool_] | None = None,
    wrap: bool = False,
    tile: int = 80,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate a record with a gap-filling network.

    Parameters
    ----------
    values : ndarray of float32, (T, H, W)
        Daily record, m3 m-3, NaN = missing.
    model : str, Path or Model
        As for ``xsm.networks.block_inference.load_model``.
    where : ndarray of bool, (T, H, W), optional
        Cells to estimate; windows without any are skipped and stay NaN.
    wrap : bool
        Whether the last column is the neighbour of the first.
    tile : int
        Windows of `tile` x `tile` cells, with the halo the model asks for.

    Returns
    -------
    mean, std : ndarray of float32, (T, H, W)
        m3 m-3, of every cell of the windows computed, observed or not; NaN without an estimate.
    """
    loaded = load_model(model)
    days, rows, columns = loaded.halo
    margin = (0 if wrap else columns, 0 if wrap else columns)
    padded = np.pad(values, ((days, days), (rows, rows), margin), constant_values=np.nan)
    stats = record_statistics(padded[days:-days], wrap=wrap)
    out = np.full((2, *values.shape), np.nan, dtype=np.float32)
    for inside in windows(values.shape, (len(values), tile, tile)):
        _, of_rows, of_columns = inside
        if where is not None and not where[inside].any():
            continue
        y = np.arange(of_rows.start, of_rows.stop + 2 * rows)[:, None]
        x = np.arange(of_columns.start, of_columns.stop + 2 * columns) - columns + margin[0]
        x %= padded.shape[2]
        out[(slice(None), *inside)] = fill_block(padded[:, y, x], stats[:, y, x], loaded)
    return out[0], out[1]


def largest(a: NDArray, b: NDArray) -> float:
    """Largest absolute difference; infinite where only one of the two is NaN."""
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    return float(np.nanmax(np.abs(a - b)))


def streaming(values: NDArray[np.float32], model: Any) -> float:
    """One stream against one nine-day window per day, with the statistics of the record."""
    loaded = load_model(model)
    days, rows, columns = loaded.halo
    padded = np.pad(values, ((days, days), (rows, rows), (0, 0)), constant_values=np.nan)
    stats = record_statistics(padded[days:-days], wrap=True)
    sides = ((0, 0), (0, 0), (columns, columns))
    padded, stats = (np.pad(array, sides, mode="wrap") for array in (padded, stats))
    stream = fill_block(padded, stats, loaded)
    windows = [
        fill_block(padded[t : t + 2 * days + 1], stats, loaded, first=t)
        for t in range(values.shape[0])
    ]
    return largest(stream, np.concatenate(windows, axis=1))


def tiled(values: NDArray[np.float32], model: Any) -> float:
    """The whole record at once against uneven tiles."""
    whole = fill_with_network(values, model=model, wrap=True, tile=max(values.shape))
    parts = fill_with_network(values, model=model, wrap=True, tile=19)
    return largest(np.stack(whole), np.stack(parts))


def rolled(values: NDArray[np.float32], model: Any, by: int = 31) -> float:
    """Roll the longitudes, fill, and roll back."""
    straight = np.stack(fill_with_network(values, model=model, wrap=True))
    moved = np.stack(fill_with_network(np.roll(values, by, axis=2), model=model, wrap=True))
    return largest(straight, np.roll(moved, -by, axis=3))


def measure(model: Any = "default", **size: int) -> dict[str, float]:
    """Largest absolute differences, m3 m-3."""
    values = simulated(**size)
    return {
        "streaming_against_windows": streaming(values, model),
        "whole_against_tiles": tiled(values, model),
        "rolled_longitudes": rolled(values, model),
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write; fails where a difference exceeds the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    model = parser.parse_args(arguments).model
    differences = measure(model)
    result = {**provenance([model]), "tolerance": TOLERANCE, "differences": differences}
    write_result(result, RESULTS / "consistency.json")
    for name, difference in differences.items():
        print(f"{name:28} {difference:.2e} m3 m-3")
    if not max(differences.values()) <= TOLERANCE:
        raise SystemExit(f"a difference exceeds {TOLERANCE:g} m3 m-3")


if __name__ == "__main__":
    main()
