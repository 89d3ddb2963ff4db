"""Metrics of skill against the mean and the spread of the reference.

Each is ``metric(est, ref, *, dim, weights=None)`` with DataArrays in one unit and returns a
DataArray without `dim`. x is the estimate, y the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.metrics.correlation import correlation
from xsm.metrics.metric_factory import of_moments
from xsm.metrics.moments import Moments


@of_moments
def nse(m: Moments) -> NDArray[Any]:
    """Nash-Sutcliffe efficiency, ``1 - sum((x - y)^2) / sum((y - mean(y))^2)``.

    -inf to 1, best 1, no unit; 0 is as good as the mean of the reference. It is the coefficient of
    determination of the line x = y. NaN where the reference does not vary.
    Reference: Nash and Sutcliffe (1970), doi 10.1016/0022-1694(70)90255-6.
    """
    squares = m.dd + m.weight * (m.mean_x - m.mean_y) ** 2
    return np.where(m.constant_y, np.nan, 1.0 - squares / m.yy)


@of_moments
def std_ratio(m: Moments) -> NDArray[Any]:
    """Ratio of standard deviations, ``s_x / s_y``.

    0 to inf, best 1, no unit: the radius in a Taylor diagram. NaN where the reference is constant.
    Reference: Taylor (2001), doi 10.1029/2000JD900719.
    """
    return np.where(m.constant_y, np.nan, np.sqrt(m.xx / m.yy))


@of_moments
def kge(m: Moments) -> NDArray[Any]:
    """Kling-Gupta efficiency, ``1 - sqrt((R - 1)^2 + (s_x/s_y - 1)^2 + (mean(x)/mean(y) - 1)^2)``.

    -inf to 1, best 1, no unit; the mean of the reference scores ``1 - sqrt(2)``. NaN where a series
    does not vary or the mean of the reference is 0.
    Reference: Gupta et al. (2009), doi 10.1016/j.jhydrol.2009.08.003, eq. 9 and 10.
    """
    spread = np.sqrt(m.xx / m.yy) - 1.0
    centre = np.where(m.mean_y == 0, np.nan, m.mean_x / m.mean_y) - 1.0
    return 1.0 - np.sqrt((correlation(m) - 1.0) ** 2 + spread**2 + centre**2)
