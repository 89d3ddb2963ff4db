"""Experiments with the estimators: ``python -m benchmarks.skill.estimate_experiments``.

Importance of the predictors of the shipped model, length of the sequence, number of training cells.
The simulated Earth is that of :mod:`benchmarks.skill.estimate_osse`, not that of the training.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import xarray as xr

from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill.estimate_osse import FOLDER, NETWORK, TREES, simulated_earth
from xsm.experiments.learning_curves import reduced_samples, sequence_length
from xsm.experiments.permutation import importance
from xsm.osse.cells import ALBEDO, FEATURES, TARGET

RESULT = RESULTS / "estimate_experiments.json"
GROUPS = {"albedo": ALBEDO, "soil texture": ("sand", "clay", "silt")}
STRIDES = {"importance": 20, "length": 12, "samples": 6}
SHORT = {k: v for k, v in NETWORK.items() if k != "min_crop_days"}
SHORT |= {"epochs": 10, "batch_size": 128}


def as_lists(result: xr.Dataset) -> dict[str, Any]:
    """A Dataset as plain lists."""
    lists = {name: da.values.tolist() for name, da in (result.coords | result.data_vars).items()}
    return lists | {"attrs": result.attrs}


def experiments(ds: xr.Dataset) -> dict[str, Any]:
    """All three as plain lists, and their seconds."""
    results, seconds = {}, {}
    common = {"features": FEATURES, "progress": False}
    begin = time.perf_counter()
    results["importance"] = importance(
        "default",
        ds,
        TARGET,
        groups=GROUPS,
        repeats=3,
        stride=STRIDES["importance"],
        progress=False,
    )
    seconds["importance"] = time.perf_counter() - begin
    results["length"] = sequence_length(
        ds,
        TARGET,
        (0, 1, 3, 7, 15, 30),
        days_per_cell=12,
        stride=STRIDES["length"],
        **common,
        **SHORT,
    )
    seconds["length"] = time.perf_counter() - begin - sum(seconds.values())
    results["samples"] = reduced_samples(
        ds,
        TARGET,
        (1.0, 0.3, 0.1, 0.03),
        stride=STRIDES["samples"],
        trees=TREES,
        **common,
        **NETWORK,
    )
    seconds["samples"] = time.perf_counter() - begin - sum(seconds.values())
    return {name: as_lists(result) for name, result in results.items()} | {
        "seconds": {name: round(value) for name, value in seconds.items()}
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the simulated Earth")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    result = provenance() | experiments(simulated_earth(options.folder))
    write_result(result, options.out)


if __name__ == "__main__":
    main()
