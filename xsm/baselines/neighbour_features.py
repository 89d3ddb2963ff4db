"""Features of a cell on a day, from its other days and its neighbours; for boosted trees.

For a cell (y, x) on day T, from a record in which that cell is missing:

===========================  ==================================================================
8 days                       values of the cell on T-4 .. T-1, T+1 .. T+4
3 statistics                 mean, standard deviation and number of the observations of the cell
5 x 6 areas                  anomalies averaged over 3, 5, 9, 15, 31 and 61 cells square on
                             T-2 .. T+2
8 nearest                    anomalies on T of the eight nearest observed cells, nearest first
static                       one per static grid given
===========================  ==================================================================

An anomaly is a value minus the mean of its cell over the record. NaN where nothing is observed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xsm.baselines.gridded_values import cell_mean

MAX_STEP = 4  # days before and after
AREA_STEPS = range(-2, 3)
AREA_SIZES = (3, 5, 9, 15, 31, 61)
N_NEAREST = 8

Cells = tuple[NDArray[np.intp], ...]  # day, row, column, each (N,)


def feature_names(n_static: int = 0) -> list[str]:
    """Names of the columns of `neighbour_features`, in order."""
    days = [f"day{step:+d}" for step in range(-MAX_STEP, MAX_STEP + 1) if step]
    areas = [f"area{size}_day{step:+d}" for step in AREA_STEPS for size in AREA_SIZES]
    nearest = [f"nearest{i}" for i in range(N_NEAREST)]
    static = [f"static{i}" for i in range(n_static)]
    return [*days, "mean", "std", "count", *areas, *nearest, *static]


def neighbour_features(
    values: NDArray[np.float32],
    cells: Cells,
    *,
    static: Sequence[NDArray[np.floating]] = (),
    wrap: bool = False,
) -> NDArray[np.float32]:
    """Features of `cells` of a record.

    Parameters
    ----------
    values : ndarray of float32, (T, H, W)
        Record, NaN where missing; `cells` should be missing.
    cells : tuple of three ndarray, (N,)
        Day, row and column of each cell, as from ``np.nonzero``.
    static : sequence of ndarray, (H, W)
        Further grids, one feature each.
    wrap : bool
        Whether the last column neighbours the first.

    Returns
    -------
    ndarray of float32, (N, 49 + number of static grids)
    """
    day, row, column = cells
    out = np.full((day.size, len(feature_names(len(static)))), np.nan, dtype=np.float32)
    k = 0  # column of `out`
    for step in (step for step in range(-MAX_STEP, MAX_STEP + 1) if step):
        inside = (day + step >= 0) & (day + step < values.shape[0])
        out[inside, k] = values[day[inside] + step, row[inside], column[inside]]
        k += 1
    mean = cell_mean(values)
    for grid in (mean, _std(values, mean), np.isfinite(values).sum(axis=0)):
        out[:, k] = grid[row, column]
        k += 1
    n_areas = len(AREA_STEPS) * len(AREA_SIZES)
    _area_features(values, mean, cells, out[:, k : k + n_areas], wrap)
    k += n_areas
    _nearest_features(values, mean, cells, out[:, k : k + N_NEAREST], wrap)
    k += N_NEAREST
    for grid in static:
        out[:, k] = grid[row, column]
        k += 1
    return out


def _std(values: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = np.square(values - mean)
    return np.sqrt(cell_mean(squares))


def _area_features(
    values: NDArray[np.float32],
    mean: NDArray[np.float32],
    cells: Cells,
    out: NDArray[np.float32],
    wrap: bool,
) -> None:
    """Write box means of the anomalies to `out` (N, 5 x 6), day by day to bound the memory."""
    from scipy.ndimage import uniform_filter

    day, row, column = cells
    mode = ("constant", "wrap" if wrap else "constant")
    for source_day in range(values.shape[0]):
        cells_at = [np.flatnonzero(day == source_day - step) for step in AREA_STEPS]
        if not any(index.size for index in cells_at):
            continue
        anomaly = values[source_day].astype(np.float64) - mean
        observed = np.isfinite(anomaly)
        anomaly[~observed] = 0.0
        for i, size in enumerate(AREA_SIZES):
            total = uniform_filter(anomaly, size, mode=mode)
            fraction = uniform_filter(observed.astype(np.float64), size, mode=mode)
            area = np.full(total.shape, np.nan)
            np.divide(total, fraction, out=area, where=fraction > 0.5 / size**2)
            for s, index in enumerate(cells_at):
                out[index, s * len(AREA_SIZES) + i] = area[row[index], column[index]]


def _nearest_features(
    values: NDArray[np.float32],
    mean: NDArray[np.float32],
    cells: Cells,
    out: NDArray[np.float32],
    wrap: bool,
) -> None:
    """Write anomalies of the nearest observed cells of the same day to `out` (N, 8).

    Distances are in rows and columns.
    """
    from scipy.spatial import cKDTree

    day, row, column = cells
    width = values.shape[2]
    for target_day in np.unique(day):
        index = np.flatnonzero(day == target_day)
        anomaly = values[target_day] - mean
        y, x = np.nonzero(np.isfinite(anomaly))
        if not y.size:
            continue
        if wrap:
            tree = cKDTree(np.column_stack([y, x]), boxsize=[2 * values.shape[1], width])
        else:
            tree = cKDTree(np.column_stack([y, x]))
        count = min(N_NEAREST, y.size)
        points = np.column_stack([row[index], column[index]])
        _, nearest = tree.query(points, k=np.arange(1, count + 1))
        out[index, :count] = anomaly[y[nearest], x[nearest]]
