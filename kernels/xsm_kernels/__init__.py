"""Masked kernels for satellite records with gaps: arrays in, arrays out.

Every operation has a definition (``reference``, plain PyTorch) and compiled backends that are
tested against it. Importing this package imports none of torch, numba and triton: each is imported
on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from xsm_kernels.compile_cache import compile_loop, on_disk, precompile
from xsm_kernels.disk_cache import cache_folder, from_disk
from xsm_kernels.dispatch import backends, choose_backend
from xsm_kernels.errors import ArgumentError, BackendError, KernelError
from xsm_kernels.lstm import lstm
from xsm_kernels.masked_conv3d import masked_conv3d
from xsm_kernels.masked_mean import masked_mean
from xsm_kernels.pointwise_layers import pointwise_layers
from xsm_kernels.runtime import compile_once, limit_threads, run_in_threads, thread_count
from xsm_kernels.self_attention import self_attention
from xsm_kernels.update_mask import update_mask

if TYPE_CHECKING:
    from xsm_kernels.streaming.ring_buffer import RingBuffer
    from xsm_kernels.streaming.schedule import Schedule, make_schedule
    from xsm_kernels.streaming.stream import stream_network

__all__ = [
    "ArgumentError",
    "BackendError",
    "KernelError",
    "RingBuffer",
    "Schedule",
    "backends",
    "cache_folder",
    "choose_backend",
    "compile_loop",
    "compile_once",
    "from_disk",
    "limit_threads",
    "lstm",
    "make_schedule",
    "masked_conv3d",
    "masked_mean",
    "on_disk",
    "pointwise_layers",
    "precompile",
    "run_in_threads",
    "self_attention",
    "stream_network",
    "thread_count",
    "update_mask",
]

# these names import numba
_ON_FIRST_USE = {
    "RingBuffer": "xsm_kernels.streaming.ring_buffer",
    "Schedule": "xsm_kernels.streaming.schedule",
    "make_schedule": "xsm_kernels.streaming.schedule",
    "stream_network": "xsm_kernels.streaming.stream",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _ON_FIRST_USE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_ON_FIRST_USE[name]), name)
