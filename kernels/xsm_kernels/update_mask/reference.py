"""The definition of the mask update, in plain PyTorch."""

from __future__ import annotations

import torch

from xsm_kernels.arguments import Triple
from xsm_kernels.windows import count_observed, pad_cells


def update_mask(
    mask: torch.Tensor,
    active: torch.Tensor | None = None,
    *,
    kernel_size: Triple,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
) -> torch.Tensor:
    """``new_mask = s > 0`` with s the observed cells of each window; False where not `active`.

    Parameters
    ----------
    mask : bool (B, 1, T, H, W)
        Cells of the padding are missing, or those of the other side when `wrap_longitude`.
    active : bool (T' or 1, H', W')

    Returns
    -------
    bool (B, 1, T', H', W')
    """
    new_mask = count_observed(pad_cells(mask, padding, wrap_longitude), kernel_size, dilation) > 0
    return new_mask if active is None else new_mask & active
