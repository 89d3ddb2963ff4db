"""Inference of sequence networks: gaps in predictors, windows with context, estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.networks.device import CPU, ExecutionConfig, operations, to_numpy
from xsm.networks.layers import SequenceOutput
from xsm.networks.model import Model
from xsm.networks.registry import CONTEXT_DAYS, SEQUENCE_DAYS

LIMIT = 8.0  # standardised predictors are clipped to +- this
MAX_STD = 0.5  # m3 m-3, the largest that a quantity between 0 and 1 can have
LOG_VARIANCE = (-10.0, 5.0)  # limits of the predicted log-variance
PIXELS = 96  # that run together on a CPU: few, so that memory between the layers is reused
Run = Callable[[Any, Any], SequenceOutput]  # of predictors (B, T, F) and a state


class Window(NamedTuple):
    """Days of a record that pass through the network together."""

    days: slice  # of the record, context included
    core: slice  # of those, the days whose output is used


def windows(days: int, length: int = SEQUENCE_DAYS, context: int = CONTEXT_DAYS) -> list[Window]:
    """Cut a record into windows of `length` days, with the days before and after as context.

    A remainder of less than half a window joins the last one, so a leap year is one window.

    Examples
    --------
    >>> [(w.days.start, w.days.stop, w.core.start, w.core.stop) for w in windows(731)]
    [(0, 395, 0, 365), (335, 731, 30, 396)]
    """
    count = max(1, (days + length // 2) // length)
    edges = [n * length for n in range(count)] + [days]
    result = []
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        start, stop = max(first - context, 0), min(last + context, days)
        result.append(Window(slice(start, stop), slice(first - start, last - start)))
    return result


def fill_short_gaps(x: NDArray[np.floating], longest: int) -> NDArray[np.floating]:
    """Interpolate (..., T) linearly over gaps of up to `longest` days; extend the ends as far.

    Parameters
    ----------
    x : ndarray, shape (..., T)
        NaN where missing.
    longest : int
        A gap of more missing days in a row is not filled at all.

    Returns
    -------
    ndarray, shape (..., T)
        `x` itself if nothing is missing.

    Examples
    --------
    >>> nan = np.nan
    >>> fill_short_gaps(np.array([nan, 1, nan, 3, nan, nan, 0]), 1).tolist()
    [1.0, 1.0, 2.0, 3.0, nan, nan, 0.0]
    """
    observed = np.isfinite(x)
    if observed.all() or longest < 1:
        return x
    days = x.shape[-1]
    day = np.broadcast_to(np.arange(days), x.shape)
    before = np.maximum.accumulate(np.where(observed, day, -1), axis=-1)  # last observed day
    after = np.flip(np.where(observed, day, days), -1)
    after = np.flip(np.minimum.accumulate(after, axis=-1), -1)  # next observed day
    left = np.take_along_axis(x, np.maximum(before, 0), -1)
    right = np.take_along_axis(x, np.minimum(after, days - 1), -1)
    fraction = (day - before) / np.maximum(after - before, 1)
    filled = np.where(
        before < 0, right, np.where(after == days, left, left + fraction * (right - left))
    )
    short = (after - before - 1 <= longest) & ((before >= 0) | (after < days))
    return np.where(observed | ~short, x, filled).astype(x.dtype, copy=False)


def input_rows(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Entries of a card on the inputs of its network: its predictors, if it lists no others."""
    return list(card.get("inputs", card["predictors"]))


def standardise(x: NDArray[np.floating], card: Mapping[str, Any]) -> NDArray[np.float32]:
    """Standardise inputs (..., F) in the units of the card; 0 where missing."""
    mean, std = (
        np.array([row[key] for row in input_rows(card)], np.float32) for key in ("mean", "std")
    )
    z = np.clip((x - mean) / std, -LIMIT, LIMIT)
    return np.where(np.isfinite(z), z, np.float32(0)).astype(np.float32, copy=False)


def location_and_scale(x: NDArray[np.floating], card: Mapping[str, Any]) -> tuple[Any, Any]:
    """Soil moisture, m3 m-3, that outputs 0 and 1 stand for: scalars, or arrays (...).

    They are arrays if the card names an input (..., F) for them. Where that is missing, the entry
    ``regional_location`` or ``regional_scale`` takes its place, if there is one.
    """
    names = [row["name"] for row in input_rows(card)]
    target = card["target"]
    values: list[Any] = []
    for key in ("location", "scale"):
        value = target[key]
        if isinstance(value, str):
            own = x[..., names.index(value)]
            regional = np.float32(target.get(f"regional_{key}", np.nan))
            values.append(np.where(np.isfinite(own), own, regional))
        else:
            values.append(np.float32(value))
    return values[0], values[1]


def _has_own_target(x: NDArray[np.floating], card: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Where the inputs (B, T, F) hold the location of their cell's target, (B, T)."""
    location = card["target"]["location"]
    if not isinstance(location, str):
        return np.ones(x.shape[:-1], bool)
    return np.isfinite(x[..., [row["name"] for row in input_rows(card)].index(location)])


def ensemble_params(params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Parameters of each network of an ensemble, from names such as ``0/output.weight``."""
    numbers = sorted({int(part) for name in params if (part := name.split("/")[0]).isdigit()})
    for number in numbers:
        prefix = f"{number}/"
        yield {k.removeprefix(prefix): v for k, v in params.items() if k.startswith(prefix)}


def estimate_sequences(
    x: NDArray[np.floating], model: Model, execution: ExecutionConfig = CPU
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate every day of some pixels from their predictors.

    Parameters
    ----------
    x : ndarray, shape (B, T, F)
        Predictors in the order and units of the card; NaN where missing.
    model : Model
        Of :func:`xsm.fit_estimator`.
    execution : ExecutionConfig
        Backend, device and precision of the network.

    Returns
    -------
    mean, std : ndarray of float32, shape (B, T)
        m3 m-3, 0 to 1 and up to :data:`MAX_STD`. For an ensemble, the mean of the means; the
        variance of the means is added to the mean of the variances. The weights in the card apply
        to the networks of a kind together; in cells without a mean of their own target those for
        other cells.

    Raises
    ------
    InputError, BackendError, MissingPackageError
        See :meth:`xsm.networks.device.ExecutionConfig.check`.
    """
    execution.check(model.network)
    card = model.card
    z = standardise(x, card)
    location, scale = location_and_scale(x, card)
    has_own = _has_own_target(x, card)
    means, variances, weights = [], [], []
    for kind, part in model.components.items():
        weight = np.where(has_own, model.weights[kind], model.regional_weights[kind])
        if weight.size and not weight.any():
            continue
        members = list(ensemble_params(part.params))
        for params in members:
            run = _prepare(params, part, execution)
            mean, log_variance = _run_windows(run, z, part)
            means.append(mean)
            variances.append(np.exp(np.clip(log_variance, *LOG_VARIANCE)))
            weights.append((weight / len(members)).astype(np.float32))
    mean = _weighted_mean(means, weights)
    between = _weighted_mean([(m - mean) ** 2 for m in means], weights)
    variance = _weighted_mean(variances, weights) + between
    factor = card.get("calibration", {}).get("scale", 1.0)
    estimate = np.clip(location + scale * mean, 0.0, 1.0)
    std = np.minimum(scale * np.sqrt(variance) * factor, MAX_STD)
    return estimate.astype(np.float32), std.astype(np.float32)


def _weighted_mean(
    arrays: Sequence[NDArray[np.float32]], weights: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Sum of the arrays times their weights, whose sum is 1."""
    total = np.zeros_like(arrays[0])
    for array, weight in zip(arrays, weights, strict=True):
        total += weight * array
    return total


def _prepare(
    params: Mapping[str, Any], model: Model, execution: ExecutionConfig, weights: bool = False
) -> Run:
    """The network as a function of predictors and state, NumPy arrays in and out."""
    row = model.network
    ops = operations(row.operations, execution.backend)
    run = partial(row.apply, config=model.config, ops=ops, weights=weights)
    if not row.torch_inference:
        return lambda z, _: run(params, z)
    if execution.on_numpy:
        in_one = partial(run, params)
        return (lambda z, state: in_one(z, state=state)) if weights else partial(in_blocks, in_one)
    tensors = execution.tensors(params)

    def run_torch(z: Any, state: Any) -> SequenceOutput:
        import torch

        with torch.inference_mode():
            output = run(tensors, execution.tensors({"z": z})["z"], state=state)
            attention = None if output.attention is None else to_numpy(output.attention)
            return SequenceOutput(
                to_numpy(output.mean), to_numpy(output.log_variance), attention, output.state
            )

    return run_torch


def in_blocks(
    run: Callable[..., SequenceOutput], z: NDArray[np.float32], state: Any = None
) -> SequenceOutput:
    """Run a network on pixels (B, T, F), PIXELS at a time.

    Parameters
    ----------
    run : callable
        ``run(z, state=state)``, without attention weights.
    z : ndarray of float32, shape (B, T, F)
    state : (h, c), each (D, B, H), optional
    """
    outputs = []
    for first in range(0, max(len(z), 1), PIXELS):
        part = slice(first, first + PIXELS)
        outputs.append(run(z[part], state=state and tuple(s[:, part] for s in state)))
    if len(outputs) == 1:
        return outputs[0]
    mean, log_variance, _, states = zip(*outputs, strict=True)
    last = None
    if states[0] is not None:
        last = tuple(np.concatenate(parts, axis=1) for parts in zip(*states, strict=True))
    return SequenceOutput(np.concatenate(mean), np.concatenate(log_variance), None, last)


def _run_windows(run: Run, z: NDArray[np.float32], model: Model) -> NDArray[np.float32]:
    """Mean and log-variance (2, B, T), window by window."""
    out = np.empty((2, *z.shape[:2]), np.float32)
    sequence, forward = model.card["sequence"], model.network.forward_state
    # the state of a forward network carries over exactly, so its windows need no context
    context = 0 if forward else sequence["context"]
    state, done = None, 0
    for window in windows(z.shape[1], sequence["days"], context):
        output = run(z[:, window.days], state)
        state = output.state if forward else None
        count = window.core.stop - window.core.start
        for n, values in enumerate((output.mean, output.log_variance)):
            out[n, :, done : done + count] = values[:, window.core]
        done += count
    return out


def attention_weights(
    x: NDArray[np.floating], model: Model, execution: ExecutionConfig = CPU
) -> NDArray[np.float32]:
    """Attention weights of the days of one window, averaged over the ensemble.

    Parameters
    ----------
    x : ndarray, shape (B, T, F)
        No longer than a window with its context.
    model : Model
    execution : ExecutionConfig
        Backend, device and precision of the network.

    Returns
    -------
    ndarray of float32, shape (B, T, T) or (B, T, 2 * window + 1)

    Raises
    ------
    InputError
        If the network has no attention; and see :meth:`xsm.networks.device.ExecutionConfig.check`.
    """
    if not model.network.attention:
        raise InputError(f"a network of the kind {model.kind!r} has no attention.")
    execution.check(model.network)
    z = standardise(x, model.card)
    weights = [
        _prepare(params, model, execution, weights=True)(z, None).attention
        for params in ensemble_params(model.params)
    ]
    return np.mean(weights, axis=0).astype(np.float32)
