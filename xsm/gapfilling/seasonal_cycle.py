"""The seasonal cycle of each cell, which a network of nine days cannot see.

Networks fill departures from it. A long record is then predicted as well as a month, and a gap in
winter is filled with winter values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm_kernels import masked_mean

KNOT = 10  # days between two knots
BIN = 5  # days averaged together
# standard deviation of a Gaussian kernel in days, and size of a square of cells
KERNELS = ((90, 9), (30, 9), (10, 9), (10, 1))
REACH = 3 * KERNELS[0][0]  # days on each side that a knot depends on
PRIOR = 1.0  # weight of the cycle of the wider kernel, in observations

Floats = NDArray[np.float32]


def seasonal_cycle(
    values: NDArray[np.floating], *, dates: NDArray[np.integer] | None = None, wrap: bool = False
) -> Floats:
    """Departure of the season from the mean of each cell, at every tenth day.

    Kernel means from 90 days and 9 x 9 cells down to 10 days of the cell itself. Each is shrunk
    towards the wider one where observations are few, and the widest towards zero.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        Soil moisture, m3 m-3; NaN where missing.
    dates : ndarray of int, shape (T,), optional
        Days in the calendar, see :func:`xsm.gapfilling.stretches.positions_and_dates`. Default:
        0, 1, 2 ...
    wrap : bool
        Whether the last column is the neighbour of the first.

    Returns
    -------
    ndarray of float32, shape (K, H, W)
        At positions 0, 10, 20 ... up to the last or beyond, m3 m-3; 0 where nothing was observed.
    """
    dates = np.arange(len(values)) if dates is None else dates
    number, total = bin_sums(values, cell_level(*count_and_sum(values)))
    return cycle_at_knots(knots(dates), bin_centres(dates), number, total, wrap=wrap)


def count_and_sum(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Count and sum (2, H, W) of the observations (T, H, W) of each cell; additive over days."""
    sums = np.zeros((2, *values.shape[1:]))
    for part in _binned(values):
        sums[0] += np.isfinite(part).sum(axis=0)
        sums[1] += np.nansum(part, axis=0, dtype=np.float64)
    return sums


def cell_level(count: NDArray[np.floating], total: NDArray[np.floating]) -> NDArray[np.floating]:
    """Mean (H, W) of each cell; 0 where nothing was observed."""
    return total / np.maximum(count, 1)


def bin_sums(
    values: NDArray[np.floating], mean: NDArray[np.floating]
) -> tuple[NDArray[np.uint8], Floats]:
    """Count and sum of departures from `mean` (H, W) in bins of five days, each (B, H, W)."""
    parts = _binned(values)
    number = np.stack([np.isfinite(part).sum(axis=0, dtype=np.uint8) for part in parts])
    total = [
        np.nansum(part, axis=0, dtype=np.float64) - mean * n
        for part, n in zip(parts, number, strict=True)
    ]
    return number, np.stack(total).astype(np.float32)


def _binned(values: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    return [values[start : start + BIN] for start in range(0, len(values), BIN)]


def bin_centres(dates: NDArray[np.integer]) -> NDArray[np.float64]:
    """Middle day of each bin of days in a row; the first bin starts at the first of them."""
    starts = np.arange(0, len(dates), BIN)
    return (dates[starts] + dates[np.minimum(starts + BIN, len(dates)) - 1]) / 2


def knots(dates: NDArray[np.integer]) -> NDArray[np.integer]:
    """Days of the knots of a record with these days."""
    positions = np.arange(0, len(dates) - 1 + KNOT, KNOT)
    last = np.minimum(positions, len(dates) - 1)
    return dates[last] + positions - last


def cycle_at_knots(
    knots: NDArray[np.integer],
    centre: NDArray[np.floating],
    number: NDArray[np.number],
    total: Floats,
    *,
    wrap: bool = False,
) -> Floats:
    """The cycle (K, H, W) at given knots.

    Parameters
    ----------
    knots : ndarray of int, shape (K,)
    centre : ndarray, shape (B,)
        Middle day of each bin; bins within ``REACH`` days of the knots suffice.
    number, total : ndarray, shape (B, H, W)
        :func:`bin_sums`.
    wrap : bool
    """
    cycle = np.zeros((knots.size, *number.shape[1:]), np.float32)
    for width, size in KERNELS:
        weights, sums = np.empty_like(cycle), np.empty_like(cycle)
        for k, knot in enumerate(knots):
            near = np.flatnonzero(abs(centre - knot) <= 3 * width)
            part = slice(near[0], near[-1] + 1)
            weight = np.exp(-0.5 * ((centre[part] - knot) / width) ** 2).astype(np.float32)
            # not a product of BLAS, whose threads hinder each other where tiles run in threads
            weights[k] = np.einsum("b,bhw->hw", weight, number[part].astype(np.float32))
            sums[k] = np.einsum("b,bhw->hw", weight, total[part])
        weights, sums = (box_sum(x, size, wrap) for x in (weights, sums))
        cycle = (sums + PRIOR * cycle) / (weights + PRIOR)
    return cycle


def box_sum(field: NDArray[np.floating], size: int, wrap: bool) -> Floats:
    """Sum over `size` x `size` cells around each of (..., H, W); zero beyond the edges."""
    x = np.ascontiguousarray(field, dtype=np.float32)
    if size == 1:
        return x
    x = x.reshape(1, 1, -1, *field.shape[-2:])
    mean, fraction = masked_mean(x, np.ones(x.shape, bool), size, wrap_longitude=wrap)
    return (mean * fraction * np.float32(size * size)).reshape(field.shape)


def cycle_of_day(cycle: Floats, day: int) -> Floats:
    """The cycle (H, W) of a day: linear between the knots (K, H, W), constant beyond them."""
    if len(cycle) == 0:
        return np.zeros(cycle.shape[1:], np.float32)
    position = min(max(day / KNOT, 0), len(cycle) - 1)
    below = min(int(position), max(len(cycle) - 2, 0))
    weight = np.float32(position - below)
    return (1 - weight) * cycle[below] + weight * cycle[min(below + 1, len(cycle) - 1)]


def knots_of_days(cycle: Floats, first: int, last: int) -> tuple[Floats, int]:
    """The knots that days `first` to `last` depend on, and the day of the first of them."""
    end = max(len(cycle) - 1, 0)
    low, high = (min(max(knot, 0), end) for knot in (first // KNOT, last // KNOT + 1))
    return cycle[low : high + 1], low * KNOT


def departures(values: NDArray[np.floating], cycle: Floats, first: int = 0) -> Floats:
    """Values (T, H, W) minus the cycle (K, H, W); `first` is the day of ``values[0]``."""
    out = values.astype(np.float32)
    for t, day in enumerate(out):
        day -= cycle_of_day(cycle, first + t)
    return out
