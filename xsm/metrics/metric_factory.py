"""From a formula to a metric: ``metric(est, ref, *, dim, weights=None)``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.moments import MOMENT, Moments, compute_moments, unstack_moments
from xsm.metrics.pairs import Dims, Pairs, apply_to_series, pair
from xsm.metrics.table import METRICS

Formula = Callable[[Moments], NDArray[Any]]
MetricFunction = Callable[..., xr.DataArray]

SECTIONS = """Parameters
----------
est, ref : DataArray
    Estimate and reference {units}. Along `dim` the labels that both have are used; a pair
    counts where both values are finite. Other dimensions must agree, or be missing in one.
dim : str or sequence of str
    Dimensions that the metric reduces.
weights : DataArray, optional
    {weights}

Returns
-------
DataArray
    Without `dim`; lazy if an argument is.

Raises
------
InputError
    If an argument is no numeric DataArray, `dim` is not among the dimensions, or the labels of a
    dimension that is not reduced differ.
UnitError
    If the units differ and the metric depends on them.
"""
WEIGHTS = "Of the pairs, not negative; broadcast like the series. Pairs of weight 0 do not count."
NO_WEIGHTS = "A metric of ranks takes none: they are refused."


def moment_metric(formula: Formula) -> MetricFunction:
    """Decorate a formula over `Moments`: it becomes a metric, vectorised and lazy on Dask."""
    name = formula.__name__

    def metric(
        est: xr.DataArray,
        ref: xr.DataArray,
        *,
        dim: Dims,
        weights: xr.DataArray | None = None,
    ) -> xr.DataArray:
        pairs = pair(est, ref, dim=dim, weights=weights, any_units=METRICS[name].any_units)
        return evaluate_metric(name, compute_moments(pairs), pairs)

    metric.formula = formula  # type: ignore[attr-defined]
    return _named_after(formula, metric)


def series_metric(function: Callable[..., NDArray[Any]]) -> MetricFunction:
    """Decorate a function of whole series, arrays (P, T), (P, T) -> (P,): it becomes a metric."""
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
        (values,) = apply_to_series(function, pairs)
        return with_metric_attrs(name, values, pairs)

    return _named_after(function, metric)


def _named_after(function: Callable[..., Any], metric: MetricFunction) -> MetricFunction:
    """Name of `function` on `metric`, and its docstring with what all metrics have in common."""
    for key in ("__name__", "__qualname__", "__module__"):
        setattr(metric, key, getattr(function, key))
    row = METRICS.get(function.__name__)
    units = "in any units" if row is not None and row.any_units else "in one unit"
    weights = NO_WEIGHTS if row is not None and row.ranks else WEIGHTS
    text, examples, code = inspect.cleandoc(str(function.__doc__)).partition("\nExamples\n")
    sections = SECTIONS.format(units=units, weights=weights)
    metric.__doc__ = f"{text.rstrip()}\n\n{sections}{examples}{code}"
    return metric


def formula_of(name: str) -> Formula | None:
    """The formula of a metric; None if it is not computed from moments."""
    return getattr(METRICS[name].load(), "formula", None)


def evaluate_metric(name: str, moments: xr.DataArray, pairs: Pairs) -> xr.DataArray:
    """A metric from the moments of `pairs`, with its attributes; lazy if the moments are."""
    values = xr.apply_ufunc(
        partial(_evaluate_stacked, name=name),
        moments,
        input_core_dims=[[MOMENT]],
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=True,  # of coordinates
    )
    return with_metric_attrs(name, values, pairs)


def evaluate_formula(name: str, moments: Moments) -> NDArray[Any]:
    """A metric from moments; NaN where there is no pair.

    Raises
    ------
    KeyError
        If the metric is not computed from moments.
    """
    formula = formula_of(name)
    if formula is None:
        raise KeyError(name)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((moments.n > 0) | (name == "n_obs"), formula(moments), np.nan)


def _evaluate_stacked(stacked: NDArray[np.float64], *, name: str) -> NDArray[Any]:
    return evaluate_formula(name, unstack_moments(stacked))


def with_metric_attrs(name: str, values: xr.DataArray, pairs: Pairs) -> xr.DataArray:
    """`values` with the name, long name and units of a metric, and no other attribute."""
    row = METRICS[name]
    units = row.units_for(pairs.units)
    attrs = {"long_name": row.long_name} | ({} if units is None else {"units": units})
    return with_attrs(values.rename(name), **attrs)
