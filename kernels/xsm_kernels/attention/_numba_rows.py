"""Products of a few rows, and their exponentials, as vector code."""

from __future__ import annotations

from typing import Any

import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xsm_kernels import simd
from xsm_kernels.simd import INDEX, LANES, VECTOR, at, constant

VECTORS = 4
# rows whose sums are held in registers at once, and how many they are of each
ROWS = 6 if LANES == 16 else 3
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
    out: Any,
    out_at: Any,
    out_stride: Any,
) -> Any:
    """PANEL sums of ROWS rows of flat float32.

    ``out[out_at + r * out_stride + o] = sum_{k < depth} rows[rows_at + r * stride + k]
    * w[w_at + k * PANEL + o]``
    """
    i8 = types.int64
    signature = types.void(rows, i8, i8, i8, w, i8, out, i8, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.memory(context, builder, sig, args)
        _, rows_at, stride, depth, _, w_at, _, out_at, out_stride = args
        inputs = [at(builder, data(0), rows_at, builder.mul(stride, INDEX(r))) for r in range(ROWS)]
        totals = simd.registers(builder, [[constant(0.0)] * VECTORS] * ROWS)
        simd.add_products(builder, totals, inputs, at(builder, data(4), w_at), depth)
        for r, sums in enumerate(totals):
            place = at(builder, data(6), out_at, builder.mul(out_stride, INDEX(r)))
            for v, total in enumerate(sums):
                simd.store(builder, builder.load(total), at(builder, place, INDEX(v * LANES)))
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def exponentials(typingctx: Any, row: Any, first: Any, vectors: Any) -> Any:
    """exp of `vectors` vectors from `first` on less their maximum, in place; returns their sum."""
    signature = types.float32(row, types.int64, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.memory(context, builder, sig, args)
        start = at(builder, data(0), args[1])
        [[most, total]] = simd.registers(builder, [[constant(float("-inf")), constant(0.0)]])

        def each() -> Any:
            return cgutils.for_range(builder, args[2], intp=INDEX)

        def place(loop: Any) -> Any:
            return at(builder, start, builder.mul(loop.index, INDEX(LANES)))

        with each() as loop:
            here, so_far = simd.load(builder, place(loop)), builder.load(most)
            larger = builder.fcmp_unordered(">", here, so_far)
            builder.store(builder.select(larger, here, so_far), most)
        single = ir.FunctionType(ir.FloatType(), [VECTOR])
        name = f"llvm.vector.reduce.fmax.v{LANES}f32"
        reduce_most = cgutils.get_or_insert_function(builder.module, single, name)
        top = simd.repeated(builder, builder.call(reduce_most, [builder.load(most)]))
        with each() as loop:
            here = builder.fsub(simd.load(builder, place(loop)), top)
            here = simd.exponential(builder, here)
            simd.store(builder, here, place(loop))
            builder.store(builder.fadd(builder.load(total), here), total)
        lanes = builder.load(total)
        value = builder.extract_element(lanes, ir.IntType(32)(0))
        for lane in range(1, LANES):
            value = builder.fadd(value, builder.extract_element(lanes, ir.IntType(32)(lane)))
        return value

    return signature, codegen
