"""Significance of scores of series with autocorrelation."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr, stdtr

from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.anomaly import paired_anomalies
from xsm.metrics.compress_valid import centre, compress_valid, pearson_correlation
from xsm.metrics.pairs import MIN_PAIRS, Dims, Pairs, apply_to_series, pair
from xsm.metrics.ranks import rank_statistics
from xsm.metrics.table import metric_of

TESTED_METRICS = ("pearson_r", "spearman_rho", "kendall_tau", "anomaly_r", "bias")


def effective_sample_size(est: xr.DataArray, ref: xr.DataArray, *, dim: Dims) -> xr.DataArray:
    """Number of independent pairs with the same information on a correlation.

    ``n (1 - r_x r_y) / (1 + r_x r_y)``, within 2 .. n; r_x and r_y are the lag-1 autocorrelations
    of the series, from successive pairs.

    Parameters
    ----------
    est, ref, dim
        As for every metric. The steps along `dim` should be equal.

    Returns
    -------
    DataArray
        NaN where there are fewer than three pairs; n where a series does not vary or no two pairs
        are successive. Lazy if the input is.

    Notes
    -----
    Reference: Bretherton et al. (1999), doi 10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2,
    eq. 31.
    """
    pairs = pair(est, ref, dim=dim, any_units=True)
    (size,) = apply_to_series(_effective_size, _check_one_dim(pairs))
    attrs = {"long_name": "effective number of pairs", "units": "1"}
    return with_attrs(size.rename("effective_sample_size"), **attrs)


def p_value(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    metric: str = "pearson_r",
    effective: bool = True,
) -> xr.DataArray:
    """Two-sided p value of a score: the probability of one as far from 0 by chance.

    Parameters
    ----------
    est, ref, dim
        As for every metric.
    metric : {"pearson_r", "spearman_rho", "kendall_tau", "anomaly_r", "bias"}
        Student's t of correlations and of the bias; the normal distribution of Kendall's score
        (Kendall, 1945, with ties).
    effective : bool
        Replace the number of pairs by :func:`effective_sample_size`; for the bias by
        ``n (1 - r) / (1 + r)``, r being the lag-1 autocorrelation of the differences. False treats
        all pairs as independent, as scipy.stats does.

    Returns
    -------
    DataArray
        ``p_<metric>``; NaN where there are fewer than three pairs or the metric is undefined. Lazy
        if the input is.

    Raises
    ------
    InputError
        If there is no test of `metric`.
    """
    row = metric_of(metric)
    if metric not in TESTED_METRICS:
        raise InputError(
            f"metric={metric!r} has no test: expected one of {', '.join(TESTED_METRICS)}."
        )
    if metric == "anomaly_r":
        est, ref = paired_anomalies(est, ref, dim=dim, method="moving_window", window=35)
    pairs = pair(est, ref, dim=dim, any_units=row.any_units)
    if effective:
        _check_one_dim(pairs)
    (p,) = apply_to_series(_p_value, pairs, metric=metric, effective=bool(effective))
    words = "effective" if effective else "all pairs independent"
    attrs = {"long_name": f"p value of the {row.long_name}, {words}", "units": "1"}
    return with_attrs(p.rename(f"p_{metric}"), **attrs)


def _check_one_dim(pairs: Pairs) -> Pairs:
    if len(pairs.dims) != 1:
        raise InputError(
            f"dim={pairs.dims!r}: an effective sample size needs one dimension along which pairs "
            "are successive. Give one, or effective=False."
        )
    return pairs


def _effective_size(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    paired = np.isfinite(x) & np.isfinite(y)
    return _reduced_size(paired, _lag_one(x, paired) * _lag_one(y, paired))


def _reduced_size(
    paired: NDArray[np.bool_], autocorrelation: NDArray[np.float64]
) -> NDArray[np.float64]:
    n = paired.sum(axis=1).astype(np.float64)
    size = np.clip(n * (1 - autocorrelation) / (1 + autocorrelation), 2.0, np.maximum(n, 2.0))
    return np.where(n < MIN_PAIRS, np.nan, size)


def _lag_one(x: NDArray[np.float64], paired: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lag-1 autocorrelation (P,) of x (P, T), 0 where it is undefined."""
    deviation = centre(x, paired)[0]
    if x.shape[1] < 2:
        return np.zeros(x.shape[0])
    successive = paired[:, 1:] & paired[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = (deviation[:, 1:] * deviation[:, :-1]).sum(axis=1) / successive.sum(axis=1)
        r = covariance / ((deviation * deviation).sum(axis=1) / paired.sum(axis=1))
    return np.clip(np.where(np.isfinite(r), r, 0.0), -0.999, 0.999)


def _p_value(
    x: NDArray[np.float64], y: NDArray[np.float64], *, metric: str, effective: bool
) -> NDArray[np.float64]:
    paired = np.isfinite(x) & np.isfinite(y)
    n = paired.sum(axis=1).astype(np.float64)
    if metric == "bias":
        size = _reduced_size(paired, _lag_one(x - y, paired)) if effective else n
        deviation, mean = centre(x - y, paired)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = mean[:, 0] / np.sqrt((deviation**2).sum(axis=1) / (n - 1) / size)
        return np.where(n < MIN_PAIRS, np.nan, 2.0 * stdtr(size - 1, -np.abs(t)))
    size = _effective_size(x, y) if effective else n
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric == "kendall_tau":
            tau, score, variance = rank_statistics(x, y, kendall=True)
            z = np.where(np.isfinite(tau), score / np.sqrt(variance), np.nan) * np.sqrt(size / n)
            p = 2.0 * ndtr(-np.abs(z))
        else:
            r = (
                rank_statistics(x, y, kendall=False)[0]
                if metric == "spearman_rho"
                else pearson_correlation(compress_valid(x, y))
            )
            t = r * np.sqrt((size - 2) / ((1 - r) * (1 + r)))
            p = np.where(size > 2, 2.0 * stdtr(np.maximum(size - 2, 1e-9), -np.abs(t)), 1.0)
    return np.where((n < MIN_PAIRS) | np.isnan(p), np.nan, p)
