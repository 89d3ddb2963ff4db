"""Confidence intervals of metrics: analytic, and by resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import chdtri, ndtri, stdtrit

from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.anomaly import paired_anomalies
from xsm.metrics.compress_valid import (
    CompressedSeries,
    centre,
    compress_valid,
    pearson_correlation,
)
from xsm.metrics.metric_factory import evaluate_formula, formula_of, with_metric_attrs
from xsm.metrics.pairs import MIN_PAIRS, Dims, apply_to_series, pair
from xsm.metrics.ranks import rank_statistics
from xsm.metrics.resampling import (
    RESAMPLING_METHODS,
    ResamplingPlan,
    check_resampling,
    confidence_bounds,
    resampled_moments,
    resampled_rank_correlation,
)
from xsm.metrics.status import STATUS_ATTRS, pair_status
from xsm.metrics.table import METRICS, metric_of
from xsm_kernels import run_in_threads

INTERVAL_METHODS = (*RESAMPLING_METHODS, "analytic")
ANALYTIC_METRICS = ("pearson_r", "spearman_rho", "kendall_tau", "bias", "ubrmsd")

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def interval(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    metric: str,
    method: str = "bca",
    level: float = 0.95,
    n: int = 1000,
    block: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Confidence interval of a metric.

    Parameters
    ----------
    est, ref, dim
        As for the metric.
    metric : str
        A name from ``xsm.metrics.METRICS``.
    method : {"bca", "percentile", "basic", "moving_block", "analytic"}
        The first three resample single pairs, as if these were independent. ``moving_block``
        resamples blocks of successive pairs (Kuensch, 1989, doi 10.1214/aos/1176347265) and takes
        percentiles. ``analytic``: Fisher's z for pearson_r, spearman_rho and kendall_tau (Bonett
        and Wright, 2000, doi 10.1007/BF02294183), Student's t for bias, chi-squared for ubrmsd.
    level : float
        Fraction of intervals that contain the true value.
    n : int
        Number of resamples.
    block : int, optional
        Pairs of a block, for ``moving_block``; default the cube root of their number.
    seed : int
        The same seed gives the same interval, whatever the chunks, threads and other points.

    Returns
    -------
    Dataset
        ``<metric>_low``, ``<metric>_high`` and ``status``; NaN where there are fewer than three
        pairs or the metric is undefined. Lazy if the input is.

    Raises
    ------
    InputError
        If metric, method, level, n, block or seed is not one of these.
    """
    row = metric_of(metric)
    _check(metric, method, level, n, block, seed)
    if metric == "anomaly_r":
        est, ref = paired_anomalies(est, ref, dim=dim, method="moving_window", window=35)
    pairs = pair(est, ref, dim=dim, any_units=row.any_units)
    low, high, status = apply_to_series(
        _interval,
        pairs,
        output_dtypes=(np.float64, np.float64, np.int8),
        metric="pearson_r" if metric == "anomaly_r" else metric,
        plan=ResamplingPlan(method, level, n, block, seed),
        disjoint=pairs.disjoint,
    )
    variables = {}
    for side, words, values in (("low", "lower", low), ("high", "upper", high)):
        da = with_metric_attrs(metric, values, pairs)
        da.attrs["long_name"] = f"{words} bound of {row.long_name}"
        variables[f"{metric}_{side}"] = da.rename(f"{metric}_{side}")
    return xr.Dataset(variables | {"status": with_attrs(status, **STATUS_ATTRS)})


def _check(metric: str, method: str, level: Any, n: Any, block: Any, seed: Any) -> None:
    if metric == "n_obs":
        raise InputError("metric='n_obs': a number of pairs has no confidence interval.")
    if method not in INTERVAL_METHODS:
        expected = ", ".join(map(repr, INTERVAL_METHODS))
        raise InputError(f"method={method!r}: expected one of {expected}.")
    if method == "analytic" and metric not in (*ANALYTIC_METRICS, "anomaly_r"):
        raise InputError(
            f"metric={metric!r} has no analytic interval: expected one of "
            f"{', '.join(ANALYTIC_METRICS)}, or a resampling method such as 'bca'."
        )
    check_resampling(level, n, block, seed)


def _interval(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    metric: str,
    plan: ResamplingPlan,
    disjoint: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """Lower bound, upper bound and status (P,) of series (P, T)."""
    compressed = compress_valid(x, y)
    status = pair_status(
        compressed.length,
        compressed.n_valid,
        compressed.constant(),
        min_pairs=MIN_PAIRS,
        disjoint=disjoint,
    )
    low, high = np.full(x.shape[0], np.nan), np.full(x.shape[0], np.nan)
    if x.size and plan.method == "analytic":
        low, high = _analytic_bounds(compressed, metric, plan.level)
    elif x.size:
        low, high = _resampled_bounds(compressed, metric, plan)
    too_few = compressed.length < MIN_PAIRS
    return np.where(too_few, np.nan, low), np.where(too_few, np.nan, high), status


def _resampled_bounds(compressed: CompressedSeries, metric: str, plan: ResamplingPlan) -> Bounds:
    n_rows = compressed.length.size
    low, high = np.full(n_rows, np.nan), np.full(n_rows, np.nan)
    batches = list(plan.batches(compressed, 1 if METRICS[metric].ranks else 6))

    def fill_bounds(start: int, stop: int) -> None:
        for rows, block_length in batches[start:stop]:
            series = tuple(values[rows] for values in compressed.series)
            batch = CompressedSeries(series, compressed.length[rows], ())
            distribution = _distribution(metric, batch, block_length, plan)
            low[rows], high[rows] = confidence_bounds(distribution, plan)

    run_in_threads(fill_bounds, len(batches))
    return low, high


def _distribution(
    metric: str, compressed: CompressedSeries, block_length: int, plan: ResamplingPlan
) -> NDArray[np.float64]:
    """Distribution (P, 1 + B + J) of a metric."""
    if formula_of(metric) is not None:
        moments = resampled_moments(compressed, metric, block_length, plan)
        return evaluate_formula(metric, moments)
    kendall = metric == "kendall_tau"
    return resampled_rank_correlation(compressed, block_length, plan, kendall=kendall)


def _analytic_bounds(compressed: CompressedSeries, metric: str, level: float) -> Bounds:
    """Bounds (P,) of a metric; formulas as in pytesmo.

    ``pearson_r``: ``tanh(atanh(R) -+ z / sqrt(n - 3))``; ``spearman_rho`` and ``kendall_tau`` the
    same with ``sqrt((1 + rho^2 / 2) / (n - 3))`` and ``sqrt(0.437 / (n - 4))`` (Bonett and Wright,
    2000, doi 10.1007/BF02294183; for tau, pytesmo has 0.431 for the root of 0.437). ``bias``:
    ``bias -+ t s_d / sqrt(n)``. ``ubrmsd``: ``sqrt(n ubrmsd^2 / chi2)``.
    """
    n = compressed.length.astype(np.float64)
    tail = (1.0 - level) / 2.0
    x, y = compressed.series
    with np.errstate(all="ignore"):
        if metric in ("bias", "ubrmsd"):
            deviation, mean = centre(x - y, compressed.inside)
            squares = (deviation**2).sum(axis=1)
            if metric == "ubrmsd":
                low, high = (np.sqrt(squares / chdtri(n - 1, t)) for t in (tail, 1 - tail))
                return low, high
            half = np.sqrt(squares / (n - 1) / n) * stdtrit(n - 1, 1 - tail)
            return mean[:, 0] - half, mean[:, 0] + half
        r, z_error = _fisher_error(compressed, metric)
        half = ndtri(1 - tail) * z_error
        return np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)


def _fisher_error(
    compressed: CompressedSeries, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A correlation (P,), and the standard error of its Fisher z; infinite for too few pairs."""
    x, y = compressed.series
    if metric == "kendall_tau":
        tau = rank_statistics(x, y, kendall=True)[0]
        return tau, np.sqrt(0.437 / np.maximum(compressed.length - 4, 0))
    z_error = 1.0 / np.sqrt(np.maximum(compressed.length - 3, 0))
    if metric == "spearman_rho":
        rho = rank_statistics(x, y, kendall=False)[0]
        return rho, z_error * np.sqrt(1 + rho**2 / 2)
    return pearson_correlation(compressed), z_error
