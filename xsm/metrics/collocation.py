"""Triple collocation: the errors of three records of one truth, none of them taken as right."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray as xr
from numba import njit, types
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.metrics.intervals import check_resampling
from xsm.metrics.pairs import Dims, pair
from xsm.metrics.ranks import Packed, pack
from xsm.metrics.resampling import Plan, bounds, centred, resampled
from xsm.metrics.series import over_series
from xsm.metrics.status import STATUS_ATTRS, status_of

METHODS = ("bca", "percentile", "basic", "moving_block")
DATASET = "dataset"
# name: long name, units
RESULTS: dict[str, tuple[str, str]] = {
    "err_var": ("variance of the error, in the scale of the dataset", "own2"),
    "sensitivity": ("standard deviation of the signal, in the scale of the dataset", "own"),
    "err_std": ("standard deviation of the error, in the scale of the reference", "data"),
    "snr_db": ("signal-to-noise ratio", "dB"),
    "beta": ("factor to the scale of the reference", "1"),
    "r2": ("squared correlation with the truth", "1"),
}
FEW = 8  # rows of distributions at a time, so that they stay in the cache
WITH_INTERVAL = tuple(RESULTS)[2:]
SOLE = len(RESULTS) - len(WITH_INTERVAL)


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
    """Errors of three records that share a truth and have independent errors.

    Parameters
    ----------
    x, y, z : DataArray
        The records; values along `dim` count where all three are there.
    dim : str or sequence of str
    ci : {None, "bca", "percentile", "basic", "moving_block"}
        How to resample confidence intervals; None: no intervals.
    reference : {0, 1, 2}
        Whose scale ``err_std`` and ``beta`` are in.
    names : three str, optional
        Labels of the dimension ``dataset``; default the names of the three where they differ, else
        x, y, z.
    min_pairs : int
        With fewer triplets all is NaN. Estimates from fewer than about 100 scatter widely.
    level, n, block, seed
        See :func:`xsm.metrics.interval`.

    Returns
    -------
    Dataset
        On ``dataset`` and the dimensions that stay, Q the covariances, i, j, k the three:

        - ``err_var``: ``Q_ii - Q_ij Q_ik / Q_jk`` (Stoffelen, 1998, doi 10.1029/97JC03180), and
          ``err_std``: its root times ``beta``; NaN where negative;
        - ``snr_db``: ``-10 log10 |abs(Q_ii Q_jk / (Q_ij Q_ik)) - 1|`` (Gruber et al., 2016,
          doi 10.1016/j.jag.2015.09.002; absolute values as in pytesmo);
        - ``beta``: ``Q_rk / Q_ik``; scaled record = record times beta;
        - ``sensitivity``: ``sqrt(Q_ij Q_ik / Q_jk)``; NaN where negative;
        - ``r2``: ``Q_ij Q_ik / (Q_ii Q_jk)``, the extended collocation of McColl et al. (2014,
          doi 10.1002/2014GL061322); NaN outside 0 to 1;

        with ``*_low`` and ``*_high`` of err_std, snr_db, beta and r2 where `ci` is given; and
        ``n_obs`` and ``status``. Lazy if the input is.

    Raises
    ------
    InputError
        If an argument is not one of these.
    """
    if ci is not None and ci not in METHODS:
        raise InputError(f"ci={ci!r}: expected None or one of {', '.join(map(repr, METHODS))}.")
    if reference not in (0, 1, 2):
        raise InputError(f"reference={reference!r}: expected 0, 1 or 2.")
    check_resampling(level, n, block, seed)
    series = (x, y, z)
    labels = _labels(names, series)
    triplets = pair(*series, dim=dim, any_units=True, names=("x", "y", "z"))
    plan = Plan(ci or "percentile", level, n if ci else 0, block, seed)
    shown = [*RESULTS, *(f"{s}_{side}" for s in WITH_INTERVAL for side in ("low", "high") if ci)]
    found = over_series(
        _collocate,
        triplets,
        outputs=(*(np.float64 for _ in shown), np.int64, np.int8),
        new={DATASET: 3},
        new_of=[*((DATASET,) for _ in shown), (), ()],
        plan=plan,
        reference=reference,
        min_pairs=min_pairs,
        disjoint=triplets.disjoint,
    )
    units = series[reference].attrs.get("units")
    out = {name: _with_attrs(name, da, units) for name, da in zip(shown, found, strict=False)}
    out["n_obs"] = found[-2].assign_attrs(long_name="number of triplets", units="1")
    out["status"] = found[-1].assign_attrs(STATUS_ATTRS)
    return xr.Dataset(out).assign_coords({DATASET: labels})


def _labels(names: Sequence[str] | None, series: tuple[xr.DataArray, ...]) -> list[str]:
    given = [getattr(da, "name", None) for da in series] if names is None else list(names)
    if names is not None and (len(given) != 3 or len(set(given)) != 3):
        raise InputError(f"names={names!r}: expected three different names.")
    usable = None not in given and len(set(given)) == 3
    return [str(name) for name in given] if usable else ["x", "y", "z"]


def _with_attrs(name: str, da: xr.DataArray, units: str | None) -> xr.DataArray:
    statistic, _, side = name.partition("_low")[0].partition("_high")
    words, kind = RESULTS[statistic]
    bound = {"low": "lower bound of ", "high": "upper bound of "}.get(name.rpartition("_")[2], "")
    attrs = {"long_name": bound + words}
    if kind in ("1", "dB"):
        attrs["units"] = kind
    elif kind == "data" and units is not None:
        attrs["units"] = str(units)
    return da.assign_attrs(attrs)


def _collocate(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    z: NDArray[np.float64],
    *,
    plan: Plan,
    reference: int,
    min_pairs: int,
    disjoint: bool,
) -> tuple[NDArray[Any], ...]:
    """Results (P, 3) in the order of `RESULTS`, their bounds, then n_obs and status (P,)."""
    from xsm_kernels import run_in_threads

    packed = pack(x, y, z)
    bounded = WITH_INTERVAL if plan.n else ()
    out = np.full((len(RESULTS) + 2 * len(bounded), x.shape[0], 3), np.nan)
    work = list(plan.batches(packed, 10)) if x.size else []

    def each(start: int, stop: int) -> None:
        for rows, block in work[start:stop]:
            moments, scales = _moments(packed, rows, block, plan)
            out[:SOLE, rows] = _of_all(moments[..., 0], scales).swapaxes(1, 2)
            for first in range(0, rows.size, FEW):
                few = slice(first, first + FEW)
                found = _distributions(moments[few], scales[:, few], reference)  # (3, P, S, C)
                out[SOLE : len(RESULTS), rows[few]] = found[..., 0].transpose(2, 1, 0)
                if bounded:
                    limits = bounds(found.reshape(-1, found.shape[-1]), plan)
                    for k, side in enumerate(limits):
                        side = side.reshape(found.shape[:-1]).transpose(2, 1, 0)
                        out[len(RESULTS) + k :: 2, rows[few]] = side

    run_in_threads(each, len(work))
    few = packed.length < max(min_pairs, 2)
    out[:, few] = np.nan
    status = status_of(
        packed.length, packed.valid, packed.constant(), min_pairs=min_pairs, disjoint=disjoint
    )
    return (*out, packed.length, status)


def _moments(
    packed: Packed, rows: NDArray[np.intp], block: int, plan: Plan
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moments (P, 10, 1 + B + J) of some rows, three means, six products, the number; and scales.

    They are of u = x / scale_x, y / scale_y - u and z / scale_z - u, see `compiled_triple`; scales
    (3, P) are standard deviations with the sign of the covariance with x.
    """
    length = packed.length[rows]
    inside = np.arange(packed.series[0].shape[1]) < length[:, None]
    apart = [centred(s[rows], inside)[0] for s in packed.series]
    scales = np.stack([np.sqrt((d * d).sum(axis=1) / np.maximum(length, 1)) for d in apart])
    scales[scales == 0] = 1.0
    for scale, d in zip(scales[1:], apart[1:], strict=True):
        scale[(apart[0] * d).sum(axis=1) < 0] *= -1.0
    u, v, w = (d / scale[:, None] for d, scale in zip(apart, scales, strict=True))
    return resampled((u, v - u, w - u), 3, length, block, plan, np.float32), scales


def _of_all(moments: NDArray[np.float64], scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """``err_var`` and ``sensitivity`` (2, 3, P) of all values, from moments (P, 10)."""

    *products, n = moments.T[3:]
    uv, uw, vw, *lacks = errors(*products)
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = np.stack([uv * uw / vw, uv * vw / uw, uw * vw / uv])
        error = np.stack(lacks) / np.stack([vw, uw, uv])
        return np.stack([error / (n - 1) * scales**2, np.sqrt(signal / (n - 1)) * np.abs(scales)])


def _distributions(
    moments: NDArray[np.float64], scales: NDArray[np.float64], reference: int
) -> NDArray[np.float64]:
    """Each of `WITH_INTERVAL` (3, P, 4, 1 + B + J)."""

    found = np.empty((3, moments.shape[0], len(WITH_INTERVAL), moments.shape[2]))
    collocation_kernel()(moments, np.ascontiguousarray(scales), reference, found)
    decibel = found[:, :, WITH_INTERVAL.index("snr_db")]
    with np.errstate(divide="ignore", invalid="ignore"):
        np.multiply(np.log10(decibel), -10.0, out=decibel)
    return found


TILE = 64  # columns at a time


def errors(uu, ud, ue, dd, de, ee):
    """Covariances of u, v, w with each other, and what each product of those of one with the
    others lacks of its variance times that of the others: ``Q_uu Q_vw - Q_uv Q_uw``, ..."""
    uv, uw, vw = uu + ud, uu + ue, uu + ud + ue + de
    vv, ww = uv + ud + dd, uw + ue + ee
    lack_u = uu * de - ud * ue
    lack_v = vv * (dd - de) + (ud + dd) * (ue - ud + de - dd)
    lack_w = ww * (ee - de) + (ue + ee) * (ud - ue + de - ee)
    return uv, uw, vw, lack_u, lack_v, lack_w


_errors = njit(nogil=True, error_model="numpy", inline="always")(errors)


@njit(nogil=True, error_model="numpy", inline="always")
def _one(q_ij, q_ik, q_jk, lack, beta, scale, count, found, first, c):
    """Column c of the statistics of one record: rows `first` and on of `found`."""
    both = q_ij * q_ik
    noise = lack / both
    share = both / (both + lack)
    found[first, c] = np.sqrt(lack / (q_jk * count)) * scale * beta
    # abs(abs(1 / share) - 1)
    found[first + 1, c] = abs(noise if share > 0 else -2.0 - noise)
    found[first + 2, c] = beta
    found[first + 3, c] = share if (share >= 0) & (share <= 1) else np.nan


@njit(nogil=True, error_model="numpy")
def _collocated(moments, scales, reference, out):
    """Moments (P, 10, C) and scales (3, P) -> out (3, P, 4, C).

    Statistics: standard deviation of the error in the scale of the reference, noise over signal
    (of variances), factor to the scale of the reference, squared correlation with the truth.
    """
    # of a size that the compiler knows, so that it makes vectors
    m, found = np.ones((7, TILE)), np.empty((12, TILE))
    for p in range(moments.shape[0]):
        k_0, k_1, k_2 = scales[0, p], scales[1, p], scales[2, p]
        k_r = scales[reference, p]
        for start in range(0, moments.shape[2], TILE):
            wide = min(TILE, moments.shape[2] - start)
            for f in range(7):
                for c in range(wide):
                    m[f, c] = moments[p, 3 + f, start + c]
            for c in range(TILE):
                uv, uw, vw, lack_u, lack_v, lack_w = _errors(
                    m[0, c], m[1, c], m[2, c], m[3, c], m[4, c], m[5, c]
                )
                # Q_rk / Q_ik: with i and r given, k is the third
                over = k_r / (vw if reference == 0 else uw if reference == 1 else uv)
                b_0 = 1.0 if reference == 0 else vw * over / k_0
                b_1 = 1.0 if reference == 1 else uw * over / k_1
                b_2 = 1.0 if reference == 2 else uv * over / k_2
                count = m[6, c] - 1
                _one(uv, uw, vw, lack_u, b_0, abs(k_0), count, found, 0, c)
                _one(uv, vw, uw, lack_v, b_1, abs(k_1), count, found, 4, c)
                _one(uw, vw, uv, lack_w, b_2, abs(k_2), count, found, 8, c)
            for f in range(12):
                for c in range(wide):
                    out[f // 4, p, f % 4, start + c] = found[f, c]


@cache
def collocation_kernel() -> Any:
    """The compiled function."""
    f8, i8 = types.float64, types.int64
    _collocated.compile(
        types.void(types.Array(f8, 3, "C"), types.Array(f8, 2, "C"), i8, types.Array(f8, 4, "C"))
    )
    return _collocated
