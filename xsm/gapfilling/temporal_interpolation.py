"""Optimal interpolation of each cell in time: the estimate from the cell's own observations alone.

Departures of a cell from its mean are a slow and a fast first-order autoregressive process, seen
through white noise. Their best linear estimate from all observations is that of a Kalman smoother.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling.climatology import climatology

LAGS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 48)  # days, of the autocovariance
PHI = (0.3, 0.5, 0.65, 0.78, 0.87, 0.93, 0.96, 0.98, 0.99, 0.996)  # autocorrelation at one day
MAX_SIGNAL = 0.998  # fraction of the variance; the rest is noise
PRIOR_DAYS = 3.0  # weight of the variance of all cells, in days of observation

Floats = NDArray[np.floating]


class Covariance(NamedTuple):
    """Covariance of the departures of a record.

    Attributes
    ----------
    fast, slow : float
        Fractions of the variance that are fast and slow signal; the rest is white noise.
    phi_fast, phi_slow : float
        Autocorrelation of each at one day.
    variance : float
        Of all cells together, (m3 m-3)^2.
    """

    fast: float
    phi_fast: float
    slow: float
    phi_slow: float
    variance: float


def cell_mean(values: Floats) -> NDArray[np.float32]:
    """Mean (H, W) of the observations (T, H, W) of each cell; NaN without any."""
    observed = np.isfinite(values)
    count = observed.sum(axis=0)
    total = np.where(observed, values, 0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def climatological_mean(
    values: Floats, day_of_year: NDArray[np.integer], year_length: int
) -> NDArray[np.float32]:
    """:func:`xsm.gapfilling.climatology.climatology`, and the cell's mean where it has none."""
    typical = climatology(np.asarray(values, np.float32), day_of_year, year_length)[0]
    return np.where(np.isfinite(typical), typical, cell_mean(values))


def autocovariance_sums(departures: Floats) -> NDArray[np.float64]:
    """Sums that :func:`fit_covariance` needs, additive over parts of a record.

    Parameters
    ----------
    departures : ndarray, shape (T, H, W)
        From the mean of each cell, m3 m-3; NaN where missing.

    Returns
    -------
    ndarray, shape (L + 1, 2)
        For each of ``LAGS`` the sum of products of standardised departures and their number; then
        the sum of squared departures, (m3 m-3)^2, and their number.
    """
    observed = np.isfinite(departures)
    a = np.where(observed, departures, 0).astype(np.float32)
    squares, count = np.einsum("thw,thw->hw", a, a), observed.sum(axis=0)
    pooled = squares.sum() / max(count.sum(), 1)
    a /= np.sqrt(np.maximum(_cell_variance(squares, count, pooled), 1e-12)).astype(np.float32)
    sums = np.zeros((len(LAGS) + 1, 2))
    for row, lag in zip(sums, LAGS, strict=False):
        if lag < len(a):
            row[0] = np.einsum("thw,thw->", a[lag:], a[:-lag], dtype=np.float64)
            row[1] = np.count_nonzero(observed[lag:] & observed[:-lag])
    sums[-1] = squares.sum(), count.sum()
    return sums


def fit_covariance(sums: NDArray[np.float64]) -> Covariance:
    """Fit two autoregressive processes and noise to autocorrelations, by weighted least squares.

    Parameters
    ----------
    sums : ndarray, shape (L + 1, 2)
        :func:`autocovariance_sums`.

    Notes
    -----
    The autocorrelation at a lag of l days is ``fast * phi_fast**l + slow * phi_slow**l``. Lags
    without pairs do not count; without any, all is noise.
    """
    product, pairs = sums[:-1].T
    variance = float(sums[-1, 0] / max(sums[-1, 1], 1))
    rho = product / np.maximum(pairs, 1)
    if not pairs.any():
        return Covariance(0.0, PHI[0], 0.0, PHI[-1], variance)
    powers = np.array(PHI)[:, None] ** np.array(LAGS)
    gram = powers * pairs @ powers.T
    aim = powers * pairs @ rho
    first, second = np.triu_indices(len(PHI))
    g, loss = _two_fractions(gram, aim, first, second)
    best = int(np.argmin(loss))
    if loss[best] > -1e-9:
        return Covariance(0.0, PHI[0], 0.0, PHI[-1], variance)
    fast, slow = map(float, g[best])
    return Covariance(fast, PHI[first[best]], slow, PHI[second[best]], variance)


def _two_fractions(
    gram: NDArray[np.float64],
    aim: NDArray[np.float64],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fractions (n, 2) of two processes, not negative and no more than ``MAX_SIGNAL`` together, and
    the loss (n,) of each choice of two."""
    a, b, d = gram[first, first], gram[first, second], gram[second, second]
    aims = np.stack([aim[first], aim[second]], axis=1)
    determinant = a * d - b * b
    both = np.stack([d * aims[:, 0] - b * aims[:, 1], a * aims[:, 1] - b * aims[:, 0]], axis=1)
    solvable = determinant > 1e-9 * a * d
    both /= np.where(solvable, determinant, 1.0)[:, None]
    alone = np.maximum(aims, 0) / np.stack([a, d], axis=1)
    better = alone[:, 0] * aims[:, 0] > alone[:, 1] * aims[:, 1]
    alone = np.where(np.stack([better, ~better], axis=1), alone, 0.0)
    g = np.where((solvable & (both.min(axis=1) >= 0))[:, None], both, alone)
    g *= np.minimum(MAX_SIGNAL / np.maximum(g.sum(axis=1), 1e-9), 1.0)[:, None]
    fast, slow = g.T
    loss = fast**2 * a + 2 * fast * slow * b + slow**2 * d - 2 * (g * aims).sum(axis=1)
    return g, loss


def _cell_variance(squares: Floats, count: NDArray[np.integer], pooled: float) -> Floats:
    return (squares + PRIOR_DAYS * pooled) / (count + PRIOR_DAYS)


def interpolate_in_time(
    departures: Floats, covariance: Covariance, dates: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Best linear estimate of each day from all observations of the cell, and its error.

    Parameters
    ----------
    departures : ndarray, shape (T, H, W)
        From the mean of each cell, m3 m-3; NaN where missing.
    covariance : Covariance
        Of the whole record. The variance of a cell is its own, shrunk towards that of all cells
        with a weight of three days.
    dates : ndarray of int, shape (T,)
        Days in the calendar, increasing.

    Returns
    -------
    estimate : ndarray of float32, shape (T, H, W)
        m3 m-3; 0, the mean, where nothing was observed.
    std : ndarray of float32, shape (T, H, W)
        Standard deviation of an observation about the estimate, m3 m-3.

    Notes
    -----
    With y the departure, s its fast and slow part, H = (1, 1) and v the variance of the cell ::

        s_t = diag(phi) s_(t-1) + q_t,  var q = v g (1 - phi^2)
        y_t = H s_t + e_t,              var e = v (1 - g_fast - g_slow)

    Kalman filter forwards, then the smoother of de Jong (1989), equations 5 to 7 (Durbin and
    Koopman, 2012, section 4.4): ``r`` and ``N`` are carried backwards, and the estimate is
    ``H m + H P r`` with error variance ``H P H' - H P N P H'``, m and P being the prediction.
    This is the optimal interpolation of Gandin (1963) in one dimension, at a cost that grows with
    the number of days only.
    """
    observed = np.isfinite(departures)
    y = np.where(observed, departures, 0).astype(np.float32)
    squares, count = np.einsum("thw,thw->hw", y, y), observed.sum(axis=0)
    variance = _cell_variance(squares, count, covariance.variance).astype(np.float32)
    fractions = np.array([covariance.fast, covariance.slow])
    noise = np.float32(1 - fractions.sum())
    phi = np.array([covariance.phi_fast, covariance.phi_slow])
    decay = phi ** np.diff(dates, prepend=dates[:1])[:, None]
    decay, gain = decay.astype(np.float32), (fractions * (1 - decay**2)).astype(np.float32)

    mean, f1, f2, inverse, scaled = (np.empty_like(y) for _ in range(5))
    shape = y.shape[1:]
    m1, m2, p12 = (np.zeros(shape, np.float32) for _ in range(3))
    p11, p22 = (np.full(shape, g, np.float32) for g in fractions)
    for t in range(len(y)):
        (d1, d2), (q1, q2) = decay[t], gain[t]
        m1, m2 = m1 * d1, m2 * d2
        p11, p12, p22 = p11 * (d1 * d1) + q1, p12 * (d1 * d2), p22 * (d2 * d2) + q2
        mean[t], f1[t], f2[t] = m1 + m2, p11 + p12, p12 + p22
        inverse[t] = observed[t] / (f1[t] + f2[t] + noise)
        k1, k2 = f1[t] * inverse[t], f2[t] * inverse[t]
        innovation = y[t] - mean[t]
        scaled[t] = innovation * inverse[t]
        m1, m2 = m1 + k1 * innovation, m2 + k2 * innovation
        p11, p12, p22 = p11 - k1 * f1[t], p12 - k1 * f2[t], p22 - k2 * f2[t]

    r1, r2, n11, n12, n22 = (np.zeros(shape, np.float32) for _ in range(5))
    std = f1 + f2
    for t in range(len(y) - 1, -1, -1):
        k1, k2 = f1[t] * inverse[t], f2[t] * inverse[t]
        step = scaled[t] - (k1 * r1 + k2 * r2)
        r1, r2 = r1 + step, r2 + step
        c1, c2 = n11 * k1 + n12 * k2, n12 * k1 + n22 * k2
        both = k1 * c1 + k2 * c2 + inverse[t]
        n11, n12, n22 = n11 - 2 * c1 + both, n12 - c1 - c2 + both, n22 - 2 * c2 + both
        mean[t] += f1[t] * r1 + f2[t] * r2
        std[t] -= f1[t] ** 2 * n11 + 2 * f1[t] * f2[t] * n12 + f2[t] ** 2 * n22
        d1, d2 = decay[t]
        r1, r2 = r1 * d1, r2 * d2
        n11, n12, n22 = n11 * (d1 * d1), n12 * (d1 * d2), n22 * (d2 * d2)
    return mean, np.sqrt(np.maximum(std + noise, 0) * variance)
