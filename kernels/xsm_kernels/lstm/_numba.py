"""Long short-term memory on CPUs, float32, without PyTorch.

A thread takes a block of pixels and a direction through all days. The rows of the block (state and
inputs of each pixel) and the weights of one panel of hidden units stay in cache; the sums of the
four gates never leave the registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels.arrays import aligned, lines, room
from xsm_kernels.cells import OPTIONS
from xsm_kernels.lstm._numba_step import GATES, PIXELS, advance
from xsm_kernels.runtime import compile_once, run_in_threads
from xsm_kernels.simd import LANES, copy

GROUPS = 4  # of PIXELS, that a thread takes through the days together


def pack(weight_ih: np.ndarray, weight_hh: np.ndarray, bias: np.ndarray) -> tuple[Any, Any]:
    """Weights (D, panels, H' + C, GATES, LANES) and biases (D, panels, GATES, LANES).

    H' is H up to whole panels of LANES, with zeros; the gates with a sigmoid are halved, since
    sigmoid(z) = (1 + tanh(z / 2)) / 2.
    """
    directions, _, hidden = weight_hh.shape
    width = -(-hidden // LANES) * LANES
    joined = np.zeros((directions, width + weight_ih.shape[2] + 1, GATES, width), np.float32)
    halves = np.array([0.5, 0.5, 1.0, 0.5], np.float32)[:, None]
    parts = ((weight_hh, 0), (weight_ih, width), (bias[..., None], joined.shape[1] - 1))
    for part, first in parts:
        by_gate = part.reshape(directions, GATES, hidden, -1).transpose(0, 3, 1, 2)
        joined[:, first : first + part.shape[2], :, :hidden] = by_gate * halves
    # (D, depth, GATES, panels, LANES) -> (D, panels, depth, GATES, LANES)
    joined = joined.reshape(*joined.shape[:3], -1, LANES).transpose(0, 3, 1, 2, 4)
    return aligned(joined[:, :, :-1]), aligned(joined[:, :, -1])


@njit(**OPTIONS)
def _blocks(x, steps, weight, bias, h, c, mask, has_mask, y, size, start, stop):
    """Blocks start..stop of `size` pixels, all of one direction after all of the other.

    steps : between pixels and days of x, in floats; its channels are neighbours
    h, c : state before the first day; that after the last one is left there
    """
    batch, days, channels = x.shape
    hidden = h.shape[2]
    depth = weight.shape[2]
    width = depth - channels
    stride = -(-(width + depth) // LANES) * LANES
    count = -(-batch // size)
    most = -(-size // PIXELS) * PIXELS
    rows = lines(2 * most * stride)
    for block in range(start, stop):
        d, first = block // count, block % count * size
        pixels = min(size, batch - first)
        weights, offsets = weight[d].reshape(-1), bias[d].reshape(-1)
        groups = -(-pixels // PIXELS)
        now, following = 0, most * stride
        rows[:] = 0
        for p in range(pixels):
            state = (d * batch + first + p) * hidden
            copy(c, state, rows, p * stride, hidden)
            copy(h, state, rows, p * stride + width, hidden)
        for step in range(days):
            t = step if d == 0 else days - 1 - step
            for p in range(pixels):
                inputs = now + p * stride + 2 * width
                if has_mask and not mask[first + p, t]:
                    rows[inputs : inputs + channels] = 0
                else:
                    copy(x, (first + p) * steps[0] + t * steps[1], rows, inputs, channels)
            for panel in range(width // LANES):
                unit = panel * LANES
                for group in range(groups):
                    skip = group * PIXELS * stride
                    advance(
                        rows, now + skip, following + skip, stride, width, depth,
                        weights, offsets, panel,
                    )  # fmt: skip
                    # a few lines at a time: memory is slower than the products
                    for p in range(group * PIXELS, min(group * PIXELS + PIXELS, pixels)):
                        place = following + p * stride + unit
                        if has_mask and not mask[first + p, t]:
                            before = now + p * stride + unit
                            copy(rows, before, rows, place, LANES)
                            copy(rows, before + width, rows, place + width, LANES)
                        output = (((first + p) * days + t) * h.shape[0] + d) * hidden + unit
                        copy(rows, place + width, y, output, min(LANES, hidden - unit))
            now, following = following, now
        for p in range(pixels):
            state, place = (d * batch + first + p) * hidden, now + p * stride
            copy(rows, place, c, state, hidden)
            copy(rows, place + width, h, state, hidden)


@compile_once
def blocks() -> Any:
    """The loop, compiled on first use for one signature (it takes read-only arrays)."""

    def array(dtype: Any, ndim: int, layout: str = "C", readonly: bool = True) -> types.Array:
        return types.Array(dtype, ndim, layout, readonly=readonly)

    f4, b1, i8 = types.float32, types.boolean, types.int64
    state = array(f4, 3, readonly=False)
    _blocks.compile(
        types.void(
            array(f4, 3, "A"), types.UniTuple(i8, 2), array(f4, 5), array(f4, 4), state, state,
            array(b1, 2, "A"), b1, state, i8, i8, i8,
        )
    )  # fmt: skip
    _blocks.disable_compile()
    return _blocks


def lstm(
    x: np.ndarray,
    weight_ih: np.ndarray,
    weight_hh: np.ndarray,
    bias: np.ndarray,
    h: np.ndarray | None = None,
    c: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Definition: :func:`xsm_kernels.lstm.reference.lstm`."""
    batch, days, _ = x.shape
    directions, _, hidden = weight_hh.shape
    y = room((batch, days, directions * hidden))
    zeros = np.zeros((directions, batch, hidden), np.float32)
    # the loop leaves the last state where the first one was
    h, c = (np.array(zeros if state is None else state, order="C") for state in (h, c))
    weight, offset = pack(weight_ih, weight_hh, bias)
    if x.strides[2] != x.itemsize:
        x = np.ascontiguousarray(x)
    size = GROUPS * PIXELS
    run_in_threads(
        blocks(),
        directions * -(-batch // size),
        x,
        (x.strides[0] // x.itemsize, x.strides[1] // x.itemsize),
        weight, offset, h, c,
        np.empty((0, 0), np.bool_) if mask is None else mask,
        mask is not None,
        y,
        size,
    )  # fmt: skip
    return y, h, c
