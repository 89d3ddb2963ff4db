"""Estimates of a record from predictors, by networks that were fitted to other days of it.

A network that has seen an observation repeats some of its noise. What it leaves over there is
smaller than its error in a gap, and departures of observations from it would mislead a fill. Each
block of days is therefore estimated by a network and a local part that were fitted without it, as
in cross-fitting (Chernozhukov et al., 2018, doi 10.1111/ectj.12097).
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.predictor_names import DAY_OF_YEAR, POSITION
from xsm.errors import InputError
from xsm.estimation.predictor_choice import has_weather
from xsm.estimation.samples import Samples, read_samples
from xsm.networks.model import Model
from xsm.networks.registry import network
from xsm.progress import bar
from xsm.training.ensemble import drop_predictors
from xsm.training.fit_estimator import (
    MIN_TARGETS,
    check_values,
    repeated_cells,
    target_days,
)
from xsm.training.months_fit import fit_by_months, members
from xsm.training.network_choice import choose_networks, total_passes
from xsm.training.splits import FOLD_GUARD, month_folds

logger = logging.getLogger(__name__)

N_FOLDS = 6
BLOCK_DAYS = 10  # in a row of one fold; fewer in records of less than 60 days
MIN_BLOCK = FOLD_GUARD + 1
MIN_DAYS = 4 * MIN_BLOCK  # from the first to the last observation
TEMPERATURES = ("lst", "air_temperature")
COLDEST = 0.001  # fraction of the days with observations
MAX_TARGETS = 250_000  # values that each network is fitted to; a random part of more


class OutOfSample(NamedTuple):
    """A model, and estimates by networks that were fitted to other days."""

    model: Model
    values: NDArray[np.floating]  # (P, T), m3 m-3, on consecutive days; NaN where there is none
    observed: NDArray[np.bool_]  # (P, T), the record with predictors
    too_cold: NDArray[np.bool_]  # (P, T), colder than the days with observations
    cells: NDArray[np.intp]  # (P,), flat positions among the cells of the predictors


def fit_out_of_sample(
    predictors: xr.Dataset,
    target: xr.DataArray,
    *,
    device: str | None = None,
    progress: bool | None = None,
) -> OutOfSample:
    """Fit an estimator to a record, and estimate each block of its days without having seen it.

    A block has ten days, or a sixth of a record of less than 60 days, but at least five; a sixth of
    the blocks is left out at a time, with four days on each side. The model is that of
    :func:`xsm.fit_estimator`, with six networks instead of twelve.

    Parameters
    ----------
    predictors : Dataset
        Daily and static predictors, as for :func:`xsm.fit_estimator`.
    target : DataArray
        Of the record, m3 m-3, on the cells of the predictors; NaN where missing.
    device, progress
        As in :func:`xsm.fit_estimator`.

    Returns
    -------
    OutOfSample

    Raises
    ------
    InputError
        If there are fewer than 20 days or 500 values of the record with predictors, or the record
        does not vary; and what :func:`xsm.fit_estimator` raises for predictors and target.
    MissingPackageError
        If torch is not installed.
    """
    network("dense").import_for_training()
    samples = read_samples(predictors, target, None, extra=[*DAY_OF_YEAR, *POSITION])
    observed, span = target_days(samples)
    if samples.targets < MIN_TARGETS or span < MIN_DAYS:
        raise InputError(
            f"predictors: {samples.title} has {samples.targets} values over {span} days on cells "
            f"and days with predictors: expected {MIN_TARGETS} values and {MIN_DAYS} days or more "
            "to fit an estimator to. Use a longer record, or an estimate of a model that was "
            "fitted elsewhere: background=ds.sm.estimate(model=...)."
        )
    check_values(samples)
    names = [row["name"] for row in samples.rows]
    antecedent = has_weather(names)
    kind = "dense" if antecedent or samples.y.shape[1] < network("atlstm").min_days() else "atlstm"
    local = POSITION[0] in names and not repeated_cells(samples)
    if not local:
        samples = drop_predictors(samples, [n for n, name in enumerate(names) if name in POSITION])
    folds = _folds(observed, span)
    size = members(folds, 1)
    fraction = min(1.0, MAX_TARGETS / samples.targets)
    logger.info("predictors: %s is fitted by %d networks (%s)", samples.title, size, kind)
    components = choose_networks(kind, {"device": device})
    passes = total_passes(components, size)
    with bar("fit", passes, progress, "epoch") as shown:
        model, left_out = fit_by_months(
            samples,
            folds,
            components,
            local=local,
            antecedent=antecedent,
            repeat_cycle=samples.repeat_cycle or 0,
            fraction=fraction,
            on_epoch=lambda _epoch, _error: shown.update(),
        )
    values = _on_all_days(left_out.mean, left_out.first, samples)
    present = np.isfinite(samples.y)
    return OutOfSample(model, values, present, _too_cold(samples), samples.cells)


def _folds(observed: NDArray[np.bool_], span: int) -> NDArray[np.int8]:
    """Fold of each day (T,)."""
    block = min(BLOCK_DAYS, max(span // N_FOLDS, MIN_BLOCK))
    return month_folds(observed, min(N_FOLDS, span // block), block)


def _too_cold(samples: Samples) -> NDArray[np.bool_]:
    """Days (P, T) colder than all but 0.1 % of those with observations.

    Satellites do not retrieve frozen soil, so that nothing was fitted to such days.
    """
    out = np.zeros(samples.y.shape, bool)
    for f, row in enumerate(samples.rows):
        if row["name"] in TEMPERATURES:
            warmth = samples.x[:, :, f]
            observed = warmth[np.isfinite(samples.y) & np.isfinite(warmth)]
            if observed.size:
                out |= warmth < np.quantile(observed, COLDEST)
    return out


def _on_all_days(
    values: NDArray[np.floating], first: int, samples: Samples
) -> NDArray[np.floating]:
    """Values (P, t) from day `first` on, on all days (P, T) of the samples."""
    out = np.full(samples.y.shape, np.nan, np.float32)
    out[:, first : first + values.shape[1]] = values
    return out
