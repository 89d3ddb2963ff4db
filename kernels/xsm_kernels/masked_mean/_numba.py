"""Masked mean on CPUs: running sums, so that the cost does not grow with the size of the square.

A very large or infinite value would corrupt a running sum even after it has left the square. Days
with such values are detected, and their squares are summed one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels._numba_common import OPTIONS, array_argument, numba_backend
from xsm_kernels.compile_cache import compile_loop
from xsm_kernels.runtime import compile_once, run_in_threads

LARGE = 2.0**20


# one function: each further one that it called would be compiled on its own as well
@njit(**OPTIONS)
def _mean_days(x, mask, half, wrap, mean, fraction, start, stop):
    """Days start..stop of (B * T): all channels; the fraction with the first channel."""
    channels, days, height, width = x.shape[1:]
    # sums over the rows of the square, also for the padding columns on both sides
    sums = np.empty(width + 2 * half)
    counts = np.empty(width + 2 * half)
    # indices that begin at 0 need no check for negative ones
    inner_sums, inner_counts = sums[half : half + width], counts[half : half + width]
    volume = np.float32((2 * half + 1) ** 2)
    for day in range(start, stop):
        b, t = day // days, day % days
        for c in range(channels):
            for j in range(width + 2 * half):
                sums[j] = 0.0
                counts[j] = 0.0
            for i in range(-half, height):
                # the row that enters the square, and the one that leaves it
                for sign in (1, -1):
                    row = i + half if sign > 0 else i - half - 1
                    if 0 <= row < height:
                        values, observed = x[b, c, t, row], mask[b, t, row]
                        for j in range(width):
                            value = values[j] if observed[j] else np.float32(0)
                            inner_sums[j] += sign * value
                            inner_counts[j] += sign * observed[j]
                if i < 0:
                    continue
                if wrap:
                    for q in range(half):
                        left, right = (q - half) % width, q % width
                        sums[q], counts[q] = inner_sums[left], inner_counts[left]
                        sums[half + width + q] = inner_sums[right]
                        counts[half + width + q] = inner_counts[right]
                total, count = 0.0, 0.0
                for j in range(2 * half):
                    total += sums[j]
                    count += counts[j]
                last_sums, last_counts = sums[2 * half :], counts[2 * half :]
                means, fractions = mean[b, c, t, i], fraction[b, t, i]
                for j in range(width):
                    total += last_sums[j]
                    count += last_counts[j]
                    means[j] = total / count if count > 0 else 0.0
                    if c == 0:
                        fractions[j] = np.float32(count) / volume
                    total -= sums[j]
                    count -= counts[j]
            small = True
            for i in range(height):
                values, observed = x[b, c, t, i], mask[b, t, i]
                for j in range(width):
                    small &= (abs(values[j]) < LARGE) | (not observed[j])
            if small:
                continue
            # each square separately
            for i in range(height):
                for j in range(width):
                    total, count = 0.0, 0.0
                    for row in range(i - half, i + half + 1):
                        for q in range(j - half, j + half + 1):
                            inside = 0 <= row < height and (wrap or 0 <= q < width)
                            if inside and mask[b, t, row, q % width]:
                                total += x[b, c, t, row, q % width]
                                count += 1.0
                    mean[b, c, t, i, j] = total / count if count > 0 else 0.0


@compile_once
def mean_days() -> Any:
    """The loop over days, compiled on first use for one signature."""
    f4, b1, i8 = types.float32, types.boolean, types.int64
    mean, fraction = (array_argument(f4, ndim, readonly=False) for ndim in (5, 4))
    signature = types.void(
        array_argument(f4, 5), array_argument(b1, 4), i8, b1, mean, fraction, i8, i8
    )
    return compile_loop(_mean_days, signature)


@numba_backend
def masked_mean(
    x: np.ndarray, mask: np.ndarray, *, size: int, wrap_longitude: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Definition: :func:`xsm_kernels.masked_mean.reference.masked_mean`; sums in float64.

    Running sums have an error of about 2^-53 times the largest sum of the row, everywhere in it.
    """
    batch, _, days, height, width = x.shape
    mean = np.empty(x.shape, np.float32)
    fraction = np.empty((batch, days, height, width), np.float32)
    run_in_threads(
        mean_days(),
        batch * days,
        np.ascontiguousarray(x),
        np.ascontiguousarray(mask[:, 0]),
        size // 2,
        wrap_longitude,
        mean,
        fraction,
    )
    return mean, fraction[:, None]
