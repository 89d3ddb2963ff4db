"""Entries of an estimator's card: normalisation, calibration and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.argument_checks import check_choice
from xsm.estimation.inputs import input_rows, network_inputs
from xsm.estimation.pixels import estimate_cells
from xsm.estimation.samples import Samples
from xsm.metrics.score_table import pooled_scores
from xsm.networks.model import Model
from xsm.networks.registry import CONTEXT_DAYS, SEQUENCE_DAYS
from xsm.networks.sequence_inference import (
    LIMIT,
    location_and_scale,
    standardise,
    windows,
)
from xsm.training.interval_factor import interval_factor
from xsm.training.sequence_fit import Sequences

SCALINGS = ("moments", "quartiles")
NORMAL_QUARTILE_RANGE = 1.349  # standard deviations


def normalisation(
    samples: Samples,
    part: NDArray[np.int8],
    location: str | None,
    scale: str | None,
    scaling: str = "moments",
    antecedent: bool = False,
) -> dict[str, Any]:
    """Entries ``predictors``, ``target`` and ``sequence``; statistics of the training cells only.

    And ``inputs``, if the network takes others than the predictors: with `antecedent` those of
    :mod:`xsm.estimation.memory`, and indicators of classes.

    Raises
    ------
    InputError
        If there is no such scaling.
    """
    check_choice("scaling", scaling, SCALINGS)
    training = part == 0
    y = samples.y[training]
    target = {
        "name": "soil_moisture",
        "variable": samples.title,
        "location": location or float(np.nanmean(y)),
        "scale": scale or float(np.nanstd(y)),
        "depth_top": 0.0,
        "depth_bottom": 0.05,
    }
    sequence = {"days": SEQUENCE_DAYS, "context": CONTEXT_DAYS}
    predictors = with_statistics(samples.rows, samples.x[training], scaling)
    card = {"predictors": predictors, "target": target, "sequence": sequence}
    rows = input_rows(predictors, antecedent=antecedent)
    if [row["name"] for row in rows] == [row["name"] for row in predictors]:
        return card
    inputs = network_inputs(samples.x[training], card | {"inputs": rows})
    return card | {"inputs": with_statistics(rows, inputs, scaling)}


def with_statistics(
    rows: Sequence[Mapping[str, Any]], x: NDArray[np.floating], scaling: str
) -> list[dict[str, Any]]:
    """The rows with ``mean`` and ``std`` of their values (P, T, F)."""
    statistics = {"moments": _mean_and_std, "quartiles": _median_and_quartile_range}[scaling]
    result = []
    for f, row in enumerate(rows):
        values = x[:, :, f]
        values = values[np.isfinite(values)]
        mean, std = statistics(values) if values.size else (0.0, 1.0)
        varies = std > 1e-6 * (1 + abs(mean))
        result.append({**row, "mean": mean, "std": std if varies else 1.0})
    return result


def _mean_and_std(values: NDArray[np.floating]) -> tuple[float, float]:
    return float(values.mean(dtype=float)), float(values.std(dtype=float))


def _median_and_quartile_range(values: NDArray[np.floating]) -> tuple[float, float]:
    """Median, and the standard deviation by the quartiles; the tails must not exceed LIMIT."""
    low, first, middle, third, high = np.quantile(values, [0.005, 0.25, 0.5, 0.75, 0.995])
    tail = max(high - middle, middle - low) / LIMIT
    return float(middle), float(max((third - first) / NORMAL_QUARTILE_RANGE, tail))


def cut_sequences(
    samples: Samples, card: Mapping[str, Any], cells: NDArray[np.bool_], *, days_alone: bool
) -> Sequences:
    """Standardised sequences of some cells, without those that have no target.

    Parameters
    ----------
    samples : Samples
    card : mapping
        With the entries of :func:`normalisation`.
    cells : ndarray of bool, (P,)
    days_alone : bool
        Return sequences of one day each instead of years with their context.
    """
    return cut(network_inputs(samples.x[cells], card), samples.y[cells], card, days_alone)


def cut(
    x: NDArray[np.floating], y: NDArray[np.floating], card: Mapping[str, Any], days_alone: bool
) -> Sequences:
    """Standardised sequences of inputs (P, T, G) and targets (P, T), m3 m-3.

    Days that are further from any target than the context of a sequence are left out.
    """
    location, scale = location_and_scale(x, card)
    y = ((y - location) / scale).astype(np.float32)
    context = card["sequence"]["context"]
    with_target = np.flatnonzero(np.isfinite(y).any(axis=0))
    if not days_alone and with_target.size:
        period = slice(max(with_target[0] - context, 0), with_target[-1] + 1 + context)
        x, y = x[:, period], y[:, period]
    z = standardise(x, card)
    if days_alone:
        observed = np.isfinite(y)
        return Sequences(z[observed][:, None], y[observed][:, None])
    windows_of_record = windows(x.shape[1], card["sequence"]["days"], context)
    longest = max(window.days.stop - window.days.start for window in windows_of_record)
    xs, ys = [], []
    for window in windows_of_record:
        target = np.full((len(y), longest), np.nan, np.float32)
        days = window.days.stop - window.days.start
        target[:, window.core] = y[:, window.days][:, window.core]
        predictors = np.zeros((len(z), longest, z.shape[2]), np.float32)
        predictors[:, :days] = z[:, window.days]
        has_target = np.isfinite(target).any(axis=1)
        xs.append(predictors[has_target])
        ys.append(target[has_target])
    return Sequences(np.concatenate(xs), np.concatenate(ys))


def skill(samples: Samples, model: Model, part: NDArray[np.int8]) -> dict[str, Any]:
    """Entries ``calibration``, by the held-out cells, and ``scores``, on the test cells."""
    entries: dict[str, dict[str, float | None]] = {}
    if (held_out := part == 1).any():
        mean, std = estimate_cells(samples.x[held_out], model)
        y = samples.y[held_out]
        observed = np.isfinite(y)
        error = abs(mean - y)[observed].astype(np.float64)
        factor = interval_factor(error / std[observed])
        entries["calibration"] = {"scale": round(factor, 4), "n": int(observed.sum())}
    if (test := part == 2).any():
        entries["scores"] = rounded_scores(
            estimate_cells(samples.x[test], model)[0], samples.y[test]
        )
    return entries


def rounded_scores(
    estimate: NDArray[np.floating], y: NDArray[np.floating]
) -> dict[str, float | None]:
    """Scores of all values together as a card has them; ``r2`` is None where it is undefined."""
    scores = pooled_scores(estimate, y)
    return {
        "rmse": round(scores["rmse"], 5),
        "bias": round(scores["bias"], 5),
        "r2": round(scores["r2"], 4) if np.isfinite(scores["r2"]) else None,
        "n": scores["n"],
    }
