"""Vector code for the inner loops of the CPU kernels, written in LLVM's intermediate language.

Without it the compiler keeps the sums of a matrix product in memory. Here they are vectors of the
widest kind that the CPU has, held in registers over the whole sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

# tanh(x) = x ABOVE(x^2) / BELOW(x^2) within 2e-8 up to |x| = 9, where it rounds to 1: minimax fit
TANH_LIMIT = 9.0
TANH_ABOVE = (
    0.9999999795082529, 0.13381042385222905, 0.003495606868359057, 2.0609344783328138e-05,
    1.3354939695645897e-08,
)  # fmt: skip
TANH_BELOW = (
    1.0, 0.46714358017388946, 0.02587705647976231, 0.00032856634784950145,
    7.776690207151105e-07,
)  # fmt: skip

# polynomial for 2^x, within 2e-9 for |x| <= 1/2: minimax fit
EXP2 = (
    1.0000000005541678, 0.6931472057372619, 0.2402264689062032, 0.055503287769746654,
    0.00961848895860418, 0.0013399931216177923, 0.00015345811603437168,
)  # fmt: skip

VECTOR = ir.VectorType(ir.FloatType(), LANES)
INDEX = ir.IntType(64)


def address(builder: Any, pointer: Any, *offsets: Any) -> Any:
    """`pointer` advanced by the sum of `offsets`, in elements."""
    for offset in offsets:
        pointer = builder.gep(pointer, [offset])
    return pointer


def load(builder: Any, pointer: Any) -> Any:
    """Load LANES floats that begin at `pointer`."""
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def store(builder: Any, value: Any, pointer: Any) -> None:
    """Store LANES floats that begin at `pointer`."""
    builder.store(value, builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def constant(value: float) -> Any:
    """A vector with the same number in all lanes, known at compile time."""
    return ir.Constant(VECTOR, [float(np.float32(value))] * LANES)


def broadcast(builder: Any, value: Any) -> Any:
    """A vector with the same float in all lanes."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    lane = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    single = builder.insert_element(undefined, value, ir.IntType(32)(0))
    return builder.shuffle_vector(single, undefined, lane)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c of vectors."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    name = f"llvm.fmuladd.v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def accumulators(builder: Any, starts: list[list[Any]]) -> list[list[Any]]:
    """Variables that begin as the vectors `starts`; the optimiser keeps them in registers.

    Variables that do not fit there go to the stack, which is aligned so that no vector lies across
    two cache lines.
    """
    attributes = builder.function.attributes
    attributes.add("nounwind")  # llvmlite writes no attributes if the set is empty
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

    Each vector of weights is loaded once and used for all rows. The weights of successive k are
    `step` floats apart; None if they are contiguous.
    """
    vectors = len(totals[0])
    step = vectors * LANES if step is None else step
    with cgutils.for_range(builder, count, intp=INDEX) as k:
        w_of_k = address(builder, w, builder.mul(k.index, INDEX(step)))
        weights = [
            load(builder, address(builder, w_of_k, INDEX(v * LANES))) for v in range(vectors)
        ]
        _add_product(builder, totals, (address(builder, row, k.index) for row in rows), weights)


def _add_product(
    builder: Any, totals: list[list[Any]], values: Iterable[Any], weights: list[Any]
) -> None:
    """Add the product of the value at ``values[p]`` with ``weights[v]`` to totals[p][v].

    The addresses are computed one by one, each before its value is loaded.
    """
    for at, sums in zip(values, totals, strict=True):
        value = broadcast(builder, builder.load(at))
        for weight, total in zip(weights, sums, strict=True):
            builder.store(multiply_add(builder, value, weight, builder.load(total)), total)


def exp2(builder: Any, x: Any) -> Any:
    """2^x to one or two roundings, for x <= 0; x below -126 counts as -126."""
    low = builder.fcmp_ordered("<", x, constant(-126.0))
    x = builder.select(low, constant(-126.0), x)
    # nearest integer, in the low bits of a float whose mantissa has room for nothing else
    shifted = builder.fadd(x, constant(1.5 * 2.0**23))
    rest = builder.fsub(x, builder.fsub(shifted, constant(1.5 * 2.0**23)))
    total = constant(EXP2[-1])
    for factor in EXP2[-2::-1]:
        total = multiply_add(builder, total, rest, constant(factor))
    integers = ir.VectorType(ir.IntType(32), LANES)
    exponent = builder.shl(builder.bitcast(shifted, integers), ir.Constant(integers, [23] * LANES))
    return builder.bitcast(builder.add(builder.bitcast(total, integers), exponent), VECTOR)


def tanh_quotient(builder: Any, x: Any) -> tuple[Any, Any]:
    """Numerator and denominator of tanh(x); NaN stays NaN."""
    for bound, beyond in ((TANH_LIMIT, ">"), (-TANH_LIMIT, "<")):
        far = builder.fcmp_ordered(beyond, x, constant(bound))
        x = builder.select(far, constant(bound), x)
    square = builder.fmul(x, x)
    p, q = constant(TANH_ABOVE[-1]), constant(TANH_BELOW[-1])
    for a, b in zip(TANH_ABOVE[-2::-1], TANH_BELOW[-2::-1], strict=True):
        p = multiply_add(builder, p, square, constant(a))
        q = multiply_add(builder, q, square, constant(b))
    return builder.fmul(x, p), q


def data_pointers(context: Any, builder: Any, sig: Any, args: Any) -> Callable[[int], Any]:
    """Function from the index of an array argument of an intrinsic to the array's first element."""
    return lambda n: context.make_array(sig.args[n])(context, builder, args[n]).data


@intrinsic
def copy_floats(
    typingctx: Any, source: Any, source_at: Any, target: Any, target_at: Any, count: Any
) -> Any:
    """Copy `count` contiguous floats from one array into another."""
    i8 = types.int64
    signature = types.void(source, i8, target, i8, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = data_pointers(context, builder, sig, args)
        ends = [address(builder, data(n), args[n + 1]) for n in (0, 2)]
        whole = builder.udiv(args[4], INDEX(LANES))
        with cgutils.for_range(builder, whole, intp=INDEX) as vector:
            read, write = (
                address(builder, end, builder.mul(vector.index, INDEX(LANES))) for end in ends
            )
            store(builder, load(builder, read), write)
        done = builder.mul(whole, INDEX(LANES))
        with cgutils.for_range(builder, builder.sub(args[4], done), intp=INDEX) as rest:
            read, write = (address(builder, end, done, rest.index) for end in ends)
            builder.store(builder.load(read), write)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def nonzero_bits(typingctx: Any, sums: Any, p: Any) -> Any:
    """Bits at which ``sums[p]``, of OUTPUTS channels, is not 0."""
    signature = types.uint32(sums, types.int64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.mul(args[1], INDEX(OUTPUTS))
        values = address(builder, data_pointers(context, builder, sig, args)(0), first)
        word = ir.IntType(32)
        bits = word(0)
        for v in range(VECTORS):
            vector = load(builder, address(builder, values, INDEX(v * LANES)))
            is_nonzero = builder.fcmp_unordered("!=", vector, constant(0.0))
            flags = builder.zext(builder.bitcast(is_nonzero, ir.IntType(LANES)), word)
            bits = builder.or_(bits, builder.shl(flags, word(v * LANES)))
        return bits

    return signature, codegen


@intrinsic
def trailing_zeros(typingctx: Any, bits: Any) -> Any:
    """Number of the lowest bit that is set."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.cttz(args[0], ir.Constant(ir.IntType(1), 1)), INDEX)

    return types.int64(types.uint32), codegen


@intrinsic
def count_bits(typingctx: Any, bits: Any) -> Any:
    """Number of bits that are set."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.ctpop(args[0]), INDEX)

    return types.int64(types.uint32), codegen


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
    """Sum the windows of CELLS cells, for OUTPUTS channels from `first` on.

    A part of a window is a run of input channels, which starts elsewhere for each cell::

        total[p, o] = sum_{k < count, c < parts[k, 0]}
            x[starts[k, p] + c] * w[w_start + parts[k, 1] + c * OUTPUTS + o]
        sums[p, o] = total[p, o] * factors[p] + bias[first + o]    where factors[p] > 0, else 0

    `sums` is float32 (CELLS, OUTPUTS), `x` and `w` are flat float32, `starts` int64 (n, CELLS) and
    `parts` int64 (n, 2); all contiguous.
    """
    i8 = types.int64
    signature = types.void(sums, x, starts, w, i8, parts, i8, factors, bias, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = data_pointers(context, builder, sig, args)
        totals = accumulators(builder, [[constant(0.0)] * VECTORS] * CELLS)
        x_data, starts_data, parts_data = data(1), data(2), data(5)
        w_data = address(builder, data(3), args[4])
        with cgutils.for_range(builder, args[6], intp=INDEX) as part:
            n_channels = address(builder, parts_data, builder.mul(part.index, INDEX(2)))
            w_start = builder.load(address(builder, n_channels, INDEX(1)))
            part_starts = address(builder, starts_data, builder.mul(part.index, INDEX(CELLS)))
            cells = [
                address(builder, x_data, builder.load(address(builder, part_starts, INDEX(p))))
                for p in range(CELLS)
            ]
            w_part = address(builder, w_data, w_start)
            add_products(builder, totals, cells, w_part, builder.load(n_channels))
        _finish(builder, totals, data(0), data(7), data(8), args[9])
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def accumulate_listed(
    typingctx: Any,
    sums: Any,
    x: Any,
    starts: Any,
    w: Any,
    w_start: Any,
    products: Any,
    count: Any,
    factors: Any,
    bias: Any,
    first: Any,
) -> Any:
    """:func:`accumulate` of those channels only that are listed in `products`::

        total[p, o] = sum_{k < count}
            x[starts[products[k, 0], p] + products[k, 1]] * w[w_start + products[k, 2] + o]

    `products` is int64 (n, 3), n > count: part, channel within the part, and start of its weights.
    In the order of :func:`accumulate`, and without channels of zeros, the result has the same bits:
    a product with 0 changes no sum.
    """
    i8 = types.int64
    signature = types.void(sums, x, starts, w, i8, products, i8, factors, bias, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = data_pointers(context, builder, sig, args)
        totals = accumulators(builder, [[constant(0.0)] * VECTORS] * CELLS)
        x_data, starts_data, products_data = data(1), data(2), data(5)
        w_data = address(builder, data(3), args[4])
        # weights are loaded one product ahead: if the compiler must wait for them, it loads the
        # values of all cells before, and has no registers left for the sums
        (weights,) = accumulators(builder, [[constant(0.0)] * VECTORS])

        def load_weights(product: Any) -> None:
            w_offset = builder.load(address(builder, product, INDEX(2)))
            for v, weight in enumerate(weights):
                value = load(builder, address(builder, w_data, w_offset, INDEX(v * LANES)))
                builder.store(value, weight)

        load_weights(products_data)
        with cgutils.for_range(builder, args[6], intp=INDEX) as k:
            product = address(builder, products_data, builder.mul(k.index, INDEX(3)))
            part, channel = (builder.load(address(builder, product, INDEX(n))) for n in range(2))
            part_starts = address(builder, starts_data, builder.mul(part, INDEX(CELLS)))
            x_of_channel = address(builder, x_data, channel)
            loaded = [builder.load(weight) for weight in weights]
            starts_of_cells = (address(builder, part_starts, INDEX(p)) for p in range(CELLS))
            values = (address(builder, x_of_channel, builder.load(s)) for s in starts_of_cells)
            _add_product(builder, totals, values, loaded)
            load_weights(address(builder, product, INDEX(3)))
        _finish(builder, totals, data(0), data(7), data(8), args[9])
        return context.get_dummy_value()

    return signature, codegen


def _finish(
    builder: Any, totals: list[list[Any]], sums: Any, factors: Any, bias: Any, first: Any
) -> None:
    """Store ``totals[p] * factors[p] + bias[first:]`` where the factor is above 0, else 0."""
    zeros = constant(0.0)
    for p, vectors in enumerate(totals):
        factor = builder.load(address(builder, factors, INDEX(p)))
        is_observed = builder.fcmp_ordered(">", factor, ir.Constant(ir.FloatType(), 0.0))
        for v, total in enumerate(vectors):
            added = load(builder, address(builder, bias, first, INDEX(v * LANES)))
            result = multiply_add(builder, builder.load(total), broadcast(builder, factor), added)
            out = address(builder, sums, INDEX(p * OUTPUTS + v * LANES))
            store(builder, builder.select(is_observed, result, zeros), out)
