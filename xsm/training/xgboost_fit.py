"""Fit boosted trees (XGBoost) to the predictors of single days."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xsm._lazy import optional_import
from xsm.errors import InputError
from xsm.networks.sequence_inference import LOG_VARIANCE
from xsm.networks.xgboost_model import booster_params
from xsm.training.losses import density_weights
from xsm.training.sequence_fit import Sequences

DEFAULT_PARAMETERS: dict[str, Any] = {
    "max_depth": 10,
    "eta": 0.1,
    "min_child_weight": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "tree_method": "hist",
}
DEFAULT_ROUNDS, PATIENCE = 400, 20  # trees


def fit_xgboost(
    training: Sequences,
    held_out: Sequences | None,
    parameters: Mapping[str, Any],
    seed: int,
    on_round: Callable[[int, float], None] | None = None,
    density_power: float = 0.0,
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Fit one booster by squared error; stop when the error on held-out days stops falling.

    Parameters
    ----------
    training, held_out : Sequences
        Of one day each; `held_out` may be None.
    parameters : mapping
        Of xgboost, in place of `DEFAULT_PARAMETERS`, and ``rounds``, the number of trees.
    seed : int
    on_round : callable, optional
        Called after each tree with its number and the error (standardised) on what was held out,
        or, without any, on the training days.
    density_power : float
        See :func:`xsm.training.losses.density_weights`.

    Returns
    -------
    params : dict of ndarray
        See :func:`xsm.networks.xgboost_model.booster_params`.
    curve : dict
        ``epoch`` (tree), ``train`` and ``held_out``, standardised RMSE.

    Raises
    ------
    InputError
        If xgboost refuses a parameter.
    MissingPackageError
        If xgboost is not installed.
    """
    package = optional_import("xgboost", "a fit of the kind 'xgboost'", "trees")
    options = DEFAULT_PARAMETERS | dict(parameters) | {"seed": seed}
    rounds = int(options.pop("rounds", DEFAULT_ROUNDS))
    weight = None
    if density_power:
        weight = density_weights(training.y, density_power)(training.y[:, 0])
    train_matrix = package.QuantileDMatrix(*_days(training), weight=weight)
    matrices = [(train_matrix, "train")]
    if held_out is not None:
        matrices.append((package.QuantileDMatrix(*_days(held_out), ref=train_matrix), "held_out"))
    checked = matrices[-1][1]
    history: dict[str, dict[str, list[float]]] = {}

    class ProgressCallback(package.callback.TrainingCallback):  # type: ignore[misc, name-defined]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if on_round is not None:
                on_round(epoch + 1, evals_log[checked]["rmse"][-1])
            return False

    try:
        booster = package.train(
            options,
            train_matrix,
            rounds,
            evals=matrices,
            evals_result=history,
            early_stopping_rounds=None if held_out is None else PATIENCE,
            verbose_eval=False,
            callbacks=[ProgressCallback()],
        )
    except package.core.XGBoostError as error:
        raise InputError(f"trees={dict(parameters)!r}: xgboost refuses them. {error}") from error
    last = rounds - 1 if held_out is None else booster.best_iteration
    booster = booster[: last + 1]
    errors = {name: [round(v, 5) for v in history[name]["rmse"]] for _, name in matrices}
    curve = {"epoch": [*range(1, len(errors["train"]) + 1)], "held_out": [], **errors}
    rmse = errors[checked][last]
    log_variance = 2 * math.log(rmse) if rmse > 0 else LOG_VARIANCE[0]
    return booster_params(booster, max(log_variance, LOG_VARIANCE[0])), curve


def _days(data: Sequences) -> tuple[np.ndarray, np.ndarray]:
    return data.x[:, 0], data.y[:, 0]
