"""Fit a network to sequences of standardised predictors and targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm._lazy import optional_import
from xsm.networks.device import operations
from xsm.networks.registry import SequenceNetwork
from xsm.networks.sequence_inference import LOG_VARIANCE
from xsm.training.loop import Params, cosine_decay, train
from xsm.training.losses import DensityWeights, density_weights

WARM_UP = 0.1  # fraction of all steps
VARIANCE_WEIGHT = 0.2  # of the likelihood of the variance, beside the squared error


class Sequences(NamedTuple):
    """Standardised predictors and targets of S sequences of T days."""

    x: NDArray[np.float32]  # (S, T, F), 0 where missing
    y: NDArray[np.float32]  # (S, T), NaN where there is no target


class TrainingSettings(NamedTuple):
    """How to train a network on sequences; the card keeps them under ``training``."""

    epochs: int = 30
    batch_size: int | None = None  # of sequences; default by their number, see default_batch_size
    learning_rate: float = 3e-3  # peak
    weight_decay: float = 1e-3
    dropout: float = 0.2
    patience: int = 6  # epochs without improvement on held-out sequences, if there are any
    device: str = "cpu"
    min_crop_days: int | None = None  # each step uses a random crop of its sequences
    density_power: float = 0.0  # weight of an error: density of the target to the minus this power


class SequenceBatch(NamedTuple):
    """Some sequences, and the days of them to use."""

    rows: Any  # index of sequences
    days: slice = slice(None)


def fit_sequences(
    network: SequenceNetwork,
    config: Mapping[str, Any],
    training: Sequences,
    held_out: Sequences | None,
    settings: TrainingSettings,
    seed: int,
    on_epoch: Callable[[int, float], None] | None = None,
) -> tuple[Params, dict[str, list[float]]]:
    """Train one network; keep the parameters that did best on held-out sequences, or the last.

    The learning rate rises over a tenth of all steps, then falls to 1 % by a cosine. In each step
    the same units of a sequence are dropped on all days (Gal and Ghahramani, 2016).

    Parameters
    ----------
    network : SequenceNetwork
        Row of :data:`xsm.networks.registry.NETWORKS`.
    config : mapping
    training : Sequences
    held_out : Sequences or None
    settings : TrainingSettings
    seed : int
        Of the initial weights, the order of the sequences, crops and dropout.
    on_epoch : callable, optional
        Called with the number of an epoch and its error (standardised) on what was held out, or,
        without any, on the training sequences.

    Returns
    -------
    params : dict of ndarray
    curve : dict
        ``epoch``, and the RMSE (standardised) of each, ``train`` and ``held_out``.
    """
    torch = optional_import("torch", "a fit of a network of sequences", "torch")
    dropout_random = torch.Generator(device=settings.device).manual_seed(int(seed))
    if settings.batch_size is None:
        size = default_batch_size(len(training.x), days_alone=network.days_alone)
        settings = settings._replace(batch_size=size)
    assert settings.batch_size is not None
    steps_per_epoch = math.ceil(len(training.x) / settings.batch_size)
    steps = steps_per_epoch * settings.epochs
    weights = None
    if settings.density_power:
        weights = density_weights(training.y, settings.density_power)

    def dropout(x: Any, _name: str) -> Any:
        keep = 1.0 - settings.dropout
        shape = (x.shape[0], 1, x.shape[2])
        kept_units = torch.rand(shape, generator=dropout_random, device=x.device) < keep
        return x * kept_units / keep

    def loss(tensors: Mapping[str, Any], batch: SequenceBatch) -> tuple[Any, float, int]:
        return _loss(network, training, batch, tensors, config, settings.device, dropout, weights)

    def check(tensors: Mapping[str, Any]) -> float:
        assert held_out is not None
        squared_error = count = 0.0
        size = settings.batch_size or len(held_out.x)
        for start in range(0, len(held_out.x), size):
            batch = SequenceBatch(slice(start, start + size))
            _, error, n = _loss(network, held_out, batch, tensors, config, settings.device)
            squared_error, count = squared_error + error, count + n
        return math.sqrt(squared_error / max(count, 1))

    def learning_rate(step: int) -> float:
        fraction = step / steps
        return settings.learning_rate * (min(fraction / WARM_UP, 1.0) * cosine_decay(fraction))

    params, curve = train(
        network.initial_params(config, seed),
        _batches(training, settings, steps_per_epoch, np.random.default_rng(seed)),
        loss,
        steps=steps,
        learning_rate=learning_rate,
        weight_decay=settings.weight_decay,
        check_every=steps_per_epoch,
        check=None if held_out is None else check,
        patience=settings.patience,
        device=settings.device,
        on_check=on_epoch and (lambda _best, curve: on_epoch(len(curve.step), curve.last_rmse)),
    )
    epochs: list[float] = [*range(1, len(curve.step) + 1)]
    return params, {"epoch": epochs, "train": curve.train_rmse, "held_out": curve.held_out_rmse}


def default_batch_size(count: int, *, days_alone: bool) -> int:
    """Sequences in a step: a hundredth of all, within limits.

    Examples
    --------
    >>> default_batch_size(60_000, days_alone=True), default_batch_size(412, days_alone=False)
    (512, 4)
    """
    least, most = (32, 512) if days_alone else (4, 32)
    return min(max(count // 100, least), most)


def _batches(
    data: Sequences, settings: TrainingSettings, per_epoch: int, rng: np.random.Generator
) -> Iterator[SequenceBatch]:
    """All sequences in a random order, epoch after epoch."""
    for _ in range(settings.epochs):
        for rows in np.array_split(rng.permutation(len(data.x)), per_epoch):
            yield SequenceBatch(rows, _crop(data.x.shape[1], settings.min_crop_days, rng))


def _crop(days: int, min_days: int | None, rng: np.random.Generator) -> slice:
    """All days, or a random run of `min_days` or more."""
    if min_days is None or min_days >= days:
        return slice(None)
    length = int(rng.integers(min_days, days + 1))
    first = int(rng.integers(0, days - length + 1))
    return slice(first, first + length)


def _loss(
    network: SequenceNetwork,
    data: Sequences,
    batch: SequenceBatch,
    tensors: Mapping[str, Any],
    config: Mapping[str, Any],
    device: str,
    dropout: Any = None,
    weights: DensityWeights | None = None,
) -> tuple[Any, float, int]:
    """Loss, sum of squared errors and number of targets of some sequences."""
    import torch

    x, y = (torch.from_numpy(array[batch.rows][:, batch.days]).to(device) for array in data)
    observed = torch.isfinite(y)
    count = int(observed.sum())
    ops = operations(network.operations)
    output = network.apply(tensors, x, config, ops, dropout=dropout, weights=False)
    error = torch.where(observed, output.mean - torch.nan_to_num(y), 0.0) ** 2
    log_variance = output.log_variance.clamp(*LOG_VARIANCE)
    # the error is detached: a large variance must not excuse an error of the mean
    likelihood = log_variance + error.detach() * torch.exp(-log_variance)
    likelihood = torch.where(observed, likelihood, 0.0)
    squared_error = float(error.detach().sum())
    if weights is not None:  # of the mean only: the variance is that of the samples as they are
        error = error * torch.from_numpy(weights(data.y[batch.rows][:, batch.days])).to(device)
    return (error + VARIANCE_WEIGHT * likelihood).sum() / max(count, 1), squared_error, count
