"""Values and masks of the days that a streamed network still needs, a row of channels per cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm_kernels._numba_common import NO_ARRAY, convolve_cells, empty_aligned
from xsm_kernels._numba_simd import CELLS, OUTPUTS
from xsm_kernels.arguments import Triple
from xsm_kernels.runtime import run_in_threads
from xsm_kernels.streaming.schedule import Schedule, Step

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


class CellIndex:
    """The cells of a grid that are stored, as rows, and the map from a cell to its neighbours.

    Parameters
    ----------
    stored : ndarray of bool, shape (H, W)
    border : (rows, columns)
        Width of the border around the grid that windows may reach into.
    wrap_longitude : bool
        Whether the last column is the neighbour of the first.

    Attributes
    ----------
    flat : ndarray of int, shape (L,)
        Flat index of each stored cell in the grid.
    count : int
        L.
    row_at : ndarray of int32
        Row of each cell of the grid with its border, flat; L where no cell is stored.
    centres : ndarray of int32, shape (L,)
        Index of each stored cell in `row_at`.
    """

    def __init__(self, stored: Bools, border: tuple[int, int], wrap_longitude: bool) -> None:
        height, width = stored.shape
        rows, columns = border
        self.flat = np.flatnonzero(stored)
        self.count = self.flat.size
        row_of = np.full((height, width), self.count, np.int32)
        row_of.reshape(-1)[self.flat] = np.arange(self.count, dtype=np.int32)
        sides = ((0, 0), (columns, columns))
        if wrap_longitude:
            row_of = np.pad(row_of, sides, mode="wrap")
            sides = ((0, 0), (0, 0))
        row_of = np.pad(row_of, ((rows, rows), sides[1]), constant_values=self.count)
        self.row_at = row_of.reshape(-1)
        self.width = row_of.shape[1]
        i, j = np.divmod(self.flat, width)
        self.centres = ((i + rows) * self.width + j + columns).astype(np.int32)

    def taps(self, kernel: Triple) -> NDArray[np.int64]:
        """Steps in `row_at` from a cell to the cells of a window around it."""
        rows, columns = (np.arange(size) - size // 2 for size in kernel[1:])
        return (rows[:, None] * self.width + columns).reshape(-1)


class RingBuffer:
    """Inputs and layer outputs of the days that later layers still read.

    Parameters
    ----------
    schedule : Schedule
    cells : CellIndex
    days_at_once : int
        Days of the inputs that are written together.

    Attributes
    ----------
    cells : CellIndex
    slots : dict of str to int
        Days of each input and layer that have a slot; a day is in slot ``day % slots[name]``.
    """

    def __init__(self, schedule: Schedule, cells: CellIndex, days_at_once: int) -> None:
        self.cells = cells
        self.channels = schedule.channels
        self._taps = {step.kernel: cells.taps(step.kernel) for step in schedule.steps}
        self.slots = {
            name: days + (days_at_once - 1 if name in schedule.inputs else 0)
            for name, days in schedule.days_held.items()
        }
        zeros = _whole_blocks(max(schedule.channels.values()))
        start, mask_start = zeros, 0
        self._starts, self._mask_starts = {}, {}
        for name, slots in self.slots.items():
            self._starts[name], self._mask_starts[name] = start, mask_start
            start += _whole_blocks(slots * cells.count * schedule.channels[name])
            mask_start += slots * (cells.count + 1)
        self._values = empty_aligned((start,))
        self._values[:zeros] = 0
        # all values of the inputs may not be 0; the bits of a layer are written with its values
        self._nonzero = np.full(start // OUTPUTS, (1 << OUTPUTS) - 1, np.uint32)
        self._nonzero[: zeros // OUTPUTS] = 0
        if not all(np.isfinite(step.weight).all() for step in schedule.steps):
            self._nonzero = np.empty(0, np.uint32)  # a product of 0 and Inf is NaN, not 0
        # one row more than there are cells: the row of grid cells that are not stored
        self._mask = np.zeros(mask_start, np.bool_)

    def rows(self, name: str, day: int) -> tuple[Floats, Bools]:
        """Values (L, C) and mask (L,) of a day, to be read or written."""
        start, mask_start = self._start(name, day), self._mask_start(name, day)
        values = self._values[start : start + self.cells.count * self.channels[name]]
        mask = self._mask[mask_start : mask_start + self.cells.count]
        return values.reshape(-1, self.channels[name]), mask

    def convolve(self, step: Step, day: int, rows: NDArray[np.integer]) -> None:
        """Compute the `rows` of a layer on a day."""
        if rows.size == 0:
            return
        rows = rows.astype(np.int32)
        blocks = -(-rows.size // CELLS)
        window = range(day - step.kernel[0] // 2, day + step.kernel[0] // 2 + 1)
        days = [
            [n, self._mask_start(step.mask, d), *(self._start(name, d) for name in step.sources)]
            for n, d in enumerate(window)
        ]
        run_in_threads(
            convolve_cells(),
            blocks,
            self._values,
            self._nonzero,
            self._mask,
            self.cells.row_at,
            rows,
            self.cells.centres[rows],
            self._taps[step.kernel],
            np.array(days, np.int64),
            np.array([self.channels[name] for name in step.sources], np.int64),
            step.weight,
            step.bias,
            step.ratio,
            step.activation,
            self._values,
            self._layout(step.residual, day),
            self._values,
            self._layout(step.skip, day),
            self._values,
            (*self._layout(step.name, day), self.channels[step.name]),
            self._mask,
            self._mask_start(step.name, day),
        )

    def _start(self, name: str, day: int) -> int:
        """Index at which the values of a day begin."""
        slot = day % self.slots[name]
        return self._starts[name] + slot * self.cells.count * self.channels[name]

    def _mask_start(self, name: str, day: int) -> int:
        """Index at which the mask of a day begins."""
        return self._mask_starts[name] + day % self.slots[name] * (self.cells.count + 1)

    def _layout(self, name: str | None, day: int) -> Triple:
        """Start, step between cells and step between channels, for the compiled loop."""
        return NO_ARRAY if name is None else (self._start(name, day), self.channels[name], 1)


def _whole_blocks(size: int) -> int:
    """`size` rounded up to a multiple of OUTPUTS."""
    return -(-size // OUTPUTS) * OUTPUTS
