"""Scores of probabilistic estimates: a distribution against a value."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtr

from xsm.conventions.cf import with_attrs
from xsm.errors import InputError
from xsm.metrics.pairs import Dims, apply_to_series, pair

LONG_NAME = "continuous ranked probability score"


def crps_gaussian(
    est: xr.DataArray, std: xr.DataArray, ref: xr.DataArray, *, dim: Dims
) -> xr.DataArray:
    """Continuous ranked probability score of normal distributions, mean over the pairs.

    ``std (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))``, ``z = (ref - est) / std``; the absolute
    error where the standard deviation is 0. 0 to inf, best 0, units of the data.
    Reference: Gneiting and Raftery (2007), doi 10.1198/016214506000001437, eq. 21 and below.

    Parameters
    ----------
    est, std : DataArray
        Mean and standard deviation of the estimate, in one unit.
    ref : DataArray
    dim : str or sequence of str
        Dimensions to reduce.

    Returns
    -------
    DataArray
        Without `dim`. NaN where there is no pair of three finite values; a negative standard
        deviation is none.

    Raises
    ------
    InputError, UnitError
        As the other metrics.

    Examples
    --------
    >>> est, ref = xr.DataArray([0.2, 0.3], dims="t"), xr.DataArray([0.2, 0.3], dims="t")
    >>> round(float(crps_gaussian(est, xr.full_like(est, 0.05), ref, dim="t")), 6)
    0.011685
    """
    pairs = pair(est, std, ref, dim=dim, names=("est", "std", "ref"))
    (score,) = apply_to_series(_gaussian_series, pairs)
    return _with_attrs(score, pairs.units)


def crps_ensemble(
    samples: xr.DataArray,
    ref: xr.DataArray,
    *,
    dim: Dims,
    sample_dim: Hashable = "sample",
    fair: bool = True,
) -> xr.DataArray:
    """Continuous ranked probability score of samples, mean over the pairs.

    ``mean_i |x_i - y| - sum_ij |x_i - x_j| / (2 m (m - 1))`` of m samples: the unbiased estimate of
    the score of the distribution that they were drawn from (Ferro, 2014, doi 10.1002/qj.2270).
    With ``fair=False`` the divisor is ``2 m^2``: the score of the samples themselves (Gneiting
    and Raftery, 2007, doi 10.1198/016214506000001437, eq. 21). 0 to inf, best 0, units of the data;
    the fair score can fall below 0.

    Parameters
    ----------
    samples : DataArray
        With `sample_dim`, such as ``<var>_samples`` of :func:`xsm.gapfill`.
    ref : DataArray
    dim : str or sequence of str
        Dimensions to reduce.
    sample_dim : str
    fair : bool

    Returns
    -------
    DataArray
        Without `dim` and `sample_dim`. A pair with a missing value or sample does not count.

    Raises
    ------
    InputError, UnitError
        As the other metrics; if `samples` has no `sample_dim`, or a single one and `fair`.

    Examples
    --------
    >>> samples = xr.DataArray([[0.1], [0.3]], dims=("sample", "t"))
    >>> round(float(crps_ensemble(samples, xr.DataArray([0.2], dims="t"), dim="t")), 6)
    0.0
    """
    if not isinstance(samples, xr.DataArray) or sample_dim not in samples.dims:
        raise InputError(
            f"samples: expected a DataArray with the dimension {sample_dim!r}; it has "
            f"{getattr(samples, 'dims', type(samples).__name__)}. Name it with sample_dim=."
        )
    number = samples.sizes[sample_dim]
    if fair and number < 2:
        raise InputError(f"samples has {number} samples: expected two or more, or fair=False.")
    if isinstance(ref, xr.DataArray) and sample_dim in ref.dims:
        raise InputError(f"ref has the dimension {sample_dim!r}: expected one value, not samples.")
    members = [samples.isel({sample_dim: i}, drop=True) for i in range(number)]
    pair(members[0], ref, dim=dim, names=("samples", "ref"))  # names the arguments if it fails
    pairs = pair(*members, ref, dim=dim, names=(*(f"samples[{i}]" for i in range(number)), "ref"))
    (score,) = apply_to_series(_ensemble_series, pairs, fair=fair)
    return _with_attrs(score, pairs.units)


def _with_attrs(score: xr.DataArray, units: str | None) -> xr.DataArray:
    attrs = {"long_name": LONG_NAME} | ({} if units is None else {"units": units})
    return with_attrs(score, **attrs).rename("crps")


def gaussian_crps(error: NDArray[Any], std: NDArray[Any]) -> NDArray[np.float64]:
    """Score of each value of arrays: :func:`crps_gaussian` of errors and standard deviations."""
    error, std = np.asarray(error, np.float64), np.asarray(std, np.float64)
    positive = std > 0
    z = error / np.where(positive, std, 1.0)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    score = std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    score = np.where(positive, score, abs(error))
    return np.where(std >= 0, score, np.nan)


def _gaussian_series(
    est: NDArray[np.float64], std: NDArray[np.float64], ref: NDArray[np.float64]
) -> NDArray[np.float64]:
    return _mean_of_pairs(gaussian_crps(ref - est, std))


def _ensemble_series(*series: NDArray[np.float64], fair: bool) -> NDArray[np.float64]:
    *members, ref = series
    number = len(members)
    distance = sum(abs(member - ref) for member in members) / number
    # sum_ij |x_i - x_j| = 2 sum_i (2 i - m + 1) x_(i) of sorted values
    ordered = np.sort(np.stack(members), axis=0)
    factor = 2.0 * np.arange(number) - number + 1
    between = 2 * np.tensordot(factor, ordered, 1)
    return _mean_of_pairs(distance - between / (2 * number * (number - 1 if fair else number)))


def _mean_of_pairs(score: NDArray[np.float64]) -> NDArray[np.float64]:
    there = np.isfinite(score)
    count = there.sum(axis=1)
    total = np.where(there, score, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
