"""The one definition of the networks that estimate soil moisture from sequences of predictors.

A configuration names the kind: ``lstm``, ``bilstm``, ``atlstm`` (both directions, then attention
over the sequence), ``transformer``, or ``dense``, which sees each day alone and leaves the memory
to the predictors. Each puts out a mean and a log-variance for every day.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

import xsm_kernels
from xsm.networks.attention import (
    attend,
    day_encoding,
    encoder_layer,
    joined_attention,
    linear,
)

YEAR, CONTEXT = 365, 30  # days of a sequence, as in Zhang et al. (2025)
KINDS = ("lstm", "bilstm", "atlstm", "transformer", "dense")
Config = Mapping[str, Any]


class Estimate(NamedTuple):
    """What a recurrent network puts out."""

    mean: Any  # (B, T)
    log_variance: Any  # (B, T)
    attention: Any  # (B, T, T) or (B, T, 2 * window + 1), or None
    state: Any  # (h, c) after the last day, each (D, B, H), or None


def recurrent_network(
    params: Mapping[str, Any],
    x: Any,
    config: Config,
    ops: Any,
    *,
    initial: tuple[Any, Any] | None = None,
    mask: Any = None,
    dropout: Any = None,
    weights: bool = True,
) -> Estimate:
    """Run the network.

    Parameters
    ----------
    params : mapping of str to array
        See :func:`initial_params`.
    x : array, shape (B, T, F)
        Standardised predictors of each day, 0 where missing; torch tensors or NumPy arrays.
    config : mapping
        ``kind``; ``features``, a list of F names; ``hidden`` (H); ``input``, the width of a layer
        (swish) before the recurrence, or None for none; ``window`` of the attention, in days
        before and after, or None for the whole sequence; ``heads`` and ``wide`` of the
        Transformer.
    ops : module or namespace
        Supplies ``lstm`` and ``self_attention`` for arrays of this kind, as :mod:`xsm_kernels`.
    initial : (h, c), each (D, B, H), optional
        State of the LSTM before the first day. With the one that an earlier call returned, the
        ``lstm`` goes on where that one ended, exactly.
    mask : bool array, shape (B, T), optional
        Days that the recurrence skips.
    dropout : callable, optional
        ``dropout(array, name)`` for training; applied before and after the recurrence.
    weights : bool
        Return the weights of the attention of the AtLSTM. Without them it is faster.

    Returns
    -------
    Estimate

    Notes
    -----
    AtLSTM after Zhang et al. (2025), doi 10.5194/essd-17-5181-2025, which leaves the form of the
    attention open: here queries, keys and values are linear in the states of the Bi-LSTM, the
    score is their scaled product, and the context joins the day's own state before the output
    (Luong et al., 2015, doi 10.18653/v1/D15-1166).
    """
    kind, looked_at, state = config["kind"], None, None
    drop = dropout or _unchanged
    if "input.weight" in params:
        x = swish(linear(params, x, "input"))
    x = drop(x, "input")
    if kind == "transformer":
        xp = array_api_compat.array_namespace(x)
        x = x + day_encoding(xp, x.shape[1], x.shape[2], x)
        y, looked_at = encoder_layer(params, x, "encoder", config["heads"], config.get("window"))
    elif kind == "dense":
        y = swish(linear(params, x, "layer"))
    else:
        y, state = ops.lstm(x, *lstm_weights(params, x), initial=initial, mask=mask)
    y = drop(y, "hidden")
    if kind == "atlstm" and weights:
        xp = array_api_compat.array_namespace(y)
        query, key, value = (linear(params, y, f"attention.{n}") for n in ("query", "key", "value"))
        context, looked_at = attend(query, key, value, config.get("window"))
        y = xp.tanh(linear(params, xp.concat([context, y], axis=-1), "join"))
    elif kind == "atlstm":
        y = joined_attention(params, y, config.get("window"), ops)
    out = linear(params, y, "output")
    return Estimate(out[..., 0], out[..., 1], looked_at, state)


def lstm_weights(params: Mapping[str, Any], like: Any) -> tuple[Any, Any, Any]:
    """Weights of the LSTM with its directions stacked, from names as of ``torch.nn.LSTM``.

    Returns
    -------
    weight_ih : array, shape (D, 4 H, C)
    weight_hh : array, shape (D, 4 H, H)
    bias : array, shape (D, 4 H)
    """
    xp = array_api_compat.array_namespace(like)
    ends = [end for end in ("_l0", "_l0_reverse") if f"lstm.weight_ih{end}" in params]
    bias = [params[f"lstm.bias_ih{end}"] + params[f"lstm.bias_hh{end}"] for end in ends]
    return (
        xp.stack([params[f"lstm.weight_ih{end}"] for end in ends]),
        xp.stack([params[f"lstm.weight_hh{end}"] for end in ends]),
        xp.stack(bias),
    )


def _unchanged(x: Any, _name: str) -> Any:
    return x


def swish(x: Any) -> Any:
    """``x sigmoid(x)``: smooth where a rectifier has a kink (Ramachandran et al., 2017)."""
    xp = array_api_compat.array_namespace(x)
    return x * (0.5 * (1 + xp.tanh(0.5 * x)))  # which never overflows


def make_config(
    kind: str,
    features: list[str],
    *,
    hidden: int = 64,
    input: int | None = None,  # noqa: A002  (the name in the card)
    window: int | None = None,
    heads: int = 4,
) -> dict[str, Any]:
    """A configuration; see :func:`recurrent_network`.

    Raises
    ------
    ValueError
        If the kind is unknown or the sizes do not fit.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r}: expected one of {', '.join(map(repr, KINDS))}.")
    config: dict[str, Any] = {"kind": kind, "features": list(features), "hidden": int(hidden)}
    if kind == "transformer":
        if hidden % (2 * heads):
            raise ValueError(f"hidden={hidden} with heads={heads}: expected a multiple of 2 heads.")
        return config | {"input": hidden, "heads": heads, "wide": 2 * hidden, "window": window}
    if kind == "dense":
        return config | {"input": input or hidden}
    return config | {"input": input} | ({"window": window} if kind == "atlstm" else {})


def initial_params(config: Config, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights: uniform within 1 / sqrt(inputs), forget gates open, outputs zero.

    Returns
    -------
    dict of ndarray of float32
        ``input`` (if any), ``lstm.*`` as in ``torch.nn.LSTM`` (``lstm.weight_ih_l0`` (4 H, C),
        ``lstm.weight_hh_l0`` (4 H, H), biases, and ``..._reverse``), ``attention.query|key|value``
        and ``join`` of the AtLSTM, ``encoder.*`` of the Transformer, ``layer`` of the dense
        network, ``output`` (2, ...).
    """
    rng = np.random.default_rng(seed)
    kind, hidden = config["kind"], config["hidden"]
    width = len(config["features"])
    params: dict[str, np.ndarray] = {}

    def add(name: str, outputs: int, inputs: int) -> None:
        spread = 1 / np.sqrt(inputs)
        params[f"{name}.weight"] = rng.uniform(-spread, spread, (outputs, inputs))
        params[f"{name}.bias"] = np.zeros(outputs)

    if config.get("input"):
        add("input", config["input"], width)
        width = config["input"]
    if kind == "transformer":
        for part in ("query", "key", "value", "join"):
            add(f"encoder.{part}", width, width)
        add("encoder.wide", config["wide"], width)
        add("encoder.narrow", width, config["wide"])
        for norm in ("norm1", "norm2"):
            params[f"encoder.{norm}.weight"] = np.ones(width)
            params[f"encoder.{norm}.bias"] = np.zeros(width)
    elif kind == "dense":
        add("layer", hidden, width)
        width = hidden
    else:
        ends = ("_l0",) if kind == "lstm" else ("_l0", "_l0_reverse")
        spread = 1 / np.sqrt(hidden)
        for end in ends:
            params[f"lstm.weight_ih{end}"] = rng.uniform(-spread, spread, (4 * hidden, width))
            params[f"lstm.weight_hh{end}"] = rng.uniform(-spread, spread, (4 * hidden, hidden))
            params[f"lstm.bias_ih{end}"] = np.repeat([0.0, 1.0, 0.0, 0.0], hidden)
            params[f"lstm.bias_hh{end}"] = np.zeros(4 * hidden)
        width = len(ends) * hidden
    if kind == "atlstm":
        for part in ("query", "key", "value"):
            add(f"attention.{part}", hidden, width)
        add("join", hidden, width + hidden)
        width = hidden
    add("output", 2, width)
    params["output.weight"][:] = 0.0
    return {name: value.astype(np.float32) for name, value in params.items()}


def recurrent_operations(backend: str = "auto") -> SimpleNamespace:
    """The operations a recurrent network needs, for NumPy arrays and torch tensors.

    Parameters
    ----------
    backend : str
        Of the kernels; ``auto`` sees from the arrays, and from whether gradients are wanted, which
        to take. An operation that has no kernel of this backend takes its own choice.
    """

    def kernel(op):
        known = backend in xsm_kernels.backends(op)
        return partial(getattr(xsm_kernels, op), backend=backend if known else "auto")

    return SimpleNamespace(lstm=kernel("lstm"), self_attention=kernel("self_attention"))
