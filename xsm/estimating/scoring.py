"""Scores of estimates over all cells and days together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pooled(estimate: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """``rmse``, ``bias``, ``r2`` (NaN where the truth is constant) and ``n`` of what both know."""
    known = np.isfinite(truth) & np.isfinite(estimate)
    error = (estimate - truth)[known].astype(np.float64)
    square = float(np.mean(error**2))
    spread = float(np.var(truth[known], dtype=np.float64))
    return {
        "rmse": square**0.5,
        "bias": float(error.mean()),
        "r2": 1.0 - square / spread if spread else float("nan"),
        "n": int(known.sum()),
    }
