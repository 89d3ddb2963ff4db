"""Borders and window counts in PyTorch, shared by the references."""

from __future__ import annotations

import torch
from torch.nn import functional

from xsm_kernels.arguments import Triple


def pad_cells(values: torch.Tensor, padding: Triple, wrap_longitude: bool) -> torch.Tensor:
    """`values` (..., T, H, W) with zeros (False) around it; longitude goes round if asked.

    The circular border repeats as often as needed, so it may be wider than the array.
    """
    time, lat, lon = padding
    if wrap_longitude and lon:
        width = values.shape[-1]
        columns = torch.arange(-lon, width + lon, device=values.device) % width
        values = values.index_select(-1, columns)
        lon = 0
    if time or lat or lon:
        values = functional.pad(values, (lon, lon, lat, lat, time, time))
    return values


def count_observed(mask: torch.Tensor, kernel: Triple, dilation: Triple) -> torch.Tensor:
    """Observed cells per window, int32 (..., T', H', W'), of a padded `mask` (..., T, H, W)."""
    count = mask.to(torch.int32)
    for axis, (size, step) in enumerate(zip(kernel, dilation, strict=True)):
        dim = axis - 3
        length = count.shape[dim] - step * (size - 1)
        # separable: one axis after the other
        total = count.narrow(dim, 0, length)
        for tap in range(1, size):
            total = total + count.narrow(dim, tap * step, length)
        count = total
    return count
