"""Layers of one cell on CPUs: masked convolutions with windows of one cell."""

from __future__ import annotations

from typing import Any

import numpy as np

from xsm_kernels.masked_conv3d._numba import masked_conv3d
from xsm_kernels.pointwise_layers.sources import parted


def pointwise_layers(
    *arrays: np.ndarray | None, activations: tuple[str | None, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Definition: :func:`xsm_kernels.pointwise_layers.reference.pointwise_layers`."""
    sources, mask, active, weights, biases = parted(arrays, len(activations))
    x: Any = sources[0] if len(sources) == 1 else np.concatenate(sources, axis=1)
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        window = weight[:, :, None, None, None]
        x, mask = masked_conv3d(x, mask, window, bias, None, active, activation=activation)
    return x, mask
