"""Make the standard deviation honest, from samples no training step saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.networks.block_inference import LOG_VARIANCE
from xsm.networks.device import operations
from xsm.networks.registry import network
from xsm.training.patches import Sample

LEVELS = {0.68: 0.9945, 0.95: 1.9600}  # half-widths of normal intervals, standard deviations
BINS = 6
ENOUGH = 500  # cells in a bin


def calibrate(
    params: Mapping[str, np.ndarray], config: Mapping[str, Any], samples: Sequence[Sample]
) -> dict[str, Any]:
    """Choose the factors by which the predicted standard deviation is multiplied.

    One factor for each predicted log-variance, linear between the medians of bins of equally many
    cells: a gap of one cell, of small variance, errs otherwise than the middle of a large one.
    In a bin the factor is the geometric mean of those that would make the 68 % and the 95 %
    interval exact. Errors have heavier tails than the normal distribution, so no factor makes both
    exact; the coverage factors that do are returned too.

    Returns
    -------
    dict
        ``log_variance`` and ``scale``, the bins and their factors; ``factor_68`` and
        ``factor_95``, the coverage factors: how many scaled standard deviations on each side hold
        exactly so many of the errors; ``coverage_68`` and ``coverage_95`` of the normal
        half-widths; ``n``, the cells used.
    """
    parts = [_ratios(params, config, sample) for sample in samples]
    ratio, log_variance = (np.concatenate(p) for p in zip(*parts, strict=True))
    order = np.argsort(log_variance, kind="stable")
    bins = np.array_split(order, max(1, min(BINS, ratio.size // ENOUGH)))
    at = np.array([np.median(log_variance[b]) for b in bins])
    scale = np.array([_exact(ratio[b]) for b in bins])
    scaled = ratio / np.interp(log_variance, at, scale)
    return {
        "log_variance": [round(float(x), 4) for x in at],
        "scale": [round(float(x), 4) for x in scale],
        "factor_68": round(float(np.quantile(scaled, 0.68)), 4),
        "factor_95": round(float(np.quantile(scaled, 0.95)), 4),
        "coverage_68": round(float(np.mean(scaled <= LEVELS[0.68])), 4),
        "coverage_95": round(float(np.mean(scaled <= LEVELS[0.95])), 4),
        "n": int(ratio.size),
    }


def _exact(ratio: NDArray[np.floating]) -> float:
    """The factor between those that make the two intervals exact."""
    exact = [np.quantile(ratio, level) / width for level, width in LEVELS.items()]
    return float(np.sqrt(np.prod(exact)))


def _ratios(params, config, sample) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Absolute errors in predicted standard deviations, and log-variances, of the hidden cells."""
    row = network("partial_conv", "gapfill")
    output, _ = row.apply(
        params,
        sample.inputs,
        config,
        operations(row.operations),
        land=sample.land[None, None, None],
    )
    anomaly, log_variance = sample.inner(output)[0]
    log_variance = np.clip(log_variance, *LOG_VARIANCE)
    std = sample.std * np.exp(0.5 * log_variance)
    error = abs(sample.mean + sample.std * anomaly - sample.target)
    return (error / std)[sample.hidden], log_variance[sample.hidden]
