"""Boosted trees on the predictors of one day, which the sequence networks are compared with.

A booster is stored among the arrays of a model as bytes, in the binary JSON of xgboost: no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm._lazy import optional_import
from xsm.networks.layers import Config, SequenceOutput

FORMAT = "ubj"


def xgboost_model(
    params: Mapping[str, NDArray[Any]],
    x: NDArray[np.float32],
    config: Config,
    ops: Any,
    *,
    state: Any = None,
    dropout: Any = None,
    weights: bool = True,
) -> SequenceOutput:
    """Estimate each day of standardised predictors (B, T, F), NumPy arrays, on the CPU."""
    booster = _booster(params["booster"].tobytes())
    mean = booster.inplace_predict(x.reshape(-1, x.shape[-1])).reshape(x.shape[:2])
    return SequenceOutput(mean, np.full_like(mean, params["log_variance"][0]))


def make_config(features: list[str]) -> dict[str, Any]:
    """Configuration: the names of the predictors."""
    return {"features": features}


def param_shapes(config: Config) -> dict[str, tuple[int | None, ...]]:
    """Shapes of the parameters; a booster may have any number of bytes."""
    return {"booster": (None,), "log_variance": (1,)}


def booster_params(booster: Any, log_variance: float) -> dict[str, NDArray[Any]]:
    """Parameters of a model: the bytes of a booster, and one log-variance for all days."""
    blob = np.frombuffer(bytes(booster.save_raw(FORMAT)), np.uint8)
    return {"booster": blob, "log_variance": np.array([log_variance], np.float32)}


def scaled_variance(params: Mapping[str, NDArray[Any]], factor: float) -> dict[str, NDArray[Any]]:
    """The parameters with the variance of all days multiplied by a factor."""
    return {**params, "log_variance": params["log_variance"] + np.float32(np.log(factor))}


@lru_cache(maxsize=4)
def _booster(blob: bytes) -> Any:
    xgboost = optional_import("xgboost", "a model of the kind 'xgboost'", "trees")
    booster = xgboost.Booster()
    booster.load_model(bytearray(blob))
    return booster
