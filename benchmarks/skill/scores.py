"""The scores of the skill benchmarks. Each takes paired 1-D arrays without NaN."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

# half-widths, in standard deviations, of the central 68 and 95 % of a normal distribution
HALF_WIDTH = {68: 0.994458, 95: 1.959964}


def bias(est: Floats, ref: Floats) -> float:
    """Mean of ``est - ref``."""
    return float(np.mean(np.subtract(est, ref, dtype=np.float64)))


def rmsd(est: Floats, ref: Floats) -> float:
    """Root of the mean squared difference."""
    return float(np.sqrt(np.mean(np.square(np.subtract(est, ref, dtype=np.float64)))))


def mae(est: Floats, ref: Floats) -> float:
    """Mean absolute difference."""
    return float(np.mean(np.abs(np.subtract(est, ref, dtype=np.float64))))


def pearson_r(est: Floats, ref: Floats) -> float:
    """Linear correlation; NaN where one of the two does not vary or there are fewer than two."""
    if est.size < 2:
        return float("nan")
    x = est - np.mean(est, dtype=np.float64)
    y = ref - np.mean(ref, dtype=np.float64)
    spread = np.sqrt(np.sum(x * x) * np.sum(y * y))
    return float(np.sum(x * y) / spread) if spread > 0 else float("nan")


def coverage(est: Floats, sd: Floats, ref: Floats, width: float) -> float:
    """Share of `ref` within `width` standard deviations `sd` of `est`."""
    return float(np.mean(np.abs(np.subtract(ref, est, dtype=np.float64)) <= width * sd))
