"""Percentiles of two records for CDF matching: of the sample, with linear tails, of beta laws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from xsm.metrics.compress_valid import compress_valid
from xsm.metrics.pairs import MIN_PAIRS

Array = NDArray[np.float64]
CDF_METHODS = ("cdf", "cdf_linear_tails", "cdf_beta")


def matched_percentiles(x: Array, y: Array, *, levels: Array, method: str) -> tuple[Array, Array]:
    """Percentiles (P, Q) of x and y (P, T), from their pairs; those of x without repetition.

    Parameters
    ----------
    x, y : ndarray, (P, T)
        NaN where missing.
    levels : ndarray, (Q,)
        Rising within 0 .. 100.
    method : {"cdf", "cdf_linear_tails", "cdf_beta"}
        Percentiles of the sample; these with the outermost two of y on the regression line of the
        values beyond the second and the last but one (Moesinger et al., 2020,
        doi 10.5194/essd-12-177-2020, as in pytesmo); or percentiles of beta distributions between
        the extremes of each series, with its mean and variance.

    Returns
    -------
    tuple of ndarray
        NaN where there are fewer than three pairs or x is constant.
    """
    compressed = compress_valid(x, y)
    ordered = [np.sort(values, axis=1) for values in compressed.series]
    length = compressed.length
    if method == "cdf_beta":
        of_x, of_y = (_beta_percentiles(values, length, levels) for values in ordered)
    else:
        of_x, of_y = (_percentiles_of_sorted(values, length, levels) for values in ordered)
    undefined = (length < MIN_PAIRS) | ~(of_x[:, 0] < of_x[:, -1])
    of_x[undefined], of_y[undefined] = np.nan, np.nan
    repeated = (of_x[:, 1:] <= of_x[:, :-1]).any(axis=1)
    for p in np.flatnonzero(repeated & ~undefined):
        of_x[p] = _distinct_percentiles(of_x[p], levels)
    if method == "cdf_linear_tails" and levels.size > 3:
        for p in np.flatnonzero(~undefined):
            sorted_x, sorted_y = (values[p, : length[p]] for values in ordered)
            of_y[p, [0, -1]] = _linear_tails(sorted_x, sorted_y, of_x[p], of_y[p])
    return of_x, of_y


def _beta_percentiles(ordered: Array, length: NDArray[np.int64], levels: Array) -> Array:
    """Percentiles (P, Q) of beta distributions with the extremes, mean and variance of rows."""
    points, width = ordered.shape
    if not width:
        return np.full((points, levels.size), np.nan)
    inside = np.arange(width) < length[:, None]
    low = ordered[:, 0]
    high = np.take_along_axis(ordered, np.maximum(length - 1, 0)[:, None], axis=1)[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(inside, (ordered - low[:, None]) / (high - low)[:, None], 0.0)
        mean = scaled.sum(axis=1) / length
        variance = np.where(inside, (scaled - mean[:, None]) ** 2, 0.0).sum(axis=1) / length
        size = mean * (1 - mean) / variance - 1  # a + b, by the method of moments
        a, b = mean * size, (1 - mean) * size
        valid = (length >= MIN_PAIRS) & (high > low) & (a > 0) & (b > 0)
    a, b = np.where(valid, a, 1.0), np.where(valid, b, 1.0)
    quantile = betaincinv(a[:, None], b[:, None], levels / 100.0)
    percentiles = low[:, None] + (high - low)[:, None] * quantile
    constant = (length >= MIN_PAIRS) & (high == low)
    percentiles = np.where(constant[:, None], low[:, None], percentiles)
    return np.where((valid | constant)[:, None], percentiles, np.nan)


def _linear_tails(x: Array, y: Array, of_x: Array, of_y: Array) -> tuple[float, float]:
    """First and last percentile of y on the lines through the values of both tails.

    x and y are sorted and complete; `of_x` and `of_y` are their percentiles.
    """
    ends = []
    for inner, outer, below in ((1, 0, True), (-2, -1, False)):
        tails = []
        for values, percentiles in ((x, of_x), (y, of_y)):
            edge = percentiles[inner]
            tails.append(values[(values <= edge) if below else (values >= edge)] - edge)
        tail_x, tail_y = tails
        if tail_x.size != tail_y.size and tail_y.size > 1 and tail_x.size:
            levels = np.arange(tail_y.size) / (tail_y.size - 1) * 100.0
            one_row = _percentiles_of_sorted(tail_x[None], np.array([tail_x.size]), levels)[0]
            tail_x = _distinct_percentiles(one_row, levels)
        squares = float(np.dot(tail_x, tail_x)) if tail_x.size == tail_y.size else 0.0
        if not squares:
            ends.append(float(of_y[outer]))
            continue
        slope = float(np.dot(tail_x, tail_y)) / squares
        ends.append(float(of_y[inner] + slope * (of_x[outer] - of_x[inner])))
    return ends[0], ends[1]


def _percentiles_of_sorted(
    ordered: NDArray[np.float64], length: NDArray[np.int64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Percentiles (P, Q) of the first `length` of sorted rows; value k is that of (k - 0.5) / n."""
    if not ordered.shape[1]:
        return np.full((ordered.shape[0], levels.size), np.nan)
    last = np.maximum(length - 1, 0)[:, None]
    position = np.clip(levels / 100.0 * length[:, None] - 0.5, 0, last)
    below = np.floor(position).astype(np.int64)
    first, second = (
        np.take_along_axis(ordered, k, axis=1) for k in (below, np.minimum(below + 1, last))
    )
    return first + (second - first) * (position - below)


def _distinct_percentiles(
    values: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Percentiles interpolated between the first of each run of equal ones."""
    _, first = np.unique(values, return_index=True)
    if first.size < 2:
        return values
    distinct_levels = levels[first]
    distinct_levels[-1] = levels[-1]
    return np.interp(levels, distinct_levels, values[first])
