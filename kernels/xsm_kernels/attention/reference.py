"""The definition of the attention, in plain PyTorch, with gradients."""

from __future__ import annotations

import math

import torch


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, window: int
) -> torch.Tensor:
    """Scaled dot-product attention within `window` days, the definition.

    With s over the days for which abs(s - t) <= window::

        context[t] = sum_s softmax_s(query[t] . key[s] / sqrt(K)) value[s]

    All is in the dtype of `query`.

    Parameters
    ----------
    query, key : (B, T, K)
    value : (B, T, V)

    Returns
    -------
    context : (B, T, V)
    """
    scores = query @ key.mT / math.sqrt(query.shape[-1])  # (B, T, T)
    scores = scores.masked_fill(~band(query, window), -torch.inf)
    return torch.softmax(scores, dim=-1) @ value


def band(query: torch.Tensor, window: int) -> torch.Tensor:
    """Which day looks at which, bool (T, T)."""
    day = torch.arange(query.shape[1], device=query.device)
    return (day[:, None] - day).abs() <= window
