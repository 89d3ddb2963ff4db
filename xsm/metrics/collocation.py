"""Triple collocation: the errors of three records of one truth, without a perfect reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numba import njit, types
from numpy.typing import NDArray

from xsm.argument_checks import check_choice, check_whole
from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.compress_valid import CompressedSeries, centre, compress_valid
from xsm.metrics.pairs import Dims, apply_to_series, pair
from xsm.metrics.resampling import (
    RESAMPLING_METHODS,
    ResamplingPlan,
    check_resampling,
    confidence_bounds,
    resample_deviations,
)
from xsm.metrics.status import (
    NEGATIVE_ERROR_VARIANCE,
    NEGATIVE_SIGNAL_VARIANCE,
    OK,
    STATUS_ATTRS,
    pair_status,
)
from xsm_kernels import compile_loop, compile_once, run_in_threads

DATASET = "dataset"
# name: long name; units: those of each dataset, their square, those of the reference, or fixed
STATISTICS: dict[str, tuple[str, str]] = {
    "err_var": ("variance of the error, in the scale of the dataset", "dataset2"),
    "sensitivity": ("standard deviation of the signal, in the scale of the dataset", "dataset"),
    "err_std": ("standard deviation of the error, in the scale of the reference", "reference"),
    "snr_db": ("signal-to-noise ratio", "dB"),
    "beta": ("factor to the scale of the reference", "1"),
    "r2": ("squared correlation with the truth", "1"),
}
# value without an error, of the statistics that tell which of two records is better
BEST = {"err_std": 0.0, "snr_db": np.inf, "r2": 1.0}
WITHOUT_INTERVAL = ("err_var", "sensitivity")
WITH_INTERVAL = ("err_std", "snr_db", "beta", "r2")
TILE_ROWS = 8  # of distributions, at a time: they stay in the cache


def triple_collocation(
    x: xr.DataArray,
    y: xr.DataArray,
    z: xr.DataArray,
    *,
    dim: Dims,
    ci: str | None = None,
    reference: int = 0,
    names: Sequence[str] | None = None,
    min_pairs: int = 3,
    level: float = 0.95,
    n: int = 1000,
    block: int | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Errors of three records of one truth with independent errors.

    Parameters
    ----------
    x, y, z : DataArray
        The records; along `dim`, values are used where all three are finite.
    dim : str or sequence of str
    ci : {None, "bca", "percentile", "basic", "moving_block"}
        Resampling method of the confidence intervals; None: no intervals.
    reference : {0, 1, 2}
        The record to whose scale ``err_std`` and ``beta`` refer.
    names : three str, optional
        Labels of the dimension ``dataset``; default the names of the three where they differ, else
        x, y, z.
    min_pairs : int
        With fewer triplets all results are NaN. Estimates from fewer than about 100 scatter widely.
    level, n, block, seed
        See :func:`xsm.metrics.interval`.

    Returns
    -------
    Dataset
        On ``dataset`` and the dimensions that are not reduced; Q are covariances, i, j, k the three
        records, r the reference:

        - ``err_var``: ``Q_ii - Q_ij Q_ik / Q_jk`` (Stoffelen, 1998, doi 10.1029/97JC03180), and
          ``err_std``: its root times the size of ``beta``; NaN where the variance is negative;
        - ``snr_db``: ``-10 log10 (Q_ii Q_jk / (Q_ij Q_ik) - 1)`` (Gruber et al., 2016,
          doi 10.1016/j.jag.2015.09.002); NaN where the variance of the error or of the signal is
          negative, for which pytesmo has the ratio of their absolute values;
        - ``beta``: ``Q_rk / Q_ik``; scaled record = record times beta; negative where the record is
          anticorrelated with the reference;
        - ``sensitivity``: ``sqrt(Q_ij Q_ik / Q_jk)``; NaN where negative;
        - ``r2``: ``Q_ij Q_ik / (Q_ii Q_jk)``, the extended collocation of McColl et al. (2014,
          doi 10.1002/2014GL061322); NaN outside 0 to 1;

        with ``*_low`` and ``*_high`` of err_std, snr_db, beta and r2 if `ci` is given; and
        ``n_obs`` and ``status``. The status is that of each dataset: ``negative_error_variance``
        where ``err_var`` is below 0 (``err_std``, ``snr_db`` and ``r2`` are missing), and
        ``negative_signal_variance`` where the variance of the signal is (``sensitivity``,
        ``snr_db`` and ``r2`` are missing). Both occur with short series and with errors that are
        not independent. Lazy if the input is.

    Raises
    ------
    InputError
        If an argument has no valid value.
    """
    check_choice("ci", ci, RESAMPLING_METHODS, optional=True)
    if reference not in (0, 1, 2):
        raise InputError(f"reference={reference!r}: expected 0, 1 or 2.")
    check_whole({"min_pairs": (min_pairs, 1)})
    check_resampling(ci, level, n, block, seed)
    series = (x, y, z)
    labels = _labels(names, series)
    triplets = pair(*series, dim=dim, any_units=True, names=("x", "y", "z"))
    bounds = [f"{name}_{side}" for name in WITH_INTERVAL for side in ("low", "high") if ci]
    variables = [*STATISTICS, *bounds]
    results = apply_to_series(
        _collocate,
        triplets,
        output_dtypes=(*(np.float64 for _ in variables), np.int64, np.int8),
        output_dims=[*((DATASET,) for _ in variables), (), (DATASET,)],
        new_sizes={DATASET: 3},
        plan=ResamplingPlan(ci or "percentile", level, n if ci else 0, block, seed),
        reference=reference,
        min_pairs=min_pairs,
        disjoint=triplets.disjoint,
    )
    units = [da.attrs.get("units") for da in series]
    own = units[0] if len({*units}) == 1 else None  # one unit for the variable of all datasets
    out = {
        name: _with_attrs(name, da, own, units[reference])
        for name, da in zip(variables, results, strict=False)
    }
    out["n_obs"] = with_attrs(results[-2], long_name="number of triplets", units="1")
    out["status"] = with_attrs(results[-1], **STATUS_ATTRS)
    return xr.Dataset(out).assign_coords({DATASET: labels})


def _labels(names: Sequence[str] | None, series: tuple[xr.DataArray, ...]) -> list[str]:
    labels = [getattr(da, "name", None) for da in series] if names is None else list(names)
    distinct = len(labels) == 3 and len(set(labels)) == 3
    if names is not None and not distinct:
        raise InputError(f"names={names!r}: expected three different names.")
    return list(map(str, labels)) if distinct and None not in labels else ["x", "y", "z"]


def _with_attrs(
    name: str, da: xr.DataArray, own_units: str | None, reference_units: str | None
) -> xr.DataArray:
    """`da` with the long name and units of a statistic or a bound of it.

    `own_units`: of the datasets where all have one unit, else None: no unit can be given.
    """
    statistic, _, side = name.partition("_low")[0].partition("_high")
    long_name, units = STATISTICS[statistic]
    bound = {"low": "lower bound of ", "high": "upper bound of "}.get(name.rpartition("_")[2], "")
    attrs = {"long_name": bound + long_name}
    if units in ("1", "dB"):
        attrs["units"] = units
    elif units == "reference" and reference_units is not None:
        attrs["units"] = str(reference_units)
    elif units.startswith("dataset") and own_units is not None:
        squared = units == "dataset2" and own_units != "1"
        attrs["units"] = f"({own_units})2" if squared else str(own_units)
    return with_attrs(da, **attrs)


def _collocate(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
    *,
    plan: ResamplingPlan,
    reference: int,
    min_pairs: int,
    disjoint: bool,
) -> tuple[NDArray[Any], ...]:
    """Statistics (P, 3) in the order of `STATISTICS`, their bounds, n_obs (P,), status (P, 3)."""
    compressed = compress_valid(x, y, z)
    n_bounds = 2 * len(WITH_INTERVAL) if plan.n_resamples else 0
    n_statistics, n_without = len(STATISTICS), len(WITHOUT_INTERVAL)
    out = np.full((n_statistics + n_bounds, x.shape[0], 3), np.nan)
    batches = list(plan.batches(compressed, 10)) if x.size else []

    def fill_rows(start: int, stop: int) -> None:
        for rows, block_length in batches[start:stop]:
            moments, scales = _moments(compressed, rows, block_length, plan)
            out[:n_without, rows] = _without_interval(moments[..., 0], scales).swapaxes(1, 2)
            for first in range(0, rows.size, TILE_ROWS):
                tile = slice(first, first + TILE_ROWS)
                distributions = _distributions(moments[tile], scales[:, tile], reference)
                values = distributions[..., 0].transpose(2, 1, 0)
                out[n_without:n_statistics, rows[tile]] = values
                if n_bounds:
                    flat = distributions.reshape(-1, distributions.shape[-1])
                    for k, bound in enumerate(confidence_bounds(flat, plan)):
                        bound = bound.reshape(distributions.shape[:-1]).transpose(2, 1, 0)
                        out[n_statistics + k :: 2, rows[tile]] = bound

    run_in_threads(fill_rows, len(batches))
    out[:, compressed.length < max(min_pairs, 2)] = np.nan
    out[n_statistics:, plan.too_short(compressed.length)] = np.nan
    status = pair_status(
        compressed.length,
        compressed.n_valid,
        compressed.constant(),
        min_pairs=min_pairs,
        disjoint=disjoint,
    )
    return (*out, compressed.length, _status_of_datasets(status, *out[:n_without]))


def _status_of_datasets(
    status: NDArray[np.int8], err_var: NDArray[np.float64], sensitivity: NDArray[np.float64]
) -> NDArray[np.int8]:
    """Status (P, 3): that of the triplets (P,), or why a dataset has no ``r2``."""
    computed = np.repeat((status == OK)[:, None], 3, axis=1) & np.isfinite(err_var)
    status = np.repeat(status[:, None], 3, axis=1)
    status = np.where(computed & (err_var < 0), NEGATIVE_ERROR_VARIANCE, status)
    status = np.where(computed & np.isnan(sensitivity), NEGATIVE_SIGNAL_VARIANCE, status)
    return status.astype(np.int8)


def _moments(
    compressed: CompressedSeries, rows: NDArray[np.intp], block_length: int, plan: ResamplingPlan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moments (P, 10, 1 + B + J) of some rows, and scales (3, P).

    The moments are three means, six sums of products and the number, of u = x / scale_x,
    v = y / scale_y - u and w = z / scale_z - u: small differences, so that sums in single precision
    suffice. The scales are standard deviations with the sign of the covariance with x.
    """
    length = compressed.length[rows]
    inside = np.arange(compressed.series[0].shape[1]) < length[:, None]
    deviations = [centre(values[rows], inside)[0] for values in compressed.series]
    scales = np.stack([np.sqrt((d * d).sum(axis=1) / np.maximum(length, 1)) for d in deviations])
    scales[scales == 0] = 1.0
    for scale, d in zip(scales[1:], deviations[1:], strict=True):
        scale[(deviations[0] * d).sum(axis=1) < 0] *= -1.0
    u, v, w = (d / scale[:, None] for d, scale in zip(deviations, scales, strict=True))
    moments = resample_deviations((u, v - u, w - u), 3, length, block_length, plan, np.float32)
    return moments, scales


def _without_interval(
    moments: NDArray[np.float64], scales: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``err_var`` and ``sensitivity`` (2, 3, P) from moments (P, 10)."""
    *products, n = moments.T[3:]
    q_xy, q_xz, q_yz, *noise = covariances(*products)
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = np.stack([q_xy * q_xz / q_yz, q_xy * q_yz / q_xz, q_xz * q_yz / q_xy])
        error = np.stack(noise) / np.stack([q_yz, q_xz, q_xy])
        return np.stack([error / (n - 1) * scales**2, np.sqrt(signal / (n - 1)) * np.abs(scales)])


def _distributions(
    moments: NDArray[np.float64], scales: NDArray[np.float64], reference: int
) -> NDArray[np.float64]:
    """Distributions (3, P, 4, 1 + B + J) of the statistics `WITH_INTERVAL`."""
    out = np.empty((3, moments.shape[0], len(WITH_INTERVAL), moments.shape[2]))
    collocation_loop()(moments, np.ascontiguousarray(scales), reference, out)
    snr_db = out[:, :, WITH_INTERVAL.index("snr_db")]  # noise over signal so far
    with np.errstate(divide="ignore", invalid="ignore"):
        np.multiply(np.log10(snr_db), -10.0, out=snr_db)
    return out


TILE_COLUMNS = 64  # of distributions, at a time


def covariances(uu, uv, uw, vv, vw, ww):
    """Covariances of the scaled records x, y, z, from sums of products of u, v, w (`_moments`).

    x = u, y = u + v, z = u + w. Returns ``Q_xy, Q_xz, Q_yz`` and, for each record i, the noise term
    ``Q_ii Q_jk - Q_ij Q_ik``: the variance of its error times ``Q_jk``.
    """
    q_xy, q_xz, q_yz = uu + uv, uu + uw, uu + uv + uw + vw
    q_yy, q_zz = q_xy + uv + vv, q_xz + uw + ww
    noise_x = uu * vw - uv * uw
    noise_y = q_yy * (vv - vw) + (uv + vv) * (uw - uv + vw - vv)
    noise_z = q_zz * (ww - vw) + (uw + ww) * (uv - uw + vw - ww)
    return q_xy, q_xz, q_yz, noise_x, noise_y, noise_z


_covariances = njit(nogil=True, error_model="numpy", inline="always")(covariances)


@njit(nogil=True, error_model="numpy", inline="always")
def _statistics(q_ij, q_ik, q_jk, noise, beta, scale, count, out, row, c):
    """Column c of the statistics of record i: rows `row` .. `row` + 3 of `out`."""
    signal = q_ij * q_ik
    noise_to_signal = noise / signal
    r2 = signal / (signal + noise)
    # a record may be anticorrelated with the reference: beta is negative, a deviation is not
    out[row, c] = np.sqrt(noise / (q_jk * count)) * scale * abs(beta)
    positive = (r2 >= 0) & (r2 <= 1)  # both variances: their sum is that of the record
    out[row + 1, c] = abs(noise_to_signal) if positive else np.nan
    out[row + 2, c] = beta
    out[row + 3, c] = r2 if positive else np.nan


@njit(nogil=True, error_model="numpy")
def _collocation(moments, scales, reference, out):
    """Moments (P, 10, C) and scales (3, P) -> out (3, P, 4, C).

    Statistics: standard deviation of the error in the scale of the reference, noise over signal
    (of variances), factor to the scale of the reference, squared correlation with the truth.
    """
    # of a size known to the compiler, so that it vectorises
    m, tile = np.ones((7, TILE_COLUMNS)), np.empty((12, TILE_COLUMNS))
    for p in range(moments.shape[0]):
        s_x, s_y, s_z = scales[0, p], scales[1, p], scales[2, p]
        s_r = scales[reference, p]
        for start in range(0, moments.shape[2], TILE_COLUMNS):
            columns = min(TILE_COLUMNS, moments.shape[2] - start)
            for f in range(7):
                for c in range(columns):
                    m[f, c] = moments[p, 3 + f, start + c]
            for c in range(TILE_COLUMNS):
                q_xy, q_xz, q_yz, noise_x, noise_y, noise_z = _covariances(
                    m[0, c], m[1, c], m[2, c], m[3, c], m[4, c], m[5, c]
                )
                # beta of record i is Q_rk / Q_ik, k the third record
                over = s_r / (q_yz if reference == 0 else q_xz if reference == 1 else q_xy)
                beta_x = 1.0 if reference == 0 else q_yz * over / s_x
                beta_y = 1.0 if reference == 1 else q_xz * over / s_y
                beta_z = 1.0 if reference == 2 else q_xy * over / s_z
                count = m[6, c] - 1
                _statistics(q_xy, q_xz, q_yz, noise_x, beta_x, abs(s_x), count, tile, 0, c)
                _statistics(q_xy, q_yz, q_xz, noise_y, beta_y, abs(s_y), count, tile, 4, c)
                _statistics(q_xz, q_yz, q_xy, noise_z, beta_z, abs(s_z), count, tile, 8, c)
            for f in range(12):
                for c in range(columns):
                    out[f // 4, p, f % 4, start + c] = tile[f, c]


@compile_once
def collocation_loop() -> Any:
    """The compiled `_collocation`."""
    f8, i8 = types.float64, types.int64
    return compile_loop(
        _collocation,
        types.void(types.Array(f8, 3, "C"), types.Array(f8, 2, "C"), i8, types.Array(f8, 4, "C")),
    )
