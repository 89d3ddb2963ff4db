"""Uncertainty of area means: ``python -m benchmarks.skill.area_means [NAME ...]``.

Boxes of cells are hidden and filled by ``gapfill(samples=...)``. The mean over the hidden cells of
a box is compared with that of the samples. The coverage of their intervals stands beside that of
independent and of fully dependent errors. Writes ``benchmarks/results/area_means.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill.evaluation_records import load
from benchmarks.skill.gapfill_scores import HALF_WIDTH
from benchmarks.skill.no_harm import Process, made_with_truth
from benchmarks.tables import markdown
from xsm.metrics import crps_ensemble
from xsm.training.splits import region_mask

RESULT = RESULTS / "area_means.json"
SAMPLES = 30
SEEDS = (1, 5, 6)
# (days, rows, columns) of a box, and how many are hidden in a fill of a region
BOXES = {(1, 1, 1): 60, (1, 5, 5): 40, (1, 10, 10): 25, (1, 20, 20): 12, (10, 10, 10): 6}
LEAST = 0.5  # of a box that is observed
# north, south, west and east of the regions, each filled by one call
REGIONS = {
    "North America": (50, 30, -100, -70),
    "Nile and Arabia": (35, 15, 30, 60),
    "Amur": (60, 40, 100, 130),
    "Gulf of Guinea": (10, -10, 0, 30),
    "Eastern Europe": (55, 35, 20, 50),
    "Eastern Australia": (-10, -30, 130, 160),
}
PROCESS = Process((40, 80, 80), phi=0.85, smooth=3.0, noise=0.02, missing=0.4)
WAYS = ("samples", "independent", "dependent")


class Part(NamedTuple):
    """A part of a record that is filled by one call.

    da : (time, lat, lon), m3 m-3
    references : name -> (T, H, W)
    scored : bool (H, W), where boxes may lie
    """

    da: xr.DataArray
    references: dict[str, NDArray[Any]]
    scored: NDArray[np.bool_]


def regions(name: str) -> Iterator[Part]:
    """Continents of a global record; boxes lie in regions that no network was fitted to."""
    record = load(name)
    time = np.datetime64("2015-04-01", "ns") + np.arange(len(record.values)) * np.timedelta64(
        1, "D"
    )
    lat, lon = (np.asarray(axis, np.float64) for axis in (record.lat, record.lon))
    for north, south, west, east in REGIONS.values():
        rows = np.flatnonzero((lat < north) & (lat > south))
        columns = np.flatnonzero((lon > west) & (lon < east))
        cells = slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        part = record.values[cells]
        coords = {"time": time, "lat": lat[cells[1]], "lon": lon[cells[2]]}
        da = xr.DataArray(part, coords, ("time", "lat", "lon"), name="sm")
        scored = region_mask(coords["lat"], coords["lon"], "test")
        references = {"retrieval": part}
        if record.truth is not None:
            # the bias of the sensor stays in a filled record
            truth = record.truth[cells]
            observed = np.isfinite(part)
            bias = np.where(observed, part - truth, 0).sum(axis=0) / np.maximum(
                observed.sum(axis=0), 1
            )
            references["truth, bias removed"] = truth + bias
        yield Part(da.assign_attrs(units="m3 m-3"), references, scored)


def process() -> Iterator[Part]:
    """Made-up records of a known process."""
    for seed in range(3):
        da, truth = made_with_truth(PROCESS, seed)
        scored = np.ones(da.shape[1:], bool)
        yield Part(da, {"truth": truth, "retrieval": da.values}, scored)


RECORDS: dict[str, Callable[[], Iterator[Part]]] = {
    "AMSR2, April 2015": lambda: regions("amsr2"),
    "simulated AMSR2": lambda: regions("osse"),
    "known process": process,
}


def choose_boxes(part: Part, seed: int) -> list[tuple[slice, slice, slice]]:
    """Random boxes that are observed by half or more and do not touch; large ones first."""
    rng = np.random.default_rng(seed)
    observed = np.isfinite(part.da.values)
    taken = np.zeros(observed.shape, bool)
    centres = np.argwhere(observed & part.scored)
    chosen = []
    for size, number in sorted(BOXES.items(), key=lambda item: -np.prod(item[0])):
        tries = 0
        while number and len(centres) and tries < 3000:
            tries += 1
            centre = centres[rng.integers(len(centres))]
            start = centre - np.array(size) // 2
            if (start < 0).any() or (start + size > observed.shape).any():
                continue
            t, y, x = (slice(a, a + n) for a, n in zip(start, size, strict=True))
            if observed[t, y, x].mean() < LEAST * (0.7 if size[0] > 1 else 1):
                continue
            if part.scored[y, x].mean() < 0.6:
                continue
            around = tuple(slice(max(s.start - 4, 0), s.stop + 4) for s in (t, y, x))
            if taken[around].any():
                continue
            taken[t, y, x] = True
            chosen.append((t, y, x))
            number -= 1
    return chosen


def measure(name: str) -> list[dict[str, Any]]:
    """Scores of the area means of a record, by reference and size of the box."""
    collected: dict[tuple[str, tuple[int, ...]], list[Any]] = {}
    for part in RECORDS[name]():
        for seed in SEEDS:
            boxes = choose_boxes(part, seed)
            values = part.da.values.copy()
            for box in boxes:
                values[box] = np.nan
            filled = part.da.copy(data=values).sm.gapfill(samples=SAMPLES, seed=seed)
            print(
                name, seed, len(boxes), filled["sm_samples"].attrs["error_correlation"], flush=True
            )
            area = np.cos(np.deg2rad(filled["lat"].values))
            for box in boxes:
                size = tuple(int(s.stop - s.start) for s in box)
                mean, std = filled["sm"].values[box], filled["sm_uncertainty"].values[box]
                used = np.isfinite(part.da.values[box]) & np.isfinite(mean)
                if used.sum() < 0.3 * used.size:
                    continue
                weight = np.broadcast_to(area[box[1]][:, None], used.shape)[used]
                weight = weight / weight.sum()
                means = filled["sm_samples"].values[(slice(None), *box)][:, used] @ weight
                stds = {
                    "samples": means.std(ddof=1),
                    "independent": np.sqrt(((weight * std[used]) ** 2).sum()),
                    "dependent": weight @ std[used],
                }
                for reference, field in part.references.items():
                    error = float(weight @ (mean - field[box])[used])
                    row = error, *stds.values(), means - weight @ field[box][used]
                    collected.setdefault((reference, size), []).append(row)
    return [
        {"record": name, "reference": reference, "days": size[0], "cells": size[1]}
        | _scores([row[:4] for row in rows], np.stack([row[4] for row in rows]))
        for (reference, size), rows in sorted(collected.items())
    ]


def _scores(rows: list[Any], departures: NDArray[Any]) -> dict[str, Any]:
    error, *stds = np.array(rows, np.float64).T
    scores: dict[str, Any] = {"n": error.size, "rmse": float(np.sqrt(np.mean(error**2)))}
    for way, std in zip(WAYS, stds, strict=True):
        scores[f"std_{way}"] = float(np.sqrt(np.mean(std**2)))
        for level, half_width in HALF_WIDTH.items():
            scores[f"coverage_{level}_{way}"] = float(np.mean(abs(error) <= half_width * std))
    samples = xr.DataArray(departures, dims=("box", "sample"))
    scores["crps"] = float(crps_ensemble(samples, xr.zeros_like(samples[:, 0]), dim="box"))
    print(scores, flush=True)
    return scores


def table(result: dict[str, Any]) -> str:
    """Coverage of area means by samples, and by independent and by dependent errors."""
    head = ["area mean of", "against", "n", "RMSE", "68 %: samples", "independent", "dependent",
            "95 %: samples", "independent", "dependent", "CRPS"]  # fmt: skip
    body = []
    for row in result["rows"]:
        box = f"{row['cells']} x {row['cells']} cells"
        box = "single cells" if row["cells"] == 1 else box
        days = f", {row['days']} days" if row["days"] > 1 else ""
        coverages = [
            f"{100 * row[f'coverage_{level}_{way}']:.0f}" for level in HALF_WIDTH for way in WAYS
        ]
        body.append([f"{row['record']}: {box}{days}", row["reference"], f"{row['n']:,}",
                     f"{row['rmse']:.4f}", *coverages, f"{row['crps']:.4f}"])  # fmt: skip
    note = (
        f"Values inside the intervals, %; RMSE and CRPS in m3 m-3; {result['samples']} samples. "
        f"Cells of 0.25 degrees. Measured {result['date']}."
    )
    return markdown(head, body) + f"\n\n{note}"


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="*", metavar="NAME", help="default: all")
    parsed = parser.parse_args(arguments)
    if unknown := [name for name in parsed.records if name not in RECORDS]:
        raise SystemExit(f"unknown records {unknown}; there are {list(RECORDS)}")
    before = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    rows = {name: [row for row in before if row["record"] == name] for name in RECORDS}
    for name in parsed.records or RECORDS:
        rows[name] = measure(name)
        joined = [row for of_record in rows.values() for row in of_record]
        write_result(provenance(["default"]) | {"samples": SAMPLES, "rows": joined}, RESULT)
    print(table(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
