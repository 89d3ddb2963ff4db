"""Attention over the days of a sequence: over all of them, or over a window around each."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

Params = Any


def softmax(xp: Any, scores: Any) -> Any:
    """Along the last axis."""
    e = xp.exp(scores - xp.max(scores, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def attend(query: Any, key: Any, value: Any, window: int | None = None) -> tuple[Any, Any]:
    """Scaled dot-product attention, Vaswani et al. (2017), Eq. 1.

    Parameters
    ----------
    query, key : array, shape (..., T, K)
    value : array, shape (..., T, V)
    window : int, optional
        A day looks at so many days before and after it only; the same as all days when it covers
        the sequence.

    Returns
    -------
    context : array, shape (..., T, V)
    weights : array, shape (..., T, T) or (..., T, 2 * window + 1)
        Non-negative, sums 1 over the last axis; 0 beyond the ends of the sequence.
    """
    if window is not None:
        return _attend_near(query, key, value, window)
    xp = array_api_compat.array_namespace(query, key)
    scores = query @ xp.moveaxis(key, -1, -2) / math.sqrt(query.shape[-1])
    weights = softmax(xp, scores)
    return weights @ value, weights


def _attend_near(query: Any, key: Any, value: Any, window: int) -> tuple[Any, Any]:
    xp = array_api_compat.array_namespace(query, key)
    days = query.shape[-2]
    scale = 1 / math.sqrt(query.shape[-1])
    offsets = range(-window, window + 1)
    scores = []
    for offset in offsets:  # one diagonal of the matrix of scores at a time: (..., T)
        product = xp.sum(query * _shifted(xp, key, offset), axis=-1) * scale
        there = xp.arange(days, device=array_api_compat.device(query)) + offset
        beyond = xp.asarray(-xp.inf, dtype=query.dtype, device=array_api_compat.device(query))
        scores.append(xp.where((there >= 0) & (there < days), product, beyond))
    weights = softmax(xp, xp.stack(scores, axis=-1))
    context = xp.zeros_like(value)
    for n, offset in enumerate(offsets):
        context = context + weights[..., n, None] * _shifted(xp, value, offset)
    return context, weights


def _shifted(xp: Any, x: Any, offset: int) -> Any:
    """Day ``t + offset`` of (..., T, K) in place ``t``; zero beyond the ends."""
    days = x.shape[-2]
    far = min(abs(offset), days)
    none = xp.zeros_like(x[..., :far, :])
    if offset >= 0:
        return xp.concat([x[..., far:, :], none], axis=-2)
    return xp.concat([none, x[..., : days - far, :]], axis=-2)


def joined_attention(params: Params, y: Any, window: int | None, ops: Any) -> Any:
    """What the AtLSTM makes of the states of its LSTM, with one matrix product instead of four.

    The join is linear, so its part for the context, ``J_c``, may be applied to the values first::

        J_c sum_s a_s (V y_s + v) = sum_s a_s (J_c V y_s + J_c v)

    Parameters
    ----------
    params : mapping of str to array
        ``attention.query|key|value`` and ``join`` of the network.
    y : array, shape (B, T, K)
    ops : namespace
        Supplies ``self_attention``.

    Returns
    -------
    array, shape (B, T, H)
        ``tanh(join [context, y])``, without the weights of the attention.
    """
    xp = array_api_compat.array_namespace(y)
    names = [f"attention.{name}" for name in ("query", "key", "value")]
    weights, biases = ([params[f"{name}.{end}"] for name in names] for end in ("weight", "bias"))
    hidden = weights[2].shape[0]
    join, own = params["join.weight"][:, :hidden], params["join.weight"][:, hidden:]
    weight = xp.stack([*weights[:2], join @ weights[2], own])
    bias = xp.stack([*biases[:2], join @ biases[2], params["join.bias"]])
    return ops.self_attention(y, weight, bias, window=window)


def encoder_layer(params: Params, x: Any, name: str, heads: int, window: int | None) -> Any:
    """One layer of a Transformer encoder, normalised before each part (Xiong et al., 2020).

    Parameters
    ----------
    params : mapping of str to array
        ``<name>.query`` (K, K), ``.key``, ``.value``, ``.join``, ``.wide`` (F, K), ``.narrow``
        (K, F), each with ``.weight`` and ``.bias``; ``.norm1`` and ``.norm2`` (K,).
    x : array, shape (B, T, K)
    heads : int
        They divide K.
    window : int or None

    Returns
    -------
    y : array, shape (B, T, K)
    weights : as of :func:`attend`, averaged over the heads
    """
    xp = array_api_compat.array_namespace(x)
    batch, days, width = x.shape
    z = normalised(params, x, f"{name}.norm1")

    def split(part: str) -> Any:
        y = xp.reshape(linear(params, z, f"{name}.{part}"), (batch, days, heads, width // heads))
        return xp.moveaxis(y, 2, 1)  # (B, heads, T, K / heads)

    context, weights = attend(split("query"), split("key"), split("value"), window)
    context = xp.reshape(xp.moveaxis(context, 1, 2), (batch, days, width))
    x = x + linear(params, context, f"{name}.join")
    z = linear(params, normalised(params, x, f"{name}.norm2"), f"{name}.wide")
    z = linear(params, xp.where(z > 0, z, xp.zeros_like(z)), f"{name}.narrow")
    return x + z, xp.mean(weights, axis=1)


def normalised(params: Params, x: Any, name: str) -> Any:
    """Layer normalisation over the last axis."""
    xp = array_api_compat.array_namespace(x)
    mean = xp.mean(x, axis=-1, keepdims=True)
    spread = xp.sqrt(xp.mean((x - mean) ** 2, axis=-1, keepdims=True) + 1e-5)
    return (x - mean) / spread * params[f"{name}.weight"] + params[f"{name}.bias"]


def linear(params: Params, x: Any, name: str) -> Any:
    """``x W^T + b`` over the last axis."""
    return x @ params[f"{name}.weight"].T + params[f"{name}.bias"]


def day_encoding(xp: Any, days: int, width: int, like: Any) -> Any:
    """Sines and cosines of the place in the sequence, (T, K), Vaswani et al. (2017), 3.5."""
    device = array_api_compat.device(like)
    place = xp.arange(days, dtype=like.dtype, device=device)[:, None]
    rate = xp.exp(
        xp.arange(width // 2, dtype=like.dtype, device=device) * (-2 * math.log(10000.0) / width)
    )
    return xp.concat([xp.sin(place * rate), xp.cos(place * rate)], axis=-1)
