"""Windows of (time, lat, lon) arrays, with a halo that closes around the globe; NumPy.

:mod:`xsm.blockwise.dask_engine` cuts Dask arrays in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice, slice]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Margins = list[tuple[int, int]]  # cells before and after, of rows and columns

SERIES_VALUES = 4_000_000  # float32 values of a tile that holds all days


def windows(shape: tuple[int, int, int], tile: tuple[int, int, int]) -> Iterator[Window]:
    """Windows of at most `tile` that cover `shape`."""
    axes = [
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, tile, strict=True)
    ]
    return product(axes[0], axes[1], axes[2])


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


def take_cells(array: NDArray[Any], rows: slice, columns: slice, wrap: bool) -> NDArray[Any]:
    """Rows and columns of (..., H, W); beyond the edges NaN, or the other side of the globe."""
    part, margins = cut_cells(array, rows, columns, wrap)
    return pad_cells(part, margins) if np.any(margins) else part


def cut_cells(array: Any, rows: slice, columns: slice, wrap: bool) -> tuple[Any, Margins]:
    """The rows and columns that exist, and how many lie beyond the edges; NumPy or Dask."""
    height, width = array.shape[-2:]
    inside = slice(max(rows.start, 0), min(rows.stop, height))
    margins = [(inside.start - rows.start, rows.stop - inside.stop)]
    if wrap:
        return _columns_around_globe(array[..., inside, :], columns), [*margins, (0, 0)]
    within = slice(max(columns.start, 0), min(columns.stop, width))
    margins.append((within.start - columns.start, columns.stop - within.stop))
    return array[..., inside, within], margins


def pad_cells(part: NDArray[Any], margins: Margins) -> NDArray[Any]:
    """NaN around the last two dimensions."""
    part = part.astype(np.result_type(part.dtype, np.float32), copy=False)
    return np.pad(part, [(0, 0)] * (part.ndim - 2) + margins, constant_values=np.nan)


def _columns_around_globe(array: Any, columns: slice) -> Any:
    """Columns of (..., W), continued beyond the last with the first; a view where possible."""
    width = array.shape[-1]
    parts = []
    column = columns.start
    while column < columns.stop:
        first = column % width
        stop = min(first + columns.stop - column, width)
        parts.append(array[..., first:stop])
        column += stop - first
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


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
