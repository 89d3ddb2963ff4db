"""Windows with a margin over (H, W), for methods that need more memory than a whole record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tile:
    """Rows and columns of a window, with and without its margin."""

    rows: slice  # without margin, in the record
    columns: slice
    outer_rows: NDArray[np.intp]  # with margin, cut at the edges
    outer_columns: NDArray[np.intp]  # cut at the edges, or running over them on a globe
    inner: tuple[slice, slice]  # the first two, counted in the window with margin

    def cut(self, array: NDArray) -> NDArray:
        """The window with its margin of an array (..., H, W); a copy."""
        return array[..., self.outer_rows[:, None], self.outer_columns]


def tiles(height: int, width: int, size: int, margin: int, *, wrap: bool = False) -> Iterator[Tile]:
    """Cover (height, width) with windows of at most `size` x `size` plus `margin` on each side.

    Examples
    --------
    >>> [t.outer_columns.tolist() for t in tiles(1, 4, 2, 1, wrap=True)]
    [[3, 0, 1, 2], [1, 2, 3, 0]]
    >>> [t.outer_columns.tolist() for t in tiles(1, 4, 2, 1)]
    [[0, 1, 2], [1, 2, 3]]
    """
    for top in range(0, height, size):
        bottom = min(top + size, height)
        first = max(0, top - margin)
        rows = np.arange(first, min(bottom + margin, height))
        for left in range(0, width, size):
            right = min(left + size, width)
            inner = right - left
            reach = min(margin, (width - inner) // 2) if wrap else min(margin, left)
            end = right + reach if wrap else min(right + margin, width)
            columns = np.arange(left - reach, end) % width
            inside = (slice(top - first, bottom - first), slice(reach, reach + inner))
            yield Tile(slice(top, bottom), slice(left, right), rows, columns, inside)
