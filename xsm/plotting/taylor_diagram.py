"""The Taylor diagram: correlation, ratio of standard deviations and centred RMS in one point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.plotting.groups import named
from xsm.plotting.selection import one_stratum, pairs_of, pick
from xsm.plotting.style import COLOURS, INK, QUIET, axes_for, heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = "osD^vPX"
CORRELATIONS = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99)
GRID, RMS = "#cfcfcf", "#3a7d6b"


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
        With ``pearson_r`` and ``std_ratio``, or with the pairs ``estimate`` and ``reference``.
    by : str, optional
        What has a colour of its own: ``"filler"``, ``"network"``, another coordinate of the
        stations, a stratum. Found where not given; of a mapping always its names.
    ax : matplotlib Axes, optional
        Plain axes, not polar ones.
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
        If the ratio can be had from nothing in `scores`, or no point is finite.
    ImportError
        If matplotlib is not installed.
    """
    sets = named(scores)
    groups: dict[str, NDArray[np.floating]] = {}
    for name, one in sets.items():
        points = _points(one, by if len(sets) == 1 else "")
        groups |= {name or group: both for group, both in points.items()}
    groups = {group: both for group, both in groups.items() if both.size}
    if not groups:
        raise InputError("scores has no finite pair of pearson_r and std_ratio: see its status.")
    r, ratio = np.concatenate(list(groups.values()), axis=1)
    limit = float(np.clip(np.ceil(4 * np.percentile(ratio, 95) + 0.6) / 4, 1.5, 4.0))
    negative = bool((r < -0.02).any())
    ax = axes_for(ax, (7.2 if negative else 5.8, 4.6))
    _frame(ax, limit, negative)
    for i, (group, both) in enumerate(groups.items()):
        rs, ratios = both[:, both[1] <= limit]
        style: dict[str, Any] = {
            "color": COLOURS[i % len(COLOURS)],
            "marker": MARKS[i // len(COLOURS) % len(MARKS)],
        }
        size = 60 if rs.size == 1 else float(np.clip(1500 / r.size, 8, 36))
        edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5, "zorder": 4}
        ax.scatter(ratios * rs, ratios * _sine(rs), s=size, label=group, **style, **edge)
    if beyond := int((ratio > limit).sum()):
        ax.set_title(f"{beyond} beyond {limit:g}", loc="right", fontsize=8, color=QUIET)
    ax.plot([], [], color=RMS, ls=":", lw=1, label="centred RMS")
    if len(groups) > 1 or next(iter(groups)):
        place: dict[str, Any] = {
            "loc": "upper left",
            "bbox_to_anchor": (1.02 if negative else 0.94, 1.0),
        }
        ax.legend(fontsize=9, frameon=False, handletextpad=0.3, **place)
    heading(ax, title)
    return ax


def _points(scores: xr.Dataset, by: str | None) -> dict[str, NDArray[np.floating]]:
    """Correlation and ratio (2, n) of each group."""
    r, ratio = correlation_and_ratio(scores)
    inner = {str(dim) for dim in ("station", "filler") if dim in r.dims}
    if by is None:
        own = [name for name in ("filler", "network") if name in r.coords and r[name].ndim == 1]
        by = next(iter(own), "")
    keep = {*inner, by}
    r, ratio = (
        one_stratum(da, keep | (set() if inner else {*map(str, da.dims)})) for da in (r, ratio)
    )
    r, ratio = xr.broadcast(r, ratio)
    if not by:
        return {"": _finite(r, ratio)}
    if by not in r.coords or r[by].ndim != 1:
        raise InputError(
            f"by={by!r} is no coordinate of the scores: expected one of {[*r.coords]}."
        )
    of = r[by]
    groups = {}
    for value in dict.fromkeys(of.values.tolist()):
        at = {of.dims[0]: np.flatnonzero(of.values == value)}
        groups[str(value)] = _finite(r.isel(at), ratio.isel(at))
    return groups


def correlation_and_ratio(scores: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Correlation and ratio of standard deviations (estimate over reference), of the same pairs."""
    if "std_ratio" in scores.data_vars:
        return pick(scores, "pearson_r"), scores["std_ratio"]
    if not {"estimate", "reference"} <= set(scores.data_vars):
        raise InputError(
            "scores has neither std_ratio nor the pairs, which a Taylor diagram needs. Ask for "
            'one: validate(..., metrics=[..., "pearson_r", "std_ratio"]) or keep_pairs=True.'
        )
    estimate, reference = pairs_of(scores, None)
    both = np.isfinite(estimate) & np.isfinite(reference)
    ratio = estimate.where(both).std("time") / reference.where(both).std("time")
    return xr.corr(estimate, reference, "time"), ratio


def _finite(r: xr.DataArray, ratio: xr.DataArray) -> NDArray[np.floating]:
    both = np.stack([r.values.ravel(), ratio.transpose(*r.dims).values.ravel()])
    return both[:, np.isfinite(both).all(0)]


def _sine(r: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.sqrt(np.clip(1 - r**2, 0, 1))


def _frame(ax: Axes, limit: float, negative: bool) -> None:
    """Arcs of the ratio, rays of the correlation, arcs of the centred RMS, and the reference."""
    turn = np.linspace(0, np.pi if negative else np.pi / 2, 181)
    circle = np.stack([np.cos(turn), np.sin(turn)])  # (2, 181)
    steps = np.arange(0.5, limit + 0.01, 0.5)
    for radius in steps:
        one = radius == 1.0
        ax.plot(*(radius * circle), color=QUIET if one else GRID, lw=0.9, ls="--" if one else "-")
    ax.plot(*(limit * circle), color=INK, lw=1.2)
    _rays(ax, limit, negative)
    _rms_arcs(ax, limit, negative)
    ax.plot(1, 0, "*", color=INK, ms=13, clip_on=False, zorder=5)
    ax.set_aspect("equal")
    ax.set_xlim(-1.12 * limit if negative else 0, 1.12 * limit)
    ax.set_ylim(0, 1.12 * limit)
    across = [*(-steps[::-1] if negative else ()), 0, *steps]
    up = [] if negative else [0, *steps]
    ax.set_xticks(across, [f"{abs(tick):g}" for tick in across])
    ax.set_yticks(up, [f"{tick:g}" for tick in up])
    ax.spines[:].set_visible(False)
    ax.tick_params(labelsize=9, length=0)
    ax.set_xlabel("standard deviation over that of the reference", fontsize=10)


def _rays(ax: Axes, limit: float, negative: bool) -> None:
    """Lines of equal correlation, labelled outside of the outer arc."""
    for r in (*(-r for r in (1.0, *CORRELATIONS) if negative), 0.0, *CORRELATIONS, 1.0):
        x, y = r * limit, float(_sine(np.asarray(r))) * limit
        ax.plot([0, x], [0, y], color=GRID, lw=0.6)
        angle = float(np.rad2deg(np.arctan2(y, x)))
        words: dict[str, Any] = {"fontsize": 8, "va": "center", "rotation_mode": "anchor"}
        words |= {"ha": "left", "rotation": angle} if r >= 0 else {}
        words |= {"ha": "right", "rotation": angle - 180} if r < 0 else {}
        ax.text(1.02 * x, 1.02 * y, f"{r:g}".replace("-", "−"), **words)
    at, turn = (0.0, 0.0) if negative else (1.16 * np.sqrt(0.5) * limit, -45.0)
    height = 1.12 * limit if negative else at
    middle: dict[str, Any] = {"ha": "center", "va": "bottom" if negative else "center"}
    ax.text(at, height, "correlation", fontsize=10, rotation=turn, **middle)


def _rms_arcs(ax: Axes, limit: float, negative: bool) -> None:
    """Arcs of equal centred RMS about the reference, where there is room with their values."""
    turn = np.linspace(0, np.pi, 181)
    words: dict[str, Any] = {"fontsize": 8, "ha": "center", "va": "center", "zorder": 2.5}
    words["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    for rms in np.arange(0.5, limit + 0.6, 0.5):
        x, y = 1 + rms * np.cos(turn), rms * np.sin(turn)
        inside = (np.hypot(x, y) <= limit) & (negative | (x >= 0))
        ax.plot(np.where(inside, x, np.nan), y, color=RMS, lw=0.8, ls=":")
        if inside.sum() > 24:
            at = np.flatnonzero(inside)[int(0.6 * inside.sum())]
            ax.text(x[at], y[at], f"{rms:g}", color=RMS, **words)
