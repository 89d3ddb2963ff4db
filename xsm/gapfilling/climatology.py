"""Climatology of a cell by day of the year: the fallback where nine days hold nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.tiling import series_tile
from xsm.conventions.windows import windows

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

    Notes
    -----
    Only the days of the year that the record has are worked out, for some cells at a time.
    """
    out = np.empty((2, *values.shape), np.float32)
    days, index = np.unique(day_of_year, return_inverse=True)
    workspace = WORKSPACE * days.size // year_length
    for window in windows(values.shape, series_tile(values.shape, workspace)):
        series = values[window]
        observed = np.isfinite(series)
        count = np.maximum(observed.sum(axis=0), 1)
        centre = np.where(observed, series, 0).sum(axis=0, dtype=np.float64) / count
        sums = climatology_sums(series, centre, index, days.size)
        table = climatology_table(days, sums, centre, year_length, days)
        out[(slice(None), *window)] = table[:, index]
    return out


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
    wanted: NDArray[np.integer] | None = None,
) -> NDArray[np.float32]:
    """Mean and standard deviation (2, D, H, W) of the days of the year `wanted`, default all.

    `sums` are those of :func:`climatology_sums` for the days of the year `days`, from 1, each once.
    """
    cells = centre.shape
    wanted = np.arange(1, year_length + 1) if wanted is None else wanted
    # days of the last and the first half month once more, before and after the year
    around = np.concatenate([days, days[days > year_length - REACH] - year_length,
                             days[days <= REACH] + year_length])  # fmt: skip
    source = np.concatenate([np.arange(days.size), np.flatnonzero(days > year_length - REACH),
                             np.flatnonzero(days <= REACH)])  # fmt: skip
    order = np.argsort(around)
    total = np.zeros((3, order.size + 1, *cells))
    np.cumsum(sums[:, source[order]], axis=1, out=total[:, 1:])
    first_of, last_of = (
        np.searchsorted(around[order], wanted + reach) for reach in (-REACH, REACH + 1)
    )
    number, first, second = total[:, last_of] - total[:, first_of]
    number = np.rint(number)
    enough = number >= MIN_OBSERVATIONS
    number = np.where(enough, number, MIN_OBSERVATIONS)
    mean = first / number
    variance = np.maximum(second - number * mean**2, 0.0) / (number - 1)
    table = np.where(enough, np.stack([mean + centre, np.sqrt(variance)]), np.nan)
    return table.astype(np.float32)
