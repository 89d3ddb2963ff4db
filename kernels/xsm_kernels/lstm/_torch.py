"""Long short-term memory by PyTorch's own kernels, with gradients: cuDNN on GPUs, oneDNN else."""

from __future__ import annotations

import torch


def lstm(
    x: torch.Tensor,
    weight_ih: torch.Tensor,
    weight_hh: torch.Tensor,
    bias: torch.Tensor,
    h: torch.Tensor | None = None,
    c: torch.Tensor | None = None,
    mask: None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Definition: :func:`xsm_kernels.lstm.reference.lstm`; no masks."""
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
