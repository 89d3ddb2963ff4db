"""Bootstrap distributions of statistics of many series, and the bounds they give.

A distribution is an array (P, 1 + B + J): the statistic of all pairs, of B resamples, and of all
pairs but one (J = T, or 0 where no jackknife is asked for); NaN where it is undefined.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xsm.metrics.moments import Moments
from xsm.metrics.packing import Packed

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
    from xsm.metrics.compiled_resampling import LANES, moments_kernel

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
    from xsm.metrics.compiled_quantiles import quantile_kernels

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
