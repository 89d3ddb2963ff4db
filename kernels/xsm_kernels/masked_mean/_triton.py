"""Masked mean on GPUs: sums along longitude, then along latitude; 2 * size reads per cell."""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from xsm_kernels._triton_common import on_device, triton_backend

BLOCK = 512


# a record of one day: a 1 would be a constant without a type
@triton.jit(do_not_specialize=["T"])
def sum_rows_kernel(
    x_ptr, mask_ptr, sums_ptr, counts_ptr, n, C, T, H, W, HALF,
    WRAP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sums and counts over columns j - HALF .. j + HALF of flat cells (B * C * T * H * W)."""
    cell = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    j = cell % W
    line = cell // W * W
    # the row of the mask, which has one channel: (b, t, i) out of (b, c, t, i)
    day = T.to(tl.int64) * H
    row = cell // W
    mask_line = (row // day // C * day + row % day) * W
    total = tl.zeros((BLOCK,), tl.float32)
    count = tl.zeros((BLOCK,), tl.int32)
    for q in range(2 * HALF + 1):
        c = j + q - HALF
        inside = cell < n
        if WRAP:
            c = (c + (HALF + W - 1) // W * W) % W
        else:
            inside &= (c >= 0) & (c < W)
        observed = tl.load(mask_ptr + mask_line + c, mask=inside, other=0) != 0
        total += tl.load(x_ptr + line + c, mask=observed, other=0.0).to(tl.float32)
        count += observed.to(tl.int32)
    tl.store(sums_ptr + cell, total, mask=cell < n)
    first = row // day % C == 0
    tl.store(counts_ptr + mask_line + j, count, mask=(cell < n) & first)


@triton.jit
def mean_kernel(
    sums_ptr, counts_ptr, mean_ptr, fraction_ptr, n, C, T, H, W, HALF, BLOCK: tl.constexpr
):
    """Means over rows i - HALF .. i + HALF of the sums; the fraction for the first channel."""
    cell = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    j = cell % W
    i = cell // W % H
    day = cell // W // H
    mask_day = day // T // C * T + day % T
    total = tl.zeros((BLOCK,), tl.float32)
    count = tl.zeros((BLOCK,), tl.int32)
    for p in range(2 * HALF + 1):
        r = i + p - HALF
        inside = (cell < n) & (r >= 0) & (r < H)
        total += tl.load(sums_ptr + (day * H + r) * W + j, mask=inside, other=0.0)
        count += tl.load(counts_ptr + (mask_day * H + r) * W + j, mask=inside, other=0)
    mean = tl.where(count > 0, total / tl.maximum(count, 1).to(tl.float32), 0.0)
    tl.store(mean_ptr + cell, mean.to(mean_ptr.dtype.element_ty), mask=cell < n)
    side = 2 * HALF + 1
    fraction = count.to(tl.float32) / (side * side).to(tl.float32)
    first = day // T % C == 0
    target = fraction_ptr + (mask_day * H + i) * W + j
    tl.store(target, fraction.to(fraction_ptr.dtype.element_ty), mask=(cell < n) & first)


@triton_backend
def masked_mean(
    x: torch.Tensor, mask: torch.Tensor, *, size: int, wrap_longitude: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.masked_mean.reference.masked_mean`; sums in float32."""
    channels, days, height, width = x.shape[1:]
    mean = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    fraction = torch.empty(mask.shape, dtype=x.dtype, device=x.device)
    sums = torch.empty(x.shape, dtype=torch.float32, device=x.device)
    counts = torch.empty(mask.shape, dtype=torch.int32, device=x.device)
    n = x.numel()
    if n == 0:
        return mean, fraction
    sizes = (n, channels, days, height, width, size // 2)
    grid = (triton.cdiv(n, BLOCK),)
    with on_device(x):
        sum_rows_kernel[grid](
            x.contiguous(), mask.contiguous().view(torch.uint8), sums, counts, *sizes,
            WRAP=wrap_longitude, BLOCK=BLOCK, enable_fp_fusion=True,
        )  # fmt: skip
        mean_kernel[grid](sums, counts, mean, fraction, *sizes, BLOCK=BLOCK, enable_fp_fusion=True)
    return mean, fraction
