"""The slow course of a cell: its season, which a network of nine days cannot see.

A network fills departures from it, so a long record is as well known as a month of it, and a gap
in winter is filled with winter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm_kernels import masked_mean

KNOT = 10  # days between two knots
BIN = 5  # days that are taken together
# standard deviation of a Gaussian kernel, days, and the square around, cells
KERNELS = ((90, 9), (30, 9), (10, 9), (10, 1))
REACH = 3 * KERNELS[0][0]  # days that a knot draws on, on each side
PRIOR = 1.0  # weight of the wider kernel's course, in observations

Floats = NDArray[np.float32]


def slow_course(values: NDArray[np.floating], *, wrap: bool = False) -> Floats:
    """Departure of the season from the mean of each cell, at every tenth day.

    Kernel means, from 90 days and the cells around to 10 days of the cell itself: each is drawn
    towards the wider one where there are few observations, and the widest towards no departure.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        Soil moisture, m3 m-3; NaN where missing.
    wrap : bool
        Whether the last column is the neighbour of the first.

    Returns
    -------
    ndarray of float32, shape (K, H, W)
        At days 0, 10, 20 ... up to the last day or beyond, m3 m-3; 0 where nothing was observed.
    """
    days = len(values)
    number, total = bin_sums(values, level(*number_and_total(values)))
    return course_at(knots(days), middles(0, days), number, total, wrap=wrap)


def number_and_total(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Number and sum (2, H, W) of the observations (T, H, W) of each cell; they add up."""
    found = np.zeros((2, *values.shape[1:]))
    for part in _binned(values):
        found[0] += np.isfinite(part).sum(axis=0)
        found[1] += np.nansum(part, axis=0, dtype=np.float64)
    return found


def level(number: NDArray[np.floating], total: NDArray[np.floating]) -> NDArray[np.floating]:
    """Mean (H, W) of each cell; 0 where nothing was observed."""
    return total / np.maximum(number, 1)


def bin_sums(
    values: NDArray[np.floating], mean: NDArray[np.floating]
) -> tuple[NDArray[np.uint8], Floats]:
    """Number and sum of the departures from `mean` (H, W), in bins of five days, each (B, H, W)."""
    parts = _binned(values)
    number = np.stack([np.isfinite(part).sum(axis=0, dtype=np.uint8) for part in parts])
    total = [
        np.nansum(part, axis=0, dtype=np.float64) - mean * n
        for part, n in zip(parts, number, strict=True)
    ]
    return number, np.stack(total).astype(np.float32)


def _binned(values: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    return [values[start : start + BIN] for start in range(0, len(values), BIN)]


def middles(first: int, stop: int) -> NDArray[np.float64]:
    """Middle day of each bin of the days `first` to `stop`; `first` begins one."""
    starts = np.arange(first, stop, BIN)
    return (starts + np.minimum(starts + BIN, stop) - 1) / 2


def knots(days: int) -> NDArray[np.int64]:
    """Days of the knots of a record."""
    return np.arange(0, days - 1 + KNOT, KNOT)


def course_at(
    knots: NDArray[np.integer],
    middle: NDArray[np.floating],
    number: NDArray[np.number],
    total: Floats,
    *,
    wrap: bool = False,
) -> Floats:
    """The course (K, H, W) at some knots.

    Parameters
    ----------
    knots : ndarray of int, shape (K,)
    middle : ndarray, shape (B,)
        Middle day of each bin: all within ``REACH`` days of the knots.
    number, total : ndarray, shape (B, H, W)
        :func:`bin_sums`.
    wrap : bool
    """
    course = np.zeros((knots.size, *number.shape[1:]), np.float32)
    for width, size in KERNELS:
        seen, found = np.empty_like(course), np.empty_like(course)
        for k, knot in enumerate(knots):
            near = np.flatnonzero(abs(middle - knot) <= 3 * width)
            part = slice(near[0], near[-1] + 1)
            weight = np.exp(-0.5 * ((middle[part] - knot) / width) ** 2).astype(np.float32)
            seen[k] = np.tensordot(weight, number[part].astype(np.float32), axes=1)
            found[k] = np.tensordot(weight, total[part], axes=1)
        seen, found = (box_sum(x, size, wrap) for x in (seen, found))
        course = (found + PRIOR * course) / (seen + PRIOR)
    return course


def box_sum(field: NDArray[np.floating], size: int, wrap: bool) -> Floats:
    """Sum over `size` x `size` cells around each of (..., H, W); nothing beyond the edges."""
    x = np.ascontiguousarray(field, dtype=np.float32)
    if size == 1:
        return x
    x = x.reshape(1, 1, -1, *field.shape[-2:])
    mean, fraction = masked_mean(x, np.ones(x.shape, bool), size, wrap_longitude=wrap)
    return (mean * fraction * np.float32(size * size)).reshape(field.shape)


def at_day(course: Floats, day: int) -> Floats:
    """The course (H, W) of a day from that at the knots (K, H, W): linear, level beyond them."""
    if len(course) == 0:
        return np.zeros(course.shape[1:], np.float32)
    place = min(max(day / KNOT, 0), len(course) - 1)
    below = min(int(place), max(len(course) - 2, 0))
    share = np.float32(place - below)
    return (1 - share) * course[below] + share * course[min(below + 1, len(course) - 1)]


def nearby(course: Floats, first: int, last: int) -> tuple[Floats, int]:
    """The knots that days `first` to `last` need, and the day of the first of these knots."""
    end = max(len(course) - 1, 0)
    low, high = (min(max(knot, 0), end) for knot in (first // KNOT, last // KNOT + 1))
    return course[low : high + 1], low * KNOT


def departures(values: NDArray[np.floating], course: Floats, first: int = 0) -> Floats:
    """Values (T, H, W) less the course (K, H, W); `first` is the day of the first of them."""
    out = values.astype(np.float32)
    for t, day in enumerate(out):
        day -= at_day(course, first + t)
    return out
