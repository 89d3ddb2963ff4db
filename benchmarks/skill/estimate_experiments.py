"""What the estimators draw on and need: ``python -m benchmarks.skill.estimate_experiments``.

Importance of the predictors for the shipped model, length of the sequence, number of cells, on the
simulated Earth of :mod:`benchmarks.skill.estimate_osse`, which the shipped model has not seen.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import xarray as xr

from benchmarks.skill.estimate_osse import FOLDER, NETWORK, TREES, earth
from benchmarks.skill.provenance import finite, provenance
from benchmarks.skill.records import ROOT
from xsm.experiments.learning_curves import reduced_samples, sequence_length
from xsm.experiments.permutation import importance
from xsm.osse.cells import ALBEDO, FEATURES, TARGET

RESULT = ROOT / "benchmarks" / "results" / "estimate_experiments.json"
GROUPS = {"albedo": ALBEDO, "soil texture": ("sand", "clay", "silt")}
STRIDE = {"importance": 20, "length": 12, "samples": 6}
SHORT = {k: v for k, v in NETWORK.items() if k != "min_crop_days"}
SHORT |= {"epochs": 10, "batch_size": 128}


def rows_of(result: xr.Dataset) -> dict[str, Any]:
    """A Dataset as plain lists."""
    found = {name: da.values.tolist() for name, da in (result.coords | result.data_vars).items()}
    return found | {"attrs": result.attrs}


def experiments(ds: xr.Dataset) -> dict[str, Any]:
    """All three, as plain lists, with the seconds they took."""
    found, seconds = {}, {}
    common = {"features": FEATURES, "progress": False}
    begin = time.perf_counter()
    found["importance"] = importance(
        "default", ds, TARGET, groups=GROUPS, repeats=3, stride=STRIDE["importance"], progress=False
    )
    seconds["importance"] = time.perf_counter() - begin
    found["length"] = sequence_length(
        ds, TARGET, (0, 1, 3, 7, 15, 30), days_per_cell=12, stride=STRIDE["length"],
        **common, **SHORT,
    )  # fmt: skip
    seconds["length"] = time.perf_counter() - begin - sum(seconds.values())
    found["samples"] = reduced_samples(
        ds, TARGET, (1.0, 0.3, 0.1, 0.03), stride=STRIDE["samples"], trees=TREES,
        **common, **NETWORK,
    )  # fmt: skip
    seconds["samples"] = time.perf_counter() - begin - sum(seconds.values())
    return {name: rows_of(result) for name, result in found.items()} | {
        "seconds": {name: round(value) for name, value in seconds.items()}
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the Earth is kept")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args(arguments)
    result = provenance() | experiments(earth(given.folder))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(finite(result), indent=1) + "\n")


if __name__ == "__main__":
    main()
