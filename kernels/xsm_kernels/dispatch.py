"""Which function runs an operation: one literal table and one choice.

The table feeds dispatch, the parity tests and the benchmarks; a new row is tested and timed
with no further edit.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from xsm_kernels.errors import ArgumentError, BackendError

logger = logging.getLogger(__name__)

TABLE: dict[tuple[str, str], str] = {
    ("masked_conv3d", "reference"): "xsm_kernels.masked_conv3d.reference:masked_conv3d",
    ("masked_conv3d", "numba"): "xsm_kernels.masked_conv3d._numba:masked_conv3d",
    ("masked_conv3d", "triton"): "xsm_kernels.masked_conv3d._triton:masked_conv3d",
    ("update_mask", "reference"): "xsm_kernels.update_mask.reference:update_mask",
    ("update_mask", "numba"): "xsm_kernels.update_mask._numba:update_mask",
    ("update_mask", "triton"): "xsm_kernels.update_mask._triton:update_mask",
    ("masked_mean", "reference"): "xsm_kernels.masked_mean.reference:masked_mean",
    ("masked_mean", "numba"): "xsm_kernels.masked_mean._numba:masked_mean",
    ("masked_mean", "triton"): "xsm_kernels.masked_mean._triton:masked_mean",
    ("pointwise_layers", "reference"): "xsm_kernels.pointwise_layers.reference:pointwise_layers",
    ("pointwise_layers", "numba"): "xsm_kernels.pointwise_layers._numba:pointwise_layers",
    ("pointwise_layers", "triton"): "xsm_kernels.pointwise_layers._triton:pointwise_layers",
    ("self_attention", "reference"): "xsm_kernels.self_attention.reference:self_attention",
    ("self_attention", "numba"): "xsm_kernels.self_attention._numba:self_attention",
    ("self_attention", "torch"): "xsm_kernels.self_attention._torch:self_attention",
    ("lstm", "reference"): "xsm_kernels.lstm.reference:lstm",
    ("lstm", "numba"): "xsm_kernels.lstm._numba:lstm",
    ("lstm", "torch"): "xsm_kernels.lstm._torch:lstm",
    ("lstm", "triton"): "xsm_kernels.lstm._triton:lstm",
}

# dtypes in which auto takes PyTorch's own kernel of an operation (cuDNN) on a GPU, before ours: to
# be set by what python -m benchmarks.speed.recurrent --device cuda measures
CUDNN_WINS: dict[str, tuple[str, ...]] = {"lstm": ("torch.float32",)}


def backends(op: str) -> list[str]:
    """Names of the backends that have a row for `op`."""
    return [backend for name, backend in TABLE if name == op]


def load(op: str, backend: str) -> Callable[..., Any]:
    """Import and return the function behind one row of the table."""
    module, function = TABLE[op, backend].split(":")
    return getattr(importlib.import_module(module), function)


def is_tensor(array: Any) -> bool:
    """Whether `array` is a torch tensor; never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def choose(op: str, backend: str, arrays: Sequence[Any]) -> str:
    """Name of the backend that will run `op` on `arrays` (the first one decides the kind).

    "auto": NumPy -> numba; tensor on a GPU -> triton, or torch as `CUDNN_WINS` has it; other
    tensors, or any that needs a gradient -> torch (PyTorch's own kernel of the operation, if the
    table has one), else reference. What auto would pick but cannot run goes to the next one and
    last to the reference, with the reason in the debug log. A backend asked for by name is used or
    refused with :class:`BackendError`, never replaced.
    """
    if backend != "auto":
        if (op, backend) not in TABLE:
            known = ", ".join(["auto", *backends(op)])
            raise ArgumentError(f"backend={backend!r}: {op} knows {known}; use one of these.")
        if reason := refusal(backend, arrays):
            raise BackendError(f'backend={backend!r} cannot run {op}: {reason}; or use "auto".')
        return backend
    reasons: list[str] = []
    for name in preferred(op, arrays):
        reason = refusal(name, arrays)
        if reason is None:
            logger.debug("%s: %s (refused: %s)", op, name, "; ".join(reasons) or "none")
            return name
        reasons.append(f"{name}: {reason}")
    raise BackendError(f"{op} has no backend for these arrays; {'; '.join(reasons)}.")


def preferred(op: str, arrays: Sequence[Any]) -> list[str]:
    """Backends in the order in which auto tries them, those that `op` has."""
    if not is_tensor(arrays[0]):
        names = ["numba"]
    elif needs_gradient(arrays) or not arrays[0].is_cuda:
        names = ["torch"]
    elif str(arrays[0].dtype) in CUDNN_WINS.get(op, ()):
        names = ["torch", "triton"]
    else:
        names = ["triton", "torch"]
    return [name for name in (*names, "reference") if (op, name) in TABLE]


def needs_gradient(arrays: Sequence[Any]) -> bool:
    """Whether autograd is recording and one of `arrays` asks for a gradient."""
    if not sys.modules["torch"].is_grad_enabled():
        return False
    return any(array.requires_grad for array in arrays if is_tensor(array))


def refusal(backend: str, arrays: Sequence[Any]) -> str | None:
    """Why `backend` cannot work on `arrays` (cause and next step), or None when it can."""
    tensors = is_tensor(arrays[0])
    if backend == "reference":
        return None if tensors or _installed("torch") else "torch is not installed (xsm[torch])"
    if backend == "torch":
        if not tensors:
            return "it takes torch tensors, got NumPy arrays"
        masked = any(str(a.dtype).endswith("bool") for a in arrays if a is not None)
        return "it knows no masks; use the reference" if masked else None
    if tensors and needs_gradient(arrays):
        return "only the reference has gradients; call under torch.no_grad()"
    if backend == "numba":
        if not _installed("numba"):
            return "numba is not installed"
        if tensors and arrays[0].is_cuda:
            return "the tensor is on a GPU; move it to the CPU"
        floats = [a for a in arrays if a is not None and "bool" not in str(a.dtype)]
        wrong = {str(a.dtype) for a in floats if not str(a.dtype).endswith("float32")}
        return f"it works in float32, got {', '.join(sorted(wrong))}; convert" if wrong else None
    if not _installed("triton"):
        return "triton is not installed (xsm[gpu])"
    if not tensors:
        return "it takes torch tensors on a GPU, got NumPy arrays"
    if not arrays[0].is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        return "the tensor is not on a GPU (TRITON_INTERPRET=1 interprets kernels on the CPU)"
    if arrays[0].dtype == sys.modules["torch"].float64:
        return "it has no float64; use the reference"
    return None


def run(op: str, backend: str, arrays: Sequence[Any], **options: Any) -> Any:
    """Choose a backend, call it, and give back arrays of the kind that came in."""
    name = choose(op, backend, arrays)
    function = load(op, name)
    if name == "reference" and not is_tensor(arrays[0]):
        return _each(_to_numpy, function(*map(_to_tensor, arrays), **options))
    if name == "numba" and is_tensor(arrays[0]):
        return _each(_to_tensor, function(*map(_to_numpy, arrays), **options))
    return function(*arrays, **options)


def _installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def _each(convert: Callable[[Any], Any], results: Any) -> Any:
    return tuple(map(convert, results)) if isinstance(results, tuple) else convert(results)


def _to_tensor(array: Any) -> Any:
    if array is None:
        return None
    import torch

    # from_numpy takes neither negative strides nor read-only memory
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _to_numpy(tensor: Any) -> Any:
    return tensor.detach().numpy() if is_tensor(tensor) else tensor
