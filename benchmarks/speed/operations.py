"""One call of every operation, to be verified and timed alike: arrays, options, what is right.

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
from benchmarks.speed.scenes import Scene
from xsm_kernels.dispatch import backends, load, unsupported_reason

Arrays = dict[str, Any]
Bounds = list[tuple[torch.Tensor, torch.Tensor | None]]
BY_CELL = ("x", "mask", "active", "sources")  # arrays (..., H, W)
WINDOW = {"padding": (0, 1, 1), "wrap_longitude": True}
MEAN_SIZE = 31
HEAD_SOURCES, HEAD = (32, 32, 32, 32), (96, 64, 2)  # of the default network, features apart


@dataclass(frozen=True)
class Sample:
    """One call: tensors (or None) by name, options, and the rows an output depends on each side."""

    op: str
    scene: Scene
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
        """Backends with a row for this operation, and why one cannot run here (None: it can)."""
        given = [a for b in self.arrays.values() for a in (b if isinstance(b, list) else [b])]
        return {name: unsupported_reason(self.op, name, given) for name in backends(self.op)}

    def flops(self, cells: float) -> float:
        """Operations for so many output cells: 2 K C_in C_out each; 0 without weights."""
        return 2.0 * self.arrays["weight"].numel() * cells if "weight" in self.arrays else 0.0


def torch_dtype(dtype: str) -> torch.dtype:
    """The type that holds values of a working precision."""
    return getattr(torch, plain_dtype(dtype))


def plain_dtype(dtype: str) -> str:
    """Its name."""
    return "float32" if dtype == "tf32" else dtype


@contextmanager
def precision(dtype: str) -> Any:
    """float32 is IEEE in products and convolutions, tf32 is tf32."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if dtype == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = dtype == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _values(scene: Scene, channels: int, dtype: str, device: str) -> Arrays:
    # values under the mask are there and wrong: whoever uses them fails parity
    source = torch.Generator(device).manual_seed(0)
    shape = (1, channels, *scene.mask.shape)
    x = torch.randn(shape, generator=source, device=device, dtype=torch_dtype(dtype))
    return {"x": x, **_mask(scene, device)}


def _mask(scene: Scene, device: str) -> Arrays:
    return {"mask": torch.from_numpy(scene.mask).to(device)[None, None]}


def _active(scene: Scene, device: str) -> Any:
    return None if scene.active is None else torch.from_numpy(scene.active).to(device)


def _convolution(scene: Scene, channels: int, dtype: str, device: str) -> Sample:
    rng = np.random.default_rng(0)
    shape = (channels, channels, 3, 3, 3)
    weight = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    bias = rng.standard_normal(channels)
    kind = torch_dtype(dtype)
    arrays = _values(scene, channels, dtype, device) | {
        "weight": torch.from_numpy(weight).to(device, kind),
        "bias": torch.from_numpy(bias).to(device, kind),
        "active": _active(scene, device),
    }
    options = {"activation": "relu", **WINDOW}
    return Sample("masked_conv3d", scene, channels, dtype, arrays, options, 1)


def _convolution_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    y, mask = xsm_kernels.masked_conv3d(**arrays, **options, backend="reference")
    plain = {name: option for name, option in options.items() if name != "activation"}
    # what rounding errors are measured against, as in tests/kernels
    scale, _ = xsm_kernels.masked_conv3d(**_absolute(arrays), **plain, backend="reference")
    return [(y, tolerance * scale), (mask, None)]


def _mask_update(scene: Scene, channels: int, dtype: str, device: str) -> Sample:
    arrays = _mask(scene, device) | {"active": _active(scene, device)}
    options = {"kernel_size": (3, 3, 3), **WINDOW}
    return Sample("update_mask", scene, 1, dtype, arrays, options, 1)


def _mask_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    return [(xsm_kernels.update_mask(**arrays, **options, backend="reference"), None)]


def _mean(scene: Scene, channels: int, dtype: str, device: str) -> Sample:
    options = {"size": MEAN_SIZE, "wrap_longitude": True}
    arrays = _values(scene, 1, dtype, device)
    return Sample("masked_mean", scene, 1, dtype, arrays, options, MEAN_SIZE // 2)


def _mean_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    mean, fraction = xsm_kernels.masked_mean(**arrays, **options, backend="reference")
    scale, _ = xsm_kernels.masked_mean(**_absolute(arrays), **options, backend="reference")
    return [(mean, tolerance * scale), (fraction, tolerance * fraction)]


def _layers(scene: Scene, channels: int, dtype: str, device: str) -> Sample:
    rng, kind = np.random.default_rng(0), torch_dtype(dtype)
    sources = (*HEAD_SOURCES, 17) if channels == 32 else (channels,)
    widths = (sum(sources), *(HEAD if channels == 32 else (channels, 2)))

    def tensor(shape: tuple[int, ...]) -> torch.Tensor:
        values = rng.standard_normal(shape) / np.sqrt(shape[-1])
        return torch.from_numpy(values).to(device, kind)

    arrays = {
        "sources": [_values(scene, width, dtype, device)["x"] for width in sources],
        "weights": [tensor((b, a)) for a, b in zip(widths, widths[1:], strict=False)],
        "biases": [tensor((width,)) for width in widths[1:]],
        "active": _active(scene, device),
        **_mask(scene, device),
    }
    options = {"activations": ("relu",) * (len(widths) - 2) + (None,)}
    return Sample("pointwise_layers", scene, channels, dtype, arrays, options, 0)


def _layers_bounds(arrays: Arrays, options: dict[str, Any], tolerance: float) -> Bounds:
    y, mask = xsm_kernels.pointwise_layers(**arrays, **options, backend="reference")
    layers = len(options["activations"])
    scale, _ = xsm_kernels.pointwise_layers(
        **_absolute(arrays), activations=(None,) * layers, backend="reference"
    )
    # each layer rounds its result, as in tests/kernels
    return [(y, layers * tolerance * scale), (mask, None)]


def each(function: Callable[[torch.Tensor], torch.Tensor], array: Any) -> Any:
    """`function` of a tensor, of each of a list, or None of None."""
    if isinstance(array, list):
        return [function(a) for a in array]
    return None if array is None else function(array)


def _absolute(arrays: Arrays) -> Arrays:
    return {
        name: each(lambda a: a if a.dtype == torch.bool else a.abs(), array)
        for name, array in arrays.items()
    }


# operation -> how a sample is made, and what is right (float64 results, allowed error of each)
OPERATIONS: dict[str, tuple[Callable[..., Sample], Callable[..., Bounds]]] = {
    "masked_conv3d": (_convolution, _convolution_bounds),
    "update_mask": (_mask_update, _mask_bounds),
    "masked_mean": (_mean, _mean_bounds),
    "pointwise_layers": (_layers, _layers_bounds),
}
ELSEWHERE = {"lstm", "self_attention"}  # operations of the table that have a benchmark of their own


def make_sample(
    op: str, scene: Scene, channels: int = 32, dtype: str = "float32", device: str = "cpu"
) -> Sample:
    """The call of `op` that is timed on a scene."""
    return OPERATIONS[op][0](scene, channels, dtype, device)
