"""The training loop: AdamW on batches, checks on held-out data, the best parameters are kept."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from xsm._lazy import optional_import
from xsm.errors import InputError

logger = logging.getLogger(__name__)

Params = dict[str, np.ndarray]
Batch = TypeVar("Batch")
Loss = Callable[[Mapping[str, Any], Batch], tuple[Any, float, int]]
MAX_GRADIENT_NORM = 1.0


@dataclass
class Curve:
    """Errors at every check of a fit, in the unit of the targets.

    ``train_rmse`` covers the steps since the check before; ``held_out_rmse`` is empty without
    held-out data.
    """

    step: list[int] = field(default_factory=list)
    train_rmse: list[float] = field(default_factory=list)
    held_out_rmse: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def last_rmse(self) -> float:
        """Error of the last check: on held-out data if there are any."""
        return (self.held_out_rmse or self.train_rmse)[-1]


def train(
    params: Mapping[str, np.ndarray],
    batches: Iterator[Batch],
    loss: Loss[Batch],
    *,
    steps: int,
    learning_rate: Callable[[int], float],
    weight_decay: float,
    check_every: int,
    check: Callable[[Mapping[str, Any]], float] | None = None,
    ema_decay: float | None = None,
    patience: int | None = None,
    device: str = "cpu",
    on_step: Callable[[int, float], None] | None = None,
    on_check: Callable[[Params, Curve], None] | None = None,
) -> tuple[Params, Curve]:
    """Minimise a loss with AdamW; gradients are clipped at norm 1.

    Parameters
    ----------
    params : mapping of ndarray
        Initial parameters; not changed.
    batches : iterator
        Yields at least `steps` batches. It carries the seed.
    loss : callable
        ``loss(tensors, batch)`` returns the loss, a scalar tensor, the sum of squared errors and
        the number of errors. A batch with no errors takes no step of the optimiser.
    steps : int
        Number of batches.
    learning_rate : callable
        Learning rate of a step, counted from 1.
    weight_decay : float
    check_every : int
        Steps between checks; the last step is always checked.
    check : callable, optional
        ``check(tensors)`` returns the RMSE on held-out data, and is called without gradients.
        Without it the last parameters are returned instead of the best.
    ema_decay : float, optional
        Check and return an exponential moving average of the parameters, with this decay per step.
        Over the first steps the decay is smaller, so that the initial parameters soon fade.
    patience : int, optional
        Stop after so many checks without an improvement.
    device : str
        Device of torch.
    on_step : callable, optional
        Called after each step with its number and the RMSE of the batch.
    on_check : callable, optional
        Called after each check with the best parameters and the curve so far.

    Returns
    -------
    params : dict of ndarray of float32
    curve : Curve

    Raises
    ------
    InputError
        If the error, or a parameter, is no longer finite, and no check before was passed.
    MissingPackageError
        If torch is not installed.
    """
    torch = optional_import("torch", "a fit of a network", "torch")
    tensors = {k: torch.tensor(v, device=device, requires_grad=True) for k, v in params.items()}
    checked = tensors
    if ema_decay is not None:
        checked = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    optimiser = torch.optim.AdamW(tensors.values(), weight_decay=weight_decay)
    curve, best, lowest, not_improved = Curve(), _arrays(checked), math.inf, 0
    started, squared_error, count = time.perf_counter(), 0.0, 0
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step)
        value, batch_error, batch_count = loss(tensors, next(batches))
        if batch_count:
            _check_finite(math.isfinite(batch_error) or lowest < math.inf, step, steps)
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(tensors.values(), MAX_GRADIENT_NORM)
            optimiser.step()
            if ema_decay is not None:
                _update_average(checked, tensors, min(ema_decay, step / (step + 10)))
            squared_error, count = squared_error + batch_error, count + batch_count
            if on_step is not None:
                on_step(step, math.sqrt(batch_error / batch_count))
        if step % check_every and step != steps:
            continue
        curve.step.append(step)
        curve.train_rmse.append(round(math.sqrt(squared_error / max(count, 1)), 5))
        squared_error, count = 0.0, 0
        improved = True
        finite = all(bool(t.isfinite().all()) for t in checked.values())
        if check is not None:
            with torch.no_grad():
                score = check(checked)
            finite = score < math.inf
            curve.held_out_rmse.append(round(score, 5))
            improved = score < lowest
            lowest = score if improved else lowest
        _check_finite(finite or lowest < math.inf, step, steps)
        curve.seconds = time.perf_counter() - started
        best = _arrays(checked) if improved else best
        not_improved = 0 if improved else not_improved + 1
        logger.info("step %d: RMSE %.4f, checked %.4f", step, curve.train_rmse[-1], curve.last_rmse)
        if on_check is not None:
            on_check(best, curve)
        if patience is not None and not_improved >= patience:
            logger.info("stopped at step %d: %d checks without improvement", step, not_improved)
            break
    return best, curve


def _check_finite(finite: bool, step: int, steps: int) -> None:
    """Raise an InputError if a fit has diverged, which no later step would mend."""
    if not finite:
        raise InputError(
            f"the fit diverged: its error is not finite at step {step} of {steps}. Use a smaller "
            "learning_rate, or look for extreme values in the data."
        )


def cosine_decay(fraction: float) -> float:
    """Factor of the learning rate after a fraction of all steps: 1 falls to 0.01 by a cosine."""
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction))


def _update_average(average: Mapping[str, Any], tensors: Mapping[str, Any], decay: float) -> None:
    """Move an exponential moving average, in place, towards the parameters."""
    for name, tensor in tensors.items():
        average[name].lerp_(tensor.detach(), 1 - decay)


def _arrays(tensors: Mapping[str, Any]) -> Params:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
