"""The definition of the attention of days to each other, in plain PyTorch, with gradients."""

from __future__ import annotations

import math

import torch


def self_attention(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, window: int
) -> torch.Tensor:
    """What each day takes from those within `window` days, joined with its own, the definition.

    With s over the days for which abs(s - t) <= window::

        query, key, value, own = weight x + bias
        y[t] = tanh(own[t] + sum_s softmax_s(query[t] . key[s] / sqrt(H)) value[s])

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
    query, key, value, own = parts(x, weight, bias)
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (B, T, T)
    scores = scores.masked_fill(~band(x, window), -torch.inf)
    return torch.tanh(own + torch.softmax(scores, dim=-1) @ value)


def parts(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Queries, keys, values and what is the day's own, each (B, T, H), from one product."""
    joined = torch.nn.functional.linear(x, weight.flatten(0, 1), bias.flatten())
    return joined.chunk(4, dim=-1)


def band(x: torch.Tensor, window: int) -> torch.Tensor:
    """Which day looks at which, bool (T, T)."""
    day = torch.arange(x.shape[1], device=x.device)
    return (day[:, None] - day).abs() <= window
