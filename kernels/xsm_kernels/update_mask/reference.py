"""The definition of the mask update, in plain PyTorch."""

from __future__ import annotations

import torch

from xsm_kernels._torch_common import count_observed, pad_cells, reference_backend
from xsm_kernels.arguments import Triple


@reference_backend
def update_mask(
    mask: torch.Tensor,
    active: torch.Tensor | None = None,
    *,
    kernel_size: Triple,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
) -> torch.Tensor:
    """``new_mask = s > 0`` with s observed cells in each window; False where not `active`.

    Parameters
    ----------
    mask : bool (B, 1, T, H, W)
        Padding cells are missing; with `wrap_longitude`, padding columns are the opposite ones.
    active : bool (T' or 1, H', W')

    Returns
    -------
    bool (B, 1, T', H', W')
    """
    new_mask = count_observed(pad_cells(mask, padding, wrap_longitude), kernel_size, dilation) > 0
    return new_mask if active is None else new_mask & active
