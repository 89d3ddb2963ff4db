"""Attention of days to each other on CPUs, float32, without PyTorch.

A thread takes a pixel from its inputs to its outputs, and all intermediate results stay in cache:
queries, keys, values and the residual; then, for ROWS days at once, scores, softmax, weighted sums
and the output. Keys are transposed so that successive days are contiguous. With a window, only the
days in it are computed, up to whole panels.
"""

from __future__ import annotations

import math
from typing import Any

import llvmlite.ir as ir
import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from xsm_kernels import _numba_simd as simd
from xsm_kernels._numba_common import (
    CONTRACTED,
    INNER,
    array_argument,
    copy_aligned,
    empty_aligned,
    numba_backend,
    zeros_aligned,
)
from xsm_kernels._numba_simd import INDEX, LANES, address, constant, copy_floats
from xsm_kernels.compile_cache import compile_loop
from xsm_kernels.runtime import compile_once, run_in_threads

# rows whose sums are held in registers at once, and vectors of each row
ROWS, VECTORS = 6 if LANES == 16 else 3, 4
PANEL = VECTORS * LANES


@numba_backend
def self_attention(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, window: int
) -> np.ndarray:
    """Definition: :func:`xsm_kernels.self_attention.reference.self_attention`."""
    if x.strides[2] != x.itemsize:
        x = np.ascontiguousarray(x)
    y = empty_aligned((*x.shape[:2], weight.shape[1]))
    steps = (x.strides[0] // x.itemsize, x.strides[1] // x.itemsize)
    run_in_threads(pixels(), x.shape[0], x, steps, *pack(weight, bias), window, y)
    return y


def pack(weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (4, panels, C, PANEL) and biases (4, panels, PANEL), zeros beyond H.

    Queries are scaled so that the softmax is computed in base 2.
    """
    hidden, channels = weight.shape[1:]
    panels = -(-hidden // PANEL)
    padded = np.zeros((4, channels + 1, panels * PANEL), np.float32)
    padded[:, :-1, :hidden] = weight.swapaxes(1, 2)
    padded[:, -1, :hidden] = bias
    padded[0] *= np.float32(1 / math.sqrt(hidden) / math.log(2))
    # (4, C + 1, panels, PANEL) -> (4, panels, C + 1, PANEL)
    padded = padded.reshape(4, -1, panels, PANEL).swapaxes(1, 2)
    return copy_aligned(padded[:, :, :-1]), copy_aligned(padded[:, :, -1])


@intrinsic
def multiply(
    typingctx: Any,
    rows: Any,
    rows_at: Any,
    stride: Any,
    depth: Any,
    w: Any,
    w_at: Any,
    bias: Any,
    bias_at: Any,
    out: Any,
    out_at: Any,
    out_stride: Any,
    vectors: Any,
) -> Any:
    """Products of ROWS rows of flat float32 with weights, `vectors` (1 to VECTORS) of LANES each.

    ``out[out_at + r * out_stride + o] = bias[bias_at + o]
    + sum_{k < depth} rows[rows_at + r * stride + k] * w[w_at + k * PANEL + o]``
    """
    i8 = types.int64
    signature = types.void(rows, i8, i8, i8, w, i8, bias, i8, out, i8, i8, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.data_pointers(context, builder, sig, args)
        _, rows_at, stride, depth, _, w_at, _, bias_at, _, out_at, out_stride, vectors = args
        inputs = [
            address(builder, data(0), rows_at, builder.mul(stride, INDEX(r))) for r in range(ROWS)
        ]
        outputs = [
            address(builder, data(8), out_at, builder.mul(out_stride, INDEX(r)))
            for r in range(ROWS)
        ]
        offsets, weights = address(builder, data(6), bias_at), address(builder, data(4), w_at)
        for count in range(1, VECTORS + 1):
            with builder.if_then(builder.icmp_signed("==", vectors, INDEX(count))):
                lanes = [INDEX(v * LANES) for v in range(count)]
                starts = [simd.load(builder, address(builder, offsets, lane)) for lane in lanes]
                totals = simd.accumulators(builder, [starts] * ROWS)
                simd.add_products(builder, totals, inputs, weights, depth, PANEL)
                for output, sums in zip(outputs, totals, strict=True):
                    for lane, total in zip(lanes, sums, strict=True):
                        simd.store(builder, builder.load(total), address(builder, output, lane))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def exp2_rows(
    typingctx: Any, rows: Any, first: Any, stride: Any, vectors: Any, factors: Any
) -> Any:
    """``2^(x - max x)`` of each of ROWS rows, in place: the numerators of a softmax in base 2.

    A row has `vectors` vectors; the first row begins at `first`, the others are `stride` apart. The
    reciprocals of the row sums go to `factors` (ROWS).
    """
    i8 = types.int64
    signature = types.void(rows, i8, i8, i8, factors)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.data_pointers(context, builder, sig, args)
        starts = [
            address(builder, data(0), args[1], builder.mul(args[2], INDEX(r))) for r in range(ROWS)
        ]
        begin = [constant(float("-inf")), constant(0.0)]
        totals = simd.accumulators(builder, [begin] * ROWS)

        def each_vector() -> Any:
            return cgutils.for_range(builder, args[3], intp=INDEX)

        def reduced(name: str, operands: list[Any]) -> Any:
            kind = ir.FunctionType(ir.FloatType(), [value.type for value in operands])
            name = f"llvm.vector.reduce.{name}.v{LANES}f32"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, operands, fastmath=("reassoc",))

        with each_vector() as loop:
            skip = builder.mul(loop.index, INDEX(LANES))
            for start, (maximum, _) in zip(starts, totals, strict=True):
                value, so_far = (
                    simd.load(builder, address(builder, start, skip)),
                    builder.load(maximum),
                )
                larger = builder.fcmp_ordered(">", value, so_far)
                builder.store(builder.select(larger, value, so_far), maximum)
        tops = [
            simd.broadcast(builder, reduced("fmax", [builder.load(maximum)]))
            for maximum, _ in totals
        ]
        with each_vector() as loop:
            skip = builder.mul(loop.index, INDEX(LANES))
            for start, top, (_, total) in zip(starts, tops, totals, strict=True):
                row = address(builder, start, skip)
                power = simd.exp2(builder, builder.fsub(simd.load(builder, row), top))
                simd.store(builder, power, row)
                builder.store(builder.fadd(builder.load(total), power), total)
        one, zero = (ir.Constant(ir.FloatType(), value) for value in (1.0, 0.0))
        for r, (_, total) in enumerate(totals):
            factor = builder.fdiv(one, reduced("fadd", [zero, builder.load(total)]))
            builder.store(factor, address(builder, data(4), INDEX(r)))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def add_residual(
    typingctx: Any, sums: Any, sums_at: Any, residual: Any, residual_at: Any, factor: Any
) -> Any:
    """``tanh(sums * factor + residual)`` of PANEL contiguous float32, in place of the sums."""
    i8 = types.int64
    signature = types.void(sums, i8, residual, i8, types.float32)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.data_pointers(context, builder, sig, args)
        factor = simd.broadcast(builder, args[4])
        for v in range(VECTORS):
            out = address(builder, data(0), args[1], INDEX(v * LANES))
            added = simd.load(builder, address(builder, data(2), args[3], INDEX(v * LANES)))
            z = simd.multiply_add(builder, simd.load(builder, out), factor, added)
            simd.store(builder, builder.fdiv(*simd.tanh_quotient(builder, z)), out)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transpose(typingctx: Any, source: Any, source_at: Any, target: Any, target_at: Any) -> Any:
    """Transpose LANES rows of LANES floats; rows of source and target are PANEL apart."""
    i8 = types.int64
    signature = types.void(source, i8, target, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.data_pointers(context, builder, sig, args)
        ends = [
            [address(builder, data(n), args[n + 1], INDEX(r * PANEL)) for r in range(LANES)]
            for n in (0, 2)
        ]
        rows = [simd.load(builder, row) for row in ends[0]]
        half, integers = LANES // 2, ir.VectorType(ir.IntType(32), LANES)
        while half:  # swap the off-diagonal quarters, in ever smaller squares
            keep = [lane if not lane & half else lane - half + LANES for lane in range(LANES)]
            move = [lane + half if not lane & half else lane + LANES for lane in range(LANES)]
            for r in range(LANES):
                if not r & half:
                    pair = rows[r], rows[r + half]
                    rows[r], rows[r + half] = (
                        builder.shuffle_vector(*pair, ir.Constant(integers, lanes))
                        for lanes in (keep, move)
                    )
            half //= 2
        for row, target_row in zip(rows, ends[1], strict=True):
            simd.store(builder, row, target_row)
        return context.get_dummy_value()

    return signature, codegen


@njit(**INNER)
def _project(rows, days, channels, weight, bias, query, keys, value, residual):
    """Queries (T, panels, PANEL), keys (days in panels, panels, PANEL, PANEL), and (panels, T,
    PANEL) of the others, all flat."""
    panels = weight.shape[1]
    weights, offsets = weight.reshape(-1), bias.reshape(-1)
    width = panels * PANEL
    length = query.size // width
    for part in (1, 0, 2, 3):
        for panel in range(panels):
            n = part * panels + panel
            # before they are transposed, keys use the memory of the values
            out = query if part == 0 else residual if part == 3 else value
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
                        transpose(value, begin + s * PANEL + k, keys, first + k * PANEL)


@njit(**CONTRACTED)
def _pixels(x, steps, weight, bias, window, y, start, stop):
    """Pixels start..stop.

    steps : between pixels and between days of x, in floats; its channels are contiguous
    """
    days, channels = x.shape[1], x.shape[2]
    hidden, panels = y.shape[2], weight.shape[1]
    width = panels * PANEL
    # the last rows and the last panel may reach beyond the days
    length = -(-(days + ROWS) // PANEL) * PANEL
    rows = zeros_aligned(length * channels)
    query, keys = zeros_aligned(length * width), zeros_aligned(length * width)
    value, residual = zeros_aligned(length * width), zeros_aligned(length * width)
    scores, zeros = zeros_aligned(ROWS * length), zeros_aligned(PANEL)
    outputs = zeros_aligned(ROWS * PANEL)
    factors = np.empty(ROWS, np.float32)
    absent = np.empty(days, np.bool_)
    for b in range(start, stop):
        any_absent = False
        for t in range(days):
            copy_floats(x, b * steps[0] + t * steps[1], rows, t * channels, channels)
            day = rows[t * channels : (t + 1) * channels]
            finite = True
            for k in range(channels):
                finite &= abs(day[k]) < np.inf
            absent[t] = not finite
            any_absent |= not finite
            if not finite:  # a weight of 0 would not keep it out of the days beyond its window
                day[:] = 0
        _project(rows, days, channels, weight, bias, query, keys, value, residual)
        for t in range(0, days, ROWS):
            count = min(ROWS, days - t)
            low, high = max(t - window, 0), min(t + count - 1 + window, days - 1) + 1
            # whole vectors; days beyond the window get weight 0
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
            exp2_rows(scores, first, length, (last - first) // LANES, factors)
            for panel in range(panels):
                multiply(
                    scores, low, length, high - low, value, (panel * length + low) * PANEL,
                    zeros, 0, outputs, 0, PANEL, VECTORS,
                )  # fmt: skip
                n_outputs = min(PANEL, hidden - panel * PANEL)
                for r in range(count):
                    skip = (panel * length + t + r) * PANEL
                    add_residual(outputs, r * PANEL, residual, skip, factors[r])
                    first_output = ((b * days + t + r) * hidden) + panel * PANEL
                    copy_floats(outputs, r * PANEL, y, first_output, n_outputs)
        if any_absent:
            for t in range(days):
                if absent[max(t - window, 0) : t + window + 1].any():
                    y[b, t] = np.nan


@compile_once
def pixels() -> Any:
    """The loop over pixels, compiled on first use for one signature."""
    f4, i8 = types.float32, types.int64
    return compile_loop(
        _pixels,
        types.void(
            array_argument(f4, 3, "A"), types.UniTuple(i8, 2), array_argument(f4, 4),
            array_argument(f4, 3), i8, array_argument(f4, 3, readonly=False), i8, i8,
        ),
    )  # fmt: skip
