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
    hidden: int = 64,
    input: int | None = None,  # noqa: A002  (the name in the card)
    window: int | None = None,
    members: int = 1,
    epochs: int = 30,
    batch: int = 32,
    rate: float = 3e-3,
    decay: float = 1e-3,
    dropout: float = 0.2,
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
    model : {"atlstm", "bilstm", "lstm", "transformer", "dense"}
        ``dense`` sees each day alone: for predictors that hold the memory themselves, such as
        sums of rain that fade away.
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
    hidden, input, window : int, optional
        Sizes; see :func:`xsm.networks.recurrent.recurrent_network`.
    members : int
        Networks with seeds of their own, whose estimates are averaged.
    epochs, batch, rate, decay, dropout : optional
        Passes, sequences (days for ``dense``) per step, peak learning rate and
        decay of weights of AdamW, share of units dropped.
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
        If torch is not installed.

    Examples
    --------
    >>> model = xsm.fit_estimator(predictors, "smap", "mine")       # doctest: +SKIP
    >>> sm = predictors.sm.estimate(model="mine")                    # doctest: +SKIP
    """
    numbers = {"epochs": epochs, "batch": batch, "rate": rate, "members": members, "every": every}
    for name, number in numbers.items():
        if not number > 0:
            raise InputError(f"{name}={number!r}: expected a number above 0.")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout={dropout!r}: expected a share from 0 to below 1.")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise ImportError("fit_estimator needs torch: pip install 'xsm[torch]'.") from error
    from xsm.networks.cards import make_model, save_model
    from xsm.networks.estimators import TASK
    from xsm.networks.recurrent import make_config
    from xsm.training.estimator_card import cut_sequences, normalisation, scores
    from xsm.training.sequence_fit import Settings, fit_sequences

    samples = read_samples(predictors, target, features, every=every, gap=gap)
    _check_samples(samples, location, scale)
    names = [row["name"] for row in samples.rows]
    try:
        config = make_config(model, names, hidden=hidden, input=input, window=window)
    except ValueError as error:
        raise InputError(str(error)) from error
    part = split_cells(samples.lat, samples.lon, split, seed)
    settings = Settings(epochs, batch, rate, decay, dropout, device=device)
    made = normalisation(samples, part, location, scale)
    train, held_out = (
        cut_sequences(samples, made, part == n, single=model == "dense") for n in (0, 1)
    )
    params: dict[str, np.ndarray] = {}
    curves = []
    with bar("fit", members * epochs, get_option("progress", progress), "epoch") as shown:

        def on_epoch(_epoch: int, error: float) -> None:
            shown.set_postfix_str(f"error {error:.4f} of the spread", refresh=False)
            shown.update()

        for member in range(members):
            found, curve = fit_sequences(
                config, train, held_out if len(held_out.x) else None, settings, seed + member,
                on_epoch,
            )  # fmt: skip
            params |= {f"{member}/{name}": value for name, value in found.items()}
            curves.append(curve)
    whole: dict[str, Any] = {
        "description": f"estimates {samples.title}",
        "licence": "that of the data",
        "task": TASK,
        "network": model,
        "config": config,
        **made,
        "trained_on": {samples.title: f"{samples.period[0]} to {samples.period[1]}"},
        "split": {"kind": split, "cells": np.bincount(part, minlength=3).tolist(), "every": every},
        "training": settings._asdict() | {"members": members, "seed": seed},
        "curves": curves,
    }
    whole |= scores(samples, make_model("fitted", whole, params), part)
    whole |= dict(card or {})
    if path is not None:
        return save_model(path, whole, params)
    return make_model("fitted", whole, params)


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
