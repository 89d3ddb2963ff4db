"""Sequence networks against boosted trees on a simulated Earth, at cells that no fit has used.

``python -m benchmarks.skill.estimate_osse`` follows Table 5 of Zhang et al. (2025,
doi 10.5194/essd-17-5181-2025): the same predictors, the same split of locations, the same scores.
The target is the true soil moisture of the simulated Earth: a retrieval would add errors that
depend on no predictor. The scores of each fit are cached under ``build/estimate``, so that an
interrupted run continues. All settings were chosen on other Earths (seeds 201, 401 and 501).

The test cells are a tenth of all, as published, and few of them are ever wet. For the random split,
scores and intervals are also computed on all cells that no fit has used (``unseen``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.provenance import RESULTS, ROOT, finite, provenance, write_result
from xsm.estimation.samples import Samples, read_samples
from xsm.experiments.learning_curves import matched_by_distribution
from xsm.metrics.score_table import pooled_scores
from xsm.networks.registry import CONTEXT_DAYS
from xsm.networks.sequence_inference import estimate_sequences
from xsm.osse.cells import ALBEDO, FEATURES, TARGET, simulated_cells
from xsm.training.ensemble import drop_predictors, fit_ensemble
from xsm.training.recipes.shipped_estimator import SETTINGS
from xsm.training.splits import split_cells

_log = logging.getLogger(__name__)
EARTH = {"seed": 601, "stride": 4, "resolution": 0.25, "days": 425}
CELLS = (4500, 400)  # train, held out; of 70 and 20 % of all, for the cost
WET = 0.4  # m3 m-3
NETWORK = {k: v for k, v in SETTINGS.items() if k != "split"}  # of the shipped network
DENSITY_WEIGHTED = {"density_power": 0.3}  # option of the density-weighted runs
TREES = {"rounds": 400}
OPTIONS = {
    "lstm": NETWORK,
    "bilstm": NETWORK,
    "atlstm": NETWORK,
    "transformer": {k: v for k, v in NETWORK.items() if k != "input_size"}
    | {"learning_rate": 3e-3, "attention_heads": 2},
    "xgboost": {"trees": TREES},
}
INPUTS = {
    "all": (),
    "no albedo, no temperature": (*ALBEDO, "lst"),
}
FOLDER = ROOT / "build" / "estimate"
RESULT = RESULTS / "estimate_osse.json"


class Run(NamedTuple):
    """One fit and its scores."""

    model: str
    split: str = "random"
    seed: int = 0
    inputs: str = "all"  # or "precipitation too", or a name of INPUTS
    fraction: float = 1.0
    density_weighted: bool = False


MAIN = ("raw", "cdf_matching", "xgboost", "atlstm", "bilstm", "lstm")
RUNS = (
    *(Run(model) for model in MAIN),
    Run("xgboost", fraction=0.01),
    *(Run(model, "blocked") for model in ("raw", "cdf_matching", "xgboost", "atlstm")),
    *(Run(model, inputs="precipitation too") for model in ("xgboost", "atlstm")),
    *(Run(m, inputs="no albedo, no temperature") for m in ("xgboost", "atlstm")),
    *(Run(model, seed=1) for model in MAIN),
    Run("xgboost", seed=1, fraction=0.01),
    *(Run(model, "blocked") for model in ("lstm", "bilstm")),
    Run("transformer"),
    *(Run(model, seed=2) for model in MAIN),
    Run("xgboost", seed=2, fraction=0.01),
    *(Run(m, seed=seed, density_weighted=True) for seed in range(3) for m in ("atlstm", "xgboost")),
    Run("transformer", "blocked"),
    Run("atlstm", "blocked", density_weighted=True),
)


def simulated_earth(folder: Path) -> xr.Dataset:
    """Cells of the simulated Earth, simulated once and cached."""
    path = folder / ("earth_" + "_".join(str(v) for v in EARTH.values()) + ".nc")
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ds = simulated_cells(variables=[*FEATURES, "precipitation"], **EARTH)
        ds.to_netcdf(path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
    with xr.open_dataset(path) as ds:
        return ds.load()


def parts_of(samples: Samples, split: str, seed: int) -> NDArray[np.int8]:
    """Part of each cell: 0 training, 1 early stopping (`CELLS` of them), 2 test, 3 not used."""
    part = split_cells(samples.lat, samples.lon, split, seed)
    rng = np.random.default_rng(seed)
    for number, count in enumerate(CELLS):
        part[rng.permutation(np.flatnonzero(part == number))[count:]] = 3
    return part


def select_predictors(samples: Samples, inputs: str) -> Samples:
    """The samples with the predictors of a run."""
    names = [row["name"] for row in samples.rows]
    dropped = () if inputs == "precipitation too" else ("precipitation", *INPUTS[inputs])
    return drop_predictors(samples, [names.index(name) for name in dropped])


def estimates(
    run: Run, samples: Samples, part: NDArray[np.int8], cells: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Estimates of some cells (P, T), and their standard deviation if the model has one."""
    names = [row["name"] for row in samples.rows]
    if run.model in ("raw", "cdf_matching"):
        reanalysis = samples.x[:, :, names.index("swvl1")]
        if run.model == "raw":
            return reanalysis[cells], None
        return matched_by_distribution(reanalysis, samples.y, part == 0)[cells], None
    options = OPTIONS[run.model] | (DENSITY_WEIGHTED if run.density_weighted else {})
    model = fit_ensemble(samples, part, run.model, seed=run.seed, fraction=run.fraction, **options)
    x = samples.x[cells]
    blocks = [estimate_sequences(x[n : n + 64], model) for n in range(0, len(x), 64)]
    return np.concatenate([mean for mean, _ in blocks]), np.concatenate([std for _, std in blocks])


def std_coverage(
    estimate: NDArray[np.floating], std: NDArray[np.floating], truth: NDArray[np.floating]
) -> dict[str, float]:
    """Fraction of the truth within one and two standard deviations, and of the wet truth."""
    distance, wet = abs(estimate - truth) / std, truth > WET
    inside = {"1_std": distance < 1, "2_std": distance < 2, "1_std_wet": (distance < 1)[wet]}
    return {name: float(cells.mean()) for name, cells in inside.items()}


def scores(estimate: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, Any]:
    """R2, RMSE and bias of all pairs, and of those with a wet truth."""
    table: dict[str, Any] = {}
    for name, selected in (("all", truth > -1), ("wet", truth > WET)):
        table[name] = pooled_scores(estimate[selected], truth[selected])
    table["wet"]["cells"] = int((truth > WET).any(axis=1).sum())
    return table


def cache_path(run: Run, folder: Path) -> Path:
    """File of the scores of a run; its name depends on every setting."""
    options = OPTIONS.get(run.model, {}) | (DENSITY_WEIGHTED if run.density_weighted else {})
    settings = run._asdict() | {"options": options, "cells": CELLS, "earth": EARTH}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    return folder / f"{run.model}_{run.split}_{run.seed}_{digest}.json"


def cached_scores(run: Run, samples: Samples, path: Path) -> dict[str, Any]:
    """Scores of a run, from its file if it exists."""
    if path.exists():
        return json.loads(path.read_text())
    begin = time.perf_counter()
    part = parts_of(samples, run.split, run.seed)
    inner = slice(CONTEXT_DAYS, -CONTEXT_DAYS)  # the year; the days around it are context
    unseen = part >= 2 if run.split == "random" else part == 2
    predictors = select_predictors(samples, run.inputs)
    estimate, std = estimates(run, predictors, part, unseen)
    estimate, truth, test = estimate[:, inner], samples.y[unseen][:, inner], part[unseen] == 2
    row = run._asdict() | scores(estimate[test], truth[test]) | {"unseen": scores(estimate, truth)}
    if std is not None:
        row["coverage"] = std_coverage(estimate, std[:, inner], truth)
    row["cells"] = np.bincount(part, minlength=3)[:3].tolist()
    row["seconds"] = round(time.perf_counter() - begin, 1)
    path.write_text(json.dumps(finite(row)) + "\n")
    return row


def main(arguments: list[str] | None = None) -> None:
    """Fit, score and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="folder of the cached scores")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--cached-only", action="store_true", help="fit nothing")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    samples = read_samples(simulated_earth(options.folder), TARGET, [*FEATURES, "precipitation"])
    rows = []
    for run in RUNS:
        path = cache_path(run, options.folder)
        if options.cached_only and not path.exists():
            continue
        rows.append(cached_scores(run, samples, path))
        _log.info("%s", rows[-1])
        result = provenance() | {
            "settings": {
                "earth": EARTH,
                "options": OPTIONS,
                "wet": WET,
                **DENSITY_WEIGHTED,
            },
            "rows": rows,
        }
        write_result(result, options.out)


if __name__ == "__main__":
    main()
