"""Confidence intervals in closed form, for independent pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.metrics.packing import Packed
from xsm.metrics.ranks import rank_statistics
from xsm.metrics.resampling import centred

ANALYTIC = ("pearson_r", "spearman_rho", "kendall_tau", "bias", "ubrmsd")


def analytic_bounds(packed: Packed, metric: str, level: float, low: Any, high: Any) -> None:
    """Fill the bounds (P,) of a metric of packed series; formulas as in pytesmo.

    ``pearson_r``: ``tanh(atanh(R) -+ z / sqrt(n - 3))``; ``spearman_rho`` and ``kendall_tau`` the
    same with ``sqrt((1 + rho^2 / 2) / (n - 3))`` and ``sqrt(0.437 / (n - 4))`` (Bonett and Wright,
    2000, doi 10.1007/BF02294183). ``bias``: ``bias -+ t s_d / sqrt(n)``. ``ubrmsd``:
    ``sqrt(n ubrmsd^2 / chi2)``. The same as in pytesmo but for tau, where that takes 0.431 for the
    root of 0.437.
    """
    from scipy.special import chdtri, ndtri, stdtrit

    n = packed.length.astype(np.float64)
    tail = (1.0 - level) / 2.0
    x, y = packed.series
    if not x.size:
        return
    with np.errstate(all="ignore"):
        if metric in ("bias", "ubrmsd"):
            inside = np.arange(x.shape[1]) < packed.length[:, None]
            apart, mean = centred(x - y, inside)
            squares = (apart**2).sum(axis=1)
            if metric == "ubrmsd":
                low[:], high[:] = (np.sqrt(squares / chdtri(n - 1, t)) for t in (tail, 1 - tail))
            else:
                half = np.sqrt(squares / (n - 1) / n) * stdtrit(n - 1, 1 - tail)
                low[:], high[:] = mean[:, 0] - half, mean[:, 0] + half
            return
        r, error = _correlation(metric, x, y, packed.length)
        half = ndtri(1 - tail) * error
        low[:], high[:] = np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)


def _correlation(
    metric: str, x: NDArray[np.float64], y: NDArray[np.float64], length: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Any]:
    """A correlation (P,), and the standard error of its Fisher z; infinite for too few pairs."""
    if metric == "kendall_tau":
        return rank_statistics(x, y, kendall=True)[0], np.sqrt(0.437 / np.maximum(length - 4, 0))
    error = 1.0 / np.sqrt(np.maximum(length - 3, 0))
    if metric == "spearman_rho":
        rho = rank_statistics(x, y, kendall=False)[0]
        return rho, error * np.sqrt(1 + rho**2 / 2)
    inside = np.arange(x.shape[1]) < length[:, None]
    d_x, d_y = (centred(s, inside)[0] for s in (x, y))
    xx, yy = ((d * d).sum(axis=1) for d in (d_x, d_y))
    return np.clip((d_x * d_y).sum(axis=1) / np.sqrt(xx * yy), -1, 1), error
