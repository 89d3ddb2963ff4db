"""Fill the gaps of a record, in memory or on Dask: the same functions on windows or on blocks.

Statistics of the whole record come first, then the network on windows of days, rows and columns
with their halo. Memory beyond input and output does not grow with the length of the record.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from os import cpu_count
from threading import BoundedSemaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise import dask_engine as engine
from xsm.blockwise.chunks import (
    align_chunks,
    clone_graph,
    drop_absent_days,
    insert_absent_days,
    with_days_around,
)
from xsm.blockwise.parallel import in_parallel
from xsm.blockwise.tiling import (
    Bools,
    DailyArray,
    Floats,
    Window,
    bounding_box,
    cut_cells,
    inner,
    pad_cells,
    series_tile,
    take_cells,
    to_float32,
    windows,
    with_halo,
)
from xsm.conventions.cf import (
    NEVER_OBSERVED,
    NOT_FILLED,
    NOT_LAND,
)
from xsm.conventions.globe_land import is_land
from xsm.gapfilling.climatology import WORKSPACE, climatology
from xsm.gapfilling.merge import Filled, add_climatology, long_gaps, merge_fill, mix
from xsm.gapfilling.method_weights import (
    MAX_VALUES,
    VECTOR,
    Calibration,
    Sample,
    calibrate,
    mixture_of_series,
    samples,
)
from xsm.gapfilling.plausible_range import extremes, hold_within_range, plausible_range
from xsm.gapfilling.seasonal_cycle import KNOT, knots_of_days
from xsm.gapfilling.statistics import (
    COUNT,
    HALO,
    READINGS,
    STATISTICS,
    STD,
    first_knot_day,
    knots_of_block,
    lazy_statistics,
    record_statistics,
)
from xsm.gapfilling.stretches import shorten_gaps
from xsm.gapfilling.task import GapfillTask
from xsm.progress import bar

BLOCK_VALUES = 16_000_000  # float32 values of a Dask block, about, where chunks are smaller

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
        return _fill_dask(data, task), None
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
    stats, limits = tiled_statistics(record, task, step)
    calibration = _calibration_in_memory(record, task)
    ever_observed = _ever_observed(raw)
    mask = None if ever_observed.all() and task.land is None else _land_mask(task)
    land, empty = _land_and_empty(ever_observed, mask, task)

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

    # a network on the CPU uses all threads by itself
    workers = task.workers if task.on_device else 1
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


def _calibrates(shape: tuple[int, ...], task: GapfillTask) -> bool:
    return task.calibrate and int(np.prod(shape[-3:])) <= MAX_VALUES


def _calibration_in_memory(record: DailyArray, task: GapfillTask) -> Calibration | None:
    if not _calibrates(record.raw.shape, task):
        return None
    chosen = samples(record.shape, _part_margin(task), task.wrap, task.first_column)
    parts = [_read_sample(record, sample) for sample in chosen]
    return calibrate(parts, chosen, task.calendar, partial(predict_hidden, task=task))


def _read_sample(record: DailyArray, sample: Sample) -> Floats:
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
        series = to_float32(raw[index], task.to_m3m3_factor)
        if not np.isfinite(series).any():
            continue
        mixture = mixture_of_series(series, calibration.to_vector(), task.calendar)
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
    stats, limits = tiled_statistics(record, task, dates=task.dates[sample.window[0]])
    estimate = _predict_cells(record, stats, hidden[box], box, task)
    out[(slice(None), *box)] = hold_within_range(estimate, limits[(slice(None), *box[1:])])
    return out


def _write(outs: Filled, index: Any, results: Filled) -> None:
    for out, result in zip(outs, results, strict=True):
        out[index] = result


def tiled_statistics(
    record: DailyArray,
    task: GapfillTask,
    step: Any = lambda: None,
    dates: NDArray[np.int64] | None = None,
) -> tuple[Floats, Floats]:
    """Statistics (S, H, W) and plausible range (2, H, W) of every cell, tile by tile."""
    dates = task.dates if dates is None else dates

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
    for window, part, around in in_parallel(of_tile, tiles, task.workers):
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
    return _predict_cells(record, stats, need, window, task)[:, present]


def _predict_cells(
    record: DailyArray, stats: Floats, need: Bools, window: Window, task: GapfillTask
) -> Floats:
    """Mean and standard deviation (2, n, h, w) of all days of `window`, where needed."""
    values = record.read(window, task.halo)
    days, rows, columns = window
    halo_days, halo_rows, halo_columns = task.halo
    around, first_day = _stats_of_days(stats, days.start - halo_days, days.stop + halo_days)
    around = take_cells(
        around,
        slice(rows.start - halo_rows, rows.stop + halo_rows),
        slice(columns.start - halo_columns, columns.stop + halo_columns),
        record.wrap,
    )
    return predict_needed(values, around, need, days.start - first_day, task)


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


# on Dask: in parts of rows and columns, each read block of days by block of days with its
# neighbourhood, once for each step of the statistics and once for the network


def _fill_dask(data: Any, task: GapfillTask) -> Filled:
    if data.ndim > 3:
        records = [_fill_dask(record, task) for record in data]
        filled, std, flag = (engine.stack(same) for same in zip(*records, strict=True))
        return tuple(out.rechunk(data.chunks) for out in (filled, std, flag))  # type: ignore[return-value]
    every_day = insert_absent_days(data, task.positions)
    days = align_chunks(every_day.chunks[0], KNOT, 2 * KNOT)
    side = int((BLOCK_VALUES / max(days)) ** 0.5)
    least = [max(side, 2 * margin) for margin in _part_margin(task)]
    mask = _lazy_land_mask(task)
    calibration = _lazy_calibration(data, task) if _calibrates(data.shape, task) else None
    part = partial(_fill_part, data, days=days, mask=mask, calibration=calibration, task=task)
    parts = engine.map_parts(part, every_day, least)
    filled, std, flag = (part.rechunk(data.chunks) for part in parts)
    return filled, std, flag


def _part_margin(task: GapfillTask) -> tuple[int, int]:
    """Rows and columns around a part that its values depend on."""
    return task.halo[1] + HALO, task.halo[2] + HALO


def _fill_part(
    data: Any,
    cells: tuple[slice, slice],
    number: int,
    *,
    days: tuple[int, ...],
    mask: Any,
    calibration: Any,
    task: GapfillTask,
) -> Filled:
    """Filled values, uncertainty and flags of some rows and columns."""
    margin = _part_margin(task)
    rows, columns = (slice(c.start - m, c.stop + m) for c, m in zip(cells, margin, strict=True))

    def read(reading: int) -> Any:
        """The part and its margin on all days, m3 m-3, from a reading of its own."""
        values = _lazy_m3m3(clone_graph(data, reading, number), task)
        part, beyond = cut_cells(
            insert_absent_days(values, task.positions), rows, columns, task.wrap
        )
        sizes = [(n + sum(m),) for n, m in zip(part.shape[1:], beyond, strict=True)]
        # padded block by block: one pad of the whole part would hold it in memory
        return part.rechunk((days, -1, -1)).map_blocks(
            pad_cells, beyond, chunks=(days, *sizes), dtype=np.float32, meta=values._meta
        )

    stats = lazy_statistics(read, task.dates)
    ever_observed = inner(stats.sums[0] > 0, margin)
    mask = None if mask is None else engine.as_chunk(mask[cells])
    land, empty = _land_and_empty(ever_observed, mask, task)
    raw = clone_graph(data, READINGS, number)[(slice(None), *cells)]
    values = read(READINGS)
    estimate = engine.map_days(
        partial(_predict_block, task=task, beyond=_beyond_edges(cells, data.shape[1:], task)),
        (with_days_around(values, task.halo[0], np.nan), "tyx"),
        (stats.planes, "syx"),
        *((knots, "tyx") for knots in engine.neighbour_blocks(stats.cycle)),
        (land, "yx"),
        (engine.block_starts(values), "t"),
        outputs=2,
        chunks=(days, *land.chunks),
    )
    estimate = drop_absent_days(estimate, task.positions, axis=1).rechunk((2, *raw.chunks))
    too_long = None if task.max_gap is None else _lazy_long_gaps(raw, task.days, task.max_gap)
    land, empty = (plane.rechunk(raw.chunks[1:]) for plane in (land, empty))
    result = merge_fill(raw, estimate, land, empty, too_long, task)
    if calibration is not None:
        mixture = engine.map_series(
            partial(mixture_of_series, calendar=task.calendar),
            _lazy_m3m3(data[(slice(None), *cells)], task),
            (calibration, "p"),
            outputs=4,
            workspace=(SERIES_WORKSPACE - 1) * data.shape[0],
        )
        result = mix(*result, mixture, task)
    if task.climatology:
        typical = engine.map_series(
            partial(climatology, day_of_year=task.day_of_year, year_length=task.year_length),
            _lazy_m3m3(data[(slice(None), *cells)], task),
            outputs=2,
            workspace=WORKSPACE,
        )
        result = add_climatology(*result, typical, too_long, task)
    return result


def _lazy_calibration(data: Any, task: GapfillTask) -> Any:
    """:meth:`Calibration.to_vector` as a Dask array in one chunk."""
    shape = (task.dates.size, *data.shape[1:])
    chosen = samples(shape, _part_margin(task), task.wrap, task.first_column)
    values = insert_absent_days(_lazy_m3m3(data, task), task.positions)
    parts, margins = [], []
    for sample in chosen:
        part, beyond = cut_cells(values[sample.window[0]], *sample.window[1:], task.wrap)
        parts.append(part)
        margins.append(beyond)
    function = partial(_calibration_of_blocks, margins=margins, chosen=chosen, task=task)
    return engine.shared(engine.combine_arrays(function, parts, VECTOR))


def _calibration_of_blocks(
    parts: list[Any], *, margins: list[Any], chosen: list[Sample], task: GapfillTask
) -> NDArray[np.float64]:
    values = [pad_cells(part, margin) for part, margin in zip(parts, margins, strict=True)]
    predict = partial(predict_hidden, task=task)
    with _network_slots():
        return calibrate(values, chosen, task.calendar, predict).to_vector()


def _lazy_m3m3(raw: Any, task: GapfillTask) -> Any:
    meta = np.empty((0,) * raw.ndim, np.float32)
    return raw.map_blocks(to_float32, task.to_m3m3_factor, dtype=np.float32, meta=meta)


def _lazy_land_mask(task: GapfillTask) -> Any:
    """:func:`_land_mask` as a Dask array in one chunk."""
    if task.land is not None:
        return engine.as_chunk(task.land).astype(bool)
    if task.coordinates is None:
        return None
    return engine.shared(engine.plane_of_axes(is_land, *task.coordinates, dtype=bool))


def _beyond_edges(
    cells: tuple[slice, slice], shape: tuple[int, int], task: GapfillTask
) -> list[tuple[int, int]]:
    """How many rows and columns of the halo of the network lie beyond the edges of the record."""
    axes = zip(cells, shape, task.halo[1:], strict=True)
    beyond = [(max(halo - c.start, 0), max(c.stop + halo - n, 0)) for c, n, halo in axes]
    return [beyond[0], (0, 0) if task.wrap else beyond[1]]


def _predict_block(
    values: Any, planes: Any, *others: Any, task: GapfillTask, beyond: list[tuple[int, int]]
) -> Floats:
    """Mean and standard deviation (2, T, H, W) of a block of days and its neighbourhood."""
    *knots, land, starts = others
    planes, limits = np.split(planes, [len(STATISTICS)])
    stats = np.concatenate([planes, knots_of_block(*knots)])
    values, stats = (inner(x, [HALO, HALO]) for x in (values, stats))
    (top, bottom), (left, right) = beyond
    height, width = stats.shape[1:]
    stats[:, :top] = stats[:, height - bottom :] = np.nan  # no cells, so no statistics
    stats[:, :, :left] = stats[:, :, width - right :] = np.nan
    own = tuple(slice(h, n - h) for h, n in zip(task.halo, values.shape, strict=True))
    need = np.broadcast_to(land, values[own].shape)
    if task.keep_observed:
        need = need & ~np.isfinite(values[own])
    first = int(starts[0]) - first_knot_day(int(starts[0]))
    out = np.empty((2, *need.shape), np.float32)
    for window in windows(need.shape, task.tile):
        outer = with_halo(window, task.halo)
        with _network_slots():
            out[(slice(None), *window)] = predict_needed(
                values[outer],
                stats[(slice(None), *outer[1:])],
                need[window],
                first + window[0].start,
                task,
            )
    return hold_within_range(out, inner(limits, _part_margin(task)))


@cache
def _network_slots() -> BoundedSemaphore:
    """As many networks at once as processors allow: each uses several threads of its own."""
    from xsm_kernels import thread_count

    return BoundedSemaphore(max((cpu_count() or 1) // thread_count(), 1))


def _lazy_long_gaps(raw: Any, days: NDArray[np.int64], limit: int) -> Any:
    """:func:`long_gaps` (N, H, W), in the chunks of `raw`."""
    days = shorten_gaps(days, limit)
    missing = ~insert_absent_days(np.isfinite(raw), days, missing=False)
    too_long = engine.map_halo(long_gaps, missing, limit, outside=False, dtype=bool, limit=limit)
    return drop_absent_days(too_long, days, axis=0).rechunk(raw.chunks)


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


def _land_and_empty(ever_observed: Any, mask: Any, task: GapfillTask) -> tuple[Any, Any]:
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
