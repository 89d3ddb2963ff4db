"""Masked 3-D convolution on GPUs: an implicit matrix product with all other steps fused.

A survey lists the tiles (cells of one day) that have a result. Then as many programs as the GPU
runs at once take the tiles of the list in turn. The list stays on the device: the host does not
wait for it.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import torch
import triton
import triton.language as tl

from xsm_kernels._triton_common import (
    activated,
    column,
    on_device,
    product_precision,
    rounded,
    triton_backend,
    tuned,
    wrap_mode,
)
from xsm_kernels.arguments import ACTIVATIONS, Triple, output_shape

LOAD_BYTES = 16  # largest of one load; rows of channels are padded to a multiple
MAX_BITS = 31  # cells of a window that have a bit each in a word
INTERPRETED_PROGRAMS = 3  # number of programs if the interpreter runs them
# not compiled for each value
SHAPES = ["T", "H", "W", "T_OUT", "H_OUT", "W_OUT"]
TRANSPOSED_CELLS = 128  # of a program that transposes


class Config(NamedTuple):
    """Rows and columns of a tile, warps and pipeline stages of a program, programs on an SM.

    `days` of output are computed together from the days that they share, as one product with the
    weights of both days side by side, zero where a day is not in the window of the other. That
    loads KT + 1 instead of 2 KT days, and multiplies by some zeros.
    """

    tile_h: int = 8
    tile_w: int = 16
    warps: int = 4
    stages: int = 4
    per_sm: int = 2
    days: int = 1


@triton_backend
def masked_conv3d(
    x: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    active: torch.Tensor | None = None,
    *,
    activation: str | None = None,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.masked_conv3d.reference.masked_conv3d`.

    float16 and bfloat16 are multiplied as they are and summed in float32; float32 is IEEE under
    ``torch.set_float32_matmul_precision("highest")`` (the default of PyTorch), else tf32.
    `y`, and without a copy `x` and `residual`, are ``torch.channels_last_3d`` in memory.
    Where two days are computed together (:class:`Config`), an observed NaN or Inf also makes the
    result of the other day NaN, outside its own windows.
    """
    outputs, _, *kernel = weight.shape
    shape = output_shape(x.shape, (kernel[0], kernel[1], kernel[2]), padding, dilation)
    new_mask = torch.empty((x.shape[0], 1, *shape), dtype=torch.bool, device=x.device)
    y = torch.empty(
        (x.shape[0], outputs, *shape),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last_3d,
    )
    if new_mask.numel() == 0:
        return y, new_mask
    precision = product_precision(x.dtype)
    rows = channel_rows(x, mask)
    sizes = blocks(rows.shape[1], outputs, math.prod(kernel), x.element_size(), precision)
    window = dict(zip(("KT", "KH", "KW"), kernel, strict=True))
    window |= dict(zip(("PT", "PH", "PW", "DT", "DH", "DW"), (*padding, *dilation), strict=True))
    window["WRAP"] = wrap_mode(x.shape[-1], padding[2], wrap_longitude)
    observed = mask.contiguous().view(torch.uint8)
    bits = torch.empty(new_mask.shape, dtype=torch.int32, device=x.device)
    packed: dict[int, torch.Tensor] = {}  # by days of output
    added = None if residual is None else residual.contiguous(memory_format=torch.channels_last_3d)

    def launch(config: Config) -> None:
        count, tiles = survey(observed, active, new_mask, bits, y, config, window, sizes["BLOCK_O"])
        most = len(tiles) * triton.cdiv(outputs, sizes["BLOCK_O"])
        if config.days not in packed:
            packed[config.days] = pack_weight(weight, rows, sizes, config.days)
        convolve_kernel[(min(most, programs(x.device, config)),)](
            rows, observed, bits, packed[config.days],
            # an absent array is replaced by a pointer that is never read
            x if bias is None else bias.contiguous(), x if added is None else added,
            y, tiles, count, *x.shape[2:], *shape,
            C=rows.shape[1], OUT=outputs, HAS_BIAS=bias is not None,
            HAS_RESIDUAL=residual is not None, ACTIVATION=ACTIVATIONS.index(activation),
            PRECISION=precision,
            # the interpreter multiplies the bit patterns of bfloat16
            WIDEN=not x.is_cuda, TILE_H=config.tile_h, TILE_W=config.tile_w, DAYS=config.days,
            num_warps=config.warps, num_stages=config.stages, enable_fp_fusion=True,
            **window, **sizes,
        )  # fmt: skip

    with on_device(x):
        configs = candidates(sizes, rows.shape[1], math.prod(kernel), kernel[0], dilation[0])
        # days that are apart have no days in common: other configurations
        key = (*rows.shape[1:2], outputs, *kernel, dilation[0], str(x.dtype), precision)
        key += (convolve_kernel.cache_key[:12],) if x.is_cuda else ()
        launch(tuned(key, configs, launch, x, new_mask.numel()))
    return y, new_mask


def survey(
    observed: torch.Tensor,
    active: torch.Tensor | None,
    new_mask: torch.Tensor,
    bits: torch.Tensor,
    y: torch.Tensor,
    config: Config,
    window: dict[str, int],
    block: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Write the new mask and the observed cells of each window; zero `y` in all empty tiles.

    Returns
    -------
    count : int32 (1,)
        Number of tiles with an observed cell in a window.
    tiles : int32 (tiles,)
        Their numbers come first, in any order.
    """
    n_tiles = y.shape[0] * triton.cdiv(y.shape[2], config.days)
    n_tiles *= triton.cdiv(y.shape[3], config.tile_h) * triton.cdiv(y.shape[4], config.tile_w)
    tiles = torch.empty(n_tiles, dtype=torch.int32, device=y.device)
    count = torch.zeros(1, dtype=torch.int32, device=y.device)
    survey_kernel[(n_tiles,)](
        observed, observed if active is None else active.contiguous().view(torch.uint8),
        new_mask.view(torch.uint8), bits, y, tiles, count,
        *observed.shape[2:], *y.shape[2:], 1 if active is None else active.shape[0],
        OUT=y.shape[1], HAS_ACTIVE=active is not None, TILE_H=config.tile_h, TILE_W=config.tile_w,
        DAYS=config.days, BLOCK_O=block, BLOCK_T=taps_at_once(window), num_warps=4, **window,
    )  # fmt: skip
    return count, tiles


def taps_at_once(window: dict[str, int]) -> int:
    """Cells of a window that the survey reads together."""
    taps = window["KT"] * window["KH"] * window["KW"]
    return min(32, int(triton.next_power_of_2(taps)))


def channel_rows(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`x` channels-last, with channels padded so that every load is aligned.

    The result is `x` itself where that is so already. Missing cells are undefined otherwise.
    """
    whole = LOAD_BYTES // x.element_size()
    channels = x.shape[1]
    depth = channels if channels <= whole else triton.cdiv(channels, whole) * whole
    if depth == channels and x.is_contiguous(memory_format=torch.channels_last_3d):
        return x
    shape = x.shape[0], depth, *x.shape[2:]
    rows = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last_3d)
    x = x if x.stride()[2:] == (x[0, 0, 0].numel(), x.shape[4], 1) else x.contiguous()
    cells = x[0, 0].numel()
    observed = mask.contiguous().view(torch.uint8)
    with on_device(x):
        # one axis: CUDA allows 2^31 programs along the first, 65,535 along the others
        transpose_kernel[(triton.cdiv(cells, TRANSPOSED_CELLS) * x.shape[0],)](
            x, observed, rows, cells, *x.stride()[:2], C=channels, DEPTH=depth,
            BLOCK_C=triton.next_power_of_2(depth), CELLS=TRANSPOSED_CELLS,
        )  # fmt: skip
    return rows


def pack_weight(
    weight: torch.Tensor, rows: torch.Tensor, sizes: dict[str, int], days: int
) -> torch.Tensor:
    """Weights as (blocks, days, BLOCK_O, taps * channels), padded with zeros to whole blocks.

    The window of `days` days of output is KT + `days` - 1 days long; the weights of a later day
    begin as many days later.
    """
    outputs, channels, *kernel = weight.shape
    depth, size = rows.shape[1], sizes["BLOCK_O"]
    of_day, width = kernel[1] * kernel[2], (kernel[0] + days - 1) * kernel[1] * kernel[2]
    high = triton.cdiv(outputs, size) * size
    wide = triton.cdiv(width * depth, sizes["BLOCK_K"]) * sizes["BLOCK_K"]
    whole = torch.zeros((days, high, wide), dtype=rows.dtype, device=rows.device)
    by_tap = weight.flatten(2).transpose(1, 2)
    for day in range(days):
        part = whole[day, :outputs, : width * depth].unflatten(1, (width, depth))
        first = day * of_day
        part[:, first : first + kernel[0] * of_day, :channels].copy_(by_tap)
    return whole.unflatten(1, (-1, size)).transpose(0, 1).contiguous()


def blocks(channels: int, outputs: int, taps: int, itemsize: int, precision: str) -> dict[str, int]:
    """Sizes of one matrix product: outputs, and taps times channels, taken at once."""
    exact = itemsize == 4 and precision == "ieee"
    return {
        "BLOCK_O": min(64 if exact else 128, max(16, triton.next_power_of_2(outputs))),
        # tensor cores read rows of 128 bytes
        "BLOCK_K": min(128 // itemsize, max(16, triton.next_power_of_2(taps * channels))),
    }


def candidates(
    sizes: dict[str, int], channels: int, taps: int, days: int, time_dilation: int = 1
) -> list[Config]:
    """Configurations that need no more than the registers; the first is used if none is timed."""
    wide = sizes["BLOCK_O"] > 32 and (sizes["BLOCK_O"] > 64 or sizes["BLOCK_K"] < 64)
    first = Config(warps=8 if wide else 4, stages=3 if sizes["BLOCK_O"] > 64 else 4)
    if taps * channels < 256:  # too short a product to justify more compilations
        return [first._replace(stages=2, per_sm=4)]
    if sizes["BLOCK_O"] > 64 or sizes["BLOCK_K"] < 64:
        return [first]
    large = Config(tile_h=16, warps=8, stages=3, per_sm=1)
    if days > 1 == time_dilation and taps <= MAX_BITS:
        two = [first._replace(stages=3, days=2), large._replace(days=2)]
        # two days of more outputs fill the registers
        return [*two, first] if sizes["BLOCK_O"] <= 32 else [first, *two]
    return [first, large]


def programs(device: torch.device, config: Config) -> int:
    """Programs that `device` runs at once."""
    return (
        _multiprocessors(device) * config.per_sm if device.type == "cuda" else INTERPRETED_PROGRAMS
    )


@cache
def _multiprocessors(device: torch.device) -> int:
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


@triton.jit
def tile_cells(
    tile, T_OUT, H_OUT, W_OUT, TILE_H: tl.constexpr, TILE_W: tl.constexpr, DAYS: tl.constexpr
):
    """Batch, first day, row and column of the TILE_H * TILE_W cells of a tile."""
    cell = tl.arange(0, TILE_H * TILE_W)
    columns = tl.cdiv(W_OUT, TILE_W)
    rows = tl.cdiv(H_OUT, TILE_H)
    days = tl.cdiv(T_OUT, DAYS)
    j = tile % columns * TILE_W + cell % TILE_W
    i = tile // columns % rows * TILE_H + cell // TILE_W
    day = tile // (columns * rows)
    return (day // days).to(tl.int64), day % days * DAYS, i, j


@triton.jit
def popcount(v):
    """Number of bits that are set in each of `v`, below 2**31."""
    v -= (v >> 1) & 0x55555555
    v = (v & 0x33333333) + ((v >> 2) & 0x33333333)
    v = (v + (v >> 4)) & 0x0F0F0F0F
    v += v >> 8
    return (v + (v >> 16)) & 0x3F


@triton.jit
def transpose_kernel(
    x_ptr, mask_ptr, rows_ptr, n, BATCH_STRIDE, CHANNEL_STRIDE,
    C: tl.constexpr, DEPTH: tl.constexpr, BLOCK_C: tl.constexpr, CELLS: tl.constexpr,
):  # fmt: skip
    """CELLS flat cells of a batch element, from (C, n) to (n, DEPTH); none if all are missing."""
    programs = tl.cdiv(n, CELLS)  # of a batch element
    b = (tl.program_id(0) // programs).to(tl.int64)
    cell = (tl.program_id(0) % programs).to(tl.int64) * CELLS + tl.arange(0, CELLS)
    observed = tl.load(mask_ptr + b * n + cell, mask=cell < n, other=0) != 0
    if tl.max(observed.to(tl.int32), axis=0) > 0:
        c = tl.arange(0, BLOCK_C)
        source = b * BATCH_STRIDE + c.to(tl.int64)[:, None] * CHANNEL_STRIDE + cell[None, :]
        values = tl.load(x_ptr + source, mask=(c < C)[:, None] & observed[None, :], other=0.0)
        target = (b * n + cell)[:, None] * DEPTH + c[None, :]
        tl.store(
            rows_ptr + target, tl.trans(values), mask=(cell < n)[:, None] & (c < DEPTH)[None, :]
        )


@triton.jit
def window_bits(
    mask_ptr, computed, b, t, i, j, T, H, W,
    KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    PT: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    DT: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
    WRAP: tl.constexpr, CELLS: tl.constexpr, BLOCK_T: tl.constexpr,
):  # fmt: skip
    """The observed cells of the window of each cell to compute: bits, or their number."""
    bits = tl.zeros((CELLS,), tl.int32)
    if tl.max(computed.to(tl.int32), axis=0) > 0:
        for first in tl.static_range(0, KT * KH * KW, BLOCK_T):
            tap = first + tl.arange(0, BLOCK_T)
            # (cells, taps)
            u = t[:, None] + (tap // (KH * KW) * DT - PT)[None, :]
            r = i[:, None] + (tap // KW % KH * DH - PH)[None, :]
            c = column(j[:, None] + (tap % KW * DW - PW)[None, :], W, PW, WRAP)
            valid = (u >= 0) & (u < T) & (r >= 0) & (r < H) & (c >= 0) & (c < W)
            valid &= computed[:, None] & (tap < KT * KH * KW)[None, :]
            source = ((b * T + u) * H + r) * W + c
            observed = tl.load(mask_ptr + source, mask=valid, other=0).to(tl.int32)
            if KT * KH * KW <= 31:
                observed <<= tap[None, :]
            bits += tl.sum(observed, axis=1)
    return bits


@triton.jit(do_not_specialize=[*SHAPES, "ACTIVE_DAYS"])
def survey_kernel(
    mask_ptr, active_ptr, new_mask_ptr, bits_ptr, y_ptr, tiles_ptr, count_ptr,
    T, H, W, T_OUT, H_OUT, W_OUT, ACTIVE_DAYS,
    OUT: tl.constexpr, KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    PT: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    DT: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
    WRAP: tl.constexpr, HAS_ACTIVE: tl.constexpr, DAYS: tl.constexpr,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_T: tl.constexpr,
):  # fmt: skip
    """One tile: its new mask; the observed cells of its windows and an entry in the list, or zeros.

    `bits`, int32, has a bit for each observed cell of a window, or their number if a window has
    more than 31 cells. The list is in any order.
    """
    CELLS: tl.constexpr = TILE_H * TILE_W
    tile = tl.program_id(0)
    b, first_day, i, j = tile_cells(tile, T_OUT, H_OUT, W_OUT, TILE_H, TILE_W, DAYS)
    nonempty = 0
    for day in tl.static_range(DAYS):
        # make it a vector like the others: the interpreter does not mix them with scalars
        t = first_day + day + i * 0
        inside = (t < T_OUT) & (i < H_OUT) & (j < W_OUT)
        computed = inside
        if HAS_ACTIVE:
            index = ((t % ACTIVE_DAYS).to(tl.int64) * H_OUT + i) * W_OUT + j
            computed &= tl.load(active_ptr + index, mask=computed, other=0) != 0
        bits = window_bits(
            mask_ptr, computed, b, t, i, j, T, H, W, KT, KH, KW, PT, PH, PW, DT, DH, DW, WRAP,
            CELLS, BLOCK_T,
        )  # fmt: skip
        cell = ((b * T_OUT + t) * H_OUT + i) * W_OUT + j
        tl.store(new_mask_ptr + cell, (bits != 0).to(tl.int8), mask=inside)
        tl.store(bits_ptr + cell, bits, mask=inside)
        nonempty |= tl.max(bits, axis=0)
    if nonempty > 0:
        tl.store(tiles_ptr + tl.atomic_add(count_ptr, 1), tile)
    else:
        for day in tl.static_range(DAYS):
            t = first_day + day + i * 0
            cell = ((b * T_OUT + t) * H_OUT + i) * W_OUT + j
            inside = (t < T_OUT) & (i < H_OUT) & (j < W_OUT)
            for start in range(0, OUT, BLOCK_O):
                o = start + tl.arange(0, BLOCK_O)
                zeros = tl.zeros((CELLS, BLOCK_O), y_ptr.dtype.element_ty)
                tl.store(
                    y_ptr + (cell * OUT)[:, None] + o[None, :], zeros,
                    mask=inside[:, None] & (o < OUT)[None, :],
                )  # fmt: skip


@triton.jit(do_not_specialize=SHAPES)
def convolve_kernel(
    x_ptr, mask_ptr, bits_ptr, weight_ptr, bias_ptr, residual_ptr, y_ptr, tiles_ptr, count_ptr,
    T, H, W, T_OUT, H_OUT, W_OUT,
    C: tl.constexpr, OUT: tl.constexpr, KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    PT: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    DT: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
    WRAP: tl.constexpr, HAS_BIAS: tl.constexpr, HAS_RESIDUAL: tl.constexpr,
    ACTIVATION: tl.constexpr, PRECISION: tl.constexpr, WIDEN: tl.constexpr,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, DAYS: tl.constexpr,
    BLOCK_O: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """The tiles of the list, distributed over the programs.

    x, residual and y are channels-last; weight is that of `pack_weight`. Values of missing cells
    are not read. Columns of a product are the outputs of one day, then those of the next.
    """
    CELLS: tl.constexpr = TILE_H * TILE_W
    TAPS: tl.constexpr = KT * KH * KW
    BLOCKS_O: tl.constexpr = (OUT + BLOCK_O - 1) // BLOCK_O
    STEPS: tl.constexpr = ((KT + DAYS - 1) * KH * KW * C + BLOCK_K - 1) // BLOCK_K
    for item in range(tl.program_id(0), tl.load(count_ptr) * BLOCKS_O, tl.num_programs(0)):
        tile = tl.load(tiles_ptr + item // BLOCKS_O)
        n = item % BLOCKS_O * (DAYS * BLOCK_O) + tl.arange(0, DAYS * BLOCK_O)
        b, t, i, j = tile_cells(tile, T_OUT, H_OUT, W_OUT, TILE_H, TILE_W, DAYS)
        inside = (i < H_OUT) & (j < W_OUT)
        cell = ((b * T_OUT + t) * H_OUT + i) * W_OUT + j
        bits = tl.load(bits_ptr + cell, mask=inside, other=0)
        later = bits
        if DAYS == 2:  # a cell that is active on one of the two days has bits of that day only
            later = tl.load(bits_ptr + cell + H_OUT * W_OUT, mask=inside & (t + 1 < T_OUT), other=0)
            last = later >> (TAPS - KH * KW)
            first = bits | (later << (KH * KW))

        total = tl.zeros((CELLS, DAYS * BLOCK_O), tl.float32)
        # 64 bits: days of a global grid times channels overflow 32
        row = x_ptr + (((b * T + t) * H + i) * W + j) * C
        for step in range(STEPS):
            # the inner dimension is cells of the window times channels
            k = step * BLOCK_K + tl.arange(0, BLOCK_K)
            tap = k // C
            up, aside = tap // KW % KH * DH - PH, tap % KW * DW - PW
            offset = (tap // (KH * KW) * DT - PT).to(tl.int64) * H * W + (up * W + aside)
            source = row[:, None] + (offset * C + k % C)[None, :]
            if WRAP > 0:
                c = j[:, None] + aside[None, :]
                beyond = column(c, W, PW, WRAP) - c
                source += beyond * C
            if DAYS == 2:
                word = tl.where((tap < TAPS)[None, :], first[:, None], last[:, None])
                bit = tl.where(tap < TAPS, tap, tap - TAPS)
                observed = (word & (1 << tl.minimum(bit, 31))[None, :]) != 0
            elif TAPS <= 31:
                observed = (bits[:, None] & (1 << tl.minimum(tap, 31))[None, :]) != 0
            else:
                u = (t + tap // (KH * KW) * DT - PT)[None, :]
                r = i[:, None] + up[None, :]
                c = column(j[:, None] + aside[None, :], W, PW, WRAP)
                valid = (u >= 0) & (u < T) & (r >= 0) & (r < H) & (c >= 0) & (c < W)
                valid &= (bits > 0)[:, None] & (tap < TAPS)[None, :]
                index = ((b * T + u) * H + r) * W + c
                observed = tl.load(mask_ptr + index, mask=valid, other=0) != 0
            values = tl.load(source, mask=observed, other=0.0, cache_modifier=".ca")
            factors = tl.load(weight_ptr + n[None, :] * (STEPS * BLOCK_K) + k[:, None])
            values, factors = rounded(values, PRECISION), rounded(factors, PRECISION)
            if WIDEN:
                values, factors = values.to(tl.float32), factors.to(tl.float32)
            total = tl.dot(values, factors, total, input_precision=PRECISION)

        second = (n % (DAYS * BLOCK_O) >= BLOCK_O)[None, :]
        o = n // (DAYS * BLOCK_O) * BLOCK_O + n % BLOCK_O
        number = tl.where(second, later[:, None], bits[:, None])
        if TAPS <= 31:
            number = popcount(number)
        nonempty = number > 0
        # K / s, computed so that a full window stays exact
        total *= TAPS / tl.maximum(number, 1).to(tl.float32)
        if HAS_BIAS:
            total += tl.load(bias_ptr + o, mask=o < OUT, other=0.0).to(tl.float32)[None, :]
        # 64 bits: a day of a fine grid times channels overflows 32
        at = (cell[:, None] + second.to(tl.int64) * H_OUT * W_OUT) * OUT + o[None, :]
        written = inside[:, None] & (o < OUT)[None, :] & (t + second < T_OUT)
        if HAS_RESIDUAL:
            total += tl.load(residual_ptr + at, mask=written & nonempty, other=0.0).to(tl.float32)
        total = tl.where(nonempty, activated(total, ACTIVATION), 0.0)
        tl.store(y_ptr + at, total.to(y_ptr.dtype.element_ty), mask=written)
