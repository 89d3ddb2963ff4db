"""Boosted trees on the predictors of one day: the benchmark of the networks of sequences.

A booster is kept as bytes among the arrays of a model, in xgboost's own binary JSON: no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import MissingPackageError

KIND = "xgboost"
FORMAT = "ubj"


def xgboost() -> ModuleType:
    """The package.

    Raises
    ------
    MissingPackageError
        If it is not there.
    """
    try:
        return import_module("xgboost")
    except ImportError as error:
        raise MissingPackageError(
            f"a model of the kind 'xgboost' needs the package xgboost ({error}): "
            "pip install 'xsm[trees]', or any build of xgboost."
        ) from error


def packed(booster: Any, log_variance: float) -> dict[str, NDArray[Any]]:
    """Parameters of a model: the bytes of a booster, and one variance for all days."""
    blob = np.frombuffer(bytes(booster.save_raw(FORMAT)), np.uint8)
    return {"booster": blob, "log_variance": np.array([log_variance], np.float32)}


def predict(
    params: Mapping[str, NDArray[Any]], z: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and log-variance (B, T) for standardised predictors (B, T, F), day by day."""
    booster = _booster(params["booster"].tobytes())
    mean = booster.inplace_predict(z.reshape(-1, z.shape[-1])).reshape(z.shape[:2])
    return mean, np.full_like(mean, params["log_variance"][0])


@lru_cache(maxsize=4)
def _booster(blob: bytes) -> Any:
    booster = xgboost().Booster()
    booster.load_model(bytearray(blob))
    return booster
