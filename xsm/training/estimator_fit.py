"""Fit a network of sequences to a target of one's own: xarray in, model out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.estimating.samples import Samples, read_samples
from xsm.options import get_option
from xsm.progress import bar
from xsm.training.cells import split_cells

if TYPE_CHECKING:
    from xsm.networks.cards import Model

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
        Default: all that are known (``xsm.estimating.known.KNOWN``). Any other variable of
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
        Sizes; see :func:`xsm.networks.recurrent.recurrent_network`.
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
    trees : mapping, optional
        Parameters of xgboost beside ``xsm.training.boosting.PARAMETERS``, and ``rounds``.
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
    ImportError
        If torch, or for ``xgboost`` that package, is not installed.

    Examples
    --------
    >>> model = xsm.fit_estimator(predictors, "smap", "mine")       # doctest: +SKIP
    >>> sm = predictors.sm.estimate(model="mine")                    # doctest: +SKIP
    """
    if not every > 0:
        raise InputError(f"every={every!r}: expected a number above 0.")
    from xsm.networks.cards import make_model, save_model
    from xsm.training.boosting import ROUNDS
    from xsm.training.members import check_packages, fit_samples

    check_packages(model)
    samples = read_samples(predictors, target, features, every=every, gap=gap)
    _check_samples(samples, location, scale)
    part = split_cells(samples.lat, samples.lon, split, seed)
    passes = int((trees or {}).get("rounds", ROUNDS)) if model == "xgboost" else epochs
    with bar("fit", members * passes, get_option("progress", progress), "epoch") as shown:

        def on_epoch(_epoch: int, error: float) -> None:
            shown.set_postfix_str(f"error {error:.4f} of the spread", refresh=False)
            shown.update()

        found = fit_samples(
            samples, part, model,
            hidden=hidden, input=input, window=window, members=members, epochs=epochs,
            batch=batch, rate=rate, decay=decay, dropout=dropout, shortest=shortest, share=share,
            trees=trees, location=location, scale=scale, scaling=scaling, seed=seed,
            device=device, on_epoch=on_epoch,
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
    if empty := [n for f, n in enumerate(names) if not np.isfinite(samples.x[:, :, f]).any()]:
        raise InputError(f"predictors {empty} have no value on the cells of the target: leave out.")
