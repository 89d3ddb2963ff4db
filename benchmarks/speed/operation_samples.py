"""One call of every operation, to be verified and timed: arrays, options, expected results.

An operation of the dispatch table needs an entry in ``OPERATIONS``; its backends need none.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import xsm_kernels
from benchmarks.speed.synthetic_masks import Masks
from xsm_kernels.dispatch import backends, load, unsupported_reason

Arrays = dict[str, Any]
Bounds = list[tuple[torch.Tensor, torch.Tensor | None]]
BY_CELL = ("x", "mask", "active", "sources")  # arrays (..., H, W)
WINDOW = {"padding": (0, 1, 1), "wrap_longitude": True}
MEAN_SIZE = 31
# of the default network, without its features
HEAD_SOURCES, HEAD_WIDTHS = (32, 32, 32, 32), (96, 64, 2)


@dataclass(frozen=True)
class Sample:
    """One call: tensors (or None) by name, options, and the halo in rows that an output needs."""

    op: str
    masks: Masks
    channels: int
    dtype: str
    arrays: Arrays
    options: dict[str, Any]
    halo: int

    def call(self, backend: str) -> Any:
        """Run it on a backend."""
        return getattr(xsm_kernels, self.op)(**self.arrays, **self.options, backend=backend)

    def reference(self) -> Callable[..., Any]:
        """The definition as a function of the arrays, for torch.compile."""
        function = load(self.op, "reference")

        def run(arrays: Arrays) -> Any:
            return function(**arrays, **self.options)

        return run

    def runnable(self) -> dict[str, str | None]:
        """Backends of this operation, and why each cannot run on this machine (None: it can)."""
        arrays = [a for b in self.arrays.values() for a in (b if isinstance(b, list) else [b])]
        return {name: unsupported_reason(self.op, name, arrays) for name in backends(self.op)}

    def flops(self, cells: float) -> float:
        """Operations for a number of output cells: 2 K C_in C_out each; 0 without weights."""
        return 2.0 * self.arrays["weight"].numel() * cells if "weight" in self.arrays else 0.0


def torch_dtype(dtype: str) -> torch.dtype:
    """The torch type that holds values of a working precision."""
    return getattr(torch, plain_dtype(dtype))


def plain_dtype(dtype: str) -> str:
    """Name of the type that holds values of a working precision."""
    return "float32" if dtype == "tf32" else dtype


@contextmanager
def precision(dtype: str) -> Any:
    """Products and convolutions in IEEE float32, or in TensorFloat-32 where `dtype` is tf32."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = dtype == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _values(masks: Masks, channels: int, dtype: str, device: str) -> Arrays:
    # unobserved cells hold wrong values: a kernel that reads them fails parity
    generator = torch.Generator(device).manual_seed(0)
    shape = (1, channels, *masks.mask.shape)
    x = torch.randn(shape, generator=generator, device=device, dtype=torch_dtype(dtype))
    return {"x": x, **_mask(masks, device)}


def _mask(masks: Masks, device: str) -> Arrays:
    return {"mask": torch.from_numpy(masks.mask).to(device)[None, None]}


def _active(masks: Masks, device: str) -> Any:
    return None if masks.active is None else torch.from_numpy(masks.active).to(device)


def _convolution(masks: Masks, channels: int, dtype: str, device: str) -> Sample:
    rng = np.random.default_rng(0)
    shape = (channels, channels, 3, 3, 3)
    weight = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    bias = rng.standard_normal(channels)
    torch_type = torch_dtype(dtype)
    arrays = _values(masks, channels, dtype, device) | {
        "weight": torch.from_numpy(weight).to(device, torch_type),
        "bias": torch.from_numpy(bias).to(device, torch_type),
        "active": _active(masks, device),
    }
    options = {"activation": "relu", **WINDOW}
    return Sample("masked_conv3d", masks, channels, dtype, arrays, options, 1)


def _convolution_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    y, mask = xsm_kernels.masked_conv3d(**arrays, **options, backend="reference")
    plain = {name: option for name, option in options.items() if name != "activation"}
    # rounding errors are measured against this, as in tests/kernels
    scale, _ = xsm_kernels.masked_conv3d(**_absolute(arrays), **plain, backend="reference")
    return [(y, tolerance * scale), (mask, None)]


def _mask_update(masks: Masks, channels: int, dtype: str, device: str) -> Sample:
    arrays = _mask(masks, device) | {"active": _active(masks, device)}
    options = {"kernel_size": (3, 3, 3), **WINDOW}
    return Sample("update_mask", masks, 1, dtype, arrays, options, 1)


def _mask_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    return [(xsm_kernels.update_mask(**arrays, **options, backend="reference"), None)]


def _mean(masks: Masks, channels: int, dtype: str, device: str) -> Sample:
    options = {"size": MEAN_SIZE, "wrap_longitude": True}
    arrays = _values(masks, 1, dtype, device)
    return Sample("masked_mean", masks, 1, dtype, arrays, options, MEAN_SIZE // 2)


def _mean_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    mean, fraction = xsm_kernels.masked_mean(**arrays, **options, backend="reference")
    scale, _ = xsm_kernels.masked_mean(**_absolute(arrays), **options, backend="reference")
    return [(mean, tolerance * scale), (fraction, tolerance * fraction)]


def _layers(masks: Masks, channels: int, dtype: str, device: str) -> Sample:
    rng, torch_type = np.random.default_rng(0), torch_dtype(dtype)
    sources = (*HEAD_SOURCES, 17) if channels == 32 else (channels,)
    widths = (sum(sources), *(HEAD_WIDTHS if channels == 32 else (channels, 2)))

    def tensor(shape: tuple[int, ...]) -> torch.Tensor:
        values = rng.standard_normal(shape) / np.sqrt(shape[-1])
        return torch.from_numpy(values).to(device, torch_type)

    arrays = {
        "sources": [_values(masks, width, dtype, device)["x"] for width in sources],
        "weights": [tensor((b, a)) for a, b in zip(widths, widths[1:], strict=False)],
        "biases": [tensor((width,)) for width in widths[1:]],
        "active": _active(masks, device),
        **_mask(masks, device),
    }
    options = {"activations": ("relu",) * (len(widths) - 2) + (None,)}
    return Sample("pointwise_layers", masks, channels, dtype, arrays, options, 0)


def _layers_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    y, mask = xsm_kernels.pointwise_layers(**arrays, **options, backend="reference")
    layers = len(options["activations"])
    scale, _ = xsm_kernels.pointwise_layers(
        **_absolute(arrays), activations=(None,) * layers, backend="reference"
    )
    # each layer rounds its result, as in tests/kernels
    return [(y, layers * tolerance * scale), (mask, None)]


def map_tensors(function: Callable[[torch.Tensor], torch.Tensor], array: Any) -> Any:
    """`function` of a tensor or of each tensor of a list; None stays None."""
    if isinstance(array, list):
        return [function(a) for a in array]
    return None if array is None else function(array)


def _absolute(arrays: Arrays) -> Arrays:
    return {
        name: map_tensors(lambda a: a if a.dtype == torch.bool else a.abs(), array)
        for name, array in arrays.items()
    }


# operation -> how a sample is made, and its results in float64 with their allowed errors
OPERATIONS: dict[str, tuple[Callable[..., Sample], Callable[..., Bounds]]] = {
    "masked_conv3d": (_convolution, _convolution_bounds),
    "update_mask": (_mask_update, _mask_bounds),
    "masked_mean": (_mean, _mean_bounds),
    "pointwise_layers": (_layers, _layers_bounds),
}
# operations of the dispatch table that benchmarks.speed.recurrent measures
RECURRENT = {"lstm", "self_attention"}


def make_sample(
    op: str, masks: Masks, channels: int = 32, dtype: str = "float32", device: str = "cpu"
) -> Sample:
    """The call of `op` that is timed on a synthetic input."""
    return OPERATIONS[op][0](masks, channels, dtype, device)
