"""Self-attention of days by PyTorch's own fused kernels, with gradients."""

from __future__ import annotations

import torch
from torch.nn import functional

from xsm_kernels._torch_common import torch_backend
from xsm_kernels.self_attention.reference import near_days, projections


@torch_backend
def self_attention(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, window: int
) -> torch.Tensor:
    """Definition: :func:`xsm_kernels.self_attention.reference.self_attention`."""
    query, key, value, residual = projections(x, weight, bias)
    near = None if window >= x.shape[1] - 1 else near_days(x, window)
    context = functional.scaled_dot_product_attention(query, key, value, attn_mask=near)
    return torch.tanh(residual + context)
