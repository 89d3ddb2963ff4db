"""A gap-free background, brought to the climate of a record: networks fill departures from it.

Where the error of the background is known to vary in time, as that of an estimate by a network
after rain, departures are filled in units of it: then they have the same variance on all days, as
the covariances of a fill assume, and the uncertainty of the fill follows that of the background.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from xsm.blockwise import dask_engine as engine
from xsm.blockwise.day_sums import Sums, sums_over_days
from xsm.blockwise.lazy_reductions import with_reductions_stored
from xsm.conventions.cf import (
    BY_BACKGROUND,
    BY_CLIMATOLOGY,
    BY_INTERPOLATION,
    BY_NETWORK,
    DEPARTURE_BY_INTERPOLATION,
    DEPARTURE_BY_NETWORK,
    NEVER_OBSERVED,
    NOT_FILLED,
    OBSERVED,
)
from xsm.gapfilling.fill import fill
from xsm.gapfilling.lazy_fill import lazy_long_gaps
from xsm.gapfilling.merge import long_gaps
from xsm.gapfilling.stretches import shorten_gaps
from xsm.gapfilling.task import GapfillTask

logger = logging.getLogger(__name__)

PRIOR_DAYS = 20.0  # weight of all cells in the standard deviation of a cell, in days
MAX_SLOPE = 3.0
MAX_RELATIVE_ERROR = 4.0  # of a day, and its inverse the least
LEAST_SQUARE = 0.1  # of a relative error, whose weight is limited

TINY = np.finfo(np.float64).tiny
TIME = -3  # axis of the days
SLOPE, BACKGROUND_MEAN, RECORD_MEAN, STD, OBSERVED_CELL, EXPLAINS = range(6)
EQUAL = 1e-4  # m3 m-3; no background that is independent of a record comes so near
MAX_UNEXPLAINED = 0.5  # of the variance of a record, where a background may fill alone


class Background(NamedTuple):
    """A field, and the standard deviation of its error up to a factor of each cell.

    Attributes
    ----------
    field : NumPy or Dask array, shape (T, H, W)
        m3 m-3, NaN where there is none.
    error : NumPy or Dask array, shape (T, H, W), or None
        Of any unit; NaN where it is unknown. None: the same on all days.
    """

    field: Any
    error: Any = None


def regression(data: Any, background: Any) -> Any:
    """The regression of a record on a background, in each cell.

    ``y = mean(y) + slope * (b - mean(b))``, with the means over the days that were observed and

    ``slope = s + (s_i - s) t / (t + e_i)``,

    the least-squares slope ``s_i = sum(y' b') / sum(b' b')`` shrunk towards that of all cells, s.
    ``e_i`` is the variance of its error, and t the variance of the true slopes of the cells, by
    moments (DerSimonian and Laird, 1986, doi 10.1016/0197-2456(86)90046-2): slopes that differ by
    chance only become one. The slope of all cells is shrunk towards 0 by its own error (James and
    Stein, 1961). A slope is never negative. A cell without observations has the regression over all
    days and cells together.

    Parameters
    ----------
    data : NumPy or Dask array, shape (..., T, H, W)
        The record, NaN where missing.
    background : NumPy or Dask array, shape (T, H, W)
        In the unit of the record, NaN where there is none.

    Returns
    -------
    array of float64, shape (6, ..., 1, H, W)
        Slope, mean of the background, mean of the record, standard deviation of what is left over
        (its square shrunk towards that of all cells by 20 days), whether the cell was observed, and
        whether the background explains half of its variance (True without observations).
    """
    moments = sums_over_days(_moments, _merged_moments, [data, background], outputs=6)
    number, mean_b, mean_y, squares, products, left = moments
    every = np.maximum(_over_cells(number), 1)
    before = (left + PRIOR_DAYS * _over_cells(left) / every) / (number + PRIOR_DAYS)
    slope = np.clip(_slope(number, squares, products, left), 0, MAX_SLOPE)
    left = np.maximum(left - 2 * slope * products + slope**2 * squares, 0.0)
    variance = (left + PRIOR_DAYS * _over_cells(left) / every) / (number + PRIOR_DAYS)
    # of cells without observations: all days of all others, also the differences between cells
    all_b, all_y = (_over_cells(number * mean) / every for mean in (mean_b, mean_y))
    between_b, between_y = mean_b - all_b, mean_y - all_y
    squares = _over_cells(squares + number * between_b**2)
    products = _over_cells(products + number * between_b * between_y)
    all_slope = np.clip(products / np.maximum(squares, TINY), 0, MAX_SLOPE)
    all_left = _over_cells(left + number * (between_y - all_slope * between_b) ** 2) / every
    observed = number > 0
    planes = [
        np.where(observed, own, of_all)
        for own, of_all in (
            (slope, all_slope), (mean_b, all_b), (mean_y, all_y),
            (np.sqrt(variance), np.sqrt(all_left)),
        )
    ]  # fmt: skip
    explains = ~observed | (variance <= MAX_UNEXPLAINED * before)
    return np.stack([*planes, observed.astype(np.float64), explains.astype(np.float64)])


def _moments(data: Any, background: Any) -> Sums:
    """Days with both, and of these: means, and sums of the squared deviations and products."""
    common = np.isfinite(data) & np.isfinite(background)
    number = common.sum(axis=TIME, keepdims=True)
    days = np.maximum(number, 1)

    def total(values: Any) -> Any:
        return np.where(common, values, 0.0).sum(axis=TIME, keepdims=True, dtype=np.float64)

    mean_b, mean_y = total(background) / days, total(data) / days
    b, y = background - mean_b, data - mean_y
    shape = np.broadcast_shapes(mean_b.shape, mean_y.shape)
    sums = number, mean_b, mean_y, total(b * b), total(b * y), total(y * y)
    return np.stack([np.broadcast_to(x, shape) for x in sums]).astype(np.float64)


def _merged_moments(parts: Sums) -> Sums:
    """Those of all days of several (Chan et al., 1979, updating formulae for sums of squares)."""
    number, mean_b, mean_y, squares, products, left = np.moveaxis(parts, 1, 0)
    days = np.maximum(number.sum(axis=0), 1)
    all_b, all_y = ((number * mean).sum(axis=0) / days for mean in (mean_b, mean_y))
    b, y = mean_b - all_b, mean_y - all_y
    between = ((number * x).sum(axis=0) for x in (b * b, b * y, y * y))
    within = (x.sum(axis=0) for x in (squares, products, left))
    sums = (of_parts + more for of_parts, more in zip(within, between, strict=True))
    return np.stack([number.sum(axis=0), all_b, all_y, *sums])


def _slope(number: Any, squares: Any, products: Any, total: Any) -> Any:
    """The shrunk slope of each cell, from its sums of b' b', y' b' and y' y'."""
    own = products / np.maximum(squares, TINY)
    left = np.maximum(total - own * products, 0.0) / np.maximum(number - 2, 1)
    enough = (number > 2) & (squares > 0)
    error = np.where(enough, left / np.maximum(squares, TINY), np.inf)
    # a floor, so that a perfect fit has a finite weight
    weight = np.where(enough, 1.0 / np.maximum(error, 1e-12), 0.0)
    total_weight = np.maximum(_over_cells(weight), TINY)
    overall = _over_cells(products) / np.maximum(_over_cells(squares), TINY)
    mean = _over_cells(weight * own) / total_weight
    excess = _over_cells(weight * (own - mean) ** 2) - (_over_cells(1.0 * enough) - 1.0)
    scale = total_weight - _over_cells(weight**2) / total_weight
    between = np.maximum(excess, 0.0) / np.maximum(scale, TINY)
    ratio = np.where(enough, between / np.maximum(between + error, TINY), 0.0)
    overall = overall * np.maximum(1.0 - 1.0 / np.maximum(total_weight * overall**2, TINY), 0.0)
    return overall + ratio * (own - overall)


def _over_cells(plane: Any) -> Any:
    """Sum over the cells of each record, (..., 1, 1, 1)."""
    return plane.sum(axis=(-2, -1), keepdims=True)


def background_departure(background: Any, planes: Any) -> Any:
    """What a background gives for each day: ``slope * (b - mean(b))``; 0 where it is missing.

    Also 0 in cells without observations, whose mean it does not give.

    Parameters
    ----------
    background : NumPy or Dask array, shape (T, H, W)
    planes : array, shape (6, ..., 1, H, W)
        :func:`regression`.

    Returns
    -------
    array, shape (..., T, H, W)
        In the unit of the record, without missing values.
    """
    there = np.isfinite(background) & (planes[OBSERVED_CELL] > 0)
    departure = planes[SLOPE] * (background - planes[BACKGROUND_MEAN])
    return np.where(there, departure, 0.0).astype(np.float32)


def relative_error(residual: Any, error: Any) -> Any:
    """How the standard deviation of what a background leaves over varies from day to day.

    ``s_t^2 = 1 - beta + beta e_t^2 / mean(e^2)``: a constant part, such as the noise of the record,
    and one that follows the error e of the background. Means are over the observed days of the
    cell, or of all cells where it has none. beta, from 0 to 1, is that of all cells, by weighted
    least squares of the squared residuals: an error that tells nothing changes nothing.

    Parameters
    ----------
    residual : NumPy or Dask array, shape (..., T, H, W)
        What the background leaves over of the record, NaN where missing.
    error : NumPy or Dask array, shape (T, H, W)

    Returns
    -------
    array, shape (..., T, H, W)
        From 1/4 to 4; 1 where the error is unknown.
    """
    number, *totals = sums_over_days(_square_sums, _summed, [residual, error], outputs=3)
    mean_r, mean_e = (_for_all_blocks(_mean_square(number, total)) for total in totals)
    both, own = (
        _over_cells(x)
        for x in sums_over_days(
            _excess_products, _summed, [residual, error], [mean_r, mean_e], outputs=2
        )
    )
    beta = _for_all_blocks(np.clip(both / np.maximum(own, TINY), 0.0, 1.0))
    excess = _relative_square(error, mean_e) - 1.0
    limit = MAX_RELATIVE_ERROR
    return np.clip(np.sqrt(1.0 + beta * excess), 1 / limit, limit)


def _square_sums(residual: Any, error: Any) -> Sums:
    """Days with both, and the sums of the squares of both there."""
    common = np.isfinite(residual) & np.isfinite(error)
    sums = [
        np.where(common, x, 0.0).sum(axis=TIME, keepdims=True, dtype=np.float64)
        for x in (1.0, np.square(residual), np.square(error))
    ]
    return np.stack(sums)


def _excess_products(residual: Any, error: Any, mean_r: Any, mean_e: Any) -> Sums:
    """Sums of the weighted products of what both squares, over their means, exceed one by."""
    common = np.isfinite(residual) & np.isfinite(error)
    of_error, of_residual = _relative_square(error, mean_e), _relative_square(residual, mean_r)
    weight = np.where(common, np.maximum(of_error, LEAST_SQUARE) ** -2.0, 0.0)
    excess = of_error - 1.0
    both = weight * np.where(common, of_residual - 1.0, 0.0) * excess
    own = weight * excess**2
    return np.stack([x.sum(axis=TIME, keepdims=True) for x in (both, own)])


def _summed(parts: Sums) -> Sums:
    return parts.sum(axis=0)


def _mean_square(number: Any, total: Any) -> Any:
    """Mean square of each cell, or of all where it has none."""
    of_all = _over_cells(total) / np.maximum(_over_cells(number), 1)
    return np.where(number > 0, total / np.maximum(number, 1), of_all)


def _relative_square(values: Any, mean: Any) -> Any:
    """Squares over their mean; 1 where unknown."""
    valid = np.isfinite(values) & (mean > 0)
    return np.where(valid, np.square(values) / np.maximum(mean, TINY), 1.0)


class Departures(NamedTuple):
    """What is filled instead of a record, and how the record follows from it.

    Attributes
    ----------
    values : array, shape (..., T, H, W)
        ``mean + (data - departure - mean) / relative_error``, in the unit of the record.
    mean : array, shape (..., 1, H, W)
        Of the record.
    background : array, shape (T, H, W)
        In the unit of the record and, if it is lazy, in its chunks.
    departure : array, shape (..., T, H, W)
        Of the background.
    relative_error : array, shape (..., T, H, W), or None
        None, as one, if the error of the background is the same on all days.
    planes : array, shape (6, ..., 1, H, W)
        :func:`regression`.
    task : GapfillTask
    """

    values: Any
    mean: Any
    background: Any
    departure: Any
    relative_error: Any
    planes: Any
    task: GapfillTask

    def to_record(self, filled: Any, std: Any) -> tuple[Any, Any]:
        """Values and standard deviations of the record from those that were filled."""
        if self.relative_error is None:
            return filled + self.departure, std
        filled = self.mean + (filled - self.mean) * self.relative_error
        return filled + self.departure, std * self.relative_error


def fill_departures(data: Any, of: Departures, task: GapfillTask) -> Any:
    """What :func:`xsm.gapfilling.fill.fill` returns, of a record that departs from a background.

    Gaps out of reach of the network, in cells where the background explains half of the variance,
    and cells without observations where `task` has land are filled by the background alone. The
    uncertainty is that of the filled departures, whose variance is the error of the background:
    where nothing nearby was observed it is the standard deviation of what the regression leaves
    over. It varies from day to day as the given error of the background does.

    Parameters
    ----------
    data : NumPy or Dask array, shape (..., N, H, W)
    of : Departures
        Of `data`, by :func:`departures`.
    task : GapfillTask
        Of `data`.
    """
    field, planes = of.background, of.planes
    (filled, std, flag), calibrations = fill(of.values, of.task)
    low, high = (task.dtype.type(limit) for limit in task.valid_range)
    total, total_std = of.to_record(filled, std)
    filled = np.where(flag == OBSERVED, data.astype(task.dtype), np.clip(total, low, high))
    given = np.isfinite(field) & np.ones(data.shape, bool)
    flag = _with_background(flag, given & (planes[OBSERVED_CELL] > 0))
    alone = given & (planes[EXPLAINS] > 0) & _may_be_filled(data, flag, task)
    estimate = planes[RECORD_MEAN] + planes[SLOPE] * (field - planes[BACKGROUND_MEAN])
    estimate, estimate_std = (x.astype(task.dtype) for x in (estimate, planes[STD]))
    if of.relative_error is not None:
        estimate_std = estimate_std * of.relative_error
    filled = np.where(alone, np.clip(estimate, low, high), filled)
    std = np.where(alone, estimate_std, total_std)
    flag = np.where(alone, np.int8(BY_BACKGROUND), flag)
    # np.where returns the byte order of the machine
    return (filled.astype(task.dtype), std.astype(task.dtype), flag), calibrations


def departures(data: Any, background: Background, task: GapfillTask) -> Departures:
    """What :func:`fill_departures` fills: departures of the record, and the task for them."""
    field = _like(data, background.field)
    field = field / np.float32(task.to_m3m3_factor)  # slopes near one in any unit of the record
    planes = _for_all_blocks(_with_warnings(regression(data, field), task.to_m3m3_factor))
    departure = background_departure(field, planes).astype(task.dtype)
    mean = planes[RECORD_MEAN].astype(task.dtype)
    relative = None
    values = data - departure
    if background.error is not None:
        error = _like(data, background.error)
        relative = relative_error(values - mean, error).astype(task.dtype)
        values = mean + (values - mean) / relative
    span = 1.0 / task.to_m3m3_factor
    of_departures = replace(task, valid_range=(-span, 2.0 * span))
    return Departures(values, mean, field, departure, relative, planes, of_departures)


def _with_warnings(planes: Any, to_m3m3_factor: float) -> Any:
    """The same planes, with a warning of a background that is of no use or is the record itself."""
    # the list keeps the planes of a Dask array, which are made several times, to one warning
    check = partial(_warn_of_background, equal=EQUAL / to_m3m3_factor, given=[])
    if not hasattr(planes, "chunks"):
        return check([planes])
    return engine.combine_arrays(check, [planes], planes.shape, planes.dtype)


def _warn_of_background(arrays: Sequence[Any], *, equal: float, given: list[str]) -> Any:
    (planes,) = arrays
    observed = planes[OBSERVED_CELL] > 0
    left, slope = planes[STD][observed], planes[SLOPE][observed]
    text = ""
    if not observed.any():
        text = (
            "background: it has no value on the days and cells that were observed, and is not used "
            "there. Check its dates, its cells and its valid range."
        )
    elif (left < equal).all() and (slope > 0).all():
        text = (
            "background: it equals the record wherever that was observed. Is it the record itself, "
            "or a fill of it? Then its errors in the gaps are unknown, and the uncertainty of the "
            "fill, near 0, is wrong: give a background that is independent of the record."
        )
    if text and not given:
        given.append(text)
        logger.warning(text)
    return planes


def _for_all_blocks(planes: Any) -> Any:
    """Planes of the whole record; lazy ones in one chunk that is computed once."""
    return engine.shared(planes).rechunk(-1) if hasattr(planes, "chunks") else planes


def _like(data: Any, field: Any) -> Any:
    """A field as the record is: in memory, or a Dask array in its chunks of days and cells."""
    if not hasattr(data, "chunks"):
        return np.asarray(field)
    lazy = with_reductions_stored(field if hasattr(field, "chunks") else engine.as_chunk(field))
    return lazy.rechunk({axis: data.chunks[axis] for axis in (TIME, TIME + 1, TIME + 2)})


def _with_background(flag: Any, given: Any) -> Any:
    """Flags of filled values where a background was given."""
    for plain, of_departure in (
        (BY_NETWORK, DEPARTURE_BY_NETWORK),
        (BY_INTERPOLATION, DEPARTURE_BY_INTERPOLATION),
        (BY_CLIMATOLOGY, BY_BACKGROUND),
    ):
        flag = np.where((flag == plain) & given, np.int8(of_departure), flag)
    return flag


def _may_be_filled(data: Any, flag: Any, task: GapfillTask) -> Any:
    """Empty values that a background may fill."""
    empty = flag == NOT_FILLED
    if task.land is not None or task.fill_globe:
        empty = empty | (flag == NEVER_OBSERVED)
    if task.max_gap is not None:
        empty = empty & ~_in_long_gaps(data, task)
    return empty


def _in_long_gaps(data: Any, task: GapfillTask) -> Any:
    """:func:`long_gaps` (..., N, H, W) by ``task.max_gap``, NumPy or Dask."""
    assert task.max_gap is not None
    if data.ndim > 3:
        parts = [_in_long_gaps(record, task) for record in data]
        return engine.stack(parts) if hasattr(data, "chunks") else np.stack(parts)
    if hasattr(data, "chunks"):
        return lazy_long_gaps(data, task.days, task.max_gap)
    days = shorten_gaps(task.days, task.max_gap)
    missing = np.ones((days[-1] + 1, *data.shape[1:]), bool)
    missing[days] = ~np.isfinite(data)
    return long_gaps(missing, task.max_gap)[days]
