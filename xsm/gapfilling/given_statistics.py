"""Statistics that were made of one record and serve for another of the same cells: new days.

A record of a few days has no statistics of its own. Those of the years before stand in for them;
the seasonal cycle of a day that they do not cover is the mean of that season in their years.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.record import GriddedRecord
from xsm.conventions.time_axis import day_numbers
from xsm.errors import GridError, InputError
from xsm.gapfilling import seasonal_cycle as season
from xsm.gapfilling.statistics import STATISTICS

PLANES = (*STATISTICS, "lowest", "highest")
CYCLE, KNOT_DAY = "seasonal_cycle", "knot"
YEAR = 365.2425  # days
UNITS = {"count": "1", "persistence": "1", "coherence": "1"}

Floats = NDArray[np.float32]


def to_dataset(
    record: GriddedRecord, planes: Floats, cycle: Floats, dates: NDArray[np.integer]
) -> xr.Dataset:
    """Statistics as a Dataset, rows north first and columns west first.

    Parameters
    ----------
    record : GriddedRecord
    planes : ndarray, shape (7, H, W)
        In the order of ``PLANES``, m3 m-3.
    cycle : ndarray, shape (K, H, W)
    dates : ndarray of int, shape (T,)
        Days of the record since its first, as they are worked on.
    """
    y, x = record.space
    knots = season.knots(dates) + _first_day(record)
    variables: dict[str, Any] = {
        name: ((y, x), plane, {"units": UNITS.get(name, "m3 m-3")})
        for name, plane in zip(PLANES, planes, strict=True)
    }
    variables[CYCLE] = ((KNOT_DAY, y, x), cycle, {"units": "m3 m-3"})
    coords = {c.name: c for c in (record.lat, record.lon) if c is not None}
    ds = xr.Dataset(variables, {**coords, KNOT_DAY: knots})
    ds[KNOT_DAY].attrs = {"long_name": "days since 1970-01-01 in the calendar of the record"}
    ds.attrs = {"title": f"statistics of {record.name} for xsm.gapfill"}
    return ds


def planes_and_cycle(
    statistics: xr.Dataset, record: GriddedRecord, dates: NDArray[np.integer]
) -> tuple[Floats, Floats, int]:
    """Planes (7, H, W) and seasonal cycle (K, H, W) for the days of another record.

    The third is the position of its first day, counted from the first knot: 0 to 9, so that the
    knots lie on those of the statistics.

    Raises
    ------
    InputError
        If these are no statistics of :func:`xsm.record_statistics`.
    GridError
        If they are of other cells.
    """
    if not isinstance(statistics, xr.Dataset):
        raise InputError(
            f"statistics is a {type(statistics).__name__}: expected the Dataset that "
            "xsm.record_statistics returns."
        )
    if lacking := sorted({*PLANES, CYCLE, KNOT_DAY} - {str(n) for n in statistics.variables}):
        raise InputError(
            f"statistics lacks {lacking}: expected the Dataset that xsm.record_statistics returns."
        )
    _check_cells(statistics, record)
    planes = np.stack([np.asarray(statistics[name], np.float32) for name in PLANES])
    knots, first = np.asarray(statistics[KNOT_DAY], np.int64), _first_day(record)
    offset = int((first - knots[0]) % season.KNOT)
    dates = np.concatenate([np.arange(-offset, 0), dates])
    wanted = season.knots(dates) + first
    cycle = _cycle_on(knots.astype(float), np.asarray(statistics[CYCLE], np.float32), wanted)
    return planes, cycle, offset


def _first_day(record: GriddedRecord) -> int:
    return int(day_numbers(record.time.values[:1], "time")[0])


def _check_cells(statistics: xr.Dataset, record: GriddedRecord) -> None:
    shape = statistics["mean"].shape
    if shape != record.shape:
        raise GridError(
            f"statistics are of {shape} cells, the record has {record.shape}: make them of a "
            "record on the same grid, xsm.record_statistics(record)."
        )
    for coord in (record.lat, record.lon):
        if coord is None or coord.name not in statistics.variables:
            continue
        own = statistics[coord.name].values
        if own.shape != coord.shape or not np.allclose(own, coord.values, atol=1e-4):
            raise GridError(
                f"statistics are of other cells: {coord.name} begins with {own.flat[0]:g}, in the "
                f"record with {coord.values.flat[0]:g}. Make them of a record on the same grid."
            )


def _cycle_on(knots: NDArray[np.floating], cycle: Floats, wanted: NDArray[np.integer]) -> Floats:
    """The cycle at other days: of the same day, or the mean of the season in all years."""
    out = np.empty((wanted.size, *cycle.shape[1:]), np.float32)
    for n, day in enumerate(wanted):
        if knots[0] <= day <= knots[-1]:
            days = [float(day)]
        else:
            years = np.arange(-100, 101) * YEAR + float(day)
            days = years[(years >= knots[0]) & (years <= knots[-1])].tolist()
            days = days or [float(np.clip(day, knots[0], knots[-1]))]
        out[n] = np.mean([_at(knots, cycle, d) for d in days], axis=0)
    return out


def _at(knots: NDArray[np.floating], cycle: Floats, day: float) -> Floats:
    above = int(np.clip(np.searchsorted(knots, day), 0, knots.size - 1))
    below = max(above - 1, 0) if knots[above] > day else above
    span = knots[above] - knots[below]
    weight = np.float32((day - knots[below]) / span if span else 0)
    return (1 - weight) * cycle[below] + weight * cycle[above]
