"""Records of predictors as sequences for a network: short gaps, windows with context, estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.networks import xgboost_model as boosted
from xsm.networks.device import Place, host
from xsm.networks.model import Model
from xsm.networks.recurrent import (
    CONTEXT,
    YEAR,
    Config,
    Estimate,
    recurrent_network,
    recurrent_operations,
)

LIMIT = 8.0  # standardised predictors beyond this say no more
LOG_VARIANCE = (-10.0, 5.0)
PIXELS = 96  # together through a network on CPUs: the memory between its layers is used again
ANYWHERE = Place()
Network = Callable[[Any, Any], Estimate]


class Window(NamedTuple):
    """Days of a record that pass through the network together."""

    days: slice  # with context
    kept: slice  # of those, the ones whose output counts


def windows(days: int, year: int = YEAR, context: int = CONTEXT) -> list[Window]:
    """Cut a record into years with context from the neighbouring ones, where there are such.

    A rest of less than half a year joins the last window, so a leap year is one.

    Examples
    --------
    >>> [(w.days.start, w.days.stop, w.kept.start, w.kept.stop) for w in windows(731)]
    [(0, 395, 0, 365), (335, 731, 30, 396)]
    """
    count = max(1, (days + year // 2) // year)
    edges = [n * year for n in range(count)] + [days]
    found = []
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        start, stop = max(first - context, 0), min(last + context, days)
        found.append(Window(slice(start, stop), slice(first - start, last - start)))
    return found


def fill_short_gaps(x: NDArray[np.floating], longest: int) -> NDArray[np.floating]:
    """Interpolate (..., T) linearly over gaps of up to `longest` days; hold the ends so long.

    Parameters
    ----------
    x : ndarray, shape (..., T)
        NaN where missing.
    longest : int
        A gap with more missing days in a row stays as it is, whole.

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
    known = np.isfinite(x)
    if known.all() or longest < 1:
        return x
    days = x.shape[-1]
    place = np.broadcast_to(np.arange(days), x.shape)
    before = np.maximum.accumulate(np.where(known, place, -1), axis=-1)
    after = np.flip(np.where(known, place, days), -1)
    after = np.flip(np.minimum.accumulate(after, axis=-1), -1)
    left = np.take_along_axis(x, np.maximum(before, 0), -1)
    right = np.take_along_axis(x, np.minimum(after, days - 1), -1)
    share = (place - before) / np.maximum(after - before, 1)
    between = np.where(
        before < 0, right, np.where(after == days, left, left + share * (right - left))
    )
    short = (after - before - 1 <= longest) & ((before >= 0) | (after < days))
    return np.where(known | ~short, x, between).astype(x.dtype, copy=False)


def standardised(x: NDArray[np.floating], card: Mapping[str, Any]) -> NDArray[np.float32]:
    """Predictors (..., F) in their units as the network takes them; 0 where missing."""
    mean = np.array([row["mean"] for row in card["predictors"]], np.float32)
    std = np.array([row["std"] for row in card["predictors"]], np.float32)
    z = np.clip((x - mean) / std, -LIMIT, LIMIT)
    return np.where(np.isfinite(z), z, np.float32(0)).astype(np.float32, copy=False)


def location_and_scale(x: NDArray[np.floating], card: Mapping[str, Any]) -> tuple[Any, Any]:
    """What output 0 and 1 of the network mean, m3 m-3, for predictors (..., F): each (...)."""
    names = [row["name"] for row in card["predictors"]]
    found = []
    for key in ("location", "scale"):
        value = card["target"][key]
        found.append(x[..., names.index(value)] if isinstance(value, str) else np.float32(value))
    return found[0], found[1]


def members(params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Parameters of each network of an ensemble, from names such as ``0/output.weight``."""
    numbers = sorted({int(name.split("/")[0]) for name in params})
    for number in numbers:
        start = f"{number}/"
        yield {k.removeprefix(start): v for k, v in params.items() if k.startswith(start)}


def estimate_sequences(
    x: NDArray[np.floating], model: Model, place: Place = ANYWHERE
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate every day of some pixels from their predictors.

    Parameters
    ----------
    x : ndarray, shape (B, T, F)
        Predictors in the order and units of the card; NaN where missing.
    model : Model
        Of :func:`xsm.fit_estimator`.
    place : Place
        Where the network runs.

    Returns
    -------
    mean, std : ndarray of float32, shape (B, T)
        m3 m-3. Of an ensemble: the mean of the means; the spread of the means is part of the
        standard deviation.
    """
    card, config = model.card, model.config
    z = standardised(x, card)
    location, scale = location_and_scale(x, card)
    means, variances = [], []
    for params in members(model.params):
        mean, log_variance = _run(_network(params, config, place), z, config, card["sequence"])
        means.append(mean)
        variances.append(np.exp(np.clip(log_variance, *LOG_VARIANCE)))
    mean = np.mean(means, axis=0)
    variance = np.mean(variances, axis=0) + np.var(means, axis=0)
    factor = card.get("calibration", {}).get("scale", 1.0)
    estimate = np.clip(location + scale * mean, 0.0, 1.0)
    spread = scale * np.sqrt(variance) * factor
    return estimate.astype(np.float32), spread.astype(np.float32)


def _network(params: Mapping[str, Any], config: Config, place: Place) -> Network:
    """From standardised predictors (B, T, F) and a state to what the network puts out, as NumPy."""
    if config["kind"] == boosted.KIND:
        if place.device is not None:
            raise InputError(
                f"device={place.device!r}: a model of the kind {boosted.KIND!r} works on the CPU; "
                "leave it out."
            )
        return lambda z, _: Estimate(*boosted.predict(params, z), None, None)
    run = partial(
        recurrent_network, config=config, ops=recurrent_operations(place.backend), weights=False
    )
    if place.numpy:
        return lambda z, state: in_blocks(partial(run, params), z, state)
    tensors = place.tensors(params)

    def network(z: Any, state: Any) -> Estimate:
        import torch

        with torch.inference_mode():
            found = run(tensors, place.tensors({"z": z})["z"], initial=state)
            return found._replace(mean=host(found.mean), log_variance=host(found.log_variance))

    return network


def in_blocks(run: Callable[..., Estimate], z: NDArray[np.float32], state: Any = None) -> Estimate:
    """What a network puts out for pixels (B, T, F), PIXELS at a time.

    Parameters
    ----------
    run : callable
        ``run(z, initial=state)``, without attention weights.
    z : ndarray of float32, shape (B, T, F)
    state : (h, c), each (D, B, H), optional
    """
    found = []
    for first in range(0, max(len(z), 1), PIXELS):
        part = slice(first, first + PIXELS)
        found.append(run(z[part], initial=state and tuple(s[:, part] for s in state)))
    if len(found) == 1:
        return found[0]
    mean, log_variance, _, states = zip(*found, strict=True)
    last = None
    if states[0] is not None:
        last = tuple(np.concatenate(parts, axis=1) for parts in zip(*states, strict=True))
    return Estimate(np.concatenate(mean), np.concatenate(log_variance), None, last)


def _run(network, z, config, sequence):
    """Mean and log-variance (B, T), window by window."""
    out = np.empty((2, *z.shape[:2]), np.float32)
    # one direction needs no context: its state goes on, exactly
    forward = config["kind"] == "lstm"
    state, done = None, 0
    for window in windows(z.shape[1], sequence["days"], 0 if forward else sequence["context"]):
        found = network(z[:, window.days], state)
        state = found.state if forward else None
        count = window.kept.stop - window.kept.start
        for n, values in enumerate((found.mean, found.log_variance)):
            out[n, :, done : done + count] = values[:, window.kept]
        done += count
    return out


def attention_weights(x: NDArray[np.floating], model: Model) -> NDArray[np.float32]:
    """What each day of one window looks at, averaged over the ensemble.

    Parameters
    ----------
    x : ndarray, shape (B, T, F)
        No longer than a window with its context.
    model : Model

    Returns
    -------
    ndarray of float32, shape (B, T, T) or (B, T, 2 * window + 1)

    Raises
    ------
    ValueError
        If the network has no attention.
    """
    z, ops = standardised(x, model.card), recurrent_operations()
    if model.config["kind"] == boosted.KIND:
        raise ValueError(f"a model of the kind {boosted.KIND!r} has no attention.")
    found = [
        recurrent_network(params, z, model.config, ops).attention
        for params in members(model.params)
    ]
    if any(weights is None for weights in found):
        raise ValueError(f"a network of the kind {model.config['kind']!r} has no attention.")
    return np.mean(found, axis=0).astype(np.float32)
