"""Mask update on GPUs: one thread per cell looks until the window is through, or words of bits."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from xsm_kernels.arguments import Triple, output_shape
from xsm_kernels.masked_conv3d._triton import on_device, wraps
from xsm_kernels.masked_conv3d._triton_kernels import column
from xsm_kernels.update_mask._triton_packed import packed_update

BLOCK = 1024
PACKED = False  # whether bits are faster: benchmarks/gpu.sh tells


@triton.jit
def update_kernel(
    mask_ptr, active_ptr, new_mask_ptr, n,
    T, H, W, T_OUT, H_OUT, W_OUT, ACTIVE_DAYS,
    KH: tl.constexpr, KW: tl.constexpr, PT, PH, PW: tl.constexpr, DT, DH, DW,
    TAPS: tl.constexpr, WRAP: tl.constexpr, HAS_ACTIVE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """BLOCK cells of the flat output (B * T' * H' * W')."""
    cell = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    matters = cell < n
    j = cell % W_OUT
    i = cell // W_OUT % H_OUT
    t = cell // W_OUT // H_OUT % T_OUT
    b = cell // W_OUT // H_OUT // T_OUT
    if HAS_ACTIVE:
        place = (t % ACTIVE_DAYS * H_OUT + i) * W_OUT + j
        matters &= tl.load(active_ptr + place, mask=matters, other=0) != 0
    found = tl.zeros((BLOCK,), tl.int32)
    for tap in range(TAPS):
        u = t + tap // (KH * KW) * DT - PT
        r = i + tap // KW % KH * DH - PH
        c = column(j + tap % KW * DW - PW, W, PW, WRAP)
        inside = (u >= 0) & (u < T) & (r >= 0) & (r < H) & (c >= 0) & (c < W)
        # 64 bits: the days of a global grid overflow 32
        where = ((b * T + u) * H + r) * W + c
        found |= tl.load(mask_ptr + where, mask=inside & matters, other=0).to(tl.int32)
    tl.store(new_mask_ptr + cell, (found > 0).to(tl.int8), mask=cell < n)


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

    With `packed` (default ``PACKED``) through words of 32 cells.
    """
    cells = output_shape(mask.shape, kernel_size, padding, dilation)
    new_mask = torch.empty((mask.shape[0], 1, *cells), dtype=torch.bool, device=mask.device)
    n = new_mask.numel()
    if n == 0:
        return new_mask
    given = mask.contiguous().view(torch.uint8)
    asked = given if active is None else active.contiguous().view(torch.uint8)
    days = 0 if active is None else active.shape[0]
    window = kernel_size, padding, dilation, wraps(mask.shape[-1], padding[2], wrap_longitude)
    with on_device(mask):
        if PACKED if packed is None else packed:
            packed_update(given, asked, days, new_mask, *window)
            return new_mask
        update_kernel[(triton.cdiv(n, BLOCK),)](
            given, asked, new_mask.view(torch.uint8), n,
            *mask.shape[2:], *cells, max(days, 1),
            *kernel_size[1:], *padding, *dilation,
            TAPS=math.prod(kernel_size), WRAP=window[3], HAS_ACTIVE=days > 0,
            BLOCK=BLOCK, enable_fp_fusion=True,
        )  # fmt: skip
    return new_mask
