"""Gap-filling of NumPy arrays, tile by tile."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.tiling import (
    Job,
    Record,
    columns_of_days,
    fill_window,
    long_gaps,
    map_record_statistics,
    stats_of_days,
    take_cells,
    windows,
)
from xsm.conventions.cf import add_climatology, merged
from xsm.errors import UnitError
from xsm.gapfilling.climatology import WORKSPACE, climatology
from xsm.progress import bar

PLAUSIBLE = (-0.5, 1.5)  # m3 m-3; beyond, the unit is wrong or a fill value was not decoded

Arrays = tuple[NDArray[Any], NDArray[Any], NDArray[np.int8]]


def fill(data: NDArray[Any], axes: list[int], job: Job) -> Arrays:
    """Filled values, uncertainty and flags of a NumPy array, each in its dimensions.

    Parameters
    ----------
    data : ndarray
        Any dimensions; `axes` are its others, time, rows and columns, in this order.
    axes : list of int
    job : Job

    Raises
    ------
    UnitError
        If values are far from what soil moisture can be in the unit given.
    """
    data = np.asarray(data)
    filled, spread = np.empty(data.shape, job.dtype), np.empty(data.shape, job.dtype)
    outs = filled, spread, np.empty(data.shape, np.int8)
    ordered = [np.transpose(array, axes) for array in (data, *outs)]
    records = list(np.ndindex(ordered[0].shape[:-3]))
    shape = Record(ordered[0][records[0]], job.worth, job.days, job.wrap).shape
    steps = len(list(windows(shape, job.tile))) + len(list(windows(shape, columns_of_days(shape))))
    with bar(f"gapfill {job.name}", len(records) * steps, job.progress) as progress:
        for index in records:
            raw, *views = (array[index] for array in ordered)
            _fill_record(raw, tuple(views), job, progress.update)
    return outs


def _fill_record(raw: NDArray[Any], outs: tuple[NDArray[Any], ...], job: Job, step: Any) -> None:
    record = Record(raw, job.worth, job.days, job.wrap)

    def check(values: NDArray[np.float32]) -> None:
        _check_range(values, job)

    stats = map_record_statistics(record, job.model.statistics_halo, check, step)
    land = _ever_observed(raw) if job.land is None else np.asarray(job.land, bool)
    for window in windows(record.shape, job.tile):
        here = record.present(window[0])
        if here.start < here.stop:
            place = (here, *window[1:])
            estimate = _estimate(record, stats, land, window, job)
            long = _long_gaps(record, window, job)
            result = merged(raw[place], estimate, land[window[1:]], long, job)
            _write(outs, place, result)
        step()
    if job.climatology:
        for window in windows(record.shape, columns_of_days(record.shape, WORKSPACE)):
            place = (slice(None), *window[1:])
            values = record.read(window)[job.days]
            typical = climatology(values, job.day_of_year, job.year)
            long = _long_gaps(record, window, job)
            filled, spread, flag = (out[place] for out in outs)
            _write(outs, place, add_climatology(filled, spread, flag, typical, long, job))


def _write(outs: tuple[NDArray[Any], ...], place: Any, result: tuple[Any, ...]) -> None:
    for out, part in zip(outs, result, strict=True):
        out[place] = part


def _estimate(
    record: Record, stats: NDArray[np.float32], land: NDArray[np.bool_], window: Any, job: Job
) -> NDArray[np.float32]:
    """Mean and standard deviation (2, n, h, w) of the days of `window` that the record has."""
    days, rows, columns = window
    here = record.days[record.present(days)] - days.start
    need = np.zeros(tuple(part.stop - part.start for part in window), bool)
    need[here] = land[rows, columns]
    if not need.any():
        return np.full((2, here.size, *need.shape[1:]), np.nan, np.float32)
    values = record.read(window, job.model.halo)
    if job.keep_observed:
        inner = tuple(slice(h, h + n) for h, n in zip(job.model.halo, need.shape, strict=True))
        need &= ~np.isfinite(values[inner])
    ahead, up, aside = job.model.halo
    around, since = stats_of_days(stats, days.start - ahead, days.stop + ahead)
    around = take_cells(
        around,
        slice(rows.start - up, rows.stop + up),
        slice(columns.start - aside, columns.stop + aside),
        record.wrap,
    )
    return fill_window(values, around, need, days.start - since, job.model, job.settings)[:, here]


def _long_gaps(record: Record, window: Any, job: Job) -> NDArray[np.bool_] | None:
    """Which cells of the days of `window` that the record has are in too long a gap."""
    if job.max_gap is None:
        return None
    days, rows, columns = window
    first = max(days.start - job.max_gap, 0)
    last = min(days.stop + job.max_gap, record.shape[0])
    missing = np.isnan(record.read((slice(first, last), rows, columns)))
    return long_gaps(missing, job.max_gap)[record.days[record.present(days)] - first]


def _ever_observed(raw: NDArray[Any]) -> NDArray[np.bool_]:
    seen = np.zeros(raw.shape[1:], bool)
    for day in raw:
        seen |= np.isfinite(day)
    return seen


def _check_range(values: NDArray[np.float32], job: Job) -> None:
    seen = values[np.isfinite(values)]
    if seen.size == 0:
        return
    low, high = float(seen.min()), float(seen.max())
    if low < PLAUSIBLE[0] or high > PLAUSIBLE[1]:
        raise UnitError(
            f"{job.name} goes from {low / job.worth:g} to {high / job.worth:g} in its own unit, "
            f"which would be {low:g} to {high:g} m3 m-3: expected 0 to 1. Either its units "
            "attribute is wrong (percent taken for a fraction?), or a fill value was not decoded: "
            "set the attribute, or mask such values with .where()."
        )
