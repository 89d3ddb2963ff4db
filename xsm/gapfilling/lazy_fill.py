"""Fill the gaps of a record on Dask: one task for each block of days and part of the cells.

The record is cut into parts of rows and columns, made of whole chunks. Statistics of a part come
first (:mod:`xsm.gapfilling.lazy_statistics`). Then each block of days is read with what is around
it and filled by one task, and cut into the chunks of the result. So there are few tasks, no chunk
is filled twice, and no more blocks are in memory than are worked on.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise import dask_engine as engine
from xsm.blockwise.block_reader import (
    BlockReader,
    RecordGraph,
)
from xsm.blockwise.chunks import (
    chunk_slices,
    drop_absent_days,
    insert_absent_days,
    join_sizes,
)
from xsm.blockwise.tiling import Bools, Floats, inner, to_float32, with_halo
from xsm.blockwise.work_blocks import BLOCK, STORED, with_fingerprint
from xsm.blockwise.worker_slots import network_slot
from xsm.conventions.globe_land import is_land
from xsm.conventions.windows import (
    Area,
    Margins,
    area_around,
    cut_cells,
    pad_cells,
    take_cells,
    windows,
)
from xsm.gapfilling.climatology import WORKSPACE, climatology
from xsm.gapfilling.fill import (
    SERIES_WORKSPACE,
    land_and_empty,
    predict_hidden,
    predict_needed,
)
from xsm.gapfilling.fill_calibration import VECTOR
from xsm.gapfilling.hidden_values import Sample, samples
from xsm.gapfilling.lazy_statistics import (
    Box,
    Days,
    PartKeys,
    add_statistics,
    knots_near,
    part_margin,
    pieces_of,
    statistic_days,
)
from xsm.gapfilling.merge import Filled, add_climatology, long_gaps, merge_fill, mix
from xsm.gapfilling.method_mixture import mixture_of_series
from xsm.gapfilling.method_weights import MAX_VALUES, calibrate
from xsm.gapfilling.plausible_range import hold_within_range
from xsm.gapfilling.seasonal_cycle import KNOT, knots_of_days
from xsm.gapfilling.space_time_interpolation import REACH_CELLS
from xsm.gapfilling.statistics import COUNT, HALO, STATISTICS
from xsm.gapfilling.stretches import shorten_gaps
from xsm.gapfilling.task import GapfillTask

BLOCK_VALUES = 16_000_000  # float32 values of a block, about, where chunks are smaller
BLOCK_DAYS = 28  # of a block, or more, where chunks are shorter: its neighbourhood has eight
SHORTEST_BLOCK = 5  # days of the last block; fewer are joined to the one before it
Key = Any


class _Record(NamedTuple):
    """What the tasks of all parts have in common."""

    data: Any  # (N, H, W)
    task: GapfillTask
    graph: RecordGraph  # of `data`
    days: list[slice]  # blocks, in whole chunks
    edges: list[int]  # of the blocks of the statistics
    block_task: Key  # the value that the tasks of all blocks share
    mask: Any  # land (H, W), lazy, or None
    climatology: bool  # fill with it what the network leaves
    shared: str  # names of the layers
    stored: str
    temporary: str
    blocks: str
    layers: dict[str, dict[Key, Any]]


def fill_lazily(data: Any, task: GapfillTask) -> Filled:
    """Filled values, uncertainty and flags of a Dask array (..., N, H, W), in its chunks."""
    if data.ndim > 3:
        records = [fill_lazily(record, task) for record in data]
        filled, std, flag = (engine.stack(same) for same in zip(*records, strict=True))
        return tuple(out.rechunk(data.chunks) for out in (filled, std, flag))  # type: ignore[return-value]
    calibrated = task.calibrate and data.size <= MAX_VALUES
    in_blocks = task.climatology and not calibrated and task.statistics is None
    result = _fill_blocks(data, task, climatology=in_blocks)
    if calibrated:
        result = _mixed(data, result, task)
    if task.climatology and not in_blocks:
        typical = engine.map_series(
            partial(climatology, day_of_year=task.day_of_year, year_length=task.year_length),
            _lazy_m3m3(data, task),
            outputs=2,
            workspace=WORKSPACE,
        )
        typical = _by_blocks_of_days(typical, data)
        too_long = None if task.max_gap is None else lazy_long_gaps(data, task.days, task.max_gap)
        result = add_climatology(*result, typical, too_long, task)
    filled, std, flag = result
    # of its byte order, too
    return filled.astype(task.dtype), std.astype(task.dtype), flag


def _mixed(data: Any, result: Filled, task: GapfillTask) -> Filled:
    """The fill with the estimates of simpler methods mixed in."""
    rows, columns = (slice(-REACH_CELLS, n + REACH_CELLS) for n in data.shape[1:])
    values, beyond = cut_cells(_lazy_m3m3(data, task), rows, columns, task.wrap)
    mixture = engine.map_series(
        partial(mixture_of_series, calendar=task.calendar, margin=REACH_CELLS),
        engine.pad_cells(values, beyond),
        (lazy_calibration(data, task), "p"),
        outputs=4,
        workspace=(SERIES_WORKSPACE - 1) * data.shape[0],
        margin=REACH_CELLS,
    )
    return mix(*result, _by_blocks_of_days(mixture, data), task)


def _by_blocks_of_days(series: Any, data: Any) -> Any:
    """Whole series (K, N, H, W) in the chunks of a record, made once for all regions of a store."""
    of_blocks = series.rechunk({0: -1, 1: _block_days(data)})
    return engine.stored(of_blocks).rechunk((len(series), *data.chunks))


def _block_days(data: Any) -> tuple[int, ...]:
    """Days of the blocks that the network fills, in whole chunks."""
    largest_chunk = int(np.prod([max(sizes) for sizes in data.chunks[1:]]))
    fitting = min(max(BLOCK_VALUES // largest_chunk, KNOT), BLOCK_DAYS)
    return join_sizes(data.chunks[0], fitting, SHORTEST_BLOCK)


def _fill_blocks(data: Any, task: GapfillTask, *, climatology: bool) -> Filled:
    """The fill by the network and, if asked for, by climatology."""
    token = engine.token_of(data.name, task, climatology)
    names = (
        f"{engine.SHARED}{token}",
        f"{STORED}{token}",
        f"statistics-{token}",
        f"{BLOCK}{token}",
    )
    days = _block_days(data)
    record = _Record(
        data,
        task,
        RecordGraph(data),
        chunk_slices(days),
        statistic_days(data, task),
        (names[0], "task", 0, 0),
        _lazy_land_mask(task),
        climatology,
        *names,
        {name: {} for name in names},
    )
    record.layers[record.shared][record.block_task] = (partial(_unchanged, _of_blocks(task)),)
    side = int((BLOCK_VALUES / max(days)) ** 0.5)
    rows, columns = (
        chunk_slices(join_sizes(sizes, max(side, 2 * margin)))
        for sizes, margin in zip(data.chunks[1:], part_margin(task), strict=True)
    )
    for number, cells in enumerate(product(rows, columns)):
        _add_part(record, cells, number)
    return _cut(record, rows, columns)


def _add_part(record: _Record, cells: tuple[slice, slice], number: int) -> None:
    """The tasks of some rows and columns."""
    data, task, layer = record.data, record.task, record.layers[record.blocks]
    margin = part_margin(task)
    area = area_around(cells, margin, data.shape[1:], task.wrap)
    names = record.shared, record.stored, record.temporary
    layers = tuple(record.layers[name] for name in names)
    if task.statistics is not None:
        keys = _given_statistics(task, area, (record.shared, number), layers[0])
    else:
        keys = add_statistics(
            data,
            cells,
            margin,
            task,
            graph=record.graph,
            edges=record.edges,
            number=number,
            names=names,
            layers=layers,
            climatology=record.climatology,
        )
    boxes = []
    for part in record.days:
        first, last = task.positions[part.start], task.positions[part.stop - 1] + 1
        boxes.append(Box((first - task.halo[0], last + task.halo[0]), *_around(cells, margin)))
    readers = record.graph.readers([pieces_of(box, data, task) for box in boxes])
    gap_readers: list[Any] = [(None, [])] * len(record.days)
    if task.max_gap is not None:
        shortened = shorten_gaps(task.days, task.max_gap)
        own = [Box(_gap_days(part, task), *_around(cells, (0, 0))) for part in record.days]
        gap_readers = record.graph.readers([pieces_of(b, data, task, shortened) for b in own])
    fill = partial(
        _fill_block,
        dtype=np.promote_types(data.dtype, np.float32),  # also for absent days
        cells=cells,
        beyond=area.beyond,
    )
    for n, (part, box) in enumerate(zip(record.days, boxes, strict=True)):
        layer[(record.blocks, number, n)] = (
            partial(fill, part=part, box=box),
            *readers[n],
            *gap_readers[n],
            keys.sums,
            keys.planes,
            *knots_near(keys, box, task.first_position),
            None if record.mask is None else (record.mask.name, 0, 0),
            keys.climatology,
            record.block_task,
        )


def _of_blocks(task: GapfillTask) -> GapfillTask:
    """What the tasks of blocks need: they are given their part of statistics and land mask.

    A cluster sends each task by itself, and its scheduler keeps the last thousand messages; the
    network and the days of a long record, a megabyte, go to each worker once.
    """
    land = None if task.land is None else True
    return replace(task, statistics=None, coordinates=None, land=land)


def _unchanged(task: GapfillTask) -> GapfillTask:
    return task


def _given_statistics(
    task: GapfillTask, area: Area, name: tuple[str, int], layer: dict[Key, Any]
) -> PartKeys:
    """The statistics of a part that the task has, as values in the graph."""
    assert task.statistics is not None
    rows, columns = slice(*area.rows), slice(*area.columns)
    planes, cycle = (take_cells(x, rows, columns, task.wrap) for x in task.statistics[:2])
    values = {"sums": planes[COUNT : COUNT + 1], "planes": planes, "knots": cycle}
    keys = {step: (name[0], step, name[1], 0) for step in values}
    layer.update({keys[step]: value for step, value in values.items()})
    return PartKeys(keys["sums"], keys["planes"], [keys["knots"]], [0, len(cycle)])


def compute_statistics(
    data: Any, factor: float, positions: NDArray[np.int64], dates: NDArray[np.int64], wrap: bool
) -> tuple[Floats, Floats]:
    """:func:`xsm.gapfilling.fill.statistics_of_record` of a Dask array."""
    task = Days(factor, positions, dates, wrap)
    names = "statistics", "seasonal-cycle", "merged"
    graph, edges = RecordGraph(data), statistic_days(data, task)
    side = int((BLOCK_VALUES / (edges[1] - edges[0])) ** 0.5)
    rows, columns = (
        chunk_slices(join_sizes(sizes, max(side, 2 * HALO))) for sizes in data.chunks[1:]
    )
    out = []
    for number, cells in enumerate(product(rows, columns)):
        layers: tuple[dict[Key, Any], ...] = ({}, {}, {})
        keys = add_statistics(
            data, cells, (HALO, HALO), task,
            graph=graph, edges=edges, number=number, names=names, layers=layers,
        )  # fmt: skip
        planes, *knots = engine.compute_keys(
            {**layers[0], **layers[1], **layers[2]}, [keys.planes, *keys.knots], graph
        )
        own = (slice(None), *area_around(cells, (HALO, HALO), data.shape[1:], wrap).own)
        out.append((cells, planes[own], np.concatenate(knots)[own]))
    planes = np.empty((len(out[0][1]), *data.shape[1:]), np.float32)
    cycle = np.empty((len(out[0][2]), *data.shape[1:]), np.float32)
    for cells, of_part, cycle_of_part in out:
        planes[(slice(None), *cells)] = of_part
        cycle[(slice(None), *cells)] = cycle_of_part
    return planes, cycle


def _around(cells: tuple[slice, slice], margin: tuple[int, int]) -> list[tuple[int, int]]:
    return [(c.start - m, c.stop + m) for c, m in zip(cells, margin, strict=True)]


def _cut(record: _Record, rows: list[slice], columns: list[slice]) -> Filled:
    """The chunks of the results, cut out of the blocks."""
    data, blocks = record.data, record.blocks
    sources = [data] if record.mask is None else [data, record.mask]
    names = record.graph.layers | {source.name for source in sources}
    starts = [[part.start for part in axis] for axis in (record.days, rows, columns)]
    chunks = [chunk_slices(sizes) for sizes in data.chunks]
    cuts = []  # for each axis and chunk: its block, and its part of the block
    for axis, parts in enumerate(chunks):
        own = np.searchsorted(starts[axis], [part.start for part in parts], side="right") - 1
        begin = [starts[axis][n] for n in own]
        cuts.append(
            [
                (int(n), slice(part.start - b, part.stop - b))
                for part, n, b in zip(parts, own, begin, strict=True)
            ]
        )
    outputs = []
    for i, dtype in enumerate((record.task.dtype, record.task.dtype, np.dtype(np.int8))):
        name = f"gapfill-{i}-{blocks.removeprefix(BLOCK)}"
        layer = {}
        for index in np.ndindex(*data.numblocks):
            (t, days), (y, south), (x, west) = (cuts[axis][n] for axis, n in enumerate(index))
            block = (blocks, y * len(columns) + x, t)
            layer[(name, *index)] = (_cut_block, block, i, (days, south, west))
        outputs.append((name, layer, dtype))
    dependencies = {
        record.shared: [record.temporary],
        record.stored: [record.temporary],
        record.temporary: names,
        blocks: [record.shared, record.stored, *names],
        **{name: [blocks] for name, *_ in outputs},
    }
    arrays = engine.arrays_of_layers(record.layers, dependencies, outputs, sources, data.chunks)
    filled, std, flag = with_fingerprint(arrays, [data])
    return filled, std, flag


def _cut_block(block: Filled, number: int, part: tuple[slice, slice, slice]) -> NDArray[Any]:
    array = block[number]
    # a copy, so that the block is let go when its last chunk is written
    return array if array[part].shape == array.shape else array[part].copy()


def _fill_block(
    reader: BlockReader,
    values: list[Any],
    gap_reader: BlockReader | None,
    gap_values: list[Any],
    sums: NDArray[np.float64],
    planes: NDArray[np.float32],
    knots: list[Any],
    first_knot: int,
    mask: Any,
    typical: NDArray[np.float32] | None,
    task: GapfillTask,
    *,
    dtype: np.dtype[Any],
    part: slice,
    cells: tuple[slice, slice],
    box: Box,
    beyond: Margins,
) -> Filled:
    """Filled values, uncertainty and flags of a block of days of some rows and columns."""
    with network_slot():
        raw = reader.read(values, np.full(box.shape, np.nan, dtype))
        margin = part_margin(task)
        cycle = np.concatenate(knots)  # reads those that are in a store
        cycle, skipped = knots_of_days(cycle, *(day - first_knot for day in box.days))
        first_knot += skipped
        sums, planes, cycle = (pad_cells(x, beyond) for x in (sums, planes, cycle))
        days = task.positions[part] - box.days[0]
        own = inner(raw, margin)
        own = (
            own[days]
            if days.size < own.shape[0] - 2 * task.halo[0]
            else own[days[0] : days[-1] + 1]
        )
        land, empty = land_and_empty(
            inner(sums[0] > 0, margin), None if mask is None else mask[cells], task
        )
        block = to_float32(raw, task.to_m3m3_factor)
        estimate = _predict_block(block, planes, cycle, land, box.days[0] - first_knot, task)
        estimate = estimate[:, days - task.halo[0]]
        too_long = None
        if gap_reader is not None:
            too_long = _long_gaps_of_block(gap_reader, gap_values, part, land.shape, task)
        filled, std, flag = merge_fill(own, estimate, land, empty, too_long, task)
        if typical is not None:
            of_days = typical[:, task.day_of_year[part] - 1]
            filled, std, flag = add_climatology(filled, std, flag, of_days, too_long, task)
        # of its byte order, too
        return filled.astype(task.dtype, copy=False), std.astype(task.dtype, copy=False), flag


def _predict_block(
    values: Floats,
    planes: NDArray[np.float32],
    knots: NDArray[np.float32],
    land: Bools,
    first: int,
    task: GapfillTask,
) -> Floats:
    """Mean and standard deviation (2, T, H, W) of a block of days and its neighbourhood.

    `first` is the day of the first of `values`, counted from the first of the knots. Statistics of
    cells beyond the edges of the record are NaN.
    """
    planes, limits = np.split(planes, [len(STATISTICS)])
    stats = np.concatenate([planes, knots])
    values, stats = (inner(x, [HALO, HALO]) for x in (values, stats))
    own = tuple(slice(h, n - h) for h, n in zip(task.halo, values.shape, strict=True))
    need = np.broadcast_to(land, values[own].shape)
    if task.keep_observed:
        need = need & ~np.isfinite(values[own])
    out = np.empty((2, *need.shape), np.float32)
    for window in windows(need.shape, task.tile):
        outer = with_halo(window, task.halo)
        out[(slice(None), *window)] = predict_needed(
            values[outer],
            stats[(slice(None), *outer[1:])],
            need[window],
            first + task.halo[0] + window[0].start,
            task,
        )
    return hold_within_range(out, inner(limits, part_margin(task)))


def _gap_days(part: slice, task: GapfillTask) -> tuple[int, int]:
    """Days, with long gaps shortened, that tell how long the gaps of a block are."""
    if task.max_gap is None:
        return 0, 0
    days = shorten_gaps(task.days, task.max_gap)
    first = max(int(days[part.start]) - task.max_gap, 0)
    return first, min(int(days[part.stop - 1]) + task.max_gap, int(days[-1])) + 1


def _long_gaps_of_block(
    reader: BlockReader, values: list[Any], part: slice, shape: tuple[int, int], task: GapfillTask
) -> Bools:
    """Cells (n, H, W) of the days of a block that are in too long a gap."""
    assert task.max_gap is not None
    first, last = _gap_days(part, task)
    missing = ~reader.read(values, np.zeros((last - first, *shape), bool), np.isfinite)
    days = shorten_gaps(task.days, task.max_gap)[part] - first
    return long_gaps(missing, task.max_gap)[days]


def lazy_calibration(data: Any, task: GapfillTask) -> Any:
    """:meth:`Calibration.to_vector` as a Dask array in one chunk."""
    parts, margins, chosen = lazy_samples(data, task)
    function = partial(
        _calibration_of_blocks,
        margins=margins,
        chosen=chosen,
        task=task,
    )
    return engine.shared(engine.combine_arrays(function, parts, (VECTOR,)))


def lazy_samples(data: Any, task: GapfillTask) -> tuple[list[Any], list[Any], list[Sample]]:
    """The samples of a Dask array, m3 m-3, the cells beyond its edges, and where they lie."""
    shape = (task.dates.size, *data.shape[1:])
    chosen = samples(shape, part_margin(task), task.wrap, task.first_column)
    values = insert_absent_days(_lazy_m3m3(data, task), task.positions)
    parts, margins = [], []
    for sample in chosen:
        part, beyond = cut_cells(values[sample.window[0]], *sample.window[1:], task.wrap)
        parts.append(part)
        margins.append(beyond)
    return parts, margins, chosen


def _calibration_of_blocks(
    parts: list[Any],
    *,
    margins: list[Any],
    chosen: list[Sample],
    task: GapfillTask,
) -> NDArray[np.float64]:
    values = [pad_cells(part, margin) for part, margin in zip(parts, margins, strict=True)]
    with network_slot():
        predict = partial(predict_hidden, task=task)
        calibration = calibrate(values, chosen, task.calendar, predict)
    return calibration.to_vector()


def _lazy_m3m3(raw: Any, task: GapfillTask) -> Any:
    meta = np.empty((0,) * raw.ndim, np.float32)
    return raw.map_blocks(to_float32, task.to_m3m3_factor, dtype=np.float32, meta=meta)


def _lazy_land_mask(task: GapfillTask) -> Any:
    """Land (H, W) that is given or that of GLOBE, as a Dask array in one chunk; or None."""
    if task.land is not None:
        return engine.as_chunk(task.land).astype(bool)
    if task.coordinates is None:
        return None
    return engine.shared(engine.plane_of_axes(is_land, *task.coordinates, dtype=bool))


def lazy_long_gaps(raw: Any, days: NDArray[np.int64], limit: int) -> Any:
    """:func:`long_gaps` (N, H, W), in the chunks of `raw`."""
    days = shorten_gaps(days, limit)
    missing = ~insert_absent_days(np.isfinite(raw), days, missing=False)
    too_long = engine.map_halo(long_gaps, missing, limit, outside=False, dtype=bool, limit=limit)
    return drop_absent_days(too_long, days, axis=0).rechunk(raw.chunks)
