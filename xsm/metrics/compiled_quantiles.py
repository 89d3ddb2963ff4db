"""Quantiles of many distributions, mostly far from their middle, compiled.

Only the tail that holds the quantile is gathered, and nothing is sorted.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

_STEP = 0.35  # standard deviations that the limit of a tail moves at a time


@njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _describe(values, resamples, out):
    """Of columns 1 .. resamples of values (P, C), where finite: number, mean, standard deviation,
    and how many are below column 0, equal ones half: out (P, 4)."""
    for p in range(values.shape[0]):
        whole, drawn = values[p, 0], values[p, 1 : 1 + resamples]
        number, total, squares, below = 0.0, 0.0, 0.0, 0.0
        for c in range(resamples):
            v = drawn[c]
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
def _select(values, n, k):
    """Bring the k-th smallest of the first n to place k, none larger before it (Hoare, 1961)."""
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break


@njit(nogil=True, error_model="numpy")
def _gather_tail(drawn, sign, need, centre, spread, tail):
    """Copy the smallest finite ones of ``sign * drawn``, `need` or more, to `tail`; how many."""
    # holds about half as many again as needed of a normal distribution
    share = min(need / drawn.size, 1.0)
    limit = sign * centre - 0.65 * np.sqrt(-2.0 * np.log(share)) * spread
    n = 0
    for step in range(12):
        n = 0
        for c in range(drawn.size):
            v = sign * drawn[c]
            tail[n] = v
            n += 1 if (v <= limit) & np.isfinite(v) else 0
        if n >= need:
            break
        limit = limit + _STEP * spread if step < 10 else np.inf
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
            if spread == 0:  # all are equal
                out[p, q] = centre
                continue
            sign = 1.0 if share <= 0.5 else -1.0
            place = (share if share <= 0.5 else 1.0 - share) * (number - 1)
            below = int(place)
            need = min(below + 2, number)
            n = _gather_tail(values[p, 1 : 1 + resamples], sign, need, centre, spread, tail)
            _select(tail, n, below)
            above = tail[below]
            if below + 1 < n:
                above = tail[below + 1 : n].min()
            out[p, q] = sign * (tail[below] + (above - tail[below]) * (place - below))


@cache
def quantile_kernels() -> tuple[Any, Any]:
    """The compiled functions: describe, quantiles."""
    f8 = types.Array(types.float64, 2, "C")
    _describe.compile(types.void(f8, types.int64, f8))
    _quantiles.compile(types.void(f8, types.int64, f8, f8, f8))
    return _describe, _quantiles
