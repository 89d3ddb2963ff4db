"""Self-attention among the days of many sequences."""

from __future__ import annotations

from typing import Any

from xsm_kernels import arguments, dispatch
from xsm_kernels.errors import ArgumentError


def self_attention(
    x: Any, weight: Any, bias: Any, *, window: int | None = None, backend: str = "auto"
) -> Any:
    """Scaled dot-product attention among the days of each sequence, with a residual projection.

    Queries, keys, values and the residual are linear in `x`; with s over the days in the window of
    t::

        query, key, value, residual = weight x + bias
        y[t] = tanh(residual[t] + sum_s softmax_s(query[t] . key[s] / sqrt(H)) value[s])

    Parameters
    ----------
    x : array (B, T, C)
        A day with NaN or Inf makes the result NaN for all days in whose window it lies, and reaches
        no other day.
    weight : array (4, H, C)
        Weight and bias are converted to the dtype of `x`.
    bias : array (4, H)
    window : int, optional
        Attend to at most this many days before and after; default: all days.
    backend : "auto", "reference", "numba", "torch" or "triton"
        "auto" chooses by the type of `x`; a backend requested by name is used or refused.

    Returns
    -------
    y : array (B, T, H)
        In the dtype of `x`.

    Raises
    ------
    ArgumentError
        Shapes or dtypes do not match.
    BackendError
        The requested backend does not support this call.

    Notes
    -----
    Scaled dot-product attention: Vaswani et al. (2017), Eq. 1. Residual projection: Luong et al.
    (2015), doi 10.18653/v1/D15-1166, Eq. 5, with the product with the context contained in `value`.
    """
    x = arguments.sequences(x)
    weight = arguments.parameter("weight", weight, x)
    shape = tuple(weight.shape)
    if len(shape) != 3 or shape[0] != 4 or shape[1] < 1 or shape[2] != x.shape[2]:
        raise ArgumentError(
            f"weight: shape {shape}; expected (4, H, {x.shape[2]}): query, key, value and residual."
        )
    bias = arguments.parameter("bias", bias, x, shape[:2])
    days = x.shape[1] - 1 if window is None else arguments.integer(window)
    if days is None or days < 0:
        raise ArgumentError(f"window={window!r}: give days, 0 or more, or None for all days.")
    return dispatch.run(
        "self_attention", backend, (x, weight, bias), window=min(days, x.shape[1] - 1)
    )
