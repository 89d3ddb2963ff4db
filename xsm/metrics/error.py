"""Metrics of error and of efficiency: how far the estimate is from the reference.

Each is ``metric(est, ref, *, dim, weights=None)`` with DataArrays in one unit and returns a
DataArray without `dim`: NaN where there is no pair. x is the estimate, y the reference; means,
standard deviations s and covariances are over the pairs, divided by their number (or by the sum of
the weights), as in pytesmo.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.metrics.correlation import correlation
from xsm.metrics.metric_factory import moment_metric
from xsm.metrics.moments import Moments


@moment_metric
def n_obs(m: Moments) -> NDArray[Any]:
    """Number of pairs: both values finite, weight (if any) above zero. 0 where there is none."""
    return m.n


@moment_metric
def bias(m: Moments) -> NDArray[Any]:
    """Bias, ``mean(x) - mean(y)``: -inf to inf, best 0, units of the data.

    Reference: Entekhabi et al. (2010), doi 10.1175/2010JHM1223.1.

    Examples
    --------
    >>> import xarray as xr
    >>> est, ref = xr.DataArray([0.2, 0.3, 0.4], dims="t"), xr.DataArray([0.1, 0.2, 0.3], dims="t")
    >>> round(float(bias(est, ref, dim="t")), 6)
    0.1
    """
    return m.mean_x - m.mean_y


@moment_metric
def mse(m: Moments) -> NDArray[Any]:
    """Mean squared difference, ``mean((x - y)^2)``: 0 to inf, best 0, squared units of the data.

    The sum of `mse_bias`, `mse_var` and `mse_corr` (Gupta et al., 2009,
    doi 10.1016/j.jhydrol.2009.08.003, eq. 4).
    """
    return m.dd / m.weight + (m.mean_x - m.mean_y) ** 2


@moment_metric
def rss(m: Moments) -> NDArray[Any]:
    """Residual sum of squares, ``sum((x - y)^2)``: 0 to inf, best 0, squared units of the data.

    The number of pairs times `mse`. It grows with the number of pairs; with weights it is the
    weighted mean of the squares times the number of pairs.
    """
    return m.n * (m.dd / m.weight + (m.mean_x - m.mean_y) ** 2)


@moment_metric
def rmsd(m: Moments) -> NDArray[Any]:
    """Root-mean-square difference, ``sqrt(mean((x - y)^2))``: 0 to inf, best 0, units of the data.

    Reference: Entekhabi et al. (2010), doi 10.1175/2010JHM1223.1, eq. 1.
    """
    return np.sqrt(m.dd / m.weight + (m.mean_x - m.mean_y) ** 2)


@moment_metric
def ubrmsd(m: Moments) -> NDArray[Any]:
    """Unbiased root-mean-square difference, ``sqrt(mean(((x - mean(x)) - (y - mean(y)))^2))``.

    0 to inf, best 0, units of the data; ``rmsd^2 = ubrmsd^2 + bias^2``.
    Reference: Entekhabi et al. (2010), doi 10.1175/2010JHM1223.1, eq. 4.
    """
    return np.sqrt(m.dd / m.weight)


@moment_metric
def mae(m: Moments) -> NDArray[Any]:
    """Mean absolute difference, ``mean(|x - y|)``: 0 to inf, best 0, units of the data.

    Reference: Willmott and Matsuura (2005), doi 10.3354/cr030079.
    """
    return m.ad / m.weight


@moment_metric
def mse_bias(m: Moments) -> NDArray[Any]:
    """Part of `mse` from the bias, ``(mean(x) - mean(y))^2``: 0 to inf, squared units.

    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4.
    """
    return (m.mean_x - m.mean_y) ** 2


@moment_metric
def mse_var(m: Moments) -> NDArray[Any]:
    """Part of `mse` from unequal variability, ``(s_x - s_y)^2``: 0 to inf, squared units.

    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4.
    """
    return (np.sqrt(m.xx / m.weight) - np.sqrt(m.yy / m.weight)) ** 2


@moment_metric
def mse_corr(m: Moments) -> NDArray[Any]:
    """Part of `mse` from lack of correlation, ``2 s_x s_y (1 - R)``: 0 to inf, squared units.

    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4.
    """
    return np.maximum(2.0 * (np.sqrt(m.xx * m.yy) - m.xy) / m.weight, 0.0)


@moment_metric
def nse(m: Moments) -> NDArray[Any]:
    """Nash-Sutcliffe efficiency, ``1 - sum((x - y)^2) / sum((y - mean(y))^2)``.

    -inf to 1, best 1, no unit; 0 is as good as the mean of the reference. It is the coefficient of
    determination of the line x = y. NaN where the reference does not vary.
    Reference: Nash and Sutcliffe (1970), doi 10.1016/0022-1694(70)90255-6.
    """
    squares = m.dd + m.weight * (m.mean_x - m.mean_y) ** 2
    return np.where(m.constant_y, np.nan, 1.0 - squares / m.yy)


@moment_metric
def kge(m: Moments) -> NDArray[Any]:
    """Kling-Gupta efficiency, ``1 - sqrt((R - 1)^2 + (s_x/s_y - 1)^2 + (mean(x)/mean(y) - 1)^2)``.

    -inf to 1, best 1, no unit; the mean of the reference scores ``1 - sqrt(2)``. NaN where a series
    does not vary or the mean of the reference is 0.
    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 9 and 10.
    """
    variability = np.sqrt(m.xx / m.yy) - 1.0
    bias_ratio = np.where(m.mean_y == 0, np.nan, m.mean_x / m.mean_y) - 1.0
    return 1.0 - np.sqrt((correlation(m) - 1.0) ** 2 + variability**2 + bias_ratio**2)


@moment_metric
def std_ratio(m: Moments) -> NDArray[Any]:
    """Ratio of standard deviations, ``s_x / s_y``.

    0 to inf, best 1, no unit: the radius in a Taylor diagram. NaN where the reference is constant.
    Reference: Taylor (2001), doi 10.1029/2000JD900719.
    """
    return np.where(m.constant_y, np.nan, np.sqrt(m.xx / m.yy))
