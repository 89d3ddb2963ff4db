"""Calibration of a fill on hidden observations of the record itself: no worse than a baseline.

A network that was trained on many records can lose against linear interpolation, climatology or
temporal interpolation on one of them: isolated cells, much noise, slow change. A few per cent of
the observations of a sample are hidden and estimated by each. From their errors follow the weights
of the estimates, by class of gaps, and a factor of the standard deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from xsm.gapfilling.fill_calibration import METHODS, NETWORK, SPACE_TIME, Calibration, uncalibrated
from xsm.gapfilling.gap_classes import (
    BY_DAYS,
    CLASSES,
    FAR,
    days_to_observation,
    gap_classes,
    observed_beside,
)
from xsm.gapfilling.hidden_values import BOXES, Bools, Floats, Sample, hidden_values
from xsm.gapfilling.own_series import (
    LINEAR,
    TEMPORAL,
    Calendar,
    covariance_sums,
    covariances,
    own_series_estimates,
)
from xsm.gapfilling.space_time_interpolation import (
    SpatialCorrelation,
    cross_covariance_sums,
    fit_spatial_correlation,
    interpolate_in_space_and_time,
)
from xsm.gapfilling.temporal_interpolation import Covariance, cell_mean

MAX_VALUES = 64_000_000  # of a record; the network alone fills larger ones
MIN_HIDDEN = 30  # values; below, the number of cells decides
MIN_CELLS = 25  # that were observed, for the network without calibration
MIN_CLASS = 100  # hidden values; smaller classes take the weights of all
ENOUGH = 3000  # hidden values
CLEAR = 300  # hidden values that suffice where the network is best by far
LOST = 60  # hidden values that suffice where it is worst by far
GAIN = 0.02  # of the RMSE, below which the network alone is unchanged
BEST_GAIN = 0.15  # the same, where the network is the best of the methods
OWN_GAIN = 0.005  # below which temporal interpolation is, where the network has lost
FOLDS = 5
ROUNDS = 8

Predict = Callable[[Floats, Bools, Sample], Floats]


@dataclass
class Hidden:
    """Hidden values so far: estimates (n, M), observed, standard deviation of the network, the
    temporal and the space-time interpolation, class and fold (n,); day, row and column (n, 3)."""

    estimates: NDArray[np.float64]
    observed: NDArray[np.float64]
    network_std: NDArray[np.float64]
    own_std: NDArray[np.float64]
    space_time_std: NDArray[np.float64]
    group: NDArray[np.int64]
    fold: NDArray[np.int64]
    position: NDArray[np.int64]

    @property
    def errors(self) -> NDArray[np.float64]:
        """Estimate minus observed, (n, M)."""
        return self.estimates - self.observed[:, None]


def calibrate(
    parts: Sequence[Floats],
    of: Sequence[Sample],
    calendar: Calendar,
    predict: Predict,
) -> Calibration:
    """Hide, estimate and compare, round by round, until there is enough to tell.

    Parameters
    ----------
    parts : sequence of ndarray, each (T, H, W)
        The windows of the samples, m3 m-3; NaN where missing or beyond the record.
    of : sequence of Sample
    calendar : Calendar
        Of the whole record.
    predict : callable
        ``predict(values, hidden, sample)``: mean and standard deviation (2, T, H, W) by the network
        where `hidden`; `values` without the hidden ones.
    """
    parts = [np.asarray(part, np.float32) for part in parts]
    calendars = [calendar.part(sample.window[0]) for sample in of]
    used = [n for n, part in enumerate(parts) if np.isfinite(part).any()]
    sums = sum(
        (covariance_sums(parts[n], calendars[n]) for n in used), np.zeros((2, *_sums_shape()))
    )
    about = covariances(sums)
    correlation = SpatialCorrelation()
    if used:
        between = [cross_covariance_sums(parts[n] - cell_mean(parts[n])) for n in used]
        correlation = fit_spatial_correlation(np.sum(between, axis=0), about[0])
    rounds: list[Hidden] = []
    boxes = sum(of[n].boxes for n in used)
    compared: Predict | None = predict
    for number in range(ROUNDS):
        for n in used:
            hidden = np.zeros(parts[n].shape, bool)
            for box in range(number * of[n].boxes, (number + 1) * of[n].boxes):
                window = of[n].box(box)
                hidden[window] |= hidden_values(parts[n][window], (box, n))
            if hidden.any():
                sample = parts[n], hidden, of[n], calendars[n]
                rounds.append(estimate_hidden(*sample, compared, number, correlation))
        total = _joined(rounds)
        if total is None:
            continue
        several = (number + 1) * boxes >= BOXES
        if total.observed.size >= ENOUGH or (several and _network_is_best(total)):
            break
        if _network_is_worst(total):
            compared = None  # the others are cheap
    total = _joined(rounds)
    if total is None or total.observed.size < MIN_HIDDEN:
        cells = sum(int(np.isfinite(parts[n]).any(axis=0).sum()) for n in used)
        method = NETWORK if cells >= MIN_CELLS else 1 + LINEAR
        return uncalibrated(method, about, correlation)
    return _fitted(total, about, correlation)


def _sums_shape() -> tuple[int, int]:
    from xsm.gapfilling.temporal_interpolation import LAGS

    return len(LAGS) + 1, 2


def estimate_hidden(
    values: Floats,
    hidden: Bools,
    sample: Sample,
    calendar: Calendar,
    predict: Predict | None,
    number: int,
    correlation: SpatialCorrelation,
) -> Hidden:
    """Estimates of the hidden values of one window by all methods."""
    left = np.where(hidden, np.float32(np.nan), values)
    nothing = np.full((2, *values.shape), np.nan, np.float32)
    network = nothing if predict is None else predict(left, hidden, sample)
    days, rows, columns = np.nonzero(hidden)
    cells = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    series = left[(slice(None), *cells)]
    about = covariances(covariance_sums(series, calendar))
    estimates, own_std = own_series_estimates(series, calendar, about)
    at = days, rows - cells[0].start, columns - cells[1].start
    own = np.searchsorted(calendar.present, days), *at[1:]
    typical = cell_mean(left)
    both = interpolate_in_space_and_time(left - typical, hidden, about[0], correlation)
    space_time = np.stack([part[hidden] for part in both])
    space_time[0] += typical[rows, columns]
    joined = np.concatenate(
        [network[0][hidden][None], estimates[(slice(None), *own)], space_time[:1]]
    )
    usable = np.isfinite(joined[1 + LINEAR])
    usable &= np.isfinite(joined[NETWORK]) | (predict is None)
    fold = (days // 15 + rows // 8 + columns // 8 + number) % FOLDS
    beside = observed_beside(left)[hidden]
    group = gap_classes(days_to_observation(series)[at], beside)
    stds = network[1][hidden], own_std[own], space_time[1]
    parts = (joined.T, values[hidden], *stds, group, fold, np.argwhere(hidden))
    return Hidden(
        *(np.asarray(x)[usable].astype(np.float64) for x in parts[:5]),
        *(x[usable] for x in parts[5:]),
    )


def _joined(rounds: Sequence[Hidden]) -> Hidden | None:
    if not rounds:
        return None
    names = [field.name for field in fields(Hidden)]
    return Hidden(*(np.concatenate([getattr(part, n) for part in rounds]) for n in names))


def _rmse(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.mean(errors**2, axis=0))


def _with_network(hidden: Hidden) -> NDArray[np.bool_]:
    return np.isfinite(hidden.estimates[:, NETWORK])


def _network_is_best(hidden: Hidden) -> bool:
    """Whether it is better than all others by far, and a mixture is no gain."""
    if hidden.observed.size < CLEAR or not _with_network(hidden).all():
        return False
    errors, _ = _usable_errors(hidden.errors)
    network, *others = _rmse(errors)
    mixture = _rmse(errors @ mixture_weights(errors))
    return bool(network < 0.95 * min(others) and mixture > (1 - BEST_GAIN) * network)


def _network_is_worst(hidden: Hidden) -> bool:
    """Whether another is better by far, both where cells beside are observed and where none is."""
    beside = hidden.group >= BY_DAYS
    parts = [_with_network(hidden) & part for part in (beside, ~beside)]
    enough = [part for part in parts if part.sum() >= LOST]
    return bool(enough) and all(_is_worst(hidden.errors[part]) for part in enough)


def _is_worst(errors: NDArray[np.float64]) -> bool:
    """Whether another is better by far, by three standard errors, and a mixture is no gain."""
    errors, _ = _usable_errors(errors)
    rmse = _rmse(errors)
    best = int(np.argmin(rmse))
    difference = errors[:, NETWORK] ** 2 - errors[:, best] ** 2
    sure = difference.mean() > 3 * difference.std() / np.sqrt(len(errors))
    share = mixture_weights(errors)[NETWORK]
    return bool(rmse[NETWORK] > 1.15 * rmse[best] and sure and share < 0.15)


def _usable_errors(
    errors: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Errors of the methods that estimate all values, and which they are."""
    methods = np.flatnonzero(np.isfinite(errors).all(axis=0))
    return errors[:, methods], methods


def mixture_weights(errors: NDArray[np.float64], default: int = NETWORK) -> NDArray[np.float64]:
    """Weights of a linear mixture with the least squared error.

    Parameters
    ----------
    errors : ndarray, shape (n, M)
    default : int
        The method to shrink to.

    Returns
    -------
    ndarray, shape (M,)
        Not negative, sum one; shrunk to `default` by the weight of ten values (stacked
        regression, Breiman, 1996, doi 10.1007/BF00117832).
    """
    number, methods = errors.shape
    gram = errors.T @ errors / number
    ridge = 10 / number * gram.diagonal().min() + 1e-12
    target = np.zeros(methods)
    target[default] = 1.0
    root = np.linalg.cholesky(gram + ridge * np.eye(methods))
    # |root.T w|^2 - 2 ridge w_default, on the simplex by a heavy row
    heavy = 1e3 * np.sqrt(np.trace(gram) + 1e-12)
    rows = np.vstack([root.T, np.full(methods, heavy)])
    aim = np.append(np.linalg.solve(root, ridge * target), heavy)
    weights, _ = nnls(rows, aim)
    weights[weights < 0.02] = 0.0
    return weights / weights.sum()


def choose_weights(
    errors: NDArray[np.float64], fold: NDArray[np.int64], default: int = NETWORK
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The default alone, the best method alone, or a mixture, by cross-validation.

    Parameters
    ----------
    errors : ndarray, shape (n, M)
    fold : ndarray of int, shape (n,)
    default : int
        The method that is used unless another choice is 2 % better. The network, where no other
        method comes within 5 % of it, unless a mixture is 15 % better.

    Returns
    -------
    weights : ndarray, shape (M,)
    held_out : ndarray, shape (n,)
        Errors of the choice, of each value by weights from the other folds.
    """
    mixed, single = np.empty(len(errors)), np.empty(len(errors))
    for n in np.unique(fold):
        test, train = fold == n, fold != n
        train = train if train.sum() >= MIN_HIDDEN // 2 else np.ones_like(train)
        mixed[test] = errors[test] @ mixture_weights(errors[train], default)
        single[test] = errors[test, np.argmin(_rmse(errors[train]))]
    unchanged = errors[:, default]
    scores = [float(_rmse(e)) for e in (unchanged, mixed, single)]
    alone = np.zeros(errors.shape[1])
    least = OWN_GAIN
    if default == NETWORK:
        rmse = _rmse(errors)
        least = BEST_GAIN if rmse[NETWORK] < 0.95 * np.delete(rmse, NETWORK).min() else GAIN
    if min(scores[1:]) > (1 - least) * scores[0]:
        alone[default] = 1.0
        return alone, unchanged
    if scores[1] <= scores[2]:
        return mixture_weights(errors, default), mixed
    alone[np.argmin(_rmse(errors))] = 1.0
    return alone, single


def _default(errors: NDArray[np.float64], methods: NDArray[np.intp]) -> int:
    """The best of the methods that use neighbouring cells, or temporal interpolation."""
    candidates = np.isin(methods, (NETWORK, SPACE_TIME))
    if not candidates.any():
        candidates = methods == 1 + TEMPORAL
    return int(np.argmin(np.where(candidates, _rmse(errors), np.inf)))


def _fitted(
    hidden: Hidden, about: tuple[Covariance, Covariance], correlation: SpatialCorrelation
) -> Calibration:
    errors, methods = _usable_errors(hidden.errors)
    lost = methods[0] != NETWORK
    weights = np.zeros((CLASSES, len(METHODS)))
    factor = np.ones(CLASSES)
    held_out = np.empty(len(errors))
    for n in range(CLASSES):
        # far from observations space-time interpolation is the mean of the cell
        usable = methods != SPACE_TIME if n == FAR else np.ones(methods.size, bool)
        of_class = hidden.group == n
        inside = _like_class(hidden.group, n)
        default = _default(errors[:, usable], methods[usable])
        chosen, left = choose_weights(errors[inside][:, usable], hidden.fold[inside], default)
        weights[n, methods[usable]] = chosen
        held_out[of_class] = left[of_class[inside]]
    std = hidden.space_time_std if weights[:, SPACE_TIME].any() else hidden.own_std
    for n in range(CLASSES):
        inside = hidden.group == n
        share = weights[n, NETWORK]
        stated = (1 - share) * std[inside]
        stated = stated if lost else stated + share * hidden.network_std[inside]
        factor[n] = _std_factor(held_out[inside], stated, alone=share == 1)
    rmse = np.full(len(METHODS) + 1, np.nan)
    common = _with_network(hidden)
    errors, methods = _usable_errors(hidden.errors[common])
    rmse[methods] = _rmse(errors)
    rmse[-1] = _rmse(held_out[common])
    return Calibration(weights, factor, about, correlation, rmse, len(errors))


def _like_class(group: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
    """Hidden values of a class; if there are too few, of those that have or lack observations
    beside as it has, or of all."""
    for inside in (group == number, (group >= BY_DAYS) == (number >= BY_DAYS)):
        if inside.sum() >= MIN_CLASS:
            return inside
    return np.ones(group.shape, bool)


def _std_factor(errors: NDArray[np.float64], stated: NDArray[np.float64], alone: bool) -> float:
    """Root mean square error over what was stated, shrunk to one; one if near it.

    What the network states was fitted to more values than a record has: where it is alone the
    factor is one, unless the errors are larger by a quarter.
    """
    if errors.size == 0:
        return 1.0
    ratio = float(np.mean(errors**2)) / max(float(np.mean(stated**2)), 1e-12)
    factor = float(np.sqrt((errors.size * ratio + MIN_CLASS) / (errors.size + MIN_CLASS)))
    if factor < 1.25 if alone else abs(factor - 1) < 0.1:
        return 1.0
    return float(np.clip(factor, 0.5, 3.0))
