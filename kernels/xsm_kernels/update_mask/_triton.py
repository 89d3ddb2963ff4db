"""Mask update on GPUs: one thread per cell looks until the window is through."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl

from xsm_kernels.arguments import Triple, output_shape
from xsm_kernels.masked_conv3d._triton import on_device, window_cell

BLOCK = 1024


@triton.jit
def update_kernel(
    mask_ptr, active_ptr, new_mask_ptr, n,
    T, H, W, T_OUT, H_OUT, W_OUT, ACTIVE_DAYS,
    KH, KW, PT, PH, PW, DT, DH, DW,
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
        where, inside = window_cell(
            tap, t, i, j, T, H, W, KH, KW, PT, PH, PW, DT, DH, DW, WRAP
        )  # fmt: skip
        where += b * T * H * W
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
) -> torch.Tensor:
    """Definition: :func:`xsm_kernels.update_mask.reference.update_mask`."""
    cells = output_shape(mask.shape, kernel_size, padding, dilation)
    new_mask = torch.empty((mask.shape[0], 1, *cells), dtype=torch.bool, device=mask.device)
    n = new_mask.numel()
    if n == 0:
        return new_mask
    given = mask.contiguous().view(torch.uint8)
    with on_device(mask):
        update_kernel[(triton.cdiv(n, BLOCK),)](
            given, given if active is None else active.contiguous().view(torch.uint8),
            new_mask.view(torch.uint8), n,
            *mask.shape[2:], *cells, 1 if active is None else active.shape[0],
            *kernel_size[1:], *padding, *dilation,
            TAPS=math.prod(kernel_size), WRAP=wrap_longitude, HAS_ACTIVE=active is not None,
            BLOCK=BLOCK, enable_fp_fusion=True,
        )  # fmt: skip
    return new_mask
