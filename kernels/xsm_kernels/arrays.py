"""Arrays whose vectors lie within cache lines."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from xsm_kernels.cells import OPTIONS

LINE = 16  # floats


def room(shape: tuple[int, ...]) -> np.ndarray:
    """An empty contiguous float32 array that begins with a cache line."""
    size = math.prod(shape)
    values = np.empty(size + LINE, np.float32)
    first = -values.ctypes.data // values.itemsize % LINE
    return values[first : first + size].reshape(shape)


def aligned(values: np.ndarray) -> np.ndarray:
    """A contiguous copy that begins with a cache line."""
    copy = room(values.shape)
    copy[...] = values
    return copy


@njit(**OPTIONS)
def lines(size):
    """Within compiled code: so many zeros that begin with a cache line."""
    values = np.zeros(size + LINE, np.float32)
    return values[(-values.ctypes.data // 4) % LINE :][:size]
