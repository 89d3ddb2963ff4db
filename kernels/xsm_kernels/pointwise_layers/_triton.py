"""Layers of one cell on GPUs: two or three matrix products whose inner results never leave a tile.

The sources are read where they lie instead of being joined.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from xsm_kernels.arguments import ACTIVATIONS
from xsm_kernels.masked_conv3d._triton import masked_conv3d, on_device, product_precision
from xsm_kernels.masked_conv3d._triton_kernels import activated, rounded
from xsm_kernels.pointwise_layers.sources import parted

SOURCES, LAYERS = 5, 3  # most that the kernel takes
WIDEST = 128  # outputs of a layer that stay in registers
SIZES = {"CELLS": 128, "STEP": 64}  # cells of a tile, channels of a source taken at once
WARPS = 8


@triton.jit
def product(values, w_ptr, o, k, WIDTH: tl.constexpr, total, PRECISION: tl.constexpr,
            WIDEN: tl.constexpr):  # fmt: skip
    """total + values (cells, k) x weights (o, WIDTH) at columns k."""
    factors = tl.load(w_ptr + o[None, :] * WIDTH + k[:, None])
    values, factors = rounded(values, PRECISION), rounded(factors, PRECISION)
    if WIDEN:
        values, factors = values.to(tl.float32), factors.to(tl.float32)
    return tl.dot(values, factors, total, input_precision=PRECISION)


@triton.jit
def joined(x_ptr, w_ptr, cell, seen, o, total, FIRST: tl.constexpr, C: tl.constexpr,
           P: tl.constexpr, STEP: tl.constexpr, WIDTH: tl.constexpr, PRECISION: tl.constexpr,
           WIDEN: tl.constexpr):  # fmt: skip
    """Add the part of one source: C channels, columns FIRST .. FIRST + P of the weights."""
    if C > 0:
        BLOCK: tl.constexpr = STEP if P > STEP else P
        for start in tl.static_range(0, P, BLOCK):
            c = start + tl.arange(0, BLOCK)
            values = tl.load(
                x_ptr + (cell * C)[:, None] + c[None, :],
                mask=seen[:, None] & (c < C)[None, :], other=0.0,
            )  # fmt: skip
            total = product(values, w_ptr, o, FIRST + c, WIDTH, total, PRECISION, WIDEN)
    return total


@triton.jit(do_not_specialize=["n", "period"])
def layers_kernel(
    x0_ptr, x1_ptr, x2_ptr, x3_ptr, x4_ptr, mask_ptr, active_ptr,
    w0_ptr, w1_ptr, w2_ptr, b0_ptr, b1_ptr, b2_ptr, y_ptr, new_mask_ptr, n, period,
    C0: tl.constexpr, C1: tl.constexpr, C2: tl.constexpr, C3: tl.constexpr, C4: tl.constexpr,
    P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr, P4: tl.constexpr,
    O0: tl.constexpr, O1: tl.constexpr, O2: tl.constexpr, OUT: tl.constexpr,
    ACT0: tl.constexpr, ACT1: tl.constexpr, ACT2: tl.constexpr, HAS_ACTIVE: tl.constexpr,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr, CELLS: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """CELLS flat cells; P: channels of the sources, O: outputs, as padded in the weights."""
    cell = tl.program_id(0).to(tl.int64) * CELLS + tl.arange(0, CELLS)
    inside = cell < n
    seen = tl.load(mask_ptr + cell, mask=inside, other=0) != 0
    if HAS_ACTIVE:
        seen &= tl.load(active_ptr + cell % period, mask=inside, other=0) != 0
    tl.store(new_mask_ptr + cell, seen.to(tl.int8), mask=inside)
    LAST: tl.constexpr = O2 if O2 > 0 else O1
    total = tl.zeros((CELLS, LAST), tl.float32)
    if tl.max(seen.to(tl.int32), axis=0) > 0:
        o = tl.arange(0, O0)
        W: tl.constexpr = P0 + P1 + P2 + P3 + P4
        kind = y_ptr.dtype.element_ty
        h = tl.zeros((CELLS, O0), tl.float32)
        h = joined(x0_ptr, w0_ptr, cell, seen, o, h, 0, C0, P0, STEP, W, PRECISION, WIDEN)
        h = joined(x1_ptr, w0_ptr, cell, seen, o, h, P0, C1, P1, STEP, W, PRECISION, WIDEN)
        h = joined(x2_ptr, w0_ptr, cell, seen, o, h, P0 + P1, C2, P2, STEP, W, PRECISION, WIDEN)
        h = joined(
            x3_ptr, w0_ptr, cell, seen, o, h, P0 + P1 + P2, C3, P3, STEP, W, PRECISION, WIDEN
        )  # fmt: skip
        h = joined(
            x4_ptr, w0_ptr, cell, seen, o, h, P0 + P1 + P2 + P3, C4, P4, STEP, W, PRECISION, WIDEN
        )  # fmt: skip
        h = activated(h + tl.load(b0_ptr + o)[None, :], ACT0).to(kind)
        p = tl.arange(0, O1)
        g = tl.zeros((CELLS, O1), tl.float32)
        g = product(h, w1_ptr, p, o, O0, g, PRECISION, WIDEN)
        g = activated(g + tl.load(b1_ptr + p)[None, :], ACT1)
        if O2 > 0:
            q = tl.arange(0, O2)
            total = product(g.to(kind), w2_ptr, q, p, O1, total, PRECISION, WIDEN)
            total = activated(total + tl.load(b2_ptr + q)[None, :], ACT2)
        else:
            total = g
        total = tl.where(seen[:, None], total, 0.0)
    e = tl.arange(0, LAST)
    tl.store(
        y_ptr + (cell * OUT)[:, None] + e[None, :], total.to(y_ptr.dtype.element_ty),
        mask=inside[:, None] & (e < OUT)[None, :],
    )  # fmt: skip


def pointwise_layers(
    *arrays: torch.Tensor | None, activations: tuple[str | None, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.pointwise_layers.reference.pointwise_layers`.

    Precision as in :func:`xsm_kernels.masked_conv3d._triton.masked_conv3d`. In IEEE float32, whose
    sums do not fit in registers, and beyond five sources, three layers or 128 outputs, the layers
    run one by one.
    """
    sources, mask, active, weights, biases = parted(arrays, len(activations))
    x = sources[0]
    precision = product_precision(x.dtype)
    widest = max(weight.shape[0] for weight in weights)
    exact = x.dtype == torch.float32 and precision == "ieee"
    if exact or len(sources) > SOURCES or len(weights) > LAYERS or widest > WIDEST:
        return one_by_one(sources, mask, active, weights, biases, activations)
    outputs = weights[-1].shape[0]
    y = torch.empty(
        (x.shape[0], outputs, *x.shape[2:]),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last_3d,
    )
    new_mask = torch.empty(mask.shape, dtype=torch.bool, device=x.device)
    if mask.numel() == 0:
        return y, new_mask
    rows = [s.contiguous(memory_format=torch.channels_last_3d) for s in sources]
    channels = [s.shape[1] for s in sources] + [0] * (SOURCES - len(sources))
    packed, sizes = pack(weights, biases, channels, x)
    acts = [ACTIVATIONS.index(name) for name in activations] + [0] * (LAYERS - len(activations))
    with on_device(x):
        layers_kernel[(triton.cdiv(mask.numel(), SIZES["CELLS"]),)](
            # a pointer that is never read stands for what is absent
            *rows, *rows[:1] * (SOURCES - len(rows)), mask.contiguous().view(torch.uint8),
            mask if active is None else active.contiguous().view(torch.uint8),
            *packed, y, new_mask.view(torch.uint8), mask.numel(),
            1 if active is None else active.numel(),
            **{f"C{i}": width for i, width in enumerate(channels)}, **sizes, OUT=outputs,
            **{f"ACT{i}": number for i, number in enumerate(acts)}, HAS_ACTIVE=active is not None,
            PRECISION=precision, WIDEN=not x.is_cuda, num_warps=WARPS, enable_fp_fusion=True,
            **SIZES,
        )  # fmt: skip
    return y, new_mask


def one_by_one(
    sources: Any, mask: Any, active: Any, weights: Any, biases: Any, activations: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same as masked convolutions with windows of one cell."""
    x = sources[0] if len(sources) == 1 else torch.cat(sources, 1)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        window = weight[:, :, None, None, None]
        x, mask = masked_conv3d(x, mask, window, bias, None, active, activation=activation)
    return x, mask


def pack(
    weights: Any, biases: Any, channels: list[int], x: torch.Tensor
) -> tuple[list[torch.Tensor], dict[str, int]]:
    """Weights and biases with zeros up to powers of two, and these."""
    parts = [triton.next_power_of_2(max(width, 16)) if width else 0 for width in channels]
    outs = [triton.next_power_of_2(max(weight.shape[0], 16)) for weight in weights]
    whole = [
        torch.zeros((high, wide), dtype=x.dtype, device=x.device)
        for high, wide in zip(outs, [sum(parts), *outs], strict=False)
    ]
    at = [sum(parts[:i]) for i in range(len(parts))]
    for start, width, piece in zip(at, channels, weights[0].split(channels, 1), strict=True):
        whole[0][: piece.shape[0], start : start + width] = piece
    for there, weight in zip(whole[1:], weights[1:], strict=True):
        there[: weight.shape[0], : weight.shape[1]] = weight
    levels = [torch.zeros(high, dtype=torch.float32, device=x.device) for high in outs]
    for level, bias in zip(levels, biases, strict=True):
        level[: bias.shape[0]] = bias
    absent = LAYERS - len(outs)
    sizes = {f"P{i}": part for i, part in enumerate(parts)}
    sizes |= {f"O{i}": out for i, out in enumerate([*outs, *[0] * absent])}
    return [*whole, *whole[:1] * absent, *levels, *levels[:1] * absent], sizes
