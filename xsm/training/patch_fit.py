"""Fit a gap-filling network to patches of records, from random weights or from trained ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from xsm._lazy import optional_import
from xsm.networks.device import operations
from xsm.networks.model import Model
from xsm.training.loop import Curve, Params, cosine_decay, train
from xsm.training.losses import gapfill_loss
from xsm.training.patches import Sample, Sampler, sample_stream

WARM_UP = 50  # steps
WEIGHT_DECAY = 1e-3
EMA_DECAY = 0.998  # of the moving average of the parameters: about 500 steps


def fit_patches(
    model: Model,
    sampler: Sampler,
    held_out: Sequence[Sample],
    *,
    steps: int,
    batch_size: int = 2,
    learning_rate: float = 2e-3,
    check_every: int = 250,
    device: str = "cpu",
    workers: int = 0,
    on_step: Callable[[int, float], None] | None = None,
    on_check: Callable[[Params, Curve], None] | None = None,
) -> tuple[Params, Curve]:
    """Train a network further and return the parameters that did best on held-out samples.

    Convolutions run in bfloat16; parameters are float32. A step with a few patches is noisy, so
    the moving average of the parameters is what is checked and kept.

    Parameters
    ----------
    model : Model
        Network, configuration and initial parameters; not changed.
    sampler : Sampler
        Source of training samples; it carries the seed.
    held_out : sequence of Sample
        Samples of cells that no training step uses; empty to keep the last parameters.
    steps, batch_size : int
    learning_rate : float
        Peak of the learning rate: it rises over 50 steps, then falls to 1 % by a cosine.
    check_every : int
        Steps between checks on `held_out`.
    device : str
        Device of torch.
    workers : int
        Processes that draw samples, see :func:`xsm.training.patches.sample_stream`.
    on_step : callable, optional
        Called with the step and the running RMSE (m3 m-3), for a progress bar.
    on_check : callable, optional
        Called with the best parameters so far and the curve, for a checkpoint.

    Returns
    -------
    params : dict of ndarray of float32
    curve : Curve
        Errors in m3 m-3.
    """
    torch = optional_import("torch", "a fit of a gap-filling network", "torch")
    ops = operations(model.network.operations, "reference", torch.bfloat16)
    running = math.nan

    def loss(tensors: Mapping[str, Any], samples: Sequence[Sample]) -> tuple[Any, float, int]:
        value, parts = _loss(samples, tensors, model, ops, device)
        return value, parts["squared_error"], int(parts["n"])

    def check(tensors: Mapping[str, Any]) -> float:
        squared_error = count = 0.0
        for sample in held_out:
            _, parts = _loss([sample], tensors, model, ops, device)
            squared_error, count = squared_error + parts["squared_error"], count + parts["n"]
        return math.sqrt(squared_error / max(count, 1))

    def smooth(step: int, rmse: float) -> None:
        nonlocal running
        running = rmse if math.isnan(running) else 0.98 * running + 0.02 * rmse
        if on_step is not None:
            on_step(step, running)

    return train(
        model.params, _batches(sampler, batch_size, workers), loss,
        steps=steps,
        learning_rate=lambda step: (
            learning_rate * min(1.0, step / WARM_UP) * cosine_decay(step / steps)
        ),
        weight_decay=WEIGHT_DECAY, check_every=check_every, check=check if held_out else None,
        ema_decay=EMA_DECAY, device=device, on_step=smooth, on_check=on_check,
    )  # fmt: skip


def _batches(sampler: Sampler, size: int, workers: int) -> Iterator[list[Sample]]:
    samples = sample_stream(sampler, workers)
    while True:
        yield [next(samples) for _ in range(size)]


def _loss(
    samples: Sequence[Sample], tensors: Mapping[str, Any], model: Model, ops: Any, device: str
) -> tuple[Any, dict[str, float]]:
    import torch

    def stack(pick: Callable[[Sample], Any]) -> Any:
        return torch.from_numpy(np.stack([pick(sample) for sample in samples])).to(device)

    layout = torch.channels_last_3d
    inputs = {
        name: (
            stack(lambda s: s.inputs[name][0][0]).contiguous(memory_format=layout),  # noqa: B023
            stack(lambda s: s.inputs[name][1][0]),  # noqa: B023
        )
        for name in samples[0].inputs
    }
    land = stack(lambda s: s.land)[:, None, None]
    output, _ = model.network.apply(tensors, inputs, model.config, ops, land=land)
    return gapfill_loss(
        samples[0].inner(output),
        stack(lambda s: s.mean),
        stack(lambda s: s.std),
        stack(lambda s: s.target),
        stack(lambda s: s.hidden),
    )
