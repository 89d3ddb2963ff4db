"""Many metrics at once, from moments computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.argument_checks import check_whole
from xsm.conventions.cf import with_attrs
from xsm.metrics.metric_factory import evaluate_metric, formula_of
from xsm.metrics.moments import MOMENT, compute_moments, unstack_moments
from xsm.metrics.pairs import Dims, pair
from xsm.metrics.status import STATUS_ATTRS, pair_status
from xsm.metrics.table import metric_of

DEFAULT_METRICS = ("bias", "rmsd", "ubrmsd", "mae", "pearson_r")


def scores(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    weights: xr.DataArray | None = None,
    min_pairs: int = 3,
) -> xr.Dataset:
    """Several metrics of an estimate against a reference.

    Parameters
    ----------
    est, ref : DataArray
        In one unit. Along `dim` the labels common to both are compared.
    dim : str or sequence of str
        Dimensions to reduce.
    metrics : str or sequence of str
        Names from ``xsm.metrics.METRICS``.
    weights : DataArray, optional
        Weights of the pairs, such as the area of the cells. Metrics of ranks take none.
    min_pairs : int
        With fewer pairs the metrics are NaN.

    Returns
    -------
    Dataset
        A variable for each metric, ``n_obs`` (int64) and ``status`` (int8 flag: ok,
        no_overlap_in_time, outside_the_grid, too_few_pairs, constant_series, all_missing). Metrics
        that are defined for a constant series (bias, rmsd, ...) are given for it. Lazy if the input
        is.

    Raises
    ------
    InputError
        If an argument is no numeric DataArray, `dim` is not among the dimensions, the labels of a
        dimension that is not reduced differ, a metric is unknown, or `min_pairs` is below 1.
    UnitError
        If the units differ.

    Examples
    --------
    >>> est = xr.DataArray([[0.2, 0.3, 0.1], [0.2, np.nan, 0.4]], dims=("station", "time"))
    >>> ref = xr.DataArray([[0.1, 0.2, 0.1], [0.2, 0.3, 0.4]], dims=("station", "time"))
    >>> table = scores(est, ref, dim="time", metrics=["bias", "pearson_r"])
    >>> table.n_obs.values.tolist(), table.status.values.tolist()
    ([3, 2], [0, 3])
    """
    names = [metrics] if isinstance(metrics, str) else list(dict.fromkeys(metrics))
    rows = {name: metric_of(name) for name in names}
    check_whole({"min_pairs": (min_pairs, 1)})
    any_units = all(row.any_units for row in rows.values())
    pairs = pair(est, ref, dim=dim, weights=weights, any_units=any_units)
    moments = compute_moments(pairs)
    n_obs = evaluate_metric("n_obs", moments, pairs)
    variables: dict[str, Any] = {}
    for name, row in rows.items():
        if name == "n_obs":
            continue
        if formula_of(name) is not None:
            values = evaluate_metric(name, moments, pairs)
        else:
            values = row.load()(est, ref, dim=dim, weights=weights)
        variables[name] = with_attrs(values.where(n_obs >= min_pairs), **values.attrs)
    status = xr.apply_ufunc(
        partial(_status_of_moments, min_pairs=int(min_pairs), disjoint=pairs.disjoint),
        moments,
        input_core_dims=[[MOMENT]],
        dask="parallelized",
        output_dtypes=[np.int8],
        keep_attrs=True,  # of coordinates
    )
    variables["n_obs"] = with_attrs(n_obs.astype(np.int64), **n_obs.attrs)
    variables["status"] = with_attrs(status, **STATUS_ATTRS)
    return xr.Dataset(variables)


def _status_of_moments(
    stacked: NDArray[np.float64], *, min_pairs: int, disjoint: bool
) -> NDArray[np.int8]:
    m = unstack_moments(stacked)
    constant = (m.n > 1) & (m.constant_x | m.constant_y)
    return pair_status(m.n, [m.n_x, m.n_y], constant, min_pairs=min_pairs, disjoint=disjoint)


def pooled_scores(estimate: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """Scores of all values together, whatever their dimensions; what either lacks is left out.

    Returns
    -------
    dict
        ``rmse`` and ``bias`` in the unit of the values, ``r2`` (coefficient of determination of the
        estimate; NaN where the truth is constant) and ``n``, the number of pairs.

    Examples
    --------
    >>> pooled_scores(np.array([1.0, 3.0, np.nan]), np.array([1.0, 2.0, 5.0]))
    {'rmse': 0.7071067811865476, 'bias': 0.5, 'r2': -1.0, 'n': 2}
    """
    valid = np.isfinite(truth) & np.isfinite(estimate)
    error = (estimate - truth)[valid].astype(np.float64)
    mean_square = float(np.mean(error**2))
    variance = float(np.var(truth[valid], dtype=np.float64))
    return {
        "rmse": mean_square**0.5,
        "bias": float(error.mean()),
        "r2": 1.0 - mean_square / variance if variance else float("nan"),
        "n": int(valid.sum()),
    }
