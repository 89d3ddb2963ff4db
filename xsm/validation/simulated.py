"""Validation without a reference: hide what was observed, fill it, compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm import metrics as statistics
from xsm.baselines import BASELINES, baseline
from xsm.baselines.climatology import cell_mean
from xsm.errors import InputError
from xsm.gapfill import gapfill
from xsm.metrics.table import METRICS
from xsm.progress import bar
from xsm.training.holes import PATTERNS, hide
from xsm.validation.annual import annual_cycle
from xsm.validation.fields import grid_field
from xsm.validation.records import UNITS, Record, numbers
from xsm.validation.scoring import Request, scored
from xsm.validation.seams import Jumps
from xsm.validation.strata import Frame, Stratum, strata

KINDS = {"block": 0.025, "swath": 0.02, "cell": 0.005}  # share of the observed cells, per draw
ALL = "all"
FILLERS = ("linear", "window_mean", "climatology")
LEVELS = {68: 0.994458, 95: 1.959964}  # half-widths of normal intervals, standard deviations

Values = NDArray[np.float32]
Factors = dict[str, dict[int, float]]  # of each network, by level


@dataclass(frozen=True)
class Plan:
    """What is hidden, and what fills it; see :func:`xsm.validate`."""

    model: Any = "default"
    baselines: tuple[str, ...] = FILLERS
    kinds: tuple[str, ...] = tuple(KINDS)
    draws: int = 3
    seed: int = 0
    progress: bool | None = None

    def __post_init__(self) -> None:
        if unknown := [name for name in self.baselines if name not in BASELINES]:
            raise InputError(f"baselines holds {unknown}: expected some of {', '.join(BASELINES)}.")
        unknown = [kind for kind in self.kinds if kind not in PATTERNS]
        if unknown or not self.kinds:
            raise InputError(
                f"kinds={self.kinds!r}: expected some of {', '.join(PATTERNS)} ({unknown})."
            )
        if isinstance(self.draws, bool) or not isinstance(self.draws, int) or self.draws < 1:
            raise InputError(f"draws={self.draws!r}: expected a number of draws, 1 or more.")
        if self.model is None and not self.baselines:
            raise InputError("model=None and no baselines: nothing would fill; name one.")


@dataclass
class Pool:
    """Hidden cells of all draws, (N,) each."""

    day: list[NDArray[Any]] = field(default_factory=list)
    row: list[NDArray[Any]] = field(default_factory=list)
    column: list[NDArray[Any]] = field(default_factory=list)
    kind: list[NDArray[Any]] = field(default_factory=list)
    mean: list[NDArray[Any]] = field(default_factory=list)
    truth: list[NDArray[Any]] = field(default_factory=list)
    spread: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    filled: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def add(self, at: Any, kind: NDArray[Any], truth: NDArray[Any], mean: NDArray[Any]) -> None:
        """Append the cells of a draw; `at` are day, row and column."""
        for own, new in zip(
            (self.day, self.row, self.column, self.kind, self.truth, self.mean),
            (*at, kind, truth, mean),
            strict=True,
        ):
            own.append(new)


def validate_gaps(record: Record, request: Request, plan: Plan, *, by: Any = None) -> xr.Dataset:
    """Scores of filling hidden cells, (filler, kind, strata ...).

    Returns
    -------
    Dataset
        Metrics over the hidden cells that all methods fill; ``share_filled`` of each method;
        ``coverage_68`` and ``coverage_95`` of the network; ``seam_ratio`` and the annual harmonic.
    """
    values = _in_memory(record)
    if not np.isfinite(values).any():
        raise InputError(f"obj: {record.name} holds no observation: there is nothing to hide.")
    pool, jumps = Pool(), Jumps()
    methods = _methods(record, plan)
    factors: Factors = {}
    with bar("validate", plan.draws * len(methods), plan.progress, "fill") as progress:
        for kind in _draws(values, plan):
            hidden = kind >= 0
            left = np.where(hidden, np.float32(np.nan), values)
            at = np.nonzero(hidden)
            pool.add(at, kind[at], values[at], cell_mean(left)[at[1:]])
            single = plan.kinds.index("cell") if "cell" in plan.kinds else None
            patches = hidden if single is None else hidden & (kind != single)
            jumps.add("original", values, patches)
            for name, fill in methods.items():
                filled, spread = fill(left)
                pool.filled.setdefault(name, []).append(filled[at])
                if spread is not None:
                    pool.spread.setdefault(name, []).append(np.asarray(spread.values)[at])
                    factors[name] = {
                        level: float(spread.attrs.get(f"coverage_factor_{level}", normal))
                        for level, normal in LEVELS.items()
                    }
                jumps.add(name, filled, patches)
                progress.update(1)
    if not sum(part.size for part in pool.kind):
        raise InputError(
            f"obj: nothing of {record.name} could be hidden with kinds={plan.kinds!r}: it is too "
            "small or too empty. Use another kind (cell), or more days."
        )
    scores = _scores(record, pool, request, plan, by)
    scores = scores.assign(_coverage(pool, factors, list(methods), plan))
    scores = scores.assign(jumps.ratios(list(methods)))
    return scores.assign(annual_cycle(record, values, methods))


def _in_memory(record: Record) -> Values:
    """The record (T, H, W) as float32 in m3 m-3."""
    values = np.asarray(numbers(record.da).values, np.float32)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _draws(values: Values, plan: Plan) -> Iterator[NDArray[np.int8]]:
    """Kind of gap (T, H, W) that hides each cell, -1 where none does, draw by draw."""
    seen = np.isfinite(values)
    for draw in range(plan.draws):
        kind = np.full(seen.shape, -1, np.int8)
        for i, name in enumerate(plan.kinds):
            rng = np.random.default_rng([plan.seed, draw, i])
            kind[hide(seen, name, KINDS.get(name, 0.01), rng) & (kind < 0)] = i
        yield kind


def _methods(record: Record, plan: Plan) -> dict[str, Any]:
    """Name -> function (T, H, W) -> filled, standard deviation or None (DataArray)."""
    found: dict[str, Any] = {}
    models = plan.model if isinstance(plan.model, list | tuple) else [plan.model]
    for model in models:
        if model is not None:
            found[_name(model)] = lambda left, model=model: _network(record, left, model)
    for name in plan.baselines:
        options = {}
        if name == "climatology" and record.days.size > 366:
            options["day_of_year"] = np.asarray(record.time.dt.dayofyear.values)
        fill = baseline(name)
        found[name] = lambda left, fill=fill, options=options: (fill(left, **options), None)
    return found


def _name(model: Any) -> str:
    text = str(getattr(model, "name", model))
    return text.replace("\\", "/").rpartition("/")[2].removesuffix(".safetensors")


def _network(record: Record, left: Values, model: Any) -> tuple[Values, xr.DataArray]:
    da = xr.DataArray(left, dims=record.da.dims, coords=record.da.coords, name="soil_moisture")
    da.attrs["units"] = UNITS
    filled = gapfill(da, model=model, progress=False)
    spread = filled["soil_moisture_uncertainty"]
    return filled["soil_moisture"].values, spread


def _scores(record: Record, pool: Pool, request: Request, plan: Plan, by: Any) -> xr.Dataset:
    at = tuple(np.concatenate(part) for part in (pool.day, pool.row, pool.column))
    kind, mean = np.concatenate(pool.kind), np.concatenate(pool.mean)
    truth = np.concatenate(pool.truth)
    filled = {name: np.concatenate(parts) for name, parts in pool.filled.items()}
    stacked = np.stack(list(filled.values()))  # (M, N)
    common = np.isfinite(stacked).all(axis=0)
    chosen = _kinds(kind, plan)
    groups = _strata(record, truth, at, by)
    attrs = {"units": UNITS}
    parts, shares = [], []
    for where in chosen.values():
        shares.append(np.isfinite(stacked[:, where]).sum(axis=1) / max(where.sum(), 1))
        index = np.flatnonzero(where & common)
        est = xr.DataArray(stacked[:, index], dims=("filler", "pair"), attrs=attrs)
        ref = xr.DataArray(truth[index], dims="pair", attrs=attrs)
        parts.append(_one_kind(est, ref, mean[index], _picked(groups, index), request))
    scores = xr.concat(parts, dim="kind", combine_attrs="override")
    scores["share_filled"] = (("filler", "kind"), np.stack(shares, axis=1))
    scores["share_filled"].attrs = {"long_name": "share of the hidden cells filled", "units": "1"}
    scores = scores.assign_coords(filler=list(filled), kind=list(chosen))
    return scores.transpose("filler", "kind", ...)


def _one_kind(
    est: xr.DataArray,
    ref: xr.DataArray,
    mean: NDArray[Any],
    groups: list[Stratum],
    request: Request,
) -> xr.Dataset:
    """Scores of the hidden cells of one kind; anomalies are from the mean of the cell."""
    centre = xr.DataArray(mean, dims="pair")
    plain = tuple(name for name in request.metrics if name != "anomaly_r")
    request = Request(**{**vars(request), "metrics": plain or ("n_obs",)})
    if request.scaling is not None:
        est = statistics.scaling.scale(est, ref, dim="pair", method=request.scaling)
    scores = scored(est, ref, groups, request, dim="pair")
    about = {"long_name": "Pearson correlation of departures from the mean of the cell"}
    only = Request(metrics=("pearson_r",), min_pairs=request.min_pairs)
    anomaly = scored(est - centre, ref - centre, groups, only, dim="pair")["pearson_r"]
    return scores.assign(
        anomaly_r=anomaly.assign_attrs(about | {"units": METRICS["anomaly_r"].units})
    )


def _strata(record: Record, truth: NDArray[Any], at: Any, by: Any) -> list[Stratum]:
    """Strata with masks (pair)."""
    if by is None:
        return []
    time = record.layout.time
    ref = xr.DataArray(truth, dims="pair")
    dates = xr.DataArray(record.time.values, dims=time).isel(
        {time: xr.DataArray(at[0], dims="pair")}
    )
    place = {record.layout.y: at[1], record.layout.x: at[2]}

    def picked(da: xr.DataArray) -> xr.DataArray:
        index = {dim: xr.DataArray(place[str(dim)], dims="pair") for dim in da.dims}
        return da.reset_coords(drop=True).isel(index).drop_vars(list(da.coords), errors="ignore")

    def told(name: str, spec: Any) -> xr.DataArray | None:
        found = grid_field(name, spec, record)
        return None if found is None else picked(found)

    lat = None if record.lat is None else picked(record.lat)
    return strata(by, Frame(dates, lat, ref, told))


def _picked(groups: list[Stratum], index: NDArray[np.intp]) -> list[Stratum]:
    """Strata of some of the pairs."""
    return [
        Stratum(
            one.name,
            {k: tuple(mask.isel(pair=index) for mask in masks) for k, masks in one.masks.items()},
            one.least,
        )
        for one in groups
    ]


def _coverage(pool: Pool, factors: Factors, methods: Sequence[str], plan: Plan) -> dict[str, Any]:
    """Share of the hidden values inside the intervals of the networks, (filler, kind)."""
    kind, truth = np.concatenate(pool.kind), np.concatenate(pool.truth)
    chosen = list(_kinds(kind, plan).values())
    found = {}
    for level in LEVELS:
        table = np.full((len(methods), len(chosen)), np.nan)
        for name, parts in pool.spread.items():
            spread = np.concatenate(parts)
            error = np.abs(np.concatenate(pool.filled[name]) - truth)
            known = np.isfinite(error) & np.isfinite(spread)
            inside = error <= factors[name][level] * np.where(known, spread, 0)
            for i, where in enumerate(chosen):
                if (where & known).any():
                    table[methods.index(name), i] = inside[where & known].mean()
        attrs = {"long_name": f"share of values inside the {level} % interval", "units": "1"}
        found[f"coverage_{level}"] = (("filler", "kind"), table, attrs)
    return found


def _kinds(kind: NDArray[np.int8], plan: Plan) -> dict[str, NDArray[np.bool_]]:
    """Which pairs (N,) are of each kind, and of all together."""
    found = {label: kind == i for i, label in enumerate(plan.kinds)}
    return found | {ALL: kind >= 0} if len(found) > 1 else found
