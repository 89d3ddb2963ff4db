"""Scatter diagram of the matched pairs: their density about the 1:1 line."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.plotting.selection import (
    matched_pairs,
    role_names,
    select_stratum,
    station_index,
    station_label,
    unlabelled_dims,
)
from xsm.plotting.style import (
    CMAP_SKILL,
    COLOURS,
    add_colour_bar,
    axes_for,
    format_units,
    ink,
    place_below,
    plain_text,
    set_title,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_HIDDEN = 0.002  # of the pairs: more may not lie below the legend
MIN_DENSITY_PAIRS = 400  # fewer pairs are drawn as points
STATISTICS = ("pearson_r", "bias", "rmsd", "ubrmsd")


def scatter(
    scores: xr.Dataset,
    *,
    station: str | int | None = None,
    wet: float | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw estimate against reference: density, 1:1 line, linear fit and statistics.

    Parameters
    ----------
    scores : Dataset
        With the matched pairs ``estimate`` and ``reference`` (station, time), from
        ``validate(..., keep_pairs=True)``.
    station : str, int or None
        One station, by label, name or position; None draws all stations together.
    wet : float, optional
        Reference in m3 m-3 above which the pairs have statistics of their own, such as 0.4: wet
        soils, in which products differ most.
    ax : matplotlib Axes, optional
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `scores` holds no pairs or no such station, or the pairs of several products or layers.
    MissingPackageError
        If matplotlib is not installed.
    """
    estimate, reference = matched_pairs(scores, station)
    # several products or layers would be drawn as one record
    estimate, reference = (select_stratum(da, unlabelled_dims(da)) for da in (estimate, reference))
    est, ref = (da.transpose(*reference.dims).values.ravel() for da in (estimate, reference))
    both = np.isfinite(est) & np.isfinite(ref)
    est, ref = est[both].astype(float), ref[both].astype(float)
    if est.size < 2:
        raise InputError(
            f"scores has {est.size} pairs to draw: expected 2 or more. See scores['status'] for "
            "the reasons."
        )
    ax = axes_for(ax, (5.4, 4.6))
    low, high = np.percentile(np.concatenate([est, ref]), [0.1, 99.9])
    low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    style: dict[str, Any]
    if est.size < MIN_DENSITY_PAIRS:
        style = {"edgecolors": "none", "alpha": 0.6, "s": 16}
        ax.scatter(ref, est, color=COLOURS[0], **style)
    else:
        style = {"gridsize": 56, "bins": "log", "mincnt": 1, "cmap": CMAP_SKILL, "linewidths": 0}
        mesh = ax.hexbin(ref, est, extent=(low, high, low, high), **style)
        add_colour_bar(ax, mesh, "pairs per cell")
    ends = np.array([low, high])
    ax.plot(ends, ends, color=ink(ax), lw=1, ls="--", label="1:1")
    if np.ptp(ref) > 0:
        slope, offset = np.polyfit(ref, est, 1)
        label = _equation(slope, offset)
        ax.plot(ends, slope * ends + offset, color=COLOURS[1], lw=1.6, label=label)
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    units = format_units(str(reference.attrs.get("units", "1")))
    text = statistics_text(est, ref, units)
    if wet is not None:
        ax.axvline(wet, color=ink(ax), lw=0.8, ls=":")
        text = _texts_of_parts(est, ref, units, wet)
    names = role_names(scores)
    labels = (plain_text(f"{name} ({units})" if units else name) for name in names)
    ylabel, xlabel = (textwrap.fill(label, 44) for label in labels)
    ax.set_ylabel(ylabel, fontsize=10)
    ax.set_xlabel(xlabel, fontsize=10)
    inside = _free_corner(ax, text, (est - low) / (high - low), (ref - low) / (high - low))
    options = _below(ax, xlabel) if inside is None else {"loc": inside}
    if inside is None:
        text = _in_wide_lines(text)
    ax.legend(
        title=text,
        alignment="left",
        fontsize=9,
        title_fontsize=9,
        framealpha=0.85,
        edgecolor="none",
        **options,
    )
    default = None if station is None else station_label(scores, station_index(scores, station))
    set_title(ax, title, default)
    return style_axes(ax)


def statistics_text(est: NDArray[np.floating], ref: NDArray[np.floating], units: str) -> str:
    """Number of pairs, correlation, bias, RMSD and ubRMSD, a line each."""
    import xsm.metrics as metrics

    arrays = (xr.DataArray(values, dims="pair") for values in (est, ref))
    scores = metrics.scores(*arrays, dim="pair", metrics=STATISTICS)
    r, bias, rmsd, ubrmsd = (scores[name].item() for name in STATISTICS)
    lines = [f"n = {est.size:,}", f"R = {r:.3f}", f"bias = {bias:+.3f} {units}"]
    return "\n".join([*lines, f"RMSD = {rmsd:.3f} {units}", f"ubRMSD = {ubrmsd:.3f} {units}"])


def _texts_of_parts(
    est: NDArray[np.floating], ref: NDArray[np.floating], units: str, wet: float
) -> str:
    """Number, correlation, bias and RMSD of the pairs up to `wet` and above, in two columns."""
    lines = []
    for label, part in ((f"up to {wet:g}", ref <= wet), (f"above {wet:g}", ref > wet)):
        if part.sum() < 2:
            lines.append(f"{label}: n = {part.sum()}")
            continue
        n, r, bias, rmsd, _ = statistics_text(est[part], ref[part], units).split("\n")
        lines.append(f"{label} {units}\n  {n}, {r}\n  {bias}\n  {rmsd}")
    return "\n".join(lines)


def _free_corner(
    ax: Axes, text: str, up: NDArray[np.floating], right: NDArray[np.floating]
) -> str | None:
    """The upper left or the lower right corner, or None where pairs lie there too.

    `up` and `right` are the positions of the pairs as fractions of the axes.
    """
    lines = text.split("\n")
    inches = ax.get_window_extent()
    height = (len(lines) + 3) * 0.16 * ax.figure.dpi / inches.height
    width = (max(map(len, lines)) + 3) * 0.075 * ax.figure.dpi / inches.width
    hidden = {
        "upper left": np.sum((up > 1 - height) & (right < width)),
        "lower right": np.sum((up < height) & (right > 1 - width)),
    }
    corner = min(hidden, key=lambda name: hidden[name])
    return corner if hidden[corner] <= MAX_HIDDEN * up.size else None


def _in_wide_lines(text: str) -> str:
    """Statistics in two lines for each part of the pairs."""
    texts = text.replace("\nabove", "\n\nabove").split("\n\n")
    parts = [[line.strip() for line in part.split("\n")] for part in texts]
    first = 3 if len(parts) == 1 else 2
    lines = [", ".join(some) for part in parts for some in (part[:first], part[first:]) if some]
    return "\n".join(lines)


def _below(ax: Axes, xlabel: str) -> dict[str, Any]:
    """The place of a legend below the label of the x axis."""
    points = 26 + 13 * len(xlabel.split("\n"))
    return {"loc": "upper left", "ncols": 2, **place_below(ax, 0.0, points / 72)}


def _equation(slope: float, offset: float) -> str:
    return f"y = {slope:.2f} x {'+' if offset >= 0 else '−'} {abs(offset):.3f}"
