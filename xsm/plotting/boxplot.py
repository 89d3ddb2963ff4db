"""How a score is distributed over stations or cells, group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.plotting.bars import bars
from xsm.plotting.groups import grouped, named
from xsm.plotting.selection import against, pick
from xsm.plotting.style import COLOURS, INK, QUIET, axes_for, heading, label, middle, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 5  # fewer values than this are drawn as points: a box would pretend


def box(
    scores: Any,
    metric: str | None = None,
    *,
    by: str | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a box per group: quartiles and median, whiskers from the 5th to the 95th percentile.

    Groups of fewer than five values are drawn as points. Simulated gaps, which have one score per
    method and kind of gap, are drawn as bars, with their intervals where they were asked for.

    Parameters
    ----------
    scores : Dataset, DataArray, or mapping of names to them
        What ``validate`` returns; of a mapping each has a colour, side by side in every group.
    metric : str, optional
        Name of the variable; the correlation or the first one where not given.
    by : str, optional
        What to group by: a stratum such as ``"season"``, or a coordinate of the stations such as
        ``"network"`` (in order of the median). Found where not given.
    ax : matplotlib Axes, optional
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the metric or the group is not there, or nothing is finite.
    ImportError
        If matplotlib is not installed.
    """
    sets = {name: pick(one, metric) for name, one in named(scores).items()}
    first = next(iter(sets.values()))
    if "filler" in first.dims:
        if len(sets) > 1:
            raise InputError(
                f"scores has simulated gaps of {list(sets)}: draw one at a time, or join them "
                'along "filler" with xr.concat.'
            )
        return bars(scores, first, ax=ax, title=title)
    data = {name: grouped(da, by) for name, da in sets.items()}
    by = next(iter(data.values()))[1]
    every = [item for groups, _ in data.values() for item in groups.items()]
    labels = list(dict.fromkeys(group for group, values in every if values.size))
    if not labels:
        raise InputError(f"{first.name} has no finite value: see scores['status'].")
    ax = axes_for(ax, (5.8, 1.3 + max(len(labels), 2) * (0.18 + 0.24 * len(data))))
    width = 0.8 / len(data)
    for i, (groups, _) in enumerate(data.values()):
        at = {group: k + (i - (len(data) - 1) / 2) * width for k, group in enumerate(labels)}
        _draw(
            ax, {k: groups[k] for k in labels if k in groups}, at, width, COLOURS[i % len(COLOURS)]
        )
    counts = [
        " | ".join(
            f"{groups[label].size:,}" if label in groups else "0" for groups, _ in data.values()
        )
        for label in labels
    ]
    ax.set_yticks(
        range(len(labels)), [f"{a}\nn = {n}" for a, n in zip(labels, counts, strict=True)]
    )
    ax.set_ylim(len(labels) - 0.4, -0.6)
    _name_colours(ax, list(data))
    if (best := middle(first)) is not None:
        ax.axvline(best, color=INK, lw=0.8, zorder=0.9)
    ax.grid(axis="x", color="#e3e3e3", lw=0.7)
    ax.set_axisbelow(True)
    ax.set_xlabel(label(first), fontsize=10)
    if by not in ("", "network", "stratum"):
        ax.set_ylabel(by.replace("_", " "), fontsize=10)
    tidy(ax).tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    heading(ax, title, against(scores) if isinstance(scores, xr.Dataset) else None)
    return ax


def _draw(ax: Axes, groups: dict, at: dict[str, float], width: float, colour: str) -> None:
    many = {group: values for group, values in groups.items() if values.size >= FEW}
    line: dict[str, Any] = {"color": INK, "lw": 0.9}
    if many:
        ax.boxplot(
            list(many.values()),
            positions=[at[group] for group in many],
            widths=0.7 * width,
            orientation="horizontal",
            whis=(5, 95),
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.75, "lw": 0},
            medianprops={"color": INK, "lw": 1.6},
            whiskerprops=line,
            capprops={"lw": 0},
            flierprops={"marker": ".", "ms": 3, "mec": QUIET, "mfc": QUIET},
            showfliers=sum(values.size for values in many.values()) <= 2000,
        )
    for group, values in groups.items():
        if values.size < FEW:
            y = np.full(values.size, at[group])
            ax.plot(values, y, "o", color=colour, ms=5, mec=INK, mew=0.5)


def _name_colours(ax: Axes, names: list[str]) -> None:
    """A legend of the Datasets, where there are several."""
    if len(names) < 2:
        return
    from matplotlib.patches import Patch

    patches = [
        Patch(color=COLOURS[i % len(COLOURS)], alpha=0.75, label=name)
        for i, name in enumerate(names)
    ]
    ax.figure.legend(
        handles=patches,
        loc="outside upper right",
        ncols=min(len(names), 4),
        fontsize=9,
        frameon=False,
    )
