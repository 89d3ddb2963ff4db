"""Quantiles of many distributions, mostly far from their middle, compiled.

Only the tail that holds the quantile is gathered and sorted.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

_STEP = 0.35  # standard deviations that the limit of a tail moves at a time


@njit(nogil=True, error_model="numpy")
def _describe(values, resamples, out):
    """Of columns 1 .. resamples of values (P, C), where finite: number, mean, standard deviation,
    and how many are below column 0, equal ones half: out (P, 4)."""
    for p in range(values.shape[0]):
        whole = values[p, 0]
        number, total, squares, below = 0.0, 0.0, 0.0, 0.0
        for c in range(1, 1 + resamples):
            v = values[p, c]
            ok = np.isfinite(v)
            away = v - whole if ok else 0.0
            number += 1.0 if ok else 0.0
            total += away
            squares += away * away
            below += (0.5 if v <= whole else 0.0) + (0.5 if v < whole else 0.0)
        mean = total / number
        out[p, 0], out[p, 1], out[p, 3] = number, whole + mean, below
        out[p, 2] = np.sqrt(max(squares / number - mean * mean, 0.0))


@njit(nogil=True, error_model="numpy")
def _sort(values, n):
    """Sort the first n in place (Shell, 1959)."""
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            v = values[i]
            j = i
            while j >= gap and values[j - gap] > v:
                values[j] = values[j - gap]
                j -= gap
            values[j] = v
        gap //= 3


@njit(nogil=True, error_model="numpy")
def _gather_tail(row, resamples, sign, need, centre, spread, tail):
    """Sort the smallest of ``sign * row[1 : 1 + resamples]``, `need` or more, into `tail`."""
    # holds about half as many again as needed of a normal distribution
    limit = sign * centre - 0.65 * np.sqrt(-2.0 * np.log(min(need / resamples, 1.0))) * spread
    for step in range(12):
        count = 0
        for c in range(1, 1 + resamples):
            count += 1 if sign * row[c] <= limit else 0
        if count >= need:
            break
        limit = limit + _STEP * spread if step < 10 else np.inf
    n = 0
    for c in range(1, 1 + resamples):
        tail[n] = sign * row[c]
        n += 1 if sign * row[c] <= limit and np.isfinite(row[c]) else 0
    _sort(tail, n)
    return n


@njit(nogil=True, error_model="numpy")
def _quantiles(values, resamples, described, shares, out):
    """Quantiles of columns 1 .. resamples of values (P, C): shares (P, Q) -> out (P, Q).

    Linear between two values, as numpy.quantile; NaN where none is finite.
    """
    tail = np.empty(resamples + 1)
    for p in range(values.shape[0]):
        number, centre, spread = described[p, 0], described[p, 1], described[p, 2]
        for q in range(shares.shape[1]):
            share = shares[p, q]
            out[p, q] = np.nan
            if number < 1 or not (share >= 0 and share <= 1):
                continue
            sign = 1.0 if share <= 0.5 else -1.0
            place = (share if share <= 0.5 else 1.0 - share) * (number - 1)
            below = int(place)
            n = _gather_tail(
                values[p], resamples, sign, min(below + 2, number), centre, spread, tail
            )
            if n <= below:  # an infinite value was counted
                n = _gather_tail(values[p], resamples, sign, np.inf, centre, spread, tail)
            above = min(below + 1, n - 1)
            out[p, q] = sign * (tail[below] + (tail[above] - tail[below]) * (place - below))


@cache
def quantile_kernels() -> tuple[Any, Any]:
    """The compiled functions: describe, quantiles."""
    f8 = types.Array(types.float64, 2, "C")
    _describe.compile(types.void(f8, types.int64, f8))
    _quantiles.compile(types.void(f8, types.int64, f8, f8, f8))
    return _describe, _quantiles
