"""Rank correlations of many series."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.metrics.packing import Packed, pack


class Sorted(NamedTuple):
    """Two packed series, sorted.

    Attributes
    ----------
    order_x : ndarray of int64 (P, T)
        Pairs in the order of the first series.
    group_x, group_y : ndarray of int64 (P, T)
        Which of the distinct values, in order, a pair has.
    many : ndarray of int64 (P, 2)
        How many distinct values there are.
    """

    order_x: NDArray[np.int64]
    group_x: NDArray[np.int64]
    group_y: NDArray[np.int64]
    many: NDArray[np.int64]


def sort(packed: Packed) -> Sorted:
    """Sort both series of `packed`; missing values come last."""
    orders, groups, many = [], [], []
    for values in packed.series:
        order = np.argsort(values, axis=1)
        ordered = np.take_along_axis(values, order, axis=1)
        rank = np.zeros(values.shape, np.int64)
        np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=rank[:, 1:])
        last = np.maximum(packed.length - 1, 0)[:, None]
        many.append(np.take_along_axis(rank, last, axis=1)[:, 0] + 1)
        group = np.empty_like(rank)
        np.put_along_axis(group, order, rank, axis=1)
        orders.append(order)
        groups.append(group)
    return Sorted(orders[0], groups[0], groups[1], np.stack(many, axis=1))


def rank_statistics(
    x: NDArray[np.float64], y: NDArray[np.float64], *, kendall: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Spearman's rho or Kendall's tau-b of x, y (P, T), NaN where missing.

    Returns
    -------
    correlation, score, variance : ndarray (P,)
        Score and variance are concordant less discordant pairs of days and, were the series
        independent, its variance (Kendall only).
    """
    from xsm.metrics.compiled_ranks import rank_statistics as kernel
    from xsm_kernels.threads import spread

    out = np.full((x.shape[0], 3), np.nan)
    if x.size:
        packed = pack(x, y)
        spread(kernel, x.shape[0], *sort(packed), packed.length, kendall, out)
    return out[:, 0], out[:, 1], out[:, 2]
