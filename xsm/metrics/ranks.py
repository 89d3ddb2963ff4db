"""Rank correlations of many series: Spearman's rho and Kendall's tau-b."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from xsm.metrics.compress_valid import CompressedSeries, compress_valid
from xsm_kernels import compile_loop, compile_once, run_in_threads


class RankOrder(NamedTuple):
    """Two compressed series, sorted.

    Attributes
    ----------
    order_x : ndarray of int64 (P, T)
        Pairs in the order of the first series.
    group_x, group_y : ndarray of int64 (P, T)
        Index of the value of each pair among the sorted distinct values of its series.
    n_distinct : ndarray of int64 (P, 2)
        Number of distinct values of each series.
    """

    order_x: NDArray[np.int64]
    group_x: NDArray[np.int64]
    group_y: NDArray[np.int64]
    n_distinct: NDArray[np.int64]


def rank_order(compressed: CompressedSeries) -> RankOrder:
    """Sort both series; missing values come last."""
    orders, groups, n_distinct = [], [], []
    for values in compressed.series:
        order = np.argsort(values, axis=1)
        ordered = np.take_along_axis(values, order, axis=1)
        rank = np.zeros(values.shape, np.int64)
        np.cumsum(ordered[:, 1:] != ordered[:, :-1], axis=1, out=rank[:, 1:])
        last = np.maximum(compressed.length - 1, 0)[:, None]
        n_distinct.append(np.take_along_axis(rank, last, axis=1)[:, 0] + 1)
        group = np.empty_like(rank)
        np.put_along_axis(group, order, rank, axis=1)
        orders.append(order)
        groups.append(group)
    return RankOrder(orders[0], groups[0], groups[1], np.stack(n_distinct, axis=1))


def rank_statistics(
    x: NDArray[np.float64], y: NDArray[np.float64], *, kendall: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Spearman's rho or Kendall's tau-b of x, y (P, T), NaN where missing.

    Returns
    -------
    correlation, score, variance : ndarray (P,)
        `score` is the number of concordant minus that of discordant pairs of days, `variance` its
        variance for independent series; both for Kendall only, else NaN.
    """
    out = np.full((x.shape[0], 3), np.nan)
    if x.size:
        compressed = compress_valid(x, y)
        order = rank_order(compressed)
        run_in_threads(rank_loop(), x.shape[0], *order, compressed.length, kendall, out)
    return out[:, 0], out[:, 1], out[:, 2]


@njit(nogil=True, error_model="numpy")
def spearman(group_x, n_distinct_x, group_y, n_distinct_y, counts, rank_x, rank_y):
    """Spearman's rho of pairs i, each `counts[i]` times; NaN where one series does not vary.

    Parameters
    ----------
    group_x, group_y : ndarray of int64 (n,)
        Index of the value of each pair among the sorted distinct values.
    counts : ndarray of uint8 (n,)
    rank_x, rank_y : ndarray of float64, at least (n_distinct_x,), (n_distinct_y,)
        Workspace.
    """
    n = group_x.size
    rank_x[:n_distinct_x] = 0.0
    rank_y[:n_distinct_y] = 0.0
    total = 0.0
    for i in range(n):
        c = np.float64(counts[i])
        rank_x[group_x[i]] += c
        rank_y[group_y[i]] += c
        total += c
    middle = (total + 1.0) / 2.0
    xx = _mean_ranks(rank_x, n_distinct_x, middle)
    yy = _mean_ranks(rank_y, n_distinct_y, middle)
    xy = 0.0
    for i in range(n):
        xy += counts[i] * rank_x[group_x[i]] * rank_y[group_y[i]]
    if xx <= 0.0 or yy <= 0.0:
        return np.nan
    return max(-1.0, min(1.0, xy / np.sqrt(xx * yy)))


@njit(nogil=True, error_model="numpy")
def _mean_ranks(rank, n_distinct, middle):
    """Replace sizes of groups of ties by their mean rank minus `middle`; sum of its squares."""
    below, squares = 0.0, 0.0
    for g in range(n_distinct):
        size = rank[g]
        rank[g] = below + (size + 1.0) / 2.0 - middle
        squares += size * rank[g] * rank[g]
        below += size
    return squares


@njit(nogil=True, error_model="numpy")
def kendall_tau_b(order_x, group_x, group_y, n_distinct_y, counts, tree, variance):
    """Kendall's tau-b of pairs i, each `counts[i]` times, in O(n log n).

    A binary indexed tree over the groups of y counts the pairs with smaller x (Knight, 1966,
    doi 10.1080/01621459.1966.10480879, counts the same by sorting).

    Parameters
    ----------
    order_x : ndarray of int64 (n,)
        Pairs in the order of x.
    tree : ndarray of int64, at least (n_distinct_y + 1,)
        Workspace.
    variance : ndarray of float64 (1,)
        Set to the variance of (concordant - discordant) for independent series.
    """
    n = order_x.size
    tree[: n_distinct_y + 1] = 0
    total, difference = 0, 0
    ties_x, ties_y = np.zeros(3), np.zeros(3)
    k = 0
    while k < n:
        stop = k
        size_x = 0
        while stop < n and group_x[order_x[stop]] == group_x[order_x[k]]:
            i = order_x[stop]
            c = np.int64(counts[i])
            if c:
                # of the pairs with smaller x: those with smaller y minus those with larger y
                below = _sum_to(tree, group_y[i])
                upto = _sum_to(tree, group_y[i] + 1)
                difference += c * (below - (total - upto))
                size_x += c
            stop += 1
        for j in range(k, stop):
            i = order_x[j]
            node = group_y[i] + 1
            while node <= n_distinct_y:
                tree[node] += np.int64(counts[i])
                node += node & -node
        total += size_x
        _add_ties(ties_x, size_x)
        k = stop
    below = 0
    for g in range(n_distinct_y):
        upto = _sum_to(tree, g + 1)
        _add_ties(ties_y, upto - below)
        below = upto
    m = np.float64(total)
    n_pairs = m * (m - 1.0)  # ordered pairs of days
    untied_x, untied_y = n_pairs - ties_x[0], n_pairs - ties_y[0]
    variance[0] = (n_pairs * (2.0 * m + 5.0) - ties_x[2] - ties_y[2]) / 18.0
    variance[0] += ties_x[0] * ties_y[0] / (2.0 * n_pairs)
    variance[0] += ties_x[1] * ties_y[1] / (9.0 * n_pairs * (m - 2.0))
    if untied_x <= 0.0 or untied_y <= 0.0:
        return np.nan, 0.0
    tau = 2.0 * difference / np.sqrt(untied_x) / np.sqrt(untied_y)
    return max(-1.0, min(1.0, tau)), np.float64(difference)


@njit(nogil=True, error_model="numpy")
def _sum_to(tree, node):
    total = 0
    while node > 0:
        total += tree[node]
        node -= node & -node
    return total


@njit(nogil=True, error_model="numpy")
def _add_ties(sums, size):
    t = np.float64(size)
    sums[0] += t * (t - 1.0)
    sums[1] += t * (t - 1.0) * (t - 2.0)
    sums[2] += t * (t - 1.0) * (2.0 * t + 5.0)


@njit(nogil=True, error_model="numpy")
def _rank_statistics(order_x, group_x, group_y, n_distinct, lengths, use_kendall, out, start, stop):
    """Rows start..stop of a `RankOrder` (P, T), their first `lengths` pairs -> out (P, 3).

    Columns of `out`: the correlation; concordant minus discordant pairs, and its variance (Kendall
    only).
    """
    longest = order_x.shape[1]
    rank_x, rank_y = np.empty(longest), np.empty(longest)
    tree = np.empty(longest + 1, np.int64)
    ones = np.ones(longest, np.uint8)
    variance = np.empty(1)
    for p in range(start, stop):
        n = lengths[p]
        out[p, :] = np.nan
        if n < 2:
            continue
        x, y, counts = group_x[p, :n], group_y[p, :n], ones[:n]
        if use_kendall:
            tau, score = kendall_tau_b(
                order_x[p, :n], x, y, n_distinct[p, 1], counts, tree, variance
            )
            out[p, 0], out[p, 1], out[p, 2] = tau, score, variance[0]
        else:
            out[p, 0] = spearman(x, n_distinct[p, 0], y, n_distinct[p, 1], counts, rank_x, rank_y)


@compile_once
def rank_loop() -> Any:
    """The compiled `_rank_statistics`."""
    i8 = types.int64
    rows, lengths = types.Array(i8, 2, "C"), types.Array(i8, 1, "C")
    out = types.Array(types.float64, 2, "C")
    signature = types.void(rows, rows, rows, rows, lengths, types.boolean, out, i8, i8)
    return compile_loop(_rank_statistics, signature)
