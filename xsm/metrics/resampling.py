"""Bootstrap distributions of statistics of many series, and confidence bounds from them.

A distribution is an array (P, 1 + B + J): the statistic of all pairs, of B resamples, and of all
pairs but one (the jackknife; J = T, or 0 where it is not needed); NaN where it is undefined.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import from_dtype, njit, types
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from xsm.argument_checks import check_whole
from xsm.errors import InputError
from xsm.metrics.compress_valid import CompressedSeries, centre
from xsm.metrics.moments import Moments
from xsm.metrics.ranks import kendall_tau_b, rank_order, spearman
from xsm_kernels import compile_loop, compile_once

RESAMPLING_METHODS = ("bca", "percentile", "basic", "moving_block")
# metrics of est - ref: half of the sums suffice
DIFFERENCE_METRICS = ("bias", "rmsd", "ubrmsd", "mae", "mse", "mse_bias", "rss")
BATCH_VALUES = 1 << 18  # of distributions, held at once by a thread: they stay in the cache


class ResamplingPlan:
    """How to resample.

    Parameters
    ----------
    method : {"bca", "percentile", "basic", "moving_block"}
    level : float
        Confidence level.
    n_resamples : int
    block_length : int or None
        Pairs of a block; None: the cube root of the number of pairs.
    seed : int
    """

    def __init__(
        self, method: str, level: float, n_resamples: int, block_length: int | None, seed: int
    ):
        self.method, self.level, self.n_resamples = method, level, n_resamples
        self.block_length, self.seed = block_length, np.uint64(seed)
        self.jackknife = method == "bca"

    def too_short(self, length: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which series (P,) have less than two blocks of pairs: their resamples hardly differ."""
        if self.method != "moving_block" or self.block_length is None:
            return np.zeros(length.shape, bool)
        return np.asarray((self.block_length > 1) & (length < 2 * self.block_length))

    def n_columns(self, longest: int) -> int:
        """Length of a distribution of series of up to `longest` pairs: 1 + B + J."""
        return 1 + self.n_resamples + (longest if self.jackknife else 0)

    def batches(
        self, compressed: CompressedSeries, values_per_column: int
    ) -> Iterator[tuple[NDArray[np.intp], int]]:
        """Rows to resample together, ordered by length, and the length of their blocks.

        `values_per_column` is the number of values held for each resample of a row.
        """
        columns = self.n_columns(compressed.series[0].shape[1])
        n_rows = max(1, BATCH_VALUES // (columns * values_per_column))
        order = np.argsort(compressed.length, kind="stable")
        if self.method != "moving_block":
            for first in range(0, order.size, n_rows):
                yield order[first : first + n_rows], 1
            return
        for length in np.unique(compressed.length):
            rows = order[compressed.length[order] == length]
            block_length = self.block_length or max(1, round(float(length) ** (1 / 3)))
            for first in range(0, rows.size, n_rows):
                yield rows[first : first + n_rows], int(block_length)


def check_resampling(method: str | None, level: Any, n: Any, block: Any, seed: Any) -> None:
    """Raise InputError where an argument of a plan cannot be used, or would be ignored."""
    if not isinstance(level, (int, float, np.number)) or not 0 < level < 1:
        raise InputError(f"level={level!r}: expected a fraction between 0 and 1, such as 0.95.")
    check_whole({"n": (n, 2), "seed": (seed, 0)} | ({} if block is None else {"block": (block, 1)}))
    if block is not None and method != "moving_block":
        raise InputError(
            f"block={block!r} does not apply to the intervals {method!r}, which resample single "
            "pairs: leave it out, or choose 'moving_block'."
        )


def resample_deviations(
    series: tuple[NDArray[np.float64], ...],
    n_deviations: int,
    length: NDArray[np.int64],
    block_length: int,
    plan: ResamplingPlan,
    precision: type = np.float64,
) -> NDArray[np.float64]:
    """Moments (P, F, 1 + B + J) of series (P, T), zero beyond `length` (P,).

    The first `n_deviations` series are deviations from a mean: of these the means, and the sums of
    the products of each two about the means (xx, xy, ..., yy, ...). Of the other series the sums.
    The last of the F moments is the number of values. `precision` is that of the sums over
    resamples.
    """
    deviations, others = series[:n_deviations], series[n_deviations:]
    products = [a * b for i, a in enumerate(deviations) for b in deviations[i:]]
    features = [*deviations, *products, *others]
    if len(features) % 3:
        raise ValueError(f"{len(features)} features: the compiled loop sums three at a time")
    rows, longest = series[0].shape
    exact = np.zeros((len(features), rows, -(-longest // LANES) * LANES))
    for f, values in enumerate(features):
        exact[f, :, :longest] = values
    out = np.empty((rows, len(features) + 1, plan.n_columns(longest)))
    rounded: NDArray[np.floating] = exact.astype(precision, copy=False)
    resampled_moments_loop(rounded.dtype)(
        rounded, exact, n_deviations, length, block_length, plan.seed, plan.n_resamples, out
    )
    return out


def resampled_moments(
    compressed: CompressedSeries, metric: str, block_length: int, plan: ResamplingPlan
) -> Moments:
    """Moments (P, 1 + B + J) of two series (P, T), as far as `metric` needs them."""
    x, y = compressed.series
    inside, length = compressed.inside, compressed.length
    if metric in DIFFERENCE_METRICS:
        deviation, mean = centre(x - y, inside)
        distance = np.where(inside, np.abs(x - y), 0.0)
        sums = resample_deviations((deviation, distance), 1, length, block_length, plan)
        m_d, dd, ad, n = sums.swapaxes(0, 1)
        unused = np.broadcast_to(np.nan, n.shape)
        zero = np.zeros_like(n)
        return Moments(n, n, mean + m_d, zero, unused, unused, unused, dd, ad, n, n)
    (d_x, mean_x), (d_y, mean_y) = centre(x, inside), centre(y, inside)
    distance = np.where(inside, np.abs(x - y), 0.0)
    sums = resample_deviations((d_x, d_y, distance), 2, length, block_length, plan)
    m_x, m_y, xx, xy, yy, ad, n = sums.swapaxes(0, 1)
    dd = np.maximum(xx + yy - 2.0 * xy, 0.0)
    return Moments(n, n, mean_x + m_x, mean_y + m_y, xx, yy, xy, dd, ad, n, n)


def resampled_rank_correlation(
    compressed: CompressedSeries, block_length: int, plan: ResamplingPlan, *, kendall: bool
) -> NDArray[np.float64]:
    """Distribution (P, 1 + B + J) of Spearman's rho or Kendall's tau-b."""
    rows, longest = compressed.series[0].shape
    out = np.empty((rows, plan.n_columns(longest)))
    resampled_ranks_loop()(
        *rank_order(compressed), compressed.length, block_length, plan.seed, kendall,
        plan.jackknife, out,
    )  # fmt: skip
    return out


def confidence_bounds(
    distribution: NDArray[np.float64], plan: ResamplingPlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper bound (P,) from distributions (P, 1 + B + J).

    ``percentile`` and ``moving_block``: quantiles of the resamples. ``basic``: twice the statistic
    minus these quantiles (Davison and Hinkley, 1997, doi 10.1017/CBO9780511802843, eq. 5.6).
    ``bca``: quantiles shifted for bias and skewness (Efron, 1987,
    doi 10.1080/01621459.1987.10478410).
    """
    describe, quantiles = quantile_loops()
    distribution = np.ascontiguousarray(distribution)
    rows = distribution.shape[0]
    summary, bounds = np.empty((rows, 4)), np.empty((rows, 2))
    describe(distribution, plan.n_resamples, summary)
    tail = (1.0 - plan.level) / 2.0
    probabilities = np.full(bounds.shape, [tail, 1.0 - tail])
    if plan.method == "bca":
        jackknife = distribution[:, 1 + plan.n_resamples :]
        probabilities = _bca_probabilities(summary, jackknife, probabilities)
    quantiles(distribution, plan.n_resamples, summary, probabilities, bounds)
    statistic = distribution[:, :1]
    if plan.method == "basic":
        bounds = 2.0 * statistic - bounds[:, ::-1]
    bounds = np.where(np.isfinite(statistic), bounds, np.nan)
    return bounds[:, 0], bounds[:, 1]


def _bca_probabilities(
    summary: NDArray[np.float64], jackknife: NDArray[np.float64], tails: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fractions (P, 2) of the resamples below the bounds, corrected for bias and skewness."""
    n_defined = np.maximum(summary[:, :1], 1.0)
    fraction_below = summary[:, 3:] / n_defined
    shift = ndtri(np.clip(fraction_below, 0.5 / n_defined, 1.0 - 0.5 / n_defined))
    defined = np.isfinite(jackknife)
    count = np.maximum(defined.sum(axis=1, keepdims=True), 1)
    mean = np.where(defined, jackknife, 0.0).sum(axis=1, keepdims=True) / count
    deviation = np.where(defined, mean - jackknife, 0.0)
    squares = (deviation * deviation).sum(axis=1, keepdims=True)
    cubes = (deviation * deviation * deviation).sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        acceleration = cubes / (6.0 * squares**1.5)
    acceleration = np.where(squares > 0, acceleration, 0.0)
    normal = shift + ndtri(tails)
    return ndtr(shift + normal / (1.0 - acceleration * normal))


TILE_RESAMPLES = 16  # at a time, so that their counts stay in the cache
LANES = 16  # series are padded to a multiple of the vector width
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
def draw_counts(n, block, seed, first, starts, counts):
    """Fill `counts` (B, at least n) with the resamples first .. first + B of n values.

    Blocks of `block` successive values are drawn (1: single values), the last one cut to fit.
    `starts` is workspace (at least n + 1,).
    """
    n_blocks = (n + block - 1) // block
    hashes = (n_blocks + 1) // 2
    n_starts, low = np.uint64(n - block + 1), np.uint64(0xFFFFFFFF)
    for b in range(counts.shape[0]):
        for i in range(n):
            counts[b, i] = 0
        state = _hash(_hash(seed) + np.uint64(first + b) * _STEP) + np.uint64(n)
        # each hash of 64 bits gives two numbers of 32
        for k in range(hashes):
            z = _hash(state + np.uint64(k) * _STEP)
            starts[k] = np.int64(((z >> np.uint64(32)) * n_starts) >> np.uint64(32))
            starts[hashes + k] = np.int64(((z & low) * n_starts) >> np.uint64(32))
        if block == 1:
            for k in range(n):
                counts[b, starts[k]] += 1
        else:
            for k in range(n_blocks):
                for i in range(starts[k], starts[k] + min(block, n - k * block)):
                    counts[b, i] += 1


@njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _dots(counts, b, features, f, p, length, out):
    """Sums of four rows of `counts` times three features, in registers, to out[f : f + 3, b :]."""
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
def _centre_sums(sums, n_deviations, numbers):
    """In place (F, C): sums of values -> means, of products -> sums about the means.

    `numbers` (C,) are the numbers of values.
    """
    f = n_deviations
    for i in range(n_deviations):
        for j in range(i, n_deviations):
            for c in range(numbers.size):
                about_mean = sums[f, c] - sums[i, c] * sums[j, c] / numbers[c]
                # the remainder of a series that does not vary is rounding
                rounding = i == j and about_mean <= 1e-13 * sums[f, c]
                sums[f, c] = 0.0 if rounding else about_mean
            f += 1
    for i in range(n_deviations):
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
    """`total` without each one of `values`; NaN beyond the first n."""
    for i in range(out.size):
        out[i] = total - values[i] if i < n else np.nan


def _resampled_moments(features, exact, n_deviations, lengths, block, seed, resamples, out):
    """Moments of resamples: see `resample_deviations`.

    `exact` (F, P, W), F a multiple of 3 and W of LANES, are the `n_deviations` deviations from a
    mean, the products of each two of them (xx, xy, ..., yy, ...), then series of which only sums
    are needed; zero beyond `lengths` (P,). `features` are the same in the precision of the sums
    over resamples. `out` is (P, F + 1, 1 + B + J), the last of F + 1 the number of values.
    Successive rows of equal length use the same draws.
    """
    n_features, rows, padded = features.shape
    counts = np.empty((TILE_RESAMPLES, padded), features.dtype)
    starts = np.empty(padded + 1, np.int64)
    dots = np.empty((n_features, TILE_RESAMPLES), features.dtype)
    start = 0
    while start < rows:
        n = lengths[start]
        stop = start + 1
        while stop < rows and lengths[stop] == n:
            stop += 1
        padded_n = (n + LANES - 1) // LANES * LANES
        for b in range(TILE_RESAMPLES):
            for i in range(padded_n):
                counts[b, i] = 0.0
        if n == 0:
            out[start:stop] = 0.0
        for first in range(0, resamples if n > 0 else 0, TILE_RESAMPLES):
            draw_counts(n, min(block, n), seed, first, starts, counts)
            last = min(TILE_RESAMPLES, resamples - first)
            for p in range(start, stop):
                for f in range(0, n_features, 3):
                    for b in range(0, last, 4):
                        _dots(counts, b, features, f, p, padded_n, dots)
                for f in range(n_features):
                    for b in range(last):
                        out[p, f, 1 + first + b] = dots[f, b]
        for p in range(start, stop):
            for f in range(n_features):
                total = _sum(exact[f, p], n)
                out[p, f, 0] = total
                _without_one(exact[f, p], n, total, out[p, f, 1 + resamples :])
            for c in range(out.shape[2]):
                left_out = c > resamples
                out[p, n_features, c] = n - left_out if c - resamples <= n else np.nan
            _centre_sums(out[p], n_deviations, out[p, n_features])
        start = stop


@compile_once
def resampled_moments_loop(dtype: np.dtype) -> Any:
    """`_resampled_moments`, compiled for sums of features of `dtype`."""
    f8, i8 = types.Array(types.float64, 3, "C"), types.int64
    lengths = types.Array(i8, 1, "C")
    features = types.Array(from_dtype(dtype), 3, "C")
    return compile_loop(
        njit(nogil=True, error_model="numpy")(_resampled_moments),
        types.void(features, f8, i8, lengths, i8, types.uint64, i8, f8),
    )


@njit(nogil=True, error_model="numpy")
def _resampled_ranks(
    order_x, group_x, group_y, n_distinct, lengths, block, seed, use_kendall, jackknife, out
):
    """Rank correlations (P, 1 + B + J): of all pairs, of resamples, and with one pair left out.

    The first arguments are a `RankOrder` (P, T) and its `lengths` (P,); J is T with `jackknife`,
    else 0.
    """
    rows, longest = order_x.shape
    resamples = out.shape[1] - 1 - (longest if jackknife else 0)
    counts, starts = np.empty((1, longest), np.uint8), np.empty(longest + 1, np.int64)
    rank_x, rank_y = np.empty(longest), np.empty(longest)
    tree, variance = np.empty(longest + 1, np.int64), np.empty(1)
    for p in range(rows):
        n = lengths[p]
        out[p] = np.nan
        if n < 2:
            continue
        x, y, c = group_x[p, :n], group_y[p, :n], counts[0, :n]
        for column in range(out.shape[1]):
            left_out = column - 1 - resamples
            if left_out >= n:
                break
            if 0 < column <= resamples:
                draw_counts(n, min(block, n), seed, column - 1, starts, counts)
            else:
                c[:] = 1
                if left_out >= 0:
                    c[left_out] = 0
            if use_kendall:
                r = kendall_tau_b(order_x[p, :n], x, y, n_distinct[p, 1], c, tree, variance)[0]
            else:
                r = spearman(x, n_distinct[p, 0], y, n_distinct[p, 1], c, rank_x, rank_y)
            out[p, column] = r


@compile_once
def resampled_ranks_loop() -> Any:
    """The compiled `_resampled_ranks`."""
    i8, flag = types.int64, types.boolean
    rows, lengths = types.Array(i8, 2, "C"), types.Array(i8, 1, "C")
    out = types.Array(types.float64, 2, "C")
    return compile_loop(
        _resampled_ranks,
        types.void(rows, rows, rows, rows, lengths, i8, types.uint64, flag, flag, out),
    )


_TAIL_STEP = 0.35  # standard deviations that the limit of a tail moves at a time


@njit(nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _describe(distribution, resamples, summary):
    """Summary (P, 4) of columns 1 .. resamples of distribution (P, C), of finite values only.

    Their number, mean and standard deviation, and how many are below column 0, equal ones half.
    """
    for p in range(distribution.shape[0]):
        statistic, drawn = distribution[p, 0], distribution[p, 1 : 1 + resamples]
        number, total, squares, below = 0.0, 0.0, 0.0, 0.0
        for c in range(resamples):
            v = drawn[c]
            ok = np.isfinite(v)
            away = v - statistic if ok else 0.0
            number += 1.0 if ok else 0.0
            total += away
            squares += away * away
            below += (0.5 if v <= statistic else 0.0) + (0.5 if v < statistic else 0.0)
        mean = total / number
        summary[p, 0], summary[p, 1], summary[p, 3] = number, statistic + mean, below
        summary[p, 2] = np.sqrt(max(squares / number - mean * mean, 0.0))


@njit(nogil=True, error_model="numpy")
def _select(values, n, k):
    """Move the k-th smallest of the first n to index k, none larger before it (Hoare, 1961)."""
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
def _gather_tail(drawn, sign, need, mean, std, tail):
    """Copy the smallest finite values of ``sign * drawn``, `need` or more, to `tail`; return n."""
    # of a normal distribution, about 1.5 times as many as needed are below this limit
    fraction = min(need / drawn.size, 1.0)
    limit = sign * mean - 0.65 * np.sqrt(-2.0 * np.log(fraction)) * std
    n = 0
    for step in range(12):
        n = 0
        for c in range(drawn.size):
            v = sign * drawn[c]
            tail[n] = v
            n += 1 if (v <= limit) & np.isfinite(v) else 0
        if n >= need:
            break
        limit = limit + _TAIL_STEP * std if step < 10 else np.inf
    return n


@njit(nogil=True, error_model="numpy")
def _quantiles(distribution, resamples, summary, probabilities, out):
    """Quantiles of columns 1 .. resamples of distribution (P, C): probabilities (P, Q) -> out.

    Linear between two values, as numpy.quantile; NaN where none is finite.
    """
    tail = np.empty(resamples + 1)
    for p in range(distribution.shape[0]):
        number, mean, std = summary[p, 0], summary[p, 1], summary[p, 2]
        for q in range(probabilities.shape[1]):
            probability = probabilities[p, q]
            out[p, q] = np.nan
            if number < 1 or not (probability >= 0 and probability <= 1):
                continue
            if std == 0:  # all are equal
                out[p, q] = mean
                continue
            sign = 1.0 if probability <= 0.5 else -1.0
            position = (probability if probability <= 0.5 else 1.0 - probability) * (number - 1)
            below = int(position)
            need = min(below + 2, number)
            n = _gather_tail(distribution[p, 1 : 1 + resamples], sign, need, mean, std, tail)
            _select(tail, n, below)
            above = tail[below]
            if below + 1 < n:
                above = tail[below + 1 : n].min()
            out[p, q] = sign * (tail[below] + (above - tail[below]) * (position - below))


@compile_once
def quantile_loops() -> tuple[Any, Any]:
    """The compiled `_describe` and `_quantiles`."""
    f8 = types.Array(types.float64, 2, "C")
    return (
        compile_loop(_describe, types.void(f8, types.int64, f8)),
        compile_loop(_quantiles, types.void(f8, types.int64, f8, f8, f8)),
    )
