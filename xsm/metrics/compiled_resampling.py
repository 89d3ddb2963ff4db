"""Bootstrap resamples as counts, and sums over them, compiled.

Resample b of n values holds value i ``counts[b, i]`` times. The draw depends on the seed, b and n
alone, never on the point, its neighbours, chunks or threads; points with equal n share it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from xsm.metrics.compiled_ranks import kendall, spearman

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

    Arguments as of ``compiled_ranks.rank_statistics``; without `jackknife` B is the rest.
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
