"""Random inputs, tolerances and the comparison that the kernel tests share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import xsm_kernels
from xsm_kernels.arguments import output_shape

# Allowed |error| against float64, as a part of sum |W||x| K/s + |b| + |residual| over the window
# (or of the mean of |x|). float64 and float32: 64 roundings (2^-53, 2^-24), the growth of sums of a
# few thousand terms; tf32: both factors rounded to 2^-11; float16, bfloat16: inputs are exact,
# sums are float32, the result is rounded once (2^-11, 2^-8), with as much again for the residual.
TOLERANCE = {
    "float64": 64 * 2.0**-53,
    "float32": 64 * 2.0**-24,
    "tf32": 2.0**-10,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}

# other backends: float32
DTYPES = {
    "reference": ["float64", "float32"],
    "numba": ["float32"],
    "torch": ["float64", "float32"],
    "triton": ["float32", "tf32", "bfloat16", "float16"],
}


@dataclass(frozen=True)
class Case:
    """One masked convolution: sizes and options."""

    shape: tuple[int, int, int, int, int] = (2, 3, 3, 9, 19)
    outputs: int = 4
    kernel: tuple[int, int, int] = (3, 3, 3)
    padding: tuple[int, int, int] = (0, 1, 1)
    dilation: tuple[int, int, int] = (1, 1, 1)
    wrap: bool = False
    activation: str | None = "relu"
    residual: bool = False
    active: float | None = None
    observed: float = 0.4
    seed: int = 0

    @property
    def cells(self) -> tuple[int, int, int]:
        return output_shape(self.shape, self.kernel, self.padding, self.dilation)

    @property
    def window(self) -> dict[str, Any]:
        return {
            "padding": self.padding,
            "dilation": self.dilation,
            "wrap_longitude": self.wrap,
        }


def round_to(array: np.ndarray | None, dtype: str) -> np.ndarray | None:
    """Float64 values that `dtype` can hold."""
    if array is None:
        return None
    kind = getattr(torch, "float32" if dtype == "tf32" else dtype)
    return torch.from_numpy(np.asarray(array)).to(kind).to(torch.float64).numpy()


def draw(case: Case, dtype: str = "float64") -> dict[str, Any]:
    """Arrays of the case, float64 that `dtype` can hold; NaN and Inf under the mask."""
    rng = np.random.default_rng(case.seed)
    batch, channels = case.shape[:2]
    mask = rng.random((batch, 1, *case.shape[2:])) < case.observed
    x = round_to(rng.normal(size=case.shape), dtype)
    x[~np.broadcast_to(mask, x.shape)] = np.nan
    x[np.isnan(x) & (rng.random(x.shape) < 0.3)] = np.inf
    scale = 1 / np.sqrt(channels * np.prod(case.kernel))
    weight = rng.normal(size=(case.outputs, channels, *case.kernel)) * scale
    residual = rng.normal(size=(batch, case.outputs, *case.cells)) if case.residual else None
    active = None if case.active is None else rng.random(case.cells) < case.active
    return {
        "x": x,
        "mask": mask,
        "weight": round_to(weight, dtype),
        "bias": round_to(rng.normal(size=case.outputs), dtype),
        "residual": round_to(residual, dtype),
        "active": active,
    }


def convert(array: np.ndarray | None, backend: str, dtype: str) -> Any:
    """The array as `backend` takes it: NumPy, or a tensor on the device that is there."""
    if array is None:
        return None
    if backend == "numba":
        return array if array.dtype == bool else array.astype(dtype)
    tensor = torch.from_numpy(array)
    if array.dtype != bool:
        tensor = tensor.to(getattr(torch, "float32" if dtype == "tf32" else dtype))
    on_gpu = backend == "triton" and torch.cuda.is_available()
    return tensor.cuda() if on_gpu else tensor


def convert_all(arrays: list[np.ndarray], backend: str, dtype: str) -> list[Any]:
    """Each of them as `backend` takes it."""
    return [convert(array, backend, dtype) for array in arrays]


def back(array: Any) -> np.ndarray:
    """Any result as NumPy, floats in float64."""
    if isinstance(array, torch.Tensor):
        array = array.cpu() if array.dtype == torch.bool else array.cpu().double()
        return array.numpy()
    return array if array.dtype == bool else array.astype("float64")


def skip_where_missing(backend: str) -> None:
    """Skip a triton row that neither a GPU nor the interpreter can run."""
    if backend == "triton" and not torch.cuda.is_available():
        if os.environ.get("TRITON_INTERPRET") != "1":
            import pytest  # benchmarks use this file where there is none

            pytest.skip("no GPU here; test_triton.py runs these rows interpreted")


def check_convolution(case: Case, backend: str, dtype: str, **changes: Any) -> None:
    """`backend` agrees with the reference in float64 within the tolerance of `dtype`."""
    arrays = draw(case, dtype) | changes
    options = case.window | {"activation": case.activation}
    expected, mask = xsm_kernels.masked_conv3d(**arrays, **options, backend="reference")
    # the same sum over absolute values: what rounding errors are measured against
    scale, _ = xsm_kernels.masked_conv3d(
        **{k: v if v is None or v.dtype == bool else np.abs(v) for k, v in arrays.items()},
        **case.window,
        backend="reference",
    )
    given = {name: convert(array, backend, dtype) for name, array in arrays.items()}
    y, new_mask = xsm_kernels.masked_conv3d(**given, **options, backend=backend)
    assert type(y) is type(given["x"]) and y.dtype == given["x"].dtype
    np.testing.assert_array_equal(back(new_mask), mask)
    error = np.abs(back(y) - expected)
    worst = np.max(error - TOLERANCE[dtype] * scale, initial=0)
    assert worst <= 0, f"off by {error.max():.3g}, {worst:.3g} more than {dtype} allows"
    assert not back(y)[~np.broadcast_to(mask, y.shape)].any()


def machine_code(loop: Any) -> str:
    """Assembly of a compiled loop, compiled here: a loop from the cache has none."""
    fresh = type(loop)(loop.py_func, targetoptions=loop.targetoptions)
    fresh.compile(loop.signatures[0])
    return fresh.inspect_asm(fresh.signatures[0])


@dataclass(frozen=True)
class Layers:
    """Layers of one cell: channels of the sources, outputs of the layers, and options."""

    sources: tuple[int, ...] = (3, 1)
    outputs: tuple[int, ...] = (5, 4)
    activations: tuple[str | None, ...] = ("relu", None)
    shape: tuple[int, int, int, int] = (2, 3, 5, 13)  # B, T, H, W
    active: float | None = None
    observed: float = 0.5
    seed: int = 0


def draw_layers(case: Layers, dtype: str = "float64") -> dict[str, Any]:
    """Arguments of the case, float64 that `dtype` can hold; NaN under the mask."""
    rng = np.random.default_rng(case.seed)
    batch, *cells = case.shape
    mask = rng.random((batch, 1, *cells)) < case.observed
    sources = [rng.normal(size=(batch, channels, *cells)) for channels in case.sources]
    sources = [np.where(mask, round_to(x, dtype), np.nan) for x in sources]
    widths = [sum(case.sources), *case.outputs]
    weights = [
        round_to(rng.normal(size=(after, before)) / np.sqrt(before), dtype)
        for before, after in zip(widths, case.outputs, strict=False)
    ]
    biases = [round_to(rng.normal(size=outputs), dtype) for outputs in case.outputs]
    active = None if case.active is None else rng.random(cells) < case.active
    return {
        "sources": sources, "mask": mask, "weights": weights, "biases": biases, "active": active,
    }  # fmt: skip


def check_layers(case: Layers, backend: str, dtype: str) -> None:
    """`backend` agrees with the reference in float64; each layer rounds once as the last does."""
    given = draw_layers(case, dtype)
    options = {"activations": case.activations}
    expected, mask = xsm_kernels.pointwise_layers(**given, **options, backend="reference")
    lists = ("sources", "weights", "biases")
    size = {name: [np.abs(a) for a in given[name]] for name in lists}
    plain = {"activations": (None,) * len(case.outputs), "backend": "reference"}
    scale, _ = xsm_kernels.pointwise_layers(**(given | size), **plain)
    inputs = {name: convert_all(given[name], backend, dtype) for name in lists}
    inputs |= {name: convert(given[name], backend, dtype) for name in ("mask", "active")}
    y, new_mask = xsm_kernels.pointwise_layers(**inputs, **options, backend=backend)
    assert type(y) is type(inputs["mask"]) and y.dtype == inputs["sources"][0].dtype
    np.testing.assert_array_equal(back(new_mask), mask)
    allowed = len(case.outputs) * TOLERANCE[dtype] * scale
    error = np.abs(back(y) - expected)
    assert (error <= allowed).all(), f"off by {error.max():.3g}"
    assert not back(y)[~np.broadcast_to(mask, y.shape)].any()
