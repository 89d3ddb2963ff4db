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
    cells = values.shape[1:]
    count = np.maximum(observed.sum(axis=0), 1)
    centre = np.where(observed, values, 0).sum(axis=0, dtype=np.float64) / count
    anomaly = np.where(observed, values - centre, 0.0)
    sums = np.zeros((3, year_length, *cells))
    for day, n, a in zip(day_of_year - 1, observed, anomaly, strict=True):
        sums[0, day] += n
        sums[1, day] += a
        sums[2, day] += a * a
    ring = np.concatenate([sums[:, -REACH:], sums, sums[:, :REACH]], axis=1)
    total = np.cumsum(np.concatenate([np.zeros((3, 1, *cells)), ring], axis=1), axis=1)
    number, first, second = total[:, 2 * REACH + 1 :] - total[:, : -2 * REACH - 1]
    number = np.rint(number)
    enough = number >= MIN_OBSERVATIONS
    number = np.where(enough, number, MIN_OBSERVATIONS)
    mean = first / number
    variance = np.maximum(second - number * mean**2, 0.0) / (number - 1)
    table = np.where(enough, np.stack([mean + centre, np.sqrt(variance)]), np.nan)
    return table[:, day_of_year - 1].astype(np.float32)
