"""Skill of gap-filling: the networks and the baselines.

``python -m benchmarks.skill.gapfill [--data amsr2|osse] [--methods ...] [--model default ...]``
hides cells of the record (`benchmarks.skill.holdout`), fills them with every method, scores them
(`benchmarks.skill.gapfill_scores`), prints the table and writes
``benchmarks/results/gapfill_<data>.json``.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill import cache, holdout
from benchmarks.skill.evaluation_records import EvaluationRecord, load
from benchmarks.skill.gapfill_methods import BASELINES, Methods
from benchmarks.skill.gapfill_scores import SCOPES, Estimate, Estimates, ScoredCells, text
from xsm.errors import XsmError
from xsm.training import splits

_log = logging.getLogger(__name__)
N_REALIZATIONS = 8


def measure(
    record: EvaluationRecord,
    names: list[str],
    methods: Methods,
    n_realizations: int,
    *,
    use_cache: bool = False,
) -> dict[str, Any]:
    """Fill several random sets of hidden cells with every method and score them.

    Parameters
    ----------
    record : EvaluationRecord
    names : list of str
        Baselines and networks.
    methods : Methods
        Provides them.
    n_realizations : int
        Number of random sets of hidden cells.
    use_cache : bool
        Write the estimates of the baselines to ``build/skill``, and read them from there.

    Returns
    -------
    dict
        ``rows`` of scores, and ``latitudes``, of errors by band; by method, ``seconds`` of a
        realization (median) and of the first one, which includes fits and searches; ``skipped``
        methods with the reason.
    """
    cells, seconds = ScoredCells(), defaultdict(list)
    names, skipped = list(names), {}
    for seed in range(n_realizations):
        hidden = holdout.hide_cells(record, seed)
        estimates: Estimates = {}
        for name in list(names):
            try:
                estimates[name], duration = _estimate(name, record, hidden, methods, use_cache)
            except (ImportError, XsmError) as error:
                if not methods.quick:
                    raise
                _log.warning("skipped %s: %s", name, error)
                names.remove(name)
                skipped[name] = str(error)
                continue
            seconds[name].append(duration)
            _log.info("realization %d, %s: %.1f s", seed, name, duration)
        cells.add(record, hidden, seed, estimates)
    cells.half_widths = {name: methods.half_widths(name) for name in names}
    cells.compared_to = next((name for name in methods.models if name in names), None)
    median = {name: round(float(np.median(times)), 2) for name, times in seconds.items()}
    first = {name: round(times[0], 2) for name, times in seconds.items()}
    rows = {"rows": cells.rows(), "latitudes": cells.latitude_rows()}
    return {**rows, "seconds": median, "seconds_first": first, "skipped": skipped}


def _estimate(
    name: str,
    record: EvaluationRecord,
    hidden: holdout.HiddenCells,
    methods: Methods,
    use_cache: bool,
) -> tuple[Estimate, float]:
    """Mean and standard deviation (or None) of the scored cells (N,), and the run time, s."""
    use_cache = use_cache and name in BASELINES
    path = cache.cache_path(name, record, hidden, methods.quick) if use_cache else None
    cached = cache.read(path) if path else None
    if cached:
        mean, duration, settings = cached
        methods.settings |= settings
        return (mean, None), duration
    begin = time.perf_counter()
    filled, filled_std = methods.get(name)(hidden.values, hidden.scored)
    duration = time.perf_counter() - begin
    mean = filled[hidden.scored]
    std = None if filled_std is None else filled_std[hidden.scored]
    if path:
        settings = {k: v for k, v in methods.settings.items() if k == name}
        cache.write(path, mean, duration, settings)
    return (mean, std), duration


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("amsr2", "osse"), default="amsr2")
    parser.add_argument("--methods", nargs="*", default=list(BASELINES), choices=BASELINES)
    parser.add_argument("--model", nargs="*", default=["default"], help="networks: names or paths")
    parser.add_argument("--n-realizations", type=int, default=N_REALIZATIONS)
    parser.add_argument("--threads", type=int, default=1, help="of LightGBM")
    parser.add_argument("--quick", action="store_true", help="one realization, small fits")
    parser.add_argument(
        "--use-cache",
        action="store_true",
        help="write estimates of the baselines to build/skill, and read them from there",
    )
    parser.add_argument("--out", type=Path, help="the JSON file")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    record = load(options.data)
    methods = Methods(record, tuple(options.model), options.threads, options.quick)
    n_realizations = 1 if options.quick else options.n_realizations
    names = [*options.methods, *options.model]
    result = measure(record, names, methods, n_realizations, use_cache=options.use_cache)
    result = {
        "data": options.data,
        **provenance(options.model),
        "quick": options.quick,
        "settings": {
            "n_realizations": n_realizations,
            "hidden_fractions": holdout.FRACTIONS,
            "split_seed": splits.SEED,
            **methods.settings,
        },
        **result,
    }
    suffix = "_quick" if options.quick else ""
    out = options.out or RESULTS / f"gapfill_{options.data}{suffix}.json"
    write_result(result, out)
    for reference in sorted({str(row["reference"]) for row in result["rows"]}):
        for scope in SCOPES:
            print(text(result["rows"], reference=reference, scope=scope), end="\n\n")
    for name, reason in result["skipped"].items():
        print(f"skipped {name}: {reason}")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
