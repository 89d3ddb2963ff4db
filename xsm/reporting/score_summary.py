"""The first lines of a report: the few numbers that matter, for each kind of validation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from xsm.plotting.selection import (
    DEFAULT_METRICS,
    TOTALS,
    finite_values,
    metric_names,
    role_names,
)
from xsm.plotting.style import lower_is_better
from xsm.reporting.score_tables import (
    SHORT_NAMES,
    names_ending,
    number,
    percent,
    significant,
    strata_dims,
    units_in_brackets,
)

MAX_METRICS = 3


class Tile(NamedTuple):
    """A number, what it is, and a line about it."""

    label: str
    value: str
    note: str = ""


def sentence(scores: xr.Dataset) -> str:
    """What was compared, where and when."""
    kind = str(scores.attrs.get("xsm_scores", ""))
    estimate, reference = role_names(scores)
    if kind == "comparison" or kind == "difference":
        return f"{scores.attrs['name_a']} against {scores.attrs['name_b']}."
    if kind == "simulated_gaps":
        text = f"Observed values of {estimate} were hidden, filled and compared"
    elif "estimate_name" in scores.attrs:
        text = f"{estimate} against {reference}"
    elif "predictor" in scores.dims:
        text = "Importance of the predictors"
    elif not kind:
        x = next((str(dim) for dim in scores.dims if dim != "estimate"), "")
        text = f"Skill against {scores[x].attrs.get('long_name', x)}" if x else "Experiment"
    else:
        text = kind.replace("_", " ").capitalize()
    if "time" in scores.coords and scores["time"].size:
        first, last = (str(day)[:10] for day in scores["time"].values[[0, -1]])
        text += f", {first} to {last}"
    return f"{text}."


def tiles(scores: xr.Dataset) -> list[Tile]:
    """The numbers at the head of the section of a validation; empty where there are none."""
    kind = str(scores.attrs.get("xsm_scores", ""))
    if kind == "simulated_gaps":
        return _of_gaps(scores)
    if kind == "triple_collocation":
        return _of_datasets(scores)
    if kind == "comparison":
        return _of_comparison(scores)
    if kind == "difference":
        return _of_difference(scores)
    if kind == "stability":
        return _of_trends(scores)
    if kind not in ("in_situ", "product", "spatial"):
        return []
    return _of_sample(scores, {"in_situ": "stations", "product": "cells"}.get(kind, "days"))


def _of_sample(scores: xr.Dataset, sample: str) -> list[Tile]:
    names = [name for name in DEFAULT_METRICS if name in metric_names(scores)]
    names = [name for name in names if name != "rmsd" or "ubrmsd" not in names] or (
        metric_names(scores)
    )
    dims = strata_dims(scores)
    if "product" in dims:
        return _of_products(scores, names[:MAX_METRICS])
    for dim in dims:
        labels = [str(label) for label in scores[dim].values]
        total = next((labels.index(label) for label in TOTALS if label in labels), None)
        if total is None:
            return [Tile(dim.replace("_", " "), f"{scores.sizes[dim]}", "strata, in the tables")]
        scores = scores.isel({dim: total})
    out = []
    for name in names[:MAX_METRICS]:
        values = finite_values(scores[name])
        if values.size:
            low, middle, high = np.percentile(values, [25, 50, 75])
            label, units = _label(scores, name)
            quartiles = f"{number(low, 3, name)} to {number(high, 3, name)}"
            note = f"quartiles {quartiles}" if values.size > 1 else ""
            out.append(Tile(f"median {label}{units}", number(middle, 3, name), note))
    if "n_obs" in scores:
        counts = scores["n_obs"].values.ravel()
        scored = max((finite_values(scores[name]).size for name in names), default=0)
        out.insert(0, Tile(sample, f"{scored:,}", f"of {counts.size:,}; {counts.sum():,.0f} pairs"))
    return out


def _of_products(scores: xr.Dataset, names: list[str]) -> list[Tile]:
    """The best product for each metric, by the median over all strata and places."""
    labels = [str(label) for label in scores["product"].values]
    out = [Tile("products", f"{len(labels)}", ", ".join(labels))]
    for name in names:
        medians = [
            np.median(v) if (v := finite_values(scores[name].isel(product=i))).size else np.nan
            for i in range(len(labels))
        ]
        order = np.argsort(lower_is_better(scores[name], np.array(medians)))
        best = int(order[0])
        label, units = _label(scores, name)
        if np.isfinite(medians[best]):
            value = number(medians[best], 3, name)
            out.append(Tile(f"best median {label}{units}", value, labels[best]))
    return out


def _of_gaps(scores: xr.Dataset) -> list[Tile]:
    names = [n for n in ("rmsd", "pearson_r", "anomaly_r") if n in metric_names(scores)]
    methods = [str(name) for name in scores["fill_method"].values]
    if strata_dims(scores) or not names:
        return []
    out = []
    for name in names:
        da = scores[name]
        has_total = "gap_pattern" in da.dims and "all" in scores["gap_pattern"].values
        values = (da.sel(gap_pattern="all") if has_total else da.mean("gap_pattern")).values
        order = np.argsort(lower_is_better(da, values))
        if not np.isfinite(values[order[0]]):
            continue
        label, units = _label(scores, name)
        note = methods[order[0]]
        if len(order) > 1:
            note += f"; {methods[order[1]]} {number(values[order[1]], 3, name)}"
        out.append(Tile(f"lowest {label}{units}" if name == "rmsd" else f"highest {label}",
                        number(values[order[0]], 3, name), note))  # fmt: skip
    return out


def _of_datasets(scores: xr.Dataset) -> list[Tile]:
    if "dataset" not in scores.dims or "err_std" not in scores:
        return []
    out = []
    for i, name in enumerate(scores["dataset"].values):
        values = finite_values(scores["err_std"].isel(dataset=i))
        if values.size:
            label = f"error of {name}{units_in_brackets(scores['err_std'])}"
            out.append(Tile(label, number(np.median(values), 3), "median standard deviation"))
    return out


def _of_comparison(scores: xr.Dataset) -> list[Tile]:
    corrected = "p_wilcoxon_corrected" in scores
    p = scores["p_wilcoxon_corrected" if corrected else "p_wilcoxon"]
    out = []
    for name in map(str, scores["metric"].values):
        result = scores.sel(metric=name).isel(group=0)
        value = percent(result["fraction_won"].item())
        p_value = p.sel(metric=name).isel(group=0).item()
        text = "< 0.001" if p_value < 0.001 else f"= {number(p_value, 3)}"
        out.append(Tile(f"{SHORT_NAMES.get(name, name)}: won by {scores.attrs['name_a']}", value,
                        f"of {result['n_stations'].item():,.0f} stations; p {text}"))  # fmt: skip
    return out


def _of_difference(scores: xr.Dataset) -> list[Tile]:
    out = []
    for name, metric in names_ending(scores, "_better").items():
        flags = scores[name].values[scores[name].values > 0]
        if flags.size:
            label = f"{SHORT_NAMES.get(metric, metric)}: {scores.attrs['name_a']} better"
            out.append(Tile(label, percent(float(np.mean(flags == 1))), f"of {flags.size:,}"))
    return out


def _of_trends(scores: xr.Dataset) -> list[Tile]:
    out = []
    for name, metric in names_ending(scores, "_slope").items():
        values = finite_values(scores[name])
        if values.size:
            label, units = _label(scores, name)
            label = SHORT_NAMES.get(metric, label)
            note = f"median; p < 0.05: {significant(scores[f'p_{name}'])}"
            out.append(Tile(f"trend of {label}{units}", number(np.median(values), 4), note))
    return out[:MAX_METRICS]


def _label(scores: xr.Dataset, name: str) -> tuple[str, str]:
    """Short name and units in brackets."""
    return SHORT_NAMES.get(name, name.replace("_", " ")), units_in_brackets(scores[name])
