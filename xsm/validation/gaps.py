"""Validation without a reference: hide what was observed, fill it, compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import xsm.metrics as statistics
from xsm.baselines import BASELINES, baseline
from xsm.baselines.gridded_values import cell_mean
from xsm.conventions.ancillary import grid_field
from xsm.conventions.record import GriddedRecord
from xsm.conventions.variables import UNITS, to_m3m3
from xsm.errors import InputError
from xsm.gapfill import gapfill
from xsm.gapfilling.gap_patterns import GAP_PATTERNS, sample_gaps
from xsm.metrics.table import METRICS
from xsm.progress import bar
from xsm.validation.scoring import Request, scored
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
        unknown = [kind for kind in self.kinds if kind not in GAP_PATTERNS]
        if unknown or not self.kinds:
            raise InputError(
                f"kinds={self.kinds!r}: expected some of {', '.join(GAP_PATTERNS)} ({unknown})."
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


def validate_gaps(
    record: GriddedRecord, request: Request, plan: Plan, *, by: Any = None
) -> xr.Dataset:
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


def _in_memory(record: GriddedRecord) -> Values:
    """The record (T, H, W) as float32 in m3 m-3."""
    values = np.asarray(to_m3m3(record.da).values, np.float32)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _draws(values: Values, plan: Plan) -> Iterator[NDArray[np.int8]]:
    """Kind of gap (T, H, W) that hides each cell, -1 where none does, draw by draw."""
    seen = np.isfinite(values)
    for draw in range(plan.draws):
        kind = np.full(seen.shape, -1, np.int8)
        for i, name in enumerate(plan.kinds):
            rng = np.random.default_rng([plan.seed, draw, i])
            kind[sample_gaps(seen, name, KINDS.get(name, 0.01), rng) & (kind < 0)] = i
        yield kind


def _methods(record: GriddedRecord, plan: Plan) -> dict[str, Any]:
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


def _network(record: GriddedRecord, left: Values, model: Any) -> tuple[Values, xr.DataArray]:
    da = xr.DataArray(left, dims=record.da.dims, coords=record.da.coords, name="soil_moisture")
    da.attrs["units"] = UNITS
    filled = gapfill(da, model=model, progress=False)
    spread = filled["soil_moisture_uncertainty"]
    return filled["soil_moisture"].values, spread


def _scores(record: GriddedRecord, pool: Pool, request: Request, plan: Plan, by: Any) -> xr.Dataset:
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


def _strata(record: GriddedRecord, truth: NDArray[Any], at: Any, by: Any) -> list[Stratum]:
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


YEAR = 365.2425  # days
LEAST = 5  # observations in every quarter of the year, for a cell to have a harmonic


def annual_cycle(
    record: GriddedRecord, values: NDArray[np.float32], methods: Mapping[str, Any]
) -> dict:
    """Amplitude and phase of the annual harmonic of the mean over the cells, before and after.

    Parameters
    ----------
    record : GriddedRecord
    values : ndarray, (T, H, W)
        What was observed, m3 m-3.
    methods : mapping
        Name -> function that fills it.

    Returns
    -------
    dict
        ``annual_amplitude_original``, ``annual_phase_original`` (day of the year of the maximum),
        and ``annual_amplitude_filled``, ``annual_phase_filled`` (filler); empty if the record is
        shorter than a year or no cell is seen in all quarters of it.
    """
    days = record.days[~np.isnat(record.days)]
    if days[-1] - days[0] < np.timedelta64(364, "D"):
        return {}
    # days since 1 January of some year: phases are days of the year
    t = (record.days - np.datetime64("2001-01-01")).astype(np.float64)
    known = np.isfinite(t) & ~np.isnat(record.days)
    original = harmonic(values[known], t[known])
    filled = {name: harmonic(fill(values)[0][known], t[known]) for name, fill in methods.items()}
    both = np.isfinite(np.stack([original, *filled.values()])).all(axis=(0, 1))
    if not both.any():
        return {}
    weight = _weights(record)[both]
    amplitude, phase = _of_mean(original[:, both], weight)
    after = [_of_mean(part[:, both], weight) for part in filled.values()]
    size = {"long_name": "amplitude of the annual harmonic of the mean over cells", "units": UNITS}
    when = {"long_name": "day of the year of its maximum", "units": "day"}
    return {
        "annual_amplitude_original": ((), amplitude, size),
        "annual_phase_original": ((), phase, when),
        "annual_amplitude_filled": ("filler", [a for a, _ in after], size),
        "annual_phase_filled": ("filler", [p for _, p in after], when),
    }


def harmonic(values: NDArray[Any], t: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares coefficients (2, H, W) of cosine and sine of the year.

    Parameters
    ----------
    values : ndarray, (T, H, W)
        NaN = missing; a cell needs observations in every quarter of the year.
    t : ndarray, (T,)
        Days since a 1 January.

    Examples
    --------
    >>> t = np.arange(730.0)
    >>> wave = 0.1 * np.cos(2 * np.pi * (t - 30) / YEAR)
    >>> harmonic(0.2 + wave[:, None, None], t).ravel().round(4).tolist()
    [0.087, 0.0493]
    """
    angle = 2 * np.pi * t / YEAR
    terms = np.stack([np.ones_like(t), np.cos(angle), np.sin(angle)])  # (3, T)
    flat = values.reshape(t.size, -1)
    seen = np.isfinite(flat)
    products = (terms[:, None] * terms[None]).reshape(9, -1) @ seen.astype(np.float64)  # (9, N)
    right = terms @ np.where(seen, flat, 0).astype(np.float64)  # (3, N)
    quarter = np.floor(t / YEAR * 4).astype(int) % 4
    enough = np.all([seen[quarter == q].sum(axis=0) >= LEAST for q in range(4)], axis=0)
    found = np.full((2, flat.shape[1]), np.nan)
    if enough.any():
        left = products[:, enough].T.reshape(-1, 3, 3)
        found[:, enough] = np.linalg.solve(left, right[:, enough].T[..., None])[:, 1:, 0].T
    return found.reshape(2, *values.shape[1:])


def _of_mean(coefficients: NDArray[Any], weight: NDArray[Any]) -> tuple[float, float]:
    """Amplitude and day of the maximum of the weighted mean of harmonics (2, N)."""
    cosine, sine = np.average(coefficients, axis=1, weights=weight)
    day = np.arctan2(sine, cosine) / (2 * np.pi) * YEAR
    return float(np.hypot(cosine, sine)), float(day % YEAR + 1)


def _weights(record: GriddedRecord) -> NDArray[np.float64]:
    """Weights (H, W) in proportion to the area of cells."""
    from xsm.validation.product import areas

    return np.asarray(areas(record).values, np.float64)


PLACES = ("edge", "inside", "outside")


@dataclass
class Jumps:
    """Squared differences between neighbouring cells: across edges of patches, within, around.

    A perfect filling without the noise of the observations has jumps of variance s inside and
    s + 2 n outside a patch, and s + n across its edge. So the jumps across are compared with the
    mean of the two: the ratio of the root mean squares is 1 where no seam is.
    """

    sums: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, name: str, values: NDArray[Any], hidden: NDArray[np.bool_]) -> None:
        """Count the jumps of a filled record.

        Parameters
        ----------
        name : str
        values : ndarray, (T, H, W)
            m3 m-3.
        hidden : ndarray of bool, (T, H, W)
            The patches that were filled.
        """
        own = self.sums.setdefault(name, {place: [0.0, 0.0] for place in PLACES})
        rim = _beside(hidden) & ~hidden
        for axis in (1, 2):
            a, b = _neighbours(hidden, axis)
            rim_a, rim_b = _neighbours(rim, axis)
            first, second = _neighbours(values, axis)
            square = np.square(np.subtract(first, second, dtype=np.float64))
            known = np.isfinite(square)
            where = {"edge": a ^ b, "inside": a & b, "outside": ~a & ~b & (rim_a | rim_b)}
            for place, mask in where.items():
                mask = mask & known
                own[place][0] += float(square[mask].sum())
                own[place][1] += float(np.count_nonzero(mask))

    def ratios(self, methods: list[str]) -> dict[str, Any]:
        """``seam_ratio`` (filler), and ``seam_ratio_original`` of the observed values there."""
        about = "jump across the edge of a patch against jumps beside it; 1: no seam"
        attrs = {"long_name": about, "units": "1"}
        return {
            "seam_ratio": ("filler", [self._ratio(name) for name in methods], attrs),
            "seam_ratio_original": (
                (),
                self._ratio("original"),
                attrs | {"long_name": f"{about}; of the values that were hidden"},
            ),
        }

    def _ratio(self, name: str) -> float:
        mean = {p: s / n if n else np.nan for p, (s, n) in self.sums[name].items()}
        beside = 0.5 * (mean["inside"] + mean["outside"])
        return float(np.sqrt(mean["edge"] / beside)) if beside > 0 else float("nan")


def _neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each cell and the next one along an axis."""
    n = array.shape[axis]
    return array.take(range(n - 1), axis), array.take(range(1, n), axis)


def _beside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells with a neighbour in the mask."""
    out = np.zeros_like(mask)
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    out[:, :, 1:] |= mask[:, :, :-1]
    out[:, :, :-1] |= mask[:, :, 1:]
    return out
