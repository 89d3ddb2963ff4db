"""What the Triton backends share: launching, rounding, activation, border columns, and tuning.

Tuning times a few configurations once per type of call (channels, window, dtype and precision, not
days, rows and columns) and remembers the fastest in the process and in a file.
Nothing here touches the driver before a kernel runs on a GPU.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
import triton
import triton.language as tl

from xsm_kernels.disk_cache import cache_folder
from xsm_kernels.dispatch import implementation, is_tensor, needs_gradient

logger = logging.getLogger(__name__)

Config = TypeVar("Config", bound=tuple)

MIN_CELLS_TO_TUNE = 2**18  # times of smaller calls say nothing
REPEATS = 5

_fastest: dict[str, Any] = {}


def unsupported_reason(arrays: Sequence[Any]) -> str | None:
    """Triton kernels take tensors on a GPU, without float64, and give no gradients."""
    if needs_gradient(arrays):
        return "only the reference has gradients; call under torch.no_grad()"
    if not is_tensor(arrays[0]):
        return "it takes torch tensors on a GPU, got NumPy arrays"
    if not arrays[0].is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        return "the tensor is not on a GPU (TRITON_INTERPRET=1 interprets kernels on the CPU)"
    if arrays[0].dtype == torch.float64:
        return "it has no float64; use the reference"
    return None


triton_backend = implementation("torch", unsupported_reason)


def on_device(x: torch.Tensor) -> Any:
    """Make the GPU that holds `x` current (Triton launches there); nothing if interpreted."""
    return torch.cuda.device(x.device) if x.is_cuda else contextlib.nullcontext()


def product_precision(dtype: torch.dtype) -> str:
    """Rounding of products of `dtype`, as the ``input_precision`` of ``tl.dot``."""
    full = dtype != torch.float32 or torch.get_float32_matmul_precision() == "highest"
    return "ieee" if full else "tf32"


def wrap_mode(width: int, padding: int, wrap_longitude: bool) -> int:
    """How `column` wraps: 0 never, 1 at most once, 2 any number of times."""
    if not wrap_longitude:
        return 0
    return 1 if padding <= width else 2


@triton.jit
def column(c, W, PW: tl.constexpr, WRAP: tl.constexpr):
    """Column index on a circle of W, with WRAP from `wrap_mode`."""
    if WRAP == 1:
        c = tl.where(c < 0, c + W, tl.where(c >= W, c - W, c))
    elif WRAP == 2:
        # add the multiple of W that makes the left padding positive
        c = (c + (PW + W - 1) // W * W) % W
    return c


@triton.jit
def rounded(v, PRECISION: tl.constexpr):
    """`v` rounded to nearest tf32 if PRECISION is tf32: tensor cores would truncate it.

    NaN is left as it is: the sum would turn 0x7fffffff, the NaN that GPUs write, into -0.
    """
    if PRECISION == "tf32":
        bits = (v.to(tl.int32, bitcast=True) + 0x1000) & -0x2000
        v = tl.where(v == v, bits.to(tl.float32, bitcast=True), v)
    return v


@triton.jit
def activated(v, ACTIVATION: tl.constexpr):
    """Activation by its index in ``arguments.ACTIVATIONS``, in float32."""
    if ACTIVATION == 1:
        v = tl.where(v < 0, 0.0, v)  # NaN stays; the maximum would be 0
    elif ACTIVATION == 2:
        v = tl.where(v > 0, v, 0.01 * v)
    elif ACTIVATION == 3:
        v = v / (1.0 + tl.exp(-v))
    elif ACTIVATION == 4:
        e = tl.exp(-2.0 * tl.abs(v))
        far = tl.where(v < 0, -1.0, 1.0) * (1.0 - e) / (1.0 + e)
        # the quotient loses digits near 0: Taylor to the order of float32
        s = v * v
        near = v * (1.0 + s * (-1.0 / 3 + s * (2.0 / 15 - s * (17.0 / 315))))
        v = tl.where(s < 0.01, near, far)
    return v


def tuned(
    key: tuple[Any, ...],
    candidates: list[Config],
    launch: Callable[[Config], None],
    x: torch.Tensor,
    cells: int,
) -> Config:
    """The fastest of the configurations for calls of this type; the first if none can be timed.

    Parameters
    ----------
    key : tuple
        Everything that the times depend on, with the cache key of the kernel.
    candidates : list of named tuple of numbers
    launch : callable
        Runs the kernel with a configuration.
    x : Tensor
    cells : int
        Size of the call.
    """
    if not x.is_cuda or len(candidates) == 1 or os.environ.get("XSM_KERNELS_TUNE") == "0":
        return candidates[0]
    name = "|".join(map(str, (torch.cuda.get_device_name(x.device), triton.__version__, *key)))
    if name not in _fastest and (stored := _stored().get(name)) is not None:
        matching = (config for config in candidates if list(config) == stored)
        _fastest[name] = next(matching, candidates[0])
    if name in _fastest:
        return _fastest[name]
    if cells < MIN_CELLS_TO_TUNE or torch.cuda.is_current_stream_capturing():
        return candidates[0]
    times = {config: _milliseconds(launch, config) for config in candidates}
    _fastest[name] = min(candidates, key=times.__getitem__)
    logger.debug("%s: %s of %s", name, _fastest[name], times)
    _write(name, _fastest[name])
    return _fastest[name]


def tuned_configurations() -> dict[str, Any]:
    """The configurations that this process has chosen so far, by type of call."""
    return dict(_fastest)


def _milliseconds(launch: Callable[[Any], None], config: Any) -> float:
    """Minimum time of a few runs; infinite if the GPU is too small for the configuration."""
    best = float("inf")
    try:
        for repeat in range(REPEATS + 1):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            launch(config)
            end.record()
            end.synchronize()
            if repeat:  # the first run compiles
                best = min(best, begin.elapsed_time(end))
    except triton.OutOfResources:
        logger.debug("%s: too large for this GPU", config)
    return best


def _file() -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "tuning.json"


@cache
def _stored() -> dict[str, Any]:
    """The configurations that other processes had chosen when this one started."""
    return _read()


def _read() -> dict[str, Any]:
    if (path := _file()) is None:
        return {}
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):  # absent or truncated
        return {}
    return content if isinstance(content, dict) else {}


def _write(name: str, config: Any) -> None:
    """Store a choice for later processes; failure to store it is no error."""
    if (path := _file()) is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(_read() | {name: list(config)}, indent=1))
        part.replace(path)
