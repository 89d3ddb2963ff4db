"""Metrics of correlation: whether the estimate varies with the reference.

Each is ``metric(est, ref, *, dim, weights=None)`` with DataArrays and returns a DataArray without
`dim`: NaN where there are fewer than two pairs or a series does not vary. The units of the
series do not matter. x is the estimate, y the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.metrics.anomaly import paired_anomalies
from xsm.metrics.metric_factory import (
    evaluate_metric,
    moment_metric,
    series_metric,
    with_metric_attrs,
)
from xsm.metrics.moments import Moments, compute_moments
from xsm.metrics.pairs import Dims, pair
from xsm.metrics.ranks import rank_statistics


def correlation(m: Moments) -> NDArray[Any]:
    """Pearson's R of moments, within -1 .. 1; NaN where a series does not vary."""
    r = np.clip(m.xy / np.sqrt(m.xx * m.yy), -1.0, 1.0)
    return np.where((m.n > 1) & ~m.constant_x & ~m.constant_y, r, np.nan)


@moment_metric
def pearson_r(m: Moments) -> NDArray[Any]:
    """Pearson correlation, ``cov(x, y) / (s_x s_y)``: -1 to 1, best 1, no unit.

    Reference: Pearson (1895), doi 10.1098/rspl.1895.0041.

    Examples
    --------
    >>> est, ref = xr.DataArray([0.2, 0.3, 0.1], dims="t"), xr.DataArray([20, 30, 10], dims="t")
    >>> round(float(pearson_r(est, ref, dim="t")), 6)
    1.0
    """
    return correlation(m)


@moment_metric
def r2(m: Moments) -> NDArray[Any]:
    """Squared Pearson correlation, ``R^2``: 0 to 1, best 1, no unit.

    The coefficient of determination of the best straight line. That of the line ``x = y`` is `nse`.
    """
    return correlation(m) ** 2


@series_metric
def spearman_rho(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[Any]:
    """Spearman rank correlation, Pearson's R of the ranks (ties share their mean rank).

    -1 to 1, best 1, no unit. Reference: Spearman (1904), doi 10.2307/1412159.
    """
    return rank_statistics(x, y, kendall=False)[0]


@series_metric
def kendall_tau(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[Any]:
    """Kendall rank correlation tau-b, ``(c - d) / sqrt((n0 - t_x) (n0 - t_y))``.

    c concordant and d discordant of n0 pairs of days, t of them tied in x or in y. -1 to 1, best 1,
    no unit. Reference: Kendall (1945), doi 10.1093/biomet/33.3.239.
    """
    return rank_statistics(x, y, kendall=True)[0]


def anomaly_r(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    weights: xr.DataArray | None = None,
    method: str = "moving_window",
    window: float = 35,
) -> xr.DataArray:
    """Pearson correlation of anomalies: -1 to 1, best 1, no unit.

    Parameters
    ----------
    est, ref, dim, weights
        As for every metric; `dim` holds a time axis. Anomalies are computed from the pairs only,
        so that both refer to the same days.
    method, window
        See :func:`xsm.metrics.anomalies`.

    Notes
    -----
    Reference: Dorigo et al. (2015), doi 10.1016/j.rse.2014.07.023 (moving window of 35 days).
    """
    est, ref = paired_anomalies(est, ref, dim=dim, method=method, window=window)
    pairs = pair(est, ref, dim=dim, weights=weights, any_units=True)
    r = evaluate_metric("pearson_r", compute_moments(pairs), pairs)
    return with_metric_attrs("anomaly_r", r, pairs)
