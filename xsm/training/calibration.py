"""Calibrate the predicted standard deviation on samples that no training step used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.networks.block_inference import LOG_VARIANCE
from xsm.networks.device import operations
from xsm.networks.model import Model
from xsm.training.interval_factor import NORMAL_HALF_WIDTH, interval_factor
from xsm.training.patches import Sample

MAX_BINS = 6
MIN_CELLS = 500  # of a bin


def calibrate(
    model: Model, params: Mapping[str, np.ndarray], samples: Sequence[Sample]
) -> dict[str, Any]:
    """Choose the factors by which the predicted standard deviation is multiplied.

    `params` are those of a network with the configuration of `model`.

    There is one factor for each predicted log-variance, linear between the medians of bins with
    equal numbers of cells: errors in the gap of a single cell, where the variance is small, are
    distributed differently from those in the middle of a large gap. The factor of a bin is that of
    :func:`xsm.training.interval_factor.interval_factor`. Coverage factors that make the intervals
    exact are returned too.

    Returns
    -------
    dict
        ``log_variance`` and ``scale``, the bins and their factors; ``factor_68`` and
        ``factor_95``, the coverage factors: the number of scaled standard deviations on each side
        that hold exactly this percentage of the errors; ``coverage_68`` and ``coverage_95`` of the
        normal half-widths; ``n``, the number of cells.
    """
    parts = [_ratios(model, params, sample) for sample in samples]
    ratio, log_variance = (np.concatenate(p) for p in zip(*parts, strict=True))
    order = np.argsort(log_variance, kind="stable")
    bins = np.array_split(order, max(1, min(MAX_BINS, ratio.size // MIN_CELLS)))
    centre = np.array([np.median(log_variance[b]) for b in bins])
    scale = np.array([interval_factor(ratio[b]) for b in bins])
    scaled = ratio / np.interp(log_variance, centre, scale)
    return {
        "log_variance": [round(float(x), 4) for x in centre],
        "scale": [round(float(x), 4) for x in scale],
        "factor_68": round(float(np.quantile(scaled, 0.68)), 4),
        "factor_95": round(float(np.quantile(scaled, 0.95)), 4),
        "coverage_68": round(float(np.mean(scaled <= NORMAL_HALF_WIDTH[0.68])), 4),
        "coverage_95": round(float(np.mean(scaled <= NORMAL_HALF_WIDTH[0.95])), 4),
        "n": int(ratio.size),
    }


def _ratios(
    model: Model, params: Mapping[str, np.ndarray], sample: Sample
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Absolute errors in predicted standard deviations, and log-variances, of the hidden cells."""
    row, land = model.network, sample.land[None, None, None]
    output, _ = row.apply(
        params, sample.inputs, model.config, operations(row.operations), land=land
    )
    anomaly, log_variance = sample.inner(output)[0]
    log_variance = np.clip(log_variance, *LOG_VARIANCE)
    std = sample.std * np.exp(0.5 * log_variance)
    error = abs(sample.mean + sample.std * anomaly - sample.target)
    return (error / std)[sample.hidden], log_variance[sample.hidden]
