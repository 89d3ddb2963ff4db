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


# floats per vector; cells and output channels whose sums are held in registers at once
LANES = _lanes()
VECTORS = 2
CELLS = 12 if LANES == 16 else 6
OUTPUTS = VECTORS * LANES


@intrinsic
def accumulate(
    typingctx: Any,
    sums: Any,
    x: Any,
    starts: Any,
    w: Any,
    w_start: Any,
    parts: Any,
    count: Any,
    factors: Any,
    bias: Any,
    first: Any,
) -> Any:
    """Sum the parts of the windows of CELLS cells, for OUTPUTS channels from `first` on.

    A part is a run of input channels, at a place of its own for each cell::

        total[p, o] = sum_{k < count, c < parts[k, 0]}
            x[starts[k, p] + c] * w[w_start + parts[k, 1] + c * OUTPUTS + o]
        sums[p, o] = total[p, o] * factors[p] + bias[first + o]    where factors[p] > 0, else 0

    `sums` is float32 (CELLS, OUTPUTS), `x` and `w` are flat float32, `starts` int64 (n, CELLS) and
    `parts` int64 (n, 2); all contiguous.
    """
    i8 = types.int64
    signature = types.void(sums, x, starts, w, i8, parts, i8, factors, bias, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def data(index: int) -> Any:
            return context.make_array(sig.args[index])(context, builder, args[index]).data

        def at(pointer: Any, *offsets: Any) -> Any:
            for offset in offsets:
                pointer = builder.gep(pointer, [offset])
            return pointer

        def vector_at(pointer: Any) -> Any:
            return builder.bitcast(pointer, vector.as_pointer())

        vector = ir.VectorType(ir.FloatType(), LANES)
        index = ir.IntType(64)
        undefined = ir.Constant(vector, ir.Undefined)
        zeros = ir.Constant(vector, [0.0] * LANES)
        lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

        def repeated(value: Any) -> Any:
            single = builder.insert_element(undefined, value, ir.IntType(32)(0))
            return builder.shuffle_vector(single, undefined, lane)

        # promoted to registers by the optimiser
        totals = [
            [cgutils.alloca_once_value(builder, zeros) for _ in range(VECTORS)]
            for _ in range(CELLS)
        ]
        x_data, starts_data, parts_data = data(1), data(2), data(5)
        w_data = at(data(3), args[4])
        with cgutils.for_range(builder, args[6], intp=index) as part:
            here = at(parts_data, builder.mul(part.index, index(2)))
            w_here = at(w_data, builder.load(at(here, index(1))))
            places = at(starts_data, builder.mul(part.index, index(CELLS)))
            cells = [at(x_data, builder.load(at(places, index(p)))) for p in range(CELLS)]
            with cgutils.for_range(builder, builder.load(here), intp=index) as channel:
                row = at(w_here, builder.mul(channel.index, index(OUTPUTS)))
                weights = [
                    builder.load(vector_at(at(row, index(v * LANES))), align=4)
                    for v in range(VECTORS)
                ]
                for p in range(CELLS):
                    value = repeated(builder.load(at(cells[p], channel.index)))
                    for v in range(VECTORS):
                        total = builder.load(totals[p][v])
                        builder.store(builder.call(fma, [value, weights[v], total]), totals[p][v])
        for p in range(CELLS):
            factor = builder.load(at(data(7), index(p)))
            some = builder.fcmp_ordered(">", factor, ir.Constant(ir.FloatType(), 0.0))
            for v in range(VECTORS):
                added = vector_at(at(data(8), args[9], index(v * LANES)))
                operands = [builder.load(totals[p][v]), repeated(factor)]
                result = builder.call(fma, [*operands, builder.load(added, align=4)])
                place = vector_at(at(data(0), index(p * OUTPUTS + v * LANES)))
                builder.store(builder.select(some, result, zeros), place, align=4)
        return context.get_dummy_value()

    return signature, codegen
