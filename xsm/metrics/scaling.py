"""Scaling of an estimate to the distribution of a reference."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_choice
from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.cdf_percentiles import CDF_METHODS, matched_percentiles
from xsm.metrics.moments import MOMENT, compute_moments, unstack_moments
from xsm.metrics.pairs import MIN_PAIRS, Dims, Pairs, apply_to_series, pair

SCALING_METHODS = ("mean_std", "min_max", "linear", *CDF_METHODS)
GROUPINGS = ("season", "month")  # of the days, with parameters for each group
PERCENTILE = "percentile"
PERCENTILES = (0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 100.0)


def fit(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    method: str = "mean_std",
    percentiles: Sequence[float] = PERCENTILES,
    by: str | None = None,
) -> xr.Dataset:
    """Parameters that give `est` the distribution of `ref`, from their pairs.

    Parameters
    ----------
    est, ref : DataArray
        Any units.
    dim : str or sequence of str
    method : {"mean_std", "min_max", "linear", "cdf", "cdf_linear_tails", "cdf_beta"}
        Equal mean and standard deviation; equal minimum and maximum; least squares of the
        reference on the estimate; or equal percentiles, with straight lines between and beyond
        them (Reichle and Koster, 2004, doi 10.1029/2004GL020938; percentiles of (k - 0.5) / n, as
        in pytesmo). The tails of "cdf_linear_tails" are regression lines, which single extremes
        change less (Moesinger et al., 2020, doi 10.5194/essd-12-177-2020). "cdf_beta" matches
        beta distributions with the extremes, mean and variance of the series, for short records.
    percentiles : sequence of float
        For the CDF methods, rising from 0 to 100.
    by : {None, "season", "month"}
        Parameters for each season (DJF, MAM, JJA, SON) or month; `dim` is the time then.

    Returns
    -------
    Dataset
        ``slope`` and ``intercept``, or ``est`` and ``ref`` along ``percentile``, and along
        ``season`` or ``month`` with `by`; NaN where there are fewer than three pairs or the
        estimate is constant. Lazy if the input is.

    Raises
    ------
    InputError
        If `method`, `percentiles` or `by` cannot be used.
    """
    if by is not None:
        return _fit_groups(est, ref, dim=dim, method=method, percentiles=percentiles, by=by)
    check_choice("method", method, SCALING_METHODS)
    pairs = pair(est, ref, dim=dim, any_units=True)
    if method in CDF_METHODS:
        levels = np.asarray(percentiles, np.float64)
        if levels.size < 2 or (np.diff(levels) <= 0).any() or levels[0] < 0 or levels[-1] > 100:
            raise InputError(
                f"percentiles={percentiles!r}: expected two or more numbers rising within 0 .. 100."
            )
        from_est, from_ref = apply_to_series(
            matched_percentiles,
            pairs,
            output_dtypes=(np.float64, np.float64),
            output_dims=((PERCENTILE,), (PERCENTILE,)),
            new_sizes={PERCENTILE: levels.size},
            levels=levels,
            method=method,
        )
        from_est = with_attrs(from_est, long_name="percentiles of the estimate", **_units(est))
        from_ref = with_attrs(from_ref, long_name="percentiles of the reference", **_units(ref))
        params = xr.Dataset({"est": from_est, "ref": from_ref})
        params = params.assign_coords({PERCENTILE: levels})
    else:
        params = _line(pairs, method)
    return params.assign_attrs(scaling=method, **_units(ref))


def _units(da: xr.DataArray) -> dict[str, str]:
    return {"units": str(da.attrs["units"])} if "units" in da.attrs else {}


def apply(est: xr.DataArray, params: xr.Dataset) -> xr.DataArray:
    """`est` scaled with the parameters from :func:`fit`, in the unit of the reference; lazy.

    Raises
    ------
    InputError
        If `params` is not from :func:`fit`.
    """
    if by := params.attrs.get("scaling_by"):
        return _apply_groups(est, params, str(by))
    if {"slope", "intercept"} <= set(params.data_vars):
        out = est * params["slope"] + params["intercept"]
    elif {"est", "ref"} <= set(params.data_vars):
        params = params.chunk({PERCENTILE: -1}) if params.chunks else params
        out = xr.apply_ufunc(
            _interpolate,
            est,
            params["est"],
            params["ref"],
            input_core_dims=[[], [PERCENTILE], [PERCENTILE]],
            dask="parallelized",
            output_dtypes=[np.float64],
            keep_attrs=True,  # of coordinates
        )
    else:
        raise InputError(
            f"params has the variables {list(params.data_vars)}: expected the "
            "Dataset that xsm.metrics.scaling.fit returns."
        )
    order: list[Hashable] = [*est.dims, *(d for d in out.dims if d not in est.dims)]
    attrs = {"long_name": f"scaled {est.attrs.get('long_name', est.name or 'record')}"}
    attrs |= {"units": params.attrs["units"]} if "units" in params.attrs else {}
    return with_attrs(out.transpose(*order).rename(est.name), **attrs)


def scale(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    method: str = "mean_std",
    by: str | None = None,
) -> xr.DataArray:
    """`est` with the distribution of `ref`: :func:`fit` and :func:`apply` on one record.

    Examples
    --------
    >>> est, ref = xr.DataArray([1.0, 2, 3], dims="t"), xr.DataArray([0.1, 0.3, 0.5], dims="t")
    >>> scale(est, ref, dim="t", method="linear").round(3).values.tolist()
    [0.1, 0.3, 0.5]
    """
    return apply(est, fit(est, ref, dim=dim, method=method, by=by))


def _fit_groups(
    est: xr.DataArray, ref: xr.DataArray, *, dim: Dims, by: str, **options: Any
) -> xr.Dataset:
    """Parameters of each season or month that `est` has."""
    check_choice("by", by, GROUPINGS, optional=True)
    groups = [_groups_of_days(da, dim, by) for da in (est, ref)]
    labels = np.unique(groups[0])
    parts = [
        fit(
            est.isel({dim: np.flatnonzero(groups[0] == label)}),
            ref.isel({dim: np.flatnonzero(groups[1] == label)}),
            dim=dim,
            **options,
        )
        for label in labels
    ]
    params = xr.concat(parts, dim=pd.Index(labels, name=by), combine_attrs="override")
    return params.assign_attrs(scaling_by=by, scaling_dim=str(dim))


def _groups_of_days(da: xr.DataArray, dim: Dims, by: str) -> NDArray[Any]:
    """Season or month of each day along `dim`."""
    if not isinstance(dim, Hashable) or dim not in da.coords or not hasattr(da[dim].dt, by):
        raise InputError(f"by={by!r}: dim={dim!r} must be one dimension with dates.")
    return np.asarray(getattr(da[dim].dt, by).values)


def _apply_groups(est: xr.DataArray, params: xr.Dataset, by: str) -> xr.DataArray:
    """`est` scaled with the parameters of the season or month of each day."""
    dim = params.attrs["scaling_dim"]
    groups = _groups_of_days(est, dim, by)
    missing = sorted({*groups.tolist()} - {*params[by].values.tolist()})
    if missing:
        raise InputError(
            f"params has no parameters of {by} {', '.join(map(str, missing))}, which est has: fit "
            "them on a record with these days, or select days."
        )
    rows = {label: np.flatnonzero(groups == label) for label in np.unique(groups).tolist()}
    parts = [
        apply(est.isel({dim: index}), _without_groups(params.sel({by: label}, drop=True)))
        for label, index in rows.items()
    ]
    if not parts:
        return apply(est, _without_groups(params.isel({by: 0}, drop=True)))
    order = np.argsort(np.concatenate(list(rows.values())), kind="stable")
    return xr.concat(parts, dim=dim).isel({dim: order}).transpose(*parts[0].dims)


def _without_groups(params: xr.Dataset) -> xr.Dataset:
    """Parameters of one group, as :func:`fit` returns them without groups."""
    own_attrs = {k: v for k, v in params.attrs.items() if not str(k).startswith("scaling_")}
    out = params.copy()
    out.attrs = own_attrs
    return out


def _line(pairs: Pairs, method: str) -> xr.Dataset:
    """Slope and intercept of a straight line."""
    if method == "min_max":
        slope, intercept = apply_to_series(
            _line_of_extremes, pairs, output_dtypes=(np.float64, np.float64)
        )
    else:
        slope, intercept = xr.apply_ufunc(
            _line_of_moments,
            compute_moments(pairs),
            kwargs={"method": method},
            input_core_dims=[[MOMENT]],
            output_core_dims=[[], []],
            dask="parallelized",
            output_dtypes=[np.float64, np.float64],
            keep_attrs=True,  # of coordinates
        )
    slope = with_attrs(slope, long_name="slope of the scaling")
    intercept = with_attrs(intercept, long_name="intercept of the scaling")
    return xr.Dataset({"slope": slope, "intercept": intercept})


def _line_of_moments(
    stacked: NDArray[np.float64], *, method: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    m = unstack_moments(stacked)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.sqrt(m.yy / m.xx) if method == "mean_std" else m.xy / m.xx
    slope = np.where(m.constant_x | (m.n < MIN_PAIRS), np.nan, slope)
    return slope, m.mean_y - slope * m.mean_x


def _line_of_extremes(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    paired = np.isfinite(x) & np.isfinite(y)
    low_x, low_y = (np.where(paired, s, np.inf).min(axis=1, initial=np.inf) for s in (x, y))
    high_x, high_y = (np.where(paired, s, -np.inf).max(axis=1, initial=-np.inf) for s in (x, y))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (high_y - low_y) / (high_x - low_x)
        slope = np.where((paired.sum(axis=1) < MIN_PAIRS) | (high_x <= low_x), np.nan, slope)
        return slope, low_y - slope * low_x


def _interpolate(
    values: NDArray[np.float64], from_est: NDArray[np.float64], to_ref: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values (...) along the lines through the points `from_est`, `to_ref` (..., Q)."""
    inner = from_est[..., 1:-1]
    segment = np.zeros(np.broadcast_shapes(values.shape, from_est.shape[:-1]), np.int64)
    for q in range(inner.shape[-1]):
        segment += values >= inner[..., q]
    x, y = (np.broadcast_to(a, (*segment.shape, a.shape[-1])) for a in (from_est, to_ref))
    x_0, y_0 = (np.take_along_axis(a, segment[..., None], -1)[..., 0] for a in (x, y))
    x_1, y_1 = (np.take_along_axis(a, segment[..., None] + 1, -1)[..., 0] for a in (x, y))
    return y_0 + (values - x_0) * (y_1 - y_0) / (x_1 - x_0)
