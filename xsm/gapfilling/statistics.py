"""Per-cell statistics of a record: what makes one network serve many products.

A network sees anomalies in units of a cell's own variability, so percent or m3 m-3, a wet product
or a dry one, X band or L band are all alike to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling.seasonal_cycle import box_sum, departures, slow_course

STATISTICS = ("mean", "std", "count", "persistence", "coherence")
MEAN, STD, COUNT = 0, 1, 2
HALO = 10  # cells of neighbourhood that the statistics of a cell depend on

LAGS = 2  # days apart, at most, in the persistence
_PRIOR_DAYS = 3.0  # weight of the neighbourhood's variance, in days of observation
_PRIOR_PAIRS = 10.0  # weight of "no correlation", in pairs
_FLOOR = 0.01  # m3 m-3, the step of the coarsest products


def record_statistics(values: NDArray[np.floating], *, wrap: bool = False) -> NDArray[np.float32]:
    """Statistics of every cell over the whole record.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        Soil moisture, m3 m-3; NaN where missing.
    wrap : bool
        Whether the last column is the neighbour of the first.

    Returns
    -------
    ndarray of float32, shape (5 + K, H, W)
        Of the departures from the slow course, in the order of ``STATISTICS``: mean and standard
        deviation (m3 m-3; the latter shrunk towards that of the 7 x 7 cells around, three days'
        worth, and at least 0.01), number of observations, mean product of standardised anomalies
        one and two days apart
        ("persistence") and of a cell with its eight neighbours on one day ("coherence"), both
        pooled over 5 x 5 cells and shrunk towards zero. Mean 0 where nothing was observed.
        Then the slow course itself, :func:`xsm.gapfilling.seasonal_cycle.slow_course`.
    """
    course = slow_course(values, wrap=wrap)
    values = departures(values, course)
    known = spread(moments(values), wrap=wrap)
    pooled = pool(products(values, known, wrap=wrap), wrap=wrap)
    return np.concatenate([known, pooled, course])


def moments(departed: NDArray[np.float32]) -> NDArray[np.float64]:
    """Number, mean and sum of squares about it (3, H, W) of departures (T, H, W) of some days."""
    observed = np.isfinite(departed)
    count = observed.sum(axis=0, dtype=np.int32)
    filled = np.where(observed, departed, np.float32(0))
    mean = filled.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    anomaly = np.where(observed, filled - mean, 0).astype(np.float32)
    return np.stack([count, mean, np.einsum("thw,thw->hw", anomaly, anomaly)])


def joined_moments(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those (3, H, W) of all days from those (N, 3, H, W) of parts; Chan et al. (1979), eq. 2.1."""
    count, mean, squares = parts.swapaxes(0, 1)
    total = count.sum(axis=0)
    middle = (count * mean).sum(axis=0) / np.maximum(total, 1)
    return np.stack([total, middle, (squares + count * (mean - middle) ** 2).sum(axis=0)])


def spread(found: NDArray[np.float64], *, wrap: bool = False) -> NDArray[np.float32]:
    """Mean, shrunk standard deviation and count (3, H, W) from :func:`moments` of all days."""
    count, mean, squares = found
    freedom = np.maximum(count - 1, 0)
    pooled = box_sum(squares, 7, wrap) / np.maximum(box_sum(freedom, 7, wrap), 1) + _FLOOR**2
    std = np.sqrt((squares + _PRIOR_DAYS * pooled) / (freedom + _PRIOR_DAYS) + _FLOOR**2)
    return np.stack([mean, std, count]).astype(np.float32)


def products(
    departed: NDArray[np.float32],
    known: NDArray[np.float32],
    *,
    earlier: int = 0,
    wrap: bool = False,
) -> NDArray[np.float64]:
    """Products of standardised anomalies, which add up over parts of a record.

    Parameters
    ----------
    departed : ndarray, shape (T, H, W)
        Departures from the course, the first `earlier` days of which count for the others only.
    known : ndarray, shape (3, H, W)
        :func:`spread`.
    earlier : int
        0 at the start of the record, else ``LAGS``.
    wrap : bool

    Returns
    -------
    ndarray, shape (4, H, W)
        Sum and number of products one and two days apart; of those with the neighbours.
    """
    observed = np.isfinite(departed)
    anomaly = np.where(observed, departed - known[MEAN], 0).astype(np.float32)
    anomaly /= known[STD]
    days = slice(earlier, None)
    return np.stack(
        [
            *_persistence(anomaly, observed, earlier),
            *_coherence(anomaly[days], observed[days], wrap),
        ]
    ).astype(np.float64)


def _persistence(anomaly, observed, earlier):
    """Sum and number of products one and two days apart, each (H, W)."""
    total = np.zeros(anomaly.shape[1:], np.float32)
    pairs = np.zeros(anomaly.shape[1:], np.float32)
    for lag in range(1, LAGS + 1):
        start = max(lag, earlier)
        days, before = slice(start, None), slice(start - lag, max(len(anomaly) - lag, 0))
        total += np.einsum("thw,thw->hw", anomaly[days], anomaly[before])
        pairs += (observed[days] & observed[before]).sum(axis=0, dtype=np.int32)
    return total, pairs


def _coherence(anomaly, observed, wrap):
    """Sum and number of products with the mean of the eight neighbours, each (H, W)."""
    total = np.zeros(anomaly.shape[1:], np.float32)
    pairs = np.zeros(anomaly.shape[1:], np.float32)
    for day, seen in zip(anomaly, observed, strict=True):
        around = np.rint(box_sum(seen, 3, wrap)) - seen
        both = seen & (around > 0)
        neighbours = (box_sum(day, 3, wrap) - day) / np.maximum(around, 1)
        total += np.where(both, day * neighbours, 0)
        pairs += both
    return total, pairs


def pool(found: NDArray[np.float64], *, wrap: bool = False) -> NDArray[np.float32]:
    """Persistence and coherence (2, H, W) from the :func:`products` of all days."""
    pairs = (found[:2], found[2:])
    return np.stack([_pooled_mean(*pair, wrap=wrap) for pair in pairs]).astype(np.float32)


def _pooled_mean(total, pairs, *, wrap):
    return box_sum(total, 5, wrap) / (box_sum(pairs, 5, wrap) + _PRIOR_PAIRS)
