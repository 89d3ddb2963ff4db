"""The sums that most metrics are made of, taken once; of a Dask array block by block."""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numba import from_dtype, njit, types
from numpy.typing import NDArray

from xsm.metrics.pairs import Pairs

MOMENT = "moment"
LEAST = 32  # pairs of a block: the sums of fewer weigh more than the data
_NEARLY_CONSTANT = 1e-13  # of the mean: the limit of scipy.stats.pearsonr


class Moments(NamedTuple):
    """Sums over the pairs; each an array of one shape.

    `xx`, `yy`, `xy` are weighted sums of squared and multiplied deviations from the means, `dd`
    that of the squared deviations of est - ref, `ad` the sum of absolute differences; `n_x` and
    `n_y` count the values of each series, pairs or not.
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


COUNT = len(Moments._fields)


def unpacked(stacked: NDArray[np.float64]) -> Moments:
    """`Moments` of an array (..., 11)."""
    return Moments(*np.moveaxis(stacked, -1, 0))


def moments(pairs: Pairs) -> xr.DataArray:
    """Moments of two series over ``pairs.dims``.

    Returns
    -------
    DataArray, float64
        The dimensions that stay and ``moment`` (11); lazy if a series is.
    """
    x = pairs.series[0]
    arrays = [*pairs.series, *(() if pairs.weights is None else (pairs.weights,))]
    axes = tuple(x.dims.index(d) for d in pairs.dims)
    kept = [d for d in x.dims if d not in pairs.dims]
    if any(da.chunks is not None for da in arrays):
        data = _lazy([da.data for da in arrays], axes)
    else:
        data = _block(*(da.values for da in arrays), axes=axes).squeeze(axes)
    coords = {name: c for name, c in x.coords.items() if not set(c.dims) & set(pairs.dims)}
    return xr.DataArray(data, dims=[*kept, MOMENT], coords=coords)


def _block(x: Any, y: Any, w: Any = None, *, axes: tuple[int, ...]) -> NDArray[np.float64]:
    """Moments of arrays in memory: shape of `x` with 1 along `axes`, then 11."""
    from xsm_kernels import run_in_threads

    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    ordered = sorted(axes)
    first, last = ordered[0], ordered[-1] + 1
    together = last - first == len(ordered)
    arrays = [x, y] if w is None else [x, y, w]
    if not together:  # bring them to the end
        order = [a for a in range(x.ndim) if a not in axes] + ordered
        arrays = [a.transpose(order) for a in arrays]
        first, last = x.ndim - len(ordered), x.ndim
    cut = arrays[0].shape
    view = (_size(cut[:first]), _size(cut[first:last]), _size(cut[last:]))
    arrays = [np.ascontiguousarray(a).reshape(view) for a in arrays]
    if w is None:
        arrays.append(np.ones((1, 1, 1)))
    out = np.zeros((view[0], view[2], COUNT))
    units = view[0] * -(-view[2] // TILE)
    run_in_threads(moments_kernel(arrays[0].dtype), units, *arrays, w is not None, out)
    return out.reshape((*shape, COUNT))


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def merged(parts: NDArray[np.float64], axis: Any, keepdims: bool = True) -> NDArray[np.float64]:
    """Moments of all pairs from those of their parts (Chan et al., 1983, doi 10.2307/2683386).

    Parameters
    ----------
    parts : ndarray (..., 11)
    axis : int or tuple of int
        Along which the parts lie.
    """
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    total = parts.sum(axis=axes, keepdims=True)
    m, out = unpacked(parts), unpacked(total)
    share = m.weight / np.where(out.weight > 0, out.weight, 1.0)
    means = []
    for mean in (m.mean_x, m.mean_y):
        # from one of them, so that equal means stay what they are
        anchor = np.where(m.weight > 0, mean, -np.inf).max(
            axis=axes, keepdims=True, initial=-np.inf
        )
        anchor = np.where(np.isfinite(anchor), anchor, 0.0)
        means.append(anchor + (share * (mean - anchor)).sum(axis=axes, keepdims=True))
    d_x, d_y = m.mean_x - means[0], m.mean_y - means[1]
    out.mean_x[...], out.mean_y[...] = means
    for field, product in ((out.xx, d_x * d_x), (out.yy, d_y * d_y), (out.xy, d_x * d_y)):
        field += (m.weight * product).sum(axis=axes, keepdims=True)
    out.dd[...] += (m.weight * (d_x - d_y) ** 2).sum(axis=axes, keepdims=True)
    return total if keepdims else total.squeeze(axes)


def _lazy(arrays: list[Any], axes: tuple[int, ...]) -> Any:
    import dask.array as da

    first = next(a for a in arrays if hasattr(a, "dask"))
    blocks = [a if hasattr(a, "dask") else da.asarray(a, chunks=first.chunks) for a in arrays]
    _, blocks = da.core.unify_chunks(*(part for a in blocks for part in (a, tuple(range(a.ndim)))))
    wide = {axis: _at_least(blocks[0].chunks, axis, axes) for axis in axes}
    index = tuple(range(blocks[0].ndim))
    blocks = [a.rechunk(wide) for a in blocks]
    parts = da.blockwise(
        partial(_block, axes=axes),
        (*index, len(index)),
        *(part for a in blocks for part in (a, index)),
        new_axes={len(index): COUNT},
        adjust_chunks={axis: 1 for axis in axes},
        align_arrays=False,
        dtype=np.float64,
        meta=np.empty((0,) * (len(index) + 1)),
    )
    return da.reduction(
        parts,
        chunk=_same,
        combine=merged,
        aggregate=merged,
        axis=axes,
        dtype=np.float64,
        concatenate=True,
        split_every=4,
        meta=np.empty((0,) * (len(index) + 1 - len(axes))),
    )


def _same(part: Any, axis: Any, keepdims: bool) -> Any:
    return part


def _at_least(chunks: Any, axis: int, axes: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of `axis`, neighbours joined until a block has `LEAST` pairs."""
    others = _size(tuple(max(chunks[a], default=1) for a in axes if a != axis))
    wanted = -(-LEAST // max(others, 1))
    joined: list[int] = []
    for size in chunks[axis]:
        if joined and joined[-1] < wanted:
            joined[-1] += size
        else:
            joined.append(size)
    return tuple(joined)


TILE = 512  # columns at a time, so that their sums stay in the cache


@njit(nogil=True, error_model="numpy", inline="always")
def is_pair(x, y, w):
    """Both are finite and the weight is above zero: the one rule of what is dropped."""
    return np.isfinite(x) & np.isfinite(y) & (w > 0) & (w < np.inf)


@njit(nogil=True, error_model="numpy")
def _moments(x, y, w, weighted, out, start, stop):
    """Units start..stop of (row, tile of columns): x, y (A, T, I) -> out (A, I, 11).

    Two passes; deviations are from the first pair, so that those of a constant series are 0.
    """
    length, columns = x.shape[1:]
    tiles = (columns + TILE - 1) // TILE
    width = min(TILE, columns)
    sums = np.empty((11, width))
    shift = np.empty((2, width))
    for unit in range(start, stop):
        a, first = unit // tiles, unit % tiles * TILE
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


@cache
def moments_kernel(dtype: np.dtype) -> Any:
    """The compiled function for series of `dtype`."""
    series = types.Array(from_dtype(dtype), 3, "C", readonly=True)
    double = types.Array(types.float64, 3, "C", readonly=True)
    out = types.Array(types.float64, 3, "C")
    _moments.compile(
        types.void(series, series, double, types.boolean, out, types.int64, types.int64)
    )
    return _moments
