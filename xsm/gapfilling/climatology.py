"""Climatology of a cell by day of the year: the fallback where nine days hold nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REACH = 15  # days of the year on either side
MIN_OBSERVATIONS = 3
WORKSPACE = 366 * 6  # values per cell


def climatology(
    values: NDArray[np.float32], day_of_year: NDArray[np.integer], year_length: int
) -> NDArray[np.float32]:
    """Mean and standard deviation of the observations around each day of the year, in all years.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        m3 m-3, NaN where missing.
    day_of_year : ndarray of int, shape (T,)
        1 .. `year_length`.
    year_length : int
        Days in the longest year of the calendar; the year is a ring.

    Returns
    -------
    ndarray of float32, shape (2, T, H, W)
        m3 m-3; NaN where the 31 days around hold fewer than three observations.
    """
    observed = np.isfinite(values)
    count = np.maximum(observed.sum(axis=0), 1)
    centre = np.where(observed, values, 0).sum(axis=0, dtype=np.float64) / count
    sums = climatology_sums(values, centre, day_of_year - 1, year_length)
    table = climatology_table(np.arange(1, year_length + 1), sums, centre, year_length)
    return table[:, day_of_year - 1]


def climatology_sums(
    values: NDArray[np.float32],
    centre: NDArray[np.floating],
    index: NDArray[np.integer],
    count: int,
) -> NDArray[np.float64]:
    """Number, sum and sum of squares of departures from `centre` (H, W), additive over days.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
    centre : ndarray, shape (H, W)
    index : ndarray of int, shape (T,)
        Which of the `count` sums each day counts for.
    count : int

    Returns
    -------
    ndarray, shape (3, count, H, W)
    """
    observed = np.isfinite(values)
    anomaly = np.where(observed, values - centre, 0.0)
    sums = np.zeros((3, count, *values.shape[1:]))
    for day, n, a in zip(index, observed, anomaly, strict=True):
        sums[0, day] += n
        sums[1, day] += a
        sums[2, day] += a * a
    return sums


def climatology_table(
    days: NDArray[np.integer],
    sums: NDArray[np.float64],
    centre: NDArray[np.floating],
    year_length: int,
) -> NDArray[np.float32]:
    """Mean and standard deviation (2, year_length, H, W) of each day of the year.

    `sums` are those of :func:`climatology_sums` for the days of the year `days`, from 1.
    """
    cells = centre.shape
    ring = np.zeros((3, year_length + 2 * REACH, *cells))
    ring[:, days - 1 + REACH] = sums
    ring[:, :REACH] = ring[:, year_length : year_length + REACH]
    ring[:, year_length + REACH :] = ring[:, REACH : 2 * REACH]
    total = np.cumsum(np.concatenate([np.zeros((3, 1, *cells)), ring], axis=1), axis=1)
    number, first, second = total[:, 2 * REACH + 1 :] - total[:, : -2 * REACH - 1]
    number = np.rint(number)
    enough = number >= MIN_OBSERVATIONS
    number = np.where(enough, number, MIN_OBSERVATIONS)
    mean = first / number
    variance = np.maximum(second - number * mean**2, 0.0) / (number - 1)
    table = np.where(enough, np.stack([mean + centre, np.sqrt(variance)]), np.nan)
    return table.astype(np.float32)
