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
from torch.nn import functional

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

LOAD_BYTES = 16  # of one load; rows of channels are padded to a multiple
INTERPRETED_PROGRAMS = 3  # number of programs if the interpreter runs them
SHAPES = ["T", "H", "W", "T_OUT", "H_OUT", "W_OUT", "ACTIVE_DAYS"]  # not compiled for each value


class Config(NamedTuple):
    """Rows and columns of a tile, warps and pipeline stages of a program, programs on an SM."""

    tile_h: int = 8
    tile_w: int = 16
    warps: int = 4
    stages: int = 4
    per_sm: int = 2


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
    rows = channel_rows(x)
    sizes = blocks(rows.shape[1], outputs, math.prod(kernel), x.element_size(), precision)
    window = dict(zip(("KT", "KH", "KW"), kernel, strict=True))
    window |= dict(zip(("PT", "PH", "PW", "DT", "DH", "DW"), (*padding, *dilation), strict=True))
    window["WRAP"] = wrap_mode(x.shape[-1], padding[2], wrap_longitude)
    observed = mask.contiguous().view(torch.uint8)
    bits = torch.empty(new_mask.shape, dtype=torch.int32, device=x.device)
    weights = pack_weight(weight, rows, sizes)
    added = None if residual is None else residual.contiguous(memory_format=torch.channels_last_3d)

    def launch(config: Config) -> None:
        count, tiles = survey(observed, active, new_mask, bits, y, config, window, sizes["BLOCK_O"])
        most = len(tiles) * triton.cdiv(outputs, sizes["BLOCK_O"])
        convolve_kernel[(min(most, programs(x.device, config)),)](
            rows, observed, bits, weights,
            # an absent array is replaced by a pointer that is never read
            x if bias is None else bias.contiguous(), x if added is None else added,
            y, tiles, count, *x.shape[2:], *shape,
            C=rows.shape[1], OUT=outputs, HAS_BIAS=bias is not None,
            HAS_RESIDUAL=residual is not None, ACTIVATION=ACTIVATIONS.index(activation),
            PRECISION=precision,
            # the interpreter multiplies the bit patterns of bfloat16
            WIDEN=not x.is_cuda, TILE_H=config.tile_h, TILE_W=config.tile_w,
            num_warps=config.warps, num_stages=config.stages, enable_fp_fusion=True,
            **window, **sizes,
        )  # fmt: skip

    with on_device(x):
        configs = candidates(sizes, math.prod(kernel), rows.shape[1], precision)
        key = (*rows.shape[1:2], outputs, *kernel, str(x.dtype), precision)
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
    n_tiles = y.shape[0] * y.shape[2]
    n_tiles *= triton.cdiv(y.shape[3], config.tile_h) * triton.cdiv(y.shape[4], config.tile_w)
    tiles = torch.empty(n_tiles, dtype=torch.int32, device=y.device)
    count = torch.zeros(1, dtype=torch.int32, device=y.device)
    survey_kernel[(n_tiles,)](
        observed, observed if active is None else active.contiguous().view(torch.uint8),
        new_mask.view(torch.uint8), bits, y, tiles, count,
        *observed.shape[2:], *y.shape[2:], 1 if active is None else active.shape[0],
        OUT=y.shape[1], HAS_ACTIVE=active is not None, TILE_H=config.tile_h, TILE_W=config.tile_w,
        BLOCK_O=block, BLOCK_T=taps_at_once(window), num_warps=4, **window,
    )  # fmt: skip
    return count, tiles


def taps_at_once(window: dict[str, int]) -> int:
    """Cells of a window that the survey reads together."""
    taps = window["KT"] * window["KH"] * window["KW"]
    return min(32, int(triton.next_power_of_2(taps)))


def channel_rows(x: torch.Tensor) -> torch.Tensor:
    """`x` channels-last, with channels padded so that every load is aligned."""
    whole = LOAD_BYTES // x.element_size()
    if x.shape[1] > whole and x.shape[1] % whole:
        x = functional.pad(x, (0, 0, 0, 0, 0, 0, 0, -x.shape[1] % whole))
    return x.contiguous(memory_format=torch.channels_last_3d)


def pack_weight(weight: torch.Tensor, rows: torch.Tensor, sizes: dict[str, int]) -> torch.Tensor:
    """Weights as (outputs, taps * channels), padded with zeros to whole blocks."""
    outputs, channels, *kernel = weight.shape
    width, depth = math.prod(kernel), rows.shape[1]
    high = triton.cdiv(outputs, sizes["BLOCK_O"]) * sizes["BLOCK_O"]
    wide = triton.cdiv(width * depth, sizes["BLOCK_K"]) * sizes["BLOCK_K"]
    whole = torch.zeros((high, wide), dtype=rows.dtype, device=rows.device)
    part = whole[:outputs, : width * depth].unflatten(1, (width, depth))[..., :channels]
    part.copy_(weight.flatten(2).transpose(1, 2))
    return whole


def blocks(channels: int, outputs: int, taps: int, itemsize: int, precision: str) -> dict[str, int]:
    """Sizes of one matrix product: outputs, and taps times channels, taken at once."""
    exact = itemsize == 4 and precision == "ieee"
    return {
        "BLOCK_O": min(64 if exact else 128, max(16, triton.next_power_of_2(outputs))),
        # tensor cores read rows of 128 bytes
        "BLOCK_K": min(128 // itemsize, max(16, triton.next_power_of_2(taps * channels))),
    }


def candidates(sizes: dict[str, int], taps: int, channels: int, precision: str) -> list[Config]:
    """Configurations that need no more than the registers; the first is used if none is timed."""
    wide = sizes["BLOCK_O"] > 32 and (sizes["BLOCK_O"] > 64 or sizes["BLOCK_K"] < 64)
    first = Config(warps=8 if wide else 4, stages=3 if sizes["BLOCK_O"] > 64 else 4)
    if taps * channels < 256:  # too short a product to justify more compilations
        return [first._replace(stages=2, per_sm=4)]
    if sizes["BLOCK_O"] > 64 or sizes["BLOCK_K"] < 64:
        return [first]
    return [first, Config(warps=8, stages=3), Config(tile_h=16, warps=8, stages=3, per_sm=1)]


def programs(device: torch.device, config: Config) -> int:
    """Programs that `device` runs at once."""
    return (
        _multiprocessors(device) * config.per_sm if device.type == "cuda" else INTERPRETED_PROGRAMS
    )


@cache
def _multiprocessors(device: torch.device) -> int:
    return int(torch.cuda.get_device_properties(device).multi_processor_count)


@triton.jit
def tile_cells(tile, T_OUT, H_OUT, W_OUT, TILE_H: tl.constexpr, TILE_W: tl.constexpr):
    """Batch, day, row and column of the TILE_H * TILE_W cells of a tile."""
    cell = tl.arange(0, TILE_H * TILE_W)
    columns = tl.cdiv(W_OUT, TILE_W)
    rows = tl.cdiv(H_OUT, TILE_H)
    j = tile % columns * TILE_W + cell % TILE_W
    i = tile // columns % rows * TILE_H + cell // TILE_W
    day = tile // (columns * rows)
    return (day // T_OUT).to(tl.int64), day % T_OUT, i, j


@triton.jit
def popcount(v):
    """Number of bits that are set in each of `v`, below 2**31."""
    v -= (v >> 1) & 0x55555555
    v = (v & 0x33333333) + ((v >> 2) & 0x33333333)
    v = (v + (v >> 4)) & 0x0F0F0F0F
    v += v >> 8
    return (v + (v >> 16)) & 0x3F


@triton.jit(do_not_specialize=SHAPES)
def survey_kernel(
    mask_ptr, active_ptr, new_mask_ptr, bits_ptr, y_ptr, tiles_ptr, count_ptr,
    T, H, W, T_OUT, H_OUT, W_OUT, ACTIVE_DAYS,
    OUT: tl.constexpr, KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    PT: tl.constexpr, PH: tl.constexpr, PW: tl.constexpr,
    DT: tl.constexpr, DH: tl.constexpr, DW: tl.constexpr,
    WRAP: tl.constexpr, HAS_ACTIVE: tl.constexpr,
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_T: tl.constexpr,
):  # fmt: skip
    """One tile: its new mask; the observed cells of its windows and an entry in the list, or zeros.

    `bits`, int32, has a bit for each observed cell of a window, or their number if a window has
    more than 31 cells; it is written for the tiles of the list only. The list is in any order.
    """
    tile = tl.program_id(0)
    b, t, i, j = tile_cells(tile, T_OUT, H_OUT, W_OUT, TILE_H, TILE_W)
    # make it a vector like the others: the interpreter does not mix them with scalars
    t += i * 0
    inside = (i < H_OUT) & (j < W_OUT)
    cell = ((b * T_OUT + t) * H_OUT + i) * W_OUT + j
    computed = inside
    if HAS_ACTIVE:
        index = ((t % ACTIVE_DAYS).to(tl.int64) * H_OUT + i) * W_OUT + j
        computed &= tl.load(active_ptr + index, mask=computed, other=0) != 0
    bits = tl.zeros((TILE_H * TILE_W,), tl.int32)
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
    tl.store(new_mask_ptr + cell, (bits != 0).to(tl.int8), mask=inside)
    if tl.max(bits, axis=0) > 0:
        tl.store(bits_ptr + cell, bits, mask=inside)
        tl.store(tiles_ptr + tl.atomic_add(count_ptr, 1), tile)
    else:
        for start in range(0, OUT, BLOCK_O):
            o = start + tl.arange(0, BLOCK_O)
            zeros = tl.zeros((TILE_H * TILE_W, BLOCK_O), y_ptr.dtype.element_ty)
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
    TILE_H: tl.constexpr, TILE_W: tl.constexpr, BLOCK_O: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """The tiles of the list, distributed over the programs.

    x, residual and y are channels-last; weight is (outputs, taps * C), padded with zeros to whole
    blocks. Values of missing cells are not read.
    """
    CELLS: tl.constexpr = TILE_H * TILE_W
    TAPS: tl.constexpr = KT * KH * KW
    BLOCKS_O: tl.constexpr = (OUT + BLOCK_O - 1) // BLOCK_O
    STEPS: tl.constexpr = (TAPS * C + BLOCK_K - 1) // BLOCK_K
    for item in range(tl.program_id(0), tl.load(count_ptr) * BLOCKS_O, tl.num_programs(0)):
        tile = tl.load(tiles_ptr + item // BLOCKS_O)
        o = item % BLOCKS_O * BLOCK_O + tl.arange(0, BLOCK_O)
        b, t, i, j = tile_cells(tile, T_OUT, H_OUT, W_OUT, TILE_H, TILE_W)
        inside = (i < H_OUT) & (j < W_OUT)
        cell = ((b * T_OUT + t) * H_OUT + i) * W_OUT + j
        bits = tl.load(bits_ptr + cell, mask=inside, other=0)
        count = popcount(bits) if TAPS <= 31 else bits
        nonempty = count > 0

        total = tl.zeros((CELLS, BLOCK_O), tl.float32)
        first = (b * T + t) * H * W
        for step in range(STEPS):
            # the inner dimension is cells of the window times channels
            k = step * BLOCK_K + tl.arange(0, BLOCK_K)
            tap = k // C
            day = (tap // (KH * KW) * DT - PT).to(tl.int64) * H * W
            r = i[:, None] + (tap // KW % KH * DH - PH)[None, :]
            c = column(j[:, None] + (tap % KW * DW - PW)[None, :], W, PW, WRAP)
            # 64 bits: days of a global grid times channels overflow 32
            index = (first + day)[None, :] + (r * W + c)
            if TAPS <= 31:
                observed = (bits[:, None] >> tl.minimum(tap, 31)[None, :]) & 1 != 0
            else:
                u = (t + tap // (KH * KW) * DT - PT)[None, :]
                valid = (u >= 0) & (u < T) & (r >= 0) & (r < H) & (c >= 0) & (c < W)
                valid &= nonempty[:, None] & (tap < TAPS)[None, :]
                observed = tl.load(mask_ptr + index, mask=valid, other=0) != 0
            values = tl.load(
                x_ptr + index * C + (k % C)[None, :], mask=observed, other=0.0, cache_modifier=".ca"
            )
            factors = tl.load(weight_ptr + o[None, :] * (STEPS * BLOCK_K) + k[:, None])
            values, factors = rounded(values, PRECISION), rounded(factors, PRECISION)
            if WIDEN:
                values, factors = values.to(tl.float32), factors.to(tl.float32)
            total = tl.dot(values, factors, total, input_precision=PRECISION)

        # K / s, computed so that a full window stays exact
        total *= (TAPS / tl.maximum(count, 1).to(tl.float32))[:, None]
        stored = nonempty[:, None] & (o < OUT)[None, :]
        if HAS_BIAS:
            total += tl.load(bias_ptr + o, mask=o < OUT, other=0.0).to(tl.float32)[None, :]
        row = (cell * OUT)[:, None] + o[None, :]
        if HAS_RESIDUAL:
            total += tl.load(residual_ptr + row, mask=stored, other=0.0).to(tl.float32)
        total = tl.where(nonempty[:, None], activated(total, ACTIVATION), 0.0)
        tl.store(
            y_ptr + row, total.to(y_ptr.dtype.element_ty),
            mask=inside[:, None] & (o < OUT)[None, :],
        )  # fmt: skip
