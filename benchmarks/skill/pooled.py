"""From filled records to rows of scores.

All methods are scored on exactly the same cells. Where a method gives nothing, its row takes the
mean of the cell ("climatology") and says how many those were (``empty``); besides, each row has the
error on the common cells, those that every method filled itself (``n_common``, ``rmsd_common``).
Coverage counts only cells for which the method gave a deviation of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.skill.holdout import KINDS, Case
from benchmarks.skill.records import Record
from benchmarks.skill.scores import HALF_WIDTH, bias, coverage, mae, pearson_r, rmsd
from xsm.training.splits import day_mask

Row = dict[str, object]
SCOPES = ("strict", "region")
# mean and, where the method gives one, standard deviation of the scored cells, each (N,)
Estimate = tuple[NDArray[np.float32], NDArray[np.float32] | None]
Estimates = dict[str, Estimate]


@dataclass
class Pool:
    """Scored cells (N,) of all draws: references, labels, and what each method said."""

    retrieval: list[NDArray] = field(default_factory=list)
    truth: list[NDArray] = field(default_factory=list)
    mean: list[NDArray] = field(default_factory=list)
    kind: list[NDArray] = field(default_factory=list)
    strict: list[NDArray] = field(default_factory=list)
    seed: list[NDArray] = field(default_factory=list)
    estimate: dict[str, list[NDArray]] = field(default_factory=dict)
    deviation: dict[str, list[NDArray]] = field(default_factory=dict)
    # by method and level in %: standard deviations on each side that make the interval
    widths: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, record: Record, draw: Case, seed: int, estimates: Estimates) -> None:
        """Append the scored cells of one draw."""
        where = draw.where
        day, row, column = np.nonzero(where)
        self.retrieval.append(record.values[where])
        if record.truth is not None:
            self.truth.append(record.truth[where])
        self.mean.append(draw.mean[row, column])
        self.kind.append(draw.kind[where])
        self.strict.append(day_mask(where.shape[0], "test")[day])
        self.seed.append(np.full(day.size, seed))
        for name, (mean, deviation) in estimates.items():
            self.estimate.setdefault(name, []).append(mean)
            if deviation is not None:
                self.deviation.setdefault(name, []).append(deviation)

    def rows(self) -> list[Row]:
        """Scores by reference, scope, kind of gap and method."""
        references = {"retrieval": np.concatenate(self.retrieval)}
        if self.truth:
            references["truth"] = np.concatenate(self.truth)
        kind, strict = np.concatenate(self.kind), np.concatenate(self.strict)
        mean, seed = np.concatenate(self.mean), np.concatenate(self.seed)
        estimates = {name: np.concatenate(parts) for name, parts in self.estimate.items()}
        deviations = {name: np.concatenate(parts) for name, parts in self.deviation.items()}
        filled = np.isfinite(np.stack(list(estimates.values()))).all(axis=0)
        rows = []
        for reference, values in references.items():
            for scope in SCOPES:
                for label in ("all", *KINDS):
                    chosen = strict.copy() if scope == "strict" else np.ones_like(strict)
                    if label != "all":
                        chosen &= kind == KINDS.index(label)
                    if not chosen.any():
                        continue
                    for name, estimate in estimates.items():
                        rows.append(
                            {"reference": reference, "scope": scope, "kind": label, "method": name}
                            | _scores(
                                estimate[chosen],
                                values[chosen],
                                mean[chosen],
                                filled[chosen],
                                seed[chosen],
                                deviations[name][chosen] if name in deviations else None,
                                self.widths.get(name, HALF_WIDTH),
                            )
                        )
        return rows


def _scores(
    estimate: NDArray,
    reference: NDArray,
    mean: NDArray,
    filled: NDArray,
    seed: NDArray,
    deviation: NDArray | None,
    widths: dict[int, float],
) -> Row:
    """One row of scores of cells (N,)."""
    empty = np.isnan(estimate)
    full = np.where(empty, mean, estimate)
    row: Row = {
        "n": int(reference.size),
        "empty": int(empty.sum()),
        "rmsd": rmsd(full, reference),
        "rmsd_standard_error": _standard_error(full, reference, seed),
        "mae": mae(full, reference),
        "bias": bias(full, reference),
        "r": pearson_r(full, reference),
        "r_anomaly": pearson_r(full - mean, reference - mean),
        "n_common": int(filled.sum()),
    }
    if filled.any():
        row["rmsd_common"] = rmsd(estimate[filled], reference[filled])
    if deviation is not None:
        known = np.isfinite(deviation) & ~empty
        if known.any():
            parts = estimate[known], deviation[known], reference[known]
            row["coverage_68"], row["coverage_95"] = (
                coverage(*parts, widths[level]) for level in (68, 95)
            )
            row["deviation_rms"] = float(np.sqrt(np.mean(np.square(deviation[known], dtype=float))))
    return row


def _standard_error(estimate: NDArray, reference: NDArray, seed: NDArray) -> float:
    """Standard error of the rmsd from its scatter between draws; NaN for a single one."""
    errors = [rmsd(estimate[seed == k], reference[seed == k]) for k in np.unique(seed)]
    return float(np.std(errors, ddof=1) / np.sqrt(len(errors))) if len(errors) > 1 else float("nan")


def text(rows: Iterable[Row], *, reference: str, scope: str) -> str:
    """The rows of one reference and scope as a table for the terminal."""
    lines = [
        f"against the {reference}, {scope}",
        f"{'gap':6} {'method':14} {'n':>7} {'empty':>6} {'RMSE':>7} {'+-':>6} {'MAE':>7}"
        f" {'bias':>8} {'R':>6} {'R anom':>6} {'68 %':>6} {'95 %':>6}",
    ]
    for row in rows:
        if (row["reference"], row["scope"]) != (reference, scope):
            continue
        shares = [f"{100 * float(str(row[k])):6.1f}" if k in row else f"{'':6}" for k in COVERAGES]
        lines.append(
            f"{row['kind']:6} {row['method']:14} {row['n']:7} {row['empty']:6} {row['rmsd']:7.4f}"
            f" {row['rmsd_standard_error']:6.4f} {row['mae']:7.4f} {row['bias']:+8.4f}"
            f" {row['r']:6.3f} {row['r_anomaly']:6.3f} {' '.join(shares)}"
        )
    return "\n".join(lines)


COVERAGES = ("coverage_68", "coverage_95")
