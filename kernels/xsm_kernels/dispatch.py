"""Which function runs an operation: one table of implementations and one choice among them.

The table feeds dispatch, the parity tests and the benchmarks: a new row is tested and timed
without further edits. Each implementation states what it does not support (`unsupported_reason`).
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Literal, TypeVar

import numpy as np

from xsm_kernels.errors import ArgumentError, BackendError

logger = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])
Reason = Callable[[Sequence[Any]], "str | None"]

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
    ("self_attention", "triton"): "xsm_kernels.self_attention._triton:self_attention",
    ("lstm", "reference"): "xsm_kernels.lstm.reference:lstm",
    ("lstm", "numba"): "xsm_kernels.lstm._numba:lstm",
    ("lstm", "torch"): "xsm_kernels.lstm._torch:lstm",
    ("lstm", "triton"): "xsm_kernels.lstm._triton:lstm",
}

# order in which "auto" tries the backends; the reference comes last
AUTO_ORDER = {
    "NumPy arrays": ("numba",),
    "tensors on a CPU": ("torch",),
    "tensors that need a gradient": ("torch",),
    "tensors on a GPU": ("triton", "torch"),
}
# dtypes in which "auto" takes PyTorch's kernel (cuDNN) on a GPU before ours, by operation; set by
# what python -m benchmarks.speed.recurrent --device cuda measures
TORCH_FIRST_ON_GPU: dict[str, tuple[str, ...]] = {"lstm": ("float32",)}
# extras of the distribution that install what a backend imports
EXTRAS = {"torch": " (install xsm[torch])", "triton": " (install xsm[gpu])"}


def implementation(
    array_type: Literal["numpy", "torch"], unsupported_reason: Reason
) -> Callable[[Function], Function]:
    """Mark a function as an implementation of an operation.

    Parameters
    ----------
    array_type : "numpy" or "torch"
        The arrays that the function takes and returns. Dispatch converts others to it and back.
    unsupported_reason : callable
        From the list of arrays of a call to the reason why the function cannot work on them, with
        the next step for the caller, or None if it can.
    """

    def mark(function: Function) -> Function:
        function.__dict__.update(array_type=array_type, unsupported_reason=unsupported_reason)
        return function

    return mark


def backends(op: str) -> list[str]:
    """Names of the backends of an operation, whether or not this machine can run them.

    Parameters
    ----------
    op : str
        Name of the operation, such as ``"masked_conv3d"``.

    Returns
    -------
    list of str
        ``"reference"`` is always among them; :func:`choose_backend` names the one that would run.

    Raises
    ------
    ArgumentError
        There is no operation of this name.

    Examples
    --------
    >>> backends("masked_mean")
    ['reference', 'numba', 'triton']
    """
    names = [backend for name, backend in TABLE if name == op]
    if not names:
        operations = ", ".join(dict.fromkeys(name for name, _ in TABLE))
        raise ArgumentError(f"op={op!r}: use one of {operations}.")
    return names


def load(op: str, backend: str) -> Any:
    """Import and return the function of one row of the table."""
    module, function = TABLE[op, backend].split(":")
    return getattr(importlib.import_module(module), function)


def unsupported_reason(op: str, backend: str, arrays: Sequence[Any]) -> str | None:
    """Why one row of the table cannot run on `arrays` (cause and next step); None if it can."""
    try:
        function = load(op, backend)
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed{EXTRAS.get(error.name or '', '')}"
    return function.unsupported_reason(arrays)


def choose_backend(op: str, backend: str, arrays: Sequence[Any]) -> str:
    """Name of the backend that runs `op` on `arrays`.

    "auto" takes the first of `AUTO_ORDER` that has a row in the table and supports the arrays, and
    logs why it did not take those before it. A backend requested by name is used or refused, never
    replaced.

    Parameters
    ----------
    op : str
        Name of the operation, such as ``"masked_conv3d"``.
    backend : str
        "auto", or a backend of the operation.
    arrays : list or tuple of array
        Of the call, None for an absent one; those of a tuple count as well. The first one decides
        between NumPy, CPU and GPU.

    Returns
    -------
    str

    Raises
    ------
    ArgumentError
        There is no operation or backend of this name, no array, or something that is none.
    BackendError
        The operation has no row for the backend, or the backend does not support the arrays.
    """
    arrays = _arrays_of_a_call(arrays)
    if backend != "auto":
        _require_row(op, backend)
        if reason := unsupported_reason(op, backend, arrays):
            raise BackendError(f'backend={backend!r} cannot run {op}: {reason}; or use "auto".')
        logger.debug("%s: %s (asked for)", op, backend)
        return backend
    reasons: list[str] = []
    for name in auto_order(op, arrays):
        reason = unsupported_reason(op, name, arrays)
        if reason is None:
            logger.debug("%s: %s (refused: %s)", op, name, "; ".join(reasons) or "none")
            return name
        reasons.append(f"{name}: {reason}")
    raise BackendError(f"{op} has no backend for these arrays; {'; '.join(reasons)}.")


def auto_order(op: str, arrays: Sequence[Any]) -> list[str]:
    """Backends that have a row for `op`, in the order in which "auto" tries them."""
    rows = backends(op)
    if not is_tensor(arrays[0]):
        names = AUTO_ORDER["NumPy arrays"]
    elif needs_gradient(arrays):
        names = AUTO_ORDER["tensors that need a gradient"]
    elif not arrays[0].is_cuda:
        names = AUTO_ORDER["tensors on a CPU"]
    else:
        names = AUTO_ORDER["tensors on a GPU"]
        if dtype_name(arrays[0].dtype) in TORCH_FIRST_ON_GPU.get(op, ()):
            names = ("torch", *(name for name in names if name != "torch"))
    return [name for name in (*names, "reference") if name in rows]


def run(op: str, backend: str, arrays: Sequence[Any], **options: Any) -> Any:
    """Choose a backend, call it, and return arrays of the type that came in.

    `arrays` may hold tuples of arrays; an absent array is None.
    """
    flat = list(flatten(arrays))
    function = load(op, choose_backend(op, backend, flat))
    tensors = is_tensor(flat[0])
    if tensors == (function.array_type == "torch"):
        return function(*arrays, **options)
    to_its_type, to_ours = (_to_numpy, to_tensor) if tensors else (to_tensor, _to_numpy)
    return _convert(to_ours, function(*_convert(to_its_type, tuple(arrays)), **options))


def is_tensor(array: Any) -> bool:
    """Whether `array` is a torch tensor; never imports torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


@cache
def dtype_name(dtype: Any) -> str:
    """Name of a dtype, the same for NumPy and torch; NumPy takes microseconds to write it."""
    return str(dtype).removeprefix("torch.")


def needs_gradient(arrays: Sequence[Any]) -> bool:
    """Whether autograd is recording and one of `arrays` requires a gradient."""
    tensors = [array for array in arrays if is_tensor(array)]
    if not tensors or not sys.modules["torch"].is_grad_enabled():
        return False
    return any(tensor.requires_grad for tensor in tensors)


def flatten(arrays: Sequence[Any]) -> Iterator[Any]:
    """All arrays, those in tuples too."""
    for array in arrays:
        if isinstance(array, tuple):
            yield from flatten(array)
        else:
            yield array


def _arrays_of_a_call(arrays: Any) -> list[Any]:
    """The arrays of a list or tuple, those in tuples too; at least one."""
    if not isinstance(arrays, (list, tuple)):
        raise ArgumentError(
            f"arrays: {type(arrays).__name__}; expected a list or tuple of the arrays of a call."
        )
    flat = list(flatten(arrays))
    if not flat or flat[0] is None:
        raise ArgumentError("arrays: none of them; expected those of a call.")
    for array in flat:
        if array is not None and not hasattr(array, "dtype"):
            raise ArgumentError(
                f"arrays: {type(array).__name__} among them; expected NumPy arrays or tensors."
            )
    return flat


def _require_row(op: str, backend: str) -> None:
    rows = backends(op)
    if backend in rows:
        return
    if backend in [name for _, name in TABLE]:
        raise BackendError(
            f"backend={backend!r}: {op} has no implementation for it, only {', '.join(rows)}; "
            f'use one of these for {op}, or "auto".'
        )
    raise ArgumentError(
        f"backend={backend!r}: {op} has {', '.join(['auto', *rows])}; use one of these."
    )


def _convert(convert: Callable[[Any], Any], arrays: Any) -> Any:
    """`convert` applied to an array, or to each of a tuple."""
    if isinstance(arrays, tuple):
        return tuple(_convert(convert, array) for array in arrays)
    return convert(arrays)


def to_tensor(array: Any) -> Any:
    """A NumPy array as a tensor, in its own memory where torch can use it; None stays None."""
    if array is None:
        return None
    import torch

    # from_numpy takes neither negative strides nor read-only memory
    array = np.ascontiguousarray(array)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def _to_numpy(tensor: Any) -> Any:
    return tensor.detach().numpy() if is_tensor(tensor) else tensor
