"""Attention over the days of many sequences."""

from __future__ import annotations

from typing import Any

from xsm_kernels import dispatch
from xsm_kernels.errors import ArgumentError


def attention(
    query: Any, key: Any, value: Any, *, window: int | None = None, backend: str = "auto"
) -> Any:
    """What each day takes from the others: scaled dot-product attention.

    With K the width of queries and keys, and s over the days that t may look at::

        context[t] = sum_s softmax_s(query[t] . key[s] / sqrt(K)) value[s]

    Parameters
    ----------
    query, key : array (B, T, K)
    value : array (B, T, V)
    window : int, optional
        A day looks at so many days before and after it only.
    backend : "auto", "reference", "numba" or "torch"
        "auto" chooses by the kind of `query`; a name is used or refused.

    Returns
    -------
    context : array (B, T, V)

    Raises
    ------
    ArgumentError
        Shapes or dtypes that do not fit together.
    BackendError
        The backend asked for cannot do this call.

    Notes
    -----
    Vaswani et al. (2017), Eq. 1.
    """
    if query.ndim != 3 or min(query.shape[1:]) < 1 or "float" not in str(query.dtype):
        raise ArgumentError(
            f"query: shape {tuple(query.shape)}, dtype {query.dtype}; expected floats (B, T, K)."
        )
    if tuple(key.shape) != tuple(query.shape):
        raise ArgumentError(f"key: shape {tuple(key.shape)}; expected {tuple(query.shape)}.")
    if value.ndim != 3 or tuple(value.shape[:2]) != tuple(query.shape[:2]):
        expected = f"({query.shape[0]}, {query.shape[1]}, V)"
        raise ArgumentError(f"value: shape {tuple(value.shape)}; expected {expected}.")
    if window is not None and (int(window) != window or window < 0):
        raise ArgumentError(f"window={window!r}: give days, 0 or more, or None for all.")
    near = query.shape[1] - 1 if window is None else min(int(window), query.shape[1] - 1)
    return dispatch.run("attention", backend, (query, key, value), window=near)
