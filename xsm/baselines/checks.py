"""What all baselines share: checking a record, what counts as land, keeping what was observed."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.errors import InputError, MissingPackageError


def checked(values: ArrayLike) -> NDArray[np.float32]:
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


def land_of(values: NDArray[np.float32], land: ArrayLike | None) -> NDArray[np.bool_]:
    """Cells (H, W) a value may be written to: `land`, or by default those ever observed."""
    if land is None:
        return np.asarray(np.isfinite(values).any(axis=0))
    mask = np.asarray(land, dtype=bool)
    if mask.shape != values.shape[1:]:
        raise InputError(f"land has shape {mask.shape}; {values.shape[1:]} was expected")
    return mask


def merged(
    values: NDArray[np.float32], estimate: NDArray[np.floating], land: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Observed values bit for bit, the estimate in the gaps over land, NaN elsewhere; (T, H, W)."""
    filled = np.where(land, estimate, np.nan).astype(np.float32)
    np.copyto(filled, values, where=~np.isnan(values))
    return filled


def optional(package: str) -> ModuleType:
    """Import a package of the extra ``xsm[baselines]``, or say how to get it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingPackageError(
            f"this baseline needs {package.partition('.')[0]!r}, which cannot be imported "
            f"({error}); install it with: pip install 'xsm[baselines]'"
        ) from error
