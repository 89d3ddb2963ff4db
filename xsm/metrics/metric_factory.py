"""From a formula to a metric: ``metric(est, ref, *, dim, weights=None)``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.metrics.moments import MOMENT, Moments, moments, unpacked
from xsm.metrics.pairs import Dims, Pairs, pair
from xsm.metrics.series import over_series
from xsm.metrics.table import METRICS

Formula = Callable[[Moments], NDArray[Any]]
Function = Callable[..., xr.DataArray]


def of_moments(formula: Formula) -> Function:
    """Make a metric of a formula over `Moments`; it is vectorised and lazy like all."""
    name = formula.__name__

    def metric(
        est: xr.DataArray,
        ref: xr.DataArray,
        *,
        dim: Dims,
        weights: xr.DataArray | None = None,
    ) -> xr.DataArray:
        pairs = pair(est, ref, dim=dim, weights=weights, any_units=METRICS[name].any_units)
        return evaluated(name, moments(pairs), pairs)

    metric.formula = formula  # type: ignore[attr-defined]
    return _named(metric, formula)


def of_series(function: Callable[..., NDArray[Any]]) -> Function:
    """Make a metric of a function of whole series: arrays (P, T), (P, T) -> (P,)."""
    name = function.__name__

    def metric(
        est: xr.DataArray,
        ref: xr.DataArray,
        *,
        dim: Dims,
        weights: xr.DataArray | None = None,
    ) -> xr.DataArray:
        if weights is not None:
            raise InputError(f"weights: {name} is of ranks and takes none; leave them out.")
        pairs = pair(est, ref, dim=dim, any_units=METRICS[name].any_units)
        (found,) = over_series(function, pairs)
        return labelled(name, found, pairs)

    return _named(metric, function)


def _named(metric: Function, written: Callable[..., Any]) -> Function:
    for key in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(metric, key, getattr(written, key))
    return metric


def formula_of(name: str) -> Formula | None:
    """The formula of a metric; None if it is no formula of moments."""
    return getattr(METRICS[name].load(), "formula", None)


def evaluated(name: str, sums: xr.DataArray, pairs: Pairs) -> xr.DataArray:
    """A metric of moments, labelled; lazy if they are."""
    found = xr.apply_ufunc(
        partial(_stacked, name=name),
        sums,
        input_core_dims=[[MOMENT]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return labelled(name, found, pairs)


def from_moments(name: str, sums: Moments) -> NDArray[Any]:
    """A metric of moments; NaN where there is no pair.

    Raises
    ------
    KeyError
        If the metric is no formula of moments.
    """
    formula = formula_of(name)
    if formula is None:
        raise KeyError(name)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((sums.n > 0) | (name == "n_obs"), formula(sums), np.nan)


def _stacked(stacked: NDArray[np.float64], *, name: str) -> NDArray[Any]:
    return from_moments(name, unpacked(stacked))


def labelled(name: str, found: xr.DataArray, pairs: Pairs) -> xr.DataArray:
    """`found` with the name, long name and units of a metric."""
    row = METRICS[name]
    units = row.units_for(pairs.units)
    attrs = {"long_name": row.long_name} | ({} if units is None else {"units": units})
    return found.rename(name).assign_attrs(attrs)
