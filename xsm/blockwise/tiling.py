"""How large windows of (time, lat, lon) arrays are, and what is read with their halo; NumPy.

:mod:`xsm.conventions.windows` cuts arrays. :mod:`xsm.blockwise.dask_engine` does so on Dask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.conventions.windows import Window, take_cells

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

SERIES_VALUES = 4_000_000  # float32 values of a tile that holds all days


def series_tile(shape: tuple[int, int, int], extra: int = 0) -> tuple[int, int, int]:
    """Size of a tile with all days whose memory does not grow with the length of the record.

    `extra` is the workspace per cell, in values.
    """
    side = max(int((SERIES_VALUES / (shape[0] + extra)) ** 0.5), 8)
    return shape[0], min(side, shape[1]), min(side, shape[2])


def bounding_box(mask: Bools) -> Window | None:
    """The smallest window (T, H, W) that holds all True; None if there are none."""
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        index = np.flatnonzero(mask.any(axis=others))
        if index.size == 0:
            return None
        box.append(slice(int(index[0]), int(index[-1]) + 1))
    return box[0], box[1], box[2]


def with_halo(window: Window, halo: tuple[int, int, int]) -> Window:
    """The slices of an array with `halo` on each side that hold `window` and its halo."""
    t, y, x = (slice(w.start, w.stop + 2 * h) for w, h in zip(window, halo, strict=True))
    return t, y, x


def inner(x: Any, margin: Sequence[int]) -> Any:
    """(..., H, W) without `margin` rows and columns on each side."""
    rows, columns = (slice(m, n - m) for m, n in zip(margin, x.shape[-2:], strict=True))
    return x[..., rows, columns]


def to_float32(raw: NDArray[Any], factor: float) -> Floats:
    """Values times `factor`, float32, NaN where missing or infinite."""
    values = np.asarray(raw, np.float32)
    values = values if factor == 1.0 else values * np.float32(factor)
    infinite = np.isinf(values)
    return np.where(infinite, np.float32(np.nan), values) if infinite.any() else values


@dataclass(frozen=True)
class DailyArray:
    """A record in memory, read window by window with its absent days as missing.

    Attributes
    ----------
    raw : ndarray, shape (N, H, W)
        Any real type.
    factor : float
        Multiplies the values that are read.
    days : ndarray of int, shape (N,)
        Days since the first, increasing; the others of ``0 .. days[-1]`` are absent.
    wrap : bool
        Whether the last column is the neighbour of the first.
    """

    raw: NDArray[Any]
    factor: float
    days: NDArray[np.int64]
    wrap: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Days with the absent ones, rows, columns."""
        return (int(self.days[-1]) + 1, *self.raw.shape[1:])

    def present(self, days: slice) -> slice:
        """Positions in `raw` of the days of a window."""
        first, last = np.searchsorted(self.days, [days.start, days.stop])
        return slice(int(first), int(last))

    def read(self, window: Window, halo: tuple[int, int, int] = (0, 0, 0)) -> Floats:
        """Values of `window` and `halo` cells around, float32, NaN where missing or outside."""
        days, rows, columns = (
            slice(part.start - margin, part.stop + margin)
            for part, margin in zip(window, halo, strict=True)
        )
        present = self.present(days)
        out = np.full(tuple(s.stop - s.start for s in (days, rows, columns)), np.nan, np.float32)
        cells = take_cells(self.raw[present], rows, columns, self.wrap)
        out[self.days[present] - days.start] = to_float32(cells, self.factor)
        return out
