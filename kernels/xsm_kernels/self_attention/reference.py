"""The definition of self-attention of days, in plain PyTorch, with gradients."""

from __future__ import annotations

import math

import torch

from xsm_kernels._torch_common import reference_backend


@reference_backend
def self_attention(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, window: int
) -> torch.Tensor:
    """Scaled dot-product attention among days, with a residual projection: the definition.

    With s over the days for which abs(s - t) <= window::

        query, key, value, residual = weight x + bias
        y[t] = tanh(residual[t] + sum_s softmax_s(query[t] . key[s] / sqrt(H)) value[s])

    A day with NaN or Inf makes the result NaN for all days in whose window it lies, and reaches no
    other day. All is in the dtype of `x`.

    Parameters
    ----------
    x : (B, T, C)
    weight : (4, H, C)
    bias : (4, H)

    Returns
    -------
    y : (B, T, H)
    """
    x, sees_nan = without_nan(x, window)
    query, key, value, residual = projections(x, weight, bias)
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (B, T, T)
    scores = scores.masked_fill(~near_days(x, window), -torch.inf)
    y = torch.tanh(residual + torch.softmax(scores, dim=-1) @ value)
    return y.masked_fill(sees_nan, torch.nan)


def projections(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Queries, keys, values and residual, each (B, T, H), from one matrix product."""
    joined = torch.nn.functional.linear(x, weight.flatten(0, 1), bias.flatten())
    return joined.chunk(4, dim=-1)


def near_days(x: torch.Tensor, window: int) -> torch.Tensor:
    """Pairs of days at most `window` days apart, bool (T, T)."""
    day = torch.arange(x.shape[1], device=x.device)
    return (day[:, None] - day).abs() <= window


def without_nan(x: torch.Tensor, window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`x` with 0 on days that hold NaN or Inf, and which days have such a day in their window.

    Outside a window weights are 0, but 0 times NaN is NaN.

    Returns
    -------
    x : (B, T, C)
    sees_nan : bool (B, T, 1)
    """
    finite = torch.isfinite(x).all(dim=-1, keepdim=True)
    # (B, 1, T), as a pooling takes it
    absent = (~finite).mT.to(torch.float32)
    sees_nan = torch.nn.functional.max_pool1d(absent, 2 * window + 1, stride=1, padding=window) > 0
    return torch.where(finite, x, x.new_zeros(())), sees_nan.mT
