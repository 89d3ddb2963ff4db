"""Mean of the observed days T-4 .. T+4, cell by cell."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.baselines.gridded_values import check_values, keep_observed, land_cells
from xsm.errors import InputError


def fill(values: ArrayLike, *, days: int = 4, land: ArrayLike | None = None) -> NDArray[np.float32]:
    """Fill each gap with the mean of the same cell over the days before and after.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, any unit, NaN = missing.
    days : int
        Days before and after; the network sees 4.
    land : array_like of bool, (H, W), optional
        Cells that may be filled; by default those ever observed.

    Returns
    -------
    ndarray of float32, (T, H, W)
        NaN where the window holds no observation.

    Raises
    ------
    InputError
        If `values` is no record, or `days` is below one.

    Examples
    --------
    >>> import numpy as np
    >>> v = np.array([0.25, np.nan, 0.75, np.nan, np.nan, np.nan], np.float32).reshape(6, 1, 1)
    >>> fill(v, days=2).ravel().tolist()
    [0.25, 0.5, 0.75, 0.75, 0.75, nan]
    """
    if days < 1:
        raise InputError(f"days={days} is below one; give the number of days before and after")
    record = check_values(values)
    observed = np.isfinite(record)
    zero_filled = np.where(observed, record, np.float32(0))
    estimate = np.full_like(record, np.nan)
    for t in range(record.shape[0]):
        window = slice(max(0, t - days), t + days + 1)
        count = observed[window].sum(axis=0)
        total = zero_filled[window].sum(axis=0, dtype=np.float64)
        np.divide(total, count, out=estimate[t], where=count > 0, casting="same_kind")
    return keep_observed(record, estimate, land_cells(record, land))
