"""Attention on CPUs, float32, without PyTorch: scores, softmax and sums of a few days at once.

A thread takes a pixel: its keys are turned so that neighbouring days are neighbours in memory, and
the scores of ROWS days never leave the cache. Of a window nothing but the days in it is touched,
up to whole panels.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels.attention._numba_rows import PANEL, ROWS, exponentials, multiply
from xsm_kernels.cells import OPTIONS
from xsm_kernels.simd import LANES, copy
from xsm_kernels.threads import spread


@njit(**OPTIONS)
def _pixels(query, key, value, steps, window, context, start, stop):
    """Pixels start..stop.

    steps : between pixels and days of query, key and value, in floats; their channels are
        neighbours
    """
    days, width = query.shape[1], query.shape[2]
    outputs = value.shape[2]
    panels, parts = -(-days // PANEL), -(-outputs // PANEL)
    scale = np.float32(1 / math.sqrt(width))
    keys = np.zeros(panels * width * PANEL, np.float32)
    values = np.zeros(parts * days * PANEL, np.float32)
    queries = np.zeros(ROWS * width, np.float32)
    scores = np.zeros(ROWS * panels * PANEL, np.float32)
    found = np.zeros(ROWS * PANEL, np.float32)
    factors = np.empty(ROWS, np.float32)
    stride = panels * PANEL
    for b in range(start, stop):
        for s in range(days):
            first = (s // PANEL * width) * PANEL + s % PANEL
            for k in range(width):
                keys[first + k * PANEL] = key[b, s, k] * scale
            for part in range(parts):
                count = min(PANEL, outputs - part * PANEL)
                begin = b * steps[2][0] + s * steps[2][1] + part * PANEL
                copy(value, begin, values, (part * days + s) * PANEL, count)
        for t in range(0, days, ROWS):
            rows = min(ROWS, days - t)
            low, high = max(t - window, 0), min(t + rows - 1 + window, days - 1) + 1
            for r in range(rows):
                begin = b * steps[0][0] + (t + r) * steps[0][1]
                copy(query, begin, queries, r * width, width)
            for panel in range(low // PANEL, -(-high // PANEL)):
                multiply(
                    queries, 0, width, width, keys, panel * width * PANEL,
                    scores, panel * PANEL, stride,
                )  # fmt: skip
            for r in range(rows):
                row = r * stride
                near, far = max(t + r - window, 0), min(t + r + window, days - 1) + 1
                # whole vectors; what is beyond the window weighs nothing
                first, last = low // LANES * LANES, -(-high // LANES) * LANES
                scores[row + first : row + near] = -np.inf
                scores[row + far : row + last] = -np.inf
                factors[r] = 1 / exponentials(scores, row + first, (last - first) // LANES)
                scores[row + first : row + near] = 0
                scores[row + far : row + last] = 0
            for part in range(parts):
                multiply(
                    scores, low, stride, high - low, values, (part * days + low) * PANEL,
                    found, 0, PANEL,
                )  # fmt: skip
                for r in range(rows):
                    out = context[b, t + r, part * PANEL : (part + 1) * PANEL]
                    for o in range(out.size):
                        out[o] = found[r * PANEL + o] * factors[r]


@cache
def pixels() -> Any:
    """The loop, compiled on first use for one signature (it takes read-only arrays)."""
    f4, i8 = types.float32, types.int64
    given = types.Array(f4, 3, "A", readonly=True)
    steps = types.UniTuple(types.UniTuple(i8, 2), 3)
    _pixels.compile(types.void(given, given, given, steps, i8, types.Array(f4, 3, "C"), i8, i8))
    _pixels.disable_compile()
    return _pixels


def attention(query: np.ndarray, key: np.ndarray, value: np.ndarray, *, window: int) -> np.ndarray:
    """Definition: :func:`xsm_kernels.attention.reference.attention`."""
    arrays = [
        array if array.strides[2] == array.itemsize else np.ascontiguousarray(array)
        for array in (query, key, value)
    ]
    steps = tuple(tuple(size // a.itemsize for size in a.strides[:2]) for a in arrays)
    context = np.empty((*query.shape[:2], value.shape[2]), np.float32)
    spread(pixels(), query.shape[0], *arrays, steps, window, context)
    return context
