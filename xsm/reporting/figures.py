"""The pictures of a report: which there are for each kind of validation."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import xsm.plotting as plotting
from xsm.plotting.selection import FIRST, metrics_of
from xsm.plotting.style import COLOURS, axes_for, label, tidy
from xsm.plotting.timeseries import date_axis
from xsm.reporting.page import Picture

BOXES = "Boxes: quartiles and median; whiskers: 5 to 95 %; fewer than five values: points."
TAYLOR = "Taylor diagram, normalised by the reference (star)."


def chosen(scores: xr.Dataset, metrics: tuple[str, ...] | None) -> list[str]:
    """The metrics to draw: those asked for, else the usual ones, else the first two."""
    names = metrics_of(scores)
    wanted = [name for name in (metrics or FIRST) if name in names]
    wanted = wanted if metrics or "ubrmsd" not in wanted else [n for n in wanted if n != "rmsd"]
    return [name for name in wanted or names[:2] if np.isfinite(scores[name].values).any()]


def station_pictures(
    scores: xr.Dataset, groups: Mapping[str, xr.Dataset], metrics: list[str], land: Any
) -> Iterator[Picture]:
    """Maps, boxes by network, and the pairs where they were kept."""
    whole = groups.get("all", groups.get("all year", next(iter(groups.values()))))
    note = f" ({next(k for k, v in groups.items() if v is whole)})" if len(groups) > 1 else ""
    for name in metrics:
        if np.isfinite(whole[name].values).any():
            text = f"{_words(scores, name)} at the stations{note}."
            yield Picture(text, draw(plotting.map, whole, name, land=land, title=""))
    for name in metrics:
        yield Picture(
            f"{_words(scores, name)}. {BOXES}",
            draw(plotting.box, _by_stratum(groups, name), title=""),
        )
    kept = {"estimate", "reference"} <= set(scores.data_vars)
    if kept or {"pearson_r", "std_ratio"} <= set(scores.data_vars):
        of = note if "std_ratio" in scores else ""
        yield Picture(f"{TAYLOR} A point is a station{of}.", draw(plotting.taylor, whole))
    if kept:
        yield Picture("All pairs of all stations.", draw(plotting.scatter, scores))
        yield Picture("The station of the median score.", draw(plotting.series, whole), wide=True)


def grid_pictures(
    scores: xr.Dataset, groups: Mapping[str, xr.Dataset], metrics: list[str], land: Any
) -> Iterator[Picture]:
    """Maps per metric and stratum, boxes over cells, and the summaries that have dates."""
    for name in metrics:
        for stratum, one in list(groups.items())[:6]:
            if np.isfinite(one[name].values).any():
                text = f"{_words(scores, name)}{f', {stratum}' if stratum else ''}."
                yield Picture(text, draw(plotting.map, one, name, land=land, title=""))
    if len(groups) > 1:
        for name in metrics:
            yield Picture(
                f"{_words(scores, name)} over cells. {BOXES}",
                draw(plotting.box, _by_stratum(groups, name), title=""),
            )
    for da in scores.data_vars.values():
        if str(da.name).startswith("summary_") and da.dims == ("time",) and da.notnull().any():
            yield Picture(
                f"{_words(scores, str(da.name))}, day by day.", draw(_line, da), wide=True
            )
    yield from _regions(scores)


def gap_pictures(scores: xr.Dataset, metrics: list[str]) -> Iterator[Picture]:
    """Bars by filler and kind, and the Taylor diagram of the fillers."""
    for name in metrics:
        low = f"{name}_low" in scores
        text = f"{_words(scores, name)} of each filler on each kind of simulated gap"
        yield Picture(
            f"{text}{'; whiskers: interval' if low else ''}.", draw(plotting.box, scores, name)
        )
    if "std_ratio" in scores and "pearson_r" in scores:
        yield Picture(f"{TAYLOR} A point is a filler.", draw(plotting.taylor, scores))


def side_by_side(sets: Mapping[str, xr.Dataset], metrics: list[str]) -> Iterator[Picture]:
    """Boxes of several validations in one picture."""
    for name in metrics:
        yield Picture(
            f"{_words(next(iter(sets.values())), name)}. {BOXES}", draw(plotting.box, sets, name)
        )


def draw(function: Callable[..., Any], *args: Any, **options: Any) -> bytes:
    """What `function` draws on axes of its own, as SVG that is the same every time."""
    import matplotlib
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    with matplotlib.rc_context({"svg.hashsalt": "xsm", "figure.dpi": 100, "savefig.dpi": 200}):
        ax = function(*args, **options)
        out = io.BytesIO()
        FigureCanvasSVG(ax.figure).print_svg(out, metadata={"Date": None})
        plt.close(ax.figure)
    return out.getvalue()


def _by_stratum(groups: Mapping[str, xr.Dataset], name: str) -> xr.DataArray:
    """The metric of all groups, along a dimension "stratum" where there are several."""
    parts = [one[name] for one in groups.values()]
    if len(parts) == 1:
        return parts[0]
    scalars = {str(n) for part in parts for n, c in part.coords.items() if c.ndim == 0}
    parts = [part.drop_vars(scalars, errors="ignore") for part in parts]
    return xr.concat(parts, pd.Index(list(groups), name="stratum"), combine_attrs="override")


def _regions(scores: xr.Dataset) -> Iterator[Picture]:
    """The daily means of estimate and reference of each region, where they were asked for."""
    names = {role: f"summary_region_{role}" for role in ("estimate", "reference")}
    if not set(names.values()) <= set(scores.data_vars):
        return
    for i, region in enumerate(scores["region"].values):
        means = {role: scores[name].isel(region=i) for role, name in names.items()}
        one = xr.Dataset(means, attrs=scores.attrs)
        yield Picture(f"{region}: area means, day by day.", draw(plotting.series, one), wide=True)


def _line(da: xr.DataArray) -> Any:
    ax = axes_for(None, (9.0, 2.6))
    ax.plot(da["time"].values, da.values, color=COLOURS[0], lw=1.2, marker="o", ms=2.5)
    ax.set_ylabel(textwrap.fill(label(da), 28), fontsize=9)
    date_axis(ax)
    return tidy(ax)


def _words(scores: xr.Dataset, name: str) -> str:
    text = label(scores[name])
    return text[:1].upper() + text[1:]
