"""Mask update on GPUs by bits: 32 cells along longitude in a word, and an OR of shifted words."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from xsm_kernels.arguments import Triple
from xsm_kernels.masked_conv3d._triton_kernels import column

WORDS = 32  # of a program
BITS = 32  # of a word


@triton.jit
def pack_kernel(
    mask_ptr, words_ptr, n, W, ROW,
    PW: tl.constexpr, WRAP: tl.constexpr, WORDS: tl.constexpr,
):  # fmt: skip
    """WORDS words of the flat rows (R, ROW), from bytes (R, W); bit 0 is column -PW."""
    word = tl.program_id(0).to(tl.int64) * WORDS + tl.arange(0, WORDS)
    bit = tl.arange(0, 32)
    place = (word % ROW * 32)[:, None] + bit[None, :]
    c = column(place - PW, W, PW, WRAP)
    inside = (word < n)[:, None] & (place < W + 2 * PW) & (c >= 0) & (c < W)
    known = tl.load(mask_ptr + (word // ROW * W)[:, None] + c, mask=inside, other=0).to(tl.int32)
    tl.store(words_ptr + word, tl.sum(known << bit[None, :], axis=1), mask=word < n)


@triton.jit
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
    found = tl.zeros((WORDS,), tl.uint32)
    for line in range(KT * KH):
        u = t + line // KH * DT - PT
        r = i + line % KH * DH - PH
        there = (word < n) & (u >= 0) & (u < T) & (r >= 0) & (r < H)
        at = words_ptr + ((b * T + u) * H + r) * ROW + first
        for q in tl.static_range(KW):
            far = q * DW // 32
            near = (q * DW % 32).to(tl.uint32)
            low = tl.load(at + far, mask=there & (first + far < ROW), other=0)
            high = tl.load(at + far + 1, mask=there & (first + far + 1 < ROW), other=0)
            # in two shifts: one of 32 is undefined
            found |= low.to(tl.uint32, bitcast=True) >> near
            found |= (high.to(tl.uint32, bitcast=True) << (31 - near)) << 1
    bit = tl.arange(0, 32)
    j = (first * 32)[:, None] + bit[None, :]
    inside = (word < n)[:, None] & (j < W_OUT)
    known = (found[:, None] >> bit[None, :].to(tl.uint32)) & 1
    if HAS_ACTIVE:
        place = ((t % ACTIVE_DAYS * H_OUT + i) * W_OUT)[:, None] + j
        known &= tl.load(active_ptr + place, mask=inside, other=0).to(tl.uint32)
    tl.store(new_mask_ptr + (row * W_OUT)[:, None] + j, known.to(tl.int8), mask=inside)


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
    """Write `new_mask`; bytes in and out, `active_days` 0 where all cells matter."""
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
