"""Series without their missing values: the pairs of each row moved to its front."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from xsm_kernels import compile_loop, compile_once

Floats = NDArray[np.float64]


class CompressedSeries(NamedTuple):
    """Two or three series of P points.

    Attributes
    ----------
    series : tuple of ndarray of float64 (P, T)
        The first `length` values of each row are pairs, in order; the rest is NaN.
    length : ndarray of int64 (P,)
    n_valid : tuple of ndarray of int64 (P,)
        Number of finite values of each series, paired or not.
    """

    series: tuple[Floats, ...]
    length: NDArray[np.int64]
    n_valid: tuple[NDArray[np.int64], ...]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which values are pairs (P, T)."""
        return np.arange(self.series[0].shape[1]) < self.length[:, None]

    def constant(self) -> NDArray[np.bool_]:
        """Whether one of the series does not vary over the pairs (P,); False without two pairs."""
        has_pairs = self.length > 0
        constant = np.zeros(has_pairs.shape, bool)
        for values in self.series:
            if values.shape[1]:
                differs = (values != values[:, :1]) & ~np.isnan(values)
                constant |= has_pairs & ~differs.any(axis=1)
        return constant & (self.length > 1)


def compress_valid(*series: Floats) -> CompressedSeries:
    """Move the values that are finite in all `series` (P, T) to the front of each row."""
    stacked = np.stack(series).astype(np.float64, copy=False)
    compressed = np.empty_like(stacked)
    n_valid = np.zeros(stacked.shape[:2], np.int64)
    length = np.zeros(stacked.shape[1], np.int64)
    compress_loop()(stacked, compressed, length, n_valid)
    return CompressedSeries(tuple(compressed), length, tuple(n_valid))


def centre(values: Floats, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Deviations from the mean (P, T), 0 where not `inside`, and the mean (P, 1)."""
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    first = np.where(inside[:, :1], values[:, :1], 0.0)
    mean = first + np.where(inside, values - first, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(inside, values - mean, 0.0), mean


def pearson_correlation(compressed: CompressedSeries) -> Floats:
    """Pearson's R (P,) of two series; NaN where one does not vary."""
    d_x, d_y = (centre(values, compressed.inside)[0] for values in compressed.series)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (d_x * d_y).sum(axis=1) / np.sqrt((d_x * d_x).sum(axis=1) * (d_y * d_y).sum(axis=1))
    return np.where(compressed.constant(), np.nan, np.clip(r, -1.0, 1.0))


@njit(nogil=True, error_model="numpy")
def _compress(series, compressed, length, n_valid):
    """Values of series (S, P, T) finite in all, at the front of compressed (S, P, T), NaN behind.

    `length` (P,) is set to their number, `n_valid` (S, P) to the number of finite values of each.
    """
    n_series, rows, columns = series.shape
    for p in range(rows):
        n = 0
        for t in range(columns):
            all_finite = True
            for s in range(n_series):
                finite = np.isfinite(series[s, p, t])
                n_valid[s, p] += 1 if finite else 0
                all_finite &= finite
            for s in range(n_series):
                compressed[s, p, n] = series[s, p, t]
            n += 1 if all_finite else 0
        length[p] = n
        compressed[:, p, n:] = np.nan


@compile_once
def compress_loop() -> Any:
    """The compiled `_compress`."""
    f8, i8 = types.Array(types.float64, 3, "C"), types.int64
    signature = types.void(f8, f8, types.Array(i8, 1, "C"), types.Array(i8, 2, "C"))
    return compile_loop(_compress, signature)
