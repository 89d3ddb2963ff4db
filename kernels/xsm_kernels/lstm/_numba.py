"""Long short-term memory on CPUs, float32, without PyTorch.

A thread takes a block of pixels and a direction through all days. The rows of the block (state and
inputs of each pixel) and the weights of one panel of hidden units stay in cache; the sums of the
four gates never leave the registers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from xsm_kernels import _numba_simd as simd
from xsm_kernels._numba_common import (
    CONTRACTED,
    array_argument,
    copy_aligned,
    empty_aligned,
    numba_backend,
    zeros_aligned,
)
from xsm_kernels._numba_simd import INDEX, LANES, address, copy_floats
from xsm_kernels.compile_cache import compile_loop
from xsm_kernels.runtime import compile_once, run_in_threads

GATES = 4
# pixels whose sums, times four gates, are held in registers at once
PIXELS = 6 if LANES == 16 else 3
GROUPS = 4  # groups of PIXELS that a thread takes through the days together


@numba_backend
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
    y = empty_aligned((batch, days, directions * hidden))
    zeros = np.zeros((directions, batch, hidden), np.float32)
    # the loop replaces the first state by the last one
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


def pack(weight_ih: np.ndarray, weight_hh: np.ndarray, bias: np.ndarray) -> tuple[Any, Any]:
    """Weights (D, panels, H' + C, GATES, LANES) and biases (D, panels, GATES, LANES).

    H' is H up to whole panels of LANES, with zeros; the gates with a sigmoid are halved, since
    sigmoid(z) = (1 + tanh(z / 2)) / 2.
    """
    directions, _, hidden = weight_hh.shape
    width = -(-hidden // LANES) * LANES
    padded = np.zeros((directions, width + weight_ih.shape[2] + 1, GATES, width), np.float32)
    halves = np.array([0.5, 0.5, 1.0, 0.5], np.float32)[:, None]
    parts = ((weight_hh, 0), (weight_ih, width), (bias[..., None], padded.shape[1] - 1))
    for part, first in parts:
        by_gate = part.reshape(directions, GATES, hidden, -1).transpose(0, 3, 1, 2)
        padded[:, first : first + part.shape[2], :, :hidden] = by_gate * halves
    # (D, depth, GATES, panels, LANES) -> (D, panels, depth, GATES, LANES)
    padded = padded.reshape(*padded.shape[:3], -1, LANES).transpose(0, 3, 1, 2, 4)
    return copy_aligned(padded[:, :, :-1]), copy_aligned(padded[:, :, -1])


def _new_state(builder: Any, z: list[Any], c: Any) -> tuple[Any, Any]:
    """New (h, c) from half the sums of i, f, o and the sum of g.

    With sigmoid(z) = (1 + tanh(z / 2)) / 2 and quotients over a common denominator: two divisions
    instead of five. Names ending in `_below` are denominators.
    """
    (i, i_below), (f, f_below), (g, g_below), (o, o_below) = (
        simd.tanh_quotient(builder, part) for part in z
    )
    half = simd.constant(0.5)
    added = builder.fmul(builder.fmul(builder.fadd(i, i_below), g), f_below)
    retained = builder.fmul(builder.fadd(f, f_below), builder.fmul(i_below, g_below))
    below = builder.fmul(f_below, builder.fmul(i_below, g_below))
    c = builder.fdiv(builder.fmul(half, simd.multiply_add(builder, retained, c, added)), below)
    t, t_below = simd.tanh_quotient(builder, c)
    above = builder.fmul(builder.fmul(half, builder.fadd(o, o_below)), t)
    return builder.fdiv(above, builder.fmul(o_below, t_below)), c


@intrinsic
def advance(
    typingctx: Any,
    rows: Any,
    current: Any,
    updated: Any,
    stride: Any,
    width: Any,
    depth: Any,
    w: Any,
    bias: Any,
    panel: Any,
) -> Any:
    """New state of LANES hidden units of PIXELS pixels.

    A row of `rows` (flat float32) holds c (`width`), h (`width`) and x of a pixel, `depth` floats
    of h and x together; those of PIXELS pixels begin at `current`, `stride` apart. The new c and h
    go to the rows that begin at `updated`. `w` (panels, depth, GATES, LANES) and `bias`
    (panels, GATES, LANES) are flat.
    """
    i8 = types.int64
    signature = types.void(rows, i8, i8, i8, i8, i8, w, bias, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.data_pointers(context, builder, sig, args)
        _, current, updated, stride, width, depth, _, _, panel = args
        rows_at = [builder.mul(stride, INDEX(p)) for p in range(PIXELS)]
        inputs = [address(builder, data(0), current, width, offset) for offset in rows_at]
        size = builder.mul(depth, INDEX(GATES * LANES))
        weights = address(builder, data(6), builder.mul(panel, size))
        offsets = address(builder, data(7), builder.mul(panel, INDEX(GATES * LANES)))
        gates = [address(builder, offsets, INDEX(g * LANES)) for g in range(GATES)]
        starts = [simd.load(builder, gate) for gate in gates]
        totals = simd.accumulators(builder, [starts] * PIXELS)
        simd.add_products(builder, totals, inputs, weights, depth)
        unit = builder.mul(panel, INDEX(LANES))
        for offset, sums in zip(rows_at, totals, strict=True):
            c = simd.load(builder, address(builder, data(0), current, offset, unit))
            h, c = _new_state(builder, [builder.load(total) for total in sums], c)
            out = address(builder, data(0), updated, offset, unit)
            simd.store(builder, c, out)
            simd.store(builder, h, address(builder, out, width))
        return context.get_dummy_value()

    return signature, codegen


@njit(**CONTRACTED)
def _blocks(x, steps, weight, bias, h, c, mask, has_mask, y, size, start, stop):
    """Blocks start..stop of `size` pixels; first all blocks of one direction, then of the other.

    steps : between pixels and between days of x, in floats; its channels are contiguous
    h, c : state before the first day, replaced by the state after the last one

    A block whose units beyond the hidden ones do not stay 0 is repeated, with 0 written to them.
    """
    batch, days, channels = x.shape
    hidden = h.shape[2]
    depth = weight.shape[2]
    width = depth - channels
    stride = -(-(width + depth) // LANES) * LANES
    count = -(-batch // size)
    n_rows = -(-size // PIXELS) * PIXELS
    rows = zeros_aligned(2 * n_rows * stride)
    again = False
    for attempt in range(2 * start, 2 * stop):
        block, is_repeated = attempt // 2, attempt % 2 == 1
        if is_repeated and not again:
            continue
        d, first = block // count, block % count * size
        pixels = min(size, batch - first)
        weights, offsets = weight[d].reshape(-1), bias[d].reshape(-1)
        groups = -(-pixels // PIXELS)
        current, updated = 0, n_rows * stride
        rows[:] = 0
        for p in range(pixels):
            state = (d * batch + first + p) * hidden
            copy_floats(c, state, rows, p * stride, hidden)
            copy_floats(h, state, rows, p * stride + width, hidden)
        for step in range(days):
            t = step if d == 0 else days - 1 - step
            for p in range(pixels):
                inputs = current + p * stride + 2 * width
                if has_mask and not mask[first + p, t]:
                    rows[inputs : inputs + channels] = 0
                else:
                    copy_floats(x, (first + p) * steps[0] + t * steps[1], rows, inputs, channels)
            for panel in range(width // LANES):
                unit = panel * LANES
                for group in range(groups):
                    skip = group * PIXELS * stride
                    advance(
                        rows, current + skip, updated + skip, stride, width, depth,
                        weights, offsets, panel,
                    )  # fmt: skip
                    # few cache lines at a time: memory is slower than the products
                    for p in range(group * PIXELS, min(group * PIXELS + PIXELS, pixels)):
                        target = updated + p * stride + unit
                        if has_mask and not mask[first + p, t]:
                            source = current + p * stride + unit
                            copy_floats(rows, source, rows, target, LANES)
                            copy_floats(rows, source + width, rows, target + width, LANES)
                        output = (((first + p) * days + t) * h.shape[0] + d) * hidden + unit
                        units = min(LANES, hidden - unit)
                        copy_floats(rows, target + width, y, output, units)
                        if is_repeated:
                            rows[target + width + units : target + width + LANES] = 0
            current, updated = updated, current
        # an infinite x times the zeros beyond the hidden units is NaN, which stays there to the end
        again = False
        if hidden < width and not is_repeated:
            for p in range(pixels):
                again |= rows[current + p * stride + width + hidden] != 0
        if again:
            continue
        for p in range(pixels):
            state, row = (d * batch + first + p) * hidden, current + p * stride
            copy_floats(rows, row, c, state, hidden)
            copy_floats(rows, row + width, h, state, hidden)


@compile_once
def blocks() -> Any:
    """The loop over blocks, compiled on first use for one signature."""
    f4, b1, i8 = types.float32, types.boolean, types.int64
    state = array_argument(f4, 3, readonly=False)
    return compile_loop(
        _blocks,
        types.void(
            array_argument(f4, 3, "A"), types.UniTuple(i8, 2), array_argument(f4, 5),
            array_argument(f4, 4), state, state, array_argument(b1, 2, "A"), b1, state, i8, i8, i8,
        ),
    )  # fmt: skip
