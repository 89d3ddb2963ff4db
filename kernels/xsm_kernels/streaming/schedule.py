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
from xsm_kernels.arguments import (
    ACTIVATIONS,
    Triple,
    activation_name,
    integer,
    listed,
    odd,
    parameter,
    triple,
)
from xsm_kernels.errors import ArgumentError

# entries of a layer
REQUIRED = {"name", "inputs", "channels", "kernel"}
OPTIONAL = {"mask", "activation", "residual", "skip"}


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

    Raises
    ------
    ArgumentError
        A layer names an input that is not there, or its parameters do not have its shapes.
    """
    if not layers:
        raise ArgumentError("layers: none of them; expected one layer or more.")
    channels, listed = dict(inputs), []
    for layer in layers:
        listed.append(_step(layer, params, channels))
        channels[layer["name"]] = layer["channels"]
    steps = tuple(listed)
    lag = _lags(steps, inputs)
    days_held = dict.fromkeys(lag, 1)
    for step in steps:
        for name, (days, _, _) in step.reads():
            ahead = lag[step.name] + days // 2 - lag[name] + 1
            days_held[name] = max(days_held[name], ahead)
    return Schedule(steps, tuple(inputs), channels, lag, days_held, _reach(steps, inputs))


def _step(
    layer: Mapping[str, Any], params: Mapping[str, np.ndarray], channels: Mapping[str, int]
) -> Step:
    """A layer whose inputs and parameters fit each other; `channels` of all before it."""
    if missing := REQUIRED - set(layer):
        raise ArgumentError(f"layer {dict(layer)}: {', '.join(sorted(missing))} missing; give it.")
    if unknown := set(layer) - REQUIRED - OPTIONAL:
        raise ArgumentError(
            f"layer {layer['name']!r}: unknown entry {', '.join(sorted(unknown))}; expected some "
            f"of {', '.join(sorted(REQUIRED | OPTIONAL))}."
        )
    name = layer["name"]
    sources = tuple(listed(f"inputs of {name!r}", layer["inputs"]))
    if name in channels or not sources:
        raise ArgumentError(f"layer {name!r}: expected a new name and one input or more.")
    mask: str = layer.get("mask", sources[0])
    residual, skip = layer.get("residual"), layer.get("skip")
    for source in (*sources, mask, residual, skip):
        if source is not None and source not in channels:
            raise ArgumentError(
                f"layer {name!r} reads {source!r}; expected some of {list(channels)}."
            )
    outputs = integer(layer["channels"])
    if outputs is None or outputs < 1:
        raise ArgumentError(f"channels of {name!r}: {layer['channels']!r}; give 1 or more.")
    for source in (residual, skip):
        if source is not None and channels[source] != outputs:
            raise ArgumentError(
                f"layer {name!r} has {outputs} channels and adds {source!r}, which has "
                f"{channels[source]}; expected the same number."
            )
    kernel = odd(f"kernel of {name!r}", triple(f"kernel of {name!r}", layer["kernel"], 1))
    shapes = {
        f"{name}.weight": (outputs, sum(channels[source] for source in sources), *kernel),
        f"{name}.bias": (outputs,),
    }
    like = np.empty(0, np.float32)
    weight, bias = (parameter(key, params.get(key), like, shape) for key, shape in shapes.items())
    return Step(
        name=name,
        sources=sources,
        mask=mask,
        residual=residual,
        skip=skip,
        kernel=kernel,
        activation=ACTIVATIONS.index(
            activation_name(f"activation of {name!r}", layer.get("activation"))
        ),
        weight=pack(weight),
        bias=pack_bias(bias, outputs),
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
