"""One day of some pixels and hidden units as vector code: products, gates and new state at once."""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

from xsm_kernels import simd
from xsm_kernels.simd import INDEX, LANES, at, constant, multiply_add, tanh_parts

GATES = 4
# pixels whose sums, times four gates, are held in registers at once
PIXELS = 6 if LANES == 16 else 3


def _gated(builder: Any, z: list[Any], c: Any) -> tuple[Any, Any]:
    """New (h, c) from half the sums of i, f, o and the sum of g.

    With sigmoid(z) = (1 + tanh(z / 2)) / 2, and quotients brought over one denominator: two
    divisions instead of five.
    """
    (i, i_under), (f, f_under), (g, g_under), (o, o_under) = (
        tanh_parts(builder, part) for part in z
    )
    half = constant(0.5)
    new = builder.fmul(builder.fmul(builder.fadd(i, i_under), g), f_under)
    kept = builder.fmul(builder.fadd(f, f_under), builder.fmul(i_under, g_under))
    under = builder.fmul(f_under, builder.fmul(i_under, g_under))
    c = builder.fdiv(builder.fmul(half, multiply_add(builder, kept, c, new)), under)
    t, t_under = tanh_parts(builder, c)
    above = builder.fmul(builder.fmul(half, builder.fadd(o, o_under)), t)
    return builder.fdiv(above, builder.fmul(o_under, t_under)), c


@intrinsic
def advance(
    typingctx: Any,
    rows: Any,
    now: Any,
    following: Any,
    stride: Any,
    width: Any,
    depth: Any,
    w: Any,
    bias: Any,
    panel: Any,
) -> Any:
    """New state of LANES hidden units of PIXELS pixels.

    A row of `rows` (flat float32) holds c (`width`), h (`width`) and x of a pixel, `depth` floats
    of h and x together; those of PIXELS pixels begin at `now`, one each `stride`. The new c and h
    go to the rows that begin at `following`. `w` (panels, depth, GATES, LANES) and `bias`
    (panels, GATES, LANES) are flat.
    """
    i8 = types.int64
    signature = types.void(rows, i8, i8, i8, i8, i8, w, bias, i8)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = simd.memory(context, builder, sig, args)
        _, now, following, stride, width, depth, _, _, panel = args
        own = [builder.mul(stride, INDEX(p)) for p in range(PIXELS)]
        inputs = [at(builder, data(0), now, width, offset) for offset in own]
        size = builder.mul(depth, INDEX(GATES * LANES))
        weights = at(builder, data(6), builder.mul(panel, size))
        offsets = at(builder, data(7), builder.mul(panel, INDEX(GATES * LANES)))
        starts = [simd.load(builder, at(builder, offsets, INDEX(g * LANES))) for g in range(GATES)]
        totals = simd.registers(builder, [starts] * PIXELS)
        simd.add_products(builder, totals, inputs, weights, depth)
        unit = builder.mul(panel, INDEX(LANES))
        for offset, sums in zip(own, totals, strict=True):
            c = simd.load(builder, at(builder, data(0), now, offset, unit))
            h, c = _gated(builder, [builder.load(total) for total in sums], c)
            place = at(builder, data(0), following, offset, unit)
            simd.store(builder, c, place)
            simd.store(builder, h, at(builder, place, width))
        return context.get_dummy_value()

    return signature, codegen
