"""Scaling of an estimate to the climate of a reference: fit on one record, apply to another."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.metrics.moments import MOMENT, moments, unpacked
from xsm.metrics.pairs import Dims, Pairs, pair
from xsm.metrics.ranks import pack
from xsm.metrics.series import over_series

METHODS = ("mean_std", "min_max", "linear", "cdf")
PERCENTILE = "percentile"
PERCENTILES = (0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 100.0)
LEAST = 3  # pairs


def fit(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    method: str = "mean_std",
    percentiles: Sequence[float] = PERCENTILES,
) -> xr.Dataset:
    """How to scale `est` so that it has the climate of `ref`; learned from their pairs.

    Parameters
    ----------
    est, ref : DataArray
        Any units.
    dim : str or sequence of str
    method : {"mean_std", "min_max", "linear", "cdf"}
        Equal mean and standard deviation; equal minimum and maximum; least squares of the
        reference on the estimate; or equal percentiles, with straight lines between and beyond
        them (Reichle and Koster, 2004, doi 10.1029/2004GL020938; percentiles of (k - 0.5) / n, as
        in pytesmo).
    percentiles : sequence of float
        For "cdf", rising from 0 to 100.

    Returns
    -------
    Dataset
        ``slope`` and ``intercept``, or ``est`` and ``ref`` along ``percentile``; NaN where there
        are fewer than three pairs or the estimate is constant. Lazy if the input is.

    Raises
    ------
    InputError
        If `method` or `percentiles` cannot be used.
    """
    if method not in METHODS:
        raise InputError(f"method={method!r}: expected one of {', '.join(map(repr, METHODS))}.")
    pairs = pair(est, ref, dim=dim, any_units=True)
    if method == "cdf":
        shares = np.asarray(percentiles, np.float64)
        if shares.size < 2 or (np.diff(shares) <= 0).any() or shares[0] < 0 or shares[-1] > 100:
            raise InputError(
                f"percentiles={percentiles!r}: expected two or more numbers rising within 0 .. 100."
            )
        low, high = over_series(
            _percentiles,
            pairs,
            outputs=(np.float64, np.float64),
            new={PERCENTILE: shares.size},
            new_of=((PERCENTILE,), (PERCENTILE,)),
            shares=shares,
        )
        out = xr.Dataset({"est": low, "ref": high}).assign_coords({PERCENTILE: shares})
    else:
        out = _line(pairs, method)
    units = ref.attrs.get("units")
    return out.assign_attrs(scaling=method, **({} if units is None else {"units": str(units)}))


def apply(est: xr.DataArray, params: xr.Dataset) -> xr.DataArray:
    """`est` scaled by what :func:`fit` found; in the unit of its reference. Lazy if one is.

    Raises
    ------
    InputError
        If `params` is not from :func:`fit`.
    """
    if {"slope", "intercept"} <= set(params.data_vars):
        out = est * params["slope"] + params["intercept"]
    elif {"est", "ref"} <= set(params.data_vars):
        whole = params.chunk({PERCENTILE: -1}) if params.chunks else params
        out = xr.apply_ufunc(
            _through,
            est,
            whole["est"],
            whole["ref"],
            input_core_dims=[[], [PERCENTILE], [PERCENTILE]],
            dask="parallelized",
            output_dtypes=[np.float64],
        )
    else:
        raise InputError(
            f"params has the variables {list(params.data_vars)}: expected what "
            "xsm.metrics.scaling.fit returns."
        )
    order: list[Hashable] = [*est.dims, *(d for d in out.dims if d not in est.dims)]
    attrs = dict(est.attrs) | {k: v for k, v in params.attrs.items() if k == "units"}
    return out.transpose(*order).rename(est.name).assign_attrs(attrs)


def scale(
    est: xr.DataArray, ref: xr.DataArray, *, dim: Dims, method: str = "mean_std"
) -> xr.DataArray:
    """`est` in the climate of `ref`: :func:`fit` and :func:`apply` on one record.

    Examples
    --------
    >>> est, ref = xr.DataArray([1.0, 2, 3], dims="t"), xr.DataArray([0.1, 0.3, 0.5], dims="t")
    >>> scale(est, ref, dim="t", method="linear").round(3).values.tolist()
    [0.1, 0.3, 0.5]
    """
    return apply(est, fit(est, ref, dim=dim, method=method))


def _line(pairs: Pairs, method: str) -> xr.Dataset:
    """Slope and intercept of a straight line."""
    if method == "min_max":
        slope, intercept = over_series(_of_extremes, pairs, outputs=(np.float64, np.float64))
    else:
        slope, intercept = xr.apply_ufunc(
            _of_moments,
            moments(pairs),
            kwargs={"method": method},
            input_core_dims=[[MOMENT]],
            output_core_dims=[[], []],
            dask="parallelized",
            output_dtypes=[np.float64, np.float64],
        )
    return xr.Dataset({"slope": slope, "intercept": intercept})


def _of_moments(
    stacked: NDArray[np.float64], *, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    m = unpacked(stacked)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.sqrt(m.yy / m.xx) if method == "mean_std" else m.xy / m.xx
    slope = np.where(m.constant_x | (m.n < LEAST), np.nan, slope)
    return slope, m.mean_y - slope * m.mean_x


def _of_extremes(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    both = np.isfinite(x) & np.isfinite(y)
    low_x, low_y = (np.where(both, s, np.inf).min(axis=1, initial=np.inf) for s in (x, y))
    high_x, high_y = (np.where(both, s, -np.inf).max(axis=1, initial=-np.inf) for s in (x, y))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (high_y - low_y) / (high_x - low_x)
        slope = np.where((both.sum(axis=1) < LEAST) | (high_x <= low_x), np.nan, slope)
        return slope, low_y - slope * low_x


def _percentiles(
    x: NDArray[np.float64], y: NDArray[np.float64], *, shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Percentiles (P, Q) of x and y, those of x without repetition."""
    packed = pack(x, y)
    low, high = (_at(np.sort(s, axis=1), packed.length, shares) for s in packed.series)
    bad = (packed.length < LEAST) | (low[:, 0] >= low[:, -1])
    low[bad], high[bad] = np.nan, np.nan
    repeated = (low[:, 1:] <= low[:, :-1]).any(axis=1)
    for p in np.flatnonzero(repeated & ~bad):
        low[p] = _distinct(low[p], shares)
    return low, high


def _at(
    ordered: NDArray[np.float64], length: NDArray[np.int64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Percentiles (P, Q) of the first `length` of sorted rows; value k stands for (k - 0.5) / n."""
    if not ordered.shape[1]:
        return np.full((ordered.shape[0], shares.size), np.nan)
    last = np.maximum(length - 1, 0)[:, None]
    place = np.clip(shares / 100.0 * length[:, None] - 0.5, 0, last)
    below = np.floor(place).astype(np.int64)
    first, second = (
        np.take_along_axis(ordered, k, axis=1) for k in (below, np.minimum(below + 1, last))
    )
    return first + (second - first) * (place - below)


def _distinct(values: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Percentiles spread evenly over the shares between the first of each run of equal ones."""
    _, first = np.unique(values, return_index=True)
    at = shares[first]
    at[-1] = shares[-1]
    return np.interp(shares, at, values[first])


def _through(
    values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values (...) along the lines through the points low, high (..., Q)."""
    inner = low[..., 1:-1]
    segment = np.zeros(np.broadcast_shapes(values.shape, low.shape[:-1]), np.int64)
    for q in range(inner.shape[-1]):
        segment += values >= inner[..., q]
    at = [np.broadcast_to(a, (*segment.shape, a.shape[-1])) for a in (low, high)]
    x_0, y_0 = (np.take_along_axis(a, segment[..., None], -1)[..., 0] for a in at)
    x_1, y_1 = (np.take_along_axis(a, segment[..., None] + 1, -1)[..., 0] for a in at)
    return y_0 + (values - x_0) * (y_1 - y_0) / (x_1 - x_0)
