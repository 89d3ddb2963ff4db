"""A Transformer encoder over the days of a sequence."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.networks.attention import attend
from xsm.networks.layers import (
    Config,
    Dropout,
    ParameterInit,
    Params,
    SequenceOutput,
    input_layer,
    layer_norm,
    linear,
    output_layer,
)

# parameter names of models saved by earlier versions -> names of this version
RENAMED = {
    "encoder.join": "encoder.out_proj",
    "encoder.wide": "encoder.ffn_up",
    "encoder.narrow": "encoder.ffn_down",
}


def transformer_network(
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

    `config` adds ``heads`` and ``window``, the days before and after that a day attends to, or
    None for all days.
    """
    x = input_layer(params, x, dropout)
    xp = array_api_compat.array_namespace(x)
    x = x + position_encoding(xp, x.shape[1], x.shape[2], x)
    y, attention = encoder_layer(params, x, "encoder", config["heads"], config.get("window"))
    y = y if dropout is None else dropout(y, "hidden")
    return output_layer(params, y, attention=attention)


def encoder_layer(
    params: Params, x: Any, name: str, heads: int, window: int | None
) -> tuple[Any, Any]:
    """One encoder layer, normalised before attention and feed-forward part (Xiong et al., 2020).

    Parameters
    ----------
    params : mapping of str to array
        ``<name>.query`` (K, K), ``.key``, ``.value``, ``.out_proj``, ``.ffn_up`` (F, K) and
        ``.ffn_down`` (K, F), each with ``.weight`` and ``.bias``; ``.norm1`` and ``.norm2`` (K,).
    x : array, shape (B, T, K)
    heads : int
        Divides K.
    window : int or None
        Days before and after that a day attends to; None for all days.

    Returns
    -------
    y : array, shape (B, T, K)
    weights : as of :func:`xsm.networks.attention.attend`, averaged over the heads
    """
    xp = array_api_compat.array_namespace(x)
    batch, days, width = x.shape
    z = layer_norm(params, x, f"{name}.norm1")

    def split(part: str) -> Any:
        y = xp.reshape(linear(params, z, f"{name}.{part}"), (batch, days, heads, width // heads))
        return xp.moveaxis(y, 2, 1)  # (B, heads, T, K / heads)

    context, weights = attend(split("query"), split("key"), split("value"), window)
    context = xp.reshape(xp.moveaxis(context, 1, 2), (batch, days, width))
    x = x + linear(params, context, f"{name}.out_proj")
    z = linear(params, layer_norm(params, x, f"{name}.norm2"), f"{name}.ffn_up")
    z = linear(params, xp.where(z > 0, z, xp.zeros_like(z)), f"{name}.ffn_down")
    return x + z, xp.mean(weights, axis=1)


def position_encoding(xp: Any, days: int, width: int, like: Any) -> Any:
    """Sines and cosines of the day in the sequence, (T, K), Vaswani et al. (2017), Sect. 3.5."""
    device = array_api_compat.device(like)
    day = xp.arange(days, dtype=like.dtype, device=device)[:, None]
    frequency = xp.exp(
        xp.arange(width // 2, dtype=like.dtype, device=device) * (-2 * math.log(10000.0) / width)
    )
    return xp.concat([xp.sin(day * frequency), xp.cos(day * frequency)], axis=-1)


def make_config(
    features: list[str], *, hidden: int = 64, heads: int = 4, window: int | None = None
) -> dict[str, Any]:
    """Configuration; `hidden` is the width of all layers but the feed-forward one.

    Raises
    ------
    InputError
        If `hidden` is no multiple of twice the number of heads.
    """
    _check_width(hidden, heads)
    return {
        "features": features,
        "hidden": int(hidden),
        "input": hidden,
        "heads": heads,
        "ffn_width": 2 * hidden,
        "window": window,
    }


def _check_width(width: int, heads: int) -> None:
    if width % (2 * heads):
        raise InputError(
            f"hidden={width} with heads={heads}: expected a multiple of twice the heads."
        )


def initial_params(config: Config, seed: int | None = 0) -> dict[str, NDArray[np.float32]]:
    """Random ``input``, ``encoder.*`` and ``output``."""
    init = ParameterInit(config, seed)
    width = init.width
    _check_width(width, config["heads"])
    for part in ("query", "key", "value", "out_proj"):
        init.add_linear(f"encoder.{part}", width, width)
    init.add_linear("encoder.ffn_up", config["ffn_width"], width)
    init.add_linear("encoder.ffn_down", width, config["ffn_width"])
    for norm in ("norm1", "norm2"):
        init.params[f"encoder.{norm}.weight"] = np.ones(width)
        init.params[f"encoder.{norm}.bias"] = np.zeros(width)
    return init.finish()
