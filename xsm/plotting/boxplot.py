"""How a score is distributed over stations or cells per group, and bars of simulated gaps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.plotting.selection import (
    GAP_DIMS,
    comparison_title,
    datasets_by_name,
    select_metric,
    select_stratum,
    values_by_group,
)
from xsm.plotting.style import (
    COLOURS,
    DARK,
    GREY,
    axes_for,
    ink,
    legend_above,
    lower_is_better,
    plain_text,
    set_title,
    style_rows,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

P_VALUES = ("p_wilcoxon_corrected", "p_wilcoxon")  # in order of preference
MIN_BOX_SIZE = 5  # smaller groups are drawn as points: quartiles of so few values mislead
MAX_OUTLIERS_FROM = 2000  # outliers are drawn for up to so many values


def box(
    scores: Any,
    metric: str | None = None,
    *,
    by: str | None = None,
    comparison: xr.Dataset | None = None,
    order: Sequence[str] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a box per group: quartiles and median, whiskers from the 5th to the 95th percentile.

    Groups of fewer than five values are drawn as points. Simulated gaps have one score per fill
    method and gap pattern. They are drawn as bars, with confidence intervals where `scores` has
    them.

    Parameters
    ----------
    scores : Dataset, DataArray, or mapping of names to them
        Results of ``validate``. The Datasets of a mapping are drawn side by side in each group,
        in a colour each.
    metric : str, optional
        Name of the variable; the correlation or the first one where not given.
    by : str, optional
        What to group by: a stratum such as ``"season"``, or a coordinate of the stations such as
        ``"network"`` (in order of the median). Default: the stratum, else the network.
    comparison : Dataset, optional
        Of :func:`xsm.compare`: groups whose scores differ are marked by one star for p < 0.05,
        two for p < 0.01 and three for p < 0.001 (Wilcoxon, corrected where the result is).
    order : sequence of str, optional
        Groups from top to bottom; those that it does not name follow.
    ax : matplotlib Axes, optional
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the metric or the group is not in `scores`, or no value is finite.
    MissingPackageError
        If matplotlib is not installed.
    """
    arrays = {name: select_metric(ds, metric) for name, ds in datasets_by_name(scores).items()}
    first = next(iter(arrays.values()))
    if "fill_method" in first.dims:
        if len(arrays) > 1:
            raise InputError(
                f"scores has simulated gaps of {list(arrays)}: draw one at a time, or join them "
                'along "fill_method" with xr.concat.'
            )
        return _draw_bars(scores, first, ax=ax, title=title)
    grouped = {name: values_by_group(da, by) for name, da in arrays.items()}
    by = next(iter(grouped.values()))[1]
    series = [groups for groups, _ in grouped.values()]
    marks = _marks(comparison, first)
    layers = _layers(first, by)
    labels = list(
        dict.fromkeys(label for groups in series for label, values in groups.items() if values.size)
    )
    position = {group: i for i, group in enumerate(order or ())}
    labels.sort(key=lambda label: position.get(label, len(position)))
    if not labels:
        raise InputError(f"{first.name} has no finite value: see scores['status'].")
    ax = axes_for(ax, (5.8, 1.3 + max(len(labels), 2) * (0.18 + 0.24 * len(series))))
    width = 0.8 / len(series)
    for i, groups in enumerate(series):
        offset = (i - (len(series) - 1) / 2) * width
        rows = {k + offset: groups[label] for k, label in enumerate(labels) if label in groups}
        _draw_boxes(ax, rows, width, COLOURS[i % len(COLOURS)])
    rows_text = [
        f"{plain_text(label)}{marks.get(label, '')}\n"
        f"{layers.get(label, '')}n = {_counts(series, label)}"
        for label in labels
    ]
    ax.set_yticks(range(len(labels)), rows_text)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    if len(series) > 1:
        _draw_legend(ax, list(grouped))
    style_rows(ax, first)
    if by not in ("", "network", "stratum"):
        ax.set_ylabel(plain_text(by.replace("_", " ")), fontsize=10)
    set_title(ax, title, comparison_title(scores) if isinstance(scores, xr.Dataset) else None)
    return ax


def _marks(comparison: xr.Dataset | None, da: xr.DataArray) -> dict[str, str]:
    """Group -> stars of significance."""
    if comparison is None:
        return {}
    p = next((comparison.get(name) for name in P_VALUES if name in comparison), None)
    if p is None or "metric" not in p.dims or str(da.name) not in comparison["metric"].values:
        raise InputError(
            f"comparison has no p values of {da.name}: expected the result of xsm.compare with "
            f"metric={str(da.name)!r}."
        )
    values = p.sel(metric=str(da.name))
    return {
        str(group): " " + "*" * sum(value < limit for limit in (0.05, 0.01, 0.001))
        for group, value in zip(values["group"].values, values.values, strict=True)
    }


def _layers(da: xr.DataArray, by: str) -> dict[str, str]:
    """Network -> the median lower end of its sensors, where the networks sense other depths."""
    depth = da.coords.get("depth_to")
    if by != "network" or depth is None or depth.dims != ("station",):
        return {}
    medians = {
        str(name): float(np.nanmedian(depth.values[da["network"].values == name]))
        for name in np.unique(da["network"].values)
        if np.isfinite(depth.values[da["network"].values == name]).any()
    }
    if len(set(medians.values())) < 2:
        return {}
    return {name: f"to {100 * value:.0f} cm, " for name, value in medians.items()}


def _draw_boxes(
    ax: Axes, rows: dict[float, NDArray[np.floating]], width: float, colour: str
) -> None:
    """Draw values at their position on y: a box, or points where they are few."""
    boxes = {y: values for y, values in rows.items() if values.size >= MIN_BOX_SIZE}
    if boxes:
        ax.boxplot(
            list(boxes.values()),
            positions=list(boxes),
            widths=0.7 * width,
            orientation="horizontal",
            whis=(5, 95),
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": colour, "alpha": 0.75, "lw": 0},
            medianprops={"color": ink(ax), "lw": 1.6},
            whiskerprops={"color": ink(ax), "lw": 0.9},
            capprops={"lw": 0},
            flierprops={"marker": ".", "ms": 3, "mec": GREY, "mfc": GREY},
            showfliers=sum(values.size for values in boxes.values()) <= MAX_OUTLIERS_FROM,
        )
    for y, values in rows.items():
        if y not in boxes:
            ax.plot(values, np.full(values.size, y), "o", color=colour, ms=5, mec=DARK, mew=0.5)


def _counts(series: list[dict[str, NDArray[np.floating]]], label: str) -> str:
    return " | ".join(f"{groups[label].size:,}" if label in groups else "0" for groups in series)


def _draw_legend(ax: Axes, names: list[str]) -> None:
    from matplotlib.patches import Patch

    colours = [COLOURS[i % len(COLOURS)] for i in range(len(names))]
    legend_above(
        ax,
        [
            Patch(color=c, alpha=0.75, label=plain_text(n))
            for c, n in zip(colours, names, strict=True)
        ],
    )


def _draw_bars(
    scores: xr.Dataset | xr.DataArray, da: xr.DataArray, *, ax: Axes | None, title: str | None
) -> Axes:
    """Draw `da` (fill method, gap pattern) as one group of bars per fill method, best on top.

    ``<metric>_low`` and ``<metric>_high`` of `scores` become whiskers.
    """
    da = select_stratum(da, set(GAP_DIMS))
    if "gap_pattern" not in da.dims:
        da = da.expand_dims(gap_pattern=[""])
    da = da.transpose(*GAP_DIMS)
    patterns = [str(pattern) for pattern in da["gap_pattern"].values]
    da = da.isel(fill_method=_best_first(da, patterns))
    n_methods = da.sizes["fill_method"]
    ax = axes_for(ax, (6.0, 1.2 + 0.16 * da.size + 0.14 * n_methods))
    height = 0.82 / len(patterns)
    bars = []
    for k, pattern in enumerate(patterns):
        y = np.arange(n_methods) + (k - (len(patterns) - 1) / 2) * height
        colour = ink(ax) if pattern == "all" else COLOURS[k % len(COLOURS)]
        values = da.values[:, k]
        label = plain_text(pattern.replace("_", " "))
        bars.append(ax.barh(y, values, 0.86 * height, color=colour, label=label))
        if (ends := _interval(scores, da, pattern)) is not None:
            reach = np.clip(np.stack([values - ends[0], ends[1] - values]), 0, None)
            ax.errorbar(values, y, xerr=reach, fmt="none", ecolor="#999999", elinewidth=1.2)
    ax.set_yticks(range(n_methods), [plain_text(name) for name in da["fill_method"].values])
    ax.invert_yaxis()
    style_rows(ax, da)
    if len(patterns) > 1:
        legend_above(ax, bars, title="gap pattern")
    set_title(ax, title)
    return ax


def _best_first(da: xr.DataArray, patterns: list[str]) -> NDArray[np.intp]:
    """Order of the fill methods: by the total over gap patterns, else by their mean."""
    has_total = "all" in patterns
    total = da.sel(gap_pattern="all") if has_total else da.mean("gap_pattern")
    return np.argsort(lower_is_better(da, total.values), kind="stable")


def _interval(
    scores: xr.Dataset | xr.DataArray, da: xr.DataArray, pattern: str
) -> NDArray[np.floating] | None:
    """Lower and upper end (2, fill method) for one gap pattern, where `scores` has them."""
    names = [f"{da.name}_low", f"{da.name}_high"]
    if not isinstance(scores, xr.Dataset) or not set(names) <= set(scores.data_vars):
        return None
    arrays = (select_stratum(scores[name], set(GAP_DIMS)) for name in names)
    ends = [end.sel(gap_pattern=pattern) if "gap_pattern" in end.dims else end for end in arrays]
    return np.stack([end.sel({"fill_method": da["fill_method"]}).values for end in ends])
