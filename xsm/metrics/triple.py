"""Triple collocation: the errors of three records of one truth, none of them taken as right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.metrics.intervals import check_resampling
from xsm.metrics.packing import Packed, pack
from xsm.metrics.pairs import Dims, pair
from xsm.metrics.resampling import Plan, bounds, centred, resampled
from xsm.metrics.series import over_series
from xsm.metrics.status import STATUS_ATTRS, status_of

METHODS = ("bca", "percentile", "basic", "moving_block")
DATASET = "dataset"
# name: long name, units
RESULTS: dict[str, tuple[str, str]] = {
    "err_std": ("standard deviation of the error, in the scale of the reference", "data"),
    "err_var": ("variance of the error, in the scale of the dataset", "own2"),
    "snr_db": ("signal-to-noise ratio", "dB"),
    "beta": ("factor to the scale of the reference", "1"),
    "sensitivity": ("standard deviation of the signal, in the scale of the dataset", "own"),
    "r2": ("squared correlation with the truth", "1"),
}
FEW = 8  # rows of distributions at a time, so that they stay in the cache
WITH_INTERVAL = ("err_std", "snr_db", "beta", "r2")


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
    from xsm_kernels.threads import spread

    packed = pack(x, y, z)
    bounded = WITH_INTERVAL if plan.n else ()
    out = np.full((len(RESULTS) + 2 * len(bounded), x.shape[0], 3), np.nan)
    work = list(plan.batches(packed, 10)) if x.size else []

    def each(start: int, stop: int) -> None:
        for rows, block in work[start:stop]:
            moments = _moments(packed, rows, block, plan)
            for few in np.split(np.arange(rows.size), range(FEW, rows.size, FEW)):
                found, at = _statistics(moments[:, few[0] : few[-1] + 1], reference), rows[few]
                for k, name in enumerate(RESULTS):
                    out[k, at] = found[name][..., 0].T
                if bounded:
                    stacked = np.stack([found[name] for name in bounded])  # (S, 3, P, C)
                    limits = bounds(stacked.reshape(-1, stacked.shape[-1]), plan)
                    for k, side in enumerate(limits):
                        side = side.reshape(stacked.shape[:-1]).swapaxes(1, 2)
                        out[len(RESULTS) + k :: 2, at] = side

    spread(each, len(work))
    few = packed.length < max(min_pairs, 2)
    out[:, few] = np.nan
    status = status_of(
        packed.length, packed.valid, packed.constant(), min_pairs=min_pairs, disjoint=disjoint
    )
    return (*out, packed.length, status)


def _moments(packed: Packed, rows: NDArray[np.intp], block: int, plan: Plan) -> NDArray[np.float64]:
    """Moments (10, P, 1 + B + J) of some rows: three means, six products, the number."""
    length = packed.length[rows]
    inside = np.arange(packed.series[0].shape[1]) < length[:, None]
    apart = tuple(centred(s[rows], inside)[0] for s in packed.series)
    return resampled(apart, 3, length, block, plan)


def _statistics(moments: NDArray[np.float64], reference: int) -> dict[str, NDArray[np.float64]]:
    """Each of `RESULTS` as distributions (3, P, 1 + B + J); (3, P, 1) of those without interval."""
    _, _, _, xx, xy, xz, yy, yz, zz, n = moments
    own, other = np.stack([xx, yy, zz]), np.stack([yz, xz, xy])  # other[i]: of the two but i
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = np.stack([xy * xz / yz, xy * yz / xz, xz * yz / xy])
        error, share = own - signal, signal / own
        # Q_rk / Q_ik: with i and r given, k is the third
        beta = other / other[reference]
        beta[reference] = 1.0
        count = n - 1
        return {
            "err_std": np.sqrt(error / count) * beta,
            "err_var": error[..., :1] / count[:, :1],
            "snr_db": -10.0 * np.log10(np.abs(np.abs(1.0 / share) - 1.0)),
            "beta": beta,
            "sensitivity": np.sqrt(signal[..., :1] / count[:, :1]),
            "r2": np.where((share >= 0) & (share <= 1), share, np.nan),
        }
