"""A gap-free background, brought to the climate of a record: networks fill departures from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xsm.conventions.cf import OBSERVED
from xsm.gapfilling.fill import fill
from xsm.gapfilling.task import GapfillTask

PRIOR_DAYS = 20.0  # weight of the slope of all cells, in days of observation
MAX_SLOPE = 3.0

TIME = -3  # axis of the days


def background_departure(data: Any, background: Any) -> Any:
    """What a background says of each day: its regression on the record, less the mean of the cell.

    Per cell ``slope * (b - mean(b))``, with the means over the days that were observed and

    ``slope = (sum(y' b') + n0 v s) / (sum(b' b') + n0 v)``,

    least squares shrunk towards the slope ``s`` of all cells by ``n0`` = 20 days of the variance
    ``v`` of all cells (ridge regression, Hoerl and Kennard, 1970, doi
    10.1080/00401706.1970.10488634). A slope is never negative.

    Parameters
    ----------
    data : NumPy or Dask array, shape (..., T, H, W)
        The record, NaN where missing.
    background : NumPy or Dask array, shape (T, H, W)
        NaN where there is none: nothing is departed from there.

    Returns
    -------
    array, shape of `data`
        In the unit of `data`, without missing values. Lazy if either is.
    """
    given = np.isfinite(background)
    common = np.isfinite(data) & given
    number = common.sum(axis=TIME, keepdims=True)
    b = np.where(given, background, 0.0)
    y = np.where(common, data, 0.0)
    days = np.maximum(number, 1)
    mean_b = np.where(common, b, 0.0).sum(axis=TIME, keepdims=True) / days
    mean_y = y.sum(axis=TIME, keepdims=True) / days
    b = np.where(given, b - mean_b, 0.0)
    observed_b = np.where(common, b, 0.0)
    products = (observed_b * np.where(common, y - mean_y, 0.0)).sum(axis=TIME, keepdims=True)
    squares = (observed_b**2).sum(axis=TIME, keepdims=True)
    variance = squares.sum() / np.maximum(number.sum(), 1)
    overall = products.sum() / np.maximum(squares.sum(), np.finfo(np.float32).tiny)
    prior = PRIOR_DAYS * variance
    slope = (products + prior * overall) / np.maximum(squares + prior, np.finfo(np.float32).tiny)
    # a cell without an observation has no mean of the background to depart from
    slope = np.where(number > 0, np.clip(slope, 0.0, MAX_SLOPE), 0.0)
    return (slope * b).astype(data.dtype)


def fill_departures(data: Any, background: Any, task: GapfillTask) -> Any:
    """What :func:`xsm.gapfilling.fill.fill` returns, of a record that departs from a background.

    Parameters
    ----------
    data : NumPy or Dask array, shape (..., T, H, W)
    background : NumPy or Dask array, shape (T, H, W)
        Of any unit.
    task : GapfillTask
    """
    if not hasattr(data, "chunks"):
        background = np.asarray(background)
    departure = background_departure(data, background)
    span = 1.0 / task.to_m3m3_factor
    departures = replace(task, valid_range=(-span, 2.0 * span))
    (filled, std, flag), *more = fill(data - departure, departures)
    low, high = (task.dtype.type(limit) for limit in task.valid_range)
    filled = np.where(
        flag == OBSERVED, data.astype(task.dtype), np.clip(filled + departure, low, high)
    )
    return ((filled, std, flag), *more)
