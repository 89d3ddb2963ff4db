"""The mean of what each cell showed: of the record, or of the days of the year around."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.baselines.checks import checked, land_of, merged
from xsm.errors import InputError

DAYS_OF_YEAR = 366


def cell_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over time (H, W) of the observed values (T, H, W); NaN where there are none."""
    seen = np.isfinite(values)
    count = seen.sum(axis=0)
    total = np.where(seen, values, np.float32(0)).sum(axis=0, dtype=np.float64)
    mean = np.full(values.shape[1:], np.nan, dtype=np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return mean


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
        1..366. For records of more than a year: the mean is then taken over the days of all years
        within `window` of this day of the year (the year is a ring), and over the whole record
        where those hold nothing. Without it, one mean of the record per cell.
    window : int
        Reach on either side in days.
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
    record = checked(values)
    mean = cell_mean(record)
    if day_of_year is None:
        return merged(record, np.broadcast_to(mean, record.shape), land_of(record, land))
    day = np.asarray(day_of_year)
    if day.shape != record.shape[:1] or day.min() < 1 or day.max() > DAYS_OF_YEAR:
        raise InputError(
            f"day_of_year has shape {day.shape} and must be {record.shape[:1]} numbers in "
            f"1..{DAYS_OF_YEAR}"
        )
    estimate = np.empty_like(record)
    for this in np.unique(day):
        distance = np.abs(day - this)
        near = np.minimum(distance, DAYS_OF_YEAR - distance) <= window
        seasonal = cell_mean(record[near])
        estimate[day == this] = np.where(np.isnan(seasonal), mean, seasonal)
    return merged(record, estimate, land_of(record, land))
