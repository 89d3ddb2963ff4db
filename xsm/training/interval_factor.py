"""The factor that makes intervals of a predicted standard deviation hold what they state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NORMAL_HALF_WIDTH = {0.68: 0.9945, 0.95: 1.9600}  # standard deviations, by coverage
# a standard deviation is read as the interval of 68 % first of all
WEIGHT = {0.68: 2 / 3, 0.95: 1 / 3}


def interval_factor(ratio: NDArray[np.floating]) -> float:
    """Factor of a standard deviation, from absolute errors divided by it.

    The weighted geometric mean of the factors that make the intervals of 68 % and of 95 % exact.
    Errors have heavier tails than the normal distribution, so no single factor does both: the
    narrow interval then holds slightly more than it states, and the wide one slightly less.

    Examples
    --------
    >>> normal = np.abs(np.random.default_rng(0).normal(0, 2, 100_000))
    >>> round(interval_factor(normal), 2)
    2.0
    """
    exact = {level: np.quantile(ratio, level) / width for level, width in NORMAL_HALF_WIDTH.items()}
    return float(np.prod([exact[level] ** weight for level, weight in WEIGHT.items()]))
