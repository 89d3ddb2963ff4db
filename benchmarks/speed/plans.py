"""What is measured on which machine, in the order in which it matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benchmarks.speed import scenes

Rows = list[dict[str, Any]]
Job = tuple[str, Callable[[], Rows]]
ORDER = (32, 16, 64)  # channels of the layers, the default network's first


@dataclass(frozen=True)
class Plan:
    """Sizes and patience.

    step : degrees of the global grid
    days : output days of a layer by channels; the global layer in full is large
    part : channels, input days, rows and columns of the runs over occupancy
    percents : of cells that matter
    month, patch, patches, every : days, rows and columns and number of the network's patches; step
        in days of its windows variant
    region : rows and columns of the record that xsm.gapfill fills
    tile : of xsm.gapfill, where not the default
    year : days that xsm.gapfill fills once, on a GPU; 0 for none
    dtypes : working precisions
    product : side of the matrix product whose rate is the ceiling
    """

    step: float = 0.25
    days: dict[int, int] = field(default_factory=lambda: {32: 5, 16: 2, 64: 2})
    part: tuple[int, int, int, int] = (32, 7, 160, 320)
    percents: tuple[float, ...] = (1, 3, 10, 20, 40, 70, 100)
    month: int = 30
    patch: tuple[int, int] = (96, 96)
    patches: int = 6
    every: int = 6
    region: tuple[slice, slice] = (slice(264, 360), slice(560, 1040))
    tile: tuple[int, int, int] | None = None
    year: int = 0
    dtypes: tuple[str, ...] = ("float32",)
    product: int = 4096
    compiled: bool = True
    limits: dict[str, Any] = field(
        default_factory=lambda: {"rounds": 7, "least": 3, "seconds": 10.0}
    )


FULL = Plan()
QUICK = Plan(
    step=1.0, days=dict.fromkeys(ORDER, 2), part=(32, 4, 60, 120), percents=(5, 50, 100),
    month=9, patch=(24, 24), patches=2, every=9, region=(slice(60, 90), slice(140, 180)),
    product=1024, compiled=False, limits={"rounds": 3, "least": 3, "seconds": 5.0},
)  # fmt: skip
TINY = Plan(
    step=12.0, days=dict.fromkeys(ORDER, 1), part=(16, 3, 8, 16), percents=(50,),
    month=2, patch=(4, 4), patches=1, every=1, region=(slice(2, 5), slice(15, 19)),
    product=64, compiled=False, limits={"rounds": 1, "least": 1, "seconds": 0.0}, year=2,
)  # fmt: skip
CUDA = Plan(
    days=dict.fromkeys(ORDER, 8), patch=(240, 480), patches=9, every=6,
    region=(slice(None), slice(None)), tile=(30, 240, 480),
    year=365, dtypes=("bfloat16", "float32", "tf32", "float16"), product=8192,
    limits={"rounds": 15, "least": 3, "seconds": 2.0},
)  # fmt: skip


def jobs(plan: Plan, device: str, keep_going: bool) -> Iterator[Job]:
    """Names and calls of all measurements; each call gives rows."""
    from benchmarks.speed import endtoend, layers, networks
    from benchmarks.speed.operations import OPERATIONS, make_sample
    from xsm.networks.block_inference import load_model

    common = {"device": device, "keep_going": keep_going}
    model = networks.small_model() if plan is TINY else load_model("default")
    gpu, tiny = device == "cuda", plan is TINY
    first = plan.dtypes[0]

    def layer(scene: scenes.Scene, channels: int, dtype: str, op: str, **more: Any) -> Rows:
        sample = make_sample(op, scene, channels, dtype, device)
        return layers.measure(sample, **common, **plan.limits, **more)

    def whole(case: str, channels: int, dtype: str, op: str = "masked_conv3d") -> Rows:
        days, step = plan.days[channels] + 2, plan.step
        if op == "pointwise_layers":  # of many channels, and no cell looks at another
            days, step = 1, plan.step if gpu else 2 * plan.step
        scene = scenes.land(days, step)
        if case == "dense":
            scene = scenes.dense(*scene.mask.shape)
        # a compilation takes longer than all the runs
        compiled = plan.compiled and op == "masked_conv3d"
        compiled &= not gpu or (case == "land" and dtype == first)
        return layer(scene, channels, dtype, op, compiled=compiled)

    def net(dtype: str) -> Rows:
        record = scenes.record(plan.month, plan.step)
        chosen = networks.patches(record, model, plan.patch, plan.patches)
        compiled = plan.compiled and not gpu  # ten compilations
        return networks.measure(
            model, chosen, dtype=dtype, every=plan.every, compiled=compiled, compare=gpu or tiny,
            **common, **plan.limits,
        )  # fmt: skip

    def gapfill(dtype: str) -> Rows:
        data = endtoend.labelled(scenes.record(plan.month, plan.step), plan.step)
        data = data[(slice(None), *plan.region)]
        limits = plan.limits | {"rounds": 1 if gpu else 3, "least": 1}
        return endtoend.measure(data, model=model, dtype=dtype, tile=plan.tile, **common, **limits)

    def year() -> Rows:
        month = scenes.record(plan.month, plan.step)[(slice(None), *plan.region)]
        days = np.resize(np.arange(plan.month), plan.year)  # months alike: time is all that counts
        data = endtoend.labelled(month[days], plan.step)
        return endtoend.once(data, model=model, device=device, dtype=first, tile=plan.tile)

    def partly(percent: float, scattered: bool) -> Rows:
        channels, *shape = plan.part
        scene = scenes.occupied(*shape, percent, scattered=scattered)
        return layer(scene, channels, first, "masked_conv3d", compiled=False)

    for channels in ORDER:
        yield f"layer land {channels} {first}", partial(whole, "land", channels, first)
    for op in OPERATIONS:
        if op != "masked_conv3d":
            yield op, partial(whole, "land", min(ORDER) if tiny else ORDER[0], first, op)
    yield f"network {first}", partial(net, first)
    yield f"gapfill {first}", partial(gapfill, first)
    if plan.year and "triton" in runnable(device):
        yield "gapfill year", year
    for dtype in plan.dtypes[1:]:
        for channels in ORDER:
            yield f"layer land {channels} {dtype}", partial(whole, "land", channels, dtype)
        yield f"network {dtype}", partial(net, dtype)
    for dtype in plan.dtypes:
        for channels in ORDER:
            yield f"layer dense {channels} {dtype}", partial(whole, "dense", channels, dtype)
    for scattered in (False, True):
        for percent in plan.percents:
            name = f"{percent:g} % {'scattered' if scattered else 'in patches'}"
            yield name, partial(partly, percent, scattered)


def runnable(device: str) -> list[str]:
    """Backends of the convolution that can run there."""
    import torch

    from xsm_kernels.dispatch import backends, unsupported_reason

    probe = [torch.zeros((1, 1, 1, 1, 1), device=device)]
    return [
        name
        for name in backends("masked_conv3d")
        if unsupported_reason("masked_conv3d", name, probe) is None
    ]
