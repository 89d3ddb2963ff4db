"""A record in stretches of days: long gaps between them cost nothing, but keep their length.

Two days three years apart are two stretches of a few days, not three years. All that is computed by
day counts positions in the stretches; the seasonal cycle counts the days of the calendar.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling.seasonal_cycle import KNOT

MIN_ABSENT = 90  # days; shorter gaps stay as they are


def positions_and_dates(days: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the days of a record with long gaps left out, and the days at all positions.

    Parameters
    ----------
    days : ndarray of int, shape (N,)
        Days since the first, increasing.

    Returns
    -------
    positions : ndarray of int, shape (N,)
        `days` themselves if fewer than 90 days in a row are absent. A longer gap is cut to 10 to 28
        days, more than a network and the correlations reach, and so that the knots of the seasonal
        cycle lie on the same days as without the cut.
    dates : ndarray of int, shape (positions[-1] + 1,)
        Days since the first one.

    Examples
    --------
    >>> positions, dates = positions_and_dates(np.array([0, 1, 1095]))
    >>> positions, dates[-6:]
    (array([ 0,  1, 25]), array([1090, 1091, 1092, 1093, 1094, 1095]))
    """
    steps = np.diff(days)
    cut = np.zeros(days.size, np.int64)  # days left out before each day
    for last in np.flatnonzero(steps > MIN_ABSENT):
        end = (days[last] // KNOT + 2) * KNOT  # of the stretch, with the knot after its last day
        start = days[last + 1] // KNOT * KNOT  # of the next
        cut[last + 1] = start - end
    positions = days - np.cumsum(cut)
    dates = np.arange(positions[-1] + 1)
    for last in np.flatnonzero(cut):
        dates[positions[last] // KNOT * KNOT :] += cut[last]
    return positions, dates


def shorten_gaps(days: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """`days` (N,) with gaps of more than `limit` absent days cut to ``limit + 1`` of them.

    Examples
    --------
    >>> shorten_gaps(np.array([0, 1, 5, 500]), 3)
    array([ 0,  1,  5, 10])
    """
    return np.cumsum(np.diff(days, prepend=days[0]).clip(max=limit + 2))
