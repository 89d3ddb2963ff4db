"""Run a network on a GPU as a CUDA graph: captured once per shape, replayed on other values.

A block of days launches some fifty kernels; a graph launches them at once. A captured function
must neither wait for the device nor touch memory of the host, and its shapes are fixed. Inputs are
padded with missing cells to multiples of :data:`STEPS`, so that few graphs serve all blocks.
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

from xsm.networks.device import to_numpy

logger = logging.getLogger(__name__)

Tensors = tuple[torch.Tensor, ...]
Function = Callable[..., Tensors]

STEPS = (8, 32, 64)  # days, rows and columns are padded to multiples of these
MAX_GRAPHS = 4  # held at once; each holds the memory of its whole network
WARMUP_RUNS = 2  # before a capture: they compile, tune and allocate

_lock = threading.Lock()
_graphs: OrderedDict[Hashable, Any] = OrderedDict()  # least recently used first
_failed: set[Hashable] = set()  # keys of functions that could not be captured


class CapturedGraph:
    """A function captured on tensors; later calls read their arguments from these tensors.

    The tensors must hold realistic values already: the runs before the capture tune kernels.
    """

    def __init__(self, function: Function, inputs: Sequence[torch.Tensor]) -> None:
        self.inputs = inputs
        side_stream = torch.cuda.Stream()
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(WARMUP_RUNS):
                function(*inputs)
        torch.cuda.current_stream().wait_stream(side_stream)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        # other threads may use the GPU meanwhile
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.outputs = function(*inputs)

    def __call__(self) -> Tensors:
        """Run on the current values of the inputs; the next call overwrites the outputs."""
        self.graph.replay()
        return self.outputs


def unsupported_reason(device: str, backend: str) -> str | None:
    """Why a network cannot be captured on this device with this backend, or None."""
    if torch.device(device).type != "cuda":
        return f"device={device!r} is no NVIDIA GPU"
    if backend not in ("auto", "triton"):
        return f"backend={backend!r} has no GPU kernels that can be captured"
    return None


def replay(
    key: Hashable,
    function: Function,
    values: np.ndarray,
    stats: np.ndarray,
    *,
    device: str,
    must: bool = False,
) -> tuple[np.ndarray, ...]:
    """Compute ``function(values, stats)`` on a GPU by a CUDA graph.

    Parameters
    ----------
    key : hashable
        Everything that `function` depends on, apart from its arguments.
    function : callable
        From tensors (T, H, W) and (S, H, W) to tensors (..., T', H', W') that are smaller by the
        same number of days, rows and columns for any size. Missing cells added at the ends must not
        change the other outputs.
    values, stats : ndarray, shapes (T, H, W) and (S, H, W)
        NaN is missing; statistics of a cell never observed are 0.
    must : bool
        Raise where the function cannot be captured. Otherwise it runs without a graph, and a
        warning in the log gives the reason.

    Returns
    -------
    tuple of ndarray
        Of float32 or bool.
    """
    padded = tuple(-(-n // step) * step for n, step in zip(values.shape, STEPS, strict=True))
    shapes = padded, (len(stats), *padded[1:])
    key = (key, device, torch.get_float32_matmul_precision(), *shapes)
    with _lock, torch.inference_mode(), _device_context(device):
        inputs = _graphs[key].inputs if key in _graphs else _empty(shapes, device)
        arrays = (values, float("nan")), (stats, 0.0)
        for tensor, (array, missing) in zip(inputs, arrays, strict=True):
            tensor.fill_(missing)
            source = torch.from_numpy(np.require(array, requirements=["C", "W"]))
            tensor[tuple(map(slice, array.shape))].copy_(source)
        graph = _captured_graph(key, function, inputs, must)
        outputs = function(*inputs) if graph is None else graph()
        padding = [n - size for n, size in zip(padded, values.shape, strict=True)]
        return tuple(_to_host(_crop_end(output, padding)) for output in outputs)


def clear() -> None:
    """Drop all graphs and free their memory."""
    with _lock:
        _graphs.clear()
        _failed.clear()


def _empty(shapes: Sequence[tuple[int, ...]], device: str) -> list[torch.Tensor]:
    return [torch.empty(shape, device=device) for shape in shapes]


def _captured_graph(
    key: Hashable, function: Function, inputs: Sequence[torch.Tensor], must: bool
) -> Any:
    """The graph of `key`, captured now if there is none; None where capturing fails or failed."""
    if key in _graphs:
        _graphs.move_to_end(key)
        return _graphs[key]
    if key in _failed and not must:
        return None
    while len(_graphs) >= MAX_GRAPHS:
        _graphs.popitem(last=False)
    try:
        _graphs[key] = CapturedGraph(function, inputs)
    except RuntimeError as error:  # too little memory, or an operation that cannot be captured
        if must:
            raise
        _failed.add(key)
        logger.warning("no CUDA graph, kernels are launched one by one: %s", error)
        return None
    logger.debug("captured %s", key)
    return _graphs[key]


def _device_context(device: str) -> Any:
    target = torch.device(device)
    return torch.cuda.device(target) if target.type == "cuda" else contextlib.nullcontext()


def _to_host(output: torch.Tensor) -> np.ndarray:
    """The values in page-locked memory, which PyTorch reuses: ten times as fast as a new array."""
    if not output.is_cuda:
        return to_numpy(output)
    output = (output.float() if output.is_floating_point() else output).contiguous()
    host = torch.empty(output.shape, dtype=output.dtype, pin_memory=True)
    return np.asarray(host.copy_(output).numpy())


def _crop_end(output: torch.Tensor, padding: Sequence[int]) -> torch.Tensor:
    """`output` (..., T, H, W) without the cells that were added at its ends."""
    size = [n - added for n, added in zip(output.shape[-3:], padding, strict=True)]
    return output[..., : size[0], : size[1], : size[2]]
