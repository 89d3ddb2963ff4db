"""Fit boosted trees to the predictors of single days."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xsm._lazy import optional_import
from xsm.networks.xgboost_model import booster_params
from xsm.training.losses import rarity
from xsm.training.sequence_loop import Sequences

PARAMETERS: dict[str, Any] = {
    "max_depth": 10,
    "eta": 0.1,
    "min_child_weight": 5,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "tree_method": "hist",
}
ROUNDS, PATIENCE = 400, 20


def fit_boosted(
    train: Sequences,
    held_out: Sequences | None,
    parameters: Mapping[str, Any],
    seed: int,
    on_round: Callable[[int, float], None] | None = None,
    balance: float = 0.0,
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Fit one booster of squared error; stop when held-out days get no better.

    Parameters
    ----------
    train, held_out : Sequences
        Of one day each; held_out may be None.
    parameters : mapping
        Of xgboost, in place of `PARAMETERS`; ``rounds``, the number of trees, is taken out.
    seed : int
    on_round : callable, optional
        Called after each tree with its number and the error (standardised) of the check.
    balance : float
        Power of the rarity by which a target counts (:func:`xsm.training.losses.rarity`).

    Returns
    -------
    params : dict of ndarray
        See :func:`xsm.networks.xgboost_model.booster_params`.
    curve : dict
        ``epoch`` (tree), ``train`` and ``held_out``, standardised RMSE.
    """
    package = optional_import("xgboost", "a fit of the kind 'xgboost'", "trees")
    options = PARAMETERS | dict(parameters) | {"seed": seed}
    rounds = int(options.pop("rounds", ROUNDS))
    weight = rarity(train.y, balance)(train.y[:, 0]) if balance else None
    learnt = package.QuantileDMatrix(*_days(train), weight=weight)
    check = None if held_out is None else package.QuantileDMatrix(*_days(held_out), ref=learnt)
    sets = [(learnt, "train")] + ([] if check is None else [(check, "held_out")])
    history: dict[str, dict[str, list[float]]] = {}

    class Told(package.callback.TrainingCallback):  # type: ignore[misc, name-defined]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if on_round is not None:
                on_round(epoch + 1, evals_log[sets[-1][1]]["rmse"][-1])
            return False

    booster = package.train(
        options,
        learnt,
        rounds,
        evals=sets,
        evals_result=history,
        early_stopping_rounds=None if check is None else PATIENCE,
        verbose_eval=False,
        callbacks=[Told()],
    )
    last = rounds - 1 if check is None else booster.best_iteration
    booster = booster[: last + 1]
    errors = {name: [round(v, 5) for v in history[name]["rmse"]] for _, name in sets}
    curve = {"epoch": [*range(1, len(errors["train"]) + 1)], "held_out": [], **errors}
    spread = errors[sets[-1][1]][last]
    return booster_params(booster, 2 * math.log(max(spread, 1e-6))), curve


def _days(data: Sequences) -> tuple[np.ndarray, np.ndarray]:
    return data.x[:, 0], data.y[:, 0]
