"""Inputs of the learned methods: series of cells, and crops of a day with the days beside it.

Both hold anomalies, a value minus the mean of its cell over the visible record, in units of
`ANOMALY`; NaN where nothing is visible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsm.baselines.gridded_values import cell_mean
from xsm.baselines.neighbour_features import AREA_SIZES

Field = NDArray[np.float32]
Index = NDArray[np.intp]
ANOMALY = np.float32(0.1)  # m3 m-3
MEAN, MEAN_RANGE = np.float32(0.25), np.float32(0.15)  # m3 m-3, brings means of cells to about 1
N_FEATURES = 1 + len(AREA_SIZES) + 2
CONTEXT_DAYS = 4  # before and after, as many as the networks of xsm see
CROP = 56  # cells; with the margin of the package a grid of 64 x 64


@dataclass(frozen=True)
class Anomalies:
    """A visible record in the units of the methods.

    values : (T, H, W)
    mean, std : (H, W), of each cell
    wrap : whether the last column is the neighbour of the first
    """

    values: Field
    mean: Field
    std: Field
    wrap: bool = True

    @classmethod
    def of(cls, record: Field, *, wrap: bool = True) -> Anomalies:
        """From a record (T, H, W), m3 m-3, NaN where not visible."""
        mean = cell_mean(record)
        std = np.sqrt(cell_mean(np.square(record - mean)))
        return cls((record - mean) / ANOMALY, (mean - MEAN) / MEAN_RANGE, std / ANOMALY, wrap)

    def absolute(self, anomaly: Field, row: Index, column: Index) -> Field:
        """Soil moisture (N,), m3 m-3, of anomalies (N,) at cells."""
        return anomaly * ANOMALY + self.mean[row, column] * MEAN_RANGE + MEAN


def series(visible: Anomalies, days: slice, row: Index, column: Index) -> Field:
    """Series of cells, with the means of their neighbours as further features.

    Parameters
    ----------
    visible : Anomalies
        What the method may see.
    days : slice
    row, column : ndarray of int, (N,)
        Cells.

    Returns
    -------
    ndarray of float32, (N, T, 9)
        Anomaly of the cell; anomalies averaged over 3, 5, 9, 15, 31 and 61 cells square without
        the cell itself; mean and standard deviation of the cell. NaN where missing.
    """
    values = visible.values[days]
    out = np.empty((row.size, values.shape[0], N_FEATURES), np.float32)
    for day, field in enumerate(values):
        out[:, day, 0] = field[row, column]
        observed = np.isfinite(field)
        totals = _area_sums(np.where(observed, field, 0.0), row, column, visible.wrap)
        counts = _area_sums(observed.astype(float), row, column, visible.wrap)
        means = np.full(totals.shape, np.nan)
        out[:, day, 1:-2] = np.divide(totals, counts, out=means, where=counts > 0.5)
    for k, grid in enumerate((visible.mean, visible.std), start=1 + len(AREA_SIZES)):
        out[:, :, k] = grid[row, column][:, None]
    return out


def _area_sums(field: NDArray[np.floating], row: Index, column: Index, wrap: bool) -> NDArray:
    """Sums (N, 6) of a field over the areas around cells, without the cells themselves."""
    reach = max(AREA_SIZES) // 2
    rows, columns = (reach + 1, reach), (reach + 1, reach)
    padded = np.pad(field.astype(float), (rows, (0, 0)))
    padded = np.pad(padded, ((0, 0), columns), mode="wrap" if wrap else "constant")
    integral = padded.cumsum(axis=0).cumsum(axis=1)
    sums = np.empty((row.size, len(AREA_SIZES)))
    for k, size in enumerate(AREA_SIZES):
        y, x = row + reach + 1 - size // 2, column + reach + 1 - size // 2
        below, right = y + size - 1, x + size - 1
        sums[:, k] = (
            integral[below, right] - integral[y - 1, right]
            - integral[below, x - 1] + integral[y - 1, x - 1]
        )  # fmt: skip
    return sums - field[row, column][:, None]


def crop(visible: Anomalies, day: int, top: int, left: int) -> tuple[Field, Field]:
    """One day with the days beside it, and what is known of the cells.

    Parameters
    ----------
    visible : Anomalies
    day : int
    top, left : int
        First row and column; rows outside the grid are missing, columns go round the globe.

    Returns
    -------
    days : ndarray of float32, (9, 56, 56)
        Anomalies on T-4 .. T+4; days outside the record are missing.
    cells : ndarray of float32, (2, 56, 56)
        Mean and standard deviation.
    """
    n_days, height, width = visible.values.shape
    rows, columns = top + np.arange(CROP), left + np.arange(CROP)
    steps = day + np.arange(-CONTEXT_DAYS, CONTEXT_DAYS + 1)
    inside = (rows >= 0) & (rows < height)
    within = inside[:, None] & (visible.wrap | ((columns >= 0) & (columns < width)))
    where = np.ix_(np.clip(rows, 0, height - 1), columns % width)
    cells = np.where(within, np.stack([visible.mean[where], visible.std[where]]), np.nan)
    days = np.full((steps.size, CROP, CROP), np.nan, np.float32)
    for k, step in enumerate(steps):
        if 0 <= step < n_days:
            days[k] = np.where(within, visible.values[step][where], np.nan)
    return days, cells.astype(np.float32)
