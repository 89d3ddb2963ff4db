"""The Taylor diagram: correlation, ratio of standard deviations and centred RMS in one point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.plotting.selection import (
    datasets_by_name,
    matched_pairs,
    select_metric,
    select_stratum,
    unlabelled_dims,
)
from xsm.plotting.style import (
    COLOURS,
    GREY,
    axes_for,
    grid_colour,
    ink,
    plain_text,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vPX"
CORRELATIONS = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
RMS_COLOUR = "#3a7d6b"


def taylor(
    scores: Any,
    *,
    by: str | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a Taylor diagram, normalised by the standard deviation of the reference.

    The distance of a point from the origin is the ratio of the standard deviations, its angle the
    correlation, and its distance from the star, the reference, the centred (unbiased) RMS
    difference over the standard deviation of the reference.

    Parameters
    ----------
    scores : Dataset, or mapping of names to Datasets
        With ``pearson_r`` and ``std_ratio``, or with the matched pairs ``estimate`` and
        ``reference``.
    by : str, optional
        What the colours mean: ``"fill_method"``, ``"network"``, another coordinate of the
        stations, or a stratum. Default: the fill method, else the network. For a mapping it is
        always the name of the Dataset.
    ax : matplotlib Axes, optional
        Plain axes, not polar.
    title : str, optional

    Returns
    -------
    Axes

    References
    ----------
    Taylor, K. E. (2001), J. Geophys. Res. 106, 7183, doi 10.1029/2000JD900719.

    Raises
    ------
    InputError
        If `scores` holds neither the ratio nor the pairs, or no point is finite.
    MissingPackageError
        If matplotlib is not installed.
    """
    datasets = datasets_by_name(scores)
    groups: dict[str, NDArray[np.floating]] = {}
    for name, ds in datasets.items():
        by_group = _points_by_group(ds, by if len(datasets) == 1 else "")
        groups |= {name or group: points for group, points in by_group.items()}
    groups = {group: points for group, points in groups.items() if points.size}
    if not groups:
        raise InputError(
            "scores has no finite pair of pearson_r and std_ratio: see scores['status']."
        )
    r, ratio = np.concatenate(list(groups.values()), axis=1)
    limit = _axis_limit(ratio)
    negative = bool((r < -0.02).any())
    ax = axes_for(ax, (7.2 if negative else 5.8, 4.6))
    _draw_frame(ax, limit, negative)
    for i, (group, points) in enumerate(groups.items()):
        group_r, group_ratio = points[:, points[1] <= limit]
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKERS[i // len(COLOURS) % len(MARKERS)],
            "s": 60 if group_r.size == 1 else float(np.clip(1500 / r.size, 8, 36)),
            "edgecolors": "white",
            "linewidths": 0.5,
            "zorder": 4,
        }
        ax.scatter(
            group_ratio * group_r, group_ratio * _sine(group_r), label=plain_text(group), **style
        )
    if beyond := int((ratio > limit).sum()):
        ax.set_title(f"{beyond} beyond {limit:g}", loc="right", fontsize=8, color=GREY)
    ax.plot([], [], color=RMS_COLOUR, ls=":", lw=1, label="centred RMS")
    if len(groups) > 1 or next(iter(groups)):
        anchor = (1.02 if negative else 0.94, 1.0)
        options: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": anchor}
        ax.legend(fontsize=9, frameon=False, handletextpad=0.3, **options)
    set_title(ax, title)
    return ax


def _axis_limit(ratio: NDArray[np.floating]) -> float:
    """End of the axis of the ratio: outliers, in the sense of a box plot, lie beyond."""
    low, high = np.percentile(ratio, [25, 75])
    end = min(ratio.max(), high + 1.5 * (high - low) if ratio.size > 4 else 2 * np.median(ratio))
    return float(np.clip(np.ceil(4 * end + 0.4) / 4, 1.5, 4.0))


def _points_by_group(scores: xr.Dataset, by: str | None) -> dict[str, NDArray[np.floating]]:
    """Correlation and ratio (2, n) of each group."""
    r, ratio = correlation_and_ratio(scores)
    sample = {str(dim) for dim in ("station", "fill_method") if dim in r.dims}
    sample = sample or unlabelled_dims(r)
    if by is None:
        groupings = [n for n in ("fill_method", "network") if n in r.coords and r[n].ndim == 1]
        by = next(iter(groupings), "")
    keep = {*sample, by}
    r, ratio = (select_stratum(da, keep) for da in (r, ratio))
    r, ratio = xr.broadcast(r, ratio)
    if not by:
        return {"": _finite_points(r, ratio)}
    if by not in r.coords or r[by].ndim != 1:
        raise InputError(
            f"by={by!r} is no coordinate of the scores: expected one of {[*r.coords]}."
        )
    labels = r[by]
    groups = {}
    for value in dict.fromkeys(labels.values.tolist()):
        index = {labels.dims[0]: np.flatnonzero(labels.values == value)}
        groups[str(value)] = _finite_points(r.isel(index), ratio.isel(index))
    return groups


def correlation_and_ratio(scores: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Return correlation and ratio of standard deviations (estimate over reference)."""
    if "std_ratio" in scores.data_vars:
        return select_metric(scores, "pearson_r"), scores["std_ratio"]
    if not {"estimate", "reference"} <= set(scores.data_vars):
        raise InputError(
            "scores has neither std_ratio nor the matched pairs: a Taylor diagram needs one of "
            'them. Ask for one: validate(..., metrics=[..., "pearson_r", "std_ratio"]) or '
            "keep_pairs=True."
        )
    estimate, reference = matched_pairs(scores, None)
    both = np.isfinite(estimate) & np.isfinite(reference)
    ratio = estimate.where(both).std("time") / reference.where(both).std("time")
    return xr.corr(estimate, reference, "time"), ratio


def _finite_points(r: xr.DataArray, ratio: xr.DataArray) -> NDArray[np.floating]:
    points = np.stack([r.values.ravel(), ratio.transpose(*r.dims).values.ravel()])
    return points[:, np.isfinite(points).all(0)]


def _sine(r: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.sqrt(np.clip(1 - r**2, 0, 1))


def _draw_frame(ax: Axes, limit: float, negative: bool) -> None:
    """Arcs of the ratio, rays of the correlation, arcs of the centred RMS, and the reference."""
    angle = np.linspace(0, np.pi if negative else np.pi / 2, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)])  # (2, 181)
    radii = np.arange(0.5, limit + 0.01, 0.5)
    for radius in radii:
        colour, line = (GREY, "--") if radius == 1.0 else (grid_colour(ax), "-")
        ax.plot(*(radius * circle), color=colour, lw=0.9, ls=line)
    ax.plot(*(limit * circle), color=ink(ax), lw=1.2)
    _draw_rays(ax, limit, negative)
    _draw_rms_arcs(ax, limit, negative)
    ax.plot(1, 0, "*", color=ink(ax), ms=13, clip_on=False, zorder=5)
    ax.set_aspect("equal")
    ax.set_xlim(-1.12 * limit if negative else 0, 1.12 * limit)
    ax.set_ylim(0, 1.12 * limit)
    xticks = [*(-radii[::-1] if negative else ()), 0, *radii]
    yticks = [] if negative else [0, *radii]
    ax.set_xticks(xticks, [f"{abs(tick):g}" for tick in xticks])
    ax.set_yticks(yticks, [f"{tick:g}" for tick in yticks])
    ax.spines[:].set_visible(False)
    ax.tick_params(labelsize=9, length=0, pad=8)  # below the star
    ax.set_xlabel("standard deviation over that of the reference", fontsize=10)


def _draw_rays(ax: Axes, limit: float, negative: bool) -> None:
    """Lines of equal correlation, labelled outside of the outer arc."""
    for r in (*(-r for r in (1.0, *CORRELATIONS) if negative), 0.0, *CORRELATIONS, 1.0):
        x, y = r * limit, float(_sine(np.asarray(r))) * limit
        ax.plot([0, x], [0, y], color=grid_colour(ax), lw=0.6)
        angle = float(np.rad2deg(np.arctan2(y, x)))
        options: dict[str, Any] = {"fontsize": 8, "va": "center", "rotation_mode": "anchor"}
        options |= {"ha": "left", "rotation": angle} if r >= 0 else {}
        options |= {"ha": "right", "rotation": angle - 180} if r < 0 else {}
        ax.text(1.02 * x, 1.02 * y, f"{r:g}".replace("-", "−"), **options)
    options = {"fontsize": 10, "ha": "center", "va": "bottom" if negative else "center"}
    if negative:
        ax.text(0.0, 1.12 * limit, "correlation", **options)
    else:
        diagonal = 1.16 * np.sqrt(0.5) * limit
        ax.text(diagonal, diagonal, "correlation", rotation=-45.0, **options)


def _draw_rms_arcs(ax: Axes, limit: float, negative: bool) -> None:
    """Arcs of equal centred RMS about the reference, labelled where they are long enough."""
    angle = np.linspace(0, np.pi, 181)
    options: dict[str, Any] = {"fontsize": 8, "ha": "center", "va": "center", "zorder": 2.5}
    options["bbox"] = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.8}
    for rms in np.arange(0.5, limit + 0.6, 0.5):
        x, y = 1 + rms * np.cos(angle), rms * np.sin(angle)
        inside = (np.hypot(x, y) <= limit) & (negative | (x >= 0))
        ax.plot(np.where(inside, x, np.nan), y, color=RMS_COLOUR, lw=0.8, ls=":")
        if inside.sum() > 24:
            label = np.flatnonzero(inside)[int(0.6 * inside.sum())]
            ax.text(x[label], y[label], f"{rms:g}", color=RMS_COLOUR, **options)
