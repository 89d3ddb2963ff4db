"""Statistics of each cell over a record: they let one network serve many products.

A network sees anomalies in units of the standard deviation of the cell, so percent and m3 m-3, wet
and dry products, X band and L band look alike to it.

Each step needs all days of the step before: mean, seasonal cycle, standard deviation, correlations.
:func:`record_statistics` takes a record in memory; :func:`lazy_statistics` reads a Dask array once
for each step, block of days by block of days, and never holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling import seasonal_cycle as season
from xsm.gapfilling.plausible_range import EXTREMES, extremes, merge_extremes, plausible_range
from xsm.gapfilling.seasonal_cycle import KNOT, box_sum, departures, seasonal_cycle

STATISTICS = ("mean", "std", "count", "persistence", "coherence")
MEAN, STD, COUNT = 0, 1, 2
HALO = 10  # cells on each side that the statistics of a cell depend on

LAGS = 2  # largest lag of the persistence, days
_PRIOR_DAYS = 3.0  # weight of the variance of the neighbourhood, in days of observation
_PRIOR_PAIRS = 10.0  # weight of "no correlation", in pairs
_FLOOR = 0.01  # m3 m-3, the step of the coarsest products


def record_statistics(
    values: NDArray[np.floating], *, dates: NDArray[np.integer] | None = None, wrap: bool = False
) -> NDArray[np.float32]:
    """Statistics of every cell over the whole record.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        Soil moisture, m3 m-3; NaN where missing.
    dates : ndarray of int, shape (T,), optional
        As of :func:`xsm.gapfilling.seasonal_cycle.seasonal_cycle`.
    wrap : bool
        Whether the last column is the neighbour of the first.

    Returns
    -------
    ndarray of float32, shape (5 + K, H, W)
        Of the departures from the seasonal cycle, in the order of ``STATISTICS``: mean (m3 m-3; 0
        where nothing was observed); standard deviation (m3 m-3; shrunk towards that of the 7 x 7
        cells around with a weight of three days, at least 0.01); number of observations; mean
        product of standardised anomalies one and two days apart ("persistence") and of a cell with
        its eight neighbours on the same day ("coherence"), both pooled over 5 x 5 cells and shrunk
        towards zero. Then K knots of :func:`xsm.gapfilling.seasonal_cycle.seasonal_cycle`.
    """
    cycle = seasonal_cycle(values, dates=dates, wrap=wrap)
    values = departures(values, cycle)
    planes = mean_std_count(moments(values), wrap=wrap)
    sums = correlation_sums(values, planes, wrap=wrap)
    return np.concatenate([planes, correlations(sums, wrap=wrap), cycle])


def moments(departed: NDArray[np.float32]) -> NDArray[np.float64]:
    """Count, mean and sum of squared deviations (3, H, W) of departures (T, H, W)."""
    observed = np.isfinite(departed)
    count = observed.sum(axis=0, dtype=np.int32)
    filled = np.where(observed, departed, np.float32(0))
    mean = filled.sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
    anomaly = np.where(observed, filled - mean, 0).astype(np.float32)
    return np.stack([count, mean, np.einsum("thw,thw->hw", anomaly, anomaly)])


def merge_moments(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moments (3, H, W) of all days from (N, 3, H, W) of parts; Chan et al. (1979), eq. 2.1."""
    count, mean, squares = parts.swapaxes(0, 1)
    total = count.sum(axis=0)
    middle = (count * mean).sum(axis=0) / np.maximum(total, 1)
    return np.stack([total, middle, (squares + count * (mean - middle) ** 2).sum(axis=0)])


def mean_std_count(moments: NDArray[np.float64], *, wrap: bool = False) -> NDArray[np.float32]:
    """Mean, shrunk standard deviation and count (3, H, W) from the :func:`moments` of all days."""
    count, mean, squares = moments
    freedom = np.maximum(count - 1, 0)
    pooled = box_sum(squares, 7, wrap) / np.maximum(box_sum(freedom, 7, wrap), 1) + _FLOOR**2
    std = np.sqrt((squares + _PRIOR_DAYS * pooled) / (freedom + _PRIOR_DAYS) + _FLOOR**2)
    return np.stack([mean, std, count]).astype(np.float32)


def correlation_sums(
    departed: NDArray[np.float32],
    planes: NDArray[np.float32],
    *,
    earlier: int = 0,
    wrap: bool = False,
) -> NDArray[np.float64]:
    """Sums of products of standardised anomalies, additive over parts of a record.

    Parameters
    ----------
    departed : ndarray, shape (T, H, W)
        Departures from the seasonal cycle. The first `earlier` days serve as lagged partners only.
    planes : ndarray, shape (3, H, W)
        :func:`mean_std_count`.
    earlier : int
        0 at the start of the record, else ``LAGS``.
    wrap : bool

    Returns
    -------
    ndarray, shape (4, H, W)
        Sum and number of lagged products; sum and number of products with the neighbours.
    """
    observed = np.isfinite(departed)
    anomaly = np.where(observed, departed - planes[MEAN], 0).astype(np.float32)
    anomaly /= planes[STD]
    days = slice(earlier, None)
    return np.stack(
        [
            *_persistence(anomaly, observed, earlier),
            *_coherence(anomaly[days], observed[days], wrap),
        ]
    ).astype(np.float64)


def _persistence(anomaly, observed, earlier):
    """Sum and number of products one and two days apart, each (H, W)."""
    total = np.zeros(anomaly.shape[1:], np.float32)
    pairs = np.zeros(anomaly.shape[1:], np.float32)
    for lag in range(1, LAGS + 1):
        start = max(lag, earlier)
        days, before = slice(start, None), slice(start - lag, max(len(anomaly) - lag, 0))
        total += np.einsum("thw,thw->hw", anomaly[days], anomaly[before])
        pairs += (observed[days] & observed[before]).sum(axis=0, dtype=np.int32)
    return total, pairs


def _coherence(anomaly, observed, wrap):
    """Sum and number of products with the mean of the eight neighbours, each (H, W)."""
    total = np.zeros(anomaly.shape[1:], np.float32)
    pairs = np.zeros(anomaly.shape[1:], np.float32)
    for day, valid in zip(anomaly, observed, strict=True):
        around = np.rint(box_sum(valid, 3, wrap)) - valid
        both = valid & (around > 0)
        neighbours = (box_sum(day, 3, wrap) - day) / np.maximum(around, 1)
        total += np.where(both, day * neighbours, 0)
        pairs += both
    return total, pairs


def correlations(sums: NDArray[np.float64], *, wrap: bool = False) -> NDArray[np.float32]:
    """Persistence and coherence (2, H, W) from the :func:`correlation_sums` of all days."""
    pairs = (sums[:2], sums[2:])
    return np.stack([_pooled_mean(*pair, wrap=wrap) for pair in pairs]).astype(np.float32)


def _pooled_mean(total, pairs, *, wrap):
    return box_sum(total, 5, wrap) / (box_sum(pairs, 5, wrap) + _PRIOR_PAIRS)


# Dask arrays

READINGS = 4  # of a record by lazy_statistics
_KNOTS_AROUND = 2  # of the seasonal cycle, before and after those of a block of days


class LazyStatistics(NamedTuple):
    """Statistics of a record as Dask arrays in one chunk of cells."""

    sums: Any  # (2, H, W): count and sum of the observations
    planes: Any  # (7, H, W), in the order of STATISTICS, then the plausible range
    cycle: Any  # (K, H, W), a chunk for each block of days


def lazy_statistics(read: Callable[[int], Any], dates: NDArray[np.integer]) -> LazyStatistics:
    """:func:`record_statistics` of a Dask array that is read four times.

    Parameters
    ----------
    read : callable
        Returns the record (T, H, W), m3 m-3, NaN where missing, in one chunk of cells; for each of
        0 to ``READINGS`` - 1 from a reading of its own. Its chunks of days are multiples of 10 and
        at least 20, except for the last.
    dates : ndarray of int, shape (T,)
        As of :func:`record_statistics`.
    """
    from xsm.blockwise import dask_engine as engine
    from xsm.blockwise.chunks import with_days_around

    values = read(0)
    sums = engine.shared(engine.reduce_time(season.count_and_sum, (values, "tyx"), outputs=2))
    cycle = engine.shared(_lazy_cycle(read(1), sums, dates))
    around = [(knots, "tyx") for knots in engine.neighbour_blocks(cycle)]
    starts = (engine.block_starts(values), "t")
    block_moments = engine.reduce_time(
        _block_moments, (read(2), "tyx"), *around, starts, outputs=3 + EXTREMES, combine=_merged
    )
    first_planes = engine.map_planes(mean_std_count, block_moments[:3], outputs=3)
    limits = engine.map_planes(_range_of_planes, block_moments[3:], first_planes, outputs=2)
    correlation = engine.reduce_time(
        _block_correlations,
        (with_days_around(read(3), LAGS, np.nan), "tyx"),
        *around,
        starts,
        (first_planes, "pyx"),
        outputs=4,
    )
    planes = engine.map_planes(_all_planes, correlation, first_planes, limits, outputs=7)
    return LazyStatistics(sums, engine.shared(planes), cycle)


def knots_of_block(before: Any, knots: Any, after: Any) -> NDArray[np.float32]:
    """The knots that the days of a block and of its halo depend on, from three blocks of them."""
    return np.concatenate([before[-_KNOTS_AROUND:], knots, after[:_KNOTS_AROUND]])


def first_knot_day(first: int) -> int:
    """The day of the first of :func:`knots_of_block`, for a block whose first day is `first`."""
    return KNOT * max(first // KNOT - _KNOTS_AROUND, 0)


def _block_moments(values: Any, *others: Any) -> NDArray[np.float64]:
    *knots, start = others
    first = int(start[0])
    departed = departures(values, knots_of_block(*knots), first - first_knot_day(first))
    return np.concatenate([moments(departed), extremes(values)])


def _merged(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([merge_moments(parts[:, :3]), merge_extremes(parts[:, 3:])])


def _range_of_planes(extremes: Any, planes: Any) -> NDArray[np.float32]:
    return plausible_range(extremes, planes[STD], planes[COUNT])


def _block_correlations(values: Any, *others: Any) -> NDArray[np.float64]:
    *knots, start, planes = others
    first = int(start[0])
    values = values[:-LAGS]  # the days after the block are not needed
    day = first - LAGS - first_knot_day(first)
    return correlation_sums(departures(values, knots_of_block(*knots), day), planes, earlier=LAGS)


def _all_planes(sums: Any, planes: Any, limits: Any) -> NDArray[np.float32]:
    return np.concatenate([planes, correlations(sums), limits])


def _lazy_cycle(values: Any, sums: Any, dates: NDArray[np.integer]) -> Any:
    """The seasonal cycle (K, H, W); a block of knots depends on the bins of the days around."""
    from xsm.blockwise import dask_engine as engine
    from xsm.blockwise.chunks import chunk_slices

    bins = engine.map_blocks_of_days(_bin_sums, (values, "tyx"), (sums, "pyx"))
    days = [dates[part] for part in chunk_slices(values.chunks[0])]
    first, last = (np.array([block[end] for block in days]) for end in (0, -1))
    knots = season.knots(dates)
    block = np.searchsorted(first[1:], knots, side="right")
    near, arguments = [], []
    for n in range(len(days)):
        own = knots[block == n]
        within = (first <= own[-1] + season.REACH) & (last + 1 >= own[0] - season.REACH)
        near.append(np.flatnonzero(within))
        centres = [season.bin_centres(days[m]) for m in near[-1]]
        arguments.append((own, np.concatenate(centres)))
    sizes = tuple(np.bincount(block).tolist())
    return engine.combine_near_blocks(_cycle_of_bins, bins, near, arguments, sizes)


def _bin_sums(values: Any, sums: Any) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    return season.bin_sums(values, season.cell_level(*sums))


def _cycle_of_bins(knots: Any, centre: Any, bins: list[Any]) -> NDArray[np.float32]:
    number, total = (np.concatenate(parts) for parts in zip(*bins, strict=True))
    return season.cycle_at_knots(knots, centre, number, total)
