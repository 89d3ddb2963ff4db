"""Statistics of a record on Dask: read once for each step, block of days by block of days.

:mod:`xsm.gapfilling.statistics` has the steps. Each task reads its own block, so that no more of a
record is in memory than tasks run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.block_reader import (
    BlockReader,
    Piece,
    RecordGraph,
    block_pieces,
    cell_pieces,
    day_pieces,
)
from xsm.blockwise.chunks import align_chunks
from xsm.blockwise.tiling import Floats, to_float32
from xsm.blockwise.worker_slots import in_processor_slot
from xsm.conventions.windows import area_around
from xsm.gapfilling import seasonal_cycle as season
from xsm.gapfilling.climatology import climatology_sums, climatology_table
from xsm.gapfilling.plausible_range import extremes, merge_extremes, plausible_range
from xsm.gapfilling.seasonal_cycle import KNOT, departures
from xsm.gapfilling.statistics import (
    COUNT,
    HALO,
    LAGS,
    STD,
    correlation_sums,
    correlations,
    mean_std_count,
    merge_moments,
    moments,
)
from xsm.gapfilling.task import GapfillTask

MERGED = 8  # partial sums that are merged by one task
HELD = 3  # blocks of days whose knots are held as one
Key = Any


class Box(NamedTuple):
    """Positions of days, rows and columns; may reach beyond the record."""

    days: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Days, rows, columns."""
        days, rows, columns = (stop - start for start, stop in self)
        return days, rows, columns


class Days(NamedTuple):
    """What the statistics need to know of a record; a :class:`GapfillTask` has it too."""

    to_m3m3_factor: float
    positions: NDArray[np.int64]
    dates: NDArray[np.int64]
    wrap: bool


class PartKeys(NamedTuple):
    """Keys of the statistics of the area of some rows and columns."""

    sums: Key  # (2, H, W): count and sum of the observations
    planes: Key  # (7, H, W), in the order of STATISTICS, then the plausible range
    knots: list[Key]  # of the seasonal cycle, in blocks
    edges: list[int]  # number of the first knot of each block, and how many there are
    climatology: Key = None  # (2, days of the year, H, W), without margin


def pieces_of(
    box: Box, x: Any, task: GapfillTask | Days, positions: NDArray[np.int64] | None = None
) -> list[Piece]:
    """The chunks of a record (N, H, W) that a box is read from."""
    return block_pieces(
        day_pieces(x.chunks[0], task.positions if positions is None else positions, *box.days),
        cell_pieces(x.chunks[1], *box.rows, wrap=False),
        cell_pieces(x.chunks[2], *box.columns, wrap=task.wrap),
    )


def read_m3m3(reader: BlockReader, values: Sequence[Any], box: Box, factor: float) -> Floats:
    """A box, m3 m-3, NaN where missing or outside."""
    out = np.full(box.shape, np.nan, np.float32)
    return reader.read(values, out, lambda chunk: to_float32(chunk, factor))


def statistic_days(data: Any, task: GapfillTask | Days) -> list[int]:
    """Edges of the blocks of days that statistics are made of, as positions.

    They lie on knots of the seasonal cycle, near the edges of the chunks.
    """
    starts = np.cumsum([0, *data.chunks[0][:-1]])
    edges = [*task.positions[starts].tolist(), task.dates.size]
    edges[0] = 0
    sizes = align_chunks(tuple(np.diff(edges).tolist()), KNOT, 2 * KNOT)
    return [0, *np.cumsum(sizes).tolist()]


def add_statistics(
    data: Any,
    cells: tuple[slice, slice],
    margin: tuple[int, int],
    task: GapfillTask | Days,
    *,
    graph: RecordGraph,
    edges: list[int],
    number: int,
    names: tuple[str, str, str],
    layers: Sequence[dict[Key, Any]],
    climatology: bool = False,
) -> PartKeys:
    """Add the tasks of the statistics of some rows and columns to the layers of a graph.

    Parameters
    ----------
    data : dask array, shape (N, H, W)
        In its own unit.
    cells : (rows, columns)
    margin : (int, int)
        Rows and columns around, in the statistics too; see :func:`area_around`.
    task : GapfillTask
    graph : RecordGraph
        Of `data`.
    edges : list of int
        :func:`statistic_days`.
    number : int
        Of the part.
    names, layers : three of each
        Layer of what is needed until the end, of the part of it that grows with the record, and of
        what is merged.
    climatology : bool
        Also that of each day of the year.
    """
    (shared, stored, temporary), (held_layer, stored_layer, merged_layer) = names, layers
    rows, columns, _, own_cells = area_around(cells, margin, data.shape[1:], task.wrap)
    blocks = list(pairwise(edges))
    dates = task.dates
    boxes = [Box(days, rows, columns) for days in blocks]
    with_days_before = [Box((a - LAGS, b), rows, columns) for a, b in blocks]

    def readings(boxes: list[Box]) -> list[tuple[Any, ...]]:
        readers = graph.readers([pieces_of(box, data, task) for box in boxes])
        factor = task.to_m3m3_factor
        return [(*reader, box, factor) for reader, box in zip(readers, boxes, strict=True)]

    of_blocks = readings(boxes)

    def add(layer: dict[Key, Any], name: str, step: str, n: int, *call: Any) -> Key:
        key = (name, step, number, n)
        layer[key] = call
        return key

    def add_block(step: str, n: int, *call: Any) -> Key:
        return add(merged_layer, temporary, step, n, in_processor_slot, *call)

    def merge(step: str, function: Callable[[list[Any]], Any], keys: list[Key]) -> Key:
        level = 0
        while len(keys) > 1:
            level += 1
            keys = [
                add(merged_layer, temporary, f"{step}{level}", n, function, keys[n : n + MERGED])
                for n in range(0, len(keys), MERGED)
            ]
        return keys[0]

    parts = [add_block("sums", n, _block_sums, *reading) for n, reading in enumerate(of_blocks)]
    sums = merge("sums", sum_of, parts)

    bins = [
        add_block("bins", n, _block_bins, *reading, sums) for n, reading in enumerate(of_blocks)
    ]
    knots, first_knots = [], []
    for n, (own, near, centres) in enumerate(_knots_of_blocks(dates, edges)):
        first_knots.append(own.size)
        knots.append(
            add(
                merged_layer, temporary, "knots", n,
                _cycle_of_bins, own, centres, [bins[m] for m in near],
            )
        )  # fmt: skip
    keys = PartKeys(sums, None, knots, [0, *np.cumsum(first_knots).tolist()])

    parts = [
        add_block("moments", n, _block_moments, *reading, *knots_near(keys, box))
        for n, (reading, box) in enumerate(zip(of_blocks, boxes, strict=True))
    ]
    first = add(
        merged_layer, temporary, "first", 0, _first_planes, merge("moments", _merged, parts)
    )

    parts = [
        add_block("pairs", n, _block_correlations, *reading, *knots_near(keys, box), first)
        for n, (reading, box) in enumerate(
            zip(readings(with_days_before), with_days_before, strict=True)
        )
    ]  # fmt: skip
    pairs = merge("pairs", sum_of, parts)
    planes = add(merged_layer, temporary, "planes", 0, _all_planes, pairs, first)

    typical = None
    if climatology:
        assert isinstance(task, GapfillTask)
        own = [Box(days, *((c.start, c.stop) for c in cells)) for days in blocks]
        parts = []
        for n, (box, reading) in enumerate(zip(own, readings(own), strict=True)):
            days = slice(*np.searchsorted(task.positions, box.days))
            function = partial(
                _block_climatology,
                cells=own_cells,
                days=task.positions[days] - box.days[0],
                day_of_year=task.day_of_year[days],
            )
            parts.append(add_block("typical", n, function, *reading, sums))
        typical = add(
            merged_layer, temporary, "typical_table", 0,
            partial(_climatology_table, cells=own_cells, year_length=task.year_length),
            merge("typical", _merged_climatology, parts), sums,
        )  # fmt: skip

    def hold(step: str, n: int, key: Key) -> Key:
        return add(held_layer, shared, step, n, _unchanged, key)

    return PartKeys(
        hold("sums", 0, sums),
        hold("planes", 0, planes),
        [
            add(stored_layer, stored, "knots", n, _joined, knots[n : n + HELD])
            for n in range(0, len(knots), HELD)
        ],
        [*keys.edges[:-1:HELD], keys.edges[-1]],
        None if typical is None else hold("typical", 0, typical),
    )


def knots_near(keys: PartKeys, box: Box, first_position: int = 0) -> tuple[list[Key], int]:
    """Blocks of knots that the days of a box depend on, and the day of the first of them.

    `first_position` is that of the first day, counted from the first knot.
    """
    count = keys.edges[-1]
    first, last = (day + first_position for day in box.days)
    low, high = (min(max(n // KNOT, 0), count - 1) for n in (first, last + KNOT))
    near = [n for n, (a, b) in enumerate(pairwise(keys.edges)) if a <= high and b > low]
    return [keys.knots[n] for n in near], KNOT * keys.edges[near[0]] - first_position


def _knots_of_blocks(dates: NDArray[np.integer], edges: list[int]) -> list[tuple[Any, Any, Any]]:
    """Days of the knots of each block, the blocks near them, and the centres of their bins."""
    days = [dates[a:b] for a, b in pairwise(edges)]
    first, last = (np.array([block[end] for block in days]) for end in (0, -1))
    knots = season.knots(dates)
    block = np.searchsorted(first[1:], knots, side="right")
    out = []
    for n in range(len(days)):
        own = knots[block == n]
        within = (first <= own[-1] + season.REACH) & (last + 1 >= own[0] - season.REACH)
        near = np.flatnonzero(within)
        out.append((own, near, np.concatenate([season.bin_centres(days[m]) for m in near])))
    return out


def _unchanged(value: Any) -> Any:
    return value


def _joined(blocks: list[Any]) -> Any:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def sum_of(parts: list[Any]) -> Any:
    """The sum of arrays."""
    return np.sum(parts, axis=0)


def _block_sums(reader: BlockReader, values: Any, box: Box, factor: float) -> NDArray[np.float64]:
    return season.count_and_sum(read_m3m3(reader, values, box, factor))


def _block_bins(reader: BlockReader, values: Any, box: Box, factor: float, sums: Any) -> Any:
    return season.bin_sums(read_m3m3(reader, values, box, factor), season.cell_level(*sums))


def _cycle_of_bins(knots: Any, centre: Any, bins: list[Any]) -> NDArray[np.float32]:
    number, total = (np.concatenate(parts) for parts in zip(*bins, strict=True))
    return season.cycle_at_knots(knots, centre, number, total)


def _block_moments(
    reader: BlockReader, values: Any, box: Box, factor: float, knots: list[Any], first_knot: int
) -> NDArray[np.float64]:
    block = read_m3m3(reader, values, box, factor)
    departed = departures(block, np.concatenate(knots), box.days[0] - first_knot)
    return np.concatenate([moments(departed), extremes(block)])


def _merged(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    stacked = np.stack(parts)
    return np.concatenate([merge_moments(stacked[:, :3]), merge_extremes(stacked[:, 3:])])


def _first_planes(merged: NDArray[np.float64]) -> NDArray[np.float32]:
    """Mean, standard deviation, count, lowest and highest plausible value."""
    planes = mean_std_count(merged[:3])
    return np.concatenate([planes, plausible_range(merged[3:], planes[STD], planes[COUNT])])


def _block_correlations(
    reader: BlockReader,
    values: Any,
    box: Box,
    factor: float,
    knots: list[Any],
    first_knot: int,
    first: NDArray[np.float32],
) -> NDArray[np.float64]:
    block = read_m3m3(reader, values, box, factor)
    departed = departures(block, np.concatenate(knots), box.days[0] - first_knot)
    return correlation_sums(departed, first[:3], earlier=LAGS)


def _block_climatology(
    reader: BlockReader,
    values: Any,
    box: Box,
    factor: float,
    sums: NDArray[np.float64],
    *,
    cells: tuple[slice, slice],
    days: NDArray[np.integer],
    day_of_year: NDArray[np.integer],
) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    """Days of the year of a block, and :func:`climatology_sums` of these days.

    `days` are those of the block that the record has, and `day_of_year` says which they are.
    """
    block = read_m3m3(reader, values, box, factor)[days]
    of_year, index = np.unique(day_of_year, return_inverse=True)
    centre = season.cell_level(*sums[(slice(None), *cells)])
    return of_year, climatology_sums(block, centre, index, of_year.size)


def _merged_climatology(parts: list[Any]) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
    days = np.unique(np.concatenate([of_part for of_part, _ in parts]))
    out = np.zeros((3, days.size, *parts[0][1].shape[2:]))
    for of_part, sums in parts:
        out[:, np.searchsorted(days, of_part)] += sums
    return days, out


def _climatology_table(
    merged: Any, sums: NDArray[np.float64], *, cells: tuple[slice, slice], year_length: int
) -> Floats:
    days, of_days = merged
    centre = season.cell_level(*sums[(slice(None), *cells)])
    return climatology_table(days, of_days, centre, year_length)


def _all_planes(sums: NDArray[np.float64], first: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([first[:3], correlations(sums), first[3:]])


def part_margin(task: GapfillTask) -> tuple[int, int]:
    """Rows and columns around a part that its values depend on."""
    return task.halo[1] + HALO, task.halo[2] + HALO
