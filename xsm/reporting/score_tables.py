"""Tables of a report: scores as rows of text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.stats import wilcoxon

from xsm.conventions.cf import meanings_of_codes
from xsm.metrics.status import NOT_IN_THE_TRIPLE
from xsm.metrics.table import METRICS
from xsm.plotting.selection import finite_values, metric_names, sample_dims
from xsm.plotting.style import format_units
from xsm.reporting.html_page import Best

MIN_TESTED = 6  # fewer places cannot differ significantly
MAX_STATION_ROWS = 500
A_BETTER, B_BETTER, APART = 1, 2, 2  # in the flags of xsm.difference
# Column heads; other variables have their long name.
SHORT_NAMES = {
    "pearson_r": "R",
    "spearman_rho": "Spearman ρ",
    "kendall_tau": "Kendall τ",
    "anomaly_r": "R of anomalies",
    "r2": "R²",
    "bias": "bias",
    "rmsd": "RMSD",
    "ubrmsd": "ubRMSD",
    "mae": "MAE",
    "kge": "KGE",
    "nse": "NSE",
    "mse": "MSE",
    "rss": "RSS",
    "mse_corr": "MSE, correlation",
    "mse_bias": "MSE, bias",
    "mse_var": "MSE, variability",
    "std_ratio": "SD ratio",
    "fraction_filled": "filled",
    "coverage_68": "inside 68 %",
    "coverage_95": "inside 95 %",
    "crps": "CRPS",
    "err_std": "error",
    "snr_db": "SNR",
}


class Table(NamedTuple):
    """Arguments of :meth:`xsm.reporting.html_page.Page.table`."""

    caption: str
    head: list[str]
    rows: list[list[str]]


def strata_dims(scores: xr.Dataset) -> list[str]:
    """Dimensions of the metrics other than those of the sample, such as the season."""
    names = metric_names(scores)
    dims = {str(dim) for name in names for dim in scores[name].dims}
    sample = set().union(*(sample_dims(scores[name]) for name in names))
    return [str(dim) for dim in scores.sizes if dim in dims - sample]


def split_strata(scores: xr.Dataset) -> dict[str, xr.Dataset]:
    """One Dataset per combination of strata, by label; {"": scores} where there is none."""
    dims = strata_dims(scores)
    datasets = {}
    for index in itertools.product(*(range(scores.sizes[dim]) for dim in dims)):
        ds = scores.isel(dict(zip(dims, index, strict=True)))
        datasets[", ".join(str(ds[dim].item()) for dim in dims)] = ds
    return datasets


def best_group(groups: Mapping[str, xr.Dataset], name: str) -> str | None:
    """The group with the best median, if it is significantly better than each of the others.

    Wilcoxon signed-rank test over the places that both have, Holm's correction, p < 0.05. None if
    there is no such group, or the groups are not at the same places.
    """
    if len(groups) < 2 or name not in METRICS or not np.isfinite(METRICS[name].best):
        return None
    values = {}
    for label, ds in groups.items():
        if name not in ds or ds[name].size < MIN_TESTED:
            return None
        values[label] = np.abs(np.asarray(ds[name].values, float).ravel() - METRICS[name].best)
    if len({v.size for v in values.values()}) > 1:
        return None
    medians = {
        label: np.median(v[np.isfinite(v)]) if np.isfinite(v).any() else np.inf
        for label, v in values.items()
    }
    first = min(medians, key=lambda label: float(medians[label]))
    p = []
    for label, other in values.items():
        if label != first:
            difference = values[first] - other
            difference = difference[np.isfinite(difference)]
            if difference.size < MIN_TESTED or not difference.any():
                return None
            p.append(float(wilcoxon(difference).pvalue))
    return first if max(p) * len(p) < 0.05 else None


def summary(
    groups: Mapping[str, xr.Dataset], first_head: str, sample: str, *, ranked: bool = False
) -> Table:
    """Median and quartiles of each metric over stations or cells, a row per group.

    Parameters
    ----------
    groups : mapping
        Label of a row to its scores.
    first_head : str
        Head of the first column: what the labels are.
    sample : str
        What the median is taken over, such as ``"stations"``.
    ranked : bool
        The groups are products at the same places: the best is in bold where it is significant.
    """
    names = list(dict.fromkeys(name for ds in groups.values() for name in metric_names(ds)))
    first = next(iter(groups.values()))
    has_sample = any(
        finite_values(ds[name]).size > 1 for ds in groups.values() for name in metric_names(ds)
    )
    digits = {name: _digits(groups, name) for name in names}
    tested = [name for name in names if any(f"p_{name}" in ds for ds in groups.values())]
    has_layers = len({_layer(ds) for ds in groups.values()}) > 1
    head = [first_head]
    head += ([sample] if has_sample else []) + (["layer (m)"] if has_layers else []) + ["pairs"]
    head += [_head(first, name) for name in names]
    head += [f"p < 0.05, {SHORT_NAMES.get(name, name)}" for name in tested]
    best = {name: best_group(groups, name) for name in names} if ranked else {}
    rows = []
    for label, ds in groups.items():
        n_scored = max((finite_values(ds[name]).size for name in names if name in ds), default=0)
        row = [label or f"all {sample}"]
        row += ([f"{n_scored:,}"] if has_sample else []) + ([_layer(ds)] if has_layers else [])
        row += [_pairs(ds, has_sample)]
        cells = [_median_and_quartiles(ds.get(name), digits[name]) for name in names]
        row += [Best(t) if best.get(n) == label else t for t, n in zip(cells, names, strict=True)]
        rows.append(row + [significant(ds.get(f"p_{name}")) for name in tested])
    caption = f"Median (quartiles) over {sample}; pairs: median number of a score."
    if any(label is not None for label in best.values()):
        caption += " Bold: significantly better than each of the others (Wilcoxon, p < 0.05)."
    return Table(caption if has_sample else "Scores.", head, rows)


def split_networks(scores: xr.Dataset) -> dict[str, xr.Dataset]:
    """The stations of all networks together, and of each network."""
    groups = {"all": scores}
    if "network" in scores.coords and scores["network"].dims == ("station",):
        values = scores["network"].values
        groups |= {
            str(n): scores.isel(station=np.flatnonzero(values == n)) for n in np.unique(values)
        }
    return groups


def names_by_fill_method(scores: xr.Dataset) -> list[str]:
    """Metrics of simulated gaps, then the fractions filled and inside the interval."""
    fractions = [str(n) for n in scores.data_vars if str(n).startswith(("fraction_", "coverage_"))]
    return [
        *metric_names(scores),
        *(n for n in fractions if {"fill_method", "gap_pattern"} <= {*scores[n].dims}),
    ]


def fill_methods(scores: xr.Dataset, metric: str) -> Table:
    """One metric of simulated gaps: a row per fill method, a column per gap pattern."""
    da = scores[metric].transpose("fill_method", "gap_pattern")
    digits = _digits({"": scores}, metric)
    rows = [
        [str(name), *(number(value, digits, metric) for value in values)]
        for name, values in zip(da["fill_method"].values, da.values, strict=True)
    ]
    patterns = [str(pattern).replace("_", " ") for pattern in da["gap_pattern"].values]
    caption = f"{_head(scores, metric)} by gap pattern{_hidden_values(scores)}."
    return Table(caption, ["fill method", *patterns], rows)


def _hidden_values(scores: xr.Dataset) -> str:
    """Number of hidden values of each gap pattern, for a caption."""
    if "n_obs" not in scores:
        return ""
    counts = scores["n_obs"]
    counts = counts.max("fill_method") if "fill_method" in counts.dims else counts
    patterns = [str(pattern).replace("_", " ") for pattern in scores["gap_pattern"].values]
    n = ", ".join(f"{int(c):,} {p}" for p, c in zip(patterns, counts.values, strict=True))
    return f"; hidden values: {n}"


def gap_overview(scores: xr.Dataset) -> Table:
    """Simulated gaps of all patterns together: a row per fill method, a column per metric."""
    names = names_by_fill_method(scores)
    digits = {name: _digits({"": scores}, name) for name in names}
    patterns = [str(pattern) for pattern in scores["gap_pattern"].values]
    total = patterns.index("all") if "all" in patterns else None
    rows = []
    for i, method in enumerate(scores["fill_method"].values):
        ds = scores.isel(fill_method=i)
        cells = [ds[n].isel(gap_pattern=0 if total is None else total).item() for n in names]
        if total is None and len(patterns) > 1:
            cells = [float(ds[n].mean("gap_pattern")) for n in names]
        row = [number(v, digits[n], n) for v, n in zip(cells, names, strict=True)]
        rows.append([str(method), *row])
    caption = f"Fill methods on the hidden values of all gap patterns{_hidden_values(scores)}."
    return Table(caption, ["fill method", *(_head(scores, name) for name in names)], rows)


def gap_details(scores: xr.Dataset) -> Table:
    """Simulated gaps: a row per fill method and gap pattern, a column per metric."""
    names = names_by_fill_method(scores)
    digits = {name: _digits({"": scores}, name) for name in names}
    rows = []
    for i, method in enumerate(scores["fill_method"].values):
        for k, pattern in enumerate(scores["gap_pattern"].values):
            ds = scores.isel(fill_method=i, gap_pattern=k)
            cells = [_with_interval(ds, name, digits[name]) for name in names]
            rows.append([str(method), str(pattern).replace("_", " "), *cells])
    head = ["fill method", "gap pattern", *(_head(scores, name) for name in names)]
    return Table("Fill methods on each gap pattern.", head, rows)


def filled_record_tests(scores: xr.Dataset) -> Table | None:
    """Tests of the filled record of each fill method: edge discontinuity, annual cycle."""
    names = [str(n) for n, da in scores.data_vars.items() if da.dims == ("fill_method",)]
    if not names:
        return None
    table = _by_label(scores, names, "Tests of the filled record.")
    originals = [scores.get(f"{name.removesuffix('_filled')}_original") for name in names]
    if any(da is not None for da in originals):
        cells = ["" if da is None else number(da.item(), 3) for da in originals]
        table.rows.insert(0, ["original record", *cells])
    return table


def area_weighted(scores: xr.Dataset) -> list[Table]:
    """Area-weighted summaries of a product, a table per stratum."""
    names = [str(n) for n in scores.data_vars if str(n).startswith("summary_")]
    names = [name for name in names if "statistic" in scores[name].dims]
    if not names:
        return []
    dims = [dim for dim in scores[names[0]].dims if dim != "statistic"]
    tables = []
    for index in itertools.product(*(range(scores.sizes[dim]) for dim in dims)):
        ds = scores[names].isel(dict(zip(dims, index, strict=True)))
        stratum = ", ".join(str(ds[dim].item()) for dim in dims)
        caption = f"Area-weighted over the cells{f': {stratum}' if stratum else ''}."
        tables.append(_by_label(ds, names, caption))
    return tables


def status(scores: xr.Dataset) -> Table | None:
    """Number of scores per status; None where all are ok."""
    if "status" not in scores:
        return None
    values, attrs = scores["status"].values.ravel(), scores["status"].attrs
    if not values.any():
        return None
    meanings = meanings_of_codes(attrs)
    rows = [
        [
            meanings.get(code, str(code)).replace("_", " "),
            f"{count:,}",
            f"{100 * count / values.size:.1f} %",
        ]
        for code, count in zip(*np.unique(values, return_counts=True), strict=True)
    ]
    return Table("Status of the scores.", ["status", "number", "fraction"], rows)


def per_station(scores: xr.Dataset) -> Table:
    """Each station with its scores and intervals, at most `MAX_STATION_ROWS`."""
    names = metric_names(scores)
    described = [
        name
        for name in ("network", "lat", "lon", "depth_from", "depth_to")
        if name in scores.coords and scores[name].ndim == 1
    ]
    digits = {name: _digits({"": scores}, name) for name in names}
    label = "station_name" if "station_name" in scores.coords else "station"
    rows = []
    for i in range(min(scores.sizes["station"], MAX_STATION_ROWS)):
        station = scores.isel(station=i)
        row = [str(station[label].item())]
        row += [_coordinate_text(station[name].item()) for name in described]
        row += [f"{station['n_obs'].item():,}"] if "n_obs" in station else []
        rows.append(row + [_with_interval(station, name, digits[name]) for name in names])
    head = ["station", *(name.replace("_", " ") for name in described)]
    head += (["pairs"] if "n_obs" in scores else []) + [_head(scores, name) for name in names]
    n_omitted = scores.sizes["station"] - len(rows)
    caption = f"Stations{', with intervals' if any(f'{n}_low' in scores for n in names) else ''}."
    if n_omitted:
        caption += f" The first {MAX_STATION_ROWS}; {n_omitted:,} more are in the scores."
    return Table(caption, head, rows)


def paired_comparison(comparison: xr.Dataset) -> list[Table]:
    """Tables of the result of :func:`xsm.compare`: one per metric, a row per group of stations."""
    a, b = comparison.attrs["name_a"], comparison.attrs["name_b"]
    correction = str(comparison.attrs.get("correction", "none"))
    p_values = {"p_t": "p, paired t", "p_wilcoxon": "p, Wilcoxon"}
    if correction != "none":
        p_values = {f"{k}_corrected": f"{text} ({correction})" for k, text in p_values.items()}
    by = str(comparison.attrs.get("by", "none"))
    head = ["group" if by == "none" else by.replace("_", " "), "stations"]
    head += [f"median, {a}", f"median, {b}", f"won by {a}", "tied", *p_values.values()]
    tables = []
    for metric in map(str, comparison["metric"].values):
        rows = []
        for group in comparison["group"].values:
            result = comparison.sel(metric=metric, group=group)
            row = [str(group), f"{result['n_stations'].item():,.0f}"]
            row += [number(result[f"median_{side}"].item(), 3, metric) for side in "ab"]
            row += [percent(result[f"fraction_{outcome}"].item()) for outcome in ("won", "tied")]
            rows.append(row + [_p_value(result[name].item()) for name in p_values])
        caption = f"{SHORT_NAMES.get(metric, metric)}: {a} against {b} at the same stations."
        tables.append(Table(caption, head, rows))
    return tables


def triples(scores: xr.Dataset) -> Table | None:
    """Triple collocation of several products: medians over places and triples; None without."""
    names = [name for name in ("tc_err_std", "tc_snr_db", "tc_r2") if name in scores]
    if not names or "tc_status" not in scores:
        return None
    rows = []
    for i, label in enumerate(scores["dataset"].values):
        ds = scores.isel(dataset=i)
        states = ds["tc_status"].values
        states = states[states != NOT_IN_THE_TRIPLE]
        cells = [_median_and_quartiles(ds[name], 3) for name in names]
        ok = percent(float(np.mean(states == 0)) if states.size else np.nan)
        rows.append([str(label), *cells, ok])
    heads = [
        text + units_in_brackets(scores[name])
        for name, text in zip(names, ("error", "SNR", "R² with the truth"), strict=False)
    ]
    n = scores.sizes["triple"]
    caption = f"Triple collocation, median (quartiles) over all places and {n} triples; ok: status."
    return Table(caption, ["dataset", *heads, "ok"], rows)


def trends(scores: xr.Dataset) -> Table:
    """Trends per decade of the result of :func:`xsm.stability`: a row per metric."""
    rows = []
    for name, metric in names_ending(scores, "_slope").items():
        p = scores[f"p_{name}"]
        values, p_values = finite_values(scores[name]), finite_values(p)
        tested = values[p_values < 0.05] if values.size == p_values.size else values
        rows.append([
            SHORT_NAMES.get(metric, metric) + units_in_brackets(scores[name]), f"{values.size:,}",
            _median_and_quartiles(scores[name], 4), significant(p),
            f"{np.count_nonzero(tested > 0):,}", f"{np.count_nonzero(tested < 0):,}",
        ])  # fmt: skip
    head = ["trend", "series", "median (quartiles)", "p < 0.05", "rising, p < 0.05",
            "falling, p < 0.05"]  # fmt: skip
    return Table("Trends of the scores of years, per decade.", head, rows)


def differences(scores: xr.Dataset) -> Table:
    """Result of :func:`xsm.difference`: a row per metric."""
    a, b = scores.attrs["name_a"], scores.attrs["name_b"]
    rows = []
    for name, metric in names_ending(scores, "_difference").items():
        label = SHORT_NAMES.get(metric, metric) + units_in_brackets(scores[name])
        better, overlap = scores.get(f"{metric}_better"), scores.get(f"{metric}_intervals")
        cells = [_median_and_quartiles(scores[name], 4)]
        cells += [_percent_of_defined(better, A_BETTER), _percent_of_defined(better, B_BETTER)]
        rows.append([label, *cells, _percent_of_defined(overlap, APART)])
    head = ["metric", f"median of {a} minus {b}", f"{a} better", f"{b} better", "intervals apart"]
    return Table(f"{a} and {b} at the same places.", head, rows)


def names_ending(scores: xr.Dataset, end: str) -> dict[str, str]:
    """Variables ``<metric><end>`` -> their metric; p values are left out."""
    names = [name for name in map(str, scores.data_vars) if name.endswith(end)]
    return {name: name.removesuffix(end) for name in names if not name.startswith("p_")}


def units_in_brackets(da: xr.DataArray) -> str:
    """Units behind a name, such as " (m³ m⁻³)"; empty without."""
    units = format_units(str(da.attrs.get("units", "1")))
    return f" ({units})" if units else ""


def _percent_of_defined(flag: xr.DataArray | None, value: int) -> str:
    """Percentage of a flag that is `value`, of what is not 0, undefined."""
    values = np.empty(0) if flag is None else flag.values[flag.values > 0]
    return percent(float(np.mean(values == value)) if values.size else np.nan)


def number(value: float, digits: int, name: str = "") -> str:
    """Format a number: minus sign, sign of a bias, dash for NaN.

    Examples
    --------
    >>> number(-0.0312, 3, "bias"), number(0.0312, 3, "bias"), number(float("nan"), 3)
    ('−0.031', '+0.031', '–')
    """
    if not np.isfinite(value):
        return "–"
    value = round(float(value), digits) or 0.0  # no negative zero
    text = f"{value:+.{digits}f}" if "bias" in name and value else f"{value:.{digits}f}"
    return text.replace("-", "−")


def percent(fraction: float) -> str:
    """Format a fraction as a percentage."""
    return f"{100 * fraction:.0f} %" if np.isfinite(fraction) else "–"


def _p_value(p: float) -> str:
    """Format a p value.

    Examples
    --------
    >>> _p_value(0.0321), _p_value(2e-9), _p_value(float("nan"))
    ('0.032', '< 0.001', '–')
    """
    return "< 0.001" if p < 0.001 else number(p, 3)


def _by_label(scores: xr.Dataset, names: list[str], caption: str) -> Table:
    """Variables along one labelled dimension: a row per label."""
    dim = scores[names[0]].dims[0]
    columns = [[number(value, 3, name) for value in scores[name].values] for name in names]
    rows = [[str(label), *row] for label, *row in zip(scores[dim].values, *columns, strict=True)]
    return Table(caption, [str(dim).replace("_", " "), *(_head(scores, n) for n in names)], rows)


def _median_and_quartiles(da: xr.DataArray | None, digits: int) -> str:
    if da is None or not (values := finite_values(da)).size:
        return number(np.nan, digits)
    if values.size == 1:
        return number(values[0], digits, str(da.name))
    percentiles = np.percentile(values, [50, 25, 75])
    median, low, high = (number(value, digits, str(da.name)) for value in percentiles)
    return f"{median}\n({low}, {high})"


def _with_interval(station: xr.Dataset, name: str, digits: int) -> str:
    text = number(station[name].item(), digits, name)
    if f"{name}_low" not in station or not np.isfinite(station[name].item()):
        return text
    ends = (number(station[f"{name}_{end}"].item(), digits, name) for end in ("low", "high"))
    return f"{text} [{', '.join(ends)}]"


def _head(scores: xr.Dataset, name: str) -> str:
    """Head of a column: short name, else long name, with units."""
    short = SHORT_NAMES.get(name.removeprefix("summary_"))
    text = short or name.replace("_", " ")
    if name not in scores:
        return text
    if name == "r2" and "truth" in str(scores[name].attrs.get("long_name", "")):
        return f"{text} with the truth"  # of triple collocation
    if short is None:
        text = str(scores[name].attrs.get("long_name", text))
    return text + units_in_brackets(scores[name])


def _digits(groups: Mapping[str, xr.Dataset], name: str) -> int:
    """Decimals that show three significant digits of the larger values; three or more."""
    values = np.concatenate([finite_values(ds[name]) for ds in groups.values() if name in ds])
    size = np.percentile(np.abs(values), 90) if values.size else 0.0
    return 3 if size < 1e-7 or size >= 0.01 else int(2 - np.floor(np.log10(size)))


def _layer(scores: xr.Dataset) -> str:
    """Depths of the soil layer that the stations measure, m; empty where it is not known."""
    if "depth_to" not in scores.coords or scores["depth_to"].dims != ("station",):
        return ""
    lower = finite_values(scores["depth_to"])
    upper = finite_values(scores["depth_from"]) if "depth_from" in scores.coords else lower
    if not lower.size or not upper.size:
        return ""
    ends = [_coordinate_text(round(float(end), 3)) for end in (upper.min(), lower.max())]
    return " to ".join(dict.fromkeys(ends))


def _pairs(scores: xr.Dataset, has_sample: bool) -> str:
    """Median number of pairs of a score."""
    if "n_obs" not in scores:
        return "–"
    values = scores["n_obs"].values.ravel()
    values = values[values > 0] if has_sample else values
    return f"{int(np.median(values)):,}" if values.size else "0"


def significant(p: xr.DataArray | None) -> str:
    """Percentage of p values below 0.05."""
    values = np.empty(0) if p is None else finite_values(p)
    return percent(float(np.mean(values < 0.05)) if values.size else np.nan)


def _coordinate_text(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
