"""What `xsm.compare` found, as rows of text."""

from __future__ import annotations

import xarray as xr

from xsm.reporting.tables import SHORT, Table, number, percent


def comparison(found: xr.Dataset) -> list[Table]:
    """A table per metric, a row per group of stations."""
    a, b = found.attrs["name_a"], found.attrs["name_b"]
    correction = str(found.attrs.get("correction", "none"))
    shown = {"p_t": "p, paired t", "p_wilcoxon": "p, Wilcoxon"}
    if correction != "none":
        shown = {f"{k}_corrected": f"{words} ({correction})" for k, words in shown.items()}
    by = str(found.attrs.get("by", "none"))
    head = ["group" if by == "none" else by.replace("_", " "), "stations"]
    head += [f"median, {a}", f"median, {b}", f"won by {a}", "tied", *shown.values()]
    tables = []
    for name in map(str, found["metric"].values):
        one = found.sel(metric=name)
        rows = []
        for k, group in enumerate(one["group"].values):
            here = one.isel(group=k)
            row = [str(group), f"{here['n_stations'].item():,.0f}"]
            row += [number(here[f"median_{side}"].item(), 3, name) for side in "ab"]
            row += [percent(here[f"share_{what}"].item()) for what in ("won", "tied")]
            rows.append(row + [_p_value(here[p].item()) for p in shown])
        text = f"{SHORT.get(name, name)}: {a} against {b} at the same stations."
        tables.append(Table(text, head, rows))
    return tables


def _p_value(p: float) -> str:
    """A p value for people.

    Examples
    --------
    >>> _p_value(0.0321), _p_value(2e-9), _p_value(float("nan"))
    ('0.032', '< 0.001', '–')
    """
    return "< 0.001" if p < 0.001 else number(p, 3)
