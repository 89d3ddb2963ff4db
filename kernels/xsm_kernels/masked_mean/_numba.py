"""Masked mean on CPUs: running sums, so that the cost does not grow with the size of the square.

A very large or infinite value would corrupt a running sum even after it has left the square. Days
with such values are detected, and their squares are summed one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels._numba_common import OPTIONS, array_argument, numba_backend
from xsm_kernels.runtime import compile_once, run_in_threads

LARGE = 2.0**20


@njit(**OPTIONS)
def _add_row(values, observed, sign, sums, counts):
    """Add a row to the sums (float64) of the columns (sign 1), or subtract it (sign -1)."""
    for j in range(values.size):
        value = values[j] if observed[j] else np.float32(0)
        sums[j] += sign * value
        counts[j] += sign * observed[j]


@njit(**OPTIONS)
def _all_small(values, observed):
    small = True
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            small &= (abs(values[i, j]) < LARGE) | (not observed[i, j])
    return small


@njit(**OPTIONS)
def _mean_directly(values, observed, half, wrap, mean):
    """Sum each square separately."""
    height, width = values.shape
    for i in range(height):
        for j in range(width):
            total, count = 0.0, 0
            for r in range(max(i - half, 0), min(i + half + 1, height)):
                for q in range(j - half, j + half + 1):
                    if (wrap or 0 <= q < width) and observed[r, q % width]:
                        total += values[r, q % width]
                        count += 1
            mean[i, j] = total / count if count > 0 else 0.0


@njit(**OPTIONS)
def _mean_days(x, mask, half, wrap, mean, fraction, start, stop):
    """Days start..stop of (B * T): all channels; the fraction with the first channel."""
    channels, days, height, width = x.shape[1:]
    # sums over the rows of the square, also for the padding columns on both sides
    sums = np.empty(width + 2 * half, np.float64)
    counts = np.empty(width + 2 * half, np.int64)
    volume = np.float32((2 * half + 1) ** 2)
    for day in range(start, stop):
        b, t = day // days, day % days
        for c in range(channels):
            sums[:] = 0.0
            counts[:] = 0
            inner_sums, inner_counts = sums[half : half + width], counts[half : half + width]
            for i in range(-half, height):
                for row, sign in ((i + half, 1), (i - half - 1, -1)):
                    if 0 <= row < height:
                        _add_row(x[b, c, t, row], mask[b, t, row], sign, inner_sums, inner_counts)
                if i < 0:
                    continue
                if wrap:
                    for q in range(half):
                        left, right = (q - half) % width, q % width
                        sums[q], counts[q] = inner_sums[left], inner_counts[left]
                        sums[half + width + q] = inner_sums[right]
                        counts[half + width + q] = inner_counts[right]
                total, count = sums[: 2 * half].sum(), counts[: 2 * half].sum()
                for j in range(width):
                    total += sums[j + 2 * half]
                    count += counts[j + 2 * half]
                    mean[b, c, t, i, j] = total / count if count > 0 else 0.0
                    if c == 0:
                        fraction[b, t, i, j] = np.float32(count) / volume
                    total -= sums[j]
                    count -= counts[j]
            if not _all_small(x[b, c, t], mask[b, t]):
                _mean_directly(x[b, c, t], mask[b, t], half, wrap, mean[b, c, t])


@compile_once
def _compiled() -> Any:
    f4, b1, i8 = types.float32, types.boolean, types.int64
    mean, fraction = (array_argument(f4, ndim, readonly=False) for ndim in (5, 4))
    _mean_days.compile(
        types.void(array_argument(f4, 5), array_argument(b1, 4), i8, b1, mean, fraction, i8, i8)
    )
    _mean_days.disable_compile()
    return _mean_days


@numba_backend
def masked_mean(
    x: np.ndarray, mask: np.ndarray, *, size: int, wrap_longitude: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Definition: :func:`xsm_kernels.masked_mean.reference.masked_mean`; sums in float64."""
    batch, _, days, height, width = x.shape
    mean = np.empty(x.shape, np.float32)
    fraction = np.empty((batch, days, height, width), np.float32)
    run_in_threads(
        _compiled(),
        batch * days,
        np.ascontiguousarray(x),
        np.ascontiguousarray(mask[:, 0]),
        size // 2,
        wrap_longitude,
        mean,
        fraction,
    )
    return mean, fraction[:, None]
