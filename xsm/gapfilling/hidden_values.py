"""Which observations of a record are hidden for its calibration: windows, boxes and gaps.

A small record is its own sample; of a larger one some windows are. Each round hides a few per cent
of the observations of a box of each window, in the patterns of real gaps. All of it depends on the
shape of the record and on which values are observed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.conventions.windows import Window
from xsm.gapfilling.gap_patterns import sample_gaps

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

WHOLE_VALUES = 1_000_000  # of a record that is its own sample
SAMPLE_DAYS = 120
SAMPLE_CELLS = 40  # rows and columns
SAMPLES = 2, 8  # windows of a larger record
BOXES = 8  # one season or place says little about a record
BOXES_FRACTION = 0.25  # of a window, at most
HIDDEN_DAYS = 20  # at least, in a round
HIDDEN_VALUES = 4_000, 200_000  # from which a round hides some, of all samples
FRACTIONS = {"cell": 0.08, "long": 0.08, "block": 0.03, "swath": 0.02}
MIN_PATCH = 24  # rows and columns, for blocks and swaths


class Sample(NamedTuple):
    """A part of a record.

    window : days, rows and columns of the record, with the neighbourhood; may reach beyond it
    margin : rows and columns of the neighbourhood on each side
    box_shape : days, rows and columns of a box, of which some values are hidden
    wrap : whether the last column is the neighbour of the first
    boxes : number of boxes in a round
    """

    window: Window
    margin: tuple[int, int]
    box_shape: tuple[int, int, int]
    wrap: bool
    boxes: int = 1

    def box(self, number: int) -> Window:
        """Days, rows and columns of a box within the window; the boxes cover it evenly."""
        days, rows, columns = (part.stop - part.start for part in self.window)
        inside = days, rows - 2 * self.margin[0], columns - 2 * self.margin[1]
        first = _even_point(number, inside, self.box_shape)
        t, y, x = (
            slice(start + margin, start + margin + size)
            for start, margin, size in zip(first, (0, *self.margin), self.box_shape, strict=True)
        )
        return t, y, x


def _even_point(number: int, shape: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """Where to put window `number` of these sizes: the R3 sequence covers `shape` evenly."""
    position = (0.5 + number * np.array([0.8191725, 0.6710436, 0.5497005])) % 1.0
    return [int(p * (n - s + 1)) for p, n, s in zip(position, shape, sizes, strict=True)]


def _box_shape(shape: tuple[int, int, int], values: float) -> tuple[int, int, int]:
    """Days, rows and columns of a box of about so many values, long enough for long gaps."""
    days = min(HIDDEN_DAYS, shape[0])
    rows = int(np.clip(np.sqrt(values / days), 1, shape[1]))
    columns = int(np.clip(values / (days * rows), 1, shape[2]))
    rows = int(np.clip(values / (days * columns), 1, shape[1]))
    return int(np.clip(values / (rows * columns), days, shape[0])), rows, columns


def samples(
    shape: tuple[int, int, int], margin: tuple[int, int], wrap: bool, first_column: int = 0
) -> list[Sample]:
    """The samples of a record; they depend on its shape alone.

    Parameters
    ----------
    shape : (int, int, int)
        Days, rows and columns.
    margin : (int, int)
        Rows and columns around a cell that its estimate depends on.
    wrap : bool
        Whether the last column of the record is the neighbour of the first.
    first_column : int
        The westernmost column, where the record closes around the globe.

    Returns
    -------
    list of Sample
        A record of up to a million values is its own sample. Of a larger one two to eight windows
        of 120 days x 40 x 40 cells, spread over it by the R3 sequence (Roberts, 2018).
    """
    days, rows, columns = shape
    total = days * rows * columns
    low, high = HIDDEN_VALUES
    if total <= WHOLE_VALUES:
        window = slice(0, days), slice(0, rows), slice(first_column, first_column + columns)
        return [_sample(window, (0, 0), shape, max(low, 0.03 * total), wrap)]
    sizes = min(days, SAMPLE_DAYS), min(rows, SAMPLE_CELLS), min(columns, SAMPLE_CELLS)
    around = sizes[0] * (sizes[1] + 2 * margin[0]) * (sizes[2] + 2 * margin[1])
    number = int(np.clip(total / (2 * around), *SAMPLES))
    of_box = np.clip(0.03 * total, low, high) / number
    out = []
    for n in range(number):
        t, y, x = _even_point(n, shape, sizes)
        x += first_column
        t = t // 10 * 10  # as the knots of the seasonal cycle
        window = (
            slice(t, t + sizes[0]),
            slice(y - margin[0], y + sizes[1] + margin[0]),
            slice(x - margin[1], x + sizes[2] + margin[1]),
        )
        out.append(_sample(window, margin, sizes, of_box, False, number))
    return out


def _sample(
    window: Window,
    margin: tuple[int, int],
    sizes: tuple[int, int, int],
    of_box: float,
    wrap: bool,
    windows: int = 1,
) -> Sample:
    """A window, of these sizes without its neighbourhood, with boxes of about so many values."""
    box = _box_shape(sizes, of_box)
    most = BOXES_FRACTION * math.prod(sizes) / math.prod(box)
    return Sample(window, margin, box, wrap, int(np.clip(most, 1, max(BOXES // windows, 1))))


def hidden_values(values: Floats, seed: Sequence[int]) -> Bools:
    """Choose values of a box (T, H, W) to hide, in the patterns of real gaps."""
    valid = np.isfinite(values)
    days, *cells = valid.shape
    chosen = np.zeros_like(valid)
    if valid.any():
        for number, (kind, fraction) in enumerate(FRACTIONS.items()):
            if kind == "long" and days < HIDDEN_DAYS - 5:
                continue
            if kind in ("block", "swath") and min(cells) < MIN_PATCH:
                continue
            chosen |= sample_gaps(valid, kind, fraction, np.random.default_rng([*seed, number]))
    return chosen
