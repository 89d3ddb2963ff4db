"""The definition of layers of one cell, in plain PyTorch, with gradients."""

from __future__ import annotations

import torch

from xsm_kernels._torch_common import activate, reference_backend

Tensors = tuple[torch.Tensor, ...]


@reference_backend
def pointwise_layers(
    sources: Tensors,
    mask: torch.Tensor,
    weights: Tensors,
    biases: Tensors,
    active: torch.Tensor | None = None,
    *,
    activations: tuple[str | None, ...],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Successive layers of one cell: the definition.

    With x' the sources concatenated along the channels where the mask is True, for each layer::

        x'[b, :, t, i, j] = act(W x'[b, :, t, i, j] + bias)     where mask and active, else 0

    Parameters
    ----------
    sources : each (B, C_i, T, H, W)
    mask : bool (B, 1, T, H, W)
    weights : each (O, C)
    biases : each (O,)
    active : bool (T or 1, H, W)

    Returns
    -------
    y : (B, O, T, H, W)
    new_mask : bool (B, 1, T, H, W)
    """
    if active is not None:
        mask = mask & active
    x = torch.cat(sources, 1)
    zero = x.new_zeros(())
    x = torch.where(mask, x, zero)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        y = torch.einsum("oc,bcthw->bothw", weight, x) + bias.view(1, -1, 1, 1, 1)
        x = torch.where(mask, activate(y, activation), zero)
    return x, mask.clone()
