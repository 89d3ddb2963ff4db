"""Confidence intervals of metrics: analytic, and by resampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.metrics.metric_factory import formula_of, from_moments, labelled
from xsm.metrics.pairs import Dims, pair
from xsm.metrics.ranks import Packed, pack, rank_statistics, sort
from xsm.metrics.resampling import Plan, bounds, centred, resampled_moments
from xsm.metrics.series import over_series
from xsm.metrics.status import STATUS_ATTRS, status_of
from xsm.metrics.table import METRICS, metric_of

METHODS = ("bca", "percentile", "basic", "moving_block", "analytic")
LEAST = 3  # pairs


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
        A name out of ``xsm.metrics.METRICS``.
    method : {"bca", "percentile", "basic", "moving_block", "analytic"}
        Pairs are resampled one by one, which takes them as independent; ``moving_block`` resamples
        runs of pairs (Kuensch, 1989, doi 10.1214/aos/1176347265) and takes their percentiles.
        ``analytic``: Fisher's z for pearson_r, spearman_rho and kendall_tau (Bonett and Wright,
        2000, doi 10.1007/BF02294183), Student's t for bias, chi-squared for ubrmsd.
    level : float
        Share of intervals that hold the true value.
    n : int
        Resamples.
    block : int, optional
        Pairs of a run, for ``moving_block``; default the cube root of their number.
    seed : int
        The same seed gives the same interval, whatever the chunks, threads and neighbours.

    Returns
    -------
    Dataset
        ``<metric>_low``, ``<metric>_high`` and ``status``; NaN where there are fewer than three
        pairs or the metric is undefined. Lazy if the input is.

    Raises
    ------
    InputError
        For a metric, method, level, n, block or seed that is not one of these.
    """
    row = metric_of(metric)
    _check(metric, method, level, n, block, seed)
    if metric == "anomaly_r":
        from xsm.metrics.anomaly import paired_anomalies

        est, ref = paired_anomalies(est, ref, dim=dim, method="moving_window", window=35)
    pairs = pair(est, ref, dim=dim, any_units=row.any_units)
    plan = Plan(method, level, n, block, seed)
    name = "pearson_r" if metric == "anomaly_r" else metric
    low, high, status = over_series(
        _bounds,
        pairs,
        outputs=(np.float64, np.float64, np.int8),
        metric=name,
        plan=plan,
        disjoint=pairs.disjoint,
    )
    found = {}
    for side, words, value in (("low", "lower", low), ("high", "upper", high)):
        da = labelled(metric, value, pairs)
        da.attrs["long_name"] = f"{words} bound of {row.long_name}"
        found[f"{metric}_{side}"] = da.rename(f"{metric}_{side}")
    return xr.Dataset(found | {"status": status.assign_attrs(STATUS_ATTRS)})


def _bounds(
    x: NDArray[np.float64], y: NDArray[np.float64], *, metric: str, plan: Plan, disjoint: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    packed = pack(x, y)
    status = status_of(
        packed.length, packed.valid, packed.constant(), min_pairs=LEAST, disjoint=disjoint
    )
    low, high = np.full(x.shape[0], np.nan), np.full(x.shape[0], np.nan)
    if plan.method == "analytic":
        analytic_bounds(packed, metric, plan.level, low, high)
    elif x.size:
        _resampled_bounds(packed, metric, plan, low, high)
    few = packed.length < LEAST
    return np.where(few, np.nan, low), np.where(few, np.nan, high), status


def _resampled_bounds(packed: Packed, metric: str, plan: Plan, low: Any, high: Any) -> None:
    from xsm_kernels import run_in_threads

    work = list(plan.batches(packed, 1 if METRICS[metric].ranks else 6))

    def each(start: int, stop: int) -> None:
        for rows, block in work[start:stop]:
            series = [s[rows] for s in packed.series]
            values = _values(metric, Packed(tuple(series), packed.length[rows], ()), block, plan)
            low[rows], high[rows] = bounds(values, plan)

    run_in_threads(each, len(work))


def _values(metric: str, packed: Packed, block: int, plan: Plan) -> NDArray[np.float64]:
    """Distribution (P, 1 + B + J) of a metric."""
    if formula_of(metric) is not None:
        return from_moments(metric, resampled_moments(packed, metric, block, plan))
    from xsm.metrics.resampling import resampled_ranks

    rows, longest = packed.series[0].shape
    out = np.empty((rows, 1 + plan.n + (longest if plan.jackknife else 0)))
    kendall = metric == "kendall_tau"
    resampled_ranks(*sort(packed), packed.length, block, plan.seed, kendall, plan.jackknife, out)
    return out


def _check(metric: str, method: str, level: Any, n: Any, block: Any, seed: Any) -> None:
    if metric == "n_obs":
        raise InputError("metric='n_obs': a number of pairs has no confidence interval.")
    if method not in METHODS:
        raise InputError(f"method={method!r}: expected one of {', '.join(map(repr, METHODS))}.")
    if method == "analytic" and metric not in (*ANALYTIC, "anomaly_r"):
        raise InputError(
            f"metric={metric!r} has no analytic interval: expected one of {', '.join(ANALYTIC)}, "
            "or a resampling method such as 'bca'."
        )
    check_resampling(level, n, block, seed)


def check_resampling(level: Any, n: Any, block: Any, seed: Any) -> None:
    """Raise InputError where one of these cannot be used."""
    if not isinstance(level, (int, float, np.number)) or not 0 < level < 1:
        raise InputError(f"level={level!r}: expected a share between 0 and 1, such as 0.95.")
    whole = {"n": (n, 2), "seed": (seed, 0)} | ({} if block is None else {"block": (block, 1)})
    for name, (value, least) in whole.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
            raise InputError(f"{name}={value!r}: expected a whole number, {least} or more.")


ANALYTIC = ("pearson_r", "spearman_rho", "kendall_tau", "bias", "ubrmsd")


def analytic_bounds(packed: Packed, metric: str, level: float, low: Any, high: Any) -> None:
    """Fill the bounds (P,) of a metric of packed series; formulas as in pytesmo.

    ``pearson_r``: ``tanh(atanh(R) -+ z / sqrt(n - 3))``; ``spearman_rho`` and ``kendall_tau`` the
    same with ``sqrt((1 + rho^2 / 2) / (n - 3))`` and ``sqrt(0.437 / (n - 4))`` (Bonett and Wright,
    2000, doi 10.1007/BF02294183). ``bias``: ``bias -+ t s_d / sqrt(n)``. ``ubrmsd``:
    ``sqrt(n ubrmsd^2 / chi2)``. The same as in pytesmo but for tau, where that takes 0.431 for the
    root of 0.437.
    """
    from scipy.special import chdtri, ndtri, stdtrit

    n = packed.length.astype(np.float64)
    tail = (1.0 - level) / 2.0
    x, y = packed.series
    if not x.size:
        return
    with np.errstate(all="ignore"):
        if metric in ("bias", "ubrmsd"):
            inside = np.arange(x.shape[1]) < packed.length[:, None]
            apart, mean = centred(x - y, inside)
            squares = (apart**2).sum(axis=1)
            if metric == "ubrmsd":
                low[:], high[:] = (np.sqrt(squares / chdtri(n - 1, t)) for t in (tail, 1 - tail))
            else:
                half = np.sqrt(squares / (n - 1) / n) * stdtrit(n - 1, 1 - tail)
                low[:], high[:] = mean[:, 0] - half, mean[:, 0] + half
            return
        r, error = _correlation(metric, x, y, packed.length)
        half = ndtri(1 - tail) * error
        low[:], high[:] = np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)


def _correlation(
    metric: str, x: NDArray[np.float64], y: NDArray[np.float64], length: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Any]:
    """A correlation (P,), and the standard error of its Fisher z; infinite for too few pairs."""
    if metric == "kendall_tau":
        return rank_statistics(x, y, kendall=True)[0], np.sqrt(0.437 / np.maximum(length - 4, 0))
    error = 1.0 / np.sqrt(np.maximum(length - 3, 0))
    if metric == "spearman_rho":
        rho = rank_statistics(x, y, kendall=False)[0]
        return rho, error * np.sqrt(1 + rho**2 / 2)
    inside = np.arange(x.shape[1]) < length[:, None]
    d_x, d_y = (centred(s, inside)[0] for s in (x, y))
    xx, yy = ((d * d).sum(axis=1) for d in (d_x, d_y))
    return np.clip((d_x * d_y).sum(axis=1) / np.sqrt(xx * yy), -1, 1), error
