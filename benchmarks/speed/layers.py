"""One operation: every row of the dispatch table beside what PyTorch offers for the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

import xsm_kernels
from benchmarks.speed import parity, timing
from benchmarks.speed.operations import WINDOW, Sample, precision
from benchmarks.speed.tables import CHANNELS_LAST, COMPILED, ONE_BY_ONE, PACKED, UNMASKED
from benchmarks.speed.verified import Call, Row, verified
from xsm_kernels.dispatch import load

TILE = 8  # side of the squares of cells that count as computed


def measure(
    sample: Sample, *, device: str, compiled: bool = True, keep_going: bool = False, **limits: Any
) -> list[Row]:
    """Verify and time all ways to run `sample`.

    Parameters
    ----------
    compiled : bool
        Also time the reference under torch.compile.
    keep_going : bool
        A row that fails parity is left out and said to be, where otherwise nothing is timed.
    **limits
        ``rounds``, ``least`` and ``seconds`` of :func:`benchmarks.speed.timing.interleaved`.

    Raises
    ------
    ParityError
    """
    with torch.inference_mode(), precision(sample.dtype):
        expected = parity.expect(sample)

        def judge(name: str, output: Any) -> tuple[Row, float]:
            if name == UNMASKED:
                return {"backend": None}, 0.0
            # "triton, packed" is a row of triton
            backend = name.split(",")[0] if name.split(",")[0] in sample.runnable() else None
            share = parity.worst(output, expected)
            # a library's own choice in reduced precision or on a GPU is not ours to demand
            ours = backend not in (None, "reference") or (backend and device == "cpu")
            return {"backend": backend, "worst": share}, share if ours else 0.0

        about, variants = _about(sample), _variants(sample, compiled)
        rows, calls = verified(about, variants, judge, keep_going=keep_going)
        found = timing.interleaved(calls, device=device, **limits)
    absent = {name: why for name, why in sample.runnable().items() if why}
    rows += [about | {"variant": n, "backend": n, "note": f"not here: {absent[n]}"} for n in absent]
    rated = "weight" in sample.arrays
    cells = _cells(sample) if rated else {}
    for row in rows:
        if row["variant"] in found:
            row |= found[row["variant"]]
            if rated:
                row |= _rates(sample, cells, row["median_s"])
    return rows


def _variants(sample: Sample, compiled: bool) -> dict[str, Callable[[], Call]]:
    """How each variant is prepared; what that takes is not timed."""
    found: dict[str, Callable[[], Call]] = {
        backend: lambda backend=backend: lambda: sample.call(backend)
        for backend, reason in sample.runnable().items()
        if reason is None
    }
    if compiled:
        found[COMPILED] = lambda: compile_reference(sample)
    if found.get("triton") and sample.op in OTHER_WAYS:
        way, prepare = OTHER_WAYS[sample.op]
        found[f"triton, {way}"] = lambda: prepare(sample)
    if sample.op == "masked_conv3d":
        found[CHANNELS_LAST] = lambda: _channels_last(sample)
        found[UNMASKED] = lambda: _unmasked(sample)
    return found


def _packed(sample: Sample) -> Call:
    update = load("update_mask", "triton")
    mask, active = sample.arrays["mask"], sample.arrays["active"]
    active = None if active is None else active[None]
    return lambda: update(mask, active, **sample.options, packed=True)


def _one_by_one(sample: Sample) -> Call:
    from xsm_kernels.pointwise_layers._triton import one_by_one

    names = ("sources", "mask", "weights", "biases", "active")
    given = [sample.arrays[name] for name in names]
    given[4] = None if given[4] is None else given[4][None]
    return lambda: one_by_one(*given, sample.options["activations"])


# operation -> another way of its triton row, to be measured against the one that is taken
OTHER_WAYS = {"update_mask": (PACKED, _packed), "pointwise_layers": (ONE_BY_ONE, _one_by_one)}


def compile_reference(sample: Sample) -> Call:
    """The reference under torch.compile, for these shapes."""
    torch.compiler.reset()
    run = torch.compile(sample.reference(), dynamic=False)
    return lambda: run(sample.arrays)


def _channels_last(sample: Sample) -> Call:
    turned = {
        name: array.to(memory_format=torch.channels_last_3d) if name in ("x", "weight") else array
        for name, array in sample.arrays.items()
    }
    run = sample.reference()
    return lambda: run(turned)


def _unmasked(sample: Sample) -> Call:
    x, weight, bias = (sample.arrays[name] for name in ("x", "weight", "bias"))
    padding = sample.options["padding"]
    return lambda: functional.conv3d(x, weight, bias, padding=padding)


def _about(sample: Sample) -> Row:
    return {
        "group": "operation",
        "op": sample.op,
        "case": sample.scene.name,
        "percent": sample.scene.percent,
        "channels": sample.channels,
        "shape": [1, sample.channels, *sample.scene.mask.shape],
        "dtype": sample.dtype,
    }


def _cells(sample: Sample) -> dict[str, float]:
    """Output cells: all, those that hold a result, and those of tiles that hold one."""
    # (T', H, W)
    known = xsm_kernels.update_mask(
        sample.arrays["mask"],
        tuple(sample.arrays["weight"].shape[2:]),
        active=sample.arrays["active"],
        **WINDOW,
        backend="reference",
    )[0, 0]
    whole = functional.max_pool2d(known[:, None].float(), TILE, ceil_mode=True)
    tiles = min(float(whole.sum()) * TILE * TILE, known.numel())
    return {"dense": known.numel(), "useful": float(known.sum()), "tiles": tiles}


def _rates(sample: Sample, cells: dict[str, float], seconds: float) -> Row:
    """GFLOP/s by what is counted, and operations per byte that has to move."""
    rates: Row = {
        f"gflops_{name}": sample.flops(count) / seconds / 1e9 for name, count in cells.items()
    }
    x, weight = sample.arrays["x"], sample.arrays["weight"]
    moved = x.numel() + weight.numel() + weight.shape[0] * cells["dense"]
    # read and written once each; the masks are bytes
    moved = moved * x.element_size() + math.prod(sample.scene.mask.shape) + cells["dense"]
    return rates | {"intensity": sample.flops(cells["useful"]) / moved}
