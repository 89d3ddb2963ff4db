"""What the card of an estimator holds beside its network: normalisation, calibration, scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.estimation.samples import Samples
from xsm.metrics.score_table import pooled_scores
from xsm.networks.model import Model
from xsm.networks.sequence_inference import (
    CONTEXT,
    LIMIT,
    YEAR,
    estimate_sequences,
    location_and_scale,
    standardised,
    windows,
)
from xsm.training.sequence_loop import Sequences

SCALINGS = ("moments", "quartiles")


def normalisation(
    samples: Samples,
    part: NDArray[np.int8],
    location: str | None,
    scale: str | None,
    scaling: str = "moments",
) -> dict[str, Any]:
    """Entries of the card: normalisation by the training cells alone, form of the sequences."""
    if scaling not in SCALINGS:
        raise InputError(f"scaling={scaling!r}: expected one of {', '.join(map(repr, SCALINGS))}.")
    train = part == 0
    y = samples.y[train]
    rows = []
    for f, row in enumerate(samples.rows):
        values = samples.x[train, :, f]
        values = values[np.isfinite(values)]
        mean, std = _of_quartiles(values) if scaling == "quartiles" else _moments(values)
        rows.append(row | {"mean": mean, "std": std if std > 1e-6 * (1 + abs(mean)) else 1.0})
    return {
        "predictors": rows,
        "target": {
            "name": "soil_moisture",
            "variable": samples.title,
            "location": location or float(np.nanmean(y)),
            "scale": scale or float(np.nanstd(y)),
            "depth_top": 0.0,
            "depth_bottom": 0.05,
        },
        "sequence": {"days": YEAR, "context": CONTEXT},
    }


def _moments(values: NDArray[np.floating]) -> tuple[float, float]:
    return float(values.mean(dtype=float)), float(values.std(dtype=float))


def _of_quartiles(values: NDArray[np.floating]) -> tuple[float, float]:
    """Median, and the spread of the middle half; wide enough that the tails stay within LIMIT."""
    low, first, middle, third, high = np.quantile(values, [0.005, 0.25, 0.5, 0.75, 0.995])
    tail = max(high - middle, middle - low) / LIMIT
    return float(middle), float(max((third - first) / 1.349, tail))


def cut_sequences(
    samples: Samples, card: Mapping[str, Any], cells: NDArray[np.bool_], *, single: bool
) -> Sequences:
    """Windows (or `single` days) of some cells that hold a target, as the network sees them."""
    x, y = samples.x[cells], samples.y[cells]
    where, wide = location_and_scale(x, card)
    y = ((y - where) / wide).astype(np.float32)
    z = standardised(x, card)
    if single:
        seen = np.isfinite(y)
        return Sequences(z[seen][:, None], y[seen][:, None])
    cut = windows(x.shape[1], card["sequence"]["days"], card["sequence"]["context"])
    longest = max(window.days.stop - window.days.start for window in cut)
    xs, ys = [], []
    for window in cut:
        inner = np.full((len(y), longest), np.nan, np.float32)
        days = window.days.stop - window.days.start
        inner[:, window.kept] = y[:, window.days][:, window.kept]
        outer = np.zeros((len(z), longest, z.shape[2]), np.float32)
        outer[:, :days] = z[:, window.days]
        seen = np.isfinite(inner).any(axis=1)
        xs.append(outer[seen])
        ys.append(inner[seen])
    return Sequences(np.concatenate(xs), np.concatenate(ys))


def scores(samples: Samples, model: Model, part: NDArray[np.int8]) -> dict[str, Any]:
    """Entries of the card: calibration by the held-out cells, scores on the test cells."""
    found: dict[str, dict[str, float | None]] = {}
    for number, name in ((1, "calibration"), (2, "test")):
        cells = part == number
        if not cells.any():
            continue
        mean, std = estimate_sequences(samples.x[cells], model)
        y = samples.y[cells]
        if name == "calibration":
            known = np.isfinite(y)
            error = abs(mean - y)[known].astype(np.float64)
            ratio = np.quantile(error / std[known], 0.68) / 0.9945
            found[name] = {"scale": round(float(ratio), 4), "n": int(known.sum())}
        else:
            whole = pooled_scores(mean, y)
            found["scores"] = {
                "rmse": round(whole["rmse"], 5),
                "bias": round(whole["bias"], 5),
                "r2": round(whole["r2"], 4) if np.isfinite(whole["r2"]) else None,
                "n": whole["n"],
            }
    return found
