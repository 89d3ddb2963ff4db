"""Fit a network of sequences to a target of one's own: xarray in, model out."""

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
from xsm.training.splits import split_cells

if TYPE_CHECKING:
    from xsm.networks.model import Model

# entries of the card that the fit itself writes
WRITTEN = {
    "calibration", "config", "curves", "network", "predictors", "scores", "sequence", "split",
    "target", "task", "training",
}  # fmt: skip
GAP = 8  # days: predictors every eight days become daily
LEAST = 500  # targets that are worth a fit


def fit_estimator(
    predictors: xr.Dataset,
    target: str | xr.DataArray,
    path: str | Path | None = None,
    *,
    model: str = "atlstm",
    features: Sequence[str] | Mapping[str, Any] | None = None,
    split: str = "random",
    every: int = 1,
    location: str | None = None,
    scale: str | None = None,
    scaling: str = "moments",
    hidden: int = 64,
    input: int | None = None,  # noqa: A002  (the name in the card)
    window: int | None = None,
    members: int = 1,
    epochs: int = 30,
    batch: int = 32,
    rate: float = 3e-3,
    decay: float = 1e-3,
    dropout: float = 0.2,
    shortest: int | None = None,
    share: float = 1.0,
    balance: float = 0.0,
    trees: Mapping[str, Any] | None = None,
    gap: int = GAP,
    seed: int = 0,
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Model:
    """Fit a network that estimates a target, such as a satellite's or stations', from predictors.

    Parameters
    ----------
    predictors : Dataset
        Daily predictors and static ones, with units, as for :func:`xsm.estimate`. Loaded into
        memory, `every`-th cells only.
    target : str or DataArray
        Soil moisture with a unit, on the same cells; NaN where there is none. Its name if it is a
        variable of `predictors`. It may cover a part of the days.
    path : str or Path, optional
        Where to save the model; it then works as ``estimate(model=path)``.
    model : {"atlstm", "bilstm", "lstm", "transformer", "dense", "xgboost"}
        ``dense`` and ``xgboost`` see each day alone: for predictors that hold the memory
        themselves, such as sums of rain that fade away.
    features : sequence of str, or mapping, optional
        Names of the predictors to use, or predictor -> variable of `predictors` or DataArray.
        Default: all that are known (``xsm.conventions.products.PREDICTORS``). Any other variable of
        `predictors` may be named too.
    split : {"random", "blocked", "none"}
        Which cells are held out for early stopping (20 %) and for the scores in the card (10 %):
        any, or whole boxes of 5 degrees, which really separates regions. ``none`` trains on all
        cells for `epochs`.
    every : int
        Use every so many rows and columns.
    location, scale : str, optional
        Names of static predictors, m3 m-3: the network then learns ``(target - location) /
        scale``, such as departures from a known mean. Default: mean and standard deviation of all
        training targets.
    scaling : {"moments", "quartiles"}
        How predictors are scaled: by mean and standard deviation, or by median and quartiles, so
        that a few extremes, such as the albedo of snow, do not squeeze all else.
    hidden, input, window : int, optional
        Sizes; see :mod:`xsm.networks.registry`.
    members : int
        Networks with seeds of their own, whose estimates are averaged.
    epochs, batch, rate, decay, dropout : optional
        Passes, sequences (days for ``dense``) per step, peak learning rate and
        decay of weights of AdamW, share of units dropped.
    shortest : int, optional
        Train on parts of the sequences, of so many days to all, drawn in each step: the network
        then knows short records too.
    share : float
        Share of the training samples (sequences; days for ``dense`` and ``xgboost``) to use.
    balance : float
        Let rare targets count: an error weighs as the density of its target to the power of minus
        `balance`, from 0 (all alike) to 1. Very wet soil, of which there is little, is then less
        underestimated, at some cost to the rest (:func:`xsm.training.losses.rarity`).
    trees : mapping, optional
        Parameters of xgboost beside ``xsm.training.xgboost_fit.PARAMETERS``, and ``rounds``.
    gap : int
        Longest gap in a daily predictor to interpolate, days.
    seed : int
    device : str
        Device of torch, such as ``"cuda"``.
    card : mapping, optional
        Entries of the model's card: ``description``, ``licence``, ...
    progress : bool, optional
        Show a progress bar; default on a terminal.

    Returns
    -------
    Model
        Its card holds the normalisation, the split, the curves and the scores on test cells.

    Raises
    ------
    InputError
        If there is too little to learn from or an argument is out of range; and what
        :func:`xsm.estimate` raises for the predictors.
    ModelError
        If `path` is the bare name of a shipped model.
    ImportError
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
    from xsm.networks.registry import network
    from xsm.training.ensemble import check_numbers, check_packages, fit_samples
    from xsm.training.xgboost_fit import ROUNDS

    options: dict[str, Any] = {
        "hidden": hidden, "input": input, "window": window, "members": members, "epochs": epochs,
        "batch": batch, "rate": rate, "decay": decay, "dropout": dropout, "shortest": shortest,
        "share": share, "balance": balance, "seed": seed,
    }  # fmt: skip
    check_numbers(options)
    row = network(model, argument="model")
    if path is not None:
        model_path(path)  # before hours of work
    if taken := sorted(WRITTEN & {*(card or {})}):
        raise InputError(f"card holds {taken}, which the fit writes itself: leave them out.")
    check_packages(model)
    if row.torch_inference:
        torch_device(device)
    samples = read_samples(predictors, target, features, stride=every, max_interp_gap=gap)
    _check_samples(samples, location, scale)
    if samples.y.shape[1] < (least := row.min_days()):
        raise InputError(
            f"the predictors are {samples.y.shape[1]} days long: expected {least} or more for "
            f"model={model!r}. Use a longer record, or model='dense'."
        )
    part = split_cells(samples.lat, samples.lon, split, seed)
    passes = int((trees or {}).get("rounds", ROUNDS)) if not row.gradient_trained else epochs
    with bar("fit", members * passes, get_option("progress", progress), "epoch") as shown:

        def on_epoch(_epoch: int, error: float) -> None:
            shown.set_postfix_str(f"error {error:.4f} of the spread", refresh=False)
            shown.update()

        found = fit_samples(
            samples, part, model, **options, trees=trees, location=location, scale=scale,
            scaling=scaling, device=device, on_epoch=on_epoch,
        )  # fmt: skip
    whole: dict[str, Any] = {
        "description": f"estimates {samples.title}",
        "licence": "that of the data",
        "trained_on": {samples.title: f"{samples.period[0]} to {samples.period[1]}"},
        **found.card,
        "split": {"kind": split, "cells": np.bincount(part, minlength=3).tolist(), "every": every},
        **(card or {}),
    }
    if path is not None:
        return save_model(path, whole, found.params)
    return make_model("fitted", whole, found.params)


def _check_samples(samples: Samples, location: str | None, scale: str | None) -> None:
    """Whether there is enough to learn from, and something of everything named."""
    if samples.targets < LEAST:
        raise InputError(
            f"the target has {samples.targets} values on cells and days with predictors: expected "
            f"{LEAST} or more to learn from. Use a longer target, or every=1."
        )
    names = [row["name"] for row in samples.rows]
    if lost := [n for n in (location, scale) if n is not None and n not in names]:
        raise InputError(f"location and scale name {lost}: expected predictors, of {names}.")
    for argument, name in (("location", location), ("scale", scale)):
        units = next((row["units"] for row in samples.rows if row["name"] == name), "m3 m-3")
        if conversion(units, "m3 m-3", f"{argument}={name!r}") != (1.0, 0.0):
            raise InputError(f"{argument}={name!r} is in {units!r}: convert it to m3 m-3 first.")
    if np.nanmin(samples.y) == np.nanmax(samples.y):
        raise InputError(f"target {samples.title!r} is {np.nanmin(samples.y):g} everywhere.")
    if empty := [n for f, n in enumerate(names) if not np.isfinite(samples.x[:, :, f]).any()]:
        raise InputError(f"predictors {empty} have no value on the cells of the target: leave out.")
