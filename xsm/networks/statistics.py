"""Per-cell statistics of a record: what makes one network serve many products.

A network sees anomalies in units of a cell's own variability, so percent or m3 m-3, a wet product
or a dry one, X band or L band are all alike to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm.networks.course import box_sum, departures, slow_course

STATISTICS = ("mean", "std", "count", "persistence", "coherence")
MEAN, STD, COUNT = 0, 1, 2
HALO = 10  # cells of neighbourhood that the statistics of a cell depend on

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
        Then the slow course itself, :func:`xsm.networks.course.slow_course`.
    """
    course = slow_course(values, wrap=wrap)
    values = departures(values, course)
    observed = np.isfinite(values)
    filled = np.where(observed, values, np.float32(0)).astype(np.float32, copy=False)
    count = observed.sum(axis=0, dtype=np.int32)
    mean = filled.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    anomaly = np.where(observed, filled - mean, 0).astype(np.float32)
    squares = np.einsum("thw,thw->hw", anomaly, anomaly)
    freedom = np.maximum(count - 1, 0).astype(np.float32)
    pooled = box_sum(squares, 7, wrap) / np.maximum(box_sum(freedom, 7, wrap), 1) + _FLOOR**2
    std = np.sqrt((squares + _PRIOR_DAYS * pooled) / (freedom + _PRIOR_DAYS) + _FLOOR**2)

    anomaly /= std
    persistence = _pooled_mean(*_persistence(anomaly, observed), wrap=wrap)
    coherence = _pooled_mean(*_coherence(anomaly, observed, wrap), wrap=wrap)
    planes = [a.astype(np.float32) for a in (mean, std, count, persistence, coherence)]
    return np.concatenate([np.stack(planes), course])


def _persistence(anomaly, observed):
    """Sum and number of products one and two days apart, each (H, W)."""
    total = np.zeros(anomaly.shape[1:], np.float32)
    pairs = np.zeros(anomaly.shape[1:], np.float32)
    for lag in (1, 2):
        total += np.einsum("thw,thw->hw", anomaly[lag:], anomaly[:-lag])
        pairs += (observed[lag:] & observed[:-lag]).sum(axis=0, dtype=np.int32)
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


def _pooled_mean(total, pairs, *, wrap):
    return box_sum(total, 5, wrap) / (box_sum(pairs, 5, wrap) + _PRIOR_PAIRS)
