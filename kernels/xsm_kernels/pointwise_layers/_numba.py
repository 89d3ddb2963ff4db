"""Layers of one cell on CPUs: masked convolutions with windows of one cell."""

from __future__ import annotations

import numpy as np

from xsm_kernels._numba_common import numba_backend
from xsm_kernels.masked_conv3d import masked_conv3d

Arrays = tuple[np.ndarray, ...]


@numba_backend
def pointwise_layers(
    sources: Arrays,
    mask: np.ndarray,
    weights: Arrays,
    biases: Arrays,
    active: np.ndarray | None = None,
    *,
    activations: tuple[str | None, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """Definition: :func:`xsm_kernels.pointwise_layers.reference.pointwise_layers`."""
    if mask.size == 0:  # a convolution refuses axes without cells
        return np.zeros((len(mask), len(weights[-1]), *mask.shape[2:]), np.float32), mask.copy()
    x = sources[0] if len(sources) == 1 else np.concatenate(sources, axis=1)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        window = weight[:, :, None, None, None]
        x, mask = masked_conv3d(
            x, mask, window, bias, active=active, activation=activation, backend="numba"
        )
    return x, mask
