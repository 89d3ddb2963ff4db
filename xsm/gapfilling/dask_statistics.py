"""Statistics of a record on Dask, some days at a time, in one reading after the other.

Each step needs all days of the one before: the mean of a cell, its slow course, its variability,
how much its neighbours tell of it. So the record is read once for each, and never kept: what stays
is the course, a tenth of the record, and a few numbers a cell. The numbers are those of
:func:`xsm.gapfilling.statistics.record_statistics`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.chunks import with_days_around
from xsm.blockwise.zarr import KEPT
from xsm.gapfilling import seasonal_cycle as slow
from xsm.gapfilling import statistics as steps

READINGS = 4
MARGIN = 2  # knots of the course before and after those of a block of days


class Statistics(NamedTuple):
    """Of all days, as Dask arrays in one chunk of cells."""

    level: Any  # (2, H, W): number and sum of the observations
    planes: Any  # (5, H, W), in the order of STATISTICS
    course: Any  # (K, H, W), a chunk for each block of days


def record_statistics(read: Callable[[int], Any], days: tuple[int, ...]) -> Statistics:
    """Statistics of a record that is read four times.

    Parameters
    ----------
    read : callable
        Returns the record (T, H, W), m3 m-3, NaN where missing, as a Dask array in one chunk of
        cells; from a new reading for each of 0 to ``READINGS`` - 1.
    days : tuple of int
        Days in each chunk of it: multiples of 10 and at least 20, but for the last one.
    """
    level = kept(_over_days(slow.number_and_total, 2, read(0)).sum(axis=0, split_every=4))
    course = kept(_course(read(1), level, days))
    around, first = with_neighbours(course), first_days(days)
    moments = _joined(_over_days(_moments, 3, read(2), *around, first))
    spread = _planes(steps.spread, 3, moments)
    values = with_days_around(read(3), steps.LAGS, np.nan)
    products = _over_days(_products, 4, values, *around, first, planes=spread)
    planes = _planes(_with_pooled, 5, products.sum(axis=0, split_every=4), spread)
    return Statistics(level, kept(planes), course)


def kept(x: Any) -> Any:
    """`x` in a layer of its own, by whose name :func:`xsm.write_zarr` knows what to keep."""
    from dask.base import tokenize

    return x.map_blocks(_same, name=f"{KEPT}{tokenize(x.name)}", dtype=x.dtype, meta=x._meta)


def _same(block: Any) -> Any:
    return block


def with_neighbours(course: Any) -> list[Any]:
    """The course of the block before each block, of itself and of the block after.

    References, not copies: all of them wait for the readings that follow.
    """
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    sizes, cells = course.chunks[0], course.chunks[1:]
    none = np.empty((0, *course.shape[1:]), np.float32)
    found = [course]
    for shift, place, chunks in ((-1, 0, (0, *sizes[:-1])), (1, 2, (*sizes[1:], 0))):
        name = f"{course.name}-beside-{place}"
        layer = {
            (name, n, 0, 0): (course.name, n + shift, 0, 0) if 0 <= n + shift < len(sizes) else none
            for n in range(len(sizes))
        }
        graph = HighLevelGraph.from_collections(name, layer, dependencies=[course])
        found.insert(place, da.Array(graph, name, (chunks, *cells), meta=none))
    return found


def at_hand(before: Any, own: Any, after: Any) -> NDArray[np.float32]:
    """The knots that the days of a block and some around it need."""
    return np.concatenate([before[-MARGIN:], own, after[:MARGIN]])


def first_knot(day: int) -> int:
    """The first knot that a block which begins with `day` has at hand."""
    return max(day // slow.KNOT - MARGIN, 0)


def first_days(days: tuple[int, ...]) -> Any:
    """First day of each block, as a Dask array."""
    import dask.array as da

    return da.from_array(np.cumsum((0, *days[:-1])), chunks=1)


def _over_days(function: Any, count: int, values: Any, *others: Any, planes: Any = None) -> Any:
    """Partial results (N, count, H, W), one for each block of days."""
    import dask.array as da

    arguments: list[Any] = [values, "tyx"]
    for other in others:
        arguments += [other, "tyx" if other.ndim == 3 else "t"]
    if planes is not None:
        arguments += [planes, "pyx"]
    return da.blockwise(
        partial(_as_part, function),
        "toyx",
        *arguments,
        new_axes={"o": count},
        adjust_chunks={"t": 1},
        concatenate=True,
        align_arrays=False,
        dtype=np.float64,
        meta=np.empty((0,) * 4),
    )


def _as_part(function: Any, *blocks: Any) -> NDArray[np.float64]:
    return function(*blocks)[None]


def _moments(values: Any, *course: Any) -> NDArray[np.float64]:
    *knots, first = course
    return steps.moments(_departures(values, at_hand(*knots), int(first[0]), int(first[0])))


def _products(values: Any, *course: Any) -> NDArray[np.float64]:
    *knots, first, known = course
    block = int(first[0])
    values = values[: -steps.LAGS]  # the days after the block are not needed
    departed = _departures(values, at_hand(*knots), block, block - steps.LAGS)
    return steps.products(departed, known, earlier=steps.LAGS)


def _departures(values: Any, course: Any, block: int, day: int) -> NDArray[np.float32]:
    """Departures of values from `day` on; the course is that at hand in the block from `block`."""
    return slow.departures(values, course, day - slow.KNOT * first_knot(block))


def _joined(parts: Any) -> Any:
    """The moments (3, H, W) of all days from those (N, 3, H, W) of blocks of days."""
    import dask.array as da

    return da.reduction(
        parts,
        _as_it_is,
        _join,
        combine=_join,
        axis=0,
        split_every=4,
        dtype=np.float64,
        meta=np.empty((0,) * 3),
    )


def _join(parts: Any, axis: Any, keepdims: bool) -> NDArray[np.float64]:
    found = steps.joined_moments(parts)
    return found[None] if keepdims else found


def _as_it_is(part: Any, axis: Any, keepdims: bool) -> Any:
    return part


def _planes(function: Any, count: int, *planes: Any) -> Any:
    """Planes (count, H, W) from others."""
    import dask.array as da

    return da.map_blocks(
        function,
        *planes,
        chunks=((count,), *planes[0].chunks[1:]),
        dtype=np.float32,
        meta=np.empty((0,) * 3, np.float32),
    )


def _with_pooled(products: Any, spread: Any) -> NDArray[np.float32]:
    return np.concatenate([spread, steps.pool(products)])


def _course(values: Any, level: Any, days: tuple[int, ...]) -> Any:
    """The slow course (K, H, W); a block of it draws on the bins of the days around."""
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    bins = da.blockwise(
        _bins,
        "tyx",
        values,
        "tyx",
        level,
        "pyx",
        concatenate=True,
        align_arrays=False,
        dtype=np.float32,
        meta=np.empty((0,) * 3, np.float32),
    )
    starts = np.cumsum((0, *days))
    knots = slow.knots(int(starts[-1]))
    owner = np.searchsorted(starts[1:-1], knots, side="right")
    name = f"course-{bins.name}"
    layer = {}
    for n in range(len(days)):
        own = knots[owner == n]
        near = np.flatnonzero(
            (starts[:-1] <= own[-1] + slow.REACH) & (starts[1:] >= own[0] - slow.REACH)
        )
        middle = np.concatenate([slow.middles(starts[m], starts[m + 1]) for m in near])
        keys = [(bins.name, int(m), 0, 0) for m in near]
        layer[name, n, 0, 0] = (partial(_knots, own, middle), keys)
    chunks = (tuple(np.bincount(owner).tolist()), *values.chunks[1:])
    graph = HighLevelGraph.from_collections(name, layer, dependencies=[bins])
    return da.Array(graph, name, chunks, meta=np.empty((0,) * 3, np.float32))


def _bins(values: Any, level: Any) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    return slow.bin_sums(values, slow.level(*level))


def _knots(knots: Any, middle: Any, bins: list[Any]) -> NDArray[np.float32]:
    number, total = (np.concatenate(parts) for parts in zip(*bins, strict=True))
    return slow.course_at(knots, middle, number, total)
