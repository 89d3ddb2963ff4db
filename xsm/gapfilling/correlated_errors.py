"""Random errors that are correlated in space and time, from random numbers counted by position.

An error is a sum of independent stationary Gaussian fields. Each has a Gaussian correlation in
space and a first-order autoregressive one in time:

``rho(d, l) = sum_k w_k exp(-d^2 / (2 L_k^2)) phi_k^l``,  ``sum_k w_k = 1``,

at a distance of d cells and l days; L = 0 is white noise. A mixture of Gaussians is the general
form of a correlation that is valid in any number of dimensions (Schoenberg, 1938, doi
10.2307/1968466); an exponential with a nugget is one of them.

- Random numbers are those of Philox (Salmon et al., 2011, doi 10.1145/2063384.2063405), a function
  of seed, record, sample, field, day and position. Nothing depends on what else is drawn.
- In space: white noise on nodes L apart is smoothed by a Gaussian of standard deviation L / sqrt 2
  along columns, then along rows (Oliver, 1995, Mathematical Geology 27, 939-960).
- In time: a day halfway between two others, s days away each, is given by
  ``z = r (z_before + z_after) / (1 + r^2) + sqrt((1 - r^2) / (1 + r^2)) e`` with ``r = phi^s``, the
  conditional distribution of an autoregressive process. So a day needs a few others only, not all
  days before it. Days 512 apart are independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LENGTHS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)  # L, cells
PHI = (0.0, 0.5, 0.8, 0.93, 0.98)  # autocorrelation at one day
FIELDS = len(LENGTHS) * len(PHI)
SPAN = 512  # days, a power of two
TAPS = 6  # nodes along columns that contribute to a cell
REACH = 3.0  # standard deviations of the smoothing along rows
NODE_TILES = (32, 32, 16, 8, 8, 8)  # nodes whose random numbers are drawn at once, by length
OFFSET = 64  # nodes before the first cell
DAY_OFFSET = 2**40  # so that days before 1970 count from 0
WIDTHS = 0.25, 4.0  # limits of the width of a cell

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class CellGrid:
    """Where the cells of a record lie.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns.
    wrap : bool
        Whether the last column is the neighbour of the first.
    first_column : int
        The westernmost column, where the record closes around the globe.
    width : ndarray, shape (H,)
        Of the cells of a row, east to west, over their height.
    """

    shape: tuple[int, int]
    wrap: bool
    first_column: int
    width: NDArray[np.float64]


class Stream(NamedTuple):
    """What the random numbers of a draw depend on, besides day and position."""

    seed: int
    record: int
    sample: int


def cell_width(lat: NDArray[np.floating], lon: NDArray[np.floating]) -> NDArray[np.float64]:
    """Width of the cells of each row over their height, of axes (H,) and (W,) in degrees.

    Examples
    --------
    >>> cell_width(np.array([61.0, 60.0, 59.0]), np.array([0.0, 1.0])).round(2)
    array([0.48, 0.5 , 0.52])
    """
    steps = [float(np.median(np.abs(np.diff(axis)))) if axis.size > 1 else 0.0
             for axis in (lat, lon)]  # fmt: skip
    ratio = steps[1] / steps[0] if all(steps) else 1.0
    return np.clip(ratio * np.cos(np.deg2rad(lat, dtype=np.float64)), *WIDTHS)


def correlation_at(
    weights: NDArray[np.float64], distance: NDArray[np.floating], lag: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Correlation at distances in cells and lags in days, arrays of one shape.

    `weights` (FIELDS,) are those of all pairs of ``LENGTHS`` and ``PHI``.
    """
    in_space, in_time = correlations_in_space_and_time(distance, lag)
    by_length = np.reshape(weights, (len(LENGTHS), len(PHI)))
    return np.einsum("sp,s...,p...->...", by_length, in_space, in_time)


def correlations_in_space_and_time(
    distance: NDArray[np.floating], lag: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation of each of ``LENGTHS`` at distances (L, ...), and of each of ``PHI`` at lags."""
    lengths = np.array(LENGTHS[1:]).reshape(-1, *(1,) * distance.ndim)
    in_space = np.exp(-0.5 * (distance / lengths) ** 2)
    phi = np.array(PHI).reshape(-1, *(1,) * lag.ndim)
    return np.concatenate([(distance == 0)[None], in_space]), np.asarray(phi**lag)


def correlated_errors(
    weights: NDArray[np.float64],
    days: Indices,
    rows: slice,
    columns: slice,
    grid: CellGrid,
    stream: Stream,
) -> Floats:
    """Standard normal errors of some days, rows and columns.

    Parameters
    ----------
    weights : ndarray, shape (FIELDS,)
        See :func:`correlation_at`.
    days : ndarray of int, shape (n,)
        Since a fixed date.
    rows, columns : slice
        Of the record.
    grid : CellGrid
    stream : Stream

    Returns
    -------
    ndarray of float32, shape (n, h, w)
        The same bits for a cell and a day, whatever else is asked for.
    """
    out = np.zeros((days.size, rows.stop - rows.start, columns.stop - columns.start), np.float32)
    by_length = np.asarray(weights).reshape(len(LENGTHS), len(PHI))
    x = np.arange(columns.start, columns.stop) - grid.first_column
    x = x % grid.shape[1] if grid.wrap else x
    y = np.arange(rows.start, rows.stop)
    for scale, (length, amounts) in enumerate(zip(LENGTHS, np.sqrt(by_length), strict=True)):
        if not amounts.any():
            continue
        nodes = _Nodes(length, grid, x, y)
        field = np.zeros((days.size, nodes.rows.size, nodes.columns.size), np.float32)
        for number in np.flatnonzero(amounts):
            white = _WhiteNoise(stream, scale * len(PHI) + int(number), nodes)
            series = _Autoregressive(PHI[number], white)
            amount = np.float32(amounts[number])
            for n, day in enumerate(days.tolist()):
                field[n] += amount * series.at(day)
        out += nodes.smooth(field) if length else field
    return out


class _Nodes:
    """The nodes that some cells need, and the smoothing from nodes to cells."""

    def __init__(self, length: float, grid: CellGrid, x: Indices, y: Indices) -> None:
        self.x, self.y, self.length, self.grid = x, y, length, grid
        self.width = grid.width[y]
        if not length:
            self.rows, self.columns = y, x
            return
        self.step = max(length / max(float(grid.width.max()), 1.0), 1.0)
        count = 0
        if grid.wrap:
            count = int(np.ceil(grid.shape[1] / self.step - 1e-9))
            self.step = grid.shape[1] / count
        self.first_row = np.floor(y / length).astype(np.int64) - (TAPS // 2 - 1)
        self.rows = np.arange(self.first_row.min(), self.first_row.max() + TAPS)
        farthest = self._reach(float(grid.width.min()))
        self.around_globe = grid.wrap and 2 * farthest + 2 >= count
        if self.around_globe:
            self.columns = np.arange(count)
            return
        reach = self._reach(float(self.width.min()))
        here = np.floor(x / self.step).astype(np.int64)
        self.taps = here[None] + np.arange(-reach, reach + 2)[:, None]  # (taps, w)
        needed = self.taps % count if grid.wrap else self.taps
        self.columns, index = np.unique(needed, return_inverse=True)
        self.index = index.reshape(needed.shape)

    def _reach(self, width: float) -> int:
        """Nodes on each side of a cell of this width that contribute to it."""
        return int(np.ceil(REACH * self.length / (np.sqrt(2) * width) / self.step))

    def smooth(self, field: Floats) -> Floats:
        """Fields on nodes (n, rows, columns) to cells (n, h, w), of variance one."""
        along = np.zeros((len(field), self.y.size, self.columns.size), np.float32)
        taps = self.first_row + np.arange(TAPS)[:, None]
        weights = np.exp(-(((self.y - taps * self.length) / self.length) ** 2))
        weights /= np.sqrt(_sum_in_order(weights**2))
        for tap, weight in zip(taps - self.rows[0], weights.astype(np.float32), strict=True):
            along += weight[:, None] * field[:, tap]
        out = np.zeros((*along.shape[:2], self.x.size), np.float32)
        squares = np.zeros(out.shape[1:])
        taps = np.arange(self.columns.size)[:, None] if self.around_globe else self.taps
        for n, node in enumerate(taps):
            weight = self._row_weight(self.x - node * self.step)
            squares += weight**2
            index = node if self.around_globe else self.index[n]
            out += weight.astype(np.float32) * along[:, :, index]
        out /= np.sqrt(squares).astype(np.float32)
        return out

    def _row_weight(self, distance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights (h, w) of nodes at a distance in columns."""
        if self.around_globe:
            distance = abs(distance) % self.grid.shape[1]
            distance = np.minimum(distance, self.grid.shape[1] - distance)
        scaled = distance * self.width[:, None] / self.length
        weight = np.exp(-(scaled**2))
        # so that a cell does not depend on the number of taps of others
        near = abs(scaled) <= REACH / np.sqrt(2)
        return weight if self.around_globe else np.where(near, weight, 0.0)


def _sum_in_order(terms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the first axis, in order: the same bits for any shape of the others."""
    total = np.zeros(terms.shape[1:])
    for term in terms:
        total += term
    return total


class _WhiteNoise:
    """Standard normal numbers of a field on its nodes, by day.

    They are drawn for tiles of nodes, whose position and day are the counter of the generator.
    """

    def __init__(self, stream: Stream, field: int, nodes: _Nodes) -> None:
        key = np.array([stream.seed, stream.record << 32 | stream.sample], np.uint64)
        self.generator = np.random.Generator(np.random.Philox(key=key))
        self.state: Any = self.generator.bit_generator.state
        self.field = field
        self.shape = tuple(min(NODE_TILES[field // len(PHI)], n + TAPS) for n in nodes.grid.shape)
        axes = nodes.rows + OFFSET, nodes.columns + OFFSET
        self.tiles = [np.unique(axis // n) for axis, n in zip(axes, self.shape, strict=True)]
        self.index = [
            np.searchsorted(tiles, axis // n) * n + axis % n
            for tiles, axis, n in zip(self.tiles, axes, self.shape, strict=True)
        ]

    def at(self, day: int) -> Floats:
        """Numbers (rows, columns) of a day."""
        (height, width), (rows, columns) = self.shape, self.tiles
        out = np.empty((rows.size * height, columns.size * width), np.float32)
        for i, y in enumerate(rows.tolist()):
            for j, x in enumerate(columns.tolist()):
                tile = self._tile(day, y << 32 | x)
                out[i * height : (i + 1) * height, j * width : (j + 1) * width] = tile
        return out[self.index[0]][:, self.index[1]]

    def _tile(self, day: int, number: int) -> Floats:
        counter = np.array([0, day + DAY_OFFSET, number, self.field], np.uint64)
        self.state["state"]["counter"] = counter
        self.generator.bit_generator.state = self.state
        return self.generator.standard_normal(self.shape, np.float32)


class _Autoregressive:
    """White noise made a first-order autoregressive process in time."""

    def __init__(self, phi: float, white: _WhiteNoise) -> None:
        self.phi, self.white = phi, white
        self.computed: dict[int, Floats] = {}

    def at(self, day: int) -> Floats:
        """The process (rows, columns) of a day."""
        if self.phi == 0:
            return self.white.at(day)
        if day not in self.computed:
            step = day & -day  # the largest power of two that divides it
            value = self.white.at(day)
            if day % SPAN:
                r = self.phi**step
                around = self.at(day - step) + self.at(day + step)
                value = np.float32(np.sqrt((1 - r * r) / (1 + r * r))) * value
                value += np.float32(r / (1 + r * r)) * around
            self.computed[day] = value
        return self.computed[day]
