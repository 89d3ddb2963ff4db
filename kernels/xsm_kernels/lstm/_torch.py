"""Long short-term memory by PyTorch's own kernels, with gradients: cuDNN on GPUs, else oneDNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from xsm_kernels import _torch_common
from xsm_kernels.dispatch import implementation


def unsupported_reason(arrays: Sequence[Any]) -> str | None:
    """PyTorch's own kernels skip no days."""
    if reason := _torch_common.unsupported_reason(arrays):
        return reason
    has_mask = any(str(a.dtype).endswith("bool") for a in arrays if a is not None)
    return "it supports no masks; use the reference" if has_mask else None


@implementation("torch", unsupported_reason)
def lstm(
    x: torch.Tensor,
    weight_ih: torch.Tensor,
    weight_hh: torch.Tensor,
    bias: torch.Tensor,
    h: torch.Tensor | None = None,
    c: torch.Tensor | None = None,
    mask: None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.lstm.reference.lstm`; no mask."""
    directions, _, hidden = weight_hh.shape
    zero = x.new_zeros(directions, x.shape[0], hidden)
    flat = []
    for d in range(directions):
        flat += [weight_ih[d], weight_hh[d], bias[d], torch.zeros_like(bias[d])]
    state = zero if h is None else h, zero if c is None else c
    tf32 = torch.get_float32_matmul_precision() != "highest"
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
        # input, state, weights, biases, layers, dropout, training, bidirectional, batch first
        return torch._VF.lstm(  # type: ignore[attr-defined]
            x, state, flat, True, 1, 0.0, torch.is_grad_enabled(), directions == 2, True
        )
