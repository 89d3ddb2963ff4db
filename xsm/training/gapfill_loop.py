"""The training loop, for networks from scratch and for fine-tuning alike."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xsm.networks.device import operations
from xsm.networks.registry import network
from xsm.training.losses import gapfill_loss
from xsm.training.patches import Sample, Sampler, stream

logger = logging.getLogger(__name__)

Params = dict[str, np.ndarray]
MEMORY = 0.998  # of the moving average of the parameters: about 500 steps


@dataclass
class Curve:
    """What happened during a fit: one entry per check."""

    step: list[int] = field(default_factory=list)
    train_rmse: list[float] = field(default_factory=list)
    held_out_rmse: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, step: int, train: float, held_out: float) -> None:
        """Append one check; errors in m3 m-3."""
        self.step.append(step)
        self.train_rmse.append(round(train, 5))
        self.held_out_rmse.append(round(held_out, 5))


def fit(
    params: Mapping[str, np.ndarray],
    config: Mapping[str, Any],
    sampler: Sampler,
    held_out: list[Sample],
    *,
    steps: int,
    batch: int = 2,
    rate: float = 2e-3,
    warm_up: int = 50,
    decay: float = 1e-3,
    check_every: int = 250,
    device: str = "cpu",
    workers: int = 0,
    on_step: Callable[[int, float], None] | None = None,
    on_check: Callable[[Params, Curve], None] | None = None,
) -> tuple[Params, Curve]:
    """Train a network and keep the parameters that did best on held-out samples.

    AdamW, a short warm-up and a cosine to 1 % of `rate`; convolutions in bfloat16, parameters in
    float32. What is checked and kept is the moving average of the parameters over the last steps:
    with a few patches a step, each single one is noisy.

    Parameters
    ----------
    params : mapping of ndarray
        Where to start; not changed.
    config : mapping
        Configuration of the network.
    sampler : Sampler
        Source of training samples; it carries the seed.
    held_out : list of Sample
        Samples of which no training step sees a cell; empty to keep the last parameters.
    steps, batch : int
    rate : float
        Peak learning rate.
    check_every : int
        Steps between checks on `held_out`.
    device : str
        Device of torch.
    workers : int
        Processes that draw samples, as in :func:`xsm.training.patches.stream`.
    on_step : callable, optional
        Called with the step and the running RMSE (m3 m-3), for a progress bar.
    on_check : callable, optional
        Called with the best parameters so far and the curve, for a checkpoint.

    Returns
    -------
    params : dict of ndarray of float32
    curve : Curve
    """
    import torch

    ops = operations(network("partial_conv", "gapfill").operations, "reference", torch.bfloat16)
    tensors = {k: torch.tensor(v, device=device, requires_grad=True) for k, v in params.items()}
    average = {key: value.detach().clone() for key, value in tensors.items()}
    optimiser = torch.optim.AdamW(tensors.values(), lr=rate, weight_decay=decay)
    curve, best, lowest = Curve(), _numpy(average), math.inf
    source = stream(sampler, workers)
    started, squared, count, running = time.perf_counter(), 0.0, 0, math.nan
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, step / warm_up) * _cosine(step / steps)
        samples = [next(source) for _ in range(batch)]
        loss, parts = _loss(samples, tensors, config, ops, device)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors.values(), 1.0)
        optimiser.step()
        _follow(average, tensors, min(MEMORY, step / (step + 10)))
        squared, count = squared + parts["squared_error"], count + parts["n"]
        error = math.sqrt(parts["squared_error"] / parts["n"])
        running = error if math.isnan(running) else 0.98 * running + 0.02 * error
        if on_step is not None:
            on_step(step, running)
        if step % check_every == 0 or step == steps:
            score = held_out_rmse(held_out, average, config, ops, device) if held_out else math.nan
            curve.add(step, math.sqrt(squared / count), score)
            curve.seconds = time.perf_counter() - started
            squared, count = 0.0, 0
            if not score >= lowest:
                best, lowest = _numpy(average), score
            logger.info("step %d: rmse %.4f, held out %.4f", step, curve.train_rmse[-1], score)
            if on_check is not None:
                on_check(best, curve)
    return best, curve


def _follow(average, tensors, memory: float) -> None:
    """Move the average, in place, towards the parameters."""
    for key, value in tensors.items():
        average[key].lerp_(value.detach(), 1 - memory)


def held_out_rmse(samples, tensors, config, ops, device) -> float:
    """RMSE over the hidden cells of all `samples`, m3 m-3."""
    import torch

    squared = count = 0.0
    with torch.no_grad():
        for sample in samples:
            _, parts = _loss([sample], tensors, config, ops, device)
            squared, count = squared + parts["squared_error"], count + parts["n"]
    return math.sqrt(squared / max(count, 1))


def _loss(samples, tensors, config, ops, device):
    import torch

    def stack(pick):
        return torch.from_numpy(np.stack([pick(s) for s in samples])).to(device)

    layout = torch.channels_last_3d
    inputs = {
        name: (
            stack(lambda s, k=name: s.inputs[k][0][0]).contiguous(memory_format=layout),
            stack(lambda s, k=name: s.inputs[k][1][0]),
        )
        for name in samples[0].inputs
    }
    land = stack(lambda s: s.land)[:, None, None]
    output, _ = network("partial_conv", "gapfill").apply(tensors, inputs, config, ops, land=land)
    return gapfill_loss(
        samples[0].inner(output),
        stack(lambda s: s.mean),
        stack(lambda s: s.std),
        stack(lambda s: s.target),
        stack(lambda s: s.hidden),
    )


def _cosine(fraction: float) -> float:
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(fraction, 1.0)))


def _numpy(tensors) -> Params:
    return {key: value.detach().cpu().numpy().copy() for key, value in tensors.items()}
