"""Products of a few rows, their exponentials, and the join, as vector code."""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xsm_kernels import simd
from xsm_kernels.simd import INDEX, LANES, at, constant

# rows whose sums are held in registers at once, and how many they are of each
ROWS, VECTORS = 6 if LANES == 16 else 3, 4
PANEL = VECTORS * LANES


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
    """Sums of ROWS rows of flat float32, `vectors` (1 to VECTORS) of LANES each.

    ``out[out_at + r * out_stride + o] = bias[bias_at + o]
    + sum_{k < depth} rows[rows_at + r * stride + k] * w[w_at + k * PANEL + o]``
    """
    i8 = types.int64
    signature = types.void(rows, i8, i8, i8, w, i8, bias, i8, out, i8, i8, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.memory(context, builder, sig, args)
        _, rows_at, stride, depth, _, w_at, _, bias_at, _, out_at, out_stride, vectors = args
        inputs = [at(builder, data(0), rows_at, builder.mul(stride, INDEX(r))) for r in range(ROWS)]
        outputs = [
            at(builder, data(8), out_at, builder.mul(out_stride, INDEX(r))) for r in range(ROWS)
        ]
        offsets, weights = at(builder, data(6), bias_at), at(builder, data(4), w_at)
        for count in range(1, VECTORS + 1):
            with builder.if_then(builder.icmp_signed("==", vectors, INDEX(count))):
                lanes = [INDEX(v * LANES) for v in range(count)]
                starts = [simd.load(builder, at(builder, offsets, lane)) for lane in lanes]
                totals = simd.registers(builder, [starts] * ROWS)
                simd.add_products(builder, totals, inputs, weights, depth, PANEL)
                for place, sums in zip(outputs, totals, strict=True):
                    for lane, total in zip(lanes, sums, strict=True):
                        simd.store(builder, builder.load(total), at(builder, place, lane))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def powers(typingctx: Any, rows: Any, first: Any, stride: Any, vectors: Any, factors: Any) -> Any:
    """2^x of ROWS rows less their maximum, in place: what a softmax in base 2 needs.

    Each row has `vectors` vectors, the first row from `first` on and the others one each `stride`.
    One over the sums goes to `factors` (ROWS).
    """
    i8 = types.int64
    signature = types.void(rows, i8, i8, i8, factors)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.memory(context, builder, sig, args)
        starts = [
            at(builder, data(0), args[1], builder.mul(args[2], INDEX(r))) for r in range(ROWS)
        ]
        begin = [constant(float("-inf")), constant(0.0)]
        totals = simd.registers(builder, [begin] * ROWS)

        def each() -> Any:
            return cgutils.for_range(builder, args[3], intp=INDEX)

        def reduced(name: str, given: list[Any]) -> Any:
            kind = ir.FunctionType(ir.FloatType(), [value.type for value in given])
            name = f"llvm.vector.reduce.{name}.v{LANES}f32"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, given, fastmath=("reassoc",))

        with each() as loop:
            skip = builder.mul(loop.index, INDEX(LANES))
            for start, (most, _) in zip(starts, totals, strict=True):
                here, so_far = simd.load(builder, at(builder, start, skip)), builder.load(most)
                larger = builder.fcmp_ordered(">", here, so_far)
                builder.store(builder.select(larger, here, so_far), most)
        tops = [simd.repeated(builder, reduced("fmax", [builder.load(most)])) for most, _ in totals]
        with each() as loop:
            skip = builder.mul(loop.index, INDEX(LANES))
            for start, top, (_, total) in zip(starts, tops, totals, strict=True):
                place = at(builder, start, skip)
                power = simd.power_of_two(builder, builder.fsub(simd.load(builder, place), top))
                simd.store(builder, power, place)
                builder.store(builder.fadd(builder.load(total), power), total)
        one, zero = (ir.Constant(ir.FloatType(), value) for value in (1.0, 0.0))
        for r, (_, total) in enumerate(totals):
            factor = builder.fdiv(one, reduced("fadd", [zero, builder.load(total)]))
            builder.store(factor, at(builder, data(4), INDEX(r)))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def join(typingctx: Any, sums: Any, sums_at: Any, own: Any, own_at: Any, factor: Any) -> Any:
    """``tanh(sums * factor + own)`` of PANEL neighbours of flat float32, in place of the sums."""
    i8 = types.int64
    signature = types.void(sums, i8, own, i8, types.float32)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.memory(context, builder, sig, args)
        factor = simd.repeated(builder, args[4])
        for v in range(VECTORS):
            place = at(builder, data(0), args[1], INDEX(v * LANES))
            added = simd.load(builder, at(builder, data(2), args[3], INDEX(v * LANES)))
            z = simd.multiply_add(builder, simd.load(builder, place), factor, added)
            simd.store(builder, builder.fdiv(*simd.tanh_parts(builder, z)), place)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def turn(typingctx: Any, source: Any, source_at: Any, target: Any, target_at: Any) -> Any:
    """Transpose LANES rows of LANES of flat float32; rows begin each PANEL, here and there."""
    i8 = types.int64
    signature = types.void(source, i8, target, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.memory(context, builder, sig, args)
        places = [
            [at(builder, data(n), args[n + 1], INDEX(r * PANEL)) for r in range(LANES)]
            for n in (0, 2)
        ]
        rows = [simd.load(builder, place) for place in places[0]]
        half, whole = LANES // 2, ir.VectorType(ir.IntType(32), LANES)
        while half:  # swap the quarters beside the diagonal, in ever smaller squares
            keep = [lane if not lane & half else lane - half + LANES for lane in range(LANES)]
            move = [lane + half if not lane & half else lane + LANES for lane in range(LANES)]
            for r in range(LANES):
                if not r & half:
                    pair = rows[r], rows[r + half]
                    rows[r], rows[r + half] = (
                        builder.shuffle_vector(*pair, ir.Constant(whole, lanes))
                        for lanes in (keep, move)
                    )
            half //= 2
        for row, place in zip(rows, places[1], strict=True):
            simd.store(builder, row, place)
        return context.get_dummy_value()

    return signature, codegen
