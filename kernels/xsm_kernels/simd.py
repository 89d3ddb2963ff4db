"""The inner loop of the products as vector code, written once in LLVM's own terms.

Left to itself the compiler keeps the sums in memory; here they are vectors of the widest kind the
CPU has, held in registers over the whole window.
"""

from __future__ import annotations

import math
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
    """Sums that begin with the vectors `starts`; the optimiser puts them in registers."""
    return [[cgutils.alloca_once_value(builder, start) for start in row] for row in starts]


def add_products(
    builder: Any, totals: list[list[Any]], rows: list[Any], w: Any, count: Any
) -> None:
    """Add ``sum_{k < count} rows[p][k] * w[k, v * LANES : (v + 1) * LANES]`` to totals[p][v].

    Each vector of weights that is loaded serves all rows.
    """
    vectors = len(totals[0])
    with cgutils.for_range(builder, count, intp=INDEX) as k:
        here = at(builder, w, builder.mul(k.index, INDEX(vectors * LANES)))
        weights = [load(builder, at(builder, here, INDEX(v * LANES))) for v in range(vectors)]
        for row, sums in zip(rows, totals, strict=True):
            value = repeated(builder, builder.load(at(builder, row, k.index)))
            for weight, total in zip(weights, sums, strict=True):
                added = multiply_add(builder, value, weight, builder.load(total))
                builder.store(added, total)


def exponential(builder: Any, x: Any) -> Any:
    """exp(x) to a few roundings, for x of at most 0; below -87 it stays there."""
    low = builder.fcmp_ordered("<", x, constant(-87.0))
    x = builder.select(low, constant(-87.0), x)
    # the nearest whole number of octaves, in the last bits of a float that has no others
    shifted = multiply_add(builder, x, constant(1 / math.log(2)), constant(1.5 * 2.0**23))
    octaves = builder.fsub(shifted, constant(1.5 * 2.0**23))
    rest = multiply_add(builder, octaves, constant(-0.693359375), x)
    rest = multiply_add(builder, octaves, constant(0.693359375 - math.log(2)), rest)
    total = constant(1 / math.factorial(7))
    for n in range(6, -1, -1):
        total = multiply_add(builder, total, rest, constant(1 / math.factorial(n)))
    whole = ir.VectorType(ir.IntType(32), LANES)
    exponent = builder.shl(builder.bitcast(shifted, whole), ir.Constant(whole, [23] * LANES))
    return builder.bitcast(builder.add(builder.bitcast(total, whole), exponent), VECTOR)


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
