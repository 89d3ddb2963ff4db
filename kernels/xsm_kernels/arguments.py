"""Arguments of the public functions: one preparation for all operations.

What comes out has the array type, dtype and device of `x`, native byte order and aligned memory;
its strides may be any. What cannot be converted without a doubt is refused by name.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from xsm_kernels.dispatch import dtype_name, is_tensor, needs_gradient, to_tensor
from xsm_kernels.errors import ArgumentError

ACTIVATIONS = (None, "relu", "leaky_relu", "silu", "tanh")
FLOATS = ("float16", "bfloat16", "float32", "float64")

Triple = tuple[int, int, int]


def values(x: Any, name: str = "x") -> Any:
    """Floating-point values (B, C, T, H, W) of at least one channel."""
    return _floats(name, x, 5, (1,), "(B, C, T, H, W), at least one channel")


def sequences(x: Any) -> Any:
    """Floating-point sequences (B, T, C) of at least one day and one channel."""
    return _floats("x", x, 3, (1, 2), "(B, T, C), at least one day and one channel")


def parameter(
    name: str,
    array: Any,
    like: Any,
    shape: Sequence[int] | None = None,
    *,
    optional: bool = False,
) -> Any:
    """Weights, biases or states of this shape, in the array type, dtype and device of `like`."""
    if array is None and optional:
        return None
    array = _array(name, array)
    if shape is not None and tuple(array.shape) != tuple(shape):
        raise ArgumentError(f"{name}: shape {tuple(array.shape)}; expected {tuple(shape)}.")
    if not _dtype(array).startswith(("float", "bfloat", "int", "uint")):
        raise ArgumentError(f"{name}: dtype {array.dtype}; expected {like.dtype}, as x has.")
    array = _as_type_of(like, name, array)
    return array.to(like.dtype) if is_tensor(like) else array.astype(like.dtype, copy=False)


def flags(name: str, array: Any, like: Any, expected: str) -> Any:
    """A bool array, in the array type and device of `like` (None: its own)."""
    array = _array(name, array)
    if _dtype(array) != "bool":
        raise ArgumentError(
            f"{name}: shape {tuple(array.shape)}, dtype {array.dtype}; expected bool {expected}. "
            f"Convert it, for example with numpy.isfinite(values) or {name} != 0."
        )
    return array if like is None else _as_type_of(like, name, array)


def observed(mask: Any, like: Any = None) -> Any:
    """A mask (B, 1, T, H, W) with the batch and cells of `like` (B, C, T, H, W)."""
    mask = flags("mask", mask, like, "(B, 1, T, H, W), True where observed")
    if mask.ndim != 5 or mask.shape[1] != 1:
        raise ArgumentError(
            f"mask: shape {tuple(mask.shape)}, dtype {mask.dtype}; expected bool (B, 1, T, H, W), "
            "True where observed."
        )
    if like is not None:
        expected = like.shape[0], 1, *like.shape[2:]
        if tuple(mask.shape) != expected:
            raise ArgumentError(
                f"mask: shape {tuple(mask.shape)} does not match x; expected {expected}, one mask "
                "for all channels."
            )
    return mask


def active_cells(active: Any, cells: Triple, like: Any) -> Any:
    """`active` as bool (T or 1, H, W) of the output cells, or None."""
    if active is None:
        return None
    expected = f"{cells[1:]}, {(1, *cells[1:])} or {cells} (cells of the output)"
    active = flags("active", active, like, expected)
    shape = (1, *active.shape) if active.ndim == 2 else tuple(active.shape)
    if len(shape) != 3 or shape[0] not in (1, cells[0]) or shape[1:] != tuple(cells[1:]):
        raise ArgumentError(
            f"active: shape {tuple(active.shape)}, dtype {active.dtype}; expected bool {expected}."
        )
    return active.reshape(shape)


def integer(value: Any) -> int | None:
    """`value` as an int if it is a whole number of any type, else None."""
    try:
        return operator.index(value)
    except TypeError:
        return int(value) if isinstance(value, (float, np.floating)) and value % 1 == 0 else None


def triple(name: str, value: Any, minimum: int) -> Triple:
    """`value` as three ints (time, lat, lon) of at least `minimum`."""
    given = tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else (value,) * 3
    sizes = [size for size in map(integer, given) if size is not None and size >= minimum]
    if not len(given) == len(sizes) == 3:
        raise ArgumentError(f"{name}={value!r}: give three integers >= {minimum} (time, lat, lon).")
    return sizes[0], sizes[1], sizes[2]


def switch(name: str, value: Any) -> bool:
    """`value` as a bool, if it is one."""
    if not isinstance(value, (bool, np.bool_)):
        raise ArgumentError(f"{name}={value!r}: give True or False.")
    return bool(value)


def listed(name: str, value: Any) -> list[Any]:
    """The elements of a list or tuple; an array or a string is no such sequence."""
    if not isinstance(value, (list, tuple)):
        raise ArgumentError(
            f"{name}: {type(value).__name__}; expected a list or tuple, with an element for each."
        )
    return list(value)


def odd(name: str, sizes: Triple) -> Triple:
    """Require odd `sizes`, so that a window has a centre cell."""
    if any(size % 2 == 0 for size in sizes):
        raise ArgumentError(f"{name}={sizes}: give odd sizes; a window needs a centre cell.")
    return sizes


def output_shape(shape: Any, kernel: Triple, padding: Triple, dilation: Triple) -> Triple:
    """Sizes (T, H, W) of the output for an input of `shape` (..., T, H, W)."""
    sizes = [
        size + 2 * pad - step * (width - 1)
        for size, width, pad, step in zip(shape[-3:], kernel, padding, dilation, strict=True)
    ]
    if min(shape[-3:]) < 1:
        raise ArgumentError(
            f"(time, lat, lon) = {tuple(shape[-3:])}: an axis without cells; give one or more."
        )
    if min(sizes) < 1:
        raise ArgumentError(
            f"kernel_size={kernel}, padding={padding}, dilation={dilation} leave {tuple(sizes)} "
            f"of (time, lat, lon) = {tuple(shape[-3:])}; give a larger array or more padding."
        )
    return sizes[0], sizes[1], sizes[2]


def activation_name(name: str, value: Any) -> str | None:
    """Require one of `ACTIVATIONS`."""
    if not (value is None or isinstance(value, str)) or value not in ACTIVATIONS:
        raise ArgumentError(f"{name}={value!r}: use one of {ACTIVATIONS}.")
    return value


def _floats(name: str, x: Any, ndim: int, filled: Sequence[int], expected: str) -> Any:
    """Floats with `ndim` axes, of which those in `filled` are not empty."""
    x = _array(name, x)
    if x.ndim != ndim or _dtype(x) not in FLOATS or any(x.shape[axis] < 1 for axis in filled):
        raise ArgumentError(
            f"{name}: shape {tuple(x.shape)}, dtype {x.dtype}; expected floats {expected}."
        )
    return x


def _array(name: str, array: Any) -> Any:
    """A tensor, or a NumPy array in native byte order and aligned memory."""
    if is_tensor(array):
        if array.layout is not sys.modules["torch"].strided:
            raise ArgumentError(f"{name}: layout {array.layout}; expected a dense tensor.")
        return array
    if isinstance(array, np.ma.MaskedArray):
        raise ArgumentError(
            f"{name}: a masked array; its mask would be ignored. Give {name}.filled(...), and "
            "the mask of observed cells as an argument of its own."
        )
    if not isinstance(array, (np.ndarray, np.generic)):
        raise ArgumentError(
            f"{name}: {type(array).__name__}; expected a NumPy array or a torch tensor. Convert "
            "it with numpy.asarray."
        )
    array = np.asarray(array)
    native = array.dtype.newbyteorder("=")
    return array if array.dtype == native and array.flags.aligned else array.astype(native)


def _dtype(array: Any) -> str:
    return dtype_name(array.dtype)


def _as_type_of(like: Any, name: str, array: Any) -> Any:
    """`array` as a tensor on the device of `like`, or as a NumPy array."""
    if is_tensor(like):
        if not is_tensor(array):
            return to_tensor(array).to(like.device)
        if array.device != like.device:
            raise ArgumentError(
                f"{name}: on device {array.device}, x on {like.device}; move one of them."
            )
        return array
    if not is_tensor(array):
        return array
    if needs_gradient([array]):
        raise ArgumentError(
            f"{name}: a tensor that needs a gradient, beside x as a NumPy array; give x as a "
            "tensor, or call under torch.no_grad()."
        )
    array = array.detach().cpu()
    # NumPy has no bfloat16
    return (array.float() if _dtype(array) == "bfloat16" else array).numpy()
