"""Windows of (time, lat, lon) arrays, and cells around them, also around the globe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice, slice]
Margins = list[tuple[int, int]]  # cells before and after, of rows and columns


def windows(shape: tuple[int, int, int], tile: tuple[int, int, int]) -> Iterator[Window]:
    """Windows of at most `tile` that cover `shape`."""
    axes = [
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, tile, strict=True)
    ]
    return product(axes[0], axes[1], axes[2])


class Area(NamedTuple):
    """Some rows and columns with a margin, as far as the record has it."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    beyond: Margins  # rows and columns of the margin that the record has not
    own: tuple[slice, slice]  # without the margin, of this area


def area_around(
    cells: tuple[slice, slice], margin: tuple[int, int], shape: Sequence[int], wrap: bool
) -> Area:
    """The area of some cells of a record (H, W) that may close around the globe."""
    spans, beyond, own = [], [], []
    for part, m, n, closed in zip(cells, margin, shape, (False, wrap), strict=True):
        first, last = part.start - m, part.stop + m
        low, high = (first, last) if closed else (max(first, 0), min(last, n))
        spans.append((low, high))
        beyond.append((low - first, last - high))
        own.append(slice(part.start - low, part.stop - low))
    return Area(spans[0], spans[1], beyond, (own[0], own[1]))


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
