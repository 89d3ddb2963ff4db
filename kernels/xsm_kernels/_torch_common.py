"""What the references and the backends on PyTorch's own kernels share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from xsm_kernels.arguments import Triple
from xsm_kernels.dispatch import implementation, is_tensor


def unsupported_reason(arrays: Sequence[Any]) -> str | None:
    """PyTorch's own kernels take tensors on any device."""
    return None if is_tensor(arrays[0]) else "it takes torch tensors, got NumPy arrays"


# a reference runs on everything; NumPy arrays are converted
reference_backend = implementation("torch", lambda arrays: None)
torch_backend = implementation("torch", unsupported_reason)


def pad_cells(values: torch.Tensor, padding: Triple, wrap_longitude: bool) -> torch.Tensor:
    """Pad `values` (..., T, H, W) with zeros (False), or with the opposite columns in longitude.

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


def activate(y: torch.Tensor, activation: str | None) -> torch.Tensor:
    """Activation by name; each maps 0 to 0, so that empty cells stay 0."""
    if activation == "relu":
        return functional.relu(y)
    if activation == "leaky_relu":
        return functional.leaky_relu(y, 0.01)
    if activation == "silu":
        return functional.silu(y)
    if activation == "tanh":
        return torch.tanh(y)
    return y
