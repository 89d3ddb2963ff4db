"""Checks of arguments by the public functions; they read shapes and dtypes only."""

from __future__ import annotations

from typing import Any

from xsm_kernels.errors import ArgumentError

ACTIVATIONS = (None, "relu", "leaky_relu", "silu", "tanh")

Triple = tuple[int, int, int]


def triple(name: str, value: Any, minimum: int) -> Triple:
    """`value` as three ints (time, lat, lon) of at least `minimum`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * 3
    if len(values) != 3 or any(int(v) != v or v < minimum for v in values):
        raise ArgumentError(f"{name}={value!r}: give three integers >= {minimum} (time, lat, lon).")
    return int(values[0]), int(values[1]), int(values[2])


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
    if min(sizes) < 1:
        raise ArgumentError(
            f"kernel_size={kernel}, padding={padding}, dilation={dilation} leave {tuple(sizes)} "
            f"of (time, lat, lon) = {tuple(shape[-3:])}; give a larger array or more padding."
        )
    return sizes[0], sizes[1], sizes[2]


def check_mask(mask: Any, batch: int | None = None, cells: Any = None) -> None:
    """Require bool (B, 1, T, H, W) with the batch and cells of the values."""
    if mask.ndim != 5 or mask.shape[1] != 1 or not str(mask.dtype).endswith("bool"):
        raise ArgumentError(
            f"mask: shape {tuple(mask.shape)}, dtype {mask.dtype}; expected bool (B, 1, T, H, W), "
            "True where observed."
        )
    if batch is not None and (mask.shape[0] != batch or tuple(mask.shape[2:]) != tuple(cells)):
        raise ArgumentError(
            f"mask: shape {tuple(mask.shape)} does not match x; expected "
            f"{(batch, 1, *cells)}, one mask for all channels."
        )


def check_values(x: Any) -> None:
    """Require floating point (B, C, T, H, W)."""
    if x.ndim != 5 or "float" not in str(x.dtype):
        raise ArgumentError(
            f"x: shape {tuple(x.shape)}, dtype {x.dtype}; expected floats (B, C, T, H, W)."
        )


def check_active(active: Any, cells: Triple) -> Any:
    """`active` as bool (T or 1, H, W) of the output cells, or None."""
    if active is None:
        return None
    shape = (1, *active.shape) if active.ndim == 2 else tuple(active.shape)
    fits = len(shape) == 3 and shape[0] in (1, cells[0]) and shape[1:] == cells[1:]
    if not fits or not str(active.dtype).endswith("bool"):
        raise ArgumentError(
            f"active: shape {tuple(active.shape)}, dtype {active.dtype}; expected bool "
            f"{cells[1:]}, {(1, *cells[1:])} or {cells} (cells of the output)."
        )
    return active.reshape(shape)
