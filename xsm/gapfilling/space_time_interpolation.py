"""Optimal interpolation in space and time: the estimate from nearby observations of all cells.

Departures from a background are correlated between neighbouring cells for as long as they persist.
Their best linear estimate uses both (simple kriging; Gandin, 1963; Cressie and Wikle, 2011,
*Statistics for Spatio-Temporal Data*, section 4.1).
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray
from scipy.optimize import nnls

from xsm.gapfilling.temporal_interpolation import PRIOR_DAYS, Covariance
from xsm_kernels import compile_loop, compile_once, run_in_threads

REACH_DAYS, REACH_CELLS = 12, 2  # of observations from the value that they estimate
NEIGHBOURS = 48  # observations, those with the largest covariance
OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))  # rows and columns between two cells
LAGS = (0, 1, 2, 3, 4, 6, 8)  # days, of the covariance between two cells
LENGTHS = (0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0)  # cells
MOST_COMMON = 0.99  # correlation of cells without a distance; the rest is of each alone
LEAST = 0.01  # covariance of an observation that is used, as a fraction of the variance

Floats = NDArray[np.floating]


class SpatialCorrelation(NamedTuple):
    """Correlation between two cells of the fast and of the slow part of their signals.

    ``fast * exp(-d / fast_length)`` at d > 0 cells, and so for the slow part. By default cells are
    independent.
    """

    fast: float = 0.0
    fast_length: float = 1.0
    slow: float = 0.0
    slow_length: float = 1.0


def cross_covariance_sums(departures: Floats) -> NDArray[np.float64]:
    """Sums that :func:`fit_spatial_correlation` needs, additive over parts of a record.

    Parameters
    ----------
    departures : ndarray, shape (T, H, W)
        From the mean of each cell; NaN where missing.

    Returns
    -------
    ndarray, shape (O, L, 2)
        For each of ``OFFSETS`` and ``LAGS`` the sum of products of standardised departures, and
        their number.
    """
    scaled, _ = _standardised(departures)
    observed = np.isfinite(scaled)
    a = np.where(observed, scaled, 0).astype(np.float32)
    sums = np.zeros((len(OFFSETS), len(LAGS), 2))
    height, width = a.shape[1:]
    for o, (rows, columns) in enumerate(OFFSETS):
        first = slice(0, height - rows), slice(max(-columns, 0), width - max(columns, 0))
        second = slice(rows, height), slice(max(columns, 0), width + min(columns, 0))
        for n, lag in enumerate(LAGS):
            if lag >= len(a) or rows >= height or abs(columns) >= width:
                continue
            days = slice(0, len(a) - lag), slice(lag, len(a))
            one, other = (days[0], *first), (days[1], *second)
            sums[o, n, 0] = np.einsum("thw,thw->", a[one], a[other], dtype=np.float64)
            sums[o, n, 1] = np.count_nonzero(observed[one] & observed[other])
    return sums


def fit_spatial_correlation(
    sums: NDArray[np.float64], covariance: Covariance
) -> SpatialCorrelation:
    """Fit the correlations between cells, by weighted least squares.

    Rain differs over shorter distances than the climate of a month, so each part of the signal has
    a correlation of its own: the covariance is a sum of products (De Iaco et al., 2001, doi
    10.1016/S0167-7152(00)00200-5).

    Parameters
    ----------
    sums : ndarray, shape (O, L, 2)
        :func:`cross_covariance_sums`.
    covariance : Covariance
        In time, of each cell.
    """
    pairs = sums[..., 1]
    if not pairs.any():
        return SpatialCorrelation()
    weight = np.sqrt(pairs).ravel()
    rho = weight * (sums[..., 0] / np.maximum(pairs, 1)).ravel()
    distance = np.hypot(*np.array(OFFSETS).T)
    fast, slow = (
        [weight * np.outer(np.exp(-distance / length), part).ravel() for length in LENGTHS]
        for part in _in_time(covariance, np.array(LAGS))
    )
    best, lowest = SpatialCorrelation(), float(rho @ rho)
    for (i, one), (j, other) in product(enumerate(fast), enumerate(slow)):
        shapes = np.stack([one, other], axis=1)
        common = np.minimum(nnls(shapes, rho)[0], MOST_COMMON)
        loss = float(np.sum((rho - shapes @ common) ** 2))
        if loss < lowest - 1e-9:
            best, lowest = SpatialCorrelation(common[0], LENGTHS[i], common[1], LENGTHS[j]), loss
    return best


def interpolate_in_space_and_time(
    departures: Floats,
    needed: NDArray[np.bool_],
    covariance: Covariance,
    correlation: SpatialCorrelation,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Best linear estimate of some values from the observations around them, and its error.

    Parameters
    ----------
    departures : ndarray, shape (T, H, W)
        From the mean of each cell, m3 m-3, on consecutive days; NaN where missing.
    needed : ndarray of bool, shape (T, H, W)
    covariance : Covariance
        In time; the variance of a cell is its own, shrunk towards that of all cells.
    correlation : SpatialCorrelation

    Returns
    -------
    estimate, std : ndarray of float32, shape (T, H, W)
        m3 m-3, NaN where not needed; `std` is that of an observation about the estimate.

    Notes
    -----
    With the covariance ``k = g_fast phi_fast^l c_fast(d) + g_slow phi_slow^l c_slow(d)`` of
    standardised signals l days and d cells apart, c(0) = 1, and white noise of variance
    ``n = 1 - g_fast - g_slow``, the estimate from the observations y is ``k' (K + n I)^-1 y``. The
    observations are the 48 with the largest covariance within 12 days and 2 rows and columns.
    """
    scaled, std = _standardised(departures, covariance.variance)
    estimate, error = (np.full(departures.shape, np.nan, np.float32) for _ in range(2))
    reach = (REACH_DAYS, REACH_CELLS, REACH_CELLS)
    padded = np.pad(scaled, [(r, r) for r in reach], constant_values=np.nan)
    noise = max(1.0 - covariance.fast - covariance.slow, 1e-3)
    offsets = _offsets(*(min(r, n - 1) for r, n in zip(reach, departures.shape, strict=True)))
    of_signal = _covariance(covariance, correlation, 2 * REACH_DAYS + 1, 2 * REACH_CELLS + 1)
    at_offset = of_signal[tuple(abs(offsets.T))]
    order = np.argsort(-at_offset, kind="stable")
    order = order[: max(np.count_nonzero(at_offset > LEAST), 1)]
    offsets, at_offset = offsets[order], at_offset[order]
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    positions = np.nonzero(needed)
    here = (np.stack(positions, axis=1) + reach) @ strides
    weighted, explained = np.empty((2, here.size))
    run_in_threads(
        kriging_loop(), here.size, padded.ravel(), here, offsets @ strides, at_offset, offsets,
        of_signal, noise, min(NEIGHBOURS, len(offsets)), weighted, explained,
    )  # fmt: skip
    scale = std[positions[1:]]
    estimate[positions] = scale * weighted
    signal = covariance.fast + covariance.slow - explained
    error[positions] = scale * np.sqrt(np.maximum(signal, 0.0) + noise)
    return estimate, error


# sums in any order, so that they are vectors
@njit(
    nogil=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    fastmath={"contract", "nsz", "reassoc"},
)
def _krige(
    scaled, here, steps, at_offset, offsets, of_signal, noise, most, weighted, explained, start,
    stop,
):  # fmt: skip
    """Best linear estimates from the nearest observations, and the variance that they explain.

    Parameters
    ----------
    scaled : ndarray of float32, flat
        Standardised departures, NaN where missing.
    here, steps : ndarray of int64, (n,) and (O,)
        Positions in `scaled` of the values to estimate, and of observations relative to them,
        ordered by covariance.
    at_offset : ndarray of float64, (O,)
        Covariance of the signal with that at the estimated value.
    offsets : ndarray of int64, (O, 3)
        Days, rows and columns of `steps`.
    of_signal : ndarray of float64, (days, rows, columns)
        Covariance of two observations so far apart, without noise.
    noise : float
        Variance of the noise of an observation.
    most : int
        Observations that are used.
    weighted, explained : ndarray of float64, (n,)
        Out: with the covariance K of the observations, k with the estimated value, and the
        observed y, ``k' K^-1 y`` and ``k' K^-1 k``, by a Cholesky factorisation of K.
    """
    used = np.empty(most, np.int64)
    lower = np.empty((most, most))
    y, z = np.empty((2, most))
    for n in range(start, stop):
        count = 0
        for o in range(steps.size):
            value = scaled[here[n] + steps[o]]
            if value == value:  # not NaN
                used[count] = o
                y[count] = value
                z[count] = at_offset[o]
                count += 1
                if count == most:
                    break
        weighted[n] = 0.0
        explained[n] = 0.0
        for i in range(count):
            row = lower[i]
            t, r, c = offsets[used[i]]
            for j in range(i):
                day, height, width = offsets[used[j]]
                total = of_signal[abs(t - day), abs(r - height), abs(c - width)]
                other = lower[j]
                for k in range(j):
                    total -= row[k] * other[k]
                row[j] = total / other[j]
                y[i] -= row[j] * y[j]
                z[i] -= row[j] * z[j]
            total = of_signal[0, 0, 0] + noise
            for k in range(i):
                total -= row[k] * row[k]
            row[i] = np.sqrt(total)
            y[i] /= row[i]
            z[i] /= row[i]
            weighted[n] += z[i] * y[i]
            explained[n] += z[i] * z[i]


@compile_once
def kriging_loop() -> Any:
    """The compiled loop over values to estimate."""
    position, number, values = types.int64, types.float64, types.float64[::1]
    positions = types.Array(types.int64, 1, "C", readonly=True)
    table = types.Array(number, 3, "C", readonly=True)
    line = types.Array(number, 1, "C", readonly=True)
    signature = types.void(
        types.Array(types.float32, 1, "C", readonly=True), positions, positions, line,
        types.Array(types.int64, 2, "C", readonly=True), table, number, position, values, values,
        position, position,
    )  # fmt: skip
    return compile_loop(_krige, signature)


def _offsets(*reach: int) -> NDArray[np.intp]:
    """Days, rows and columns (N, 3) of all values within reach."""
    axes = [np.arange(-r, r + 1) for r in reach]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _in_time(
    covariance: Covariance, lag: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Autocovariance of the fast and of the slow part of the signal."""
    days = np.asarray(lag, np.float64)
    fast = covariance.fast * covariance.phi_fast**days
    return fast, covariance.slow * covariance.phi_slow**days


def _covariance(
    covariance: Covariance, correlation: SpatialCorrelation, days: int, cells: int
) -> NDArray[np.float64]:
    """Covariance of two signals some days, rows and columns apart, (days, cells, cells)."""
    distance = np.hypot(*np.indices((cells, cells)))
    fast, slow = (
        np.where(distance == 0, 1.0, common * np.exp(-distance / length))
        for common, length in (correlation[:2], correlation[2:])
    )
    of_fast, of_slow = _in_time(covariance, np.arange(days))
    return of_fast[:, None, None] * fast + of_slow[:, None, None] * slow


def _standardised(
    departures: Floats, pooled: float | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Departures over the standard deviation (H, W) of their cell, shrunk to that of all."""
    observed = np.isfinite(departures)
    a = np.where(observed, departures, 0)
    squares, count = np.einsum("thw,thw->hw", a, a), observed.sum(axis=0)
    if pooled is None:
        pooled = float(squares.sum() / max(count.sum(), 1))
    variance = (squares + PRIOR_DAYS * pooled) / (count + PRIOR_DAYS)
    std = np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)
    return (departures / std).astype(np.float32), std
