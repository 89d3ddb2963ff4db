"""Masked 3-D convolution on GPUs: an implicit matrix product with everything around it fused.

A program makes TILE_H x TILE_W cells of one day (the rows of the product) for BLOCK_O output
channels; the inner dimension runs over the cells of the window times the channels. The mask is the
condition of the loads, so what lies under it is never read.
"""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
import triton
import triton.language as tl

from xsm_kernels.arguments import ACTIVATIONS, Triple, output_shape


@triton.jit
def window_cell(tap, t, i, j, T, H, W, KH, KW, PT, PH, PW, DT, DH, DW, WRAP: tl.constexpr):
    """Cell of the input under one tap of the windows around (t, i, j), and whether it exists."""
    u = t + (tap // (KH * KW)) * DT - PT
    r = i + (tap // KW % KH) * DH - PH
    c = j + (tap % KW) * DW - PW
    inside = (u >= 0) & (u < T) & (r >= 0) & (r < H)
    if WRAP:
        # as many times W as make the left padding positive
        c = (c + (PW + W - 1) // W * W) % W
    else:
        inside &= (c >= 0) & (c < W)
    # 64 bits: a day of a global grid times days times channels overflows 32
    return (u.to(tl.int64) * H + r) * W + c, inside


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


@triton.jit
def convolve_kernel(
    x_ptr, mask_ptr, weight_ptr, bias_ptr, residual_ptr, active_ptr, y_ptr, new_mask_ptr,
    T, H, W, T_OUT, H_OUT, W_OUT, OUT, ACTIVE_DAYS,
    KH, KW, PT, PH, PW, DT, DH, DW,
    C: tl.constexpr, TAPS: tl.constexpr, WRAP: tl.constexpr, HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr, HAS_ACTIVE: tl.constexpr, ACTIVATION: tl.constexpr,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr, TILE_H: tl.constexpr, TILE_W: tl.constexpr,
    BLOCK_O: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """One tile of one day; weight is (TAPS, C, OUT), all else as in the reference, contiguous."""
    CELLS: tl.constexpr = TILE_H * TILE_W
    BLOCKS_C: tl.constexpr = (C + BLOCK_C - 1) // BLOCK_C
    tile, block = tl.program_id(0), tl.program_id(1)
    columns = tl.cdiv(W_OUT, TILE_W)
    rows = tl.cdiv(H_OUT, TILE_H)
    cell = tl.arange(0, CELLS)
    j = tile % columns * TILE_W + cell % TILE_W
    i = tile // columns % rows * TILE_H + cell // TILE_W
    # a vector like the others: the interpreter mixes them badly with scalars
    t = tile // (columns * rows) % T_OUT + cell * 0
    b = (tile // (columns * rows) // T_OUT).to(tl.int64)
    matters = (i < H_OUT) & (j < W_OUT)
    if HAS_ACTIVE:
        day = (t % ACTIVE_DAYS).to(tl.int64)
        place = (day * H_OUT + i) * W_OUT + j
        matters &= tl.load(active_ptr + place, mask=matters, other=0) != 0

    # observed cells per window, in integers: (CELLS,)
    mask_ptr += b * T * H * W
    count = tl.zeros((CELLS,), tl.int32)
    for tap in range(TAPS):
        where, inside = window_cell(
            tap, t, i, j, T, H, W, KH, KW, PT, PH, PW, DT, DH, DW, WRAP
        )  # fmt: skip
        count += tl.load(mask_ptr + where, mask=inside & matters, other=0).to(tl.int32)
    full = count > 0

    o = block * BLOCK_O + tl.arange(0, BLOCK_O)
    total = tl.zeros((CELLS, BLOCK_O), tl.float32)
    # a tile with nothing in reach costs its mask only
    if tl.max(count, axis=0) > 0:
        x_ptr += b * C * T * H * W
        for step in range(TAPS * BLOCKS_C):
            tap = step // BLOCKS_C
            c = step % BLOCKS_C * BLOCK_C + tl.arange(0, BLOCK_C)
            where, inside = window_cell(
                tap, t, i, j, T, H, W, KH, KW, PT, PH, PW, DT, DH, DW, WRAP
            )  # fmt: skip
            seen = tl.load(mask_ptr + where, mask=inside & full, other=0) != 0
            values = tl.load(
                x_ptr + c[None, :].to(tl.int64) * T * H * W + where[:, None],
                mask=seen[:, None] & (c < C)[None, :],
                other=0.0,
            )
            factors = tl.load(
                weight_ptr + (tap * C + c[:, None]) * OUT + o[None, :],
                mask=(c < C)[:, None] & (o < OUT)[None, :],
                other=0.0,
            )
            if WIDEN:
                values, factors = values.to(tl.float32), factors.to(tl.float32)
            total = tl.dot(values, factors, total, input_precision=PRECISION)
        # K / s, in the order that keeps a full window exact
        total *= (TAPS / tl.maximum(count, 1).to(tl.float32))[:, None]
        if HAS_BIAS:
            total += tl.load(bias_ptr + o, mask=o < OUT, other=0.0).to(tl.float32)[None, :]

    day = (t.to(tl.int64) * H_OUT + i) * W_OUT + j
    stored = (i < H_OUT) & (j < W_OUT)
    volume = T_OUT.to(tl.int64) * H_OUT * W_OUT
    out = (b * OUT + o[None, :]) * volume + day[:, None]
    if HAS_RESIDUAL:
        reads = full[:, None] & (o < OUT)[None, :]
        total += tl.load(residual_ptr + out, mask=reads, other=0.0).to(tl.float32)
    total = activated(total, ACTIVATION)
    total = tl.where(full[:, None], total, 0.0)
    tl.store(
        y_ptr + out, total.to(y_ptr.dtype.element_ty), mask=stored[:, None] & (o < OUT)[None, :]
    )
    if block == 0:
        tl.store(new_mask_ptr + b * volume + day, full.to(tl.int8), mask=stored)


def tile_sizes(outputs: int, channels: int, itemsize: int) -> dict[str, int]:
    """Block sizes by the sizes of the product; few, so that few kernels are compiled."""
    block = min(64, max(16, triton.next_power_of_2(outputs)))
    return {
        "TILE_H": 8,
        "TILE_W": 16,
        "BLOCK_O": block,
        # 128 bytes of channels per step feed the tensor cores
        "BLOCK_C": min(128 // itemsize, max(16, triton.next_power_of_2(channels))),
        # 64 channels in four warps spill
        "num_warps": 8 if block == 64 else 4,
    }


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
    """
    batch, channels = x.shape[:2]
    outputs, _, kt, kh, kw = weight.shape
    cells = output_shape(x.shape, (kt, kh, kw), padding, dilation)
    y = torch.empty((batch, outputs, *cells), dtype=x.dtype, device=x.device)
    new_mask = torch.empty((batch, 1, *cells), dtype=torch.bool, device=x.device)
    ieee = x.dtype != torch.float32 or torch.get_float32_matmul_precision() == "highest"
    sizes = tile_sizes(outputs, channels, x.element_size())
    tiles = batch * cells[0]
    tiles *= triton.cdiv(cells[1], sizes["TILE_H"]) * triton.cdiv(cells[2], sizes["TILE_W"])
    if tiles == 0:
        return y, new_mask

    # a pointer that is never read stands for what is absent
    def given(array: torch.Tensor | None) -> torch.Tensor:
        return x if array is None else array.contiguous()

    packed = weight.to(x.dtype).permute(2, 3, 4, 1, 0).contiguous()
    with on_device(x):
        convolve_kernel[(tiles, triton.cdiv(outputs, sizes["BLOCK_O"]))](
            x.contiguous(), mask.contiguous().view(torch.uint8), packed,
            given(bias), given(residual),
            x if active is None else active.contiguous().view(torch.uint8),
            y, new_mask.view(torch.uint8),
            *x.shape[2:], *cells, outputs, 1 if active is None else active.shape[0],
            kh, kw, *padding, *dilation,
            C=channels, TAPS=math.prod((kt, kh, kw)), WRAP=wrap_longitude,
            HAS_BIAS=bias is not None, HAS_RESIDUAL=residual is not None,
            HAS_ACTIVE=active is not None, ACTIVATION=ACTIVATIONS.index(activation),
            PRECISION="ieee" if ieee else "tf32",
            # the interpreter multiplies the bit patterns of bfloat16
            WIDEN=not x.is_cuda, enable_fp_fusion=True, **sizes,
        )  # fmt: skip
    return y, new_mask


def on_device(x: torch.Tensor) -> Any:
    """Make the GPU that holds `x` current (Triton launches there); nothing when interpreted."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()
