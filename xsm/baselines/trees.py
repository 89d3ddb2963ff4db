"""Gradient-boosted trees (LightGBM) on neighbour features.

The trees predict the difference between a hidden value and the mean of its cell from
`neighbour_features`. A cell without any observation takes the mean of the nearest cell with one.

References
----------
Ke, G. et al. (2017). LightGBM: a highly efficient gradient boosting decision tree. NeurIPS 30.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm._lazy import optional_import
from xsm.baselines.gridded_values import cell_mean, check_values, keep_observed, land_cells
from xsm.baselines.neighbour_features import Cells, feature_names, neighbour_features
from xsm.errors import InputError

_log = logging.getLogger(__name__)

PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 255,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
ROUNDS = 500
N_PATTERNS = 4  # of hidden cells, for a fit on the record itself
BATCH = 500_000  # cells per prediction, bounds the memory


@dataclass(frozen=True)
class Trees:
    """Fitted trees, and the options their features were computed with."""

    booster: Any
    static: tuple[NDArray[np.float32], ...] = field(default=(), repr=False)
    wrap: bool = False

    def predict(self, values: ArrayLike, cells: Cells, *, threads: int = 0) -> NDArray[np.float32]:
        """Values (N,) of some cells (day, row, column) of a record (T, H, W)."""
        record = check_values(values)
        mean = _nearest_cell_mean(record)
        out = np.empty(cells[0].size, dtype=np.float32)
        for start in range(0, out.size, BATCH):
            part = tuple(axis[start : start + BATCH] for axis in cells)
            x = neighbour_features(record, part, static=self.static, wrap=self.wrap)
            out[start : start + BATCH] = mean[part[1:]] + self.booster.predict(
                x, num_threads=threads
            )
        return out


def fit(
    values: ArrayLike,
    hidden: Iterable[ArrayLike],
    *,
    where: ArrayLike | None = None,
    n_cells: int = 640_000,
    static: Sequence[ArrayLike] = (),
    wrap: bool = False,
    rounds: int = ROUNDS,
    seed: int = 0,
    threads: int = 0,
    parameters: dict[str, Any] | None = None,
) -> Trees:
    """Fit trees on cells that are hidden from a record.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, NaN = missing.
    hidden : iterable of array_like of bool, (T, H, W)
        Patterns of hidden cells. All cells of a pattern are removed from the record, then each is a
        sample. Patterns are taken until there are `n_cells` samples, or none is left.
    where : array_like of bool, (T, H, W), optional
        Cells that may become samples; False in held-out regions and on held-out days.
    n_cells : int
        Number of samples.
    static : sequence of array_like, (H, W)
        Optional static grids, kept in the model.
    wrap : bool
        Whether the last column neighbours the first (global grids).
    rounds : int
        Number of trees.
    seed : int
        Seed of the sub-sampling of cells and features.
    threads : int
        0 leaves the choice to LightGBM.
    parameters : dict, optional
        LightGBM parameters that replace the defaults.

    Returns
    -------
    Trees

    Raises
    ------
    InputError
        If no hidden cell is observed and allowed.
    MissingPackageError
        If LightGBM is not installed.
    """
    lightgbm = optional_import("lightgbm", "the baseline 'trees'", "baselines")
    record = check_values(values)
    allowed = np.isfinite(record)
    if where is not None:
        allowed &= np.asarray(where, dtype=bool)
    grids = tuple(np.asarray(grid, dtype=np.float32) for grid in static)
    samples, targets = _samples(record, allowed, hidden, grids, wrap, n_cells, seed)
    _log.info("fitting %d trees on %d hidden cells", rounds, targets.size)
    booster = lightgbm.train(
        {**PARAMETERS, "seed": seed, "num_threads": threads, **(parameters or {})},
        lightgbm.Dataset(samples, targets, feature_name=feature_names(len(grids))),
        num_boost_round=rounds,
    )
    return Trees(booster, grids, wrap)


def fill(
    values: ArrayLike,
    *,
    model: Trees | None = None,
    where: ArrayLike | None = None,
    land: ArrayLike | None = None,
    threads: int = 0,
) -> NDArray[np.float32]:
    """Fill gaps with boosted trees.

    Parameters
    ----------
    values : array_like, (T, H, W)
        Daily record, NaN = missing.
    model : Trees, optional
        From `fit`. By default trees are fitted on the record itself; the cells hidden for it lie in
        gaps of the next day, or are single cells.
    where : array_like of bool, (T, H, W), optional
        Gaps to fill; by default all.
    land : array_like of bool, (H, W), optional
        Cells that may be filled; by default those ever observed.
    threads : int
        0 leaves the choice to LightGBM.

    Returns
    -------
    ndarray of float32, (T, H, W)

    Raises
    ------
    InputError
        If `values` is no record or has no observation to fit on.
    MissingPackageError
        If LightGBM is not installed.
    """
    record = check_values(values)
    mask = land_cells(record, land)
    if model is None:
        model = fit(record, _gaps_of_next_day(np.isfinite(record)), threads=threads)
    gaps = np.isnan(record) & mask
    if where is not None:
        gaps &= np.asarray(where, dtype=bool)
    estimate = np.full_like(record, np.nan)
    estimate[gaps] = model.predict(record, np.nonzero(gaps), threads=threads)
    return keep_observed(record, estimate, mask)


def _samples(
    record: NDArray[np.float32],
    allowed: NDArray[np.bool_],
    hidden: Iterable[ArrayLike],
    static: tuple[NDArray[np.float32], ...],
    wrap: bool,
    n_cells: int,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features (N, F) and targets (N,), value minus cell mean, of up to `n_cells` hidden cells."""
    rng = np.random.default_rng(seed)
    features, targets, n_missing = [], [], n_cells
    for pattern in hidden:
        mask = np.asarray(pattern, dtype=bool)
        cells = np.nonzero(mask & allowed)
        if cells[0].size > n_missing:
            chosen = np.sort(rng.choice(cells[0].size, n_missing, replace=False))
            cells = tuple(axis[chosen] for axis in cells)
        if cells[0].size:
            remaining = np.where(mask, np.float32(np.nan), record)
            features.append(neighbour_features(remaining, cells, static=static, wrap=wrap))
            targets.append(record[cells] - _nearest_cell_mean(remaining)[cells[1:]])
            n_missing -= cells[0].size
        if n_missing <= 0:
            break
    if not targets:
        raise InputError(
            "hidden holds no cell that is observed in values and allowed by where; nothing to fit"
        )
    return np.concatenate(features), np.concatenate(targets)


def _nearest_cell_mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each cell (H, W); of the nearest observed cell where there is none."""
    from scipy.ndimage import distance_transform_edt

    mean = cell_mean(values)
    empty = np.isnan(mean)
    if empty.all():
        raise InputError("values is missing everywhere; there is nothing to fill from")
    nearest = distance_transform_edt(empty, return_distances=False, return_indices=True)
    return mean[tuple(nearest)]


def _gaps_of_next_day(observed: NDArray[np.bool_]) -> Iterable[NDArray[np.bool_]]:
    """Patterns: on a fifth of the days the gaps of the next day, and 2 % single cells."""
    rng = np.random.default_rng(0)
    next_gap = observed & ~np.roll(observed, -1, axis=0)
    for _ in range(N_PATTERNS):
        days = rng.random((observed.shape[0], 1, 1)) < 0.2
        yield (next_gap & days) | (observed & (rng.random(observed.shape) < 0.02))
