"""A network on a GPU as one CUDA graph: captured once per shape, replayed on other values.

A tile launches some fifty kernels; a graph launches them at once. What is captured must neither
wait for the device nor touch memory of the host, and its shapes are fixed: inputs are padded with
missing cells to whole steps, so that few graphs serve all tiles.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import torch

from xsm.networks.device import host

logger = logging.getLogger(__name__)

Tensors = tuple[torch.Tensor, ...]
Function = Callable[..., Tensors]

STEPS = (8, 32, 64)  # days, rows and columns are padded to multiples of these
MOST = 4  # graphs kept; each holds the memory of its whole network
WARM = 2  # runs before a capture: they compile, tune and allocate

_lock = threading.Lock()
_kept: OrderedDict[Hashable, Any] = OrderedDict()
_refused: set[Hashable] = set()


class Captured:
    """A function captured on tensors that stand for its arguments from then on.

    They hold values as they will: on the runs before the capture kernels are tuned.
    """

    def __init__(self, function: Function, inputs: Sequence[torch.Tensor]) -> None:
        self.inputs = inputs
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM):
                function(*inputs)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        # other threads may go on using the GPU
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.outputs = function(*inputs)

    def __call__(self) -> Tensors:
        """Run on what the inputs hold now; the outputs are overwritten by the next call."""
        self.graph.replay()
        return self.outputs


def refusal(device: str, backend: str) -> str | None:
    """Why a network cannot be captured there, or None."""
    if torch.device(device).type != "cuda":
        return f"device={device!r} is no NVIDIA GPU"
    if backend not in ("auto", "triton"):
        return f"backend={backend!r} is no kernel of the GPU"
    return None


def replay(
    key: Hashable,
    function: Function,
    values: np.ndarray,
    stats: np.ndarray,
    *,
    device: str,
    wrap: bool = False,
    must: bool = False,
) -> tuple[np.ndarray, ...]:
    """``function(values, stats)`` on a GPU, as a graph.

    Parameters
    ----------
    key : hashable
        All that `function` depends on but its arguments.
    function : callable
        From tensors (T, H, W) and (S, H, W) to tensors (..., T', H', W'), as many days, rows and
        columns fewer for any size; missing cells at the ends change nothing else.
    values, stats : ndarray, shapes (T, H, W) and (S, H, W)
        NaN is missing; statistics of a cell never observed are 0.
    wrap : bool
        Whether columns go round, and cannot be added.
    must : bool
        Raise where the function cannot be captured. Otherwise it runs without, and a warning in
        the log says why.

    Returns
    -------
    tuple of ndarray
        Of float32 or bool.
    """
    steps = (*STEPS[:2], 1) if wrap else STEPS
    whole = tuple(-(-n // step) * step for n, step in zip(values.shape, steps, strict=True))
    shapes = whole, (len(stats), *whole[1:])
    key = (key, device, wrap, torch.get_float32_matmul_precision(), *shapes)
    with _lock, torch.inference_mode(), _current(device):
        inputs = _kept[key].inputs if key in _kept else _empty(shapes, device)
        for there, here, missing in zip(inputs, (values, stats), (float("nan"), 0.0), strict=True):
            there.fill_(missing)
            given = torch.from_numpy(np.require(here, requirements=["C", "W"]))
            there[tuple(map(slice, here.shape))].copy_(given)
        captured = _captured(key, function, inputs, must)
        outputs = function(*inputs) if captured is None else captured()
        added = [n - own for n, own in zip(whole, values.shape, strict=True)]
        return tuple(host(_without(output, added)) for output in outputs)


def clear() -> None:
    """Forget all graphs, and free what they hold."""
    with _lock:
        _kept.clear()
        _refused.clear()


def _empty(shapes: Sequence[tuple[int, ...]], device: str) -> list[torch.Tensor]:
    return [torch.empty(shape, device=device) for shape in shapes]


def _captured(key: Hashable, function: Function, inputs: Sequence[torch.Tensor], must: bool) -> Any:
    """The graph of `key`, captured now if it is not kept; None where that fails or has failed."""
    if key in _kept:
        _kept.move_to_end(key)
        return _kept[key]
    if key in _refused and not must:
        return None
    while len(_kept) >= MOST:
        _kept.popitem(last=False)
    try:
        _kept[key] = Captured(function, inputs)
    except RuntimeError as error:  # too little memory, or something that cannot be captured
        if must:
            raise
        _refused.add(key)
        logger.warning("no CUDA graph, kernels are launched one by one: %s", error)
        return None
    logger.debug("captured %s", key)
    return _kept[key]


def _current(device: str) -> Any:
    place = torch.device(device)
    return torch.cuda.device(place) if place.type == "cuda" else contextlib.nullcontext()


def _without(output: torch.Tensor, added: Sequence[int]) -> torch.Tensor:
    """`output` (..., T, H, W) without the cells that were added at its ends."""
    size = [n - more for n, more in zip(output.shape[-3:], added, strict=True)]
    return output[..., : size[0], : size[1], : size[2]]
