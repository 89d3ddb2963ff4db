"""Series without their missing values, compiled."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types


@njit(nogil=True, error_model="numpy")
def _packed(series, out, length, valid):
    """Of series (S, P, T) what is finite in all, at the front of out (S, P, T), NaN behind it.

    ``length`` (P,) is how many these are, ``valid`` (S, P) how many of each series are finite.
    """
    count, rows, columns = series.shape
    for p in range(rows):
        n = 0
        for t in range(columns):
            ok = True
            for s in range(count):
                finite = np.isfinite(series[s, p, t])
                valid[s, p] += 1 if finite else 0
                ok &= finite
            for s in range(count):
                out[s, p, n] = series[s, p, t]
            n += 1 if ok else 0
        length[p] = n
        out[:, p, n:] = np.nan


@cache
def packing_kernel() -> Any:
    """The compiled function."""
    f8, i8 = types.Array(types.float64, 3, "C"), types.int64
    _packed.compile(types.void(f8, f8, types.Array(i8, 1, "C"), types.Array(i8, 2, "C")))
    return _packed
