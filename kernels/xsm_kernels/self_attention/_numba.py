"""Attention of days to each other on CPUs, float32, without PyTorch.

A thread takes a pixel from its inputs to its outputs, and all that lies between stays in cache:
queries, keys, values and what is the day's own; then, for ROWS days at once, scores, softmax, sums
and the join. Keys are turned so that neighbouring days are neighbours. Of a window nothing but the
days in it is touched, up to whole panels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels.arrays import aligned, lines, room
from xsm_kernels.cells import OPTIONS
from xsm_kernels.runtime import compile_once, run_in_threads
from xsm_kernels.self_attention._numba_rows import (
    PANEL,
    ROWS,
    VECTORS,
    join,
    multiply,
    powers,
    turn,
)
from xsm_kernels.simd import LANES, copy


def pack(weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (4, panels, C, PANEL) and biases (4, panels, PANEL), zeros beyond H.

    Queries are scaled, that the softmax is one in base 2.
    """
    hidden, channels = weight.shape[1:]
    panels = -(-hidden // PANEL)
    joined = np.zeros((4, channels + 1, panels * PANEL), np.float32)
    joined[:, :-1, :hidden] = weight.swapaxes(1, 2)
    joined[:, -1, :hidden] = bias
    joined[0] *= np.float32(1 / math.sqrt(hidden) / math.log(2))
    # (4, C + 1, panels, PANEL) -> (4, panels, C + 1, PANEL)
    joined = joined.reshape(4, -1, panels, PANEL).swapaxes(1, 2)
    return aligned(joined[:, :, :-1]), aligned(joined[:, :, -1])


@njit(**OPTIONS)
def _project(rows, days, channels, weight, bias, query, keys, value, own):
    """Queries (T, panels, PANEL), keys (days in panels, panels, PANEL, PANEL), and (panels, T,
    PANEL) of the others, all flat."""
    panels = weight.shape[1]
    weights, offsets = weight.reshape(-1), bias.reshape(-1)
    width = panels * PANEL
    length = query.size // width
    for part in (1, 0, 2, 3):
        for panel in range(panels):
            n = part * panels + panel
            # keys before they are turned take the room of values
            out = query if part == 0 else own if part == 3 else value
            begin, stride = panel * length * PANEL, PANEL
            if part == 0:
                begin, stride = panel * PANEL, width
            for t in range(0, days, ROWS):
                multiply(
                    rows, t * channels, channels, channels, weights, n * channels * PANEL,
                    offsets, n * PANEL, out, begin + t * stride, stride, VECTORS,
                )  # fmt: skip
            if part == 1:
                for s in range(0, length, LANES):
                    first = (s // PANEL * width + panel * PANEL) * PANEL + s % PANEL
                    for k in range(0, PANEL, LANES):
                        turn(value, begin + s * PANEL + k, keys, first + k * PANEL)


@njit(**OPTIONS)
def _pixels(x, steps, weight, bias, window, y, start, stop):
    """Pixels start..stop.

    steps : between pixels and days of x, in floats; its channels are neighbours
    """
    days, channels = x.shape[1], x.shape[2]
    hidden, panels = y.shape[2], weight.shape[1]
    width = panels * PANEL
    # the last rows and the last panel may reach beyond the days
    length = -(-(days + ROWS) // PANEL) * PANEL
    rows = lines(length * channels)
    query, keys = lines(length * width), lines(length * width)
    value, own = lines(length * width), lines(length * width)
    scores, found, zeros = lines(ROWS * length), lines(ROWS * PANEL), lines(PANEL)
    factors = np.empty(ROWS, np.float32)
    for b in range(start, stop):
        for t in range(days):
            copy(x, b * steps[0] + t * steps[1], rows, t * channels, channels)
        _project(rows, days, channels, weight, bias, query, keys, value, own)
        for t in range(0, days, ROWS):
            count = min(ROWS, days - t)
            low, high = max(t - window, 0), min(t + count - 1 + window, days - 1) + 1
            # whole vectors; what is beyond the window weighs nothing
            first, last = low // LANES * LANES, -(-high // LANES) * LANES
            for panel in range(low // PANEL, -(-high // PANEL)):
                begin, end = max(first, panel * PANEL), min(last, (panel + 1) * PANEL)
                multiply(
                    query, t * width, width, hidden,
                    keys, panel * PANEL * width + begin - panel * PANEL,
                    zeros, 0, scores, begin, length, (end - begin) // LANES,
                )  # fmt: skip
            for r in range(count):
                row = r * length
                near, far = max(t + r - window, 0), min(t + r + window, days - 1) + 1
                scores[row + first : row + near] = -np.inf
                scores[row + far : row + last] = -np.inf
            powers(scores, first, length, (last - first) // LANES, factors)
            for panel in range(panels):
                multiply(
                    scores, low, length, high - low, value, (panel * length + low) * PANEL,
                    zeros, 0, found, 0, PANEL, VECTORS,
                )  # fmt: skip
                outputs = min(PANEL, hidden - panel * PANEL)
                for r in range(count):
                    join(found, r * PANEL, own, (panel * length + t + r) * PANEL, factors[r])
                    place = ((b * days + t + r) * hidden) + panel * PANEL
                    copy(found, r * PANEL, y, place, outputs)


@compile_once
def pixels() -> Any:
    """The loop, compiled on first use for one signature (it takes read-only arrays)."""
    f4, i8 = types.float32, types.int64

    def array(ndim: int, layout: str = "C", readonly: bool = True) -> types.Array:
        return types.Array(f4, ndim, layout, readonly=readonly)

    steps = types.UniTuple(i8, 2)
    _pixels.compile(
        types.void(array(3, "A"), steps, array(4), array(3), i8, array(3, "C", False), i8, i8)
    )
    _pixels.disable_compile()
    return _pixels


def self_attention(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, window: int
) -> np.ndarray:
    """Definition: :func:`xsm_kernels.self_attention.reference.self_attention`."""
    if x.strides[2] != x.itemsize:
        x = np.ascontiguousarray(x)
    y = room((*x.shape[:2], weight.shape[1]))
    steps = (x.strides[0] // x.itemsize, x.strides[1] // x.itemsize)
    run_in_threads(pixels(), x.shape[0], x, steps, *pack(weight, bias), window, y)
    return y
