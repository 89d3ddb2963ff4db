"""Gap-filling of Dask arrays: the windows of :mod:`xsm.tiles`, block by block, computed when asked.

The halo comes from ``dask.array.overlap`` with explicit boundaries: missing in time and beyond the
rows; beyond the columns missing too, or the other side of the globe.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm import tiles
from xsm.outputs import add_climatology, merged
from xsm.tiles import Job

LEAST_DAYS = 16  # in a block of work: a block of one day would read eight others


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


def _fill_record(raw: Any, job: Job) -> tuple[Any, Any, Any]:
    land = ever_observed(raw) if job.land is None else _land(job.land, raw)
    long = None if job.max_gap is None else long_gaps(raw, job.days, job.max_gap)
    result = merged(raw, estimate(raw, land, job), land.rechunk(raw.chunks[1:]), long, job)
    if job.climatology:
        result = add_climatology(*result, climatology(raw, job), long, job)
    return result


def _land(land: Any, raw: Any) -> Any:
    import dask.array as da

    return da.asarray(land).astype(bool).rechunk(raw.chunks[1:])


def estimate(raw: Any, land: Any, job: Job) -> Any:
    """Mean and standard deviation (2, N, H, W), m3 m-3, as a Dask array in the chunks of `raw`.

    Parameters
    ----------
    raw : dask array, shape (N, H, W)
    land : dask array of bool, shape (H, W)
    job : Job
    """
    import dask.array as da

    values = all_days(internal(raw, job.worth), job.days)
    halo = job.model.halo
    least = (min(LEAST_DAYS, values.shape[0]), 1, 1)
    work = _with_chunks_of(values, [max(h, n) for h, n in zip(halo, least, strict=True)])
    cells = work.chunks[1:]
    stats = statistics(values, job).rechunk((-1, *cells))
    block = partial(
        _estimate_block,
        model=job.model,
        settings=job.settings,
        tile=job.tile,
        keep_observed=job.keep_observed,
    )
    out = da.blockwise(
        block,
        "otyx",
        with_halo(work, halo, job.wrap),
        "tyx",
        with_halo(stats, (0, *halo[1:]), job.wrap),
        "syx",
        land.rechunk(cells),
        "yx",
        da.arange(work.shape[0], chunks=work.chunks[0]),
        "t",
        new_axes={"o": 2},
        adjust_chunks=dict(zip("tyx", work.chunks, strict=True)),
        concatenate=True,
        align_arrays=False,
        dtype=np.float32,
        meta=np.empty((0,) * 4, np.float32),
    )
    return _real_days(out, job.days, axis=1).rechunk((2, *raw.chunks))


def _estimate_block(values, stats, land, days, *, model, settings, tile, keep_observed):
    need = np.broadcast_to(
        land, tuple(n - 2 * h for n, h in zip(values.shape, model.halo, strict=True))
    )
    if keep_observed:
        inner = tuple(slice(h, n - h) for n, h in zip(values.shape, model.halo, strict=True))
        need = need & ~np.isfinite(values[inner])
    out = np.empty((2, *need.shape), np.float32)
    for window in tiles.windows(need.shape, tile):
        outer = tuple(
            slice(w.start, w.stop + 2 * h) for w, h in zip(window, model.halo, strict=True)
        )
        out[(slice(None), *window)] = tiles.fill_window(
            values[outer],
            stats[(slice(None), *outer[1:])],
            need[window],
            int(days[0]) + window[0].start,
            model,
            settings,
        )
    return out


def internal(raw: Any, worth: float) -> Any:
    """The same in m3 m-3, float32, NaN where missing."""
    return raw.map_blocks(
        tiles.to_internal, worth, dtype=np.float32, meta=np.empty((0,) * raw.ndim, np.float32)
    )


def ever_observed(raw: Any) -> Any:
    """Cells (H, W) with an observation."""
    import dask.array as da

    return da.isfinite(raw).any(axis=0)


def statistics(values: Any, job: Job) -> Any:
    """Statistics (S, H, W) of every cell over all days; a Dask array.

    Each block needs the whole record of its cells, so the record is rechunked to columns of days.
    """
    import dask.array as da

    halo = job.model.statistics_halo
    empty = np.full((values.shape[0], 1, 1), np.nan, np.float32)
    count = tiles.numbers().record_statistics(empty).shape[0]
    column = values.rechunk(tiles.columns_of_days(values.shape))
    column = _with_chunks_of(column, [values.shape[0], halo, halo])
    return da.blockwise(
        partial(tiles.statistics_block, halo=halo),
        "syx",
        with_halo(column, (0, halo, halo), job.wrap),
        "tyx",
        new_axes={"s": count},
        adjust_chunks=dict(zip("yx", column.chunks[1:], strict=True)),
        concatenate=True,
        align_arrays=False,
        dtype=np.float32,
        meta=np.empty((0,) * 3, np.float32),
    )


def long_gaps(raw: Any, days: NDArray[np.int64], limit: int) -> Any:
    """Cells (N, H, W) inside a gap of more than `limit` days, in the chunks of `raw`."""
    import dask.array as da

    missing = ~all_days(da.isfinite(raw), days, absent=False)
    work = _with_chunks_of(missing, [limit, 1, 1])
    long = work.map_overlap(
        tiles.long_gaps,
        depth={0: limit, 1: 0, 2: 0},
        boundary={0: False, 1: "none", 2: "none"},
        limit=limit,
        dtype=bool,
        meta=np.empty((0,) * 3, bool),
    )
    return _real_days(long, days, axis=0).rechunk(raw.chunks)


def climatology(raw: Any, job: Job) -> Any:
    """Climatological mean and standard deviation (2, N, H, W), in the chunks of `raw`."""
    import dask.array as da

    from xsm.climatology import WORKSPACE
    from xsm.climatology import climatology as numbers

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


def all_days(x: Any, days: NDArray[np.int64], absent: Any = np.nan) -> Any:
    """`x` (N, H, W) with the days between that it has not, filled with `absent`."""
    import dask.array as da

    if days.size == days[-1] + 1:
        return x
    starts = [0, *(np.flatnonzero(np.diff(days) > 1) + 1).tolist(), days.size]
    parts = []
    for first, last in zip(starts[:-1], starts[1:], strict=True):
        if first:
            lost = int(days[first] - days[first - 1]) - 1
            shape = (lost, *x.shape[1:])
            chunks = (max(x.chunks[0]), *x.chunks[1:])
            parts.append(da.full(shape, absent, dtype=x.dtype, chunks=chunks))
        parts.append(x[first:last])
    return da.concatenate(parts, axis=0)


def _real_days(x: Any, days: NDArray[np.int64], axis: int) -> Any:
    import dask.array as da

    return x if days.size == x.shape[axis] else da.take(x, days, axis=axis)


def with_halo(x: Any, depth: tuple[int, ...], wrap: bool) -> Any:
    """Each block of (T, H, W) with `depth` cells of its neighbours on both sides of every axis."""
    import dask.array as da

    around: dict[int, Any] = {0: np.nan, 1: np.nan, 2: "periodic" if wrap else np.nan}
    left = dict(enumerate(depth))
    for axis, margin in enumerate(depth):
        if margin > x.shape[axis]:  # too small for overlap: the whole axis is one block
            x = _padded(x, axis, margin, wrap and axis == 2).rechunk({axis: -1})
            left[axis] = 0
    around = {axis: kind if left[axis] else "none" for axis, kind in around.items()}
    return da.overlap.overlap(x, depth=left, boundary=around)


def _padded(x: Any, axis: int, margin: int, wrap: bool) -> Any:
    import dask.array as da

    if wrap:
        return da.take(x, np.arange(-margin, x.shape[axis] + margin) % x.shape[axis], axis=axis)
    shape = tuple(margin if a == axis else n for a, n in enumerate(x.shape))
    chunks = tuple(margin if a == axis else c for a, c in enumerate(x.chunks))
    edge = da.full(shape, np.nan, dtype=x.dtype, chunks=chunks)
    return da.concatenate([edge, x, edge], axis=axis)


def _with_chunks_of(x: Any, least: list[int]) -> Any:
    """`x` with neighbouring chunks joined until each has `least` cells, or the whole axis."""
    chunks = []
    for sizes, wanted in zip(x.chunks, least, strict=True):
        joined: list[int] = []
        for size in sizes:
            if joined and joined[-1] < wanted:
                joined[-1] += size
            else:
                joined.append(size)
        if len(joined) > 1 and joined[-1] < wanted:
            last = joined.pop()
            joined[-1] += last
        chunks.append(tuple(joined))
    return x.rechunk(tuple(chunks))
