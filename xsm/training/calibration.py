"""One factor that makes the standard deviation honest, from samples no training step saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xsm.networks.gapfilling import LOG_VARIANCE, operations
from xsm.networks.partial_conv import partial_conv_network
from xsm.training.samples import Sample

LEVELS = {0.68: 0.9945, 0.95: 1.9600}  # half-widths of normal intervals, standard deviations


def calibrate(
    params: Mapping[str, np.ndarray], config: Mapping[str, Any], samples: Sequence[Sample]
) -> dict[str, float]:
    """Choose the factor by which the predicted standard deviation is multiplied.

    Errors have heavier tails than the normal distribution, so one factor cannot make both the 68 %
    and the 95 % interval exact; it makes the larger of the two deviations, each in units of its
    tolerance (4 and 2 %), as small as can be.

    Returns
    -------
    dict
        ``scale``; ``factor_68`` and ``factor_95``, the coverage factors: how many scaled standard
        deviations on each side hold exactly so many of the errors; ``coverage_68`` and
        ``coverage_95`` of the normal half-widths; ``n``, the cells used.
    """
    ratio = np.concatenate([_ratios(params, config, sample) for sample in samples])
    scales = np.linspace(0.4, 2.5, 421)
    covered = {
        level: np.array([np.mean(ratio <= width * s) for s in scales])
        for level, width in LEVELS.items()
    }
    worst = np.maximum(abs(covered[0.68] - 0.68) / 0.04, abs(covered[0.95] - 0.95) / 0.02)
    best = int(np.argmin(worst))
    return {
        "scale": round(float(scales[best]), 4),
        "factor_68": round(float(np.quantile(ratio, 0.68) / scales[best]), 4),
        "factor_95": round(float(np.quantile(ratio, 0.95) / scales[best]), 4),
        "coverage_68": round(float(covered[0.68][best]), 4),
        "coverage_95": round(float(covered[0.95][best]), 4),
        "n": int(ratio.size),
    }


def _ratios(params, config, sample):
    """Absolute errors in predicted standard deviations, hidden cells only."""
    output, _ = partial_conv_network(
        params, sample.inputs, config, operations(), land=sample.land[None, None, None]
    )
    anomaly, log_variance = sample.inner(output)[0]
    std = sample.std * np.exp(0.5 * np.clip(log_variance, *LOG_VARIANCE))
    error = abs(sample.mean + sample.std * anomaly - sample.target)
    return (error / std)[sample.hidden]
