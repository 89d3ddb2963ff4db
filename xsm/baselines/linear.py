"""Linear interpolation in time, cell by cell."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.baselines.gridded_values import check_values, keep_observed, land_cells
from xsm.errors import InputError


def fill(
    values: ArrayLike, *, ends: Literal["nearest", "nan"] = "nearest", land: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Interpolate each cell linearly between the observed days before and after.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, any unit, NaN = missing.
    ends : {"nearest", "nan"}
        Before the first and after the last observation of a cell: the value of that observation,
        or NaN.
    land : array_like of bool, (H, W), optional
        Cells that may be filled; by default those ever observed.

    Returns
    -------
    ndarray of float32, (T, H, W)

    Raises
    ------
    InputError
        If `values` is no record, or `ends` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> v = np.array([np.nan, 0.25, np.nan, np.nan, 1.0], np.float32).reshape(5, 1, 1)
    >>> fill(v).ravel().tolist()
    [0.25, 0.25, 0.5, 0.75, 1.0]
    >>> fill(v, ends="nan").ravel().tolist()
    [nan, 0.25, 0.5, 0.75, 1.0]
    """
    if ends not in ("nearest", "nan"):
        raise InputError(f"ends={ends!r} is unknown; use 'nearest' or 'nan'")
    record = check_values(values)
    n_days = record.shape[0]
    observed = np.isfinite(record)
    day = np.arange(n_days, dtype=np.int32)[:, None, None]
    before = np.maximum.accumulate(np.where(observed, day, np.int32(-1)), axis=0)
    after = np.minimum.accumulate(np.where(observed, day, np.int32(n_days))[::-1], axis=0)[::-1]
    has_before, has_after = before >= 0, after < n_days
    left = np.take_along_axis(record, np.maximum(before, 0), axis=0)
    right = np.take_along_axis(record, np.minimum(after, n_days - 1), axis=0)
    span = np.maximum(after - before, 1).astype(np.float32)
    between = left + (right - left) * ((day - before) / span)
    estimate = np.where(has_before & has_after, between, np.float32(np.nan))
    if ends == "nearest":
        estimate = np.where(has_before & ~has_after, left, estimate)
        estimate = np.where(has_after & ~has_before, right, estimate)
    return keep_observed(record, estimate, land_cells(record, land))
