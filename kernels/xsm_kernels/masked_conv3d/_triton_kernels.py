"""The GPU kernels of the masked convolution: a survey of the tiles, then their matrix products."""

from __future__ import annotations

import triton
import triton.language as tl

SHAPES = ["T", "H", "W", "T_OUT", "H_OUT", "W_OUT", "ACTIVE_DAYS"]  # of these none is compiled for


@triton.jit
def column(c, W, PW: tl.constexpr, WRAP: tl.constexpr):
    """Column on a circle of W: WRAP 1 goes round once, 2 as often as it takes."""
    if WRAP == 1:
        c = tl.where(c < 0, c + W, tl.where(c >= W, c - W, c))
    elif WRAP == 2:
        # as many times W as make the left padding positive
        c = (c + (PW + W - 1) // W * W) % W
    return c


@triton.jit
def place_of(tile, T_OUT, H_OUT, W_OUT, TILE_H: tl.constexpr, TILE_W: tl.constexpr):
    """Batch, day, row and column of the TILE_H * TILE_W cells of a tile."""
    cell = tl.arange(0, TILE_H * TILE_W)
    columns = tl.cdiv(W_OUT, TILE_W)
    rows = tl.cdiv(H_OUT, TILE_H)
    j = tile % columns * TILE_W + cell % TILE_W
    i = tile // columns % rows * TILE_H + cell // TILE_W
    day = tile // (columns * rows)
    return (day // T_OUT).to(tl.int64), day % T_OUT, i, j


@triton.jit
def ones(v):
    """Bits that are set in each of `v`, below 2**31."""
    v -= (v >> 1) & 0x55555555
    v = (v & 0x33333333) + ((v >> 2) & 0x33333333)
    v = (v + (v >> 4)) & 0x0F0F0F0F
    v += v >> 8
    return (v + (v >> 16)) & 0x3F


@triton.jit
def rounded(v, PRECISION: tl.constexpr):
    """`v` to the nearest that tensor cores read; they would cut the rest of a float32 off."""
    if PRECISION == "tf32":
        v = ((v.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)
    return v


@triton.jit
def activated(v, ACTIVATION: tl.constexpr):
    """Activation by its place in ``arguments.ACTIVATIONS``, in float32."""
    if ACTIVATION == 1:
        v = tl.maximum(v, 0.0)
    elif ACTIVATION == 2:
        v = tl.where(v > 0, v, 0.01 * v)
    elif ACTIVATION == 3:
        v = v / (1.0 + tl.exp(-v))
    elif ACTIVATION == 4:
        e = tl.exp(-2.0 * tl.abs(v))
        far = tl.where(v < 0, -1.0, 1.0) * (1.0 - e) / (1.0 + e)
        # the quotient loses digits near 0: Taylor to the order of float32
        s = v * v
        near = v * (1.0 + s * (-1.0 / 3 + s * (2.0 / 15 - s * (17.0 / 315))))
        v = tl.where(s < 0.01, near, far)
    return v


@triton.jit(do_not_specialize=SHAPES)
def survey_kernel(
    mask_ptr, active_ptr, new_mask_ptr, seen_ptr, y_ptr, tiles_ptr, count_ptr,
    T, H, W, T_OUT, H_OUT, W_OUT, ACTIVE_DAYS,
    OUT: tl.constexpr, KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    PT: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    DT: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
    WRAP: tl.constexpr, HAS_ACTIVE: tl.constexpr,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_T: tl.constexpr,
):  # fmt: skip
    """One tile: its new mask, what its windows see, and its place in the list, or zeros in `y`.

    `seen`, int32, has a bit for each observed cell of a window, or their number where a window has
    more than 31 cells; only tiles of the list have it. The list is in any order.
    """
    tile = tl.program_id(0)
    b, t, i, j = place_of(tile, T_OUT, H_OUT, W_OUT, TILE_H, TILE_W)
    # a vector like the others: the interpreter mixes them badly with scalars
    t += i * 0
    inside = (i < H_OUT) & (j < W_OUT)
    cell = ((b * T_OUT + t) * H_OUT + i) * W_OUT + j
    matters = inside
    if HAS_ACTIVE:
        place = ((t % ACTIVE_DAYS).to(tl.int64) * H_OUT + i) * W_OUT + j
        matters &= tl.load(active_ptr + place, mask=matters, other=0) != 0
    seen = tl.zeros((TILE_H * TILE_W,), tl.int32)
    for first in tl.static_range(0, KT * KH * KW, BLOCK_T):
        tap = first + tl.arange(0, BLOCK_T)
        # (cells, taps)
        u = t[:, None] + (tap // (KH * KW) * DT - PT)[None, :]
        r = i[:, None] + (tap // KW % KH * DH - PH)[None, :]
        c = column(j[:, None] + (tap % KW * DW - PW)[None, :], W, PW, WRAP)
        there = (u >= 0) & (u < T) & (r >= 0) & (r < H) & (c >= 0) & (c < W)
        there &= matters[:, None] & (tap < KT * KH * KW)[None, :]
        known = tl.load(mask_ptr + ((b * T + u) * H + r) * W + c, mask=there, other=0).to(tl.int32)
        if KT * KH * KW <= 31:
            known <<= tap[None, :]
        seen += tl.sum(known, axis=1)
    tl.store(new_mask_ptr + cell, (seen != 0).to(tl.int8), mask=inside)
    if tl.max(seen, axis=0) > 0:
        tl.store(seen_ptr + cell, seen, mask=inside)
        tl.store(tiles_ptr + tl.atomic_add(count_ptr, 1), tile)
    else:
        for start in range(0, OUT, BLOCK_O):
            o = start + tl.arange(0, BLOCK_O)
            nothing = tl.zeros((TILE_H * TILE_W, BLOCK_O), y_ptr.dtype.element_ty)
            tl.store(
                y_ptr + (cell * OUT)[:, None] + o[None, :], nothing,
                mask=inside[:, None] & (o < OUT)[None, :],
            )  # fmt: skip


@triton.jit(do_not_specialize=SHAPES)
def convolve_kernel(
    x_ptr, mask_ptr, seen_ptr, weight_ptr, bias_ptr, residual_ptr, y_ptr, tiles_ptr, count_ptr,
    T, H, W, T_OUT, H_OUT, W_OUT,
    C: tl.constexpr, OUT: tl.constexpr, KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    PT: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    DT: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
    WRAP: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_RESIDUAL: tl.constexpr,
    ACTIVATION: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """The tiles of the list, taken in turns by as many programs as there are.

    x, residual and y have a row of channels per cell; weight is (outputs, taps * C), both padded
    to whole blocks with zeros. What a window does not see is not read.
    """
    CELLS: tl.constexpr = TILE_H * TILE_W
    TAPS: tl.constexpr = KT * KH * KW
    BLOCKS_O: tl.constexpr = (OUT + BLOCK_O - 1) // BLOCK_O
    STEPS: tl.constexpr = (TAPS * C + BLOCK_K - 1) // BLOCK_K
    for turn in range(tl.program_id(0), tl.load(count_ptr) * BLOCKS_O, tl.num_programs(0)):
        tile = tl.load(tiles_ptr + turn // BLOCKS_O)
        o = turn % BLOCKS_O * BLOCK_O + tl.arange(0, BLOCK_O)
        b, t, i, j = place_of(tile, T_OUT, H_OUT, W_OUT, TILE_H, TILE_W)
        inside = (i < H_OUT) & (j < W_OUT)
        cell = ((b * T_OUT + t) * H_OUT + i) * W_OUT + j
        seen = tl.load(seen_ptr + cell, mask=inside, other=0)
        count = ones(seen) if TAPS <= 31 else seen
        full = count > 0

        total = tl.zeros((CELLS, BLOCK_O), tl.float32)
        first = (b * T + t) * H * W
        for step in range(STEPS):
            # the inner dimension runs over the cells of the window, then their channels
            k = step * BLOCK_K + tl.arange(0, BLOCK_K)
            tap = k // C
            day = (tap // (KH * KW) * DT - PT).to(tl.int64) * H * W
            r = i[:, None] + (tap // KW % KH * DH - PH)[None, :]
            c = column(j[:, None] + (tap % KW * DW - PW)[None, :], W, PW, WRAP)
            # 64 bits: days of a global grid times channels overflow 32
            where = (first + day)[None, :] + (r * W + c)
            if TAPS <= 31:
                known = (seen[:, None] >> tl.minimum(tap, 31)[None, :]) & 1 != 0
            else:
                u = (t + tap // (KH * KW) * DT - PT)[None, :]
                there = (u >= 0) & (u < T) & (r >= 0) & (r < H) & (c >= 0) & (c < W)
                there &= full[:, None] & (tap < TAPS)[None, :]
                known = tl.load(mask_ptr + where, mask=there, other=0) != 0
            values = tl.load(
                x_ptr + where * C + (k % C)[None, :], mask=known, other=0.0, cache_modifier=".ca"
            )
            factors = tl.load(weight_ptr + o[None, :] * (STEPS * BLOCK_K) + k[:, None])
            values, factors = rounded(values, PRECISION), rounded(factors, PRECISION)
            if WIDEN:
                values, factors = values.to(tl.float32), factors.to(tl.float32)
            total = tl.dot(values, factors, total, input_precision=PRECISION)

        # K / s, in the order that keeps a full window exact
        total *= (TAPS / tl.maximum(count, 1).to(tl.float32))[:, None]
        chosen = full[:, None] & (o < OUT)[None, :]
        if HAS_BIAS:
            total += tl.load(bias_ptr + o, mask=o < OUT, other=0.0).to(tl.float32)[None, :]
        row = (cell * OUT)[:, None] + o[None, :]
        if HAS_RESIDUAL:
            total += tl.load(residual_ptr + row, mask=chosen, other=0.0).to(tl.float32)
        total = tl.where(full[:, None], activated(total, ACTIVATION), 0.0)
        tl.store(
            y_ptr + row, total.to(y_ptr.dtype.element_ty),
            mask=inside[:, None] & (o < OUT)[None, :],
        )  # fmt: skip
