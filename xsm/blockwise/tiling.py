"""Windows of (time, lat, lon) with a halo of neighbours, and what is computed in them.

The numbers come from :mod:`xsm.networks.block_inference`; memory beyond input and output does not grow
with the record. :mod:`xsm.gapfilling.dask_path` does the same on Dask arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice, slice]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Margins = list[tuple[int, int]]  # before and after, of rows and columns

WHOLE_RECORD_VALUES = 4_000_000  # of a tile that holds all days; float32


def numbers() -> Any:
    """The module that computes; imported on first use."""
    return import_module("xsm.networks.block_inference")


def to_internal(raw: NDArray[Any], worth: float) -> Floats:
    """Values in m3 m-3, float32, NaN where missing or infinite."""
    values = np.asarray(raw, np.float32)
    values = values if worth == 1.0 else values * np.float32(worth)
    finite = np.isfinite(values)
    return values if finite.all() else np.where(finite, values, np.float32(np.nan))


@dataclass(frozen=True)
class Job:
    """What is to be done to a record, in memory or on Dask.

    Attributes
    ----------
    worth : float
        One unit of the variable in m3 m-3.
    valid_range : tuple of float
        Limits of what may be filled in, in that unit.
    dtype : numpy.dtype
        Of the filled variable.
    days : ndarray of int, shape (N,)
        Days since the first, increasing; the others of ``0 .. days[-1]`` are missing.
    day_of_year, year
        Day of the year of each (1 ..), and days in the longest year of the calendar.
    wrap : bool
        Whether the last column is the neighbour of the first.
    model : Model
    land : array of bool, shape (H, W), or None
        Where values may be filled in; None: where one was ever observed.
    max_gap : int or None
        Missing days in a row that may be filled.
    settings : dict
        ``backend``, ``device`` and ``dtype`` of the network.
    tile : tuple of int
        Days, rows and columns handled at once.
    """

    worth: float
    valid_range: tuple[float, float]
    dtype: np.dtype
    days: NDArray[np.int64]
    day_of_year: NDArray[np.int64]
    year: int
    wrap: bool
    model: Any
    land: Any
    max_gap: int | None
    keep_observed: bool
    climatology: bool
    settings: dict[str, Any]
    tile: tuple[int, int, int]
    progress: bool | None
    name: str


@dataclass(frozen=True)
class Record:
    """A record in memory, read window by window.

    Attributes
    ----------
    raw : ndarray, shape (N, H, W)
        As it came, any real type.
    worth : float
        One unit of it in m3 m-3.
    days : ndarray of int, shape (N,)
        Days since the first, increasing; the others of ``0 .. days[-1]`` are missing.
    wrap : bool
        Whether the last column is the neighbour of the first.
    """

    raw: NDArray[Any]
    worth: float
    days: NDArray[np.int64]
    wrap: bool

    @property
    def shape(self) -> tuple[int, int, int]:
        """Days (all of them), rows, columns."""
        return (int(self.days[-1]) + 1, *self.raw.shape[1:])

    def present(self, days: slice) -> slice:
        """Positions in `raw` of the days of a window."""
        first, last = np.searchsorted(self.days, [days.start, days.stop])
        return slice(int(first), int(last))

    def read(self, window: Window, halo: tuple[int, int, int] = (0, 0, 0)) -> Floats:
        """Values of `window` and `halo` cells around, m3 m-3, NaN where missing or outside."""
        days, rows, columns = (
            slice(part.start - margin, part.stop + margin)
            for part, margin in zip(window, halo, strict=True)
        )
        here = self.present(days)
        out = np.full(tuple(s.stop - s.start for s in (days, rows, columns)), np.nan, np.float32)
        taken = take_cells(self.raw[here], rows, columns, self.wrap)
        out[self.days[here] - days.start] = to_internal(taken, self.worth)
        return out


def take_cells(array: NDArray[Any], rows: slice, columns: slice, wrap: bool) -> NDArray[Any]:
    """Rows and columns of (..., H, W); beyond the edges NaN, or the other side of the globe."""
    part, margins = cut_cells(array, rows, columns, wrap)
    return padded(part, margins) if np.any(margins) else part


def cut_cells(array: Any, rows: slice, columns: slice, wrap: bool) -> tuple[Any, Margins]:
    """Those of them that there are, and how many are beyond the edges; of NumPy or Dask."""
    height, width = array.shape[-2:]
    inside = slice(max(rows.start, 0), min(rows.stop, height))
    margins = [(inside.start - rows.start, rows.stop - inside.stop)]
    if wrap:
        return _around_the_globe(array[..., inside, :], columns), [*margins, (0, 0)]
    within = slice(max(columns.start, 0), min(columns.stop, width))
    margins.append((within.start - columns.start, columns.stop - within.stop))
    return array[..., inside, within], margins


def padded(part: NDArray[Any], margins: Margins) -> NDArray[Any]:
    """NaN around the last two dimensions."""
    part = part.astype(np.result_type(part.dtype, np.float32), copy=False)
    return np.pad(part, [(0, 0)] * (part.ndim - 2) + margins, constant_values=np.nan)


def _around_the_globe(array: NDArray[Any], columns: slice) -> NDArray[Any]:
    """Columns of (..., W), counted on beyond the last from the first; a view where it can be."""
    width = array.shape[-1]
    parts = []
    at = columns.start
    while at < columns.stop:
        first = at % width
        stop = min(first + columns.stop - at, width)
        parts.append(array[..., first:stop])
        at += stop - first
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def windows(shape: tuple[int, int, int], tile: tuple[int, int, int]) -> Iterator[Window]:
    """Windows of at most `tile` that cover `shape`."""
    axes = [
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(shape, tile, strict=True)
    ]
    return product(axes[0], axes[1], axes[2])


def columns_of_days(shape: tuple[int, int, int], extra: int = 0) -> tuple[int, int, int]:
    """Size of a tile with all days, and `extra` numbers a cell, that takes about as much memory
    for a record of any length."""
    side = max(int((WHOLE_RECORD_VALUES / (shape[0] + extra)) ** 0.5), 8)
    return shape[0], min(side, shape[1]), min(side, shape[2])


def map_record_statistics(
    record: Record,
    halo: int,
    check: Callable[[Floats], None],
    step: Callable[[], None] = lambda: None,
) -> Floats:
    """Statistics (S, H, W) of every cell; `check` sees each tile of the record once."""
    stats: Floats | None = None
    for window in windows(record.shape, columns_of_days(record.shape)):
        values = record.read(window, (0, halo, halo))
        check(values)
        part = statistics_block(values, halo)
        if stats is None:
            stats = np.empty((part.shape[0], *record.shape[1:]), np.float32)
        stats[:, window[1], window[2]] = part
        step()
    assert stats is not None
    return stats


def statistics_block(values: Floats, halo: int) -> Floats:
    """Statistics (S, H, W) of a block (T, H + 2 halo, W + 2 halo) with all days."""
    stats = numbers().record_statistics(values)
    return stats[:, halo : stats.shape[1] - halo, halo : stats.shape[2] - halo]


def stats_of_days(stats: Floats, first: int, last: int) -> tuple[Floats, int]:
    """Statistics with the slow course of some days only, and the day it begins with."""
    from xsm.gapfilling.seasonal_cycle import nearby
    from xsm.gapfilling.statistics import STATISTICS

    course, since = nearby(stats[len(STATISTICS) :], first, last)
    return np.concatenate([stats[: len(STATISTICS)], course]), since


def with_empty(stats: Floats) -> Floats:
    """Statistics where cells beyond the edges (NaN) have those of a cell never observed."""
    outside = np.isnan(stats).all(axis=0)
    if not outside.any():
        return stats
    one = numbers().record_statistics(np.full((1, 3, 3), np.nan, np.float32))[:, 1, 1]
    empty = np.zeros(len(stats), np.float32)  # no course, however long the record
    empty[: min(one.size, empty.size)] = one[: empty.size]
    return np.where(outside, empty[:, None, None], stats)


def fill_window(
    values: Floats, stats: Floats, need: Bools, first: int, model: Any, settings: dict[str, Any]
) -> Floats:
    """Mean and standard deviation of the cells that need one.

    Parameters
    ----------
    values : ndarray, shape (T + 2 ht, H + 2 hy, W + 2 hx)
        m3 m-3, NaN where missing; the halo is that of `model`.
    stats : ndarray, shape (S, H + 2 hy, W + 2 hx)
    need : ndarray of bool, shape (T, H, W)
    first : int
        Day of the record of the first of `need`.
    model : Model
    settings : dict
        ``backend``, ``device`` and ``dtype``.

    Returns
    -------
    ndarray of float32, shape (2, T, H, W)
        m3 m-3; NaN where nothing is needed or nothing can be said.
    """
    out = np.full((2, *need.shape), np.nan, np.float32)
    box = _bounds(need)
    if box is None:
        return out
    outer = tuple(
        slice(part.start, part.stop + 2 * margin)
        for part, margin in zip(box, model.halo, strict=True)
    )
    part = values[outer]
    if not np.isfinite(part).any():
        return out
    filled = numbers().fill_block(
        part,
        with_empty(stats[(slice(None), *outer[1:])]),
        model,
        need=need[box],
        first=first + box[0].start,
        **settings,
    )
    # what is not needed must not depend on how the tiles lie
    out[(slice(None), *box)] = np.where(need[box], filled, np.float32(np.nan))
    return out


def _bounds(need: Bools) -> Window | None:
    """The smallest window that holds all True; None if there are none."""
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        at = np.flatnonzero(need.any(axis=others))
        if at.size == 0:
            return None
        box.append(slice(int(at[0]), int(at[-1]) + 1))
    return box[0], box[1], box[2]


def long_gaps(missing: Bools, limit: int) -> Bools:
    """Cells (T, H, W) inside a run of more than `limit` missing days in a row."""
    run = np.zeros(missing.shape[1:], np.int32)
    before = np.empty(missing.shape, np.int32)
    for day, absent in enumerate(missing):
        run = np.where(absent, run + 1, 0)
        before[day] = run
    long = np.zeros(missing.shape, bool)
    length = np.zeros_like(run)
    for day in range(missing.shape[0] - 1, -1, -1):
        length = np.where(missing[day], np.maximum(length, before[day]), 0)
        long[day] = length > limit
    return long
