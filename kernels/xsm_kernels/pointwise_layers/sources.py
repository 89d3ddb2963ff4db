"""The flat list of arrays in which a call of layers reaches a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def parted(arrays: Sequence[Any], layers: int) -> tuple[Any, Any, Any, Any, Any]:
    """Sources, mask, active, weights and biases out of the flat list of a call."""
    end = len(arrays) - 2 * layers
    weights, biases = arrays[end : end + layers], arrays[end + layers :]
    return arrays[: end - 2], arrays[end - 2], arrays[end - 1], weights, biases
