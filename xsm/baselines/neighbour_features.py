"""What boosted trees see of a record around a cell on a day.

For a cell (y, x) on day T, all from a record in which that cell is missing:

===========================  ==================================================================
8 days                       values of the cell on T-4 .. T-1, T+1 .. T+4
3 statistics                 mean, standard deviation and number of the observations of the cell
5 x 6 areas                  anomalies averaged over 3, 5, 9, 15, 31 and 61 cells square on
                             T-2 .. T+2
8 nearest                    anomalies on T of the eight nearest observed cells, nearest first
static                       one per static grid given
===========================  ==================================================================

An anomaly is a value minus the mean of its cell over the record. NaN where there is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xsm.baselines.cell_mean import cell_mean

REACH = 4
AREA_REACH = 2
SIZES = (3, 5, 9, 15, 31, 61)
NEAREST = 8

Cells = tuple[NDArray[np.intp], ...]  # day, row, column, each (N,)


def feature_names(n_static: int = 0) -> list[str]:
    """Names of the columns of `neighbour_features`, in order."""
    days = [f"day{k:+d}" for k in range(-REACH, REACH + 1) if k]
    areas = [f"area{size}_day{k:+d}" for k in range(-AREA_REACH, AREA_REACH + 1) for size in SIZES]
    nearest = [f"nearest{i}" for i in range(NEAREST)]
    static = [f"static{i}" for i in range(n_static)]
    return [*days, "mean", "std", "count", *areas, *nearest, *static]


def neighbour_features(
    values: NDArray[np.float32],
    cells: Cells,
    *,
    static: Sequence[NDArray[np.floating]] = (),
    wrap: bool = False,
) -> NDArray[np.float32]:
    """Features of some cells of a record.

    Parameters
    ----------
    values : ndarray of float32, (T, H, W)
        Record with NaN where missing; the cells themselves should be.
    cells : tuple of three ndarray, (N,)
        Day, row and column of each cell, as from ``np.nonzero``.
    static : sequence of ndarray, (H, W)
        Optional grids.
    wrap : bool
        Whether the last column neighbours the first.

    Returns
    -------
    ndarray of float32, (N, 49 + number of static grids)
    """
    day, row, column = cells
    out = np.full((day.size, len(feature_names(len(static)))), np.nan, dtype=np.float32)
    at = 0
    for step in (k for k in range(-REACH, REACH + 1) if k):
        inside = (day + step >= 0) & (day + step < values.shape[0])
        out[inside, at] = values[day[inside] + step, row[inside], column[inside]]
        at += 1
    mean = cell_mean(values)
    for grid in (mean, _std(values, mean), np.isfinite(values).sum(axis=0)):
        out[:, at] = grid[row, column]
        at += 1
    n_areas = (2 * AREA_REACH + 1) * len(SIZES)
    _areas(values, mean, cells, out[:, at : at + n_areas], wrap)
    at += n_areas
    _nearest(values, mean, cells, out[:, at : at + NEAREST], wrap)
    at += NEAREST
    for grid in static:
        out[:, at] = grid[row, column]
        at += 1
    return out


def _std(values: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = np.square(values - mean)
    return np.sqrt(cell_mean(squares))


def _areas(
    values: NDArray[np.float32],
    mean: NDArray[np.float32],
    cells: Cells,
    out: NDArray[np.float32],
    wrap: bool,
) -> None:
    """Writes (N, 5 x 6): box means of the anomalies, day by day so that no map is kept."""
    from scipy.ndimage import uniform_filter

    day, row, column = cells
    mode = ("constant", "wrap" if wrap else "constant")
    for other in range(values.shape[0]):
        users = {k: np.flatnonzero(day == other - k) for k in range(-AREA_REACH, AREA_REACH + 1)}
        if not any(index.size for index in users.values()):
            continue
        anomaly = values[other].astype(np.float64) - mean
        seen = np.isfinite(anomaly)
        anomaly[~seen] = 0.0
        for i, size in enumerate(SIZES):
            total = uniform_filter(anomaly, size, mode=mode)
            share = uniform_filter(seen.astype(np.float64), size, mode=mode)
            area = np.full(total.shape, np.nan)
            np.divide(total, share, out=area, where=share > 0.5 / size**2)
            for k, index in users.items():
                out[index, (k + AREA_REACH) * len(SIZES) + i] = area[row[index], column[index]]


def _nearest(
    values: NDArray[np.float32],
    mean: NDArray[np.float32],
    cells: Cells,
    out: NDArray[np.float32],
    wrap: bool,
) -> None:
    """Writes (N, 8): anomalies of the nearest observed cells of the same day, in grid cells."""
    from scipy.spatial import cKDTree

    day, row, column = cells
    width = values.shape[2]
    for this in np.unique(day):
        index = np.flatnonzero(day == this)
        anomaly = values[this] - mean
        y, x = np.nonzero(np.isfinite(anomaly))
        if not y.size:
            continue
        if wrap:
            tree = cKDTree(np.column_stack([y, x]), boxsize=[2 * values.shape[1], width])
        else:
            tree = cKDTree(np.column_stack([y, x]))
        k = min(NEAREST, y.size)
        _, found = tree.query(np.column_stack([row[index], column[index]]), k=np.arange(1, k + 1))
        out[index, :k] = anomaly[y[found], x[found]]
