"""Correlation of the errors of a fill, in space and time, from hidden observations of the record.

Filled values near each other are estimated from the same observations, so their errors are alike.
As for the weights of the methods (:mod:`xsm.gapfilling.method_weights`), some of the
observations of a sample are hidden and filled, now by the mixture that fills the record: boxes from
single values to whole areas and weeks. A mixture of correlations in space and time,

``rho(d, l) = sum_k w_k exp(-d^2 / (2 L_k^2)) phi_k^l``,  ``w_k >= 0``,  ``sum_k w_k = 1``,

d cells and l days apart (Cressie and Wikle, 2011, *Statistics for Spatio-Temporal Data*, sections
4.1 and 6.1), is fitted to the variances of the mean errors of the boxes, which are linear in its
weights (the block variance of geostatistics; Journel and Huijbregts, 1978, *Mining Geostatistics*,
section II.C). Pairs of single errors would be mostly those of the largest boxes, whose errors are
more alike. These are errors that are left given the observations around: towards an observation
they vanish as far as the standard deviation does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.optimize import nnls

from xsm.conventions.windows import Window
from xsm.gapfilling.correlated_errors import FIELDS, correlations_in_space_and_time
from xsm.gapfilling.fill_calibration import NETWORK, SPACE_TIME, Calibration
from xsm.gapfilling.hidden_values import Sample
from xsm.gapfilling.method_weights import Hidden, Predict, estimate_hidden
from xsm.gapfilling.own_series import Calendar

ROUNDS = 4  # at most
ENOUGH = 240  # boxes
PART = (20, 60, 60)  # days, rows and columns of a sample in which boxes are hidden in a round
FRACTION = 0.18  # of the observed values, that are hidden
# of the boxes: rows and columns, days, values; the first three are distributed log-uniformly
SIDES, ASPECT, DAYS, MOST_VALUES = (1.0, 32.0), 1.35, (2.0, 14.0), 1200
ONE_DAY = 0.5  # of the boxes are of one day
SPACING = 2  # days, rows and columns between two boxes
OBSERVED = 0.4  # of a box, at least
TRIES = 30  # places for a box
LARGEST = 4.0  # standardised errors are held within
LEAST = 0.02  # weight of a field; others are left out
OUTLIER = 9.0  # times the variance of a box; squares of mean errors are held within
STEPS = 8  # of the reweighted least squares
# boxes of these days and cells, and of how many each the correlation of other records counts for
PRIOR_SIZES = (
    (1, 3), (1, 6), (1, 12), (1, 24), (4, 1), (4, 3), (4, 6), (4, 12), (10, 1), (10, 3), (10, 6),
)  # fmt: skip
PRIOR_BOXES = 2.0
RIDGE = 0.03  # where the boxes do not tell, as in other records

Floats = NDArray[np.float32]
Boxes = tuple[NDArray[np.float64], NDArray[np.float64]]  # of n boxes, (n,) and (n, FIELDS)


def standard_weights() -> NDArray[np.float64]:
    """Weights (FIELDS,) of records without enough observations to hide.

    Fitted to the errors of the default network at hidden values of AMSR2, April 2015, in six
    regions: Sahel, Brazil, India, southern Africa, western Siberia, western United States.
    """
    return np.array(STANDARD).ravel()


# rows: LENGTHS, columns: PHI
STANDARD = (
    (0.00, 0.00, 0.00, 0.05, 0.11),
    (0.00, 0.07, 0.00, 0.17, 0.08),
    (0.00, 0.00, 0.00, 0.14, 0.04),
    (0.00, 0.15, 0.00, 0.00, 0.09),
    (0.00, 0.00, 0.00, 0.00, 0.04),
    (0.06, 0.00, 0.00, 0.00, 0.00),
)


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
    of = [_with_large_part(sample) for sample in of]
    collected = [no_boxes()]
    for turn in range(ROUNDS):
        for n, part in enumerate(parts):
            box = of[n].box(turn)
            number = np.full(part.shape, -1)
            # other values than those that the weights of the methods come from
            rng = np.random.default_rng((turn, n, 1))
            number[box] = hidden_boxes(np.isfinite(part[box]), rng)
            hidden = number >= 0
            if not hidden.any():
                continue
            network = predict if with_network else None
            sample = part, hidden, of[n], calendars[n]
            estimates = estimate_hidden(*sample, network, turn, calibration.correlation)
            errors, std = standardised_errors(estimates, calibration)
            rows = of[n].window[1]
            inside = width[np.clip(np.arange(rows.start, rows.stop), 0, width.size - 1)]
            of_value = number[tuple(estimates.position.T)]
            cells = float(np.mean(inside))
            collected.append(box_variances(errors, std, estimates.position, of_value, cells))
        if sum(squares.size for squares, _ in collected) >= ENOUGH:
            break
    squares, variances = (np.concatenate(arrays) for arrays in zip(*collected, strict=True))
    return fit_weights((squares, variances))


def _with_large_part(sample: Sample) -> Sample:
    """The sample with a larger part of which values are hidden; longer where it has few cells."""
    days, *cells = (
        part.stop - part.start - 2 * margin
        for part, margin in zip(sample.window, (0, *sample.margin), strict=True)
    )
    rows, columns = (min(n, most) for n, most in zip(cells, PART[1:], strict=True))
    days = min(days, max(PART[0], int(np.prod(PART)) // (rows * columns)))
    return sample._replace(box_shape=(days, rows, columns))


def hidden_boxes(valid: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose boxes of observed values to hide, of all sizes, that do not touch.

    Parameters
    ----------
    valid : ndarray of bool, shape (T, H, W)
        True where there is a retrieval.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (T, H, W)
        Number of the box; -1 where nothing is hidden.
    """
    out = np.full(valid.shape, -1)
    taken = np.zeros(valid.shape, bool)
    where = np.argwhere(valid)
    for number, size in enumerate(_sizes(valid, rng)):
        for _ in range(TRIES):
            start = where[rng.integers(len(where))] - np.array(size) // 2
            start = np.clip(start, 0, np.array(valid.shape) - size)
            ends = list(zip(start.tolist(), size, strict=True))
            box: Window = tuple(slice(a, a + n) for a, n in ends)  # type: ignore[assignment]
            around = tuple(slice(max(a - SPACING, 0), a + n + SPACING) for a, n in ends)
            if not taken[around].any() and valid[box].mean() >= OBSERVED:
                taken[box] = True
                out[box] = np.where(valid[box], number, -1)
                break
    return out


def _sizes(valid: NDArray[np.bool_], rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Days, rows and columns of boxes with about ``FRACTION`` of the values; large ones first."""
    observed = float(valid.mean())
    most = max(len(valid) // 2, 1), *valid.shape[1:]  # so that a cell keeps observations
    sizes: list[tuple[int, ...]] = []
    left = FRACTION * np.count_nonzero(valid)
    while left > 0:
        side, days = (np.exp(rng.uniform(*np.log(ends))) for ends in (SIDES, DAYS))
        days = 1 if rng.random() < ONE_DAY else days
        ratio = np.exp(rng.uniform(-1, 1) * np.log(ASPECT))
        wanted = days, max(side * ratio, 1), max(side / ratio, 1)
        size = tuple(min(round(n), limit) for n, limit in zip(wanted, most, strict=True))
        if np.prod(size) <= MOST_VALUES:
            sizes.append(size)
            left -= observed * np.prod(size)
    return sorted(sizes, key=lambda size: -np.prod(size))


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


def no_boxes() -> Boxes:
    return np.zeros(0), np.zeros((0, FIELDS))


def box_variances(
    errors: NDArray[np.float64],
    std: NDArray[np.float64],
    position: NDArray[np.int64],
    number: NDArray[np.int64],
    width: float,
) -> Boxes:
    """Squares of the mean errors of boxes, and their variances by each field alone.

    Parameters
    ----------
    errors, std : ndarray, shape (n,)
        :func:`standardised_errors`.
    position : ndarray of int, shape (n, 3)
        Day, row and column.
    number : ndarray of int, shape (n,)
        Of the box of a value.
    width : float
        Of a cell over its height.

    Returns
    -------
    squares : ndarray, shape (B,)
        Of the mean error of a box over that of fully dependent errors, the mean of the standard
        deviations.
    variances : ndarray, shape (B, FIELDS)
        The same, as expected with the correlation of each field.
    """
    there = np.isfinite(errors) & (std > 0)
    squares, variances = [], []
    for n in np.unique(number[there]):
        inside = there & (number == n)
        share = std[inside] / std[inside].sum()
        at = position[inside] - position[inside].min(axis=0)
        field = np.zeros(at.max(axis=0) + 1)
        field[tuple(at.T)] = share
        squares.append(float(share @ errors[inside]) ** 2)
        variances.append(variances_of_sum(field, width))
    return (np.array(squares), np.stack(variances)) if squares else no_boxes()


def variances_of_sum(weights: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Variance (FIELDS,) of a weighted sum (T, H, W) of errors of unit variance, by each field."""
    padded = [next_fast_len(2 * n - 1, real=True) for n in weights.shape]
    pairs = irfftn(abs(rfftn(weights, padded)) ** 2, padded)  # by lag, rows and columns apart
    lags, rows, columns = (abs(np.fft.fftfreq(n, 1.0 / n).round()) for n in padded)
    in_space, in_time = correlations_in_space_and_time(
        np.hypot(rows[:, None], columns * width), lags
    )
    by_lag = np.einsum("tyx,syx->st", pairs, in_space)
    return np.asarray((by_lag @ in_time.T).ravel())


def fit_weights(boxes: Boxes) -> NDArray[np.float64]:
    """Weights (FIELDS,) from the squares of mean errors (B,) and their variances (B, FIELDS).

    The square of a mean error is its variance v times a chi-squared variable with one degree of
    freedom, whose standard deviation is ``sqrt(2) v``: least squares with these weights, from the
    fit before, are the maximum likelihood. ``PRIOR_BOXES`` boxes of each of ``PRIOR_SIZES`` have
    the variances of :func:`standard_weights`.
    """
    squares, variances = boxes
    prior = standard_weights()
    sizes = [(days, cells, cells) for days, cells in PRIOR_SIZES]
    usual = np.stack([variances_of_sum(np.full(s, 1 / np.prod(s)), 1.0) for s in sizes])
    ridge = RIDGE * np.sqrt(squares.size + 1) * np.eye(FIELDS)
    weights = prior
    for _ in range(STEPS):
        expected, expected_usual = variances @ weights, usual @ weights
        target = np.minimum(squares, OUTLIER * expected)
        target_usual = np.minimum(usual @ prior, OUTLIER * expected_usual)
        each = 1 / (np.sqrt(2) * expected)
        of_prior = np.sqrt(PRIOR_BOXES / 2) / expected_usual
        heavy = 1e3 * max(float(np.max(each, initial=0)), float(of_prior.max())) * np.ones(FIELDS)
        rows = [variances * each[:, None], usual * of_prior[:, None], ridge, heavy[None]]
        aims = [target * each, target_usual * of_prior, ridge @ prior, heavy[:1]]
        weights, _ = nnls(np.concatenate(rows), np.concatenate(aims), maxiter=50 * FIELDS)
        weights = weights / weights.sum()
    weights = np.where(weights < LEAST, 0.0, weights)
    return np.asarray(weights / weights.sum())
