"""The factor that makes intervals of a predicted standard deviation hold what they state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NORMAL_HALF_WIDTH = {0.68: 0.9945, 0.95: 1.9600}  # standard deviations, by coverage


def interval_factor(ratio: NDArray[np.floating]) -> float:
    """Factor of a standard deviation, from absolute errors divided by it.

    The geometric mean of the factors that make the intervals of 68 % and of 95 % exact. Errors have
    heavier tails than the normal distribution, so no single factor does both: the narrow interval
    then holds slightly more than it states, and the wide one slightly less.

    Examples
    --------
    >>> normal = np.abs(np.random.default_rng(0).normal(0, 2, 100_000))
    >>> round(interval_factor(normal), 2)
    2.0
    """
    exact = [np.quantile(ratio, level) / width for level, width in NORMAL_HALF_WIDTH.items()]
    return float(np.sqrt(np.prod(exact)))
