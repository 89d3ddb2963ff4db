"""Time the default network over a month: streaming and nine-day windows, PyTorch and kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import xsm_kernels
from benchmarks.speed import timing
from benchmarks.speed.operation_samples import plain_dtype, precision, torch_dtype
from benchmarks.speed.parity_gate import Call, Row, verified_calls
from benchmarks.speed.speed_tables import FUSED, NO_GRAPH, ONE_BY_ONE, STREAMING, WINDOWS
from xsm.gapfilling.statistics import COUNT, MEAN, STATISTICS, STD
from xsm.networks.block_inference import fill_block, record_statistics
from xsm.networks.features import channels, features
from xsm.networks.model import make_model
from xsm.networks.partial_conv import default, initial_params, partial_conv_network, reach
from xsm_kernels.dispatch import backends, load, unsupported_reason

COMPILED = "torch.compile, streaming"
ALLOWED = 1e-5  # m3 m-3 in float32, as in tests/networks


@dataclass(frozen=True)
class Patch:
    """Days and cells with the halo of a model: values (T + 8, H + 2 h, W + 2 h), stats (5, ...)."""

    values: NDArray[np.float32]
    stats: NDArray[np.float32]


def small_model() -> Any:
    """The default network with few channels, one scale and random weights: for dry runs."""
    config = default(width=4, hidden=8)
    config |= {"scales": [3], "features": channels([3])}
    rng = np.random.default_rng(0)
    params = {
        name: array + 0.1 * rng.standard_normal(array.shape, np.float32)
        for name, array in initial_params(config).items()
    }
    return make_model("small", {"config": config}, params)


def patches(record: NDArray[np.float32], model: Any, size: tuple[int, int], count: int) -> list:
    """`count` patches of `size` (rows, columns), evenly spread over those with land."""
    days, up, aside = model.halo
    stats = record_statistics(record, wrap=True)[: len(STATISTICS)]  # the network, no season
    margins = ((0, 0), (up, up), (0, 0)), ((0, 0), (0, 0), (aside, aside))
    values = np.pad(np.pad(record, margins[0], constant_values=np.nan), margins[1], mode="wrap")
    values = np.pad(values, ((days, days), (0, 0), (0, 0)), constant_values=np.nan)
    stats = np.pad(np.pad(stats, margins[0]), margins[1], mode="wrap")
    on_land = []
    for i in range(0, record.shape[1] - size[0] + 1, size[0]):
        for j in range(0, record.shape[2] - size[1] + 1, size[1]):
            if np.isfinite(record[:, i : i + size[0], j : j + size[1]]).any():
                part = (slice(None), slice(i, i + size[0] + 2 * up))
                part += (slice(j, j + size[1] + 2 * aside),)
                on_land.append(Patch(*(np.ascontiguousarray(a[part]) for a in (values, stats))))
    chosen = np.linspace(0, len(on_land) - 1, min(count, len(on_land))).round().astype(int)
    return [on_land[i] for i in chosen]


def backend_ops(
    convolve: Callable[..., Any] | None = None, backend: str = "reference", fused: bool = False
) -> Any:
    """Operations of a network on one backend; `convolve` replaces its convolution.

    With `fused`, the pointwise layers run as one kernel.
    """
    ops = SimpleNamespace(
        masked_conv3d=convolve or partial(xsm_kernels.masked_conv3d, backend=backend),
        masked_mean=partial(xsm_kernels.masked_mean, backend=backend),
    )
    if fused:
        ops.pointwise_layers = partial(xsm_kernels.pointwise_layers, backend=backend)
    return ops


def network(values: Any, stats: Any, params: Any, model: Any, ops: Any) -> Any:
    """Mean (T, H, W) of tensors with halo, by the definition of the network."""
    config = model.config
    inputs = features(values, stats, ops, scales=config["scales"])
    _, rows, columns = reach(config)
    # the features at several scales have used their part of the halo
    up, aside = model.halo[1] - rows, model.halo[2] - columns
    dtype = next(iter(params.values())).dtype
    inputs = {
        name: (_crop(x, up, aside).to(dtype), _crop(m, up, aside))
        for name, (x, m) in inputs.items()
    }
    land = _crop(stats[COUNT] > 0, up, aside)
    output, mask = partial_conv_network(params, inputs, config, ops, land=land)
    core = _crop(stats, *model.halo[1:])
    mean = core[MEAN] + core[STD] * _crop(output[0, 0], rows, columns)
    return torch.where(_crop(mask[0, 0], rows, columns), mean, torch.nan)


def _crop(x: Any, rows: int, columns: int) -> Any:
    return x[..., rows : x.shape[-2] - rows, columns : x.shape[-1] - columns]


class TorchRun:
    """The network in PyTorch: NumPy patches in, means out, on a device in a precision."""

    def __init__(self, model: Any, device: str, dtype: str, ops: Any) -> None:
        self.model, self.device, self.ops = model, device, ops
        torch_type = torch_dtype(dtype)
        self.params = {
            name: torch.from_numpy(array).to(device, torch_type)
            for name, array in model.params.items()
        }

    def stream(self, patch: Patch, dtype: torch.dtype = torch.float32) -> NDArray[np.floating]:
        """The whole record at once."""
        inputs = [torch.from_numpy(a).to(self.device, dtype) for a in (patch.values, patch.stats)]
        return network(*inputs, self.params, self.model, self.ops).cpu().numpy()

    def by_window(self, patch: Patch, stride: int) -> NDArray[np.floating]:
        """One nine-day window for every `stride`-th day."""
        width = 2 * self.model.halo[0] + 1
        starts = range(0, patch.values.shape[0] - width + 1, stride)
        days = [self.stream(Patch(patch.values[t : t + width], patch.stats)) for t in starts]
        return np.concatenate(days)


def expected(model: Any, patch: Patch, days: int = 2, side: int = 24) -> NDArray[np.float64]:
    """The first days and cells of a patch by the reference in float64."""
    before, up, aside = model.halo
    cut = (slice(None, side + 2 * up), slice(None, side + 2 * aside))
    part = Patch(patch.values[(slice(days + 2 * before), *cut)], patch.stats[(slice(None), *cut)])
    exact = TorchRun(model, "cpu", "float64", backend_ops())
    return exact.stream(part, torch.float64)


def difference(mean: NDArray[np.floating], reference: NDArray[np.floating]) -> float:
    """Largest difference, m3 m-3; infinite where only one of the two is missing."""
    mean = np.asarray(mean, np.float64)[tuple(slice(n) for n in reference.shape)]
    if mean.shape != reference.shape or not np.array_equal(np.isnan(mean), np.isnan(reference)):
        return float("inf")
    return float(np.nanmax(np.abs(mean - reference), initial=0.0))


def measure(
    model: Any,
    patches: list[Patch],
    *,
    device: str,
    dtype: str = "float32",
    stride: int = 1,
    compiled: bool = True,
    alternatives: bool = False,
    keep_going: bool = False,
    **limits: Any,
) -> list[Row]:
    """Verify and time the network on patches; seconds are for all of them and all their days.

    `alternatives` adds the GPU path without its graph and without its fused layers. `stride` is the
    step in days of the windows variant, whose time is multiplied accordingly.
    """
    days, rows, columns = model.halo
    shape = patches[0].values.shape
    common = {
        "group": "network", "case": "land", "dtype": dtype, "patches": len(patches),
        "shape": [shape[0] - 2 * days, shape[1] - 2 * rows, shape[2] - 2 * columns],
    }  # fmt: skip
    with torch.inference_mode(), precision(dtype):
        reference = expected(model, patches[0])

        def judge(name: str, means: Any) -> tuple[Row, float]:
            error = difference(means[0], reference[:1] if name == WINDOWS else reference)
            # recorded, but not required, in reduced precision and under torch.compile
            required = dtype == "float32" and name != COMPILED
            row = {"difference": error, "scaled_by": _scale(name, common["shape"][0], stride)}
            return row, error / ALLOWED if required else 0.0

        runs = _variants(model, device, dtype, stride, compiled, alternatives)
        variants = {name: partial(_on_patches, patches, make) for name, make in runs.items()}
        rows_out, calls = verified_calls(common, variants, judge, keep_going=keep_going)
        timed = timing.interleaved(calls, device=device, **limits)
    for row in rows_out:
        if times := timed.get(row["variant"]):
            row |= times | {
                key: times[key] * row["scaled_by"] for key in ("median_s", "p20_s", "p80_s")
            }
    return rows_out


def _on_patches(patches: list[Patch], make: Callable[[], Callable[[Patch], Any]]) -> Call:
    run = make()
    return lambda: [run(patch) for patch in patches]


def _scale(name: str, days: int, stride: int) -> float:
    return days / len(range(0, days, stride)) if name == WINDOWS else 1.0


def _variants(
    model: Any, device: str, dtype: str, stride: int, compiled: bool, alternatives: bool
) -> dict[str, Callable[[], Callable[[Patch], Any]]]:
    reference = backend_ops()
    variants: dict[str, Any] = {
        STREAMING: lambda: TorchRun(model, device, dtype, reference).stream,
        WINDOWS: lambda: partial(
            TorchRun(model, device, dtype, reference).by_window, stride=stride
        ),
    }
    if compiled:
        variants[COMPILED] = lambda: TorchRun(model, device, dtype, _compiled_ops()).stream
    probe = [torch.zeros((1, 1, 1, 1, 1), dtype=torch_dtype(dtype), device=device)]
    for backend in backends("masked_conv3d"):
        if backend != "reference" and unsupported_reason("masked_conv3d", backend, probe) is None:
            variants[backend] = lambda backend=backend: block_run(model, backend, device, dtype)
    if "triton" in variants and alternatives:
        variants[NO_GRAPH] = lambda: block_run(model, "triton", device, dtype, graph=False)
        for name, fused in ((FUSED, True), (ONE_BY_ONE, False)):
            ops = backend_ops(backend="triton", fused=fused)
            variants[name] = lambda ops=ops: TorchRun(model, device, dtype, ops).stream
    return variants


def block_run(
    model: Any, backend: str, device: str, dtype: str, **options: Any
) -> Callable[[Patch], Any]:
    """The network on a patch as ``xsm.gapfill`` runs it, by ``fill_block``."""
    options |= {"backend": backend}
    if backend != "numba":
        options |= {"device": device, "dtype": plain_dtype(dtype)}
    return lambda patch: fill_block(patch.values, patch.stats, model, **options)[0]


def _compiled_ops() -> Any:
    """The reference with its convolutions under torch.compile, one compilation per layer."""
    torch.compiler.reset()
    torch._dynamo.config.recompile_limit = 64
    run = torch.compile(load("masked_conv3d", "reference"), dynamic=False)
    return backend_ops(lambda x, mask, weight, bias, **more: run(x, mask, weight, bias, **more))
