"""The inner loop of the products as vector code, written once in LLVM's own terms.

Left to itself the compiler keeps the sums in memory; here they are vectors of the widest kind the
CPU has, held in registers over the whole window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import llvmlite.ir as ir
import numpy as np
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

# tanh(x) = x P(x^2) / Q(x^2) within 2e-8 up to |x| = 9, where it rounds to 1: minimax fit
FAR = 9.0
P = (
    0.9999999795082529, 0.13381042385222905, 0.003495606868359057, 2.0609344783328138e-05,
    1.3354939695645897e-08,
)  # fmt: skip
Q = (
    1.0, 0.46714358017388946, 0.02587705647976231, 0.00032856634784950145,
    7.776690207151105e-07,
)  # fmt: skip

# 2^x = POWERS(x) within 2e-9 of it for |x| <= 1/2: minimax fit
POWERS = (
    1.0000000005541678, 0.6931472057372619, 0.2402264689062032, 0.055503287769746654,
    0.00961848895860418, 0.0013399931216177923, 0.00015345811603437168,
)  # fmt: skip

VECTOR = ir.VectorType(ir.FloatType(), LANES)
INDEX = ir.IntType(64)


def at(builder: Any, pointer: Any, *offsets: Any) -> Any:
    """`pointer` moved by so many elements."""
    for offset in offsets:
        pointer = builder.gep(pointer, [offset])
    return pointer


def load(builder: Any, pointer: Any) -> Any:
    """LANES floats from `pointer` on."""
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def store(builder: Any, value: Any, pointer: Any) -> None:
    """LANES floats to `pointer` and after."""
    builder.store(value, builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def constant(value: float) -> Any:
    """A vector of one number."""
    return ir.Constant(VECTOR, [float(np.float32(value))] * LANES)


def repeated(builder: Any, value: Any) -> Any:
    """A vector of one float."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    single = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return builder.shuffle_vector(single, undefined, lane)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c of vectors."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    name = f"llvm.fmuladd.v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def registers(builder: Any, starts: list[list[Any]]) -> list[list[Any]]:
    """Sums that begin with the vectors `starts`; the optimiser puts them in registers.

    What finds no room there goes to the stack, where a vector should not lie across cache lines.
    """
    attributes = builder.function.attributes
    attributes.add("nounwind")  # llvmlite writes none where the set is empty
    attributes.alignstack = 4 * LANES
    return [[cgutils.alloca_once_value(builder, start) for start in row] for row in starts]


def add_products(
    builder: Any,
    totals: list[list[Any]],
    rows: list[Any],
    w: Any,
    count: Any,
    step: int | None = None,
) -> None:
    """Add ``sum_{k < count} rows[p][k] * w[k, v * LANES : (v + 1) * LANES]`` to totals[p][v].

    Each vector of weights that is loaded serves all rows. From one k to the next `w` goes on by
    `step` floats; None where the vectors of all k lie together.
    """
    vectors = len(totals[0])
    step = vectors * LANES if step is None else step
    with cgutils.for_range(builder, count, intp=INDEX) as k:
        here = at(builder, w, builder.mul(k.index, INDEX(step)))
        weights = [load(builder, at(builder, here, INDEX(v * LANES))) for v in range(vectors)]
        for row, sums in zip(rows, totals, strict=True):
            value = repeated(builder, builder.load(at(builder, row, k.index)))
            for weight, total in zip(weights, sums, strict=True):
                added = multiply_add(builder, value, weight, builder.load(total))
                builder.store(added, total)


def power_of_two(builder: Any, x: Any) -> Any:
    """2^x to a rounding or two, for x of at most 0; below -126 it stays there."""
    low = builder.fcmp_ordered("<", x, constant(-126.0))
    x = builder.select(low, constant(-126.0), x)
    # the nearest whole number, in the last bits of a float that has no others
    shifted = builder.fadd(x, constant(1.5 * 2.0**23))
    rest = builder.fsub(x, builder.fsub(shifted, constant(1.5 * 2.0**23)))
    total = constant(POWERS[-1])
    for factor in POWERS[-2::-1]:
        total = multiply_add(builder, total, rest, constant(factor))
    whole = ir.VectorType(ir.IntType(32), LANES)
    exponent = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [23] * LANES))
    return builder.bitcast(builder.add(builder.bitcast(total, whole), exponent), VECTOR)


def tanh_parts(builder: Any, x: Any) -> tuple[Any, Any]:
    """Numerator and denominator of tanh(x); NaN stays NaN."""
    for bound, beyond in ((FAR, ">"), (-FAR, "<")):
        far = builder.fcmp_ordered(beyond, x, constant(bound))
        x = builder.select(far, constant(bound), x)
    square = builder.fmul(x, x)
    p, q = constant(P[-1]), constant(Q[-1])
    for a, b in zip(P[-2::-1], Q[-2::-1], strict=True):
        p = multiply_add(builder, p, square, constant(a))
        q = multiply_add(builder, q, square, constant(b))
    return builder.fmul(x, p), q


def memory(context: Any, builder: Any, sig: Any, args: Any) -> Callable[[int], Any]:
    """From the place of an array among the arguments of an intrinsic to its first element."""
    return lambda n: context.make_array(sig.args[n])(context, builder, args[n]).data


@intrinsic
def copy(
    typingctx: Any, source: Any, source_at: Any, target: Any, target_at: Any, count: Any
) -> Any:
    """Copy `count` neighbouring floats from one array's memory into another's."""
    i8 = types.int64
    signature = types.void(source, i8, target, i8, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = memory(context, builder, sig, args)
        places = [at(builder, data(n), args[n + 1]) for n in (0, 2)]
        whole = builder.udiv(args[4], INDEX(LANES))
        with cgutils.for_range(builder, whole, intp=INDEX) as vector:
            here, there = (
                at(builder, place, builder.mul(vector.index, INDEX(LANES))) for place in places
            )
            store(builder, load(builder, here), there)
        done = builder.mul(whole, INDEX(LANES))
        with cgutils.for_range(builder, builder.sub(args[4], done), intp=INDEX) as rest:
            here, there = (at(builder, place, done, rest.index) for place in places)
            builder.store(builder.load(here), there)
        return context.get_dummy_value()

    return signature, codegen


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
        data = memory(context, builder, sig, args)
        zeros = constant(0.0)
        totals = registers(builder, [[zeros] * VECTORS] * CELLS)
        x_data, starts_data, parts_data = data(1), data(2), data(5)
        w_data = at(builder, data(3), args[4])
        with cgutils.for_range(builder, args[6], intp=INDEX) as part:
            here = at(builder, parts_data, builder.mul(part.index, INDEX(2)))
            w_here = at(builder, w_data, builder.load(at(builder, here, INDEX(1))))
            places = at(builder, starts_data, builder.mul(part.index, INDEX(CELLS)))
            cells = [
                at(builder, x_data, builder.load(at(builder, places, INDEX(p))))
                for p in range(CELLS)
            ]
            add_products(builder, totals, cells, w_here, builder.load(here))
        for p in range(CELLS):
            factor = builder.load(at(builder, data(7), INDEX(p)))
            some = builder.fcmp_ordered(">", factor, ir.Constant(ir.FloatType(), 0.0))
            for v in range(VECTORS):
                added = load(builder, at(builder, data(8), args[9], INDEX(v * LANES)))
                total = builder.load(totals[p][v])
                result = multiply_add(builder, total, repeated(builder, factor), added)
                place = at(builder, data(0), INDEX(p * OUTPUTS + v * LANES))
                store(builder, builder.select(some, result, zeros), place)
        return context.get_dummy_value()

    return signature, codegen
