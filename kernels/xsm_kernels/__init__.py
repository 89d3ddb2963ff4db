"""Masked kernels for gappy satellite records: arrays in, arrays out.

Every operation has a definition (``reference``, plain PyTorch) and compiled backends held to it.
Importing this package imports none of torch, numba and triton; each arrives on first use.
"""

from xsm_kernels.errors import ArgumentError, BackendError, KernelError
from xsm_kernels.lstm import lstm
from xsm_kernels.masked_conv3d import masked_conv3d
from xsm_kernels.masked_mean import masked_mean
from xsm_kernels.pointwise_layers import pointwise_layers
from xsm_kernels.runtime import compile_once, run_in_threads, thread_count
from xsm_kernels.self_attention import self_attention
from xsm_kernels.update_mask import update_mask

__all__ = [
    "ArgumentError",
    "BackendError",
    "KernelError",
    "compile_once",
    "lstm",
    "masked_conv3d",
    "masked_mean",
    "pointwise_layers",
    "run_in_threads",
    "self_attention",
    "thread_count",
    "update_mask",
]
