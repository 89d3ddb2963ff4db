"""Fit an estimator of soil moisture to a target: xarray in, model out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.conventions.units import conversion
from xsm.errors import InputError
from xsm.estimation.samples import Samples, read_samples
from xsm.options import get_option
from xsm.progress import bar
from xsm.training.splits import SPLITS, split_cells

if TYPE_CHECKING:
    from xsm.networks.model import Model

# entries of the card that the fit itself writes
RESERVED_ENTRIES = {
    "calibration", "config", "curves", "network", "predictors", "scores", "sequence", "split",
    "target", "task", "training",
}  # fmt: skip
MAX_INTERP_GAP = 8  # days: predictors every eight days become daily
MIN_TARGETS = 500


def fit_estimator(
    predictors: xr.Dataset,
    target: str | xr.DataArray,
    path: str | Path | None = None,
    *,
    model: str = "atlstm",
    features: Sequence[str] | Mapping[str, Any] | None = None,
    split: str = "random",
    stride: int = 1,
    location: str | None = None,
    scale: str | None = None,
    scaling: str = "moments",
    hidden_size: int | None = None,
    input_size: int | None = None,
    attention_window: int | None = None,
    ensemble_size: int = 1,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    weight_decay: float | None = None,
    dropout: float | None = None,
    min_crop_days: int | None = None,
    fraction: float = 1.0,
    density_power: float | None = None,
    trees: Mapping[str, Any] | None = None,
    max_interp_gap: int = MAX_INTERP_GAP,
    seed: int = 0,
    device: str | None = None,
    card: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Model:
    """Fit a model that estimates a target, such as a satellite product, from predictors.

    Parameters
    ----------
    predictors : Dataset
        Daily and static predictors, with units, as for :func:`xsm.estimate`. Loaded into memory,
        with every `stride`-th cell only.
    target : str or DataArray
        Soil moisture with a unit, on the same cells; NaN where missing. Its name if it is a
        variable of `predictors`. It may cover only some of the days.
    path : str or Path, optional
        Where to save the model, for ``estimate(model=path)``.
    model : {"atlstm", "bilstm", "lstm", "transformer", "dense", "xgboost"}
        ``dense`` and ``xgboost`` use the predictors of a single day: they suit predictors that
        hold the antecedent conditions, such as sums of past precipitation.
    features : sequence of str, or mapping, optional
        Names of the predictors to use, or predictor -> variable of `predictors` or DataArray.
        Default: all variables that are known predictors. Any other variable of `predictors` may
        be named too.
    split : {"random", "blocked", "none"}
        Which cells are held out for early stopping (20 %) and for the scores in the card (10 %):
        random ones, or whole boxes of 5 degrees, which separates regions. ``none`` trains on all
        cells for `epochs`.
    stride : int
        Use every `stride`-th row and column.
    location, scale : str, optional
        Names of static predictors, m3 m-3: the network then learns ``(target - location) /
        scale``, such as departures from the mean of each cell. Default: mean and standard
        deviation of all training targets.
    scaling : {"moments", "quartiles"}
        Scale predictors by mean and standard deviation, or by median and quartiles. With
        quartiles, a few extremes, such as the albedo of snow, do not compress the other values.
    hidden_size : int, optional
        Units of the hidden layer, default 64. Networks only.
    input_size : int, optional
        Units of a layer before the recurrence. Default: no such layer; `hidden_size` for
        ``dense``. Not for ``transformer``.
    attention_window : int, optional
        Days before and after that attention covers; default the whole sequence. Only for
        ``atlstm`` and ``transformer``.
    ensemble_size : int
        Number of models, fitted with different seeds, whose estimates are averaged.
    epochs, batch_size, learning_rate, weight_decay, dropout : optional
        Passes over the training data (30), sequences (days for ``dense``) per step (32), peak
        learning rate (3e-3) and weight decay (1e-3) of AdamW, fraction of units dropped (0.2).
        Networks only.
    min_crop_days : int, optional
        Train on random crops of the sequences, each of this length or longer, so that the network
        also works on short records. Only for networks of sequences.
    fraction : float
        Fraction of the training samples (sequences; days for ``dense`` and ``xgboost``) to use.
    density_power : float, optional
        Weight errors by the density of their target to the power of minus `density_power`, from 0
        (equal weights, the default) to 1. Very wet soil, which is rare, is then less
        underestimated, with slightly larger errors elsewhere; see
        :func:`xsm.training.losses.density_weights`.
    trees : mapping, optional
        Parameters of xgboost besides ``xsm.training.xgboost_fit.DEFAULT_PARAMETERS``, and
        ``rounds``. Only for ``xgboost``.
    max_interp_gap : int
        Longest gap in a daily predictor to interpolate, days.
    seed : int
    device : str, optional
        Device of torch, such as ``"cuda"``; default ``"cpu"``. Networks only.
    card : mapping, optional
        Further entries of the model's card: ``description``, ``licence``, ...
    progress : bool, optional
        Show a progress bar; default on a terminal.

    Returns
    -------
    Model
        Its card holds the normalisation, the split, the training curves and the scores on the
        test cells.

    Raises
    ------
    InputError
        If there are too few targets, or an argument is out of range or does not apply to `model`;
        and the errors of :func:`xsm.estimate` for the predictors.
    ModelError
        If `path` is the bare name of a shipped model.
    MissingPackageError
        If torch, or for ``xgboost`` that package, is not installed.

    References
    ----------
    Zhang et al. (2025), doi 10.5194/essd-17-5181-2025: the AtLSTM and its sequences of a year.

    Examples
    --------
    >>> model = xsm.fit_estimator(predictors, "smap", "mine")       # doctest: +SKIP
    >>> sm = predictors.sm.estimate(model="mine")                    # doctest: +SKIP
    """
    from xsm.networks.device import torch_device
    from xsm.networks.model import make_model, model_path, save_model
    from xsm.networks.registry import kinds, network
    from xsm.training.ensemble import (
        check_applicable,
        check_ranges,
        fit_ensemble,
        training_passes,
    )
    from xsm.training.estimator_card import SCALINGS

    for name, value, allowed in (("split", split, SPLITS), ("scaling", scaling, SCALINGS)):
        if value not in allowed:
            raise InputError(f"{name}={value!r}: expected one of {', '.join(map(repr, allowed))}.")
    common: dict[str, Any] = {"ensemble_size": ensemble_size, "fraction": fraction, "seed": seed}
    options: dict[str, Any] = {
        "hidden_size": hidden_size, "input_size": input_size, "attention_window": attention_window,
        "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate,
        "weight_decay": weight_decay, "dropout": dropout, "min_crop_days": min_crop_days,
        "density_power": density_power, "trees": trees, "device": device,
    }  # fmt: skip
    check_ranges(common | options | {"stride": stride, "max_interp_gap": max_interp_gap})
    row = network(model, argument="model")
    options = check_applicable(model, options)
    if path is not None:
        model_path(path)
    if reserved := sorted(RESERVED_ENTRIES & {*(card or {})}):
        raise InputError(f"card holds {reserved}, which the fit itself writes: leave them out.")
    row.import_for_training()
    if device is not None:
        torch_device(device)
    samples = read_samples(
        predictors, target, features, stride=stride, max_interp_gap=max_interp_gap
    )
    _check_samples(samples, location, scale)
    if samples.y.shape[1] < (least := row.min_days()):
        short = ", ".join(repr(k) for k in kinds("estimate") if network(k).min_days() < least)
        raise InputError(
            f"the predictors are {samples.y.shape[1]} days long: expected {least} or more for "
            f"model={model!r}. Use a longer record, or one of the models {short}."
        )
    part = split_cells(samples.lat, samples.lon, split, seed)
    passes = ensemble_size * training_passes(model, options)
    with bar("fit", passes, get_option("progress", progress), "epoch") as progress_bar:

        def on_epoch(_epoch: int, error: float) -> None:
            progress_bar.set_postfix_str(f"RMSE {error:.4f} standard deviations", refresh=False)
            progress_bar.update()

        fitted = fit_ensemble(
            samples, part, model, **common, location=location, scale=scale, scaling=scaling,
            on_epoch=on_epoch, **options,
        )  # fmt: skip
    entries: dict[str, Any] = {
        "description": f"estimates {samples.title}",
        "licence": "that of the data",
        "trained_on": {samples.title: f"{samples.period[0]} to {samples.period[1]}"},
        **fitted.card,
        "split": {
            "kind": split,
            "cells": np.bincount(part, minlength=3).tolist(),
            "stride": stride,
        },
        **(card or {}),
    }
    if path is not None:
        return save_model(path, entries, fitted.params)
    return make_model("fitted", entries, fitted.params)


def _check_samples(samples: Samples, location: str | None, scale: str | None) -> None:
    """Raise an InputError if there are too few targets, or predictors without values or names."""
    if samples.targets < MIN_TARGETS:
        raise InputError(
            f"the target has {samples.targets} values on cells and days with predictors: expected "
            f"{MIN_TARGETS} or more to learn from. Use a longer target, or stride=1."
        )
    names = [row["name"] for row in samples.rows]
    if missing := [n for n in (location, scale) if n is not None and n not in names]:
        raise InputError(f"location and scale name {missing}: expected predictors, of {names}.")
    for argument, name in (("location", location), ("scale", scale)):
        units = next((row["units"] for row in samples.rows if row["name"] == name), "m3 m-3")
        if conversion(units, "m3 m-3", f"{argument}={name!r}") != (1.0, 0.0):
            raise InputError(f"{argument}={name!r} is in {units!r}: convert it to m3 m-3 first.")
    if np.nanmin(samples.y) == np.nanmax(samples.y):
        raise InputError(
            f"target {samples.title!r} is {np.nanmin(samples.y):g} everywhere: expected values "
            "that vary. Use another target."
        )
    if empty := [n for f, n in enumerate(names) if not np.isfinite(samples.x[:, :, f]).any()]:
        raise InputError(f"predictors {empty} have no value on the cells of the target: leave out.")
