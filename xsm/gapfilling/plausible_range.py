"""The range in which a filled value of a cell is plausible, from what the cell has shown.

A network extrapolates where it sees almost nothing. Its estimates are held between the lowest and
the highest value that the cell would show once in two hundred days.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.special import ndtri

POROSITY = 0.65  # m3 m-3; mineral soil holds less
MANY = 50  # observations from which one of them may be an outlier
EXCEEDANCE = 0.005  # of the limits
RESOLUTION = 0.01  # m3 m-3, the step of the coarsest products


def extremes(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The two lowest and the two highest observations of each cell.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        m3 m-3, NaN where missing.

    Returns
    -------
    ndarray, shape (4, H, W)
        In increasing order, m3 m-3. Where there are fewer observations, inf for the lowest and
        -inf for the highest.
    """
    observed = np.isfinite(values)
    infinity = np.float32(np.inf)
    low = -_two_highest(np.where(observed, -values, -infinity))
    return np.concatenate([low, _two_highest(np.where(observed, values, -infinity))[::-1]])


def merge_extremes(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Extremes (4, H, W) of all days from those (N, 4, H, W) of parts."""
    cells = parts.shape[2:]
    low = -_two_highest(-parts[:, :2].reshape(-1, *cells))
    return np.concatenate([low, _two_highest(parts[:, 2:].reshape(-1, *cells))[::-1]])


def _two_highest(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Highest and second highest (2, H, W) of (N, H, W)."""
    half = len(values) // 2
    first = np.maximum(values[:half], values[half : 2 * half])
    second = np.minimum(values[:half], values[half : 2 * half])
    if len(values) % 2:
        first = np.concatenate([first, values[-1:]])
        second = np.concatenate([second, np.full_like(values[-1:], -np.inf)])
    while len(first) > 1:
        half = len(first) // 2
        a, b, rest = slice(half), slice(half, 2 * half), slice(2 * half, None)
        runner_up = np.maximum(np.minimum(first[a], first[b]), np.maximum(second[a], second[b]))
        second = np.concatenate([runner_up, second[rest]])
        first = np.concatenate([np.maximum(first[a], first[b]), first[rest]])
    return np.concatenate([first, second]).astype(np.float64)


def plausible_range(
    extremes: NDArray[np.float64], std: NDArray[np.floating], count: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Lowest and highest plausible value of each cell.

    Parameters
    ----------
    extremes : ndarray, shape (4, H, W)
        :func:`extremes` of the whole record.
    std, count : ndarray, shape (H, W)
        Standard deviation, m3 m-3, shrunk towards that of the cells around, and number of
        observations; see :func:`xsm.gapfilling.statistics.record_statistics`.

    Returns
    -------
    ndarray of float32, shape (2, H, W)
        m3 m-3. The extremes of the cell, widened by as many standard deviations as lie between the
        expected value of an extreme of so many observations (Blom, 1958, eq. 6.9.3, normal
        distribution) and the value exceeded once in 200 days; at least 0.01. From 50
        observations on the second lowest and highest count, so that one outlier does not; below,
        the range also holds all observations of the 3 x 3 cells. Never above a porosity of 0.65 or,
        where that is higher, the highest of these observations. Without observations of its own, a
        cell has a range from 0 or less to this porosity.
    """
    number = np.maximum(count, 1)
    many = count >= MANY
    expected = ndtri((number - np.where(many, 2, 1) + 0.625) / (number + 0.25))
    margin = np.maximum(std * (ndtri(1 - EXCEEDANCE) - expected), RESOLUTION)
    lowest, second_lowest, second_highest, highest = extremes
    low = np.where(many, second_lowest, minimum_filter(lowest, 3))
    high = np.where(many, second_highest, maximum_filter(highest, 3))
    porosity = np.maximum(np.where(many, highest, high), POROSITY)
    low = np.minimum(low, np.where(many, second_lowest, lowest) - margin)
    high = np.maximum(high, np.where(many, second_highest, highest) + margin)
    low = np.where(count > 0, low, np.minimum(low, 0.0))
    high = np.where(count > 0, high, np.maximum(high, POROSITY))
    return np.stack([low, np.minimum(high, porosity)]).astype(np.float32)


def hold_within_range(estimate: Any, limits: Any) -> NDArray[np.float32]:
    """Estimates held within their plausible range, with the uncertainty that this implies.

    Parameters
    ----------
    estimate : ndarray, shape (2, T, H, W)
        Mean and standard deviation, m3 m-3.
    limits : ndarray, shape (2, H, W)
        :func:`plausible_range`.

    Returns
    -------
    ndarray of float32, shape (2, T, H, W)
        The distance by which a mean was moved is added to its standard deviation in quadrature. No
        standard deviation is larger than the range.
    """
    mean, std = estimate
    low, high = limits
    held = np.stack([np.clip(mean, low, high), np.minimum(std, high - low)])
    moved = np.nonzero((mean < low) | (mean > high))
    distance = (mean - held[0])[moved] if moved[0].size else np.float32(0)
    width = (high - low)[moved[1:]]
    held[1][moved] = np.minimum(np.hypot(std[moved], distance), width)
    return held
