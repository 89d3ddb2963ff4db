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
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm._lazy import optional_import
from xsm.baselines.gridded_values import cell_mean, check_values, keep_observed, land_cells
from xsm.conventions.windows import Area, Window, area_around, take_cells, windows
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
        Weight of the penalty; `search` chooses it on hidden cells. None: generalised
        cross-validation in each tile.
    anomalies : bool
        Smooth the differences from the mean of each cell instead of the values.
    robust : bool
        Reweight outliers (three passes instead of one).
    where : array_like of bool, (T, H, W), optional
        Gaps to fill; by default all. Tiles without any are skipped.
    land : array_like of bool, (H, W), optional
        Cells that may be filled; by default those ever observed.
    wrap : bool
        Whether the last column neighbours the first.
    tile, margin : int
        The record is filled in windows of `tile` x `tile` cells and a `margin` around, with all
        days at once.

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
    module = optional_import("pytesmo.interpolate.dctpls", "the baseline 'dctpls'", "baselines")
    record = check_values(values)
    mask = land_cells(record, land)
    gaps = np.isnan(record) & mask
    if where is not None:
        gaps &= np.asarray(where, dtype=bool)
    mean = cell_mean(record) if anomalies else None
    estimate = np.full_like(record, np.nan)
    for inside, area in _areas(record.shape, tile, margin, wrap):
        outer = slice(*area.rows), slice(*area.columns)
        observed = take_cells(record, *outer, wrap)
        if not gaps[inside].any() or np.isfinite(observed).sum() < 2:
            continue
        centre = np.float32(0) if mean is None else take_cells(mean, *outer, wrap)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # smoothn warns when it reaches its own bounds
            smooth = module.smoothn(observed - centre, smooth=smoothing, isrobust=robust)[0]
        part = (smooth + centre)[(slice(None), *area.own)]
        estimate[inside] = np.where(gaps[inside], part, np.float32(np.nan))
    return keep_observed(record, estimate, mask)


def _areas(
    shape: tuple[int, int, int], size: int, margin: int, wrap: bool
) -> Iterator[tuple[Window, Area]]:
    """Windows of all days and at most `size` x `size` cells, and the area with their margin.

    Examples
    --------
    >>> [area.columns for _, area in _areas((3, 1, 4), 2, 1, wrap=True)]
    [(-1, 3), (1, 5)]
    >>> [area.columns for _, area in _areas((3, 1, 4), 2, 1, wrap=False)]
    [(0, 3), (1, 4)]
    """
    days, _, width = shape
    for window in windows(shape, (days, size, size)):
        rows, columns = window[1:]
        # around the globe: no column twice
        beside = min(margin, (width - (columns.stop - columns.start)) // 2) if wrap else margin
        yield window, area_around((rows, columns), (margin, beside), shape[1:], wrap)


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
        Hidden cells to score (a validation part); by default all.
    **options
        As for `fill`.

    Returns
    -------
    best : float
    errors : dict
        Smoothing -> root-mean-square error, in the unit of `values`.
    """
    record = check_values(values)
    mask = np.asarray(hidden, dtype=bool) & np.isfinite(record)
    scored = mask if where is None else mask & np.asarray(where, dtype=bool)
    remaining = np.where(mask, np.float32(np.nan), record)
    scored = scored & np.isfinite(remaining).any(axis=0)
    if not scored.any():
        raise InputError(
            "hidden holds no cell that is observed in values and on another day too: nothing to "
            "score; hide other cells"
        )
    errors = {}
    for smoothing in candidates:
        filled = fill(remaining, smoothing=smoothing, where=scored, **options)
        difference = (filled - record)[scored].astype(np.float64)
        errors[smoothing] = float(np.sqrt(np.nanmean(difference**2)))
        _log.info("smoothing %g: root-mean-square error %.4f", smoothing, errors[smoothing])
    return min(errors, key=errors.__getitem__), errors
