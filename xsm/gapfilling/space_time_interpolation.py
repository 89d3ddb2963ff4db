"""Optimal interpolation in space and time: the estimate from nearby observations of all cells.

Departures from a background are correlated between neighbouring cells for as long as they persist.
Their best linear estimate uses both (simple kriging; Gandin, 1963; Cressie and Wikle, 2011,
*Statistics for Spatio-Temporal Data*, section 4.1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from xsm.gapfilling.temporal_interpolation import PRIOR_DAYS, Covariance
from xsm_kernels import compile_loop, compile_once, run_in_threads

REACH_DAYS, REACH_CELLS = 12, 2  # of observations from the value that they estimate
NEIGHBOURS = 20  # observations, those with the largest covariance
OFFSETS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))  # rows and columns between two cells
LAGS = (0, 1, 2, 3, 4, 6, 8)  # days, of the covariance between two cells
LENGTHS = (0.4, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0)  # cells
LEAST = 0.01  # covariance of an observation that is used, as a fraction of the variance

Floats = NDArray[np.floating]


class SpatialCorrelation(NamedTuple):
    """Correlation of the signals of two cells: ``common * exp(-d / length)`` at d cells."""

    common: float
    length: float


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
    """Fit the correlation between cells, by weighted least squares.

    Parameters
    ----------
    sums : ndarray, shape (O, L, 2)
        :func:`cross_covariance_sums`.
    covariance : Covariance
        In time, of each cell.
    """
    pairs = sums[..., 1]
    if not pairs.any():
        return SpatialCorrelation(0.0, LENGTHS[0])
    rho = sums[..., 0] / np.maximum(pairs, 1)
    in_time = _in_time(covariance, np.array(LAGS))
    distance = np.hypot(*np.array(OFFSETS).T)
    best, lowest = SpatialCorrelation(0.0, LENGTHS[0]), float((pairs * rho**2).sum())
    for length in LENGTHS:
        shape = np.exp(-distance / length)[:, None] * in_time
        norm = float((pairs * shape**2).sum())
        if norm <= 0:
            continue
        common = float(np.clip((pairs * shape * rho).sum() / norm, 0.0, 0.99))
        loss = float((pairs * (rho - common * shape) ** 2).sum())
        if loss < lowest - 1e-9:
            best, lowest = SpatialCorrelation(common, length), loss
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
    With the covariance ``k = (g_fast phi_fast^l + g_slow phi_slow^l) c(d)`` of standardised signals
    l days and d cells apart, c(0) = 1, and white noise of variance ``n = 1 - g_fast - g_slow``, the
    estimate from the observations y is ``k' (K + n I)^-1 y``. The observations are the 20 with the
    largest covariance within 12 days and 2 rows and columns.
    """
    scaled, std = _standardised(departures, covariance.variance)
    estimate, error = (np.full(departures.shape, np.nan, np.float32) for _ in range(2))
    reach = (REACH_DAYS, REACH_CELLS, REACH_CELLS)
    padded = np.pad(scaled, [(r, r) for r in reach], constant_values=np.nan)
    noise = max(1.0 - covariance.fast - covariance.slow, 1e-3)
    offsets = _offsets(*(min(r, n - 1) for r, n in zip(reach, departures.shape, strict=True)))
    in_time = _in_time(covariance, np.arange(2 * REACH_DAYS + 1))
    in_space = _in_space(correlation, 2 * REACH_CELLS + 1)
    days, rows, columns = abs(offsets.T)
    at_offset = in_time[days] * in_space[rows, columns]
    order = np.argsort(-at_offset, kind="stable")
    order = order[: max(np.count_nonzero(at_offset > LEAST), 1)]
    offsets, at_offset = offsets[order], at_offset[order]
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    positions = np.nonzero(needed)
    here = (np.stack(positions, axis=1) + reach) @ strides
    weighted, explained = np.empty((2, here.size))
    run_in_threads(
        kriging_loop(), here.size, padded.ravel(), here, offsets @ strides, at_offset, offsets,
        in_time, in_space, noise, min(NEIGHBOURS, len(offsets)), weighted, explained,
    )  # fmt: skip
    scale = std[positions[1:]]
    estimate[positions] = scale * weighted
    signal = covariance.fast + covariance.slow - explained
    error[positions] = scale * np.sqrt(np.maximum(signal, 0.0) + noise)
    return estimate, error


@njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)
def _krige(
    scaled, here, steps, at_offset, offsets, in_time, in_space, noise, most, weighted, explained,
    start, stop,
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
    in_time, in_space : ndarray of float64, (days,) and (rows, columns)
        Factors of the covariance of two observations.
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
                total = in_time[abs(t - day)] * in_space[abs(r - height), abs(c - width)]
                other = lower[j]
                for k in range(j):
                    total -= row[k] * other[k]
                row[j] = total / other[j]
                y[i] -= row[j] * y[j]
                z[i] -= row[j] * z[j]
            total = in_time[0] * in_space[0, 0] + noise
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
    plane = types.Array(number, 2, "C", readonly=True)
    line = types.Array(number, 1, "C", readonly=True)
    signature = types.void(
        types.Array(types.float32, 1, "C", readonly=True), positions, positions, line,
        types.Array(types.int64, 2, "C", readonly=True), line, plane,
        number, position, values, values, position, position,
    )  # fmt: skip
    return compile_loop(_krige, signature)


def _offsets(*reach: int) -> NDArray[np.intp]:
    """Days, rows and columns (N, 3) of all values within reach."""
    axes = [np.arange(-r, r + 1) for r in reach]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _in_time(covariance: Covariance, lag: NDArray[np.integer]) -> NDArray[np.float64]:
    fast = covariance.fast * covariance.phi_fast**lag
    return np.asarray(fast + covariance.slow * covariance.phi_slow**lag)


def _in_space(correlation: SpatialCorrelation, size: int) -> NDArray[np.float64]:
    """Correlation of the signals of cells some rows and columns apart, (size, size)."""
    distance = np.hypot(*np.indices((size, size)))
    between = correlation.common * np.exp(-distance / correlation.length)
    return np.where(distance == 0, 1.0, between)


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
