"""From filled records to rows of scores.

All methods are scored on exactly the same cells. Where a method gives no estimate, its row uses the
mean of the cell ("climatology") and counts those cells (``n_unfilled``). Each row also has the
error on the common cells, those that every method filled (``n_common``, ``rmsd_common``). Coverage
counts only cells for which the method gave a standard deviation. The continuous ranked probability
score (``crps``) is that of the normal distribution with this standard deviation; of methods without
one it is the mean absolute error.

How much of the errors two methods share: ``error_r`` is the correlation of the errors of a method
with those of the method that it is compared to, and ``rmsd_mixed`` the error of the best weighted
mean of the two, with the weight chosen on the scored cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.skill.evaluation_records import EvaluationRecord
from benchmarks.skill.holdout import GAP_PATTERNS, HiddenCells
from xsm.metrics import scores
from xsm.metrics.probabilistic import gaussian_crps
from xsm.training.splits import day_mask

Row = dict[str, object]
Floats = NDArray[np.floating]
SCOPES = ("strict", "region")
# half-widths, in standard deviations, of the central 68 and 95 % of a normal distribution
HALF_WIDTH = {68: 0.994458, 95: 1.959964}
COVERAGES = ("coverage_68", "coverage_95")
LATITUDES = (-90, -30, 0, 30, 40, 50, 60, 90)  # edges of the bands, degrees north
# mean and, where the method gives one, standard deviation of the scored cells, each (N,)
Estimate = tuple[NDArray[np.float32], NDArray[np.float32] | None]
Estimates = dict[str, Estimate]


@dataclass
class ScoredCells:
    """Scored cells (N,) of all realizations: references, labels and estimates of each method."""

    retrieval: list[NDArray] = field(default_factory=list)
    truth: list[NDArray] = field(default_factory=list)
    mean: list[NDArray] = field(default_factory=list)
    gap_pattern: list[NDArray] = field(default_factory=list)
    strict: list[NDArray] = field(default_factory=list)
    seed: list[NDArray] = field(default_factory=list)
    latitude: list[NDArray] = field(default_factory=list)
    estimate: dict[str, list[NDArray]] = field(default_factory=dict)
    std: dict[str, list[NDArray]] = field(default_factory=dict)
    # by method and level in %: half-width of the interval in standard deviations
    half_widths: dict[str, dict[int, float]] = field(default_factory=dict)
    compared_to: str | None = None  # method whose errors the others are compared to

    def add(
        self, record: EvaluationRecord, hidden: HiddenCells, seed: int, estimates: Estimates
    ) -> None:
        """Append the scored cells of one realization."""
        scored = hidden.scored
        day, row, column = np.nonzero(scored)
        self.retrieval.append(record.values[scored])
        if record.truth is not None:
            self.truth.append(record.truth[scored])
        self.mean.append(hidden.mean[row, column])
        self.gap_pattern.append(hidden.gap_pattern[scored])
        self.strict.append(day_mask(scored.shape[0], "test")[day])
        self.seed.append(np.full(day.size, seed))
        self.latitude.append(np.asarray(record.lat)[row])
        for name, (mean, std) in estimates.items():
            self.estimate.setdefault(name, []).append(mean)
            if std is not None:
                self.std.setdefault(name, []).append(std)

    def rows(self) -> list[Row]:
        """Scores by reference, scope, gap pattern and method."""
        references = {"retrieval": np.concatenate(self.retrieval)}
        if self.truth:
            references["truth"] = np.concatenate(self.truth)
        gap_pattern, strict = np.concatenate(self.gap_pattern), np.concatenate(self.strict)
        mean, seed = np.concatenate(self.mean), np.concatenate(self.seed)
        estimates = {name: np.concatenate(parts) for name, parts in self.estimate.items()}
        stds = {name: np.concatenate(parts) for name, parts in self.std.items()}
        filled = np.isfinite(np.stack(list(estimates.values()))).all(axis=0)
        other = None if self.compared_to is None else estimates[self.compared_to]
        rows = []
        for reference, values in references.items():
            for scope in SCOPES:
                for label in ("all", *GAP_PATTERNS):
                    selected = _of_pattern(gap_pattern, label)
                    if scope == "strict":
                        selected &= strict
                    if not selected.any():
                        continue
                    labels = {"reference": reference, "scope": scope, "gap_pattern": label}
                    for name, estimate in estimates.items():
                        rows.append(
                            {**labels, "method": name}
                            | _score_row(
                                estimate[selected],
                                values[selected],
                                mean[selected],
                                filled[selected],
                                seed[selected],
                                stds[name][selected] if name in stds else None,
                                self.half_widths.get(name, HALF_WIDTH),
                            )
                        )
                        if other is not None and name != self.compared_to:
                            both = selected & filled
                            rows[-1] |= shared_error(estimate[both], other[both], values[both])
        return rows

    def latitude_rows(self) -> list[Row]:
        """Errors of all days by method, gap pattern and band of latitude, against the retrievals.

        ``fraction`` is the fraction of the cells of this pattern, and
        ``fraction_of_squared_error`` that of their squared errors.
        """
        values, latitude = np.concatenate(self.retrieval), np.concatenate(self.latitude)
        gap_pattern, mean = np.concatenate(self.gap_pattern), np.concatenate(self.mean)
        rows: list[Row] = []
        for name, parts in self.estimate.items():
            estimate = np.concatenate(parts)
            complete = _complete(estimate, mean)
            squared = np.subtract(complete, values, dtype=np.float64) ** 2
            for label in ("all", *GAP_PATTERNS):
                selected = _of_pattern(gap_pattern, label)
                for south, north in pairwise(LATITUDES):
                    inside = selected & (latitude >= south) & (latitude < north)
                    if inside.any():
                        rows.append(
                            {
                                "method": name, "gap_pattern": label,
                                "south": south, "north": north, "n": int(inside.sum()),
                                "fraction": float(inside.sum() / selected.sum()),
                                "fraction_of_squared_error": float(
                                    squared[inside].sum() / squared[selected].sum()
                                ),
                                "rmsd": float(np.sqrt(squared[inside].mean())),
                            }
                        )  # fmt: skip
        return rows


def _of_pattern(gap_pattern: NDArray, label: str) -> NDArray[np.bool_]:
    """Cells (N,) of one gap pattern, or of all."""
    if label == "all":
        return np.ones(gap_pattern.shape, bool)
    return gap_pattern == GAP_PATTERNS.index(label)


def _complete(estimate: NDArray, mean: NDArray) -> NDArray:
    """An estimate (N,) with the mean of the cell where the method gives none."""
    return np.where(np.isnan(estimate), mean, estimate)


def pair_scores(estimate: Floats, reference: Floats) -> dict[str, float]:
    """``rmsd``, ``mae``, ``bias`` and ``r`` of paired arrays (N,), by :mod:`xsm.metrics`."""
    pairs = (xr.DataArray(values, dims="cell") for values in (estimate, reference))
    names = ("rmsd", "mae", "bias", "pearson_r")
    table = scores(*pairs, dim="cell", metrics=names, min_pairs=1)
    return {name.replace("pearson_", ""): float(table[name]) for name in names}


def coverage(estimate: Floats, std: Floats, reference: Floats, half_width: float) -> float:
    """Fraction of `reference` within `half_width` standard deviations of `estimate`."""
    error = np.subtract(reference, estimate, dtype=np.float64)
    return float(np.mean(np.abs(error) <= half_width * std))


def shared_error(estimate: Floats, other: Floats, reference: Floats) -> Row:
    """Correlation of the errors of two estimates (N,), and the error of their best mixture.

    The weights of the mixture are between 0 and 1 and have the sum 1.
    """
    first, second = (np.subtract(e, reference, dtype=np.float64) for e in (estimate, other))
    if first.size < 2 or not first.std() * second.std():
        return {}
    difference = first - second
    mean_square = float(np.mean(difference**2))
    weight = -float(np.mean(second * difference)) / mean_square if mean_square else 0.0
    mixed = second + np.clip(weight, 0.0, 1.0) * difference
    return {
        "error_r": float(np.corrcoef(first, second)[0, 1]),
        "rmsd_mixed": float(np.sqrt(np.mean(mixed**2))),
    }


def _score_row(
    estimate: NDArray,
    reference: NDArray,
    mean: NDArray,
    filled: NDArray,
    seed: NDArray,
    std: NDArray | None,
    half_widths: dict[int, float],
) -> Row:
    """One row of scores of cells (N,)."""
    unfilled = np.isnan(estimate)
    complete = _complete(estimate, mean)
    row: Row = {
        "n": int(reference.size),
        "n_unfilled": int(unfilled.sum()),
        **pair_scores(complete, reference),
        "rmsd_standard_error": _standard_error(complete, reference, seed),
        "r_anomaly": pair_scores(complete - mean, reference - mean)["r"],
        "n_common": int(filled.sum()),
    }
    # a cell without a standard deviation of its own has the absolute error
    certain = np.zeros(reference.shape) if std is None else np.where(np.isfinite(std), std, 0.0)
    certain = np.where(unfilled, 0.0, certain)
    row["crps"] = float(np.mean(gaussian_crps(complete - reference, certain)))
    if filled.any():
        row["rmsd_common"] = pair_scores(estimate[filled], reference[filled])["rmsd"]
    if std is not None:
        with_std = np.isfinite(std) & ~unfilled
        if with_std.any():
            cells = estimate[with_std], std[with_std], reference[with_std]
            row["coverage_68"], row["coverage_95"] = (
                coverage(*cells, half_widths[level]) for level in (68, 95)
            )
            row["std_rms"] = float(np.sqrt(np.mean(np.square(std[with_std], dtype=float))))
    return row


def _standard_error(estimate: NDArray, reference: NDArray, seed: NDArray) -> float:
    """Standard error of the RMSD from its scatter between realizations; NaN for a single one."""
    errors = [
        pair_scores(estimate[seed == k], reference[seed == k])["rmsd"] for k in np.unique(seed)
    ]
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
        percents = [
            f"{100 * float(str(row[k])):6.1f}" if k in row else f"{'':6}" for k in COVERAGES
        ]
        lines.append(
            f"{row['gap_pattern']:6} {row['method']:14} {row['n']:7} {row['n_unfilled']:6}"
            f" {row['rmsd']:7.4f} {row['rmsd_standard_error']:6.4f} {row['mae']:7.4f}"
            f" {row['bias']:+8.4f} {row['r']:6.3f} {row['r_anomaly']:6.3f} {' '.join(percents)}"
        )
    return "\n".join(lines)
