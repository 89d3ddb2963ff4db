"""Which tiles, warps and stages a convolution takes: a few candidates, timed once and remembered.

What is timed depends on channels, window, dtype and precision, not on days, rows and columns.
Nothing here touches the driver before a convolution runs on a GPU.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
import triton

from xsm_kernels.masked_conv3d._triton_kernels import convolve_kernel

logger = logging.getLogger(__name__)

Choice = TypeVar("Choice", bound=tuple)

ENOUGH_CELLS = 2**18  # fewer are no measurement
REPEATS = 5

_chosen: dict[str, Any] = {}


class Config(NamedTuple):
    """Rows and columns of a tile, warps and pipeline stages of a program, programs on an SM."""

    tile_h: int = 8
    tile_w: int = 16
    warps: int = 4
    stages: int = 4
    per_sm: int = 2


def blocks(channels: int, outputs: int, taps: int, itemsize: int, precision: str) -> dict[str, int]:
    """Sizes of one matrix product: outputs, and taps times channels, taken at once."""
    exact = itemsize == 4 and precision == "ieee"
    return {
        "BLOCK_O": min(64 if exact else 128, max(16, triton.next_power_of_2(outputs))),
        # 128 bytes are what a tensor core takes a row of
        "BLOCK_K": min(128 // itemsize, max(16, triton.next_power_of_2(taps * channels))),
    }


def candidates(sizes: dict[str, int], taps: int, channels: int, precision: str) -> list[Config]:
    """Configurations that keep all in registers; the first is taken where none is timed."""
    wide = sizes["BLOCK_O"] > 32 and (sizes["BLOCK_O"] > 64 or sizes["BLOCK_K"] < 64)
    first = Config(warps=8 if wide else 4, stages=3 if sizes["BLOCK_O"] > 64 else 4)
    if taps * channels < 256:  # too short a product to be worth the compilations
        return [first._replace(stages=2, per_sm=4)]
    if sizes["BLOCK_O"] > 64 or sizes["BLOCK_K"] < 64:
        return [first]
    return [first, Config(warps=8, stages=3), Config(tile_h=16, warps=8, stages=3, per_sm=1)]


def tuned(
    key: tuple[Any, ...],
    few: list[Choice],
    launch: Callable[[Choice], None],
    x: torch.Tensor,
    cells: int,
) -> Choice:
    """The fastest of `few` for calls of this kind; the first where that cannot be told now.

    `few` are named tuples of numbers; `cells` is how large the call is.
    """
    if not x.is_cuda or len(few) == 1 or os.environ.get("XSM_KERNELS_TUNE") == "0":
        return few[0]
    name = "|".join(map(str, (torch.cuda.get_device_name(x.device), triton.__version__, *key)))
    name += "|" + convolve_kernel.cache_key[:12]
    if name not in _chosen and (stored := _stored().get(name)) is not None:
        _chosen[name] = next((config for config in few if list(config) == stored), few[0])
    if name in _chosen:
        return _chosen[name]
    if cells < ENOUGH_CELLS or torch.cuda.is_current_stream_capturing():
        return few[0]
    times = {config: _milliseconds(launch, config) for config in few}
    _chosen[name] = min(few, key=times.__getitem__)
    logger.debug("%s: %s of %s", name, _chosen[name], times)
    _write(name, _chosen[name])
    return _chosen[name]


def chosen() -> dict[str, Any]:
    """What this process has chosen so far."""
    return dict(_chosen)


def _milliseconds(launch: Callable[[Any], None], config: Any) -> float:
    """Best of a few; infinite where the GPU is too small for it."""
    best = float("inf")
    try:
        for repeat in range(REPEATS + 1):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            launch(config)
            end.record()
            end.synchronize()
            if repeat:  # the first compiles
                best = min(best, begin.elapsed_time(end))
    except triton.OutOfResources:
        logger.debug("%s: too large for this GPU", config)
    return best


def _file() -> Path:
    folder = os.environ.get("XSM_KERNELS_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return Path(folder or Path.home() / ".cache") / "xsm_kernels" / "tuning.json"


@cache
def _stored() -> dict[str, Any]:
    """What other processes had chosen when this one began."""
    return _read()


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text())
    except (OSError, ValueError, RuntimeError):  # absent, cut short, or nobody's home
        return {}
    return found if isinstance(found, dict) else {}


def _write(name: str, config: Any) -> None:
    """Keep a choice for the next process; that it cannot be kept is no error."""
    with contextlib.suppress(OSError, RuntimeError):
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(_read() | {name: list(config)}, indent=1))
        part.replace(path)
