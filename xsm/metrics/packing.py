"""Series without their missing values: the pairs of each moved to the front."""

from __future__ import annotations

from typing import Any, NamedTuple

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
                found |= some & (np.nan_to_num(np.abs(s - s[:, :1])).max(axis=1) == 0)
        return found & (self.length > 1)


def pack(*series: NDArray[np.float64]) -> Packed:
    """Move what is valid in all `series` (P, T) to the front of each row."""
    finite = [np.isfinite(s) for s in series]
    keep = finite[0].copy()
    for f in finite[1:]:
        keep &= f
    length = keep.sum(axis=1)
    rows, _ = np.nonzero(keep)
    columns = np.arange(rows.size) - np.repeat(np.cumsum(length) - length, length)
    packed: list[NDArray[Any]] = []
    for s in series:
        out = np.full(s.shape, np.nan)
        out[rows, columns] = s[keep]
        packed.append(out)
    return Packed(tuple(packed), length, tuple(f.sum(axis=1) for f in finite))
