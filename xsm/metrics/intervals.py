"""Confidence intervals of metrics: analytic, and by resampling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import chdtri, ndtri, stdtrit

from xsm.argument_checks import check_choice
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
    DIFFERENCE_METRICS,
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
    metric: str | Sequence[str],
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
    metric : str or sequence of str
        Names from ``xsm.metrics.METRICS``. Several share their resamples: those of the differences
        of the pairs (bias, rmsd, ubrmsd, ...), and those of the other moments.
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
        Pairs of a block, for ``moving_block``; default the cube root of their number. Series with
        fewer than two blocks have no interval.
    seed : int
        The same seed gives the same interval, whatever the chunks, threads and other points.

    Returns
    -------
    Dataset
        ``<metric>_low`` and ``<metric>_high`` of each metric, and ``status``; NaN where there are
        fewer than three pairs or the metric is undefined. Lazy if the input is.

    Raises
    ------
    InputError
        If metric, method, level, n, block or seed is not one of these, or block is given for
        another method than ``moving_block``.
    """
    names = [metric] if isinstance(metric, str) else list(dict.fromkeys(metric))
    for name in names:
        metric_of(name)
        _check(name, method, level, n, block, seed)
    if not names:
        raise InputError(f"metric={metric!r}: expected one or more names of metrics.")
    plan = ResamplingPlan(method, level, n, block, seed)
    plain = [name for name in names if name != "anomaly_r"]
    variables: dict[str, xr.DataArray] = {}
    for group in ([plain] if plain else []) + [[n_] for n_ in names if n_ == "anomaly_r"]:
        a, b = est, ref
        if group == ["anomaly_r"]:
            a, b = paired_anomalies(est, ref, dim=dim, method="moving_window", window=35)
        any_units = all(metric_of(name).any_units for name in group)
        pairs = pair(a, b, dim=dim, any_units=any_units)
        *bounds, status = apply_to_series(
            _intervals,
            pairs,
            output_dtypes=(*(np.float64 for _ in range(2 * len(group))), np.int8),
            metrics=tuple("pearson_r" if name == "anomaly_r" else name for name in group),
            plan=plan,
            disjoint=pairs.disjoint,
        )
        for k, name in enumerate(group):
            for side, words, values in zip(
                ("low", "high"), ("lower", "upper"), bounds[2 * k : 2 * k + 2], strict=True
            ):
                da = with_metric_attrs(name, values, pairs)
                da.attrs["long_name"] = f"{words} bound of {metric_of(name).long_name}"
                variables[f"{name}_{side}"] = da.rename(f"{name}_{side}")
    ordered = {f"{name}_{side}": variables[f"{name}_{side}"] for name in names
               for side in ("low", "high")}  # fmt: skip
    return xr.Dataset(ordered | {"status": with_attrs(status, **STATUS_ATTRS)})


def _check(metric: str, method: str, level: Any, n: Any, block: Any, seed: Any) -> None:
    if metric == "n_obs":
        raise InputError("metric='n_obs': a number of pairs has no confidence interval.")
    check_choice("method", method, INTERVAL_METHODS)
    if method == "analytic" and metric not in (*ANALYTIC_METRICS, "anomaly_r"):
        raise InputError(
            f"metric={metric!r} has no analytic interval: expected one of "
            f"{', '.join(ANALYTIC_METRICS)}, or a resampling method such as 'bca'."
        )
    check_resampling(method, level, n, block, seed)


def _intervals(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    metrics: tuple[str, ...],
    plan: ResamplingPlan,
    disjoint: bool,
) -> tuple[NDArray[Any], ...]:
    """Lower and upper bound (P,) of each metric, then the status (P,), of series (P, T)."""
    compressed = compress_valid(x, y)
    status = pair_status(
        compressed.length,
        compressed.n_valid,
        compressed.constant(),
        min_pairs=MIN_PAIRS,
        disjoint=disjoint,
    )
    bounds = np.full((2 * len(metrics), x.shape[0]), np.nan)
    if x.size and plan.method == "analytic":
        for k, name in enumerate(metrics):
            bounds[2 * k : 2 * k + 2] = _analytic_bounds(compressed, name, plan.level)
    elif x.size:
        for group in _sharing_groups(metrics):
            rows = [2 * metrics.index(name) + side for name in group for side in (0, 1)]
            bounds[rows] = _resampled_bounds(compressed, group, plan)
    bounds[:, (compressed.length < MIN_PAIRS) | plan.too_short(compressed.length)] = np.nan
    return (*bounds, status)


def _sharing_groups(metrics: tuple[str, ...]) -> list[list[str]]:
    """Metrics of the same resampled moments together, those of ranks alone."""
    moments = [name for name in metrics if formula_of(name) is not None]
    groups = [
        [name for name in moments if name in DIFFERENCE_METRICS],
        [name for name in moments if name not in DIFFERENCE_METRICS],
        *([name] for name in metrics if name not in moments),
    ]
    return [group for group in groups if group]


def _resampled_bounds(
    compressed: CompressedSeries, metrics: list[str], plan: ResamplingPlan
) -> NDArray[np.float64]:
    """Lower and upper bound (2 M, P) of metrics that share their moments, or of one of ranks."""
    bounds = np.full((2 * len(metrics), compressed.length.size), np.nan)
    batches = list(plan.batches(compressed, 1 if METRICS[metrics[0]].ranks else 6))

    def fill_bounds(start: int, stop: int) -> None:
        for rows, block_length in batches[start:stop]:
            series = tuple(values[rows] for values in compressed.series)
            batch = CompressedSeries(series, compressed.length[rows], ())
            distributions = _distributions(metrics, batch, block_length, plan)
            for k, distribution in enumerate(distributions):
                bounds[2 * k : 2 * k + 2, rows] = confidence_bounds(distribution, plan)

    run_in_threads(fill_bounds, len(batches))
    return bounds


def _distributions(
    metrics: list[str], compressed: CompressedSeries, block_length: int, plan: ResamplingPlan
) -> Iterator[NDArray[np.float64]]:
    """Distribution (P, 1 + B + J) of each metric."""
    if formula_of(metrics[0]) is not None:
        moments = resampled_moments(compressed, metrics[0], block_length, plan)
        for name in metrics:
            yield evaluate_formula(name, moments)
    else:
        kendall = metrics == ["kendall_tau"]
        yield resampled_rank_correlation(compressed, block_length, plan, kendall=kendall)


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
