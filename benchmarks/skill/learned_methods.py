"""Skill of learned methods of other packages: ``python -m benchmarks.skill.learned_methods``.

SAITS and BRITS (PyPOTS) and a convolutional conditional neural process (DeepSensor) are fitted on
the training regions and days of the AMSR2 month. They, linear interpolation and ``gapfill()``
estimate the same hidden values of the test regions and days as the methods of
`benchmarks.skill.gapfill`. Writes ``benchmarks/results/learned_methods.json``. The packages are
those of ``pip install 'xsm[learned]'``.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.provenance import RESULTS, ROOT, installed_version, provenance, write_result
from benchmarks.skill import cache, holdout
from benchmarks.skill.evaluation_records import EvaluationRecord, load
from benchmarks.skill.gapfill_methods import Methods
from benchmarks.skill.gapfill_scores import Estimate, ScoredCells, text
from benchmarks.skill.learned_fits import METHODS, PACKAGES, SIZES, FittingData, Size
from benchmarks.tables import GAP_PATTERNS, markdown, number
from benchmarks.tables import METHODS as LABELS
from xsm._lazy import optional_import
from xsm.networks.block_inference import load_model
from xsm.training import splits

RESULT = RESULTS / "learned_methods.json"
N_REALIZATIONS = 8
REFERENCES = ("linear", "default")
QUICK = Size(epochs=1, batch=4, gap_sets=1, cells=300, validation=300, batches=4)
TITLES = {
    **LABELS,
    "saits": "SAITS (PyPOTS)",
    "brits": "BRITS (PyPOTS)",
    "convcnp": "ConvCNP (DeepSensor)",
}


def strict_cells(record: EvaluationRecord, seed: int) -> holdout.HiddenCells:
    """Hidden cells of the test regions on the test days: no fit has used the region or the day."""
    hidden = holdout.hide_cells(record, seed)
    days = splits.day_mask(record.values.shape[0], "test")
    return replace(hidden, scored=hidden.scored & days[:, None, None])


def estimate(
    name: str,
    seeds: Sequence[int],
    size: Size | None = None,
    use_cache: bool = False,
    record: EvaluationRecord | None = None,
) -> tuple[list[Estimate], dict[str, Any]]:
    """Fit a method, if it is one to fit, and estimate the hidden cells of realizations.

    Parameters
    ----------
    name : str
        A key of `METHODS`, or one of `REFERENCES`.
    seeds : sequence of int
        Random sets of hidden cells.
    size : Size, optional
        Of the fit of a learned method.
    use_cache : bool
        Write the estimates to ``build/skill``, and read them from there.
    record : EvaluationRecord, optional
        By default the AMSR2 month.

    Returns
    -------
    estimates : list of (mean, std or None)
        Each (N,), m3 m-3, by realization.
    settings : dict
        Of the fit; ``parameters``, their number; ``seconds_fit`` and ``seconds_fill``, CPU time of
        the fit and of each realization.
    """
    record = load("amsr2") if record is None else record
    path = cache.cache_path(f"learned-{name}", record, strict_cells(record, seeds[0]), size)
    path = path.with_name(f"{path.stem}_{_sources_digest(name)}.npz")
    if use_cache and (cached := cache.read(path)) and len(cached[2]["counts"]) >= len(seeds):
        arrays, _, settings = cached
        parts = np.split(arrays, np.cumsum(settings["counts"]), axis=1)[: len(seeds)]
        settings["seconds_fill"] = settings["seconds_fill"][: len(seeds)]
        return [(p[0], None if np.isnan(p[1]).all() else p[1]) for p in parts], settings

    begin = time.process_time()
    settings = {}
    if name in METHODS:
        method = METHODS[name](name, size)
        method.fit(FittingData.of(record))
        settings = method.settings | {"seconds_fit": round(time.process_time() - begin, 1)}
    elif name == "default":
        params = load_model(name).params
        settings = {"parameters": sum(int(np.size(p)) for p in params.values())}
    estimates: list[Estimate] = []
    seconds = []
    for seed in seeds:
        hidden = strict_cells(record, seed)
        begin = time.process_time()
        if name in METHODS:
            estimates.append(method.fill(hidden.values, hidden.scored, wrap=record.wrap))
        else:
            estimates.append(_public(name, record, hidden))
        seconds.append(time.process_time() - begin)
        logging.info("%s, realization %d: %.1f s", name, seed, seconds[-1])
    settings["seconds_fill"] = [round(duration, 2) for duration in seconds]
    settings["counts"] = [mean.size for mean, _ in estimates]
    if use_cache:
        pairs = [(mean, np.full_like(mean, np.nan) if std is None else std)
                 for mean, std in estimates]  # fmt: skip
        cache.write(path, np.concatenate([np.stack(p) for p in pairs], axis=1), 0.0, settings)
    return estimates, settings


def _sources_digest(name: str) -> str:
    """Of the files that estimates of a method depend on, besides those that `cache` knows."""
    files = [Path(__file__).with_name(f"learned_{part}.py") for part in ("inputs", "fits")]
    digest = hashlib.sha256()
    if name == "default":
        files = [p for folder in ("xsm", "kernels") for p in sorted((ROOT / folder).rglob("*.py"))]
        digest.update(load_model(name).card["sha256"].encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def longer(size: Size, factor: float) -> Size:
    """A size with a multiple of the epochs."""
    return replace(size, epochs=max(1, round(factor * size.epochs)))


def _public(name: str, record: EvaluationRecord, hidden: holdout.HiddenCells) -> Estimate:
    """Linear interpolation, or ``gapfill()`` with default arguments, at the scored cells."""
    mean, std = Methods(record).get(name)(hidden.values, hidden.scored)
    return mean[hidden.scored], None if std is None else std[hidden.scored]


def _estimate(name: str, *arguments: Any) -> tuple[list[Estimate], dict[str, Any]]:
    """`estimate` in a process of its own."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return estimate(name, *arguments)


def score(
    record: EvaluationRecord, estimates: dict[str, list[Estimate]]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Rows of scores by gap pattern and method, and how many cells and regions they are of."""
    cells = ScoredCells()
    regions: NDArray[np.bool_] = np.zeros(record.values.shape[1:], bool)
    for seed in range(len(next(iter(estimates.values())))):
        hidden = strict_cells(record, seed)
        regions |= hidden.scored.any(axis=0)
        cells.add(record, hidden, seed, {name: parts[seed] for name, parts in estimates.items()})
    if "default" in estimates:
        cells.half_widths["default"] = Methods(record).half_widths("default")
    rows = [row for row in cells.rows() if row["scope"] == "strict"]
    y, x = np.nonzero(regions)
    boxes = {
        (int((record.lat[i] + 90) // splits.BOX_DEGREES), int(record.lon[j] // splits.BOX_DEGREES))
        for i, j in zip(y, x, strict=True)
    }
    return rows, {"cells": int(regions.sum()), "boxes": len(boxes)}


def table(result: dict[str, Any]) -> str:
    """RMSE by gap pattern, the other scores of all gaps, and what each method costs."""
    patterns = (*GAP_PATTERNS, "all")
    head = ["RMSE, m3 m-3", *GAP_PATTERNS.values(), "all", "MAE", "CRPS", "in 68 %", "in 95 %",
            "parameters", "fit, s", "fill, s"]  # fmt: skip
    by_method: dict[str, dict[str, Any]] = {}
    for row in result["rows"]:
        by_method.setdefault(row["method"], {})[row["gap_pattern"]] = row
    body = []
    for name, rows in by_method.items():
        overall, settings = rows["all"], result["methods"][name]
        inside = (overall.get(f"coverage_{level}") for level in (68, 95))
        seconds = settings.get("seconds_fit"), float(np.median(settings["seconds_fill"]))
        count = settings.get("parameters")
        body.append(
            [TITLES[name]]
            + [number(rows[key]["rmsd"] if key in rows else None, 4) for key in patterns]
            + [number(overall[key], 4) for key in ("mae", "crps")]
            + [number(None if x is None else 100 * x, 1) for x in inside]
            + ["-" if count is None else f"{count:,}"]
            + [number(x, 0) for x in seconds]
        )
    sizes = next(iter(by_method.values()))
    counts = ", ".join(f"{sizes[k]['n']:,} {v}" for k, v in GAP_PATTERNS.items() if k in sizes)
    note = (
        f"{result['n_realizations']} realizations; values scored: {counts}, at "
        f"{result['scored']['cells']:,} cells in {result['scored']['boxes']} test regions of 20 x "
        f"20 degrees, on the last {result['test_days']} days. One fit of each learned method. "
        "Seconds are CPU time on one core: of a fit, and of a realization, for which `gapfill()` "
        "and linear interpolation fill the globe and the others the values scored; the weights of "
        "`gapfill()` come with xsm. "
        f"Measured {result['date']}."
    )
    return markdown(head, body) + "\n\n" + note


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--n-realizations", type=int, default=N_REALIZATIONS)
    parser.add_argument("--longer", type=float, default=1, help="factor of the numbers of epochs")
    parser.add_argument("--jobs", type=int, default=1, help="methods at once, one core each")
    parser.add_argument("--quick", action="store_true", help="one realization, tiny fits")
    parser.add_argument(
        "--use-cache",
        action="store_true",
        help="write estimates to build/skill, and read them from there",
    )
    parser.add_argument("--out", type=Path, default=RESULT, help="the JSON file")
    options = parser.parse_args(arguments)
    for name in options.methods:
        optional_import(PACKAGES[name], name, "learned")

    n_realizations = 1 if options.quick else options.n_realizations
    sizes = {name: QUICK if options.quick else longer(SIZES[name], options.longer)
             for name in options.methods}  # fmt: skip
    tasks = [(name, range(n_realizations), sizes[name]) for name in options.methods]
    tasks += [(name, [seed], None) for seed in range(n_realizations) for name in REFERENCES]
    results: dict[str, tuple[list[Estimate], dict[str, Any]]] = {}
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_estimate, *task, options.use_cache) for task in tasks]
        for (name, _, _), future in zip(tasks, futures, strict=True):
            estimates, settings = future.result()
            before, earlier = results.get(name, ([], {"seconds_fill": []}))
            settings["seconds_fill"] = earlier["seconds_fill"] + settings["seconds_fill"]
            results[name] = [*before, *estimates], settings
    results = {name: results[name] for name in (*REFERENCES, *options.methods)}
    record = load("amsr2")
    rows, scored = score(record, {name: parts for name, (parts, _) in results.items()})
    result = {"data": "amsr2", **provenance(["default"])}
    result["versions"] |= {name: installed_version(name) for name in ("pypots", "deepsensor")}
    result |= {
        "quick": options.quick,
        "n_realizations": n_realizations,
        "hidden_fractions": holdout.FRACTIONS,
        "split_seed": splits.SEED,
        "test_days": int(splits.day_mask(record.values.shape[0], "test").sum()),
        "scored": scored,
        "methods": {name: settings for name, (_, settings) in results.items()},
        "rows": rows,
    }
    write_result(result, options.out)
    print(text(rows, reference="retrieval", scope="strict"))
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
