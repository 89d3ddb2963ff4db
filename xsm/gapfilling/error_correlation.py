"""Correlation of the errors of a fill, in space and time, from hidden observations of the record.

Filled values near each other are estimated from the same observations, so their errors are alike.
As for the weights of the methods (:mod:`xsm.gapfilling.method_weights`), some of the
observations of a sample are hidden and filled, now by the mixture that fills the record. Products
of their errors over those of the standard deviations that the fill states give an empirical
correlogram, and a mixture of correlations in space and time is fitted to it:

``rho(d, l) = sum_k w_k exp(-d^2 / (2 L_k^2)) phi_k^l``,  ``w_k >= 0``,  ``sum_k w_k = 1``,

d cells and l days apart (Cressie and Wikle, 2011, *Statistics for Spatio-Temporal Data*, sections
4.1 and 6.1). These are errors that are left given the observations around: towards an observation
they vanish as far as the standard deviation does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.optimize import nnls

from xsm.gapfilling.correlated_errors import FIELDS, field_correlations
from xsm.gapfilling.method_weights import (
    CLASSES,
    METHODS,
    NETWORK,
    SPACE_TIME,
    Calibration,
    Hidden,
    Predict,
    Sample,
    estimate_hidden,
    hidden_values,
)
from xsm.gapfilling.own_series import Calendar
from xsm.gapfilling.space_time_interpolation import SpatialCorrelation
from xsm.gapfilling.temporal_interpolation import Covariance

ROUNDS = 4  # at most
ENOUGH = 60_000  # hidden values
# days, rows and columns of a sample of which some are hidden: as large as the gaps of whole areas
BOX = (20, 60, 60)
# of the values; mostly in areas, since errors of single cells far apart tell nothing
FRACTIONS = {"block": 0.08, "swath": 0.03, "long": 0.06, "cell": 0.01}
DISTANCES = (1e-6, 1.2, 1.7, 2.3, 3.3, 4.6, 6.5, 9.0, 12.0, 16.0, 22.0, 32.0)  # edges, cells
LAGS = (0.5, 1.5, 2.5, 3.5, 5.5, 8.5, 14.5)  # edges, days
LARGEST = 4.0  # standardised errors are held within
LEAST = 0.02  # weight of a field; others are left out
# of pairs at each distance and lag, that the correlation of other records counts for
PRIOR_PAIRS = 500.0

Floats = NDArray[np.float32]


def standard_weights() -> NDArray[np.float64]:
    """Weights (FIELDS,) of records without enough observations to hide.

    Fitted to the errors of the default network at hidden values of AMSR2, April 2015.
    """
    return np.array(STANDARD).ravel()


# rows: LENGTHS, columns: PHI
STANDARD = (
    (0.09, 0.00, 0.00, 0.00, 0.03),
    (0.06, 0.12, 0.00, 0.12, 0.00),
    (0.00, 0.05, 0.00, 0.12, 0.00),
    (0.00, 0.18, 0.00, 0.00, 0.08),
    (0.00, 0.00, 0.00, 0.00, 0.03),
    (0.06, 0.04, 0.00, 0.00, 0.02),
)


def network_alone() -> Calibration:
    """The calibration of a record that was filled by the network without one."""
    weights = np.zeros((CLASSES, len(METHODS)))
    weights[:, NETWORK] = 1.0
    none = Covariance(0.0, 0.0, 0.0, 0.0, 0.0)
    rmse = np.full(len(METHODS) + 1, np.nan)
    between = SpatialCorrelation(0.0, 1.0)
    return Calibration(weights, np.ones(CLASSES), (none, none), between, rmse, 0)


def fit_error_correlation(
    parts: Sequence[Floats],
    of: Sequence[Sample],
    calendar: Calendar,
    predict: Predict,
    calibration: Calibration,
    width: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Weights (FIELDS,) of the correlation of the errors of a record.

    Parameters
    ----------
    parts, of, calendar, predict
        As for :func:`xsm.gapfilling.method_weights.calibrate`.
    calibration : Calibration
        How the record is filled.
    width : ndarray, shape (H,)
        Of the cells of each row of the record over their height.
    """
    parts = [np.asarray(part, np.float32) for part in parts]
    calendars = [calendar.part(sample.window[0]) for sample in of]
    with_network = bool(calibration.weights[:, NETWORK].any())
    sums, number = _no_pairs(), 0
    of = [_with_large_box(sample) for sample in of]
    for turn in range(ROUNDS):
        for n, part in enumerate(parts):
            # other values than those that the weights of the methods come from
            hidden = hidden_values(part, of[n].box(turn), (turn, n, 1), FRACTIONS)
            if not hidden.any():
                continue
            network = predict if with_network else None
            sample = part, hidden, of[n], calendars[n]
            estimates = estimate_hidden(*sample, network, turn, calibration.correlation)
            errors, std = standardised_errors(estimates, calibration)
            rows = of[n].window[1]
            inside = width[np.clip(np.arange(rows.start, rows.stop), 0, width.size - 1)]
            cells = float(np.mean(inside))
            sums += pair_sums(errors, std, estimates.position, cells)
            number += errors.size
        if number >= ENOUGH:
            break
    return fit_weights(sums)


def _with_large_box(sample: Sample) -> Sample:
    inside = [
        part.stop - part.start - 2 * margin
        for part, margin in zip(sample.window, (0, *sample.margin), strict=True)
    ]
    days, rows, columns = (min(n, most) for n, most in zip(inside, BOX, strict=True))
    return sample._replace(box_shape=(days, rows, columns))


def standardised_errors(
    hidden: Hidden, calibration: Calibration
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Errors (n,) of the mixture over the standard deviation that it states, NaN where unknown, and
    this standard deviation, m3 m-3."""
    weights = calibration.weights[hidden.group]
    used = weights > 0
    mixture = np.where(used, weights * np.where(used, hidden.estimates, 0), 0).sum(axis=1)
    share = weights[:, NETWORK]
    by_others = calibration.weights[:, SPACE_TIME].any()
    others = hidden.space_time_std if by_others else hidden.own_std
    std = np.where(share > 0, share * hidden.network_std, 0)
    std = std + np.where(share < 1, (1 - share) * others, 0)
    std = std * calibration.factor[hidden.group]
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = (mixture - hidden.observed) / std
    return np.clip(np.where(np.isfinite(errors), errors, np.nan), -LARGEST, LARGEST), std


def _no_pairs() -> NDArray[np.float64]:
    return np.zeros((5, len(LAGS), len(DISTANCES)))


def pair_sums(
    errors: NDArray[np.float64],
    std: NDArray[np.float64],
    position: NDArray[np.int64],
    width: float,
) -> NDArray[np.float64]:
    """Sums over pairs of errors by lag and distance, additive over parts of a record.

    Parameters
    ----------
    errors, std : ndarray, shape (n,)
        :func:`standardised_errors`.
    position : ndarray of int, shape (n, 3)
        Day, row and column.
    width : float
        Of a cell over its height.

    Returns
    -------
    ndarray, shape (5, L, D)
        Sum of the products of the errors (not standardised), number of pairs, sums of their
        distances in cells and of their lags, and of the products of their standard deviations, by
        ``LAGS`` and ``DISTANCES``. At lag 0 each pair counts twice.
    """
    there = np.isfinite(errors)
    errors, std, position = errors[there], std[there], position[there]
    if not errors.size:
        return _no_pairs()
    low, high = position.min(axis=0), position.max(axis=0)
    padded = [next_fast_len(2 * int(n) - 1, real=True) for n in high - low + 1]
    at = tuple((position - low).T)
    over_pairs = []
    for values in (errors * std, np.ones_like(std), std):
        field = np.zeros(high - low + 1)
        field[at] = values
        over_pairs.append(irfftn(abs(rfftn(field, padded)) ** 2, padded))
    products, pairs, variances = over_pairs
    lags, rows, columns = (np.fft.fftfreq(n, 1.0 / n).round() for n in padded)
    distance = np.hypot(rows[:, None], columns * width)
    lag = np.broadcast_to(lags[:, None, None], pairs.shape)
    distance = np.broadcast_to(distance, pairs.shape)
    pairs = pairs.round()
    used = (pairs > 0) & (lag >= 0) & (lag < LAGS[-1]) & (distance < DISTANCES[-1])
    number = pairs[used]
    bins = np.searchsorted(LAGS, lag[used]) * len(DISTANCES)
    bins += np.searchsorted(DISTANCES, distance[used])
    count = partial(np.bincount, bins, minlength=len(LAGS) * len(DISTANCES))
    means = number * distance[used], number * lag[used]
    weights = products[used], number, *means, variances[used]
    sums = [np.asarray(count(weights=part), np.float64) for part in weights]
    return np.stack(sums).reshape(_no_pairs().shape)


def fit_weights(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (FIELDS,) by least squares from the sums of pairs (5, L, D).

    The covariance of a bin is the sum of the products of errors over that of the products of stated
    standard deviations, so that the spread of area means is that of their errors: pairs count by
    their part in it, and where the stated standard deviations are wrong the covariance makes up for
    them. Each bin also counts ``PRIOR_PAIRS`` pairs with the correlation of
    :func:`standard_weights`.
    """
    products, pairs, distances, lags, variances = sums
    prior = standard_weights()
    some = np.maximum(pairs, 1)
    distance = np.where(pairs > 0, distances / some, 0.0)
    lag = np.where(pairs > 0, lags / some, 0.0)
    fields = field_correlations(distance, lag)
    number = pairs + PRIOR_PAIRS
    expected = np.einsum("k,kld->ld", prior, fields)
    own = np.where(pairs > 0, products / np.maximum(variances, 1e-300), 0.0)
    rho = (pairs * own + PRIOR_PAIRS * expected) / number
    row_weight = np.where(pairs > 0, np.sqrt(number), 0.0)
    row_weight[0, 0] = 0.0  # one by definition
    root = np.sqrt(row_weight).ravel()
    matrix = fields.reshape(FIELDS, -1).T * root[:, None]
    target = rho.ravel() * root
    size = max(float(root.max()), 1.0)
    ridge = 1e-2 * size * np.eye(FIELDS)  # where the pairs do not tell, as in other records
    heavy = 1e3 * size * np.ones((1, FIELDS))
    rows = np.vstack([matrix, ridge, heavy])
    aim = np.concatenate([target, ridge @ prior, [heavy[0, 0]]])
    weights, _ = nnls(rows, aim)
    weights[weights < LEAST] = 0.0
    return np.asarray(weights / weights.sum())
