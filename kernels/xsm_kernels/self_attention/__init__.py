"""Attention of the days of many sequences to each other."""

from __future__ import annotations

from typing import Any

from xsm_kernels import dispatch
from xsm_kernels.errors import ArgumentError


def self_attention(
    x: Any, weight: Any, bias: Any, *, window: int | None = None, backend: str = "auto"
) -> Any:
    """What each day takes from the others, joined with its own.

    Queries, keys, values and the day's own part are linear in `x`; with s over the days that t may
    look at::

        query, key, value, own = weight x + bias
        y[t] = tanh(own[t] + sum_s softmax_s(query[t] . key[s] / sqrt(H)) value[s])

    Parameters
    ----------
    x : array (B, T, C)
    weight : array (4, H, C)
    bias : array (4, H)
    window : int, optional
        A day looks at so many days before and after it only.
    backend : "auto", "reference", "numba" or "torch"
        "auto" chooses by the kind of `x`; a name is used or refused.

    Returns
    -------
    y : array (B, T, H)

    Raises
    ------
    ArgumentError
        Shapes or dtypes that do not fit together.
    BackendError
        The backend asked for cannot do this call.

    Notes
    -----
    Scaled dot-product attention, Vaswani et al. (2017), Eq. 1; with the day's own part, Luong et
    al. (2015), doi 10.18653/v1/D15-1166, Eq. 5, of which the product with the context is taken
    into `value`.
    """
    if x.ndim != 3 or min(x.shape[1:]) < 1 or "float" not in str(x.dtype):
        raise ArgumentError(
            f"x: shape {tuple(x.shape)}, dtype {x.dtype}; expected floats (B, T, C), a day and a "
            "channel at least."
        )
    shape = tuple(weight.shape)
    if len(shape) != 3 or shape[0] != 4 or shape[1] < 1 or shape[2] != x.shape[2]:
        raise ArgumentError(
            f"weight: shape {shape}; expected (4, H, {x.shape[2]}): query, key, value and own."
        )
    if tuple(bias.shape) != shape[:2]:
        raise ArgumentError(f"bias: shape {tuple(bias.shape)}; expected {shape[:2]}.")
    if window is not None and (int(window) != window or window < 0):
        raise ArgumentError(f"window={window!r}: give days, 0 or more, or None for all.")
    near = x.shape[1] - 1 if window is None else min(int(window), x.shape[1] - 1)
    return dispatch.run("self_attention", backend, (x, weight, bias), window=near)
