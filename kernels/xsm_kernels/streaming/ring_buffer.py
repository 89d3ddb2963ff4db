"""Where a streaming network keeps its days: channels last, a row per cell that takes part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm_kernels.cells import ABSENT, convolve_cells
from xsm_kernels.runtime import run_in_threads
from xsm_kernels.simd import CELLS
from xsm_kernels.streaming.schedule import INPUTS, Plan, Step

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Window = tuple[int, int, int]


class Cells:
    """The cells of a grid that take part, in rows, and the way to their neighbours.

    Attributes
    ----------
    at : ndarray of int, shape (L,)
        Place of each in the grid, flattened.
    row_at : ndarray of int32
        Row of each place of the grid with its border, flattened; L where none takes part.
    place : ndarray of int32, shape (L,)
        Place of each there.
    """

    def __init__(self, taking_part: Bools, border: tuple[int, int], wrap: bool) -> None:
        height, width = taking_part.shape
        rows, columns = border
        self.at = np.flatnonzero(taking_part)
        self.count = self.at.size
        row_of = np.full((height, width), self.count, np.int32)
        row_of.reshape(-1)[self.at] = np.arange(self.count, dtype=np.int32)
        sides = ((0, 0), (columns, columns))
        if wrap:
            row_of = np.pad(row_of, sides, mode="wrap")
            sides = ((0, 0), (0, 0))
        row_of = np.pad(row_of, ((rows, rows), sides[1]), constant_values=self.count)
        self.row_at = row_of.reshape(-1)
        self.width = row_of.shape[1]
        i, j = np.divmod(self.at, width)
        self.place = ((i + rows) * self.width + j + columns).astype(np.int32)

    def taps(self, kernel: Window) -> NDArray[np.int64]:
        """Steps from a place to those of a window around it."""
        rows, columns = (np.arange(size) - size // 2 for size in kernel[1:])
        return (rows[:, None] * self.width + columns).reshape(-1)


class Rings:
    """Values and masks of the days that each output still needs.

    Parameters
    ----------
    plan : Plan
    cells : Cells
    together : int
        Days of the inputs that are written at once.
    """

    def __init__(self, plan: Plan, cells: Cells, together: int) -> None:
        self.cells = cells
        self.channels = plan.channels
        self._taps = {step.kernel: cells.taps(step.kernel) for step in plan.steps}
        self.held = {n: h + (together - 1 if n in INPUTS else 0) for n, h in plan.held.items()}
        zeros = max(plan.channels.values())
        start, mask_start = zeros, 0
        self._starts, self._mask_starts = {}, {}
        for name, held in self.held.items():
            self._starts[name], self._mask_starts[name] = start, mask_start
            start += held * cells.count * plan.channels[name]
            mask_start += held * (cells.count + 1)
        self.values = np.empty(start, np.float32)
        self.values[:zeros] = 0
        # a row more than there are cells: that of places where none takes part
        self.known = np.zeros(mask_start, np.bool_)

    def start(self, name: str, day: int) -> int:
        """Where the values of a day begin."""
        slot = day % self.held[name]
        return self._starts[name] + slot * self.cells.count * self.channels[name]

    def mask_start(self, name: str, day: int) -> int:
        """Where the mask of a day begins."""
        return self._mask_starts[name] + day % self.held[name] * (self.cells.count + 1)

    def rows(self, name: str, day: int) -> tuple[Floats, Bools]:
        """Values (L, C) and mask (L,) of a day."""
        start, first = self.start(name, day), self.mask_start(name, day)
        values = self.values[start : start + self.cells.count * self.channels[name]]
        return values.reshape(-1, self.channels[name]), self.known[first : first + self.cells.count]

    def place(self, name: str | None, day: int) -> tuple[int, int, int]:
        """Start, step between cells and step between channels, for the compiled loop."""
        return ABSENT if name is None else (self.start(name, day), self.channels[name], 1)

    def convolve(self, step: Step, day: int, rows: NDArray[np.integer]) -> None:
        """Compute the `rows` of a layer on a day."""
        rows = rows.astype(np.int32)
        blocks = -(-rows.size // CELLS)
        around = range(day - step.kernel[0] // 2, day + step.kernel[0] // 2 + 1)
        table = [
            [a, self.mask_start(step.mask, d), *(self.start(name, d) for name in step.sources)]
            for a, d in enumerate(around)
        ]
        run_in_threads(
            convolve_cells(),
            blocks,
            self.values,
            self.known,
            self.cells.row_at,
            rows,
            self.cells.place[rows],
            self._taps[step.kernel],
            np.array(table, np.int64),
            np.array([self.channels[name] for name in step.sources], np.int64),
            step.weight,
            step.bias,
            step.ratio,
            step.activation,
            self.values,
            self.place(step.residual, day),
            self.values,
            self.place(step.skip, day),
            self.values,
            (*self.place(step.name, day), self.channels[step.name]),
            self.known,
            self.mask_start(step.name, day),
        )
