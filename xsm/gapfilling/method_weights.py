"""Calibration of a fill on hidden observations of the record itself: no worse than a baseline.

A network that was trained on many records can lose against linear interpolation, climatology or
temporal interpolation on one of them: isolated cells, much noise, slow change. A few per cent of
the observations of a sample are hidden and estimated by each. From their errors follow the weights
of the estimates, by class of gaps, and a factor of the standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from xsm.conventions.windows import Window
from xsm.gapfilling.gap_classes import (
    BY_DAYS,
    CLASSES,
    FAR,
    classes_in_words,
    days_to_observation,
    gap_classes,
    observed_beside,
)
from xsm.gapfilling.gap_patterns import sample_gaps
from xsm.gapfilling.own_series import (
    LINEAR,
    OWN_SERIES,
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

METHODS = ("network", *OWN_SERIES, "space_time")
NETWORK, SPACE_TIME = 0, len(OWN_SERIES) + 1

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

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Predict = Callable[[Floats, Bools, "Sample"], Floats]


# what is hidden

WHOLE_VALUES = 1_000_000  # of a record that is its own sample
SAMPLE_DAYS = 120
SAMPLE_CELLS = 40  # rows and columns
SAMPLES = 2, 8  # windows of a larger record
BOXES = 8  # one season or place says little about a record
BOXES_FRACTION = 0.25  # of a window, at most
HIDDEN_DAYS = 20  # at least, in a round
HIDDEN_VALUES = 4_000, 200_000  # from which a round hides some, of all samples
FRACTIONS = {"cell": 0.08, "long": 0.08, "block": 0.03, "swath": 0.02}
MIN_PATCH = 24  # rows and columns, for blocks and swaths


class Sample(NamedTuple):
    """A part of a record.

    window : days, rows and columns of the record, with the neighbourhood; may reach beyond it
    margin : rows and columns of the neighbourhood on each side
    box_shape : days, rows and columns of a box, of which some values are hidden
    wrap : whether the last column is the neighbour of the first
    boxes : number of boxes in a round
    """

    window: Window
    margin: tuple[int, int]
    box_shape: tuple[int, int, int]
    wrap: bool
    boxes: int = 1

    def box(self, number: int) -> Window:
        """Days, rows and columns of a box within the window; the boxes cover it evenly."""
        days, rows, columns = (part.stop - part.start for part in self.window)
        inside = days, rows - 2 * self.margin[0], columns - 2 * self.margin[1]
        first = _even_point(number, inside, self.box_shape)
        t, y, x = (
            slice(start + margin, start + margin + size)
            for start, margin, size in zip(first, (0, *self.margin), self.box_shape, strict=True)
        )
        return t, y, x


def _even_point(number: int, shape: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """Where to put window `number` of these sizes: the R3 sequence covers `shape` evenly."""
    position = (0.5 + number * np.array([0.8191725, 0.6710436, 0.5497005])) % 1.0
    return [int(p * (n - s + 1)) for p, n, s in zip(position, shape, sizes, strict=True)]


def _box_shape(shape: tuple[int, int, int], values: float) -> tuple[int, int, int]:
    """Days, rows and columns of a box of about so many values, long enough for long gaps."""
    days = min(HIDDEN_DAYS, shape[0])
    rows = int(np.clip(np.sqrt(values / days), 1, shape[1]))
    columns = int(np.clip(values / (days * rows), 1, shape[2]))
    rows = int(np.clip(values / (days * columns), 1, shape[1]))
    return int(np.clip(values / (rows * columns), days, shape[0])), rows, columns


def samples(
    shape: tuple[int, int, int], margin: tuple[int, int], wrap: bool, first_column: int = 0
) -> list[Sample]:
    """The samples of a record; they depend on its shape alone.

    Parameters
    ----------
    shape : (int, int, int)
        Days, rows and columns.
    margin : (int, int)
        Rows and columns around a cell that its estimate depends on.
    wrap : bool
        Whether the last column of the record is the neighbour of the first.
    first_column : int
        The westernmost column, where the record closes around the globe.

    Returns
    -------
    list of Sample
        A record of up to a million values is its own sample. Of a larger one two to eight windows
        of 120 days x 40 x 40 cells, spread over it by the R3 sequence (Roberts, 2018).
    """
    days, rows, columns = shape
    total = days * rows * columns
    low, high = HIDDEN_VALUES
    if total <= WHOLE_VALUES:
        window = slice(0, days), slice(0, rows), slice(first_column, first_column + columns)
        return [_sample(window, (0, 0), shape, max(low, 0.03 * total), wrap)]
    sizes = min(days, SAMPLE_DAYS), min(rows, SAMPLE_CELLS), min(columns, SAMPLE_CELLS)
    around = sizes[0] * (sizes[1] + 2 * margin[0]) * (sizes[2] + 2 * margin[1])
    number = int(np.clip(total / (2 * around), *SAMPLES))
    of_box = np.clip(0.03 * total, low, high) / number
    out = []
    for n in range(number):
        t, y, x = _even_point(n, shape, sizes)
        x += first_column
        t = t // 10 * 10  # as the knots of the seasonal cycle
        window = (
            slice(t, t + sizes[0]),
            slice(y - margin[0], y + sizes[1] + margin[0]),
            slice(x - margin[1], x + sizes[2] + margin[1]),
        )
        out.append(_sample(window, margin, sizes, of_box, False, number))
    return out


def _sample(
    window: Window,
    margin: tuple[int, int],
    sizes: tuple[int, int, int],
    of_box: float,
    wrap: bool,
    windows: int = 1,
) -> Sample:
    """A window, of these sizes without its neighbourhood, with boxes of about so many values."""
    box = _box_shape(sizes, of_box)
    most = BOXES_FRACTION * math.prod(sizes) / math.prod(box)
    return Sample(window, margin, box, wrap, int(np.clip(most, 1, max(BOXES // windows, 1))))


def hidden_values(values: Floats, seed: Sequence[int]) -> Bools:
    """Choose values of a box (T, H, W) to hide, in the patterns of real gaps."""
    valid = np.isfinite(values)
    days, *cells = valid.shape
    chosen = np.zeros_like(valid)
    if valid.any():
        for number, (kind, fraction) in enumerate(FRACTIONS.items()):
            if kind == "long" and days < HIDDEN_DAYS - 5:
                continue
            if kind in ("block", "swath") and min(cells) < MIN_PATCH:
                continue
            chosen |= sample_gaps(valid, kind, fraction, np.random.default_rng([*seed, number]))
    return chosen


# what follows


@dataclass(frozen=True)
class Calibration:
    """How a record is filled, and the errors of the methods at hidden values.

    Attributes
    ----------
    weights : ndarray, shape (CLASSES, M)
        Of each method of ``METHODS``, by class of gaps.
    factor : ndarray, shape (CLASSES,)
        Of the standard deviation.
    about : (Covariance, Covariance)
        For the temporal interpolation.
    correlation : SpatialCorrelation
        For the space-time interpolation.
    rmse : ndarray, shape (M + 1,)
        Of each method and of what is used, m3 m-3; NaN where unknown.
    number : int
        Hidden values.
    """

    weights: NDArray[np.float64]
    factor: NDArray[np.float64]
    about: tuple[Covariance, Covariance]
    correlation: SpatialCorrelation
    rmse: NDArray[np.float64]
    number: int

    def to_vector(self) -> NDArray[np.float64]:
        """All numbers in one array of ``VECTOR`` values."""
        covariances = (*self.about, self.correlation)
        parts = (self.weights.ravel(), self.factor, *covariances, self.rmse, [self.number])
        return np.concatenate([np.asarray(part, np.float64) for part in parts])

    @classmethod
    def from_vector(cls, vector: NDArray[np.float64]) -> Calibration:
        """The inverse of :meth:`to_vector`."""
        size = len(METHODS)
        ends = np.cumsum([CLASSES * size, CLASSES, *FIELDS, size + 1])
        weights, factor, first, second, between, rmse, number = np.split(np.asarray(vector), ends)
        about = Covariance(*map(float, first)), Covariance(*map(float, second))
        correlation = SpatialCorrelation(*map(float, between))
        weights = weights.reshape(CLASSES, size)
        return cls(weights, factor, about, correlation, rmse, int(number[0]))

    @property
    def network_alone(self) -> bool:
        """Whether all estimates are those of the network."""
        return bool((self.weights[:, NETWORK] == 1).all())

    @property
    def changes(self) -> bool:
        """Whether anything differs from the estimates of the network."""
        return not self.network_alone or bool((self.factor != 1).any())

    def text(self) -> str:
        """The errors in words, for the attributes of the filled variable."""
        if not self.number:
            how = "the network alone" if self.network_alone else "linear interpolation"
            return f"too few observations to hide any: filled by {how}"
        named = [
            f"{NAMES.get(name, name)} {e:.4f}"
            for name, e in zip((*METHODS, "used"), self.rmse, strict=True)
            if np.isfinite(e)
        ]
        text = f"{', '.join(named)} (m3 m-3, {self.number} hidden values)"
        network = self.weights[:, NETWORK]
        if (network < 0.5).any():
            where = classes_in_words(network < 0.5)
            where_text = f" {where}" if where else ""
            text += f". The network was replaced{where_text}, because it does worse on this record"
        return text


NAMES = {"temporal_climatology": "temporal on climatology", "space_time": "space-time"}
FIELDS = [len(kind._fields) for kind in (Covariance, Covariance, SpatialCorrelation)]
VECTOR = CLASSES * len(METHODS) + CLASSES + sum(FIELDS) + len(METHODS) + 2


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
        return _uncalibrated(cells >= MIN_CELLS, about, correlation)
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


def _uncalibrated(
    network: bool, about: tuple[Covariance, Covariance], correlation: SpatialCorrelation
) -> Calibration:
    weights = np.zeros((CLASSES, len(METHODS)))
    weights[:, NETWORK if network else 1 + LINEAR] = 1.0
    rmse = np.full(len(METHODS) + 1, np.nan)
    return Calibration(weights, np.ones(CLASSES), about, correlation, rmse, 0)
