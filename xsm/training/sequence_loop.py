"""The training loop of the networks of sequences."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.networks.device import operations
from xsm.networks.registry import network
from xsm.training.losses import Weigh, rarity

logger = logging.getLogger(__name__)

SPREAD = 0.2  # weight of the likelihood beside the squared error


class Sequences(NamedTuple):
    """Standardised predictors and targets of S sequences of T days."""

    x: NDArray[np.float32]  # (S, T, F), 0 where missing
    y: NDArray[np.float32]  # (S, T), NaN where not to be learnt from


class Settings(NamedTuple):
    """How to train."""

    epochs: int = 30
    batch: int = 32
    rate: float = 3e-3
    decay: float = 1e-3
    dropout: float = 0.2
    patience: int = 6  # epochs without a better held-out error; with held-out sequences only
    device: str = "cpu"
    # days: each step then sees a part of its sequences, of so many days or more
    shortest: int | None = None
    balance: float = 0.0  # power of the rarity by which a target counts


def fit_sequences(
    config: Mapping[str, Any],
    train: Sequences,
    held_out: Sequences | None,
    settings: Settings,
    seed: int,
    on_epoch: Callable[[int, float], None] | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """Train one network; keep the parameters that did best on held-out sequences, or the last.

    AdamW with a short rise and a cosine fall of the rate; gradients cut at norm 1; in each step
    the same units of a sequence are dropped on all days (Gal and Ghahramani, 2016).

    Parameters
    ----------
    config : mapping
    train : Sequences
    held_out : Sequences or None
        For early stopping.
    settings : Settings
    seed : int
        Of the weights, the order of the sequences and the dropout.
    on_epoch : callable, optional
        Called with the epoch and the error (standardised) of the check, or else of the training.

    Returns
    -------
    params : dict of ndarray of float32
    curve : dict
        ``epoch``, ``train`` and ``held_out``, standardised RMSE.
    """
    import torch

    start = network(config["kind"]).initial_params(config, seed)
    tensors = {
        k: torch.tensor(v, device=settings.device, requires_grad=True) for k, v in start.items()
    }
    order = np.random.default_rng(seed)
    chance = torch.Generator(device=settings.device).manual_seed(seed)

    def dropout(x: Any, _name: str) -> Any:
        keep = 1.0 - settings.dropout
        shape = (x.shape[0], 1, x.shape[2])
        there = torch.rand(shape, generator=chance, device=x.device) < keep
        return x * there / keep

    weigh = rarity(train.y, settings.balance) if settings.balance else None
    steps = math.ceil(len(train.x) / settings.batch)
    total, done = steps * settings.epochs, 0
    optimiser = torch.optim.AdamW(tensors.values(), lr=settings.rate, weight_decay=settings.decay)
    curve: dict[str, list[float]] = {"epoch": [], "train": [], "held_out": []}
    best, lowest, since = _numpy(tensors), math.inf, 0
    for epoch in range(1, settings.epochs + 1):
        squared, count = 0.0, 0
        for part in np.array_split(order.permutation(len(train.x)), steps):
            done += 1
            for group in optimiser.param_groups:
                group["lr"] = settings.rate * _rate(done / total)
            days = _cut(train.x.shape[1], settings.shortest, order)
            loss, error, seen = _loss(
                train, part, tensors, config, settings.device, dropout, days, weigh
            )
            if not seen:
                continue
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(tensors.values(), 1.0)
            optimiser.step()
            squared, count = squared + error, count + seen
        curve["epoch"].append(epoch)
        curve["train"].append(round(math.sqrt(squared / max(count, 1)), 5))
        score = curve["train"][-1]
        if held_out is not None:
            score = _error(held_out, tensors, config, settings)
            curve["held_out"].append(round(score, 5))
        if held_out is None or score < lowest:
            best, lowest, since = _numpy(tensors), score, 0
        else:
            since += 1
        if on_epoch is not None:
            on_epoch(epoch, score)
        if since >= settings.patience:
            logger.info("no better for %d epochs: stopped at epoch %d", since, epoch)
            break
    return best, curve


def _cut(days: int, shortest: int | None, rng: np.random.Generator) -> slice:
    """All days, or some in a row, drawn."""
    if shortest is None or shortest >= days:
        return slice(None)
    length = int(rng.integers(shortest, days + 1))
    first = int(rng.integers(0, days - length + 1))
    return slice(first, first + length)


def _rate(fraction: float) -> float:
    return min(fraction / 0.1, 1.0) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * fraction)))


def _loss(
    data: Sequences,
    part: Any,
    tensors: Mapping[str, Any],
    config: Mapping[str, Any],
    device: str,
    dropout: Any = None,
    days: slice = slice(None),  # noqa: B008
    weigh: Weigh | None = None,
) -> tuple[Any, float, int]:
    """Loss, sum of squared errors and number of targets of some sequences."""
    import torch

    x, y = (torch.from_numpy(array[part][:, days]).to(device) for array in data)
    known = torch.isfinite(y)
    seen = int(known.sum())
    row = network(config["kind"])
    found = row.apply(
        tensors, x, config, operations(row.operations), dropout=dropout, weights=False
    )
    error = torch.where(known, found.mean - torch.nan_to_num(y), 0.0) ** 2
    spread = found.log_variance.clamp(-10.0, 5.0)
    # the variance learns from the error and cannot excuse it
    likelihood = torch.where(known, spread + error.detach() * torch.exp(-spread), 0.0)
    squared = float(error.detach().sum())
    if weigh is not None:  # the mean alone: the spread is that of the samples as they are
        error = error * torch.from_numpy(weigh(data.y[part][:, days])).to(device)
    return (error + SPREAD * likelihood).sum() / max(seen, 1), squared, seen


def _error(data, tensors, config, settings) -> float:
    """Standardised RMSE."""
    import torch

    squared = count = 0.0
    with torch.no_grad():
        for start in range(0, len(data.x), settings.batch):
            part = slice(start, start + settings.batch)
            _, error, seen = _loss(data, part, tensors, config, settings.device)
            squared, count = squared + error, count + seen
    return math.sqrt(squared / max(count, 1))


def _numpy(tensors) -> dict[str, np.ndarray]:
    return {key: value.detach().cpu().numpy().copy() for key, value in tensors.items()}
