"""Moments: the sums that most metrics are computed from; of a Dask array chunk by chunk."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numba import from_dtype, njit, types
from numpy.typing import NDArray

from xsm.metrics.pairs import Pairs
from xsm_kernels import compile_loop, compile_once, run_in_threads

MOMENT = "moment"
MIN_CHUNK_PAIRS = 32  # with fewer, the moments of a chunk are larger than its data
_NEARLY_CONSTANT = 1e-13  # of the mean: the limit of scipy.stats.pearsonr


class Moments(NamedTuple):
    """Sums over the pairs; all arrays have one shape.

    `xx`, `yy`, `xy` are weighted sums of squares and products of deviations from the means, `dd`
    that of the squared deviations of est - ref, `ad` the sum of absolute differences. `n_x` and
    `n_y` count the finite values of each series, paired or not.
    """

    n: NDArray[Any]
    weight: NDArray[Any]
    mean_x: NDArray[Any]
    mean_y: NDArray[Any]
    xx: NDArray[Any]
    yy: NDArray[Any]
    xy: NDArray[Any]
    dd: NDArray[Any]
    ad: NDArray[Any]
    n_x: NDArray[Any]
    n_y: NDArray[Any]

    @property
    def constant_x(self) -> NDArray[np.bool_]:
        """Whether the estimate does not vary."""
        return self.xx <= self.weight * (_NEARLY_CONSTANT * self.mean_x) ** 2

    @property
    def constant_y(self) -> NDArray[np.bool_]:
        """Whether the reference does not vary."""
        return self.yy <= self.weight * (_NEARLY_CONSTANT * self.mean_y) ** 2


N_MOMENTS = len(Moments._fields)


def unstack_moments(stacked: NDArray[np.float64]) -> Moments:
    """`Moments` as views of an array (..., 11)."""
    return Moments(*np.moveaxis(stacked, -1, 0))


def compute_moments(pairs: Pairs) -> xr.DataArray:
    """Moments of two series over ``pairs.dims``.

    Returns
    -------
    DataArray, float64
        On the dimensions that are not reduced and ``moment`` (11); lazy if a series is.
    """
    x = pairs.series[0]
    arrays = [*pairs.series, *(() if pairs.weights is None else (pairs.weights,))]
    axes = tuple(x.dims.index(d) for d in pairs.dims)
    remaining = [d for d in x.dims if d not in pairs.dims]
    if any(da.chunks is not None for da in arrays):
        data = _moments_of_dask([da.data for da in arrays], axes)
    else:
        data = _moments_of_arrays(*(da.values for da in arrays), axes=axes).squeeze(axes)
    coords = {name: c for name, c in x.coords.items() if not set(c.dims) & set(pairs.dims)}
    return xr.DataArray(data, dims=[*remaining, MOMENT], coords=coords)


def _moments_of_arrays(
    x: Any, y: Any, weights: Any = None, *, axes: tuple[int, ...]
) -> NDArray[np.float64]:
    """Moments of NumPy arrays over `axes`: the shape of `x` with 1 along `axes`, then 11."""
    reduced_shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    ordered = sorted(axes)
    first, last = ordered[0], ordered[-1] + 1
    adjacent = last - first == len(ordered)
    arrays = [x, y] if weights is None else [x, y, weights]
    if not adjacent:  # move them to the end
        order = [a for a in range(x.ndim) if a not in axes] + ordered
        arrays = [a.transpose(order) for a in arrays]
        first, last = x.ndim - len(ordered), x.ndim
    shape = arrays[0].shape
    view = (_size(shape[:first]), _size(shape[first:last]), _size(shape[last:]))
    arrays = [np.ascontiguousarray(a).reshape(view) for a in arrays]
    if weights is None:
        arrays.append(np.ones((1, 1, 1)))
    out = np.zeros((view[0], view[2], N_MOMENTS))
    n_units = view[0] * -(-view[2] // TILE_COLUMNS)
    run_in_threads(moments_loop(arrays[0].dtype), n_units, *arrays, weights is not None, out)
    return out.reshape((*reduced_shape, N_MOMENTS))


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def merge_moments(
    parts: NDArray[np.float64], axis: Any, keepdims: bool = True
) -> NDArray[np.float64]:
    """Moments of all pairs from those of their parts (Chan et al., 1983, doi 10.2307/2683386).

    Parameters
    ----------
    parts : ndarray (..., 11)
    axis : int or tuple of int
        Axes of the parts.
    """
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    total = parts.sum(axis=axes, keepdims=True)
    m, out = unstack_moments(parts), unstack_moments(total)
    fraction = m.weight / np.where(out.weight > 0, out.weight, 1.0)
    means = []
    for mean in (m.mean_x, m.mean_y):
        # relative to one of the means, so that the mean of equal means is exact
        anchor = np.where(m.weight > 0, mean, -np.inf).max(
            axis=axes, keepdims=True, initial=-np.inf
        )
        anchor = np.where(np.isfinite(anchor), anchor, 0.0)
        means.append(anchor + (fraction * (mean - anchor)).sum(axis=axes, keepdims=True))
    d_x, d_y = m.mean_x - means[0], m.mean_y - means[1]
    out.mean_x[...], out.mean_y[...] = means
    for field, product in ((out.xx, d_x * d_x), (out.yy, d_y * d_y), (out.xy, d_x * d_y)):
        field += (m.weight * product).sum(axis=axes, keepdims=True)
    out.dd[...] += (m.weight * (d_x - d_y) ** 2).sum(axis=axes, keepdims=True)
    return total if keepdims else total.squeeze(axes)


def _moments_of_dask(arrays: list[Any], axes: tuple[int, ...]) -> Any:
    """Moments of arrays of which one or more are of Dask, over `axes`; lazy."""
    import dask.array as da

    chunks = next(a.chunks for a in arrays if isinstance(a, da.Array))
    lazy = [a if isinstance(a, da.Array) else da.asarray(a, chunks=chunks) for a in arrays]
    index = tuple(range(lazy[0].ndim))
    _, lazy = da.unify_chunks(*(part for a in lazy for part in (a, index)))
    joined = {axis: _joined_chunks(lazy[0].chunks, axis, axes) for axis in axes}
    lazy = [a.rechunk(joined) for a in lazy]
    parts = da.blockwise(
        partial(_moments_of_arrays, axes=axes),
        (*index, len(index)),
        *(part for a in lazy for part in (a, index)),
        new_axes={len(index): N_MOMENTS},
        adjust_chunks={axis: 1 for axis in axes},
        align_arrays=False,
        dtype=np.float64,
        meta=np.empty((0,) * (len(index) + 1)),
    )
    return da.reduction(
        parts,
        chunk=_unchanged,
        combine=merge_moments,
        aggregate=merge_moments,
        axis=axes,
        dtype=np.float64,
        concatenate=True,
        split_every=4,
        meta=np.empty((0,) * (len(index) + 1 - len(axes))),
    )


def _unchanged(part: Any, axis: Any, keepdims: bool) -> Any:
    return part


def _joined_chunks(chunks: Any, axis: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of `axis`, neighbours joined until a block has `MIN_CHUNK_PAIRS` pairs."""
    others = _size(tuple(max(chunks[a], default=1) for a in axes if a != axis))
    min_size = -(-MIN_CHUNK_PAIRS // max(others, 1))
    joined: list[int] = []
    for size in chunks[axis]:
        if joined and joined[-1] < min_size:
            joined[-1] += size
        else:
            joined.append(size)
    return tuple(joined)


TILE_COLUMNS = 512  # at a time, so that their sums stay in the cache


@njit(nogil=True, error_model="numpy", inline="always")
def is_pair(x, y, w):
    """Whether both are finite and the weight is above zero: the definition of a pair."""
    return np.isfinite(x) & np.isfinite(y) & (w > 0) & (w < np.inf)


def _moments(x, y, w, weighted, out, start, stop):
    """Units start..stop of (row, tile of columns): x, y (A, T, I) -> out (A, I, 11).

    Two passes; the first sums deviations from the first pair, so that the mean of a constant series
    is exact.
    """
    length, columns = x.shape[1:]
    tiles = (columns + TILE_COLUMNS - 1) // TILE_COLUMNS
    width = min(TILE_COLUMNS, columns)
    sums = np.empty((11, width))
    shift = np.empty((2, width))
    for unit in range(start, stop):
        a, first = unit // tiles, unit % tiles * TILE_COLUMNS
        count = min(width, columns - first)
        sums[:] = 0.0
        shift[:] = 0.0
        n, n_x, n_y, weight, mean_x, mean_y = sums[0], sums[9], sums[10], sums[1], sums[2], sums[3]
        xx, yy, xy, dd, ad = sums[4], sums[5], sums[6], sums[7], sums[8]
        shift_x, shift_y = shift[0], shift[1]
        for t in range(length):
            for i in range(count):
                x_i, y_i = np.float64(x[a, t, first + i]), np.float64(y[a, t, first + i])
                w_i = w[a, t, first + i] if weighted else 1.0
                ok = is_pair(x_i, y_i, w_i)
                new = ok & (n[i] == 0)
                shift_x[i] = x_i if new else shift_x[i]
                shift_y[i] = y_i if new else shift_y[i]
                n[i] += 1.0 if ok else 0.0
                n_x[i] += 1.0 if np.isfinite(x_i) else 0.0
                n_y[i] += 1.0 if np.isfinite(y_i) else 0.0
                weight[i] += w_i if ok else 0.0
                mean_x[i] += w_i * (x_i - shift_x[i]) if ok else 0.0
                mean_y[i] += w_i * (y_i - shift_y[i]) if ok else 0.0
        for i in range(count):
            mean_x[i] = shift_x[i] + mean_x[i] / weight[i] if n[i] > 0 else 0.0
            mean_y[i] = shift_y[i] + mean_y[i] / weight[i] if n[i] > 0 else 0.0
        for t in range(length):
            for i in range(count):
                x_i, y_i = np.float64(x[a, t, first + i]), np.float64(y[a, t, first + i])
                w_i = w[a, t, first + i] if weighted else 1.0
                ok = is_pair(x_i, y_i, w_i)
                w_i = w_i if ok else 0.0
                d_x = x_i - mean_x[i] if ok else 0.0
                d_y = y_i - mean_y[i] if ok else 0.0
                xx[i] += w_i * d_x * d_x
                yy[i] += w_i * d_y * d_y
                xy[i] += w_i * d_x * d_y
                dd[i] += w_i * (d_x - d_y) * (d_x - d_y)
                ad[i] += w_i * abs(x_i - y_i) if ok else 0.0
        for k in range(11):
            for i in range(count):
                out[a, first + i, k] = sums[k, i]


@compile_once
def moments_loop(dtype: np.dtype) -> Any:
    """`_moments`, compiled for series of `dtype`."""
    series = types.Array(from_dtype(dtype), 3, "C", readonly=True)
    double = types.Array(types.float64, 3, "C", readonly=True)
    out = types.Array(types.float64, 3, "C")
    # arrays that may be written to are converted, not compiled for
    return compile_loop(
        njit(nogil=True, error_model="numpy")(_moments),
        types.void(series, series, double, types.boolean, out, types.int64, types.int64),
    )
