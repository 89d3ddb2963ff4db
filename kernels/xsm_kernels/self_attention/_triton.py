"""Self-attention of days on GPUs: scores and weights stay in registers, days beyond the window are
not read.

A program takes some days of a sequence and passes over the days in their windows with a running
maximum and sum, as in FlashAttention-2 (Dao, 2023, arXiv:2307.08691).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch.nn import functional

from xsm_kernels._triton_common import (
    activated,
    on_device,
    product_precision,
    rounded,
    triton_backend,
    tuned,
)
from xsm_kernels.arguments import ACTIVATIONS
from xsm_kernels.self_attention.reference import without_nan

LOG2_E = 1.4426950408889634


class Config(NamedTuple):
    """Days of a program, days read at once, warps."""

    days: int = 64
    block: int = 32
    warps: int = 4


STAGES = 2  # of the pipeline


def configurations(width: int, precision: str, single: bool) -> list[Config]:
    """Those that fit in registers; the first is used if none is timed."""
    if single and precision == "ieee":  # IEEE products keep both factors in registers
        return [Config(32, 16, 4)]
    if width > 64 or single:
        return [Config()]
    return [Config(), Config(128, 64, 8), Config(64, 64, 4)]


@triton_backend
def self_attention(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, window: int
) -> torch.Tensor:
    """Definition: :func:`xsm_kernels.self_attention.reference.self_attention`.

    The projections are one matrix product of PyTorch. Scores and sums are in float32; products as
    in :func:`xsm_kernels.masked_conv3d._triton.masked_conv3d`.
    """
    batch, days, _ = x.shape
    hidden = weight.shape[1]
    y = torch.empty((batch, days, hidden), dtype=x.dtype, device=x.device)
    if y.numel() == 0:
        return y
    sees_nan = None
    if window < days - 1:  # otherwise NaN spreads to all days by itself
        x, sees_nan = without_nan(x, window)
    # (B, T, 4 H): queries, keys, values and residuals side by side
    joined = functional.linear(x, weight.flatten(0, 1), bias.flatten())
    precision = product_precision(x.dtype)
    width = max(16, triton.next_power_of_2(hidden))
    configs = configurations(width, precision, x.dtype == torch.float32)

    def launch(config: Config) -> None:
        # one axis: CUDA allows 2^31 programs along the first, 65,535 along the others
        attention_kernel[(triton.cdiv(days, config.days) * batch,)](
            joined, y, days, min(window, days), LOG2_E / math.sqrt(hidden),
            H=hidden, WIDTH=width, TANH=ACTIVATIONS.index("tanh"), PRECISION=precision,
            # the interpreter multiplies the bit patterns of bfloat16
            WIDEN=not x.is_cuda, DAYS=config.days, BLOCK=config.block, num_warps=config.warps,
            num_stages=STAGES, enable_fp_fusion=True,
        )  # fmt: skip

    with on_device(x):
        source = attention_kernel.cache_key[:12] if x.is_cuda else ""
        key = ("self_attention", source, hidden, x.dtype, precision, window >= days - 1)
        launch(tuned(key, configs, launch, x, batch * days))
    return y if sees_nan is None else y.masked_fill_(sees_nan, torch.nan)


@triton.jit
def part(joined_ptr, row, n, days, H: tl.constexpr, WIDTH: tl.constexpr, number: tl.constexpr):
    """Queries, keys, values or residuals (len(n), WIDTH) of some days; 0 beyond the sequence."""
    u = tl.arange(0, WIDTH)
    index = (row + n)[:, None] * (4 * H) + number * H + u[None, :]
    inside = ((n >= 0) & (n < days))[:, None] & (u < H)[None, :]
    return tl.load(joined_ptr + index, mask=inside, other=0.0)


@triton.jit
def product(a, b, PRECISION: tl.constexpr, WIDEN: tl.constexpr):
    """a b in float32."""
    if WIDEN:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(rounded(a, PRECISION), rounded(b, PRECISION), input_precision=PRECISION)


@triton.jit(do_not_specialize=["days", "window"])
def attention_kernel(
    joined_ptr, y_ptr, days, window, SCALE,
    H: tl.constexpr, WIDTH: tl.constexpr, TANH: tl.constexpr, PRECISION: tl.constexpr,
    WIDEN: tl.constexpr, DAYS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """DAYS days of a sequence; exponents are of 2."""
    programs = tl.cdiv(days, DAYS)  # of a sequence
    first = tl.program_id(0) % programs * DAYS
    # 64 bits: sequences times days times units overflow 32
    row = (tl.program_id(0) // programs).to(tl.int64) * days
    t = first + tl.arange(0, DAYS)
    query = part(joined_ptr, row, t, days, H, WIDTH, 0)
    highest = tl.full((DAYS,), -float("inf"), tl.float32)
    total = tl.zeros((DAYS,), tl.float32)
    context = tl.zeros((DAYS, WIDTH), tl.float32)
    start = tl.maximum(first - window, 0) // BLOCK * BLOCK
    for block in range(start, tl.minimum(first + DAYS + window, days), BLOCK):
        s = block + tl.arange(0, BLOCK)
        key = part(joined_ptr, row, s, days, H, WIDTH, 1)
        value = part(joined_ptr, row, s, days, H, WIDTH, 2)
        score = product(query, tl.trans(key), PRECISION, WIDEN) * SCALE
        distance = t[:, None] - s[None, :]
        near = (distance <= window) & (distance >= -window) & (s < days)[None, :]
        score = tl.where(near, score, -float("inf"))
        new_highest = tl.maximum(highest, tl.max(score, axis=1))
        # nothing in the window so far: 0, not the NaN of inf - inf
        shift = tl.where(new_highest == -float("inf"), 0.0, new_highest)
        weight = tl.exp2(score - shift[:, None])
        shrink = tl.exp2(highest - shift)
        total = total * shrink + tl.sum(weight, axis=1)
        context *= shrink[:, None]
        context += product(weight.to(value.dtype), value, PRECISION, WIDEN)
        highest = new_highest
    residual = part(joined_ptr, row, t, days, H, WIDTH, 3).to(tl.float32)
    # days beyond the sequence have no sum and are not stored
    y = activated(residual + context / tl.maximum(total, 1e-30)[:, None], TANH)
    u = tl.arange(0, WIDTH)
    target = (row + t)[:, None] * H + u[None, :]
    tl.store(
        y_ptr + target, y.to(y_ptr.dtype.element_ty),
        mask=(t < days)[:, None] & (u < H)[None, :],
    )  # fmt: skip
