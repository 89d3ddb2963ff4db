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

    All is in the dtype of `x`.

    Parameters
    ----------
    x : (B, T, C)
    weight : (4, H, C)
    bias : (4, H)

    Returns
    -------
    y : (B, T, H)
    """
    query, key, value, residual = projections(x, weight, bias)
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (B, T, T)
    scores = scores.masked_fill(~near_days(x, window), -torch.inf)
    return torch.tanh(residual + torch.softmax(scores, dim=-1) @ value)


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
