"""The parts of a fill put together: observations, network, other estimates, flags."""

from __future__ import annotations

from typing import Any

import numpy as np

from xsm.blockwise.tiling import Bools
from xsm.conventions.cf import (
    BY_CLIMATOLOGY,
    BY_INTERPOLATION,
    BY_NETWORK,
    NOT_FILLED,
    OBSERVED,
)
from xsm.gapfilling.task import GapfillTask

Filled = tuple[Any, Any, Any]  # filled values, uncertainty, flag


def merge_fill(
    raw: Any,
    estimate: Any,
    land: Any,
    empty: Any,
    too_long: Any,
    task: GapfillTask,
) -> Filled:
    """Filled values, uncertainty and flags from the observations and the network's estimate.

    Parameters
    ----------
    raw : array, shape (N, H, W)
        In its own unit. NumPy or Dask, as the others.
    estimate : array, shape (2, N, H, W)
        Mean and standard deviation, m3 m-3, NaN where there is none.
    land : array of bool, shape (H, W)
        Where values may be filled in.
    empty : array of int8, shape (H, W)
        Flag of values that are neither observed nor filled.
    too_long : array of bool, shape (N, H, W), or None
        Inside a gap that is too long to fill.
    task : GapfillTask
    """
    observed = np.isfinite(raw)
    usable = np.isfinite(estimate[0]) & land
    usable = usable & ~observed if task.keep_observed else usable
    usable = usable if too_long is None else usable & ~too_long
    mean, std = _in_unit_of_variable(estimate, task)
    nan = task.dtype.type(np.nan)
    # an infinite value is no observation
    filled = np.where(usable, mean, np.where(observed, raw.astype(task.dtype), nan))
    flag = np.where(observed, np.int8(OBSERVED), empty)
    return filled, np.where(usable, std, nan), np.where(usable, np.int8(BY_NETWORK), flag)


def mix(filled: Any, std: Any, flag: Any, mixture: Any, task: GapfillTask) -> Filled:
    """The same three with the estimates of the network mixed with others.

    Parameters
    ----------
    filled, std, flag : array, shape (N, H, W)
        NumPy or Dask, as the others.
    mixture : array, shape (4, N, H, W)
        :func:`xsm.gapfilling.method_mixture.mixture_of_series`, m3 m-3.
    task : GapfillTask
    """
    share, mean, std_share, own_std = (part.astype(task.dtype) for part in mixture)
    per_unit = task.dtype.type(1.0 / task.to_m3m3_factor)
    low, high = (task.dtype.type(limit) for limit in task.valid_range)
    by_network = flag == BY_NETWORK
    return (
        np.where(by_network, np.clip(share * filled + mean * per_unit, low, high), filled),
        np.where(by_network, std_share * std + own_std * per_unit, std),
        np.where(by_network & (share < 0.5), np.int8(BY_INTERPOLATION), flag),
    )


def add_climatology(
    filled: Any, std: Any, flag: Any, estimate: Any, too_long: Any, task: GapfillTask
) -> Filled:
    """The same three with `estimate` (2, N, H, W; m3 m-3) where nothing was filled."""
    usable = (flag == NOT_FILLED) & np.isfinite(estimate[0])
    usable = usable if too_long is None else usable & ~too_long
    mean, climatology_std = _in_unit_of_variable(estimate, task)
    return (
        np.where(usable, mean, filled),
        np.where(usable, climatology_std, std),
        np.where(usable, np.int8(BY_CLIMATOLOGY), flag),
    )


def _in_unit_of_variable(estimate: Any, task: GapfillTask) -> tuple[Any, Any]:
    low, high = (task.dtype.type(limit) for limit in task.valid_range)
    factor = task.to_m3m3_factor
    scaled = estimate if factor == 1.0 else estimate * np.float32(1.0 / factor)
    return np.clip(scaled[0].astype(task.dtype), low, high), scaled[1].astype(task.dtype)


def long_gaps(missing: Bools, limit: int) -> Bools:
    """Cells (T, H, W) inside a run of more than `limit` missing days."""
    run = np.zeros(missing.shape[1:], np.int32)
    length_so_far = np.empty(missing.shape, np.int32)
    for day, absent in enumerate(missing):
        run = np.where(absent, run + 1, 0)
        length_so_far[day] = run
    too_long = np.zeros(missing.shape, bool)
    length = np.zeros_like(run)
    for day in range(missing.shape[0] - 1, -1, -1):
        length = np.where(missing[day], np.maximum(length, length_so_far[day]), 0)
        too_long[day] = length > limit
    return too_long
