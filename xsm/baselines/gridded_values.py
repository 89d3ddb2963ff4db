"""What every baseline does with its input and output: check, mean of each cell, keep observed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.errors import InputError


def check_values(values: ArrayLike) -> NDArray[np.float32]:
    """The record as float32 (T, H, W).

    Raises
    ------
    InputError
        If it has not three dimensions, one of them is empty, or a value is infinite.
    """
    record = np.asarray(values, dtype=np.float32)
    if record.ndim != 3 or 0 in record.shape:
        raise InputError(
            f"values has shape {record.shape}; a record (time, lat, lon) without empty "
            "dimensions was expected"
        )
    if np.isinf(record).any():
        raise InputError("values holds infinite numbers; replace them by NaN (missing) first")
    return record


def land_cells(values: NDArray[np.float32], land: ArrayLike | None) -> NDArray[np.bool_]:
    """Cells (H, W) that may be filled: `land`, or by default those ever observed."""
    if land is None:
        return np.asarray(np.isfinite(values).any(axis=0))
    mask = np.asarray(land, dtype=bool)
    if mask.shape != values.shape[1:]:
        raise InputError(f"land has shape {mask.shape}; {values.shape[1:]} was expected")
    return mask


def cell_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over time (H, W) of the observed values (T, H, W); NaN where there are none."""
    observed = np.isfinite(values)
    count = observed.sum(axis=0)
    total = np.where(observed, values, np.float32(0)).sum(axis=0, dtype=np.float64)
    mean = np.full(values.shape[1:], np.nan, dtype=np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return mean


def keep_observed(
    values: NDArray[np.float32], estimate: NDArray[np.floating], land: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Observed values bit for bit, the estimate in the gaps over land, NaN elsewhere; (T, H, W)."""
    filled = np.where(land, estimate, np.nan).astype(np.float32)
    np.copyto(filled, values, where=~np.isnan(values))
    return filled
