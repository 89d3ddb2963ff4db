"""LSTM networks: forward (lstm), in both directions (bilstm), and with attention (atlstm)."""

from __future__ import annotations

from functools import partial
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from xsm.networks.attention import attend, fused_attention
from xsm.networks.layers import (
    Config,
    Dropout,
    ParameterInit,
    Params,
    SequenceOutput,
    input_layer,
    linear,
    output_layer,
)

# settings of a fit, chosen by months left out of a year of SMAP (benchmarks/skill/smap_left_out.py)
TRAINING = {"learning_rate": 4e-3, "weight_decay": 1e-2, "dropout": 0.3}
# parameter names of models saved by earlier versions -> names of this version
RENAMED = {"join": "out_proj"}


def lstm_network(
    params: Params,
    x: Any,
    config: Config,
    ops: Any,
    *,
    state: tuple[Any, Any] | None = None,
    dropout: Dropout | None = None,
    weights: bool = True,
) -> SequenceOutput:
    """Run an LSTM of one or two directions on predictors (B, T, F).

    The parameters say how many directions there are. See
    :class:`xsm.networks.registry.SequenceNetwork` for the arguments. With the `state` that an
    earlier call returned, the network of one direction continues where that call ended, exactly.
    """
    y, state = ops.lstm(input_layer(params, x, dropout), *lstm_weights(params, x), initial=state)
    return output_layer(params, y if dropout is None else dropout(y, "hidden"), state=state)


def atlstm_network(
    params: Params,
    x: Any,
    config: Config,
    ops: Any,
    *,
    state: tuple[Any, Any] | None = None,
    dropout: Dropout | None = None,
    weights: bool = True,
) -> SequenceOutput:
    """Run a Bi-LSTM with attention over its states on predictors (B, T, F).

    See :class:`xsm.networks.registry.SequenceNetwork` for the arguments. `config` adds ``window``,
    the days before and after that a day attends to, or None for all days. Without `weights` it is
    faster: attention and output projection run as one operation.

    Notes
    -----
    After Zhang et al. (2025), doi 10.5194/essd-17-5181-2025, which leaves the form of the
    attention open. Here queries, keys and values are linear in the states of the Bi-LSTM, the
    score is their scaled product, and context and state are projected together (Luong et al.,
    2015, doi 10.18653/v1/D15-1166).
    """
    y, state = ops.lstm(input_layer(params, x, dropout), *lstm_weights(params, x), initial=state)
    y = y if dropout is None else dropout(y, "hidden")
    attention = None
    if weights:
        xp = array_api_compat.array_namespace(y)
        query, key, value = (linear(params, y, f"attention.{n}") for n in ("query", "key", "value"))
        context, attention = attend(query, key, value, config.get("window"))
        y = xp.tanh(linear(params, xp.concat([context, y], axis=-1), "out_proj"))
    else:
        y = fused_attention(params, y, config.get("window"), ops)
    return output_layer(params, y, attention=attention, state=state)


def lstm_weights(params: Params, like: Any) -> tuple[Any, Any, Any]:
    """Weights of the LSTM with its directions stacked; the names are those of ``torch.nn.LSTM``.

    Returns
    -------
    weight_ih : array, shape (D, 4 H, C)
    weight_hh : array, shape (D, 4 H, H)
    bias : array, shape (D, 4 H)
    """
    xp = array_api_compat.array_namespace(like)
    suffixes = [end for end in ("_l0", "_l0_reverse") if f"lstm.weight_ih{end}" in params]
    bias = [params[f"lstm.bias_ih{end}"] + params[f"lstm.bias_hh{end}"] for end in suffixes]
    return (
        xp.stack([params[f"lstm.weight_ih{end}"] for end in suffixes]),
        xp.stack([params[f"lstm.weight_hh{end}"] for end in suffixes]),
        xp.stack(bias),
    )


def lstm_config(
    features: list[str],
    *,
    hidden: int = 64,
    input: int | None = None,  # noqa: A002  (name in the card)
) -> dict[str, Any]:
    """Configuration; `input` is the width of a dense layer in front, by default `hidden`; 0 for
    no such layer."""
    width = hidden if input is None else input
    return {"features": features, "hidden": int(hidden), "input": width or None}


def atlstm_config(
    features: list[str],
    *,
    hidden: int = 64,
    input: int | None = None,  # noqa: A002  (name in the card)
    window: int | None = None,
) -> dict[str, Any]:
    """Configuration; `window` is the number of days before and after that a day attends to."""
    return lstm_config(features, hidden=hidden, input=input) | {"window": window}


def _initial_params(
    config: Config, seed: int | None = 0, *, suffixes: tuple[str, ...], attention: bool
) -> dict[str, NDArray[np.float32]]:
    """Random parameters: uniform within 1 / sqrt(inputs), forget gates open.

    ``input`` (if any), ``lstm.*`` as in ``torch.nn.LSTM`` (``lstm.weight_ih_l0`` (4 H, C),
    ``lstm.weight_hh_l0`` (4 H, H), biases, and ``..._reverse``), ``attention.query|key|value`` and
    ``out_proj`` of the AtLSTM, ``output``.
    """
    init, hidden = ParameterInit(config, seed), config["hidden"]
    limit = 1 / np.sqrt(hidden)
    for end in suffixes:
        init.params[f"lstm.weight_ih{end}"] = init.uniform(limit, (4 * hidden, init.width))
        init.params[f"lstm.weight_hh{end}"] = init.uniform(limit, (4 * hidden, hidden))
        init.params[f"lstm.bias_ih{end}"] = np.repeat([0.0, 1.0, 0.0, 0.0], hidden)
        init.params[f"lstm.bias_hh{end}"] = np.zeros(4 * hidden)
    init.width = len(suffixes) * hidden
    if attention:
        for part in ("query", "key", "value"):
            init.add_linear(f"attention.{part}", hidden, init.width)
        init.add_linear("out_proj", hidden, init.width + hidden)
        init.width = hidden
    return init.finish()


lstm_params = partial(_initial_params, suffixes=("_l0",), attention=False)
bilstm_params = partial(_initial_params, suffixes=("_l0", "_l0_reverse"), attention=False)
atlstm_params = partial(_initial_params, suffixes=("_l0", "_l0_reverse"), attention=True)
