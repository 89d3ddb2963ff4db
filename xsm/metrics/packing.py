"""Series without their missing values: the pairs of each moved to the front."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Packed(NamedTuple):
    """Two or three series of P points.

    Attributes
    ----------
    series : tuple of ndarray of float64 (P, T)
        The first `length` of each row are pairs, in order; the rest is NaN.
    length : ndarray of int64 (P,)
    valid : tuple of ndarray of int64 (P,)
        How many values each series has, pairs or not.
    """

    series: tuple[NDArray[np.float64], ...]
    length: NDArray[np.int64]
    valid: tuple[NDArray[np.int64], ...]

    def constant(self) -> NDArray[np.bool_]:
        """Whether a series, where all are valid, does not vary (P,); False without a pair."""
        some = self.length > 0
        found = np.zeros(some.shape, bool)
        for s in self.series:
            if s.shape[1]:
                found |= some & ~((s != s[:, :1]) & ~np.isnan(s)).any(axis=1)
        return found & (self.length > 1)


def pack(*series: NDArray[np.float64]) -> Packed:
    """Move what is valid in all `series` (P, T) to the front of each row."""
    from xsm.metrics.compiled_packing import packing_kernel

    given = np.stack(series).astype(np.float64, copy=False)
    out, valid = np.empty_like(given), np.zeros(given.shape[:2], np.int64)
    length = np.zeros(given.shape[1], np.int64)
    packing_kernel()(given, out, length, valid)
    return Packed(tuple(out), length, tuple(valid))
