"""The inner loop of the convolution as vector code, written once in LLVM's own terms.

Left to itself the compiler keeps the sums in memory; here they are vectors of the widest kind the
CPU has, held in registers over the whole window.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
import llvmlite.ir as ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _lanes() -> int:
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") and features.get("fma") else 4


# floats per vector; rows and output channels held at once: OUTPUTS * ROWS sums of LANES floats
LANES = _lanes()
ROWS = 2
OUTPUTS = 8 if LANES == 16 else 4


@intrinsic
def accumulate(
    typingctx: Any,
    sums: Any,
    x: Any,
    x_start: Any,
    x_taps: Any,
    w: Any,
    w_start: Any,
    w_taps: Any,
    taps: Any,
    channels: Any,
    plane: Any,
    row: Any,
) -> Any:
    """Sum a window for ROWS x LANES cells and OUTPUTS channels.

    ``sums[o, r, l] = sum_{k < taps, c < channels} w[w_start + w_taps[k] + c * OUTPUTS + o]
    * x[x_start + x_taps[k] + c * plane + r * row + l]``

    `sums` is float32 (OUTPUTS, ROWS, LANES), `x` and `w` are flat float32, `x_taps` and `w_taps`
    int64; all contiguous.
    """
    signature = types.void(sums, x, types.int64, x_taps, w, types.int64, w_taps, *[types.int64] * 4)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def data(index: int) -> Any:
            return context.make_array(sig.args[index])(context, builder, args[index]).data

        def step(pointer: Any, *offsets: Any) -> Any:
            for offset in offsets:
                pointer = builder.gep(pointer, [offset])
            return pointer

        def vector_at(pointer: Any) -> Any:
            return builder.bitcast(pointer, vector.as_pointer())

        vector = ir.VectorType(ir.FloatType(), LANES)
        index = ir.IntType(64)
        splat_mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
        )
        # promoted to registers by the optimiser
        totals = [
            [
                cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES))
                for _ in range(ROWS)
            ]
            for _ in range(OUTPUTS)
        ]
        _, _, x_start, _, _, w_start, _, taps, channels, plane, row = args
        x_data, x_taps, w_data, w_taps = (data(i) for i in (1, 3, 4, 6))
        with cgutils.for_range(builder, taps, intp=index) as tap:
            x_tap = step(x_data, x_start, builder.load(step(x_taps, tap.index)))
            w_tap = step(w_data, w_start, builder.load(step(w_taps, tap.index)))
            with cgutils.for_range(builder, channels, intp=index) as channel:
                x_here = step(x_tap, builder.mul(channel.index, plane))
                w_here = step(w_tap, builder.mul(channel.index, index(OUTPUTS)))
                cells = [
                    builder.load(vector_at(step(x_here, builder.mul(row, index(r)))), align=4)
                    for r in range(ROWS)
                ]
                for o in range(OUTPUTS):
                    value = builder.load(step(w_here, index(o)))
                    single = builder.insert_element(
                        ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0)
                    )
                    factor = builder.shuffle_vector(
                        single, ir.Constant(vector, ir.Undefined), splat_mask
                    )
                    for r in range(ROWS):
                        total = builder.load(totals[o][r])
                        builder.store(builder.call(fma, [factor, cells[r], total]), totals[o][r])
        for o in range(OUTPUTS):
            for r in range(ROWS):
                place = step(data(0), index((o * ROWS + r) * LANES))
                builder.store(builder.load(totals[o][r]), vector_at(place), align=4)
        return context.get_dummy_value()

    return signature, codegen
