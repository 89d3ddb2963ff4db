"""Metrics of how far the estimate is from the reference.

Each is ``metric(est, ref, *, dim, weights=None)`` with DataArrays in one unit and returns a
DataArray without `dim`: NaN where there is no pair. x is the estimate, y the reference; means,
standard deviations s and covariances are over the pairs, divided by their number (or by the sum of
the weights), as in pytesmo.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.metrics.metric_factory import of_moments
from xsm.metrics.moments import Moments


@of_moments
def n_obs(m: Moments) -> NDArray[Any]:
    """Number of pairs: both values finite, weight (if any) above zero. 0 where there is none."""
    return m.n


@of_moments
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


@of_moments
def mse(m: Moments) -> NDArray[Any]:
    """Mean squared difference, ``mean((x - y)^2)``: 0 to inf, best 0, squared units of the data.

    The sum of `mse_bias`, `mse_var` and `mse_corr` (Gupta et al., 2009,
    doi 10.1016/j.jhydrol.2009.08.003, eq. 4).
    """
    return m.dd / m.weight + (m.mean_x - m.mean_y) ** 2


@of_moments
def rmsd(m: Moments) -> NDArray[Any]:
    """Root-mean-square difference, ``sqrt(mean((x - y)^2))``: 0 to inf, best 0, units of the data.

    Reference: Entekhabi et al. (2010), doi 10.1175/2010JHM1223.1, eq. 1.
    """
    return np.sqrt(m.dd / m.weight + (m.mean_x - m.mean_y) ** 2)


@of_moments
def ubrmsd(m: Moments) -> NDArray[Any]:
    """Unbiased root-mean-square difference, ``sqrt(mean(((x - mean(x)) - (y - mean(y)))^2))``.

    0 to inf, best 0, units of the data; ``rmsd^2 = ubrmsd^2 + bias^2``.
    Reference: Entekhabi et al. (2010), doi 10.1175/2010JHM1223.1, eq. 4.
    """
    return np.sqrt(m.dd / m.weight)


@of_moments
def mae(m: Moments) -> NDArray[Any]:
    """Mean absolute difference, ``mean(|x - y|)``: 0 to inf, best 0, units of the data.

    Reference: Willmott and Matsuura (2005), doi 10.3354/cr030079.
    """
    return m.ad / m.weight


@of_moments
def mse_bias(m: Moments) -> NDArray[Any]:
    """Part of `mse` from the bias, ``(mean(x) - mean(y))^2``: 0 to inf, squared units.

    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4.
    """
    return (m.mean_x - m.mean_y) ** 2


@of_moments
def mse_var(m: Moments) -> NDArray[Any]:
    """Part of `mse` from unequal variability, ``(s_x - s_y)^2``: 0 to inf, squared units.

    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4.
    """
    return (np.sqrt(m.xx / m.weight) - np.sqrt(m.yy / m.weight)) ** 2


@of_moments
def mse_corr(m: Moments) -> NDArray[Any]:
    """Part of `mse` from lack of correlation, ``2 s_x s_y (1 - R)``: 0 to inf, squared units.

    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 4.
    """
    return np.maximum(2.0 * (np.sqrt(m.xx * m.yy) - m.xy) / m.weight, 0.0)
