"""Layers that several sequence networks share, and the initial values of their parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import array_api_compat
import numpy as np
from numpy.typing import NDArray

Config = Mapping[str, Any]
Params = Mapping[str, Any]
Dropout = Callable[[Any, str], Any]


class SequenceOutput(NamedTuple):
    """Output of a sequence network for B sequences of T days."""

    mean: Any  # (B, T), standardised
    log_variance: Any  # (B, T)
    attention: Any = None  # weights, (B, T, T) or (B, T, 2 * window + 1)
    state: Any = None  # of the LSTM after the last day, (h, c), each (D, B, H)


def linear(params: Params, x: Any, name: str) -> Any:
    """``x W^T + b`` over the last axis, with ``<name>.weight`` (O, C) and ``<name>.bias`` (O,)."""
    return x @ params[f"{name}.weight"].T + params[f"{name}.bias"]


def swish(x: Any) -> Any:
    """``x sigmoid(x)``, a smooth alternative to the ReLU (Ramachandran et al., 2017)."""
    xp = array_api_compat.array_namespace(x)
    return x * (0.5 * (1 + xp.tanh(0.5 * x)))  # this form of the sigmoid never overflows


def softmax(xp: Any, scores: Any) -> Any:
    """Softmax over the last axis."""
    e = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def layer_norm(params: Params, x: Any, name: str) -> Any:
    """Layer normalisation over the last axis (Ba et al., 2016)."""
    xp = array_api_compat.array_namespace(x)
    mean = xp.mean(x, axis=-1, keepdims=True)
    std = xp.sqrt(xp.mean((x - mean) ** 2, axis=-1, keepdims=True) + 1e-5)
    return (x - mean) / std * params[f"{name}.weight"] + params[f"{name}.bias"]


def input_layer(params: Params, x: Any, dropout: Dropout | None) -> Any:
    """The optional dense layer in front of a network, then dropout."""
    if "input.weight" in params:
        x = swish(linear(params, x, "input"))
    return x if dropout is None else dropout(x, "input")


def output_layer(
    params: Params, y: Any, *, attention: Any = None, state: Any = None
) -> SequenceOutput:
    """The last layer of a network: mean and log-variance of each day."""
    out = linear(params, y, "output")
    return SequenceOutput(out[..., 0], out[..., 1], attention, state)


class ParameterInit:
    """Random parameters, drawn layer by layer in the order of the calls.

    With the seed None, arrays that have the shapes of the parameters and take no memory.

    Attributes
    ----------
    params : dict of ndarray
        Parameters drawn so far.
    width : int
        Channels of the latest layer.
    """

    def __init__(self, config: Config, seed: int | None) -> None:
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.params: dict[str, NDArray[np.floating]] = {}
        self.width = len(config["features"])
        if config.get("input"):
            self.add_linear("input", config["input"], self.width)
            self.width = config["input"]

    def uniform(self, limit: float, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Uniform random numbers within +- `limit`."""
        if self.rng is None:
            return np.broadcast_to(0.0, shape)
        return self.rng.uniform(-limit, limit, shape)

    def add_linear(self, name: str, outputs: int, inputs: int) -> None:
        """A linear layer: weights uniform within 1 / sqrt(inputs), zero biases."""
        self.params[f"{name}.weight"] = self.uniform(1 / np.sqrt(inputs), (outputs, inputs))
        self.params[f"{name}.bias"] = np.zeros(outputs)

    def finish(self) -> dict[str, NDArray[Any]]:
        """All parameters in float32, with an output layer of zero weights."""
        self.add_linear("output", 2, self.width)
        if self.rng is None:
            return self.params
        self.params["output.weight"][:] = 0.0
        return {name: value.astype(np.float32) for name, value in self.params.items()}
