"""The definition of layers of one cell, in plain PyTorch, with gradients."""

from __future__ import annotations

import torch

from xsm_kernels.masked_conv3d.reference import activate
from xsm_kernels.pointwise_layers.sources import parted


def pointwise_layers(
    *arrays: torch.Tensor | None, activations: tuple[str | None, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Layers of one cell each, the definition.

    With x' the sources joined along the channels where the mask is True, for each layer::

        x'[b, :, t, i, j] = act(W x'[b, :, t, i, j] + bias)     where mask and active, else 0

    Parameters
    ----------
    arrays
        Sources (B, C_i, T, H, W), mask bool (B, 1, T, H, W), active bool (T or 1, H, W) or None,
        weights (O, C), biases (O,).

    Returns
    -------
    y : (B, O, T, H, W)
    new_mask : bool (B, 1, T, H, W)
    """
    sources, mask, active, weights, biases = parted(arrays, len(activations))
    if active is not None:
        mask = mask & active
    x = torch.cat(sources, 1)
    zero = x.new_zeros(())
    x = torch.where(mask, x, zero)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        y = torch.einsum("oc,bcthw->bothw", weight, x) + bias.view(1, -1, 1, 1, 1)
        x = torch.where(mask, activate(y, activation), zero)
    return x, mask.clone()
