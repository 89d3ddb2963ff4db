"""Bootstrap distributions of statistics of many series, and the bounds they give.

A distribution is an array (P, 1 + B + J): the statistic of all pairs, of B resamples, and of all
pairs but one (J = T, or 0 where no jackknife is asked for); NaN where it is undefined.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from xsm.metrics.moments import Moments
from xsm.metrics.ranks import Packed, kendall, spearman

# metrics of est - ref alone: half the sums
OF_DIFFERENCES = ("bias", "rmsd", "ubrmsd", "mae", "mse", "mse_bias")
BATCH = 1 << 18  # numbers of distributions held at once by a thread: they stay in the cache


class Plan:
    """How to resample.

    Parameters
    ----------
    method : {"bca", "percentile", "basic", "moving_block"}
    level : float
        Of confidence.
    n : int
        Resamples.
    block : int or None
        Days of a block; None: the cube root of the number of pairs.
    seed : int
    """

    def __init__(self, method: str, level: float, n: int, block: int | None, seed: int):
        self.method, self.level, self.n, self.seed = method, level, n, np.uint64(seed)
        self.block, self.jackknife = block, method == "bca"

    def batches(self, packed: Packed, numbers: int) -> Iterator[tuple[NDArray[np.intp], int]]:
        """Rows to do together, by length, and the block to draw.

        `numbers` is how many a row needs for each resample.
        """
        columns = 1 + self.n + (packed.series[0].shape[1] if self.jackknife else 0)
        rows = max(1, BATCH // (columns * numbers))
        order = np.argsort(packed.length, kind="stable")
        if self.method != "moving_block":
            for first in range(0, order.size, rows):
                yield order[first : first + rows], 1
            return
        for length in np.unique(packed.length):
            same = order[packed.length[order] == length]
            block = self.block or max(1, round(float(length) ** (1 / 3)))
            for first in range(0, same.size, rows):
                yield same[first : first + rows], int(block)


def resampled(
    series: tuple[NDArray[np.float64], ...],
    linear: int,
    length: NDArray[np.int64],
    block: int,
    plan: Plan,
    precision: type = np.float64,
) -> NDArray[np.float64]:
    """Moments (P, F, 1 + B + J) of series (P, T), zero beyond `length` (P,).

    The `linear` first are deviations from a mean: their means, and the sums of the products of each
    two about these means (xx, xy, ..., yy, ...). Of the others the sums. Last the number of values.
    `precision` is that of the sums over resamples.
    """

    deviations, others = series[:linear], series[linear:]
    products = [a * b for i, a in enumerate(deviations) for b in deviations[i:]]
    parts = [*deviations, *products, *others]
    if len(parts) % 3:
        raise ValueError(f"{len(parts)} features: the kernel sums three at a time")
    rows, longest = series[0].shape
    features = np.zeros((len(parts), rows, -(-longest // LANES) * LANES))
    for f, part in enumerate(parts):
        features[f, :, :longest] = part
    out = np.empty((rows, len(parts) + 1, 1 + plan.n + (longest if plan.jackknife else 0)))
    drawn: NDArray[np.floating] = features.astype(precision, copy=False)
    moments_kernel()(drawn, features, linear, length, block, plan.seed, plan.n, out)
    return out


def resampled_moments(packed: Packed, metric: str, block: int, plan: Plan) -> Moments:
    """Moments (P, 1 + B + J) of packed series (P, T), as far as `metric` needs them."""
    x, y = packed.series
    inside = np.arange(x.shape[1]) < packed.length[:, None]
    if metric in OF_DIFFERENCES:
        apart, mean = centred(x - y, inside)
        size = np.where(inside, np.abs(x - y), 0.0)
        found = resampled((apart, size), 1, packed.length, block, plan)
        m_d, dd, ad, n = found.swapaxes(0, 1)
        none = np.broadcast_to(np.nan, n.shape)
        return Moments(n, n, mean + m_d, np.zeros_like(n), none, none, none, dd, ad, n, n)
    (d_x, mean_x), (d_y, mean_y) = centred(x, inside), centred(y, inside)
    apart = np.where(inside, np.abs(x - y), 0.0)
    found = resampled((d_x, d_y, apart), 2, packed.length, block, plan)
    m_x, m_y, xx, xy, yy, ad, n = found.swapaxes(0, 1)
    dd = np.maximum(xx + yy - 2.0 * xy, 0.0)
    return Moments(n, n, mean_x + m_x, mean_y + m_y, xx, yy, xy, dd, ad, n, n)


def centred(
    x: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Deviations from the mean (P, T), 0 where not `inside`, and the mean (P, 1)."""
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    first = np.where(inside[:, :1], x[:, :1], 0.0)
    mean = first + np.where(inside, x - first, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(inside, x - mean, 0.0), mean


def bounds(
    values: NDArray[np.float64], plan: Plan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bound (P,) of distributions (P, 1 + B + J).

    Parameters
    ----------
    values : ndarray
    plan : Plan
        ``percentile`` and ``moving_block``: quantiles of the resamples. ``basic``: twice the
        statistic less those (Davison and Hinkley, 1997, doi 10.1017/CBO9780511802843, eq. 5.6).
        ``bca``: quantiles shifted for bias and skewness (Efron, 1987,
        doi 10.1080/01621459.1987.10478410).
    """

    describe, quantiles = quantile_kernels()
    values = np.ascontiguousarray(values)
    described, found = np.empty((values.shape[0], 4)), np.empty((values.shape[0], 2))
    describe(values, plan.n, described)
    tail = (1.0 - plan.level) / 2.0
    tails = np.full(found.shape, [tail, 1.0 - tail])
    if plan.method == "bca":
        tails = _bias_corrected(described, values[:, 1 + plan.n :], tails)
    quantiles(values, plan.n, described, tails, found)
    whole = values[:, :1]
    if plan.method == "basic":
        found = 2.0 * whole - found[:, ::-1]
    found = np.where(np.isfinite(whole), found, np.nan)
    return found[:, 0], found[:, 1]


def _bias_corrected(
    described: NDArray[np.float64], jackknife: NDArray[np.float64], tails: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shares (P, 2) of resamples below the bounds."""
    from scipy.special import ndtr, ndtri

    number = np.maximum(described[:, :1], 1.0)
    shift = ndtri(np.clip(described[:, 3:] / number, 0.5 / number, 1.0 - 0.5 / number))
    seen = np.isfinite(jackknife)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    mean = np.where(seen, jackknife, 0.0).sum(axis=1, keepdims=True) / count
    away = np.where(seen, mean - jackknife, 0.0)
    squares = (away * away).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        skewness = (away * away * away).sum(axis=1, keepdims=True) / (6.0 * squares**1.5)
    skewness = np.where(squares > 0, skewness, 0.0)
    normal = shift + ndtri(tails)
    return ndtr(shift + normal / (1.0 - skewness * normal))


TILE = 16  # resamples at a time, so that their counts stay in the cache
LANES = 16  # series are padded to a multiple, so that sums are vectors to the end
_STEP, _MIX_1, _MIX_2 = (
    np.uint64(k) for k in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@njit(nogil=True, error_model="numpy")
def _hash(z):
    """SplitMix64 (Steele et al., 2014, doi 10.1145/2660193.2660195)."""
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@njit(nogil=True, error_model="numpy")
def draw(n, block, seed, first, at, counts):
    """Fill `counts` (B, at least n) with the resamples first .. first + B of n values.

    Runs of `block` values in a row are drawn (1: single values), the last one cut to fit. `at` is
    workspace (at least n + 1,).
    """
    runs = (n + block - 1) // block
    hashes = (runs + 1) // 2
    starts, low = np.uint64(n - block + 1), np.uint64(0xFFFFFFFF)
    for b in range(counts.shape[0]):
        for i in range(n):
            counts[b, i] = 0
        state = _hash(_hash(seed) + np.uint64(first + b) * _STEP) + np.uint64(n)
        # two numbers of 32 bits from each of 64
        for k in range(hashes):
            z = _hash(state + np.uint64(k) * _STEP)
            at[k] = np.int64(((z >> np.uint64(32)) * starts) >> np.uint64(32))
            at[hashes + k] = np.int64(((z & low) * starts) >> np.uint64(32))
        if block == 1:
            for k in range(n):
                counts[b, at[k]] += 1
        else:
            for k in range(runs):
                for i in range(at[k], at[k] + min(block, n - k * block)):
                    counts[b, i] += 1


@njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _dots(counts, b, features, f, p, length, out):
    """Sums of four rows of `counts` times three features, in registers; to out[f : f + 3, b :]."""
    a_0, a_1, a_2, a_3 = counts[b], counts[b + 1], counts[b + 2], counts[b + 3]
    b_0, b_1, b_2 = features[f, p], features[f + 1, p], features[f + 2, p]
    zero = b_0.dtype.type(0)
    s_00, s_01, s_02, s_03 = zero, zero, zero, zero
    s_10, s_11, s_12, s_13 = zero, zero, zero, zero
    s_20, s_21, s_22, s_23 = zero, zero, zero, zero
    for i in range(length):
        s_00 += a_0[i] * b_0[i]
        s_01 += a_1[i] * b_0[i]
        s_02 += a_2[i] * b_0[i]
        s_03 += a_3[i] * b_0[i]
        s_10 += a_0[i] * b_1[i]
        s_11 += a_1[i] * b_1[i]
        s_12 += a_2[i] * b_1[i]
        s_13 += a_3[i] * b_1[i]
        s_20 += a_0[i] * b_2[i]
        s_21 += a_1[i] * b_2[i]
        s_22 += a_2[i] * b_2[i]
        s_23 += a_3[i] * b_2[i]
    out[f, b], out[f, b + 1], out[f, b + 2], out[f, b + 3] = s_00, s_01, s_02, s_03
    out[f + 1, b], out[f + 1, b + 1], out[f + 1, b + 2], out[f + 1, b + 3] = s_10, s_11, s_12, s_13
    out[f + 2, b], out[f + 2, b + 1], out[f + 2, b + 2], out[f + 2, b + 3] = s_20, s_21, s_22, s_23


@njit(nogil=True, error_model="numpy")
def _centre(sums, linear, numbers):
    """Sums of values -> means, of products -> about the means; in place (F, C), `numbers` (C,)."""
    f = linear
    for i in range(linear):
        for j in range(i, linear):
            for c in range(numbers.size):
                left = sums[f, c] - sums[i, c] * sums[j, c] / numbers[c]
                # what is left of a series that does not vary is rounding
                sums[f, c] = 0.0 if i == j and left <= 1e-13 * sums[f, c] else left
            f += 1
    for i in range(linear):
        for c in range(numbers.size):
            sums[i, c] /= numbers[c]


@njit(nogil=True, error_model="numpy", fastmath={"reassoc"})
def _sum(values, n):
    total = 0.0
    for i in range(n):
        total += values[i]
    return total


@njit(nogil=True, error_model="numpy")
def _without_one(values, n, total, out):
    """Sums of all of `values` but each; NaN beyond the first n."""
    for i in range(out.size):
        out[i] = total - values[i] if i < n else np.nan


@njit(nogil=True, error_model="numpy")
def _resampled_moments(features, exact, linear, lengths, block, seed, resamples, out):
    """Moments of resamples: see ``resampling.resampled``.

    `exact` (F, P, W), F a multiple of 3 and W of LANES, are the `linear` deviations from a mean,
    the products of each two of them (xx, xy, ..., yy, ...), then what is only to be summed; zero
    beyond `lengths` (P,). `features` are the same in the precision of the sums over resamples.
    `out` is (P, F + 1, 1 + B + J), the last of F + 1 the number of values. Rows of equal length
    that follow one another share their draws.
    """
    many, rows, wide = features.shape
    counts, at = np.empty((TILE, wide), features.dtype), np.empty(wide + 1, np.int64)
    dots = np.empty((many, TILE), features.dtype)
    start = 0
    while start < rows:
        n = lengths[start]
        stop = start + 1
        while stop < rows and lengths[stop] == n:
            stop += 1
        long = (n + LANES - 1) // LANES * LANES
        for b in range(TILE):
            for i in range(long):
                counts[b, i] = 0.0
        if n == 0:
            out[start:stop] = 0.0
        for first in range(0, resamples if n > 0 else 0, TILE):
            draw(n, min(block, n), seed, first, at, counts)
            last = min(TILE, resamples - first)
            for p in range(start, stop):
                for f in range(0, many, 3):
                    for b in range(0, last, 4):
                        _dots(counts, b, features, f, p, long, dots)
                for f in range(many):
                    for b in range(last):
                        out[p, f, 1 + first + b] = dots[f, b]
        for p in range(start, stop):
            for f in range(many):
                total = _sum(exact[f, p], n)
                out[p, f, 0] = total
                _without_one(exact[f, p], n, total, out[p, f, 1 + resamples :])
            for c in range(out.shape[2]):
                left_out = c > resamples
                out[p, many, c] = n - left_out if c - resamples <= n else np.nan
            _centre(out[p], linear, out[p, many])
        start = stop


@cache
def moments_kernel() -> Any:
    """The compiled function, for sums over resamples in single and in double precision."""
    f8, i8 = types.Array(types.float64, 3, "C"), types.int64
    lengths = types.Array(i8, 1, "C")
    for features in (types.Array(types.float32, 3, "C"), f8):
        _resampled_moments.compile(types.void(features, f8, i8, lengths, i8, types.uint64, i8, f8))
    return _resampled_moments


@njit(nogil=True, error_model="numpy")
def resampled_ranks(
    order_x, group_x, group_y, many, lengths, block, seed, use_kendall, jackknife, out
):
    """Rank correlations (P, 1 + B + T): of all, of resamples, and with one value left out.

    Arguments as of ``rank_kernel``; without `jackknife` B is the rest.
    """
    rows, longest = order_x.shape
    resamples = out.shape[1] - 1 - (longest if jackknife else 0)
    counts, at = np.empty((1, longest), np.uint8), np.empty(longest + 1, np.int64)
    work_x, work_y = np.empty(longest), np.empty(longest)
    tree, variance = np.empty(longest + 1, np.int64), np.empty(1)
    for p in range(rows):
        n = lengths[p]
        out[p] = np.nan
        if n < 2:
            continue
        of_x, of_y, c = group_x[p, :n], group_y[p, :n], counts[0, :n]
        for column in range(out.shape[1]):
            left_out = column - 1 - resamples
            if left_out >= n:
                break
            if 0 < column <= resamples:
                draw(n, min(block, n), seed, column - 1, at, counts)
            else:
                c[:] = 1
                if left_out >= 0:
                    c[left_out] = 0
            if use_kendall:
                found = kendall(order_x[p, :n], of_x, of_y, many[p, 1], c, tree, variance)[0]
            else:
                found = spearman(of_x, many[p, 0], of_y, many[p, 1], c, work_x, work_y)
            out[p, column] = found


_TAIL_STEP = 0.35  # standard deviations that the limit of a tail moves at a time


@njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _describe(values, resamples, out):
    """Of columns 1 .. resamples of values (P, C), where finite: number, mean, standard deviation,
    and how many are below column 0, equal ones half: out (P, 4)."""
    for p in range(values.shape[0]):
        whole, drawn = values[p, 0], values[p, 1 : 1 + resamples]
        number, total, squares, below = 0.0, 0.0, 0.0, 0.0
        for c in range(resamples):
            v = drawn[c]
            ok = np.isfinite(v)
            away = v - whole if ok else 0.0
            number += 1.0 if ok else 0.0
            total += away
            squares += away * away
            below += (0.5 if v <= whole else 0.0) + (0.5 if v < whole else 0.0)
        mean = total / number
        out[p, 0], out[p, 1], out[p, 3] = number, whole + mean, below
        out[p, 2] = np.sqrt(max(squares / number - mean * mean, 0.0))


@njit(nogil=True, error_model="numpy")
def _select(values, n, k):
    """Bring the k-th smallest of the first n to place k, none larger before it (Hoare, 1961)."""
    low, high = 0, n - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            break


@njit(nogil=True, error_model="numpy")
def _gather_tail(drawn, sign, need, centre, spread, tail):
    """Copy the smallest finite ones of ``sign * drawn``, `need` or more, to `tail`; how many."""
    # holds about half as many again as needed of a normal distribution
    share = min(need / drawn.size, 1.0)
    limit = sign * centre - 0.65 * np.sqrt(-2.0 * np.log(share)) * spread
    n = 0
    for step in range(12):
        n = 0
        for c in range(drawn.size):
            v = sign * drawn[c]
            tail[n] = v
            n += 1 if (v <= limit) & np.isfinite(v) else 0
        if n >= need:
            break
        limit = limit + _TAIL_STEP * spread if step < 10 else np.inf
    return n


@njit(nogil=True, error_model="numpy")
def _quantiles(values, resamples, described, shares, out):
    """Quantiles of columns 1 .. resamples of values (P, C): shares (P, Q) -> out (P, Q).

    Linear between two values, as numpy.quantile; NaN where none is finite.
    """
    tail = np.empty(resamples + 1)
    for p in range(values.shape[0]):
        number, centre, spread = described[p, 0], described[p, 1], described[p, 2]
        for q in range(shares.shape[1]):
            share = shares[p, q]
            out[p, q] = np.nan
            if number < 1 or not (share >= 0 and share <= 1):
                continue
            if spread == 0:  # all are equal
                out[p, q] = centre
                continue
            sign = 1.0 if share <= 0.5 else -1.0
            place = (share if share <= 0.5 else 1.0 - share) * (number - 1)
            below = int(place)
            need = min(below + 2, number)
            n = _gather_tail(values[p, 1 : 1 + resamples], sign, need, centre, spread, tail)
            _select(tail, n, below)
            above = tail[below]
            if below + 1 < n:
                above = tail[below + 1 : n].min()
            out[p, q] = sign * (tail[below] + (above - tail[below]) * (place - below))


@cache
def quantile_kernels() -> tuple[Any, Any]:
    """The compiled functions: describe, quantiles."""
    f8 = types.Array(types.float64, 2, "C")
    _describe.compile(types.void(f8, types.int64, f8))
    _quantiles.compile(types.void(f8, types.int64, f8, f8, f8))
    return _describe, _quantiles
