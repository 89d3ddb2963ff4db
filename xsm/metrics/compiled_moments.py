"""What a pair is, and the moments of pairs, compiled."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import from_dtype, njit, types

TILE = 512  # columns at a time, so that their sums stay in the cache


@njit(nogil=True, error_model="numpy", inline="always")
def is_pair(x, y, w):
    """Both are finite and the weight is above zero: the one rule of what is dropped."""
    return np.isfinite(x) & np.isfinite(y) & (w > 0) & (w < np.inf)


@njit(nogil=True, error_model="numpy")
def _moments(x, y, w, weighted, out, start, stop):
    """Units start..stop of (row, tile of columns): x, y (A, T, I) -> out (A, I, 11).

    Two passes; deviations are from the first pair, so that those of a constant series are 0.
    """
    length, columns = x.shape[1:]
    tiles = (columns + TILE - 1) // TILE
    width = min(TILE, columns)
    sums = np.empty((11, width))
    shift = np.empty((2, width))
    for unit in range(start, stop):
        a, first = unit // tiles, unit % tiles * TILE
        count = min(width, columns - first)
        sums[:] = 0.0
        shift[:] = 0.0
        n, n_x, n_y, weight, mean_x, mean_y = sums[0], sums[9], sums[10], sums[1], sums[2], sums[3]
        xx, yy, xy, dd, ad = sums[4], sums[5], sums[6], sums[7], sums[8]
        shift_x, shift_y = shift[0], shift[1]
        for t in range(length):
            for i in range(count):
                x_i, y_i = np.float64(x[a, t, first + i]), np.float64(y[a, t, first + i])
                w_i = w[a, t, first + i] if weighted else 1.0
                ok = is_pair(x_i, y_i, w_i)
                new = ok & (n[i] == 0)
                shift_x[i] = x_i if new else shift_x[i]
                shift_y[i] = y_i if new else shift_y[i]
                n[i] += 1.0 if ok else 0.0
                n_x[i] += 1.0 if np.isfinite(x_i) else 0.0
                n_y[i] += 1.0 if np.isfinite(y_i) else 0.0
                weight[i] += w_i if ok else 0.0
                mean_x[i] += w_i * (x_i - shift_x[i]) if ok else 0.0
                mean_y[i] += w_i * (y_i - shift_y[i]) if ok else 0.0
        for i in range(count):
            mean_x[i] = shift_x[i] + mean_x[i] / weight[i] if n[i] > 0 else 0.0
            mean_y[i] = shift_y[i] + mean_y[i] / weight[i] if n[i] > 0 else 0.0
        for t in range(length):
            for i in range(count):
                x_i, y_i = np.float64(x[a, t, first + i]), np.float64(y[a, t, first + i])
                w_i = w[a, t, first + i] if weighted else 1.0
                ok = is_pair(x_i, y_i, w_i)
                w_i = w_i if ok else 0.0
                d_x = x_i - mean_x[i] if ok else 0.0
                d_y = y_i - mean_y[i] if ok else 0.0
                xx[i] += w_i * d_x * d_x
                yy[i] += w_i * d_y * d_y
                xy[i] += w_i * d_x * d_y
                dd[i] += w_i * (d_x - d_y) * (d_x - d_y)
                ad[i] += w_i * abs(x_i - y_i) if ok else 0.0
        for k in range(11):
            for i in range(count):
                out[a, first + i, k] = sums[k, i]


@cache
def moments_kernel(dtype: np.dtype) -> Any:
    """The compiled function for series of `dtype`."""
    series = types.Array(from_dtype(dtype), 3, "C", readonly=True)
    double = types.Array(types.float64, 3, "C", readonly=True)
    out = types.Array(types.float64, 3, "C")
    _moments.compile(
        types.void(series, series, double, types.boolean, out, types.int64, types.int64)
    )
    return _moments
