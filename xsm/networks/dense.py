"""A dense network that estimates each day from the predictors of that day alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.networks.layers import (
    Config,
    Dropout,
    ParameterInit,
    Params,
    SequenceOutput,
    input_layer,
    linear,
    output_layer,
    swish,
)

# settings of a fit, chosen by months left out of a year of SMAP (benchmarks/skill/smap_left_out.py)
TRAINING = {"epochs": 20, "learning_rate": 4e-3, "weight_decay": 1e-2, "dropout": 0.4}


def dense_network(
    params: Params,
    x: Any,
    config: Config,
    ops: Any,
    *,
    state: Any = None,
    dropout: Dropout | None = None,
    weights: bool = True,
) -> SequenceOutput:
    """Run the network on predictors (B, T, F); see :class:`xsm.networks.registry.SequenceNetwork`.

    Memory of earlier days has to be among the predictors.
    """
    y = swish(linear(params, input_layer(params, x, dropout), "layer"))
    return output_layer(params, y if dropout is None else dropout(y, "hidden"))


def make_config(
    features: list[str],
    *,
    hidden: int = 256,
    input: int | None = None,  # noqa: A002  (name in the card)
) -> dict[str, Any]:
    """Configuration; `input` is the width of the first layer, by default that of the second."""
    if input == 0:
        raise InputError("input_size=0: expected 1 or more units in the first layer of 'dense'.")
    return {"features": features, "hidden": int(hidden), "input": input or hidden}


def initial_params(config: Config, seed: int | None = 0) -> dict[str, NDArray[np.float32]]:
    """Random ``input``, ``layer`` and ``output``."""
    init = ParameterInit(config, seed)
    init.add_linear("layer", config["hidden"], init.width)
    init.width = config["hidden"]
    return init.finish()
