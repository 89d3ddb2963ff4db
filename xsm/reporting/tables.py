"""Scores as rows of text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.plotting.groups import sample_dims
from xsm.plotting.selection import metrics_of
from xsm.plotting.style import units_text

MOST_ROWS = 500
# Heads of columns; what is not here has its long name.
SHORT = {
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
    "mse_corr": "MSE, correlation",
    "mse_bias": "MSE, bias",
    "mse_var": "MSE, variability",
    "std_ratio": "SD ratio",
}


class Table(NamedTuple):
    """What :meth:`Page.table` takes."""

    caption: str
    head: list[str]
    rows: list[list[str]]


def strata_dims(scores: xr.Dataset) -> list[str]:
    """The dimensions of the metrics that scores are not spread over."""
    names = metrics_of(scores)
    dims = {str(dim) for name in names for dim in scores[name].dims}
    sample = set().union(*(sample_dims(scores[name]) for name in names))
    return [str(dim) for dim in scores.sizes if dim in dims - sample]


def strata(scores: xr.Dataset) -> dict[str, xr.Dataset]:
    """One Dataset per combination of strata, labelled; {"": scores} where there is none."""
    over = strata_dims(scores)
    found = {}
    for where in itertools.product(*(range(scores.sizes[dim]) for dim in over)):
        one = scores.isel(dict(zip(over, where, strict=True)))
        found[", ".join(str(one[dim].item()) for dim in over)] = one
    return found


def summary(groups: Mapping[str, xr.Dataset], first: str, over: str) -> Table:
    """Median and quartiles of every metric over stations or cells, a row per group.

    Parameters
    ----------
    groups : mapping
        Label of a row to its scores.
    first : str
        What tells the rows apart: head of the first column.
    over : str
        What the scores are spread over, such as ``"stations"``.
    """
    names = list(dict.fromkeys(name for one in groups.values() for name in metrics_of(one)))
    some = next(iter(groups.values()))
    spread = any(_finite(one[name]).size > 1 for one in groups.values() for name in metrics_of(one))
    digits = {name: _digits(groups, name) for name in names}
    significant = [n for n in names if any(f"p_{n}" in one for one in groups.values())]
    sensed = len({_layer(one) for one in groups.values()}) > 1
    head = [first, *([over] if spread else []), *(["layer (m)"] if sensed else []), "pairs"]
    head += [_head(some, name) for name in names]
    head += [f"p < 0.05, {SHORT.get(name, name)}" for name in significant]
    rows = []
    for label, one in groups.items():
        scored = max((_finite(one[name]).size for name in names if name in one), default=0)
        row = [label or f"all {over}", *([f"{scored:,}"] if spread else [])]
        row += [*([_layer(one)] if sensed else []), _pairs(one, spread)]
        row += [_cell(one.get(name), digits[name]) for name in names]
        rows.append(row + [_share(one.get(f"p_{name}")) for name in significant])
    caption = (
        f"Median (quartiles) over {over}; pairs: median number of a score." if spread else "Scores."
    )
    return Table(caption, head, rows)


def by_network(scores: xr.Dataset) -> dict[str, xr.Dataset]:
    """The stations of all networks together, and of each."""
    groups = {"all": scores}
    if "network" in scores.coords and scores["network"].dims == ("station",):
        values = scores["network"].values
        groups |= {
            str(n): scores.isel(station=np.flatnonzero(values == n)) for n in np.unique(values)
        }
    return groups


def names_by_method(scores: xr.Dataset) -> list[str]:
    """The metrics of simulated gaps, then the shares: filled, and inside the interval."""
    shares = [str(n) for n in scores.data_vars if str(n).startswith(("share_", "coverage_"))]
    return [*metrics_of(scores), *(n for n in shares if {"filler", "kind"} <= {*scores[n].dims})]


def methods(scores: xr.Dataset, metric: str) -> Table:
    """One metric of simulated gaps: a row per filler, a column per kind of gap."""
    da = scores[metric].transpose("filler", "kind")
    digits = _digits({"": scores}, metric)
    rows = [
        [str(name), *(number(value, digits, metric) for value in line)]
        for name, line in zip(da["filler"].values, da.values, strict=True)
    ]
    head = ["filler", *(str(kind).replace("_", " ") for kind in da["kind"].values)]
    counts = scores["n_obs"] if "n_obs" in scores else None
    text = f"{_head(scores, metric)} by kind of simulated gap"
    if counts is not None:
        counts = counts.max("filler") if "filler" in counts.dims else counts
        n = ", ".join(f"{int(c):,} {k}" for k, c in zip(head[1:], counts.values, strict=True))
        text += f"; hidden values: {n}"
    return Table(text + ".", head, rows)


def per_method(scores: xr.Dataset) -> Table | None:
    """What simulated gaps tell of a filler beyond its scores: seams, annual cycle."""
    names = [str(n) for n, da in scores.data_vars.items() if da.dims == ("filler",)]
    if not names:
        return None
    found = labelled(scores, names, "Tests of the filled record.")
    before = [scores.get(f"{name.removesuffix('_filled')}_original") for name in names]
    if any(one is not None for one in before):
        cells = ["" if one is None else number(one.item(), 3) for one in before]
        found.rows.insert(0, ["original record", *cells])
    return found


def area_weighted(scores: xr.Dataset) -> list[Table]:
    """The area-weighted summaries of a product, a table per stratum."""
    names = [str(n) for n in scores.data_vars if str(n).startswith("summary_")]
    names = [name for name in names if "statistic" in scores[name].dims]
    over = [dim for dim in scores[names[0]].dims if dim != "statistic"] if names else []
    found = []
    for where in itertools.product(*(range(scores.sizes[dim]) for dim in over)) if names else ():
        one = scores[names].isel(dict(zip(over, where, strict=True)))
        words = ", ".join(str(one[dim].item()) for dim in over)
        text = f"Area-weighted over the cells{f': {words}' if words else ''}."
        found.append(labelled(one, names, text))
    return found


def labelled(scores: xr.Dataset, names: list[str], caption: str) -> Table:
    """Variables along one labelled dimension: a row per label."""
    dim = scores[names[0]].dims[0]
    columns = [[number(value, 3, name) for value in scores[name].values] for name in names]
    rows = [[str(v), *line] for v, *line in zip(scores[dim].values, *columns, strict=True)]
    return Table(caption, [str(dim), *(_head(scores, name) for name in names)], rows)


def status(scores: xr.Dataset) -> Table | None:
    """How many scores have which status; None where all are fine."""
    if "status" not in scores:
        return None
    values, attrs = scores["status"].values.ravel(), scores["status"].attrs
    if not values.any():
        return None
    words = dict(zip(np.ravel(attrs["flag_values"]), attrs["flag_meanings"].split(), strict=True))
    rows = [
        [words.get(code, str(code)).replace("_", " "), f"{n:,}", f"{100 * n / values.size:.1f} %"]
        for code, n in zip(*np.unique(values, return_counts=True), strict=True)
    ]
    return Table("Status of the scores.", ["status", "number", "share"], rows)


def per_station(scores: xr.Dataset) -> Table:
    """Every station with its scores and intervals, at most `MOST_ROWS`."""
    names = metrics_of(scores)
    known = ("network", "lat", "lon", "depth_from", "depth_to")
    about = [name for name in known if name in scores.coords and scores[name].ndim == 1]
    digits = {name: _digits({"": scores}, name) for name in names}
    title = "station_name" if "station_name" in scores.coords else "station"
    rows = []
    for i in range(min(scores.sizes["station"], MOST_ROWS)):
        one = scores.isel(station=i)
        row = [str(one[title].item()), *(_place(one[name].item()) for name in about)]
        row += [f"{one['n_obs'].item():,}"] if "n_obs" in one else []
        rows.append(row + [_with_interval(one, name, digits[name]) for name in names])
    head = ["station", *(name.replace("_", " ") for name in about)]
    head += (["pairs"] if "n_obs" in scores else []) + [_head(scores, name) for name in names]
    left = scores.sizes["station"] - len(rows)
    more = f" The first {MOST_ROWS}; {left:,} more are in the scores." if left else ""
    interval = any(f"{name}_low" in scores for name in names)
    return Table(f"Stations{', with intervals' if interval else ''}.{more}", head, rows)


def number(value: float, digits: int, name: str = "") -> str:
    """A number for people: real minus, sign on a bias, a dash for none.

    Examples
    --------
    >>> number(-0.0312, 3, "bias"), number(0.0312, 3, "bias"), number(float("nan"), 3)
    ('−0.031', '+0.031', '–')
    """
    if not np.isfinite(value):
        return "–"
    value = round(float(value), digits) or 0.0  # no minus before zero
    text = f"{value:+.{digits}f}" if "bias" in name and value else f"{value:.{digits}f}"
    return text.replace("-", "−")


def _cell(da: xr.DataArray | None, digits: int) -> str:
    if da is None or not (values := _finite(da)).size:
        return number(np.nan, digits)
    if values.size == 1:
        return number(values[0], digits, str(da.name))
    middle, *ends = (number(v, digits, str(da.name)) for v in np.percentile(values, [50, 25, 75]))
    return f"{middle}\n({ends[0]}, {ends[1]})"


def _with_interval(one: xr.Dataset, name: str, digits: int) -> str:
    text = number(one[name].item(), digits, name)
    if f"{name}_low" not in one or not np.isfinite(one[name].item()):
        return text
    ends = (number(one[f"{name}_{end}"].item(), digits, name) for end in ("low", "high"))
    return f"{text} [{', '.join(ends)}]"


def _head(scores: xr.Dataset, name: str) -> str:
    units = units_text(str(scores[name].attrs.get("units", "1"))) if name in scores else ""
    text = SHORT.get(name.removeprefix("summary_"), name.replace("_", " "))
    if name in scores and name.removeprefix("summary_") not in SHORT:
        text = str(scores[name].attrs.get("long_name", text))
    return f"{text} ({units})" if units else text


def _digits(groups: Mapping[str, xr.Dataset], name: str) -> int:
    """Decimals that leave three figures of the larger values; three or more."""
    every = np.concatenate([_finite(one[name]) for one in groups.values() if name in one])
    size = np.percentile(np.abs(every), 90) if every.size else 0.0
    return 3 if size < 1e-7 or size >= 0.01 else int(2 - np.floor(np.log10(size)))


def _layer(one: xr.Dataset) -> str:
    """Where the sensors of stations sense, m; empty where that is not known."""
    if "depth_to" not in one.coords or one["depth_to"].dims != ("station",):
        return ""
    lower = _finite(one["depth_to"])
    upper = _finite(one["depth_from"]) if "depth_from" in one.coords else lower
    if not lower.size or not upper.size:
        return ""
    ends = dict.fromkeys(_place(round(float(v), 3)) for v in (upper.min(), lower.max()))
    return " to ".join(ends)


def _pairs(one: xr.Dataset, spread: bool) -> str:
    if "n_obs" not in one:
        return "–"
    values = one["n_obs"].values.ravel()
    values = values[values > 0] if spread else values
    return f"{int(np.median(values)):,}" if values.size else "0"


def percent(share: float) -> str:
    """A share for people."""
    return f"{100 * share:.0f} %" if np.isfinite(share) else "–"


def _share(p: xr.DataArray | None) -> str:
    values = np.empty(0) if p is None else _finite(p)
    return percent(float(np.mean(values < 0.05)) if values.size else np.nan)


def _place(value: object) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _finite(da: xr.DataArray) -> NDArray[np.floating]:
    values = np.asarray(da.values, float).ravel()
    return values[np.isfinite(values)]
