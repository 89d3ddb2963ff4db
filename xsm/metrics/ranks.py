"""Rank correlations of many series."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray


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
    from xsm_kernels import run_in_threads

    out = np.full((x.shape[0], 3), np.nan)
    if x.size:
        packed = pack(x, y)
        run_in_threads(rank_kernel, x.shape[0], *sort(packed), packed.length, kendall, out)
    return out[:, 0], out[:, 1], out[:, 2]


@njit(nogil=True, error_model="numpy")
def spearman(group_x, many_x, group_y, many_y, counts, rank_x, rank_y):
    """Spearman's rho of pairs i, each `counts[i]` times; NaN where one series does not vary.

    Parameters
    ----------
    group_x, group_y : ndarray of int64 (n,)
        Which of the `many_x`, `many_y` sorted values a pair has.
    counts : ndarray of uint8 (n,)
    rank_x, rank_y : ndarray of float64, at least (many_x,), (many_y,)
        Workspace.
    """
    n = group_x.size
    rank_x[:many_x] = 0.0
    rank_y[:many_y] = 0.0
    total = 0.0
    for i in range(n):
        c = np.float64(counts[i])
        rank_x[group_x[i]] += c
        rank_y[group_y[i]] += c
        total += c
    middle = (total + 1.0) / 2.0
    xx = _mean_ranks(rank_x, many_x, middle)
    yy = _mean_ranks(rank_y, many_y, middle)
    xy = 0.0
    for i in range(n):
        xy += counts[i] * rank_x[group_x[i]] * rank_y[group_y[i]]
    if xx <= 0.0 or yy <= 0.0:
        return np.nan
    return max(-1.0, min(1.0, xy / np.sqrt(xx * yy)))


@njit(nogil=True, error_model="numpy")
def _mean_ranks(rank, many, middle):
    """Sizes of groups -> their mean ranks less `middle`, in place; sum of squares."""
    below, squares = 0.0, 0.0
    for g in range(many):
        size = rank[g]
        rank[g] = below + (size + 1.0) / 2.0 - middle
        squares += size * rank[g] * rank[g]
        below += size
    return squares


@njit(nogil=True, error_model="numpy")
def kendall(order_x, group_x, group_y, many_y, counts, tree, variance):
    """Kendall's tau-b of pairs i, each `counts[i]` times, in O(n log n).

    A binary indexed tree over the groups of y holds how many pairs with smaller x there are
    (Knight, 1966, doi 10.1080/01621459.1966.10480879, counts the same by sorting).

    Parameters
    ----------
    order_x : ndarray of int64 (n,)
        Pairs in the order of x.
    tree : ndarray of int64, at least (many_y + 1,)
        Workspace.
    variance : ndarray of float64 (1,)
        Set to the variance of (concordant - discordant) if the two are independent.
    """
    n = order_x.size
    tree[: many_y + 1] = 0
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
                # pairs with smaller x: y below less y above
                below = _sum_to(tree, group_y[i])
                upto = _sum_to(tree, group_y[i] + 1)
                difference += c * (below - (total - upto))
                size_x += c
            stop += 1
        for j in range(k, stop):
            i = order_x[j]
            place = group_y[i] + 1
            while place <= many_y:
                tree[place] += np.int64(counts[i])
                place += place & -place
        total += size_x
        _add_ties(ties_x, size_x)
        k = stop
    below = 0
    for g in range(many_y):
        upto = _sum_to(tree, g + 1)
        _add_ties(ties_y, upto - below)
        below = upto
    m = np.float64(total)
    every = m * (m - 1.0)
    with_x, with_y = every - ties_x[0], every - ties_y[0]
    variance[0] = (every * (2.0 * m + 5.0) - ties_x[2] - ties_y[2]) / 18.0
    variance[0] += ties_x[0] * ties_y[0] / (2.0 * every)
    variance[0] += ties_x[1] * ties_y[1] / (9.0 * every * (m - 2.0))
    if with_x <= 0.0 or with_y <= 0.0:
        return np.nan, 0.0
    tau = 2.0 * difference / np.sqrt(with_x) / np.sqrt(with_y)
    return max(-1.0, min(1.0, tau)), np.float64(difference)


@njit(nogil=True, error_model="numpy")
def _sum_to(tree, place):
    total = 0
    while place > 0:
        total += tree[place]
        place -= place & -place
    return total


@njit(nogil=True, error_model="numpy")
def _add_ties(sums, size):
    t = np.float64(size)
    sums[0] += t * (t - 1.0)
    sums[1] += t * (t - 1.0) * (t - 2.0)
    sums[2] += t * (t - 1.0) * (2.0 * t + 5.0)


@njit(nogil=True, error_model="numpy")
def rank_kernel(order_x, group_x, group_y, many, lengths, use_kendall, out, start, stop):
    """Rows start..stop of (P, T), their first `lengths` pairs -> out (P, 3).

    `many` (P, 2) counts the distinct values. Columns of `out`: the correlation, concordant less
    discordant pairs, and its variance (Kendall only).
    """
    longest = order_x.shape[1]
    work_x, work_y = np.empty(longest), np.empty(longest)
    tree = np.empty(longest + 1, np.int64)
    ones = np.ones(longest, np.uint8)
    variance = np.empty(1)
    for p in range(start, stop):
        n = lengths[p]
        out[p, :] = np.nan
        if n < 2:
            continue
        of_x, of_y, once = group_x[p, :n], group_y[p, :n], ones[:n]
        if use_kendall:
            tau, score = kendall(order_x[p, :n], of_x, of_y, many[p, 1], once, tree, variance)
            out[p, 0], out[p, 1], out[p, 2] = tau, score, variance[0]
        else:
            out[p, 0] = spearman(of_x, many[p, 0], of_y, many[p, 1], once, work_x, work_y)


class Packed(NamedTuple):
    """Two or three series of P points.

    Attributes
    ----------
    series : tuple of ndarray of float64 (P, T)
        The first `length` of each row are pairs, in order; the rest is NaN.
    length : ndarray of int64 (P,)
    valid : tuple of ndarray of int64 (P,)
        How many values each series has, pairs or not.
    """

    series: tuple[NDArray[np.float64], ...]
    length: NDArray[np.int64]
    valid: tuple[NDArray[np.int64], ...]

    def constant(self) -> NDArray[np.bool_]:
        """Whether a series, where all are valid, does not vary (P,); False without a pair."""
        some = self.length > 0
        found = np.zeros(some.shape, bool)
        for s in self.series:
            if s.shape[1]:
                found |= some & ~((s != s[:, :1]) & ~np.isnan(s)).any(axis=1)
        return found & (self.length > 1)


def pack(*series: NDArray[np.float64]) -> Packed:
    """Move what is valid in all `series` (P, T) to the front of each row."""

    given = np.stack(series).astype(np.float64, copy=False)
    out, valid = np.empty_like(given), np.zeros(given.shape[:2], np.int64)
    length = np.zeros(given.shape[1], np.int64)
    packing_kernel()(given, out, length, valid)
    return Packed(tuple(out), length, tuple(valid))


@njit(nogil=True, error_model="numpy")
def _packed(series, out, length, valid):
    """Of series (S, P, T) what is finite in all, at the front of out (S, P, T), NaN behind it.

    ``length`` (P,) is how many these are, ``valid`` (S, P) how many of each series are finite.
    """
    count, rows, columns = series.shape
    for p in range(rows):
        n = 0
        for t in range(columns):
            ok = True
            for s in range(count):
                finite = np.isfinite(series[s, p, t])
                valid[s, p] += 1 if finite else 0
                ok &= finite
            for s in range(count):
                out[s, p, n] = series[s, p, t]
            n += 1 if ok else 0
        length[p] = n
        out[:, p, n:] = np.nan


@cache
def packing_kernel() -> Any:
    """The compiled function."""
    f8, i8 = types.Array(types.float64, 3, "C"), types.int64
    _packed.compile(types.void(f8, f8, types.Array(i8, 1, "C"), types.Array(i8, 2, "C")))
    return _packed
