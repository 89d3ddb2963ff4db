"""Penalised least squares with the discrete cosine transform (DCT-PLS), in space and time at once.

The method of the gap-filled ESA CCI soil moisture; the implementation is pytesmo's ``smoothn``.

References
----------
Garcia, D. (2010). Robust smoothing of gridded data in one and higher dimensions with missing
values. Comput. Stat. Data Anal. 54, 1167, doi 10.1016/j.csda.2009.09.020.
Wang, G. et al. (2012). A three-dimensional gap filling method for large geophysical datasets.
Environ. Model. Softw. 30, 139, doi 10.1016/j.envsoft.2011.10.015.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.baselines.cell_mean import cell_mean
from xsm.baselines.cell_windows import tiles
from xsm.baselines.checks import checked, land_of, merged, optional
from xsm.errors import InputError

_log = logging.getLogger(__name__)

SMOOTHING = 0.3


def fill(
    values: ArrayLike,
    *,
    smoothing: float | None = SMOOTHING,
    anomalies: bool = False,
    robust: bool = False,
    where: ArrayLike | None = None,
    land: ArrayLike | None = None,
    wrap: bool = False,
    tile: int = 80,
    margin: int = 16,
) -> NDArray[np.float32]:
    """Fill gaps with a spline that penalises roughness in space and time.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, any unit, NaN = missing.
    smoothing : float or None
        Weight of the penalty; `search` chooses it on hidden cells. None leaves it to generalised
        cross-validation within each tile.
    anomalies : bool
        Smooth what each cell departs from its mean, rather than the values.
    robust : bool
        Reweight outliers (three passes instead of one).
    where : array_like of bool, (T, H, W), optional
        Gaps to fill; by default all. Tiles without any are skipped.
    land : array_like of bool, (H, W), optional
        Cells that may be filled; by default those ever observed.
    wrap : bool
        Whether the last column neighbours the first.
    tile, margin : int
        The record is done in windows of `tile` x `tile` cells plus a `margin`, whole in time.

    Returns
    -------
    ndarray of float32, (T, H, W)
        NaN in tiles that hold no observation at all.

    Raises
    ------
    InputError
        If `values` is no record, or `smoothing` is not positive.
    MissingPackageError
        If pytesmo is not installed.
    """
    if smoothing is not None and not smoothing > 0:
        raise InputError(f"smoothing={smoothing} must be positive, or None for cross-validation")
    smoothn = optional("pytesmo.interpolate.dctpls").smoothn
    record = checked(values)
    mask = land_of(record, land)
    gaps = np.isnan(record) & mask
    if where is not None:
        gaps &= np.asarray(where, dtype=bool)
    mean = cell_mean(record) if anomalies else None
    estimate = np.full_like(record, np.nan)
    for piece in tiles(record.shape[1], record.shape[2], tile, margin, wrap=wrap):
        inside = (slice(None), piece.rows, piece.columns)
        window = piece.cut(record)
        if not gaps[inside].any() or np.isfinite(window).sum() < 2:
            continue
        centre = np.float32(0) if mean is None else piece.cut(mean)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # says when its own bounds are reached
            smooth = smoothn(window - centre, smooth=smoothing, isrobust=robust)[0]
        part = (smooth + centre)[(slice(None), *piece.inner)]
        estimate[inside] = np.where(gaps[inside], part, np.float32(np.nan))
    return merged(record, estimate, mask)


def search(
    values: ArrayLike,
    hidden: ArrayLike,
    *,
    candidates: Iterable[float] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    where: ArrayLike | None = None,
    **options: Any,
) -> tuple[float, dict[float, float]]:
    """Choose the smoothing that fills hidden cells best.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, NaN = missing.
    hidden : array_like of bool, (T, H, W)
        Observed cells to take out of the record.
    candidates : iterable of float
        Smoothings to try.
    where : array_like of bool, (T, H, W), optional
        Hidden cells to be judged by (a validation part); by default all.
    **options
        As for `fill`.

    Returns
    -------
    best : float
    errors : dict
        Smoothing -> root-mean-square error, in the unit of `values`.
    """
    record = checked(values)
    mask = np.asarray(hidden, dtype=bool) & np.isfinite(record)
    judged = mask if where is None else mask & np.asarray(where, dtype=bool)
    left = np.where(mask, np.float32(np.nan), record)
    judged = judged & np.isfinite(left).any(axis=0)
    if not judged.any():
        raise InputError("hidden holds no cell that is observed in values; nothing to judge by")
    errors = {}
    for smoothing in candidates:
        filled = fill(left, smoothing=smoothing, where=judged, **options)
        difference = (filled - record)[judged].astype(np.float64)
        errors[smoothing] = float(np.sqrt(np.nanmean(difference**2)))
        _log.info("smoothing %g: root-mean-square error %.4f", smoothing, errors[smoothing])
    return min(errors, key=errors.__getitem__), errors
