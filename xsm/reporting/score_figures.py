"""Figures of a report, as SVG: which there are for each kind of validation."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import xsm.plotting as plotting
from xsm._lazy import optional_import
from xsm.conventions.grid import coordinate
from xsm.plotting.selection import (
    DEFAULT_METRICS,
    TOTALS,
    TRIPLE_METRICS,
    label_dims,
    metric_names,
    sample_dims,
)
from xsm.plotting.style import COLOURS, axes_for, axis_label, name_with_units, style_axes
from xsm.plotting.taylor_diagram import correlation_and_ratio
from xsm.plotting.timeseries import format_dates, plotted_dates
from xsm.reporting.html_page import Figure
from xsm.reporting.score_tables import names_ending

BOXES = "Boxes: quartiles and median; whiskers: 5 to 95 %; fewer than five values: points."
TAYLOR = "Taylor diagram, normalised by the reference (star)."
WET = 0.4  # m3 m-3
MAX_MAPS = 6  # strata per metric


def metrics_to_draw(scores: xr.Dataset, metrics: tuple[str, ...] | None) -> list[str]:
    """The metrics asked for, else the default ones, else the first two; with a finite value.

    Of triple collocation the default ones are the error and the signal-to-noise ratio.
    """
    names = metric_names(scores)
    wanted = [name for name in (metrics or DEFAULT_METRICS) if name in names]
    if not metrics and "ubrmsd" in wanted:
        wanted = [name for name in wanted if name != "rmsd"]
    wanted = wanted or [name for name in TRIPLE_METRICS if name in names]
    return [name for name in wanted or names[:2] if np.isfinite(scores[name].values).any()]


def station_figures(
    scores: xr.Dataset,
    strata: Mapping[str, xr.Dataset],
    metrics: list[str],
    land: xr.DataArray | None,
) -> Iterator[Figure]:
    """Maps, boxes by network, a Taylor diagram, and the pairs where `scores` holds them."""
    if _is_of_products(scores):
        yield from _product_figures(scores, strata, metrics, land)
        return
    label = next((name for name in TOTALS if name in strata), next(iter(strata)))
    total, note = strata[label], f" ({label})" if len(strata) > 1 else ""
    for name in metrics:
        if np.isfinite(total[name].values).any():
            caption = f"{_sentence_label(scores, name)} at the stations{note}."
            yield Figure(caption, draw_svg(plotting.map, total, name, land=land, title=""))
    for name in metrics:
        yield _box_figure(strata, name, f"{_sentence_label(scores, name)}.")
    has_pairs = {"estimate", "reference"} <= set(scores.data_vars)
    if _has_taylor(total):
        caption = f"{TAYLOR} A point is a station{note if 'std_ratio' in scores else ''}."
        yield Figure(caption, draw_svg(plotting.taylor, total))
    if has_pairs and int(_pairs_of(total).sum()) > 1:
        wet = WET if (scores["reference"] > WET).any() else None
        caption = f"All pairs of all stations{note if label_dims(scores['estimate']) else ''}."
        yield Figure(caption, draw_svg(plotting.scatter, total, wet=wet))
        caption = "The station of the median score."
        yield Figure(caption, draw_svg(plotting.series, total), wide=True)
        if np.ptp(scores["time"].dt.dayofyear.values) > 300:
            caption = "Annual cycle at this station: means of 15 days, 10th to 90th percentile."
            yield Figure(caption, draw_svg(plotting.cycle, total))


def _has_taylor(scores: xr.Dataset) -> bool:
    """Whether there is a point to draw in a Taylor diagram."""
    names = set(map(str, scores.data_vars))
    if not ({"pearson_r", "std_ratio"} <= names or {"estimate", "reference"} <= names):
        return False
    r, ratio = correlation_and_ratio(scores)
    return bool((np.isfinite(r) & np.isfinite(ratio)).any())


def _pairs_of(scores: xr.Dataset) -> xr.DataArray:
    """Where there is a pair of values."""
    return scores["estimate"].notnull() & scores["reference"].notnull()


def _is_of_products(scores: xr.Dataset) -> bool:
    """Whether the products are the only stratum."""
    names = metric_names(scores)
    dims = {str(dim) for name in names for dim in scores[name].dims}
    return "product" in dims and len(dims - sample_dims(scores[names[0]]) - {"product"}) == 0


def _product_figures(
    scores: xr.Dataset,
    strata: Mapping[str, xr.Dataset],
    metrics: list[str],
    land: xr.DataArray | None,
) -> Iterator[Figure]:
    """Maps of several products on one scale, boxes, and a Taylor diagram of the stations."""
    for name in metrics:
        caption = f"{_sentence_label(scores, name)} of each product."
        svg = draw_svg(plotting.panels, scores[name], along="product", land=land)
        yield Figure(caption, svg, wide=True)
    for name in metrics:
        yield _box_figure(strata, name, f"{_sentence_label(scores, name)}.")
    if "station" in scores.dims and _has_taylor(scores):
        caption = f"{TAYLOR} A point is a station."
        yield Figure(caption, draw_svg(plotting.taylor, dict(strata)))


def grid_figures(
    scores: xr.Dataset,
    strata: Mapping[str, xr.Dataset],
    metrics: list[str],
    land: xr.DataArray | None,
) -> Iterator[Figure]:
    """Maps per metric and stratum, boxes over cells, and the summaries along time."""
    if _is_of_products(scores):
        yield from _product_figures(scores, strata, metrics, land)
        return
    for name in metrics:
        for label, ds in list(strata.items())[:MAX_MAPS]:
            if np.isfinite(ds[name].values).any():
                caption = f"{_sentence_label(scores, name)}{f', {label}' if label else ''}."
                yield Figure(caption, draw_svg(plotting.map, ds, name, land=land, title=""))
    if len(strata) > 1:
        for name in metrics:
            places = "stations" if "station" in scores.dims else "cells"
            yield _box_figure(strata, name, f"{_sentence_label(scores, name)} over {places}.")
    for da in scores.data_vars.values():
        if str(da.name).startswith("summary_") and da.dims == ("time",) and da.notnull().any():
            caption = f"{_sentence_label(scores, str(da.name))}, daily."
            yield Figure(caption, draw_svg(_daily_line, da), wide=True)
    yield from _region_figures(scores)


def gap_figures(scores: xr.Dataset, metrics: list[str]) -> Iterator[Figure]:
    """Bars by fill method and gap pattern, and the Taylor diagram of the fill methods."""
    for name in metrics:
        caption = f"{_sentence_label(scores, name)} of each fill method on each gap pattern"
        caption += "; whiskers: interval." if f"{name}_low" in scores else "."
        yield Figure(caption, draw_svg(plotting.box, scores, name))
    if _has_taylor(scores):
        yield Figure(f"{TAYLOR} A point is a fill method.", draw_svg(plotting.taylor, scores))
    if "patch_filled" in scores:
        caption = "A simulated gap (outlined) on one day: observed, hidden and filled."
        yield Figure(caption, draw_svg(plotting.patches, scores, title=""), wide=True)


def side_by_side_figures(
    datasets: Mapping[str, xr.Dataset], metrics: list[str]
) -> Iterator[Figure]:
    """Boxes of several validations, a figure per metric."""
    first = next(iter(datasets.values()))
    order = _group_order(datasets)
    for name in metrics:
        caption = f"{_sentence_label(first, name)}. {BOXES}"
        yield Figure(caption, draw_svg(plotting.box, datasets, name, order=order))


def _group_order(datasets: Mapping[str, xr.Dataset]) -> list[str]:
    """The networks in alphabetical order, the same in every panel."""
    names = {
        str(name)
        for ds in datasets.values()
        if "network" in ds.coords and ds["network"].dims == ("station",)
        for name in ds["network"].values
    }
    return sorted(names)


def daily_figures(scores: xr.Dataset, metrics: list[str]) -> Iterator[Figure]:
    """Scores across space: a line over the days for each metric; strata are not drawn."""
    for name in metrics:
        if scores[name].dims == ("time",):
            caption = f"{_sentence_label(scores, name)} over all places of a day."
            yield Figure(caption, draw_svg(_daily_line, scores[name]), wide=True)


def trend_figures(scores: xr.Dataset, land: xr.DataArray | None) -> Iterator[Figure]:
    """Maps of the trends, where there are positions."""
    yield from _maps(scores, names_ending(scores, "_slope"), land, center=0.0)


def difference_figures(scores: xr.Dataset, land: xr.DataArray | None) -> Iterator[Figure]:
    """Maps of the differences, where there are positions."""
    yield from _maps(scores, names_ending(scores, "_difference"), land, center=0.0)


def _maps(
    scores: xr.Dataset, names: Iterable[str], land: xr.DataArray | None, **options: Any
) -> Iterator[Figure]:
    for name in names:
        placed = (coordinate(scores[name], None, kind) for kind in ("latitude", "longitude"))
        if any(coord is None for coord in placed):
            continue
        if scores[name].ndim <= 2 and np.isfinite(scores[name].values).any():
            svg = draw_svg(plotting.map, scores, name, land=land, title="", **options)
            yield Figure(f"{_sentence_label(scores, name)}.", svg)


def importance_figures(result: xr.Dataset) -> Iterator[Figure]:
    """Bars of the importance of predictors."""
    for metric in ("rmse_increase", "r2_decrease"):
        if metric in result:
            caption = f"{_sentence_label(result, metric)}."
            yield Figure(caption, draw_svg(plotting.importance, result, metric=metric))


def curve_figures(result: xr.Dataset) -> Iterator[Figure]:
    """Skill against the sequence length or the number of samples."""
    for metric in ("rmse", "r2"):
        if metric in result:
            caption = f"{_sentence_label(result, metric)}; dashed: the baseline."
            yield Figure(caption, draw_svg(plotting.curve, result, metric=metric))


def draw_svg(function: Callable[..., Any], *args: Any, **options: Any) -> bytes:
    """Draw on new axes and return reproducible SVG."""
    matplotlib = optional_import("matplotlib", "xsm.report", "plot")
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with matplotlib.rc_context({"svg.hashsalt": "xsm", "figure.dpi": 100, "savefig.dpi": 200}):
        drawn = function(*args, **options)
        figure = getattr(drawn, "figure", drawn)
        buffer = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
        plt.close(figure)
    return buffer.getvalue()


def _box_figure(strata: Mapping[str, xr.Dataset], name: str, caption: str) -> Figure:
    values = _concat_strata(strata, name)
    order = _group_order({"": strata[next(iter(strata))]}) if len(strata) == 1 else None
    return Figure(f"{caption} {BOXES}", draw_svg(plotting.box, values, title="", order=order))


def _concat_strata(strata: Mapping[str, xr.Dataset], name: str) -> xr.DataArray:
    """One metric of all strata, along a dimension "stratum" where there are several."""
    parts = [ds[name] for ds in strata.values()]
    if len(parts) == 1:
        return parts[0]
    scalars = {str(n) for part in parts for n, coord in part.coords.items() if coord.ndim == 0}
    parts = [part.drop_vars(scalars, errors="ignore") for part in parts]
    return xr.concat(parts, pd.Index(list(strata), name="stratum"), combine_attrs="override")


def _region_figures(scores: xr.Dataset) -> Iterator[Figure]:
    """Daily means of estimate and reference of each region, where `scores` holds them."""
    names = {role: f"summary_region_{role}" for role in ("estimate", "reference")}
    if not set(names.values()) <= set(scores.data_vars):
        return
    for i, region in enumerate(scores["region"].values):
        means = {role: scores[name].isel(region=i) for role, name in names.items()}
        ds = xr.Dataset(means, attrs=scores.attrs)
        yield Figure(f"{region}: daily area means.", draw_svg(plotting.series, ds), wide=True)


def _daily_line(da: xr.DataArray) -> Any:
    ax = axes_for(None, (9.0, 2.6))
    ax.plot(plotted_dates(da), da.values, color=COLOURS[0], lw=1.2, marker="o", ms=2.5)
    ax.set_ylabel(textwrap.fill(axis_label(da), 28), fontsize=9)
    format_dates(ax)
    return style_axes(ax)


def _sentence_label(scores: xr.Dataset, name: str) -> str:
    """Label of a variable with a capital letter."""
    text = name_with_units(scores[name])
    return text[:1].upper() + text[1:]
