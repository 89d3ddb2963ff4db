"""Many metrics at once, from sums taken once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.metrics.metric_factory import evaluated, formula_of
from xsm.metrics.moments import MOMENT, moments, unpacked
from xsm.metrics.pairs import Dims, pair
from xsm.metrics.status import STATUS_ATTRS, status_of
from xsm.metrics.table import metric_of

DEFAULT = ("bias", "rmsd", "ubrmsd", "mae", "pearson_r")


def scores(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    metrics: str | Sequence[str] = DEFAULT,
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
        Names out of ``xsm.metrics.METRICS``.
    weights : DataArray, optional
        Of the pairs, such as the area of the cells. Metrics of ranks take none.
    min_pairs : int
        With fewer the metrics are NaN.

    Returns
    -------
    Dataset
        A variable for each metric, ``n_obs`` (int64) and ``status`` (int8 flag: ok,
        no_overlap_in_time, outside_the_grid, too_few_pairs, constant_series, all_missing). Where a
        series is constant, what is still defined (bias, rmsd, ...) is given. Lazy if the input is.

    Raises
    ------
    InputError, UnitError
        See :func:`xsm.metrics.pairs.pair`; unknown metric; `min_pairs` below 1.

    Examples
    --------
    >>> est = xr.DataArray([[0.2, 0.3, 0.1], [0.2, np.nan, 0.4]], dims=("station", "time"))
    >>> ref = xr.DataArray([[0.1, 0.2, 0.1], [0.2, 0.3, 0.4]], dims=("station", "time"))
    >>> found = scores(est, ref, dim="time", metrics=["bias", "pearson_r"])
    >>> found.n_obs.values.tolist(), found.status.values.tolist()
    ([3, 2], [0, 3])
    """
    names = [metrics] if isinstance(metrics, str) else list(dict.fromkeys(metrics))
    rows = {name: metric_of(name) for name in names}
    if not isinstance(min_pairs, (int, np.integer)) or min_pairs < 1:
        raise InputError(f"min_pairs={min_pairs!r}: expected a whole number of pairs, 1 or more.")
    invariant = all(row.any_units for row in rows.values())
    pairs = pair(est, ref, dim=dim, weights=weights, any_units=invariant)
    sums = moments(pairs)
    number = evaluated("n_obs", sums, pairs)
    found: dict[str, Any] = {}
    for name, row in rows.items():
        if name == "n_obs":
            continue
        if formula_of(name) is not None:
            value = evaluated(name, sums, pairs)
        else:
            value = row.load()(est, ref, dim=dim, weights=weights)
        found[name] = value.where(number >= min_pairs).assign_attrs(value.attrs)
    status = xr.apply_ufunc(
        partial(_status, min_pairs=int(min_pairs), disjoint=pairs.disjoint),
        sums,
        input_core_dims=[[MOMENT]],
        dask="parallelized",
        output_dtypes=[np.int8],
    )
    found["n_obs"] = number.astype(np.int64).assign_attrs(number.attrs)
    found["status"] = status.assign_attrs(STATUS_ATTRS)
    return xr.Dataset(found)


def _status(stacked: NDArray[np.float64], *, min_pairs: int, disjoint: bool) -> NDArray[np.int8]:
    m = unpacked(stacked)
    constant = (m.n > 1) & (m.constant_x | m.constant_y)
    return status_of(m.n, [m.n_x, m.n_y], constant, min_pairs=min_pairs, disjoint=disjoint)


def pooled(estimate: NDArray[np.floating], truth: NDArray[np.floating]) -> dict[str, float]:
    """``rmse``, ``bias``, ``r2`` (NaN where the truth is constant) and ``n`` of what both know."""
    known = np.isfinite(truth) & np.isfinite(estimate)
    error = (estimate - truth)[known].astype(np.float64)
    square = float(np.mean(error**2))
    spread = float(np.var(truth[known], dtype=np.float64))
    return {
        "rmse": square**0.5,
        "bias": float(error.mean()),
        "r2": 1.0 - square / spread if spread else float("nan"),
        "n": int(known.sum()),
    }
