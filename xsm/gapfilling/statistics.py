"""Statistics of each cell over a record: they let one network serve many products.

A network sees anomalies in units of the standard deviation of the cell, so percent and m3 m-3, wet
and dry products, X band and L band look alike to it.

Each step needs all days of the step before: mean, seasonal cycle, standard deviation, correlations.
:func:`record_statistics` takes a record in memory; :mod:`xsm.gapfilling.lazy_statistics` does the
same for a Dask array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling.seasonal_cycle import box_sum, departures, seasonal_cycle

STATISTICS = ("mean", "std", "count", "persistence", "coherence")
MEAN, STD, COUNT = 0, 1, 2
HALO = 10  # cells on each side that the statistics of a cell depend on

LAGS = 2  # largest lag of the persistence, days
BLOCK_VALUES = 250_000  # of the days whose neighbours are averaged by one call
_PRIOR_DAYS = 3.0  # weight of the variance of the neighbourhood, in days of observation
_PRIOR_PAIRS = 10.0  # weight of "no correlation", in pairs
_FLOOR = 0.01  # m3 m-3, the step of the coarsest products


def record_statistics(
    values: NDArray[np.floating], *, dates: NDArray[np.integer] | None = None, wrap: bool = False
) -> NDArray[np.float32]:
    """Statistics of every cell over the whole record.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        Soil moisture, m3 m-3; NaN where missing.
    dates : ndarray of int, shape (T,), optional
        As of :func:`xsm.gapfilling.seasonal_cycle.seasonal_cycle`.
    wrap : bool
        Whether the last column is the neighbour of the first.

    Returns
    -------
    ndarray of float32, shape (5 + K, H, W)
        Of the departures from the seasonal cycle, in the order of ``STATISTICS``: mean (m3 m-3; 0
        where nothing was observed); standard deviation (m3 m-3; shrunk towards that of the 7 x 7
        cells around with a weight of three days, at least 0.01); number of observations; mean
        product of standardised anomalies one and two days apart ("persistence") and of a cell with
        its eight neighbours on the same day ("coherence"), both pooled over 5 x 5 cells and shrunk
        towards zero. Then K knots of :func:`xsm.gapfilling.seasonal_cycle.seasonal_cycle`.
    """
    cycle = seasonal_cycle(values, dates=dates, wrap=wrap)
    values = departures(values, cycle)
    planes = mean_std_count(moments(values), wrap=wrap)
    sums = correlation_sums(values, planes, wrap=wrap)
    return np.concatenate([planes, correlations(sums, wrap=wrap), cycle])


def moments(departed: NDArray[np.float32]) -> NDArray[np.float64]:
    """Count, mean and sum of squared deviations (3, H, W) of departures (T, H, W)."""
    observed = np.isfinite(departed)
    count = observed.sum(axis=0, dtype=np.int32)
    filled = np.where(observed, departed, np.float32(0))
    mean = filled.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    anomaly = np.where(observed, filled - mean, 0).astype(np.float32)
    return np.stack([count, mean, np.einsum("thw,thw->hw", anomaly, anomaly)])


def merge_moments(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moments (3, H, W) of all days from (N, 3, H, W) of parts; Chan et al. (1979), eq. 2.1."""
    count, mean, squares = parts.swapaxes(0, 1)
    total = count.sum(axis=0)
    middle = (count * mean).sum(axis=0) / np.maximum(total, 1)
    return np.stack([total, middle, (squares + count * (mean - middle) ** 2).sum(axis=0)])


def mean_std_count(moments: NDArray[np.float64], *, wrap: bool = False) -> NDArray[np.float32]:
    """Mean, shrunk standard deviation and count (3, H, W) from the :func:`moments` of all days."""
    count, mean, squares = moments
    freedom = np.maximum(count - 1, 0)
    pooled = box_sum(squares, 7, wrap) / np.maximum(box_sum(freedom, 7, wrap), 1) + _FLOOR**2
    std = np.sqrt((squares + _PRIOR_DAYS * pooled) / (freedom + _PRIOR_DAYS) + _FLOOR**2)
    return np.stack([mean, std, count]).astype(np.float32)


def correlation_sums(
    departed: NDArray[np.float32],
    planes: NDArray[np.float32],
    *,
    earlier: int = 0,
    wrap: bool = False,
) -> NDArray[np.float64]:
    """Sums of products of standardised anomalies, additive over parts of a record.

    Parameters
    ----------
    departed : ndarray, shape (T, H, W)
        Departures from the seasonal cycle. The first `earlier` days serve as lagged partners only.
    planes : ndarray, shape (3, H, W)
        :func:`mean_std_count`.
    earlier : int
        0 at the start of the record, else ``LAGS``.
    wrap : bool

    Returns
    -------
    ndarray, shape (4, H, W)
        Sum and number of lagged products; sum and number of products with the neighbours.
    """
    observed = np.isfinite(departed)
    anomaly = np.where(observed, departed - planes[MEAN], 0).astype(np.float32)
    anomaly /= planes[STD]
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
    days = max(BLOCK_VALUES // max(total.size, 1), 1)
    for first in range(0, len(anomaly), days):
        values, valid = (x[first : first + days] for x in (anomaly, observed))
        around = np.rint(box_sum(valid, 3, wrap)) - valid
        both = valid & (around > 0)
        neighbours = (box_sum(values, 3, wrap) - values) / np.maximum(around, 1)
        for product, pair in zip(np.where(both, values * neighbours, 0), both, strict=True):
            total += product
            pairs += pair
    return total, pairs


def correlations(sums: NDArray[np.float64], *, wrap: bool = False) -> NDArray[np.float32]:
    """Persistence and coherence (2, H, W) from the :func:`correlation_sums` of all days."""
    pairs = (sums[:2], sums[2:])
    return np.stack([_pooled_mean(*pair, wrap=wrap) for pair in pairs]).astype(np.float32)


def _pooled_mean(total, pairs, *, wrap):
    return box_sum(total, 5, wrap) / (box_sum(pairs, 5, wrap) + _PRIOR_PAIRS)
