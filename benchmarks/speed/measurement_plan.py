"""What is measured on which machine, most important first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benchmarks.speed import synthetic_masks

Rows = list[dict[str, Any]]
Measurement = tuple[str, Callable[[], Rows]]
CHANNEL_COUNTS = (32, 16, 64)  # of the layers; the default network's first


@dataclass(frozen=True)
class Plan:
    """Sizes of the inputs and limits of the timing.

    step : degrees of the global grid
    days : output days of a layer by channels; a global layer needs much memory
    occupancy_shape : channels, input days, rows and columns of the runs by occupancy
    percents : of active cells
    month, patch, patches : days, rows and columns, and number of the network's patches
    stride : step in days of the network's windows variant
    region : rows and columns of the record that xsm.gapfill fills
    tile : of xsm.gapfill; None for its default
    year : days that xsm.gapfill fills once, on a GPU; 0 for none
    dtypes : working precisions
    matrix_size : side of the matrix product whose rate is the ceiling
    compiled : whether torch.compile is timed
    limits : ``rounds``, ``min_rounds`` and ``seconds`` of one timing
    """

    step: float = 0.25
    days: dict[int, int] = field(default_factory=lambda: {32: 5, 16: 2, 64: 2})
    occupancy_shape: tuple[int, int, int, int] = (32, 7, 160, 320)
    percents: tuple[float, ...] = (1, 3, 10, 20, 40, 70, 100)
    month: int = 30
    patch: tuple[int, int] = (96, 96)
    patches: int = 6
    stride: int = 6
    region: tuple[slice, slice] = (slice(264, 360), slice(560, 1040))
    tile: tuple[int, int, int] | None = None
    year: int = 0
    dtypes: tuple[str, ...] = ("float32",)
    matrix_size: int = 4096
    compiled: bool = True
    limits: dict[str, Any] = field(
        default_factory=lambda: {"rounds": 7, "min_rounds": 3, "seconds": 10.0}
    )


FULL = Plan()
QUICK = Plan(
    step=1.0, days=dict.fromkeys(CHANNEL_COUNTS, 2), occupancy_shape=(32, 4, 60, 120),
    percents=(5, 50, 100), month=9, patch=(24, 24), patches=2, stride=9,
    region=(slice(60, 90), slice(140, 180)), matrix_size=1024, compiled=False,
    limits={"rounds": 3, "min_rounds": 3, "seconds": 5.0},
)  # fmt: skip
TINY = Plan(
    step=12.0, days=dict.fromkeys(CHANNEL_COUNTS, 1), occupancy_shape=(16, 3, 8, 16),
    percents=(50,), month=2, patch=(4, 4), patches=1, stride=1, region=(slice(2, 5), slice(15, 19)),
    matrix_size=64, compiled=False, limits={"rounds": 1, "min_rounds": 1, "seconds": 0.0}, year=2,
)  # fmt: skip
CUDA = Plan(
    days=dict.fromkeys(CHANNEL_COUNTS, 8), patch=(240, 480), patches=9, stride=6,
    region=(slice(None), slice(None)), tile=(30, 240, 480),
    year=365, dtypes=("bfloat16", "float32", "tf32", "float16"), matrix_size=8192,
    limits={"rounds": 15, "min_rounds": 3, "seconds": 2.0},
)  # fmt: skip


def measurements(plan: Plan, device: str, keep_going: bool) -> Iterator[Measurement]:
    """Names and calls of all measurements; each call returns rows."""
    from benchmarks.speed import gapfill_timing, network_timing, operation_timing
    from benchmarks.speed.operation_samples import OPERATIONS, make_sample
    from xsm.networks.block_inference import load_model

    common = {"device": device, "keep_going": keep_going}
    model = network_timing.small_model() if plan is TINY else load_model("default")
    gpu, tiny = device == "cuda", plan is TINY
    first = plan.dtypes[0]

    def operation(
        masks: synthetic_masks.Masks, channels: int, dtype: str, op: str, **options: Any
    ) -> Rows:
        sample = make_sample(op, masks, channels, dtype, device)
        return operation_timing.measure(sample, **common, **plan.limits, **options)

    def globe(case: str, channels: int, dtype: str, op: str = "masked_conv3d") -> Rows:
        days, step = plan.days[channels] + 2, plan.step
        if op == "pointwise_layers":  # many channels, and no neighbours needed
            days, step = 1, plan.step if gpu else 2 * plan.step
        masks = synthetic_masks.land(days, step)
        if case == "dense":
            masks = synthetic_masks.dense(*masks.mask.shape)
        # a compilation takes longer than all runs together
        compiled = plan.compiled and op == "masked_conv3d"
        compiled &= not gpu or (case == "land" and dtype == first and channels == 32)
        return operation(masks, channels, dtype, op, compiled=compiled)

    def network(dtype: str) -> Rows:
        record = synthetic_masks.record(plan.month, plan.step)
        patches = network_timing.patches(record, model, plan.patch, plan.patches)
        compiled = plan.compiled and not gpu  # ten compilations
        return network_timing.measure(
            model, patches, dtype=dtype, stride=plan.stride, compiled=compiled,
            alternatives=gpu or tiny, **common, **plan.limits,
        )  # fmt: skip

    def gapfill(dtype: str) -> Rows:
        record = synthetic_masks.record(plan.month, plan.step)
        data = gapfill_timing.labelled(record, plan.step)
        data = data[(slice(None), *plan.region)]
        limits = plan.limits | {"rounds": 1 if gpu else 3, "min_rounds": 1}
        return gapfill_timing.measure(
            data, model=model, dtype=dtype, tile=plan.tile, **common, **limits
        )

    def year() -> Rows:
        month = synthetic_masks.record(plan.month, plan.step)[(slice(None), *plan.region)]
        days = np.resize(np.arange(plan.month), plan.year)  # the same month repeated
        data = gapfill_timing.labelled(month[days], plan.step)
        return gapfill_timing.measure_once(
            data, model=model, device=device, dtype=first, tile=plan.tile
        )

    def occupancy(percent: float, scattered: bool) -> Rows:
        channels, *shape = plan.occupancy_shape
        masks = synthetic_masks.occupied(*shape, percent, scattered=scattered)
        return operation(masks, channels, first, "masked_conv3d", compiled=False)

    def layers(case: str, dtype: str, counts: tuple[int, ...] = CHANNEL_COUNTS) -> Iterator:
        for channels in counts:
            yield f"layer {case} {channels} {dtype}", partial(globe, case, channels, dtype)

    def operations() -> Iterator[Measurement]:
        channels = min(CHANNEL_COUNTS) if tiny else CHANNEL_COUNTS[0]
        for op in OPERATIONS:
            if op != "masked_conv3d":
                yield op, partial(globe, "land", channels, first, op)

    if gpu:  # time is short: what matters most comes first
        yield from layers("land", first, (32, 64))
        yield from layers("dense", first, (32, 64))
        yield f"network {first}", partial(network, first)
        if "triton" in runnable(device):
            yield "gapfill year", year
        yield from operations()
        yield f"gapfill {first}", partial(gapfill, first)
        yield from layers("land", first, (16,))
        yield from layers("dense", first, (16,))
    else:
        yield from layers("land", first)
        yield from operations()
        yield f"network {first}", partial(network, first)
        yield f"gapfill {first}", partial(gapfill, first)
        if plan.year and "triton" in runnable(device):
            yield "gapfill year", year
    for dtype in plan.dtypes[1:]:
        yield from layers("land", dtype)
        yield f"network {dtype}", partial(network, dtype)
    for dtype in plan.dtypes[1:] if gpu else plan.dtypes:
        yield from layers("dense", dtype)
    for scattered in (False, True):
        for percent in plan.percents:
            name = f"{percent:g} % {'scattered' if scattered else 'in patches'}"
            yield name, partial(occupancy, percent, scattered)


def runnable(device: str) -> list[str]:
    """Backends of the convolution that can run on the device."""
    import torch

    from xsm_kernels.dispatch import backends, unsupported_reason

    probe = [torch.zeros((1, 1, 1, 1, 1), device=device)]
    return [
        name
        for name in backends("masked_conv3d")
        if unsupported_reason("masked_conv3d", name, probe) is None
    ]
