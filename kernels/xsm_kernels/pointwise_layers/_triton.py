"""Layers of one cell on GPUs: two or three matrix products, with intermediate results in registers.

The sources are read in place instead of being concatenated.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from xsm_kernels._triton_common import (
    activated,
    on_device,
    product_precision,
    rounded,
    triton_backend,
)
from xsm_kernels.arguments import ACTIVATIONS
from xsm_kernels.masked_conv3d import masked_conv3d

Tensors = tuple[torch.Tensor, ...]

MAX_SOURCES, MAX_LAYERS = 5, 3  # of the kernel
MAX_OUTPUTS = 128  # of a layer whose result fits in registers
SIZES = {"CELLS": 128, "STEP": 64}  # cells of a tile, channels of a source read at once
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
def add_source(x_ptr, w_ptr, cell, observed, o, total, FIRST: tl.constexpr, C: tl.constexpr,
           P: tl.constexpr, STEP: tl.constexpr, WIDTH: tl.constexpr, PRECISION: tl.constexpr,
           WIDEN: tl.constexpr):  # fmt: skip
    """Add the product with one source: C channels, columns FIRST .. FIRST + P of the weights."""
    if C > 0:
        BLOCK: tl.constexpr = STEP if P > STEP else P
        for start in tl.static_range(0, P, BLOCK):
            c = start + tl.arange(0, BLOCK)
            values = tl.load(
                x_ptr + (cell * C)[:, None] + c[None, :],
                mask=observed[:, None] & (c < C)[None, :], other=0.0,
            )  # fmt: skip
            total = product(values, w_ptr, o, FIRST + c, WIDTH, total, PRECISION, WIDEN)
    return total


@triton.jit
def without_padding(values, o, REAL: tl.constexpr, PADDED: tl.constexpr):
    """Outputs `o` with zeros from REAL on, where 0 times an infinite input has left NaN."""
    if REAL < PADDED:
        values = tl.where((o < REAL)[None, :], values, 0.0)
    return values


@triton.jit(do_not_specialize=["n", "period"])
def layers_kernel(
    x0_ptr, x1_ptr, x2_ptr, x3_ptr, x4_ptr, mask_ptr, active_ptr,
    w0_ptr, w1_ptr, w2_ptr, b0_ptr, b1_ptr, b2_ptr, y_ptr, new_mask_ptr, n, period,
    C0: tl.constexpr, C1: tl.constexpr, C2: tl.constexpr, C3: tl.constexpr, C4: tl.constexpr,
    P0: tl.constexpr, P1: tl.constexpr, P2: tl.constexpr, P3: tl.constexpr, P4: tl.constexpr,
    O0: tl.constexpr, O1: tl.constexpr, O2: tl.constexpr,
    REAL0: tl.constexpr, REAL1: tl.constexpr, OUT: tl.constexpr,
    ACT0: tl.constexpr, ACT1: tl.constexpr, ACT2: tl.constexpr, HAS_ACTIVE: tl.constexpr,
    PRECISION: tl.constexpr, WIDEN: tl.constexpr, CELLS: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """CELLS flat cells; P: channels of the sources, O: outputs, as padded in the weights.

    REAL: outputs without the padding, of the layers that another one follows.
    """
    cell = tl.program_id(0).to(tl.int64) * CELLS + tl.arange(0, CELLS)
    inside = cell < n
    observed = tl.load(mask_ptr + cell, mask=inside, other=0) != 0
    if HAS_ACTIVE:
        observed &= tl.load(active_ptr + cell % period, mask=inside, other=0) != 0
    tl.store(new_mask_ptr + cell, observed.to(tl.int8), mask=inside)
    LAST: tl.constexpr = O2 if O2 > 0 else O1
    total = tl.zeros((CELLS, LAST), tl.float32)
    if tl.max(observed.to(tl.int32), axis=0) > 0:
        o = tl.arange(0, O0)
        W: tl.constexpr = P0 + P1 + P2 + P3 + P4
        kind = y_ptr.dtype.element_ty
        h = tl.zeros((CELLS, O0), tl.float32)
        h = add_source(x0_ptr, w0_ptr, cell, observed, o, h, 0, C0, P0, STEP, W, PRECISION, WIDEN)
        h = add_source(x1_ptr, w0_ptr, cell, observed, o, h, P0, C1, P1, STEP, W, PRECISION, WIDEN)
        h = add_source(
            x2_ptr, w0_ptr, cell, observed, o, h, P0 + P1, C2, P2, STEP, W, PRECISION, WIDEN
        )
        h = add_source(
            x3_ptr, w0_ptr, cell, observed, o, h, P0 + P1 + P2, C3, P3, STEP, W, PRECISION, WIDEN
        )  # fmt: skip
        h = add_source(
            x4_ptr, w0_ptr, cell, observed, o, h, P0 + P1 + P2 + P3, C4, P4, STEP, W, PRECISION,
            WIDEN,
        )  # fmt: skip
        h = activated(h + tl.load(b0_ptr + o)[None, :], ACT0)
        h = without_padding(h, o, REAL0, O0).to(kind)
        p = tl.arange(0, O1)
        g = tl.zeros((CELLS, O1), tl.float32)
        g = product(h, w1_ptr, p, o, O0, g, PRECISION, WIDEN)
        g = activated(g + tl.load(b1_ptr + p)[None, :], ACT1)
        if O2 > 0:
            q = tl.arange(0, O2)
            g = without_padding(g, p, REAL1, O1)
            total = product(g.to(kind), w2_ptr, q, p, O1, total, PRECISION, WIDEN)
            total = activated(total + tl.load(b2_ptr + q)[None, :], ACT2)
        else:
            total = g
        total = tl.where(observed[:, None], total, 0.0)
    e = tl.arange(0, LAST)
    tl.store(
        y_ptr + (cell * OUT)[:, None] + e[None, :], total.to(y_ptr.dtype.element_ty),
        mask=inside[:, None] & (e < OUT)[None, :],
    )  # fmt: skip


@triton_backend
def pointwise_layers(
    sources: Tensors,
    mask: torch.Tensor,
    weights: Tensors,
    biases: Tensors,
    active: torch.Tensor | None = None,
    *,
    activations: tuple[str | None, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.pointwise_layers.reference.pointwise_layers`.

    Precision as in :func:`xsm_kernels.masked_conv3d._triton.masked_conv3d`. The layers
    run one by one in IEEE float32, whose sums do not fit in registers, and beyond five sources,
    three layers or 128 outputs.
    """
    x = sources[0]
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
    precision = product_precision(x.dtype)
    widest = max(weight.shape[0] for weight in weights)
    exact = x.dtype == torch.float32 and precision == "ieee"
    too_many = len(sources) > MAX_SOURCES or len(weights) > MAX_LAYERS or widest > MAX_OUTPUTS
    if exact or too_many:
        return one_by_one(sources, mask, weights, biases, active, activations)
    rows = [s.contiguous(memory_format=torch.channels_last_3d) for s in sources]
    channels = [s.shape[1] for s in sources] + [0] * (MAX_SOURCES - len(sources))
    packed, sizes = pack(weights, biases, channels, x)
    acts = [ACTIVATIONS.index(name) for name in activations] + [0] * (MAX_LAYERS - len(activations))
    with on_device(x):
        layers_kernel[(triton.cdiv(mask.numel(), SIZES["CELLS"]),)](
            # an absent array is replaced by a pointer that is never read
            *rows, *rows[:1] * (MAX_SOURCES - len(rows)), mask.contiguous().view(torch.uint8),
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
    sources: Any, mask: Any, weights: Any, biases: Any, active: Any, activations: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same layers as masked convolutions with windows of one cell."""
    x = sources[0] if len(sources) == 1 else torch.cat(sources, 1)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        window = weight[:, :, None, None, None]
        x, mask = masked_conv3d(
            x, mask, window, bias, active=active, activation=activation, backend="triton"
        )
    return x, mask


def pack(
    weights: Any, biases: Any, channels: list[int], x: torch.Tensor
) -> tuple[list[torch.Tensor], dict[str, int]]:
    """Weights and biases padded with zeros to powers of two, and these sizes."""
    parts = [triton.next_power_of_2(max(width, 16)) if width else 0 for width in channels]
    outs = [triton.next_power_of_2(max(weight.shape[0], 16)) for weight in weights]
    whole = [
        torch.zeros((high, wide), dtype=x.dtype, device=x.device)
        for high, wide in zip(outs, [sum(parts), *outs], strict=False)
    ]
    starts = [sum(parts[:i]) for i in range(len(parts))]
    for start, width, piece in zip(starts, channels, weights[0].split(channels, 1), strict=True):
        whole[0][: piece.shape[0], start : start + width] = piece
    for padded, weight in zip(whole[1:], weights[1:], strict=True):
        padded[: weight.shape[0], : weight.shape[1]] = weight
    padded_biases = [torch.zeros(high, dtype=torch.float32, device=x.device) for high in outs]
    for padded, bias in zip(padded_biases, biases, strict=True):
        padded[: bias.shape[0]] = bias
    absent = MAX_LAYERS - len(outs)
    sizes = {f"P{i}": part for i, part in enumerate(parts)}
    sizes |= {f"O{i}": out for i, out in enumerate([*outs, *[0] * absent])}
    sizes |= {f"REAL{i}": weight.shape[0] for i, weight in enumerate(weights[:2])}
    return [*whole, *whole[:1] * absent, *padded_biases, *padded_biases[:1] * absent], sizes
