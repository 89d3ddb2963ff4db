"""Fill the gaps of a record, in memory or on Dask: the same functions on windows or on blocks.

Statistics of the whole record come first, then the network on windows of days, rows and columns
with their halo. Memory beyond input and output does not grow with the length of the record.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.parallel import MAX_WORKERS, in_parallel
from xsm.blockwise.tiling import (
    Bools,
    DailyArray,
    Floats,
    bounding_box,
    inner,
    series_tile,
    to_float32,
    with_halo,
)
from xsm.conventions.cf import (
    NEVER_OBSERVED,
    NOT_FILLED,
    NOT_LAND,
)
from xsm.conventions.globe_land import is_land
from xsm.conventions.windows import Window, take_cells, windows
from xsm.gapfilling.climatology import WORKSPACE, climatology
from xsm.gapfilling.fill_calibration import Calibration
from xsm.gapfilling.hidden_values import Sample, samples
from xsm.gapfilling.lazy_statistics import part_margin
from xsm.gapfilling.merge import Filled, add_climatology, long_gaps, merge_fill, mix
from xsm.gapfilling.method_mixture import mixture_of_series
from xsm.gapfilling.method_weights import MAX_VALUES, calibrate
from xsm.gapfilling.plausible_range import extremes, hold_within_range, plausible_range
from xsm.gapfilling.seasonal_cycle import knots_of_days
from xsm.gapfilling.space_time_interpolation import REACH_CELLS
from xsm.gapfilling.statistics import (
    COUNT,
    HALO,
    STATISTICS,
    STD,
    record_statistics,
)
from xsm.gapfilling.stretches import shorten_gaps
from xsm.gapfilling.task import GapfillTask
from xsm.progress import bar

SERIES_WORKSPACE = 24  # arrays of the size of a series that the temporal interpolation needs


def fill(data: Any, task: GapfillTask) -> tuple[Filled, list[Calibration] | None]:
    """Filled values, uncertainty and flags of a record.

    Parameters
    ----------
    data : NumPy or Dask array, shape (..., N, H, W)
        In working order and its own unit. Each element of the leading dimensions is a record.
    task : GapfillTask

    Returns
    -------
    filled, uncertainty, flag : arrays of the shape of `data`
        Of ``task.dtype``, ``task.dtype`` and int8. Lazy, in the chunks of `data`, for Dask.
    calibrations : list of Calibration, or None
        Of each record; None for Dask.
    """
    if hasattr(data, "chunks"):
        from xsm.gapfilling.lazy_fill import fill_lazily

        return fill_lazily(data, task), None
    return _fill_memory(np.asarray(data), task)


# in memory


def _fill_memory(data: NDArray[Any], task: GapfillTask) -> tuple[Filled, list[Calibration]]:
    outs = (
        np.empty(data.shape, task.dtype),
        np.empty(data.shape, task.dtype),
        np.empty(data.shape, np.int8),
    )
    records = list(np.ndindex(data.shape[:-3]))
    calibrations: list[Calibration] = []
    shape = (task.dates.size, *data.shape[-2:])
    steps = len(list(windows(shape, task.tile))) + len(list(windows(shape, series_tile(shape))))
    with bar(f"gapfill {task.name}", len(records) * steps, task.progress) as progress:
        for index in records:
            filled, std, flag = (out[index] for out in outs)
            calibration = _fill_record(data[index], (filled, std, flag), task, progress.update)
            calibrations += [] if calibration is None else [calibration]
    return outs, calibrations


def _fill_record(
    raw: NDArray[Any], outs: Filled, task: GapfillTask, step: Any
) -> Calibration | None:
    record = DailyArray(raw, task.to_m3m3_factor, task.positions, task.wrap)
    # a network on the CPU uses all threads by itself, and memory is less than that of a GPU's host
    workers = MAX_WORKERS if task.on_device else 1
    stats, limits = _given_statistics(task) or tiled_statistics(record, task.dates, step, workers)
    calibration = _calibration_in_memory(record, task)
    ever_observed = _ever_observed(raw)
    if task.statistics is not None:
        ever_observed |= stats[COUNT] > 0
    mask = None if ever_observed.all() and task.land is None else _land_mask(task)
    land, empty = land_and_empty(ever_observed, mask, task)

    def fill_window(window: Window) -> None:
        present = record.present(window[0])
        if present.start == present.stop:
            return
        index = (present, *window[1:])
        estimate = _predict_window(record, stats, land, window, task)
        estimate = hold_within_range(estimate, limits[(slice(None), *window[1:])])
        too_long = _long_gaps_of_window(record, window, task)
        part = land[window[1:]], empty[window[1:]]
        _write(outs, index, merge_fill(raw[index], estimate, *part, too_long, task))

    for _ in in_parallel(fill_window, windows(record.shape, task.tile), workers):
        step()
    if calibration is not None and calibration.changes:
        _mix_in_memory(raw, outs, calibration, task)
    if task.climatology:
        for window in windows(record.shape, series_tile(record.shape, WORKSPACE)):
            index = (slice(None), *window[1:])
            series = record.read(window)[task.positions]
            estimate = climatology(series, task.day_of_year, task.year_length)
            too_long = _long_gaps_of_window(record, window, task)
            filled, std, flag = (out[index] for out in outs)
            _write(outs, index, add_climatology(filled, std, flag, estimate, too_long, task))
    return calibration


def calibrates(shape: tuple[int, ...], task: GapfillTask) -> bool:
    return task.calibrate and int(np.prod(shape[-3:])) <= MAX_VALUES


def _calibration_in_memory(record: DailyArray, task: GapfillTask) -> Calibration | None:
    if not calibrates(record.raw.shape, task):
        return None
    chosen = samples(record.shape, part_margin(task), task.wrap, task.first_column)
    parts = [read_sample(record, sample) for sample in chosen]
    predict = partial(predict_hidden, task=task)
    return calibrate(parts, chosen, task.calendar, predict)


def read_sample(record: DailyArray, sample: Sample) -> Floats:
    days, rows, columns = sample.window
    present = record.present(days)
    out = np.full([part.stop - part.start for part in sample.window], np.nan, np.float32)
    cells = take_cells(record.raw[present], rows, columns, record.wrap)
    out[record.days[present] - days.start] = to_float32(cells, record.factor)
    return out


def _mix_in_memory(
    raw: NDArray[Any], outs: Filled, calibration: Calibration, task: GapfillTask
) -> None:
    tile = series_tile(raw.shape, (SERIES_WORKSPACE - 1) * raw.shape[0])
    for index in windows(raw.shape, tile):
        rows, columns = (
            slice(part.start - REACH_CELLS, part.stop + REACH_CELLS) for part in index[1:]
        )
        series = to_float32(take_cells(raw, rows, columns, task.wrap), task.to_m3m3_factor)
        if not np.isfinite(inner(series, [REACH_CELLS, REACH_CELLS])).any():
            continue
        mixture = mixture_of_series(series, calibration.to_vector(), task.calendar, REACH_CELLS)
        filled, std, flag = (out[index] for out in outs)
        _write(outs, index, mix(filled, std, flag, mixture, task))


def predict_hidden(values: Floats, hidden: Bools, sample: Sample, *, task: GapfillTask) -> Floats:
    """Mean and standard deviation (2, T, H, W) by the network where `hidden`, else NaN.

    `values` are those of the sample without the hidden ones.
    """
    out = np.full((2, *values.shape), np.nan, np.float32)
    box = bounding_box(hidden)
    if box is None:
        return out
    record = DailyArray(values, 1.0, np.arange(len(values)), sample.wrap)
    stats, limits = tiled_statistics(record, task.dates[sample.window[0]])
    estimate = _predict_cells(record, stats, hidden[box], box, task)
    out[(slice(None), *box)] = hold_within_range(estimate, limits[(slice(None), *box[1:])])
    return out


def _write(outs: Filled, index: Any, results: Filled) -> None:
    for out, result in zip(outs, results, strict=True):
        out[index] = result


def statistics_of_record(
    data: Any, factor: float, positions: NDArray[np.int64], dates: NDArray[np.int64], wrap: bool
) -> tuple[Floats, Floats]:
    """Planes (7, H, W) and seasonal cycle (K, H, W) of a record (N, H, W), NumPy or Dask.

    The planes are those of ``STATISTICS``, then the plausible range; computed.
    """
    if hasattr(data, "chunks"):
        from xsm.gapfilling.lazy_fill import compute_statistics

        return compute_statistics(data, factor, positions, dates, wrap)
    stats, limits = tiled_statistics(DailyArray(np.asarray(data), factor, positions, wrap), dates)
    return np.concatenate([stats[: len(STATISTICS)], limits]), stats[len(STATISTICS) :]


def _given_statistics(task: GapfillTask) -> tuple[Floats, Floats] | None:
    """Statistics (S, H, W) and plausible range (2, H, W) that the task has, if any."""
    if task.statistics is None:
        return None
    planes, cycle, _ = task.statistics
    count = len(STATISTICS)
    return np.concatenate([planes[:count], cycle]), planes[count:]


def tiled_statistics(
    record: DailyArray, dates: NDArray[np.int64], step: Any = lambda: None, workers: int = 1
) -> tuple[Floats, Floats]:
    """Statistics (S, H, W) and plausible range (2, H, W) of every cell, tile by tile.

    Memory grows with `workers`, the number of tiles that are worked on at once.
    """

    def of_tile(window: Window) -> tuple[Window, Floats, Floats]:
        values = record.read(window, (0, HALO, HALO))
        part = record_statistics(values, dates=dates)
        near = inner(part, [HALO - 1, HALO - 1])
        lowest_highest = extremes(inner(values, [HALO - 1, HALO - 1]))
        around = plausible_range(lowest_highest, near[STD], near[COUNT])
        return window, inner(part, [HALO, HALO]), inner(around, [1, 1])

    stats: NDArray[np.float32] | None = None
    limits = np.empty((2, *record.shape[1:]), np.float32)
    tiles = windows(record.shape, series_tile(record.shape))
    for window, part, around in in_parallel(of_tile, tiles, workers):
        if stats is None:
            stats = np.empty((part.shape[0], *record.shape[1:]), np.float32)
        stats[:, window[1], window[2]] = part
        limits[:, window[1], window[2]] = around
        step()
    assert stats is not None
    return stats, limits


def _predict_window(
    record: DailyArray, stats: Floats, land: Bools, window: Window, task: GapfillTask
) -> Floats:
    """Mean and standard deviation (2, n, h, w) of the days of `window` that the record has."""
    days, rows, columns = window
    present = record.days[record.present(days)] - days.start
    need = np.zeros(tuple(part.stop - part.start for part in window), bool)
    need[present] = land[rows, columns]
    if not need.any():
        return np.full((2, present.size, *need.shape[1:]), np.nan, np.float32)
    if task.keep_observed:
        need[present] &= ~np.isfinite(record.raw[(record.present(days), rows, columns)])
    return _predict_cells(record, stats, need, window, task, task.first_position)[:, present]


def _predict_cells(
    record: DailyArray,
    stats: Floats,
    need: Bools,
    window: Window,
    task: GapfillTask,
    first_position: int = 0,
) -> Floats:
    """Mean and standard deviation (2, n, h, w) of all days of `window`, where needed.

    `first_position` is that of the first day of the record, counted from the first knot in `stats`.
    """
    values = record.read(window, task.halo)
    days, rows, columns = window
    halo_days, halo_rows, halo_columns = task.halo
    start, stop = days.start + first_position, days.stop + first_position
    around, first_day = _stats_of_days(stats, start - halo_days, stop + halo_days)
    around = take_cells(
        around,
        slice(rows.start - halo_rows, rows.stop + halo_rows),
        slice(columns.start - halo_columns, columns.stop + halo_columns),
        record.wrap,
    )
    return predict_needed(values, around, need, start - first_day, task)


def _stats_of_days(stats: Floats, first: int, last: int) -> tuple[Floats, int]:
    """Statistics with the seasonal cycle of some days only, and the day of its first knot."""
    knots, first_day = knots_of_days(stats[len(STATISTICS) :], first, last)
    return np.concatenate([stats[: len(STATISTICS)], knots]), first_day


def _long_gaps_of_window(record: DailyArray, window: Window, task: GapfillTask) -> Bools | None:
    """Cells of the days of `window` that the record has which are in too long a gap."""
    if task.max_gap is None:
        return None
    present = record.present(window[0])
    record = replace(record, days=shorten_gaps(task.days, task.max_gap))
    days = record.days[present]
    first = max(int(days[0]) - task.max_gap, 0)
    last = min(int(days[-1]) + 1 + task.max_gap, record.shape[0])
    missing = np.isnan(record.read((slice(first, last), *window[1:])))
    return long_gaps(missing, task.max_gap)[days - first]


def _ever_observed(raw: NDArray[Any]) -> Bools:
    observed = np.zeros(raw.shape[1:], bool)
    for day in raw:
        observed |= np.isfinite(day)
    return observed


def _land_mask(task: GapfillTask) -> Bools | None:
    """Land (H, W) that is given or, where the cells have coordinates, that of GLOBE."""
    if task.land is not None:
        return np.asarray(task.land, bool)
    return None if task.coordinates is None else is_land(*map(np.asarray, task.coordinates))


# of a window or a block


def predict_needed(
    values: Floats, stats: Floats, need: Bools, first: int, task: GapfillTask
) -> Floats:
    """Run the network on the smallest box that holds all cells whose value is needed.

    Parameters
    ----------
    values : ndarray, shape (T + 2 ht, H + 2 hy, W + 2 hx)
        m3 m-3, NaN where missing; the halo is ``task.halo``.
    stats : ndarray, shape (S, H + 2 hy, W + 2 hx)
        NaN for cells beyond the edges.
    need : ndarray of bool, shape (T, H, W)
    first : int
        Day of ``need[0]``, counted from the first knot of the seasonal cycle in `stats`.
    task : GapfillTask

    Returns
    -------
    ndarray of float32, shape (2, T, H, W)
        Mean and standard deviation, m3 m-3; NaN where nothing is needed or can be predicted.
    """
    out = np.full((2, *need.shape), np.nan, np.float32)
    box = bounding_box(need)
    if box is None:
        return out
    outer = with_halo(box, task.halo)
    if not np.isfinite(values[outer]).any():
        return out
    estimate = task.predict(
        values[outer],
        _outside_as_unobserved(stats[(slice(None), *outer[1:])]),
        need=need[box],
        first=first + box[0].start,
    )
    # cells that are not needed would depend on the tiling
    out[(slice(None), *box)] = np.where(need[box], estimate, np.float32(np.nan))
    return out


def _outside_as_unobserved(stats: Floats) -> Floats:
    """Statistics where cells beyond the edges (NaN) have those of a cell never observed."""
    outside = np.isnan(stats).all(axis=0)
    if not outside.any():
        return stats
    unobserved = _unobserved_statistics()
    padded = np.zeros(len(stats), np.float32)  # no seasonal cycle, however long the record
    padded[: min(unobserved.size, padded.size)] = unobserved[: padded.size]
    return np.where(outside, padded[:, None, None], stats)


@cache
def _unobserved_statistics() -> NDArray[np.float32]:
    return record_statistics(np.full((1, 3, 3), np.nan, np.float32))[:, 1, 1]


def land_and_empty(ever_observed: Any, mask: Any, task: GapfillTask) -> tuple[Any, Any]:
    """Where values may be filled in, and the flag of values that are not; (H, W), NumPy or Dask."""
    land = ever_observed
    if task.land is not None:
        land = mask
    elif task.fill_globe and mask is not None:
        land = ever_observed | mask
    never: Any = np.int8(NEVER_OBSERVED)
    if mask is not None:
        never = np.where(mask, never, np.int8(NOT_LAND))
    empty = np.where(land & ever_observed, np.int8(NOT_FILLED), never)
    return land, empty
