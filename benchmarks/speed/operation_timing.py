"""Time one operation: every row of the dispatch table beside what PyTorch offers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

import xsm_kernels
from benchmarks.speed import parity_gate, sparse_convolutions, timing
from benchmarks.speed.operation_samples import WINDOW, Sample, precision
from benchmarks.speed.parity_gate import Call, Row, verified_calls
from benchmarks.speed.speed_tables import CHANNELS_LAST, COMPILED, ONE_BY_ONE, PACKED, UNMASKED
from tests.kernels.samples import TOLERANCE
from xsm_kernels.dispatch import load

WRONG = 16  # times the allowed error: not rounding, but another result
TILE = 8  # cells; a kernel that skips empty tiles computes whole tiles of this side


def measure(
    sample: Sample, *, device: str, compiled: bool = True, keep_going: bool = False, **limits: Any
) -> list[Row]:
    """Verify and time all ways to run `sample`.

    Parameters
    ----------
    compiled : bool
        Also time the reference under torch.compile.
    keep_going : bool
        Leave out a row that fails parity and note it, instead of raising.
    **limits
        ``rounds``, ``min_rounds`` and ``seconds`` of :func:`benchmarks.speed.timing.interleaved`.

    Raises
    ------
    ParityError
    """
    with torch.inference_mode(), precision(sample.dtype):
        expected = parity_gate.expected_results(sample)

        def judge(name: str, output: Any) -> tuple[Row, float]:
            if name in sparse_convolutions.SPARSE:
                fraction = sparse_convolutions.tolerance_fraction(sample, output)
                return {"backend": None, "tolerance_fraction": fraction}, fraction / WRONG
            if name == UNMASKED:
                fraction = _unmasked_fraction(sample, output)
                return {"backend": None, "tolerance_fraction": fraction}, fraction / WRONG
            # "triton, packed" is a row of triton
            backend = name.split(",")[0] if name.split(",")[0] in sample.runnable() else None
            fraction = parity_gate.tolerance_fraction(output, expected)
            # PyTorch itself rounds after each step in reduced precision; what is far off is wrong
            required = backend not in (None, "reference") or (backend and device == "cpu")
            row = {"backend": backend, "tolerance_fraction": fraction}
            return row, fraction if required else fraction / WRONG

        common, variants = _common(sample), _variants(sample, compiled)
        rows, calls = verified_calls(common, variants, judge, keep_going=keep_going)
        times = timing.interleaved(calls, device=device, **limits)
    absent = {name: reason for name, reason in sample.runnable().items() if reason}
    rows += [
        common | {"variant": name, "backend": name, "note": f"not available: {reason}"}
        for name, reason in absent.items()
    ]
    rated = "weight" in sample.arrays
    cells = _cells(sample) if rated else {}
    for row in rows:
        if row["variant"] in times:
            row |= times[row["variant"]]
            if rated:
                row |= _rates(sample, cells, row["median_s"])
    return rows


def _variants(sample: Sample, compiled: bool) -> dict[str, Callable[[], Call]]:
    """How each variant is prepared; preparation is not timed."""
    variants: dict[str, Callable[[], Call]] = {
        backend: lambda backend=backend: lambda: sample.call(backend)
        for backend, reason in sample.runnable().items()
        if reason is None
    }
    if compiled:
        variants[COMPILED] = lambda: compile_reference(sample)
    if variants.get("triton") and sample.op in ALTERNATIVES:
        name, prepare = ALTERNATIVES[sample.op]
        variants[f"triton, {name}"] = lambda: prepare(sample)
    if sample.op == "masked_conv3d":
        sparse = sample.masks.active is not None and sample.dtype in ("bfloat16", "float16")
        if sparse and sample.arrays["x"].is_cuda:
            variants |= sparse_convolutions.variants(sample)
        variants[CHANNELS_LAST] = lambda: _channels_last(sample)
        variants[UNMASKED] = lambda: _unmasked(sample)
    return variants


def _packed(sample: Sample) -> Call:
    update = load("update_mask", "triton")
    mask, active = sample.arrays["mask"], sample.arrays["active"]
    active = None if active is None else active[None]
    return lambda: update(mask, active, **sample.options, packed=True)


def _one_by_one(sample: Sample) -> Call:
    from xsm_kernels.pointwise_layers._triton import one_by_one

    names = ("sources", "mask", "weights", "biases", "active")
    arrays = [sample.arrays[name] for name in names]
    arrays[4] = None if arrays[4] is None else arrays[4][None]
    return lambda: one_by_one(*arrays, sample.options["activations"])


# operation -> an alternative to its triton row, to be compared with it
ALTERNATIVES = {
    "update_mask": (PACKED, _packed),
    "pointwise_layers": (ONE_BY_ONE, _one_by_one),
    # as a layer of a network hands it on
    "masked_conv3d": (CHANNELS_LAST, lambda sample: _channels_last(sample, "triton")),
}


def compile_reference(sample: Sample) -> Call:
    """The reference under torch.compile, for these shapes."""
    torch.compiler.reset()
    run = torch.compile(sample.reference(), dynamic=False)
    return lambda: run(sample.arrays)


def _channels_last(sample: Sample, backend: str = "reference") -> Call:
    channels_last = {
        name: array.to(memory_format=torch.channels_last_3d) if name in ("x", "weight") else array
        for name, array in sample.arrays.items()
    }
    run = getattr(xsm_kernels, sample.op)
    return lambda: run(**channels_last, **sample.options, backend=backend)


def _unmasked(sample: Sample) -> Call:
    x, weight, bias = (sample.arrays[name] for name in ("x", "weight", "bias"))
    padding = sample.options["padding"]
    return lambda: functional.conv3d(x, weight, bias, padding=padding)


def _unmasked_fraction(sample: Sample, output: torch.Tensor) -> float:
    """Error of a plain convolution against float64 at three places, by the allowed error.

    cuDNN has returned wrong values for large inputs in bfloat16 (pytorch#163539).
    """
    x, weight, bias = (sample.arrays[name] for name in ("x", "weight", "bias"))
    worst = 0.0
    for day in {0, output.shape[2] // 2, output.shape[2] - 1}:
        for row in {1, output.shape[3] // 2, output.shape[3] - 2}:
            part = x[:, :, day : day + 3, row - 1 : row + 2].double()
            exact, size = (
                functional.conv3d(f(part), f(weight.double()), f(bias.double()), padding=(0, 0, 1))
                for f in (torch.clone, torch.abs)
            )
            error = (output[:, :, day : day + 1, row : row + 1].double() - exact).abs()
            worst = max(worst, float((error / (TOLERANCE[sample.dtype] * size)).max()))
    return worst


def _common(sample: Sample) -> Row:
    return {
        "group": "operation",
        "op": sample.op,
        "case": sample.masks.name,
        "percent": sample.masks.percent,
        "channels": sample.channels,
        "shape": [1, sample.channels, *sample.masks.mask.shape],
        "dtype": sample.dtype,
    }


def _cells(sample: Sample) -> dict[str, float]:
    """Number of output cells: all, those with a result, and those of tiles with a result."""
    # (T', H, W)
    valid = xsm_kernels.update_mask(
        sample.arrays["mask"],
        tuple(sample.arrays["weight"].shape[2:]),
        active=sample.arrays["active"],
        **WINDOW,
        backend="reference",
    )[0, 0]
    tile_mask = functional.max_pool2d(valid[:, None].float(), TILE, ceil_mode=True)
    tiles = min(float(tile_mask.sum()) * TILE * TILE, valid.numel())
    return {"dense": valid.numel(), "active": float(valid.sum()), "tiles": tiles}


def _rates(sample: Sample, cells: dict[str, float], seconds: float) -> Row:
    """GFLOP/s by the cells counted, and operations per byte of memory traffic."""
    rates: Row = {
        f"gflops_{name}": sample.flops(count) / seconds / 1e9 for name, count in cells.items()
    }
    x, weight = sample.arrays["x"], sample.arrays["weight"]
    traffic = x.numel() + weight.numel() + weight.shape[0] * cells["dense"]
    # each array read or written once; the masks are bytes
    traffic = traffic * x.element_size() + math.prod(sample.masks.mask.shape) + cells["dense"]
    return rates | {"intensity": sample.flops(cells["active"]) / traffic}
