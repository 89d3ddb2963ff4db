"""Mask update on GPUs: a thread per cell reads its window; or 32 cells are packed into a word.

The packed variant packs rows into words of bits and ORs shifted words. It is not used by default
(`PACKED`).
"""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from xsm_kernels._triton_common import column, on_device, triton_backend, wrap_mode
from xsm_kernels.arguments import Triple, output_shape

BLOCK = 1024
PACKED = False  # set it if benchmarks/gpu.sh finds the packed variant faster
WORDS = 32  # of a program
BITS = 32  # of a word


@triton_backend
def update_mask(
    mask: torch.Tensor,
    active: torch.Tensor | None = None,
    *,
    kernel_size: Triple,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
    packed: bool | None = None,
) -> torch.Tensor:
    """Definition: :func:`xsm_kernels.update_mask.reference.update_mask`.

    With `packed` (default ``PACKED``) pack 32 cells into a word.
    """
    shape = output_shape(mask.shape, kernel_size, padding, dilation)
    new_mask = torch.empty((mask.shape[0], 1, *shape), dtype=torch.bool, device=mask.device)
    n = new_mask.numel()
    if n == 0:
        return new_mask
    mask_bytes = mask.contiguous().view(torch.uint8)
    active_bytes = mask_bytes if active is None else active.contiguous().view(torch.uint8)
    days = 0 if active is None else active.shape[0]
    window = kernel_size, padding, dilation, wrap_mode(mask.shape[-1], padding[2], wrap_longitude)
    with on_device(mask):
        if PACKED if packed is None else packed:
            packed_update(mask_bytes, active_bytes, days, new_mask, *window)
            return new_mask
        update_kernel[(triton.cdiv(n, BLOCK),)](
            mask_bytes, active_bytes, new_mask.view(torch.uint8), n,
            *mask.shape[2:], *shape, max(days, 1),
            *kernel_size[1:], *padding, *dilation,
            TAPS=math.prod(kernel_size), WRAP=window[3], HAS_ACTIVE=days > 0,
            BLOCK=BLOCK, enable_fp_fusion=True,
        )  # fmt: skip
    return new_mask


def packed_update(
    mask: torch.Tensor,
    active: torch.Tensor,
    active_days: int,
    new_mask: torch.Tensor,
    kernel: Triple,
    padding: Triple,
    dilation: Triple,
    wrap: int,
) -> None:
    """Write `new_mask`; bytes in and out, `active_days` 0 if all cells are computed."""
    batch, _, days, height, width = mask.shape
    row = triton.cdiv(width + 2 * padding[2], BITS)
    row_out = triton.cdiv(new_mask.shape[-1], BITS)
    words = torch.empty((batch, days, height, row), dtype=torch.int32, device=mask.device)
    pack_kernel[(triton.cdiv(words.numel(), WORDS),)](
        mask, words, words.numel(), width, row,
        PW=padding[2], WRAP=wrap, WORDS=WORDS, enable_fp_fusion=True,
    )  # fmt: skip
    n = new_mask.numel() // new_mask.shape[-1] * row_out
    or_kernel[(triton.cdiv(n, WORDS),)](
        words, active, new_mask.view(torch.uint8), n, days, height, row,
        *new_mask.shape[2:], row_out, max(active_days, 1), *padding[:2], *dilation,
        KT=kernel[0], KH=kernel[1], KW=kernel[2], HAS_ACTIVE=active_days > 0, WORDS=WORDS,
        enable_fp_fusion=True,
    )  # fmt: skip


@triton.jit
def update_kernel(
    mask_ptr, active_ptr, new_mask_ptr, n,
    T, H, W, T_OUT, H_OUT, W_OUT, ACTIVE_DAYS,
    KH: tl.constexpr, KW: tl.constexpr, PT, PH, PW: tl.constexpr, DT, DH, DW,
    TAPS: tl.constexpr, WRAP: tl.constexpr, HAS_ACTIVE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """BLOCK cells of the flat output (B * T' * H' * W')."""
    cell = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    computed = cell < n
    j = cell % W_OUT
    i = cell // W_OUT % H_OUT
    t = cell // W_OUT // H_OUT % T_OUT
    b = cell // W_OUT // H_OUT // T_OUT
    if HAS_ACTIVE:
        index = (t % ACTIVE_DAYS * H_OUT + i) * W_OUT + j
        computed &= tl.load(active_ptr + index, mask=computed, other=0) != 0
    any_observed = tl.zeros((BLOCK,), tl.int32)
    for tap in range(TAPS):
        u = t + tap // (KH * KW) * DT - PT
        r = i + tap // KW % KH * DH - PH
        c = column(j + tap % KW * DW - PW, W, PW, WRAP)
        inside = (u >= 0) & (u < T) & (r >= 0) & (r < H) & (c >= 0) & (c < W)
        # 64 bits: days of a global grid overflow 32
        source = ((b * T + u) * H + r) * W + c
        any_observed |= tl.load(mask_ptr + source, mask=inside & computed, other=0).to(tl.int32)
    tl.store(new_mask_ptr + cell, (any_observed > 0).to(tl.int8), mask=cell < n)


@triton.jit
def pack_kernel(
    mask_ptr, words_ptr, n, W, ROW,
    PW: tl.constexpr, WRAP: tl.constexpr, WORDS: tl.constexpr,
):  # fmt: skip
    """WORDS words of the flat rows (R, ROW), from bytes (R, W); bit 0 is column -PW."""
    word = tl.program_id(0).to(tl.int64) * WORDS + tl.arange(0, WORDS)
    bit = tl.arange(0, 32)
    index = (word % ROW * 32)[:, None] + bit[None, :]
    c = column(index - PW, W, PW, WRAP)
    inside = (word < n)[:, None] & (index < W + 2 * PW) & (c >= 0) & (c < W)
    observed = tl.load(mask_ptr + (word // ROW * W)[:, None] + c, mask=inside, other=0).to(tl.int32)
    tl.store(words_ptr + word, tl.sum(observed << bit[None, :], axis=1), mask=word < n)


# a dilation of 1 is not made a constant, which has no type to shift with
@triton.jit(do_not_specialize=["DT", "DH", "DW"])
def or_kernel(
    words_ptr, active_ptr, new_mask_ptr, n, T, H, ROW, T_OUT, H_OUT, W_OUT, ROW_OUT, ACTIVE_DAYS,
    PT, PH, DT, DH, DW, KT: tl.constexpr, KH: tl.constexpr, KW: tl.constexpr,
    HAS_ACTIVE: tl.constexpr, WORDS: tl.constexpr,
):  # fmt: skip
    """WORDS words of the flat output (B * T' * H', ROW_OUT), unpacked to bytes."""
    word = tl.program_id(0).to(tl.int64) * WORDS + tl.arange(0, WORDS)
    row = word // ROW_OUT
    first = word % ROW_OUT
    i = row % H_OUT
    t = row // H_OUT % T_OUT
    b = row // H_OUT // T_OUT
    any_observed = tl.zeros((WORDS,), tl.uint32)
    for line in range(KT * KH):
        u = t + line // KH * DT - PT
        r = i + line % KH * DH - PH
        valid = (word < n) & (u >= 0) & (u < T) & (r >= 0) & (r < H)
        at = words_ptr + ((b * T + u) * H + r) * ROW + first
        for q in tl.static_range(KW):
            far = q * DW // 32
            near = (q * DW % 32).to(tl.uint32)
            low = tl.load(at + far, mask=valid & (first + far < ROW), other=0)
            high = tl.load(at + far + 1, mask=valid & (first + far + 1 < ROW), other=0)
            # two shifts, because a shift by 32 is undefined
            any_observed |= low.to(tl.uint32, bitcast=True) >> near
            any_observed |= (high.to(tl.uint32, bitcast=True) << (31 - near)) << 1
    bit = tl.arange(0, 32)
    j = (first * 32)[:, None] + bit[None, :]
    inside = (word < n)[:, None] & (j < W_OUT)
    observed = (any_observed[:, None] >> bit[None, :].to(tl.uint32)) & 1
    if HAS_ACTIVE:
        index = ((t % ACTIVE_DAYS * H_OUT + i) * W_OUT)[:, None] + j
        observed &= tl.load(active_ptr + index, mask=inside, other=0).to(tl.uint32)
    tl.store(new_mask_ptr + (row * W_OUT)[:, None] + j, observed.to(tl.int8), mask=inside)
