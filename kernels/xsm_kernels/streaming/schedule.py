"""When a streamed network computes what, and how many days of each layer it must hold.

A record passes through the network day by day. A layer whose window reaches `h` days ahead lags
`h` days behind its inputs, and its output is held as long as a later layer needs it. The schedule
depends on the network alone, so memory does not depend on the length of the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xsm_kernels._numba_common import pack, pack_bias, ratios
from xsm_kernels.arguments import ACTIVATIONS, Triple


@dataclass(frozen=True)
class Step:
    """One layer: its inputs, its window, and its weights as the compiled loop takes them."""

    name: str
    sources: tuple[str, ...]
    mask: str
    residual: str | None
    skip: str | None
    kernel: Triple
    activation: int
    weight: np.ndarray
    bias: np.ndarray
    ratio: np.ndarray

    def reads(self) -> Iterator[tuple[str, Triple]]:
        """Each input with the window in which it is read."""
        for name in {*self.sources, self.mask}:
            yield name, self.kernel
        for other in (self.residual, self.skip):
            if other is not None:
                yield other, (1, 1, 1)


@dataclass(frozen=True)
class Schedule:
    """Layers in order, and the timing of inputs and layers.

    Attributes
    ----------
    steps : tuple of Step
    inputs : tuple of str
        Names of the network's inputs.
    channels : mapping of str to int
        Of each input and layer.
    lag : mapping of str to int
        Days behind the newest input at which each is computed.
    days_held : mapping of str to int
        Days of each that must be kept.
    reach : (rows, columns)
        Distance, on each side, of the input cells that an output depends on.
    """

    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    channels: Mapping[str, int]
    lag: Mapping[str, int]
    days_held: Mapping[str, int]
    reach: tuple[int, int]

    @property
    def border(self) -> tuple[int, int]:
        """Rows and columns that the largest window reaches beyond its centre."""
        rows, columns = (max(step.kernel[axis] for step in self.steps) for axis in (1, 2))
        return rows // 2, columns // 2


def make_schedule(
    layers: Sequence[Mapping[str, Any]],
    params: Mapping[str, np.ndarray],
    inputs: Mapping[str, int],
) -> Schedule:
    """The schedule of a network of masked convolutions.

    Parameters
    ----------
    layers : sequence of mapping
        In the order of computation; the last one is the output. Each has ``name``, ``inputs``
        (names of network inputs or earlier layers, concatenated along the channels), ``channels``
        and ``kernel`` (time, lat, lon; odd), and optionally ``mask`` (name of the input whose mask
        counts; default the first), ``activation``, ``residual`` (added before the activation) and
        ``skip`` (added after it).
    params : mapping of str to ndarray
        ``<name>.weight`` (O, C, kt, kh, kw) and ``<name>.bias`` (O,) of each layer.
    inputs : mapping of str to int
        Names of the network's inputs and their numbers of channels.
    """
    steps = tuple(_step(layer, params) for layer in layers)
    channels = {**inputs, **{layer["name"]: layer["channels"] for layer in layers}}
    lag = _lags(steps, inputs)
    days_held = dict.fromkeys(lag, 1)
    for step in steps:
        for name, (days, _, _) in step.reads():
            ahead = lag[step.name] + days // 2 - lag[name] + 1
            days_held[name] = max(days_held[name], ahead)
    return Schedule(steps, tuple(inputs), channels, lag, days_held, _reach(steps, inputs))


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


def _lags(steps: tuple[Step, ...], inputs: Mapping[str, int]) -> dict[str, int]:
    """Days behind the newest input at which each output is computed: as late as possible."""
    earliest = dict.fromkeys(inputs, 0)
    for step in steps:
        earliest[step.name] = max(earliest[n] + days // 2 for n, (days, _, _) in step.reads())
    latest = dict.fromkeys(earliest, earliest[steps[-1].name])
    for step in reversed(steps):
        for name, (days, _, _) in step.reads():
            latest[name] = min(latest[name], latest[step.name] - days // 2)
    return latest | dict.fromkeys(inputs, 0)


def _reach(steps: tuple[Step, ...], inputs: Mapping[str, int]) -> tuple[int, int]:
    """Rows and columns between an output and the farthest input cell that it depends on."""
    reach = dict.fromkeys(inputs, (0, 0))
    for step in steps:
        windows = [(*reach[name], *kernel[1:]) for name, kernel in step.reads()]
        rows = max(rows + height // 2 for rows, _, height, _ in windows)
        columns = max(columns + width // 2 for _, columns, _, width in windows)
        reach[step.name] = rows, columns
    return reach[steps[-1].name]
