"""Scaled dot-product attention over the days of a sequence, or over a window around each day."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat

from xsm.networks.layers import Params, softmax


def attend(query: Any, key: Any, value: Any, window: int | None = None) -> tuple[Any, Any]:
    """Scaled dot-product attention, Vaswani et al. (2017), Eq. 1.

    Parameters
    ----------
    query, key : array, shape (..., T, K)
    value : array, shape (..., T, V)
    window : int, optional
        A day attends to this many days before and after it only. The result equals that of full
        attention when the window covers the sequence.

    Returns
    -------
    context : array, shape (..., T, V)
    weights : array, shape (..., T, T) or (..., T, 2 * window + 1)
        Non-negative, sums 1 over the last axis; 0 beyond the ends of the sequence.
    """
    if window is not None:
        return _attend_in_window(query, key, value, window)
    xp = array_api_compat.array_namespace(query, key)
    scores = query @ xp.moveaxis(key, -1, -2) / math.sqrt(query.shape[-1])
    weights = softmax(xp, scores)
    return weights @ value, weights


def _attend_in_window(query: Any, key: Any, value: Any, window: int) -> tuple[Any, Any]:
    xp = array_api_compat.array_namespace(query, key)
    days = query.shape[-2]
    scale = 1 / math.sqrt(query.shape[-1])
    offsets = range(-window, window + 1)
    scores = []
    for offset in offsets:  # one diagonal of the matrix of scores at a time: (..., T)
        product = xp.sum(query * _shifted(xp, key, offset), axis=-1) * scale
        day = xp.arange(days, device=array_api_compat.device(query)) + offset
        masked = xp.asarray(-xp.inf, dtype=query.dtype, device=array_api_compat.device(query))
        scores.append(xp.where((day >= 0) & (day < days), product, masked))
    weights = softmax(xp, xp.stack(scores, axis=-1))
    context = xp.zeros_like(value)
    for n, offset in enumerate(offsets):
        context = context + weights[..., n, None] * _shifted(xp, value, offset)
    return context, weights


def _shifted(xp: Any, x: Any, offset: int) -> Any:
    """``x[..., t + offset, :]`` at index ``t`` of (..., T, K); zero beyond the ends."""
    days = x.shape[-2]
    shift = min(abs(offset), days)
    padding = xp.zeros_like(x[..., :shift, :])
    if offset >= 0:
        return xp.concat([x[..., shift:, :], padding], axis=-2)
    return xp.concat([padding, x[..., : days - shift, :]], axis=-2)


def fused_attention(params: Params, y: Any, window: int | None, ops: Any) -> Any:
    """Attention and output projection of the AtLSTM, without the attention weights.

    The output projection is linear, so its part for the context, ``P_c``, is applied to the values
    first, which saves three of four matrix products::

        P_c sum_s a_s (V y_s + v) = sum_s a_s (P_c V y_s + P_c v)

    Parameters
    ----------
    params : mapping of str to array
        ``attention.query|key|value`` and ``out_proj`` of the network.
    y : array, shape (B, T, K)
        States of the LSTM.
    window : int or None
        As of :func:`attend`.
    ops : namespace
        Supplies ``self_attention``.

    Returns
    -------
    array, shape (B, T, H)
        ``tanh(out_proj [context, y])``.
    """
    xp = array_api_compat.array_namespace(y)
    names = [f"attention.{name}" for name in ("query", "key", "value")]
    weights, biases = ([params[f"{name}.{end}"] for name in names] for end in ("weight", "bias"))
    hidden = weights[2].shape[0]
    projection = params["out_proj.weight"]
    of_context, of_state = projection[:, :hidden], projection[:, hidden:]
    weight = xp.stack([*weights[:2], of_context @ weights[2], of_state])
    bias = xp.stack([*biases[:2], of_context @ biases[2], params["out_proj.bias"]])
    return ops.self_attention(y, weight, bias, window=window)
