"""The pairs themselves: how dense they lie about the line of equality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.plotting.selection import names_of, pairs_of, station_at, station_text
from xsm.plotting.style import COLOURS, INK, SKILL, axes_for, heading, tidy, units_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 400  # pairs: below, each is a point
STATISTICS = ("pearson_r", "bias", "rmsd", "ubrmsd")


def scatter(
    scores: xr.Dataset,
    *,
    station: str | int | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw estimate against reference: density, line of equality, linear fit and statistics.

    Parameters
    ----------
    scores : Dataset
        With the pairs ``estimate`` and ``reference`` (station, time): ``keep_pairs=True``.
    station : str, int or None
        One station, by label, name or position; all of them together where not given.
    ax : matplotlib Axes, optional
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If there are no pairs, or no such station.
    ImportError
        If matplotlib is not installed.
    """
    estimate, reference = pairs_of(scores, station)
    est, ref = (da.transpose(*reference.dims).values.ravel() for da in (estimate, reference))
    both = np.isfinite(est) & np.isfinite(ref)
    est, ref = est[both].astype(float), ref[both].astype(float)
    if est.size < 2:
        raise InputError(f"scores has {est.size} pairs to draw: expected two or more.")
    ax = axes_for(ax, (5.4, 4.6))
    low, high = np.percentile(np.concatenate([est, ref]), [0.1, 99.9])
    low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
    if est.size < FEW:
        style: dict[str, Any] = {"edgecolors": "none", "alpha": 0.6, "s": 16}
        ax.scatter(ref, est, color=COLOURS[0], **style)
    else:
        mesh = ax.hexbin(
            ref, est, gridsize=56, extent=(low, high, low, high), bins="log", mincnt=1, cmap=SKILL,
            linewidths=0,
        )  # fmt: skip
        bar = ax.figure.colorbar(mesh, ax=ax, shrink=0.8, aspect=28, pad=0.02)
        bar.set_label("pairs per cell", fontsize=9)
        bar.ax.tick_params(labelsize=8)
        bar.outline.set_visible(False)
    ends = np.array([low, high])
    ax.plot(ends, ends, color=INK, lw=1, ls="--", label="1:1")
    if np.ptp(ref) > 0:
        slope, offset = np.polyfit(ref, est, 1)
        ax.plot(ends, slope * ends + offset, color=COLOURS[1], lw=1.6, label=_line(slope, offset))
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    units = units_text(str(reference.attrs.get("units", "1")))
    ax.legend(
        title=statistics_text(est, ref, units),
        loc="upper left" if _emptier(est - low, high - ref, high - low) else "lower right",
        alignment="left",
        fontsize=9,
        title_fontsize=9,
        framealpha=0.85,
        edgecolor="none",
    )
    over, across = (f"{name} ({units})" if units else name for name in names_of(scores))
    ax.set_ylabel(over, fontsize=10)
    ax.set_xlabel(across, fontsize=10)
    one = None if station is None else station_text(scores, station_at(scores, station))
    heading(ax, title, one)
    return tidy(ax)


def statistics_text(est: NDArray[np.floating], ref: NDArray[np.floating], units: str) -> str:
    """Number of pairs, correlation, bias, RMSD and ubRMSD, a line each."""
    import xsm.metrics as metrics

    pair = (xr.DataArray(values, dims="pair") for values in (est, ref))
    found = metrics.scores(*pair, dim="pair", metrics=STATISTICS)
    r, bias, rmsd, ubrmsd = (found[name].item() for name in STATISTICS)
    lines = [f"n = {est.size:,}", f"R = {r:.3f}", f"bias = {bias:+.3f} {units}"]
    return "\n".join([*lines, f"RMSD = {rmsd:.3f} {units}", f"ubRMSD = {ubrmsd:.3f} {units}"])


def _emptier(up: NDArray[np.floating], left: NDArray[np.floating], span: float) -> bool:
    """Whether the upper left corner holds fewer pairs than the lower right one."""
    near, far = 0.55 * span, 0.45 * span
    return bool(np.sum((up > near) & (left > near)) <= np.sum((up < far) & (left < far)))


def _line(slope: float, offset: float) -> str:
    return f"y = {slope:.2f} x {'+' if offset >= 0 else '−'} {abs(offset):.3f}"
