"""When a streaming network computes what, and how many days of each layer it has to hold.

A record passes through day by day. A layer that looks `h` days ahead of its inputs lags `h` days
behind them, and an output is held as long as a later layer looks back at it: the plan depends on
the configuration alone, so memory does not depend on the length of the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xsm_kernels.arguments import ACTIVATIONS
from xsm_kernels.cells import pack, pack_bias, ratios

INPUTS = ("anomaly", "features")


@dataclass(frozen=True)
class Step:
    """One layer: what it reads, its window, and its weights as the compiled loop takes them."""

    name: str
    sources: tuple[str, ...]
    mask: str
    residual: str | None
    skip: str | None
    kernel: tuple[int, int, int]
    activation: int
    weight: np.ndarray
    bias: np.ndarray
    ratio: np.ndarray

    def reads(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Each input with the window in which it is read."""
        for name in {*self.sources, self.mask}:
            yield name, self.kernel
        for other in (self.residual, self.skip):
            if other is not None:
                yield other, (1, 1, 1)


@dataclass(frozen=True)
class Plan:
    """Layers in order; by name of inputs and layers: channels, days behind, and days held."""

    steps: tuple[Step, ...]
    channels: Mapping[str, int]
    lag: Mapping[str, int]
    held: Mapping[str, int]

    @property
    def border(self) -> tuple[int, int]:
        """Rows and columns that any window reaches beyond its cell."""
        rows, columns = (max(step.kernel[axis] for step in self.steps) for axis in (1, 2))
        return rows // 2, columns // 2


def make_plan(config: Mapping[str, Any], params: Mapping[str, np.ndarray]) -> Plan:
    """The plan of a network of :func:`xsm.networks.partial_conv.partial_conv_network`."""
    steps = tuple(_step(layer, params) for layer in config["layers"])
    channels = {"anomaly": 1, "features": len(config["features"])}
    channels |= {layer["name"]: layer["channels"] for layer in config["layers"]}
    lag = _lags(steps)
    held = dict.fromkeys(lag, 1)
    for step in steps:
        for name, (days, _, _) in step.reads():
            held[name] = max(held[name], lag[step.name] + days // 2 - lag[name] + 1)
    return Plan(steps, channels, lag, held)


def _step(layer: Mapping[str, Any], params: Mapping[str, np.ndarray]) -> Step:
    weight = params[f"{layer['name']}.weight"]
    kernel = layer["kernel"]
    return Step(
        name=layer["name"],
        sources=tuple(layer["inputs"]),
        mask=layer.get("mask", layer["inputs"][0]),
        residual=layer.get("residual"),
        skip=layer.get("skip"),
        kernel=(kernel[0], kernel[1], kernel[2]),
        activation=ACTIVATIONS.index(layer.get("activation")),
        weight=pack(weight),
        bias=pack_bias(params[f"{layer['name']}.bias"], weight.shape[0]),
        ratio=ratios(int(np.prod(kernel))),
    )


def _lags(steps: tuple[Step, ...]) -> dict[str, int]:
    """Days behind the newest input at which each output is computed: as late as can be."""
    earliest = dict.fromkeys(INPUTS, 0)
    for step in steps:
        earliest[step.name] = max(earliest[n] + days // 2 for n, (days, _, _) in step.reads())
    latest = dict.fromkeys(earliest, earliest[steps[-1].name])
    for step in reversed(steps):
        for name, (days, _, _) in step.reads():
            latest[name] = min(latest[name], latest[step.name] - days // 2)
    return latest | dict.fromkeys(INPUTS, 0)
