"""Whether a score could be chance, where neighbouring days say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.metrics.pairs import Dims, Pairs, pair
from xsm.metrics.ranks import pack, rank_statistics
from xsm.metrics.resampling import centred
from xsm.metrics.series import over_series
from xsm.metrics.table import METRICS, metric_of

TESTED = ("pearson_r", "spearman_rho", "kendall_tau", "anomaly_r", "bias")
LEAST = 3  # pairs


def effective_sample_size(est: xr.DataArray, ref: xr.DataArray, *, dim: Dims) -> xr.DataArray:
    """Number of independent pairs that tell as much about a correlation as these do.

    ``n (1 - r_x r_y) / (1 + r_x r_y)``, within 2 .. n; r_x and r_y are the correlations of each
    series with itself one step later, of steps whose both ends are pairs.

    Parameters
    ----------
    est, ref, dim
        As for every metric. The steps along `dim` should be equal.

    Returns
    -------
    DataArray
        NaN where there are fewer than three pairs; n where a series does not vary or no two pairs
        follow one another. Lazy if the input is.

    Notes
    -----
    Reference: Bretherton et al. (1999), doi 10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2,
    eq. 31.
    """
    pairs = pair(est, ref, dim=dim, any_units=True)
    (found,) = over_series(_effective, _one_dim(pairs))
    attrs = {"long_name": "effective number of pairs", "units": "1"}
    return found.rename("effective_sample_size").assign_attrs(attrs)


def p_value(
    est: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    metric: str = "pearson_r",
    effective: bool = True,
) -> xr.DataArray:
    """Probability of a score so far from 0, on either side, by chance alone.

    Parameters
    ----------
    est, ref, dim
        As for every metric.
    metric : {"pearson_r", "spearman_rho", "kendall_tau", "anomaly_r", "bias"}
        Student's t of correlations and of the bias; the normal distribution of Kendall's score
        (Kendall, 1945, with ties).
    effective : bool
        Count pairs as :func:`effective_sample_size` does; for the bias with the correlation of the
        differences, ``n (1 - r) / (1 + r)``. False takes all pairs as independent, as
        scipy.stats does.

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
    if metric not in TESTED:
        raise InputError(f"metric={metric!r} has no test: expected one of {', '.join(TESTED)}.")
    if metric == "anomaly_r":
        from xsm.metrics.anomaly import paired_anomalies

        est, ref = paired_anomalies(est, ref, dim=dim, method="moving_window", window=35)
    pairs = pair(est, ref, dim=dim, any_units=row.any_units)
    (found,) = over_series(
        _p_value, _one_dim(pairs) if effective else pairs, metric=metric, effective=bool(effective)
    )
    words = "effective" if effective else "all pairs independent"
    attrs = {"long_name": f"p value of the {METRICS[metric].long_name}, {words}", "units": "1"}
    return found.rename(f"p_{metric}").assign_attrs(attrs)


def _one_dim(pairs: Pairs) -> Pairs:
    if len(pairs.dims) != 1:
        raise InputError(
            f"dim={pairs.dims!r}: an effective sample size needs one dimension along which pairs "
            "follow one another. Give one, or effective=False."
        )
    return pairs


def _effective(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    both = np.isfinite(x) & np.isfinite(y)
    return _reduced(both, _lag_one(x, both) * _lag_one(y, both))


def _reduced(both: NDArray[np.bool_], product: NDArray[np.float64]) -> NDArray[np.float64]:
    n = both.sum(axis=1).astype(np.float64)
    size = np.clip(n * (1 - product) / (1 + product), 2.0, np.maximum(n, 2.0))
    return np.where(n < LEAST, np.nan, size)


def _lag_one(x: NDArray[np.float64], both: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Correlation (P,) of x (P, T) with its next value, 0 where it is undefined."""
    apart = centred(x, both)[0]
    if x.shape[1] < 2:
        return np.zeros(x.shape[0])
    steps = both[:, 1:] & both[:, :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        together = (apart[:, 1:] * apart[:, :-1]).sum(axis=1) / steps.sum(axis=1)
        found = together / ((apart * apart).sum(axis=1) / both.sum(axis=1))
    return np.clip(np.where(np.isfinite(found), found, 0.0), -0.999, 0.999)


def _p_value(
    x: NDArray[np.float64], y: NDArray[np.float64], *, metric: str, effective: bool
) -> NDArray[np.float64]:
    from scipy.special import ndtr, stdtr

    both = np.isfinite(x) & np.isfinite(y)
    n = both.sum(axis=1).astype(np.float64)
    if metric == "bias":
        size = _reduced(both, _lag_one(x - y, both)) if effective else n
        apart, mean = centred(x - y, both)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = mean[:, 0] / np.sqrt((apart**2).sum(axis=1) / (n - 1) / size)
        return np.where(n < LEAST, np.nan, 2.0 * stdtr(size - 1, -np.abs(t)))
    size = _effective(x, y) if effective else n
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric == "kendall_tau":
            tau, score, variance = rank_statistics(x, y, kendall=True)
            z = np.where(np.isfinite(tau), score / np.sqrt(variance), np.nan) * np.sqrt(size / n)
            p = 2.0 * ndtr(-np.abs(z))
        else:
            r = _correlation(x, y, metric)
            t = r * np.sqrt((size - 2) / ((1 - r) * (1 + r)))
            p = np.where(size > 2, 2.0 * stdtr(np.maximum(size - 2, 1e-9), -np.abs(t)), 1.0)
    return np.where((n < LEAST) | np.isnan(p), np.nan, p)


def _correlation(x: NDArray[Any], y: NDArray[Any], metric: str) -> NDArray[np.float64]:
    if metric == "spearman_rho":
        return rank_statistics(x, y, kendall=False)[0]
    packed = pack(x, y)
    inside = np.arange(x.shape[1]) < packed.length[:, None]
    d_x, d_y = (centred(s, inside)[0] for s in packed.series)
    r = (d_x * d_y).sum(axis=1) / np.sqrt((d_x**2).sum(axis=1) * (d_y**2).sum(axis=1))
    return np.where(packed.constant(), np.nan, np.clip(r, -1.0, 1.0))
