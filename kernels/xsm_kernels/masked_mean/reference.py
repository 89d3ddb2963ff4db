"""The definition of the masked mean, in plain PyTorch, with gradients."""

from __future__ import annotations

import torch
from torch.nn import functional

from xsm_kernels._torch_common import count_observed, pad_cells, reference_backend


@reference_backend
def masked_mean(
    x: torch.Tensor, mask: torch.Tensor, *, size: int, wrap_longitude: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over the observed cells of a square, per day and channel.

    With s the observed among the K = size * size cells around (i, j)::

        mean = sum of x over the observed cells / s      where s > 0, else 0
        fraction = s / K

    Cells outside the array are missing, except that with `wrap_longitude` the columns beyond the
    edges are those of the opposite side. Missing cells are excluded by selection, not by
    multiplication: NaN and Inf there have no effect. Sums and counts are in float32 or wider.

    Parameters
    ----------
    x : (B, C, T, H, W)
    mask : bool (B, 1, T, H, W)

    Returns
    -------
    mean : (B, C, T, H, W)
    fraction : (B, 1, T, H, W)
    """
    if x.numel() == 0:
        return torch.zeros_like(x), x.new_zeros(mask.shape)
    half = size // 2
    # float16 holds neither the number of cells of a wide square nor one value divided by it
    wide = torch.promote_types(x.dtype, torch.float32)
    observed = torch.where(mask, x, x.new_zeros(())).to(wide)
    observed = pad_cells(observed, (0, half, half), wrap_longitude)
    # average over rows, then columns: (B, C * T, H, W) = sum / K
    flat = functional.avg_pool2d(observed.flatten(1, 2), (size, 1), stride=1)
    flat = functional.avg_pool2d(flat, (1, size), stride=1)
    count = count_observed(
        pad_cells(mask, (0, half, half), wrap_longitude), (1, size, size), (1, 1, 1)
    )
    fraction = count.to(wide) / (size * size)
    mean = flat.unflatten(1, x.shape[1:3]) * (size * size / count.clamp(min=1).to(wide))
    mean = torch.where(count > 0, mean, mean.new_zeros(()))
    return mean.to(x.dtype), fraction.to(x.dtype)
