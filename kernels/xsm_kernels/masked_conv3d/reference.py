"""The definition of the masked convolution, in plain PyTorch, with gradients."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from xsm_kernels._torch_common import activate, count_observed, pad_cells, reference_backend
from xsm_kernels.arguments import Triple


@reference_backend
def masked_conv3d(
    x: torch.Tensor,
    mask: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    active: torch.Tensor | None = None,
    *,
    activation: str | None = None,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masked 3-D convolution: the definition.

    With K = kt * kh * kw and s the observed cells of the window (dilated, after padding)::

        y[b, o, t, i, j] = act(K / s * sum_{c, a, p, q} W[o, c, a, p, q] * x'[b, c, t', i', j']
                               + bias[o] + residual[b, o, t, i, j])       where s > 0, else 0
        new_mask = s > 0

    x' is x where the mask is True and 0 elsewhere, by selection and not by multiplication: NaN and
    Inf under the mask reach neither values nor gradients. Cells of the padding are missing; with
    `wrap_longitude` the padding columns are those of the opposite side, with their mask. Where
    `active` is False, y = 0 and new_mask = False. Counts are integers; everything else is in the
    dtype of `x`.

    Parameters
    ----------
    x : (B, C, T, H, W)
    mask : bool (B, 1, T, H, W)
    weight : (O, C, kt, kh, kw)
    bias : (O,)
    residual : (B, O, T', H', W')
    active : bool (T' or 1, H', W')

    Returns
    -------
    y : (B, O, T', H', W')
    new_mask : bool (B, 1, T', H', W')
    """
    kernel = (weight.shape[2], weight.shape[3], weight.shape[4])
    observed = torch.where(mask, x, x.new_zeros(()))
    # conv3d pads with zeros itself, which saves a copy unless the longitude wraps
    wrapped = (0, 0, padding[2]) if wrap_longitude else (0, 0, 0)
    zeros = (padding[0], padding[1], 0 if wrap_longitude else padding[2])
    observed = pad_cells(observed, wrapped, wrap_longitude)
    total = functional.conv3d(observed, weight, padding=zeros, dilation=dilation)

    # (B, 1, T', H', W')
    count = count_observed(pad_cells(mask, padding, wrap_longitude), kernel, dilation)
    new_mask = count > 0
    if active is not None:
        new_mask = new_mask & active
    scale = math.prod(kernel) / count.clamp(min=1).to(x.dtype)
    y = total * scale
    if bias is not None:
        y = y + bias.view(1, -1, 1, 1, 1)
    if residual is not None:
        y = y + residual
    y = torch.where(new_mask, y, y.new_zeros(()))
    return activate(y, activation), new_mask
