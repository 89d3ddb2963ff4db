"""From pairs to scores: scaling, anomalies, strata, intervals and p values, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import xsm.metrics as statistics
from xsm.errors import InputError
from xsm.metrics.pairs import MIN_PAIRS
from xsm.metrics.status import OK, TOO_FEW_PAIRS
from xsm.metrics.table import METRICS
from xsm.validation.strata import Stratum

SCALINGS = ("mean_std", "min_max", "linear", "cdf")
ANOMALIES = ("moving_window", "climatology")
INTERVAL_OPTIONS = {"method", "level", "n", "block", "seed"}
WITH_P = ("pearson_r", "spearman_rho", "kendall_tau", "anomaly_r")


@dataclass(frozen=True)
class Request:
    """What to compute of pairs; checked when made."""

    metrics: tuple[str, ...]
    scaling: str | None = None
    anomalies: str | None = None
    ci: Mapping[str, Any] | None = None
    p_values: bool = False
    min_pairs: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics:
            raise InputError(
                f"metrics={self.metrics!r}: expected some of {', '.join(METRICS)}; "
                f"unknown: {', '.join(map(repr, unknown)) or 'none given'}."
            )
        for name, known in (("scaling", SCALINGS), ("anomalies", ANOMALIES)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"{name}={value!r}: expected None or one of {', '.join(known)}.")
        if isinstance(self.min_pairs, bool) or not isinstance(self.min_pairs, int):
            raise InputError(f"min_pairs={self.min_pairs!r}: expected a whole number of pairs.")
        if self.min_pairs < 1:
            raise InputError(f"min_pairs={self.min_pairs!r}: expected 1 or more.")


def needs_whole_series(request: Request) -> bool:
    """Whether the scores need each series from its first day to its last at once."""
    ranks = any(METRICS[name].ranks or name == "anomaly_r" for name in request.metrics)
    asked = (request.scaling, request.anomalies, request.ci)
    return ranks or request.p_values or any(option is not None for option in asked)


def interval_options(ci: Any, seed: int) -> dict[str, Any] | None:
    """Options of :func:`xsm.metrics.interval` from what a user gives as `ci`.

    Raises
    ------
    InputError
        If it is neither None, True, the name of a method nor a mapping.
    """
    if ci is None or ci is False:
        return None
    if ci is True:
        return {"seed": seed}
    if isinstance(ci, str):
        return {"method": ci, "seed": seed}
    if isinstance(ci, Mapping) and {*ci} <= INTERVAL_OPTIONS:
        return {"seed": seed, **ci}
    raise InputError(
        f"ci={ci!r}: expected None, a method such as 'bca', or a mapping of options of "
        f"xsm.metrics.interval ({', '.join(sorted(INTERVAL_OPTIONS))}) such as "
        "{'method': 'bca', 'level': 0.9, 'n': 500}."
    )


def prepared(
    est: xr.DataArray, ref: xr.DataArray, request: Request, dim: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Estimate scaled to the reference, then both as anomalies, as asked for."""
    if request.scaling is not None:
        est = statistics.scaling.scale(est, ref, dim=dim, method=request.scaling)
    if request.anomalies is not None:
        est, ref = (
            statistics.anomalies(da, dim=dim, method=request.anomalies) for da in (est, ref)
        )
    return est, ref


def unscaled_status(
    est: xr.DataArray, ref: xr.DataArray, request: Request, dim: str
) -> xr.DataArray | None:
    """Status of the series before they are scaled; None where they are not.

    A series that cannot be scaled, such as a constant one, is missing afterwards.
    """
    if request.scaling is None:
        return None
    least = max(request.min_pairs, MIN_PAIRS)
    return statistics.scores(est, ref, dim=dim, metrics="n_obs", min_pairs=least)["status"]


def explained(scores: xr.Dataset, reason: xr.DataArray | None) -> xr.Dataset:
    """Scores with `reason`, a status, in place of a status that is not ok either."""
    if reason is None:
        return scores
    status = scores["status"]
    told = (reason != OK) & (status != OK)
    found = status.where(~told, reason).astype(np.int8).assign_attrs(status.attrs)
    return scores.assign(status=found.reset_coords(drop=True).transpose(*status.dims))


def scored(
    est: xr.DataArray,
    ref: xr.DataArray,
    strata: list[Stratum],
    request: Request,
    *,
    dim: str = "time",
) -> xr.Dataset:
    """Scores of pairs along `dim`, one further dimension per stratum.

    Parameters
    ----------
    est, ref : DataArray
        m3 m-3, on the same labels; what they have beside `dim` stays.
    strata : list of Stratum
    request : Request
    dim : str
    """
    return _walk(est, ref, strata, (), request, dim)


def _walk(
    est: xr.DataArray,
    ref: xr.DataArray,
    strata: list[Stratum],
    masks: tuple[xr.DataArray, ...],
    request: Request,
    dim: str,
) -> xr.Dataset:
    if not strata:
        return _score(est, ref, masks, request, dim)
    first, *rest = strata
    parts = [_walk(est, ref, rest, masks + own, request, dim) for own in first.masks.values()]
    # the stratum takes the name of the coordinate it comes from
    parts = [part.drop_vars(first.name, errors="ignore") for part in parts]
    labels = pd.Index(list(first.masks), name=first.name, dtype=object)
    found = xr.concat(
        parts, dim=labels, data_vars="all", coords="minimal", compat="override", join="override",
        combine_attrs="override",
    )  # fmt: skip
    if first.least is not None:
        label, least = first.least
        enough = found["n_obs"].sel({first.name: label}, drop=True) > least
        found = _only(found, enough)
    last = [first.name]
    return found.transpose(..., *last, *(s.name for s in rest))


def _score(
    est: xr.DataArray,
    ref: xr.DataArray,
    masks: tuple[xr.DataArray, ...],
    request: Request,
    dim: str,
) -> xr.Dataset:
    """Scores of the pairs for which all masks hold."""
    in_time = [mask for mask in masks if mask.dims == (dim,)]
    in_space = [mask for mask in masks if dim not in mask.dims]
    if in_time:
        chosen = np.flatnonzero(reduce(lambda a, b: a & b, in_time).values)
        est, ref = est.isel({dim: chosen}), ref.isel({dim: chosen})
    for mask in masks:
        if dim in mask.dims and mask.dims != (dim,):
            ref = ref.where(mask.isel({dim: chosen}) if in_time else mask)
    found = _measured(est, ref, request, dim)
    return _only(found, reduce(lambda a, b: a & b, in_space), empty=True) if in_space else found


def _measured(est: xr.DataArray, ref: xr.DataArray, request: Request, dim: str) -> xr.Dataset:
    found = statistics.scores(
        est, ref, dim=dim, metrics=request.metrics, min_pairs=request.min_pairs
    )
    enough = found["n_obs"] >= request.min_pairs
    extra: dict[str, xr.DataArray] = {}
    for name in request.metrics if request.ci is not None else ():
        if name != "n_obs":
            limits = statistics.interval(est, ref, dim=dim, metric=name, **(request.ci or {}))
            extra |= {str(k): limits[k] for k in (f"{name}_low", f"{name}_high")}
    for name in request.metrics if request.p_values else ():
        if name in WITH_P:
            extra[f"p_{name}"] = statistics.p_value(est, ref, dim=dim, metric=name)
    return found.assign({k: v.where(enough).assign_attrs(v.attrs) for k, v in extra.items()})


def _only(found: xr.Dataset, where: xr.DataArray, *, empty: bool = False) -> xr.Dataset:
    """Scores where a mask holds; elsewhere too few pairs, or none at all if `empty`."""
    out = {}
    for name, da in found.data_vars.items():
        if name == "n_obs":
            value = da.where(where, 0).astype(da.dtype) if empty else da
        elif name == "status":
            value = da.where(where | (da != OK), np.int8(TOO_FEW_PAIRS)).astype(np.int8)
        else:
            value = da.where(where)
        out[name] = value.transpose(*da.dims).assign_attrs(da.attrs)
    return found.assign(out)
