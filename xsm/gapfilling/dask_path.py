"""Gap-filling of Dask arrays: the windows of :mod:`xsm.blockwise.tiling`, block by block, computed when asked.

A block of work is some days of all cells, or of a part of them with its neighbourhood. Parts share
no reading: so each is worked on day after day, and what was read is soon let go.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import accumulate, pairwise
from os import cpu_count
from threading import BoundedSemaphore
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise import tiling as tiles
from xsm.blockwise.chunks import aligned, all_days, real_days, with_chunks_of, with_days_around
from xsm.blockwise.rereading import read_again
from xsm.blockwise.tiling import Job
from xsm.conventions.cf import add_climatology, merged
from xsm.gapfilling.dask_statistics import (
    READINGS,
    at_hand,
    first_days,
    first_knot,
    record_statistics,
    with_neighbours,
)
from xsm.gapfilling.seasonal_cycle import KNOT
from xsm.gapfilling.statistics import HALO

WORK_VALUES = 16_000_000  # of a block, about, where chunks are smaller; float32


def fill(data: Any, axes: list[int], job: Job) -> tuple[Any, Any, Any]:
    """Filled values, uncertainty and flags of a Dask array, each in its dimensions and chunks.

    Parameters
    ----------
    data : dask array
        Any dimensions; `axes` are its others, time, rows and columns, in this order.
    axes : list of int
    job : Job
    """
    import dask.array as da

    ordered = da.transpose(data, axes)
    back = np.argsort(axes).tolist()

    def each(part: Any) -> list[Any]:
        if part.ndim == 3:
            return list(_fill_record(part, job))
        return [da.stack(same) for same in zip(*map(each, part), strict=True)]

    filled, spread, flag = (da.transpose(out, back).rechunk(data.chunks) for out in each(ordered))
    return filled, spread, flag


def _fill_record(raw: Any, job: Job) -> tuple[Any, ...]:
    import dask.array as da

    values = all_days(raw, job.days)
    days = aligned(values.chunks[0], KNOT, 2 * KNOT)
    side = int((WORK_VALUES / max(days)) ** 0.5)
    least = [max(side, 2 * (halo + HALO)) for halo in job.model.halo[1:]]
    rows, columns = map(_slices, with_chunks_of(values, [1, *least]).chunks[1:])
    parts = [
        [_fill_part(raw, (y, x), n * len(columns) + m, days, job) for m, x in enumerate(columns)]
        for n, y in enumerate(rows)
    ]
    return tuple(da.block([[part[i] for part in row] for row in parts]) for i in range(3))


def _slices(sizes: tuple[int, ...]) -> list[slice]:
    return [slice(a, b) for a, b in pairwise((0, *accumulate(sizes)))]


def _fill_part(
    raw: Any, cells: tuple[slice, slice], number: int, days: tuple[int, ...], job: Job
) -> tuple[Any, Any, Any]:
    """Filled values, uncertainty and flags of some rows and columns."""
    import dask.array as da

    margin = [halo + HALO for halo in job.model.halo[1:]]
    rows, columns = (slice(c.start - m, c.stop + m) for c, m in zip(cells, margin, strict=True))

    def read(time: int) -> Any:
        values = all_days(internal(read_again(raw, time, number), job.worth), job.days)
        part, margins = tiles.cut_cells(values, rows, columns, job.wrap)
        sizes = [(n + sum(m),) for n, m in zip(part.shape[1:], margins, strict=True)]
        # padded block by block: a pad that waits for its block waits in memory
        return part.rechunk((days, -1, -1)).map_blocks(
            tiles.padded, margins, chunks=(days, *sizes), dtype=np.float32, meta=values._meta
        )

    stats = record_statistics(read, days)
    if job.land is None:
        land = _inner(stats.level[0] > 0, margin)
    else:
        land = da.asarray(job.land).astype(bool)[cells].rechunk(-1)
    own = read_again(raw, READINGS, number)[(slice(None), *cells)]
    found = da.blockwise(
        partial(_estimate_block, job=job, beyond=_beyond(cells, raw.shape[1:], job)),
        "otyx",
        with_days_around(read(READINGS), job.model.halo[0], np.nan),
        "tyx",
        stats.planes,
        "syx",
        *(part for course in with_neighbours(stats.course) for part in (course, "tyx")),
        land,
        "yx",
        first_days(days),
        "t",
        new_axes={"o": 2},
        adjust_chunks=dict(zip("tyx", (days, *land.chunks), strict=True)),
        concatenate=True,
        align_arrays=False,
        dtype=np.float32,
        meta=np.empty((0,) * 4, np.float32),
    )
    found = real_days(found, job.days, axis=1).rechunk((2, *own.chunks))
    long = None if job.max_gap is None else long_gaps(own, job.days, job.max_gap)
    result = merged(own, found, land.rechunk(own.chunks[1:]), long, job)
    if job.climatology:
        typical = climatology(raw[(slice(None), *cells)], job)
        result = add_climatology(*result, typical, long, job)
    return result


def _inner(x: Any, margin: list[int]) -> Any:
    rows, columns = (slice(m, n - m) for m, n in zip(margin, x.shape[-2:], strict=True))
    return x[..., rows, columns]


def _beyond(cells: tuple[slice, slice], shape: tuple[int, int], job: Job) -> list[tuple[int, int]]:
    """How many rows and columns of the neighbourhood lie beyond the edges of the record."""
    wide = zip(cells, shape, job.model.halo[1:], strict=True)
    beyond = [(max(halo - c.start, 0), max(c.stop + halo - n, 0)) for c, n, halo in wide]
    return [beyond[0], (0, 0) if job.wrap else beyond[1]]


def _estimate_block(
    values: Any, planes: Any, *others: Any, job: Job, beyond: Any
) -> NDArray[np.float32]:
    """Mean and standard deviation (2, T, H, W) of a block of days and its neighbourhood."""
    *knots, land, days = others
    halo = job.model.halo
    stats = np.concatenate([planes, at_hand(*knots)])
    values, stats = (_inner(x, [HALO, HALO]) for x in (values, stats))
    (top, bottom), (left, right) = beyond
    height, width = stats.shape[1:]
    stats[:, :top] = stats[:, height - bottom :] = np.nan  # no cells, so no statistics
    stats[:, :, :left] = stats[:, :, width - right :] = np.nan
    inner = tuple(slice(h, n - h) for h, n in zip(halo, values.shape, strict=True))
    need = np.broadcast_to(land, values[inner].shape)
    if job.keep_observed:
        need = need & ~np.isfinite(values[inner])
    first = int(days[0]) - KNOT * first_knot(int(days[0]))
    out = np.empty((2, *need.shape), np.float32)
    for window in tiles.windows(need.shape, job.tile):
        outer = tuple(slice(w.start, w.stop + 2 * h) for w, h in zip(window, halo, strict=True))
        with _turns():
            out[(slice(None), *window)] = tiles.fill_window(
                values[outer],
                stats[(slice(None), *outer[1:])],
                need[window],
                first + window[0].start,
                job.model,
                job.settings,
            )
    return out


@cache
def _turns() -> BoundedSemaphore:
    """As many networks at once as there are processors for: each has threads of its own."""
    from xsm_kernels import thread_count

    return BoundedSemaphore(max((cpu_count() or 1) // thread_count(), 1))


def internal(raw: Any, worth: float) -> Any:
    """The same in m3 m-3, float32, NaN where missing."""
    return raw.map_blocks(
        tiles.to_internal, worth, dtype=np.float32, meta=np.empty((0,) * raw.ndim, np.float32)
    )


def long_gaps(raw: Any, days: NDArray[np.int64], limit: int) -> Any:
    """Cells (N, H, W) inside a gap of more than `limit` days, in the chunks of `raw`."""
    import dask.array as da

    missing = ~all_days(da.isfinite(raw), days, absent=False)
    work = with_chunks_of(missing, [limit, 1, 1])
    long = work.map_overlap(
        tiles.long_gaps,
        depth={0: limit, 1: 0, 2: 0},
        boundary={0: False, 1: "none", 2: "none"},
        limit=limit,
        dtype=bool,
        meta=np.empty((0,) * 3, bool),
    )
    return real_days(long, days, axis=0).rechunk(raw.chunks)


def climatology(raw: Any, job: Job) -> Any:
    """Climatological mean and standard deviation (2, N, H, W), in the chunks of `raw`."""
    import dask.array as da

    from xsm.gapfilling.climatology import WORKSPACE
    from xsm.gapfilling.climatology import climatology as numbers

    column = internal(raw, job.worth).rechunk(tiles.columns_of_days(raw.shape, WORKSPACE))
    out = da.blockwise(
        partial(numbers, day_of_year=job.day_of_year, year=job.year),
        "otyx",
        column,
        "tyx",
        new_axes={"o": 2},
        dtype=np.float32,
        meta=np.empty((0,) * 4, np.float32),
    )
    return out.rechunk((2, *raw.chunks))
