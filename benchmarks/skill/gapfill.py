"""How well gaps are filled, by the networks and by what they have to beat.

``python -m benchmarks.skill.gapfill [--data amsr2|osse] [--methods ...] [--model default ...]``
hides cells of the record (`benchmarks.skill.holdout`), lets every method fill them, scores them
(`benchmarks.skill.pooled`), prints the table and writes ``benchmarks/results/gapfill_<data>.json``.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.skill import holdout, kept
from benchmarks.skill.methods import BASELINES, Methods
from benchmarks.skill.pooled import SCOPES, Estimate, Estimates, Pool, text
from benchmarks.skill.provenance import finite, provenance
from benchmarks.skill.records import ROOT, Record, load
from xsm.errors import XsmError
from xsm.training import splits

_log = logging.getLogger(__name__)
RESULTS = ROOT / "benchmarks" / "results"
SEEDS = 8


def measure(
    record: Record, names: list[str], methods: Methods, seeds: int, *, reuse: bool = False
) -> dict[str, Any]:
    """Fill `seeds` draws of hidden cells with every method and score them.

    Parameters
    ----------
    record : Record
    names : list of str
        Baselines and networks.
    methods : Methods
        Where they come from.
    seeds : int
        Number of draws.
    reuse : bool
        Keep the estimates of the baselines under ``build/skill``, and take them from there.

    Returns
    -------
    dict
        ``rows`` of scores; ``seconds`` of a draw (median) and of the first one, which includes
        fitting and searching, by method; ``skipped`` methods with the reason.
    """
    pool, seconds = Pool(), defaultdict(list)
    names, skipped = list(names), {}
    for seed in range(seeds):
        draw = holdout.case(record, seed)
        estimates: Estimates = {}
        for name in list(names):
            try:
                estimates[name], taken = _estimate(name, record, draw, methods, reuse)
            except (ImportError, XsmError) as error:
                if not methods.quick:
                    raise
                _log.warning("skipped %s: %s", name, error)
                names.remove(name)
                skipped[name] = str(error)
                continue
            seconds[name].append(taken)
            _log.info("draw %d, %s: %.1f s", seed, name, taken)
        pool.add(record, draw, seed, estimates)
    pool.widths = {name: methods.widths(name) for name in names}
    median = {name: round(float(np.median(times)), 2) for name, times in seconds.items()}
    first = {name: round(times[0], 2) for name, times in seconds.items()}
    return {"rows": pool.rows(), "seconds": median, "seconds_first": first, "skipped": skipped}


def _estimate(
    name: str, record: Record, draw: holdout.Case, methods: Methods, reuse: bool
) -> tuple[Estimate, float]:
    """Mean and deviation (or None) of the scored cells (N,), and the seconds they took."""
    reuse = reuse and name in BASELINES
    path = kept.place(name, record, draw, methods.quick) if reuse else None
    found = kept.kept(path) if path else None
    if found:
        mean, taken, settings = found
        methods.settings |= settings
        return (mean, None), taken
    begin = time.perf_counter()
    field, spread = methods.get(name)(draw.values, draw.where)
    taken = time.perf_counter() - begin
    mean, deviation = field[draw.where], None if spread is None else spread[draw.where]
    if path:
        settings = {k: v for k, v in methods.settings.items() if k == name}
        kept.keep(path, mean, taken, settings)
    return (mean, deviation), taken


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=("amsr2", "osse"), default="amsr2")
    parser.add_argument("--methods", nargs="*", default=list(BASELINES), choices=BASELINES)
    parser.add_argument("--model", nargs="*", default=["default"], help="networks: names or paths")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--threads", type=int, default=1, help="of LightGBM")
    parser.add_argument("--quick", action="store_true", help="one draw, small fits, own file")
    parser.add_argument(
        "--reuse", action="store_true", help="keep and take estimates of the baselines: build/skill"
    )
    parser.add_argument("--out", type=Path, help="where to write the JSON")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

    record = load(chosen.data)
    methods = Methods(record, tuple(chosen.model), chosen.threads, chosen.quick)
    seeds = 1 if chosen.quick else chosen.seeds
    result = measure(record, [*chosen.methods, *chosen.model], methods, seeds, reuse=chosen.reuse)
    result = {
        "data": chosen.data,
        **provenance(chosen.model),
        "quick": chosen.quick,
        "settings": {
            "draws": seeds,
            "hidden_fractions": holdout.FRACTIONS,
            "split_seed": splits.SEED,
            **methods.settings,
        },
        **result,
    }
    suffix = "_quick" if chosen.quick else ""
    out = chosen.out or RESULTS / f"gapfill_{chosen.data}{suffix}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(finite(result), indent=1) + "\n")
    for reference in sorted({str(row["reference"]) for row in result["rows"]}):
        for scope in SCOPES:
            print(text(result["rows"], reference=reference, scope=scope), end="\n\n")
    for name, reason in result["skipped"].items():
        print(f"skipped {name}: {reason}")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
