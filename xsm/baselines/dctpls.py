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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm._lazy import optional_import
from xsm.baselines.gridded_values import cell_mean, check_values, keep_observed, land_cells
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
    for window in tiles(record.shape[1], record.shape[2], tile, margin, wrap=wrap):
        inside = (slice(None), window.rows, window.columns)
        observed = window.take(record)
        if not gaps[inside].any() or np.isfinite(observed).sum() < 2:
            continue
        centre = np.float32(0) if mean is None else window.take(mean)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # smoothn warns when it reaches its own bounds
            smooth = module.smoothn(observed - centre, smooth=smoothing, isrobust=robust)[0]
        part = (smooth + centre)[(slice(None), *window.inner)]
        estimate[inside] = np.where(gaps[inside], part, np.float32(np.nan))
    return keep_observed(record, estimate, mask)


@dataclass(frozen=True)
class Tile:
    """Rows and columns of a window, with and without its margin."""

    rows: slice  # without the margin, in the record
    columns: slice
    outer_rows: NDArray[np.intp]  # with the margin, cut at the edges
    outer_columns: NDArray[np.intp]  # cut at the edges, or beyond them modulo the width
    inner: tuple[slice, slice]  # `rows` and `columns` in the window with the margin

    def take(self, array: NDArray) -> NDArray:
        """The window with its margin of an array (..., H, W); a copy."""
        return array[..., self.outer_rows[:, None], self.outer_columns]


def tiles(height: int, width: int, size: int, margin: int, *, wrap: bool = False) -> Iterator[Tile]:
    """Cover (height, width) with windows of at most `size` x `size` plus `margin` on each side.

    Examples
    --------
    >>> [t.outer_columns.tolist() for t in tiles(1, 4, 2, 1, wrap=True)]
    [[3, 0, 1, 2], [1, 2, 3, 0]]
    >>> [t.outer_columns.tolist() for t in tiles(1, 4, 2, 1)]
    [[0, 1, 2], [1, 2, 3]]
    """
    for top in range(0, height, size):
        bottom = min(top + size, height)
        first = max(0, top - margin)
        rows = np.arange(first, min(bottom + margin, height))
        for left in range(0, width, size):
            right = min(left + size, width)
            n_columns = right - left
            # around the globe: no column twice
            before = min(margin, (width - n_columns) // 2) if wrap else min(margin, left)
            end = right + before if wrap else min(right + margin, width)
            columns = np.arange(left - before, end) % width
            inner = (slice(top - first, bottom - first), slice(before, before + n_columns))
            yield Tile(slice(top, bottom), slice(left, right), rows, columns, inner)


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
