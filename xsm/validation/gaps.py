"""Validation by simulated gaps: hide observed values, fill them, compare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import xsm.metrics as statistics
from xsm.baselines import baseline
from xsm.baselines.gridded_values import cell_mean
from xsm.conventions.ancillary import grid_field
from xsm.conventions.cf import with_attrs
from xsm.conventions.filled import observed_values
from xsm.conventions.record import GriddedRecord
from xsm.conventions.variables import UNITS, to_m3m3
from xsm.errors import InputError
from xsm.gapfilling.gap_patterns import sample_gaps
from xsm.metrics.probabilistic import LONG_NAME as CRPS_LONG_NAME
from xsm.metrics.probabilistic import gaussian_crps
from xsm.metrics.table import METRICS
from xsm.progress import bar
from xsm.validation.annual_harmonic import annual_cycle
from xsm.validation.edge_discontinuity import EdgeDifferences
from xsm.validation.reference_options import GapOptions
from xsm.validation.scoring import ScoreOptions, score_pairs
from xsm.validation.strata import Stratum, StratumContext, build_strata

# fraction of the observed cells that a realization hides
FRACTIONS = {"block": 0.025, "swath": 0.02, "cell": 0.005}
OTHER_FRACTION = 0.01
ALL = "all"
HALF_WIDTHS = {68: 0.994458, 95: 1.959964}  # of normal intervals, in standard deviations
DIMS = ("fill_method", "gap_pattern")

Values = NDArray[np.float32]
Gapfill = Callable[..., xr.Dataset]  # xsm.gapfill
FillMethod = Callable[[Values], tuple[Values, "xr.DataArray | None"]]
CoverageFactors = dict[str, dict[int, float]]  # of each network, by level


@dataclass
class HiddenCells:
    """Hidden cells of all realizations, a list of arrays (N,) for each quantity.

    day, row, column : position
    pattern : number of the gap pattern
    mean : mean of the cell over the days that are not hidden
    observed : the hidden value
    filled, std : the filled value and its standard deviation, by fill method
    """

    day: list[NDArray[Any]] = field(default_factory=list)
    row: list[NDArray[Any]] = field(default_factory=list)
    column: list[NDArray[Any]] = field(default_factory=list)
    pattern: list[NDArray[Any]] = field(default_factory=list)
    mean: list[NDArray[Any]] = field(default_factory=list)
    observed: list[NDArray[Any]] = field(default_factory=list)
    filled: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    std: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def add(
        self, at: Any, pattern: NDArray[Any], observed: NDArray[Any], mean: NDArray[Any]
    ) -> None:
        """Append the cells of a realization; `at` are day, row and column."""
        for parts, new in zip(
            (self.day, self.row, self.column, self.pattern, self.observed, self.mean),
            (*at, pattern, observed, mean),
            strict=True,
        ):
            parts.append(new)

    def joined(self, patterns: Sequence[str]) -> FilledCells:
        """The cells of all realizations together."""
        filled, std = (
            {name: np.concatenate(parts) for name, parts in of_methods.items()}
            for of_methods in (self.filled, self.std)
        )
        pattern = np.concatenate(self.pattern)
        masks = {label: pattern == i for i, label in enumerate(patterns)}
        return FilledCells(
            at=tuple(np.concatenate(parts) for parts in (self.day, self.row, self.column)),
            mean=np.concatenate(self.mean),
            observed=np.concatenate(self.observed),
            filled=filled,
            std=std,
            filled_by_all=np.isfinite(np.stack(list(filled.values()))).all(axis=0),
            masks=masks | {ALL: pattern >= 0} if len(masks) > 1 else masks,
        )


class FilledCells(NamedTuple):
    """N hidden cells of all realizations, and what fills them."""

    at: tuple[NDArray[np.intp], ...]  # day, row and column, (N,) each
    mean: Values  # (N,), of the cell over the days that are not hidden
    observed: Values  # (N,)
    filled: dict[str, Values]  # by fill method
    std: dict[str, Values]  # of those that state one
    filled_by_all: NDArray[np.bool_]  # (N,)
    masks: dict[str, NDArray[np.bool_]]  # (N,), of each gap pattern, and of all together

    def means(self, of_methods: Mapping[str, tuple[NDArray[Any], NDArray[np.bool_]]]) -> Any:
        """Mean of values (N,) where they are valid (N,), (fill_method, gap_pattern)."""
        methods = list(self.filled)
        out = np.full((len(methods), len(self.masks)), np.nan)
        for name, (values, valid) in of_methods.items():
            for column, mask in enumerate(self.masks.values()):
                if (mask & valid).any():
                    out[methods.index(name), column] = values[mask & valid].mean()
        return out


def validate_gaps(
    record: GriddedRecord,
    score_options: ScoreOptions,
    gap_options: GapOptions,
    *,
    gapfill: Gapfill,
    by: Any = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Scores of filling hidden cells, (fill_method, gap_pattern, strata ...).

    Parameters
    ----------
    record : GriddedRecord
    score_options : ScoreOptions
    gap_options : GapOptions
    gapfill : callable
        :func:`xsm.gapfill`, which fills with the networks.
    by, progress
        See :func:`xsm.validate`.

    Returns
    -------
    Dataset
        Metrics over the hidden cells that all methods fill; ``fraction_filled`` of each method;
        ``coverage_68`` and ``coverage_95`` of the networks; ``crps``, of the normal distribution
        that a network states, and the mean absolute error of the other methods;
        ``edge_discontinuity`` and the annual harmonic.
    """
    values = _in_memory(record)
    if not np.isfinite(values).any():
        raise InputError(f"obj: {record.name} holds no observation: there is nothing to hide.")
    scaling = score_options.scaling
    if scaling is not None and (scaling.by is not None or scaling.to != "reference"):
        raise InputError(
            f"scaling: by={scaling.by!r}, to={scaling.to!r} does not apply to simulated gaps, "
            "whose hidden cells are no series: give the method alone."
        )
    patterns = list(gap_options.gap_patterns)
    single = patterns.index("cell") if "cell" in patterns else None
    cells, differences = HiddenCells(), EdgeDifferences()
    methods = _fill_methods(record, gap_options, gapfill)
    factors: CoverageFactors = {}
    patch_maps: dict[str, Any] = {}
    steps = gap_options.n_realizations * len(methods)
    with bar("validate", steps, progress, "fill") as progress_bar:
        for pattern in _realizations(values, gap_options, score_options.seed):
            hidden = pattern >= 0
            remaining = np.where(hidden, np.float32(np.nan), values)
            at = np.nonzero(hidden)
            cells.add(at, pattern[at], values[at], cell_mean(remaining)[at[1:]])
            # single cells are no patches
            patches = hidden if single is None else hidden & (pattern != single)
            differences.add("original", values, patches)
            is_first = not patch_maps and gap_options.keep_patches > 0
            if is_first:
                most = np.argsort(-hidden.sum(axis=(1, 2)), kind="stable")
                days = np.sort(most[: gap_options.keep_patches])
                patch_maps |= {"days": days, "observed": values[days], "pattern": pattern[days]}
            for name, fill in methods.items():
                filled, std = fill(remaining)
                if is_first:
                    patch_maps[name] = filled[patch_maps["days"]]
                cells.filled.setdefault(name, []).append(filled[at])
                if std is not None:
                    cells.std.setdefault(name, []).append(np.asarray(std.values)[at])
                    factors[name] = {
                        level: float(std.attrs.get(f"coverage_factor_{level}", half_width))
                        for level, half_width in HALF_WIDTHS.items()
                    }
                differences.add(name, filled, patches)
                progress_bar.update(1)
    if not sum(part.size for part in cells.pattern):
        raise InputError(
            f"obj: nothing of {record.name} could be hidden with gap_patterns={patterns}: it is "
            "too small or has too few observations. Use the pattern 'cell', or more days."
        )
    filled_cells = cells.joined(patterns)
    scores = _scores(record, filled_cells, score_options, by)
    scores = scores.assign(_coverage(filled_cells, factors)).assign(crps=_crps(filled_cells))
    scores = scores.assign(differences.ratios(list(methods)))
    if patch_maps:
        scores = scores.assign(_patch_maps(record, patch_maps, list(methods), patterns))
    return scores.assign(annual_cycle(record, values, methods))


def _patch_maps(
    record: GriddedRecord, maps: dict[str, Any], methods: list[str], patterns: list[str]
) -> dict[str, xr.DataArray]:
    """Maps of some days: what was observed, the pattern that hid it, and what filled it."""
    time = xr.Variable("patch_time", record.time.values[maps["days"]], record.time.attrs)
    axes = {d: record.da[d].variable for d in record.space if d in record.da.coords}
    axes |= {str(c.name): c.variable for c in (record.lat, record.lon) if c is not None}
    dims = ("patch_time", *record.space)
    observed = xr.DataArray(maps["observed"], {"patch_time": time, **axes}, dims)
    hidden = observed.copy(data=(maps["pattern"] + 1).astype(np.int8))
    filled = xr.concat([observed.copy(data=maps[name]) for name in methods], "fill_method")
    attrs = {"units": UNITS, "long_name": "soil moisture"}
    variables = {
        "patch_observed": with_attrs(observed, **attrs),
        "patch_hidden": with_attrs(
            hidden,
            long_name="gap pattern that hides the value",
            flag_values=np.arange(len(patterns) + 1, dtype=np.int8),
            flag_meanings=" ".join(["not_hidden", *patterns]),
        ),
        "patch_filled": with_attrs(filled, **attrs),
    }
    return {name: record.layout.to_stored_order(da) for name, da in variables.items()}


def _in_memory(record: GriddedRecord) -> Values:
    """The observations of the record (T, H, W) as float32 in m3 m-3."""
    da = observed_values(record.da, record.ds)
    values = np.asarray(to_m3m3(da, record.variable).values, np.float32)
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _realizations(values: Values, options: GapOptions, seed: int) -> Iterator[NDArray[np.int8]]:
    """Number of the gap pattern (T, H, W) that hides each cell, -1 where none does."""
    observed = np.isfinite(values)
    for realization in range(options.n_realizations):
        pattern = np.full(observed.shape, -1, np.int8)
        for i, name in enumerate(options.gap_patterns):
            rng = np.random.default_rng([seed, realization, i])
            fraction = FRACTIONS.get(name, OTHER_FRACTION)
            pattern[sample_gaps(observed, name, fraction, rng) & (pattern < 0)] = i
        yield pattern


def _fill_methods(
    record: GriddedRecord, options: GapOptions, gapfill: Gapfill
) -> dict[str, FillMethod]:
    """Name -> function of values (T, H, W) that returns the filled values and their std or None."""
    methods: dict[str, FillMethod] = {}
    models = options.model if isinstance(options.model, list | tuple) else [options.model]
    for model in models:
        if model is not None:
            name = _model_name(model)
            methods[name] = _network_method(record, model, gapfill)
            for argument in ("background", "predictors"):
                if (given := getattr(options, argument)) is not None:
                    methods[f"{name}+{argument}"] = _network_method(
                        record, model, gapfill, argument, given
                    )
    for name in options.baselines:
        methods[name] = _baseline_method(record, name)
    return methods


def _model_name(model: Any) -> str:
    text = str(getattr(model, "name", model))
    return text.replace("\\", "/").rpartition("/")[2].removesuffix(".safetensors")


def _network_method(
    record: GriddedRecord, model: Any, gapfill: Gapfill, argument: str = "", given: Any = None
) -> FillMethod:
    """The network, also with a background or predictors as an argument of `gapfill`."""
    options = {argument: given} if argument else {}
    names = [given] if isinstance(given, str) else given
    if isinstance(names, Sequence):  # of variables
        own = [] if record.ds is None else [str(n) for n in record.ds.data_vars]
        if missing := [n for n in names if n not in own or n == record.name]:
            raise InputError(
                f"gaps: {argument}={given!r}: {missing} are no variables beside {record.name}; "
                f"obj has {own}."
            )

    def fill(values: Values) -> tuple[Values, xr.DataArray]:
        da = xr.DataArray(values, dims=record.da.dims, coords=record.da.coords)
        da = da.rename("soil_moisture").assign_attrs(units=UNITS)
        obj: Any = da
        if isinstance(names, Sequence) and record.ds is not None:
            obj = record.ds[list(names)].assign(soil_moisture=da)
            options["var"] = "soil_moisture"
        filled = gapfill(obj, model=model, progress=False, **options)
        return filled["soil_moisture"].values, filled["soil_moisture_uncertainty"]

    return fill


def _baseline_method(record: GriddedRecord, name: str) -> FillMethod:
    options = {}
    if name == "climatology" and record.days.size > 366:
        options["day_of_year"] = np.asarray(record.time.dt.dayofyear.values)
    function = baseline(name)

    def fill(values: Values) -> tuple[Values, None]:
        return function(values, **options), None

    return fill


def _scores(
    record: GriddedRecord, cells: FilledCells, options: ScoreOptions, by: Any
) -> xr.Dataset:
    """Scores of all fill methods for each gap pattern."""
    filled = np.stack(list(cells.filled.values()))  # (M, N)
    strata = _hidden_cell_strata(record, cells, by)
    attrs = {"units": UNITS}
    parts, fractions = [], []
    for mask in cells.masks.values():
        fractions.append(np.isfinite(filled[:, mask]).sum(axis=1) / max(mask.sum(), 1))
        index = np.flatnonzero(mask & cells.filled_by_all)
        est = xr.DataArray(filled[:, index], dims=("fill_method", "pair"), attrs=attrs)
        ref = xr.DataArray(cells.observed[index], dims="pair", attrs=attrs)
        parts.append(_pattern_scores(est, ref, cells.mean[index], _select(strata, index), options))
    scores = xr.concat(parts, dim="gap_pattern", combine_attrs="override")
    fraction_attrs = {"long_name": "fraction of the hidden cells that is filled", "units": "1"}
    scores["fraction_filled"] = (DIMS, np.stack(fractions, axis=1), fraction_attrs)
    scores = scores.assign_coords(fill_method=list(cells.filled), gap_pattern=list(cells.masks))
    return scores.transpose(*DIMS, ...)


def _pattern_scores(
    est: xr.DataArray,
    ref: xr.DataArray,
    mean: NDArray[Any],
    strata: list[Stratum],
    options: ScoreOptions,
) -> xr.Dataset:
    """Scores of the hidden cells of one pattern; anomalies are departures from the cell's mean."""
    cell_means = xr.DataArray(mean, dims="pair")
    metrics = tuple(name for name in options.metrics if name != "anomaly_r")
    options = replace(options, metrics=metrics or ("n_obs",))
    if options.scaling is not None:
        est = statistics.scaling.scale(est, ref, dim="pair", method=options.scaling.method)
    scores = score_pairs(est, ref, strata, options, dim="pair")
    plain = ScoreOptions(metrics=("pearson_r",), min_pairs=options.min_pairs)
    anomaly_r = score_pairs(est - cell_means, ref - cell_means, strata, plain, dim="pair")
    attrs = {
        "long_name": "Pearson correlation of departures from the mean of the cell",
        "units": METRICS["anomaly_r"].units,
    }
    return scores.assign(anomaly_r=with_attrs(anomaly_r["pearson_r"], **attrs))


def _hidden_cell_strata(record: GriddedRecord, cells: FilledCells, by: Any) -> list[Stratum]:
    """Strata with masks (pair)."""
    if by is None:
        return []
    time = record.layout.time
    day, row, column = cells.at
    ref = xr.DataArray(cells.observed, dims="pair")
    dates = xr.DataArray(record.time.values, dims=time).isel({time: xr.DataArray(day, dims="pair")})
    position = {record.layout.y: row, record.layout.x: column}

    def at_hidden_cells(da: xr.DataArray) -> xr.DataArray:
        index = {dim: xr.DataArray(position[str(dim)], dims="pair") for dim in da.dims}
        return da.reset_coords(drop=True).isel(index).drop_vars(list(da.coords), errors="ignore")

    def categories(name: str, definition: Any) -> xr.DataArray | None:
        on_grid = grid_field(name, definition, record)
        return None if on_grid is None else at_hidden_cells(on_grid)

    lat = None if record.lat is None else at_hidden_cells(record.lat)
    return build_strata(by, StratumContext(dates, lat, ref, categories))


def _select(strata: list[Stratum], index: NDArray[np.intp]) -> list[Stratum]:
    """Strata of some of the pairs."""
    return [
        replace(
            stratum,
            masks={
                label: tuple(mask.isel(pair=index) for mask in masks)
                for label, masks in stratum.masks.items()
            },
        )
        for stratum in strata
    ]


def _coverage(cells: FilledCells, factors: CoverageFactors) -> dict[str, Any]:
    """Fraction of the hidden values inside the intervals of the networks."""
    variables = {}
    for level in HALF_WIDTHS:
        inside = {}
        for name, std in cells.std.items():
            error = np.abs(cells.filled[name] - cells.observed)
            valid = np.isfinite(error) & np.isfinite(std)
            inside[name] = error <= factors[name][level] * np.where(valid, std, 0), valid
        attrs = {"long_name": f"fraction of values inside the {level} % interval", "units": "1"}
        variables[f"coverage_{level}"] = (DIMS, cells.means(inside), attrs)
    return variables


def _crps(cells: FilledCells) -> xr.DataArray:
    """Continuous ranked probability score of the values that all fill.

    Of a method without uncertainty it is the mean absolute error.
    """
    scores = {}
    for name, filled in cells.filled.items():
        std = cells.std.get(name, np.zeros_like(filled))
        score = gaussian_crps(filled - cells.observed, std)
        scores[name] = score, cells.filled_by_all & np.isfinite(score)
    attrs = {"long_name": CRPS_LONG_NAME, "units": UNITS}
    return xr.DataArray(cells.means(scores), dims=DIMS, attrs=attrs)
