"""Mean of each cell: of the whole record, or of the days around the same day of the year."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.baselines.gridded_values import cell_mean, check_values, keep_observed, land_cells
from xsm.errors import InputError

DAYS_OF_YEAR = 366


def fill(
    values: ArrayLike,
    *,
    day_of_year: ArrayLike | None = None,
    window: int = 15,
    land: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Fill each gap with the mean of its cell.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, any unit, NaN = missing.
    day_of_year : array_like of int, (T,), optional
        1..366, for records of more than a year. The mean is then that of the days of all years
        within `window` of the same day of the year (day 366 is followed by day 1), or of the whole
        record where these hold no observation. Default: one mean of the record per cell.
    window : int
        Days before and after the day of the year.
    land : array_like of bool, (H, W), optional
        Cells that may be filled; by default those ever observed.

    Returns
    -------
    ndarray of float32, (T, H, W)

    Raises
    ------
    InputError
        If `values` is no record, or `day_of_year` does not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> v = np.array([0.25, np.nan, 0.75], np.float32).reshape(3, 1, 1)
    >>> fill(v).ravel().tolist()
    [0.25, 0.5, 0.75]
    >>> fill(v, day_of_year=[1, 2, 200]).ravel().tolist()
    [0.25, 0.25, 0.75]
    """
    record = check_values(values)
    mean = cell_mean(record)
    if day_of_year is None:
        estimate = np.broadcast_to(mean, record.shape)
        return keep_observed(record, estimate, land_cells(record, land))
    day = np.asarray(day_of_year)
    if day.shape != record.shape[:1] or day.min() < 1 or day.max() > DAYS_OF_YEAR:
        raise InputError(
            f"day_of_year has shape {day.shape} and must be {record.shape[:1]} numbers in "
            f"1..{DAYS_OF_YEAR}"
        )
    estimate = np.empty_like(record)
    for target in np.unique(day):
        distance = np.abs(day - target)
        in_window = np.minimum(distance, DAYS_OF_YEAR - distance) <= window
        seasonal = cell_mean(record[in_window])
        estimate[day == target] = np.where(np.isnan(seasonal), mean, seasonal)
    return keep_observed(record, estimate, land_cells(record, land))
