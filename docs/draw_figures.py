"""Draw the fixed figures of the site: ``python docs/draw_figures.py [NAME ...]``.

`overview` needs the month of AMSR2 (folder `XSM_DATA`); the others need no data.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from xsm import plotting

FIGURES = Path(__file__).resolve().parent / "figures"
AMSR2 = Path("amsr2_lprm") / "lprm_amsr2_x_descending_201504_partial.nc"
DAY = "2015-04-16"
INK, OBSERVED, MISSING, FILLED = "#333333", "#4f9bb8", "#e6e6e6", "#d9a441"


def overview() -> Figure:
    """Observed, filled, and uncertainty: one day of AMSR2, the land of the globe."""
    path = Path(os.environ.get("XSM_DATA", "")) / AMSR2
    ds = xr.open_dataset(path)
    (name,) = ds.data_vars
    filled = ds.sm.gapfill(progress=False).sel(time=DAY)
    fields = {
        "Observed by AMSR2 on one day": (ds[name].sel(time=DAY), "soil moisture", 0.6),
        "Filled by xsm": (filled[name], "soil moisture", 0.6),
        "Uncertainty of the filled values": (
            filled[f"{name}_uncertainty"],
            "standard deviation",
            0.2,
        ),
    }
    figure = Figure(figsize=(12, 3.0), layout="constrained", dpi=160)
    axes = figure.subplots(1, 3)
    for ax, (title, (percent, label, highest)) in zip(axes, fields.items(), strict=True):
        field = (percent / 100).rename(percent.name)
        field.attrs = percent.attrs | {"long_name": label, "units": "m3 m-3"}
        plotting.map(field.sel(lat=slice(80, -57)), ax=ax, title=title, vmin=0, vmax=highest)
        ax.set(xticks=[], yticks=[])
    return figure


def partial_convolution() -> Figure:
    """A plain and a partial convolution of the same window, with the numbers."""
    values = np.array([[0.21, 0.24, np.nan], [0.20, np.nan, np.nan], [0.22, 0.25, 0.24]])
    observed = np.isfinite(values)
    figure = Figure(figsize=(9, 3.4), dpi=110)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 18), ylim=(0, 6.8), aspect="equal")
    ax.axis("off")

    def grid(x: float, title: str, text: Callable[[int, int], str], filled: bool) -> None:
        ax.text(x + 1.5, 5.9, title, ha="center", fontsize=10, color=INK)
        for i, j in np.ndindex(3, 3):
            colour = OBSERVED if observed[i, j] else MISSING
            colour = colour if filled else "#ffffff"
            ax.add_patch(
                Rectangle((x + j, 4.4 - i), 1, 1, facecolor=colour, edgecolor=INK, alpha=0.9)
            )
            ax.text(x + j + 0.5, 4.9 - i, text(i, j), ha="center", va="center", fontsize=9)

    grid(0.6, "values x", lambda i, j: f"{values[i, j]:.2f}" if observed[i, j] else "?", True)
    grid(5.2, "mask m", lambda i, j: str(int(observed[i, j])), True)
    grid(9.8, "weights W", lambda i, j: "1/9", False)
    for x, sign in ((4.4, "·"), (9.0, "·")):
        ax.text(x, 3.9, sign, ha="center", va="center", fontsize=18)
    ax.add_patch(FancyArrowPatch((13.1, 3.9), (14.5, 3.9), arrowstyle="-|>", mutation_scale=14))
    s, k = int(observed.sum()), observed.size
    total = float(np.nansum(values)) / k
    ax.add_patch(Rectangle((15, 3.4), 1.4, 1, facecolor=FILLED, edgecolor=INK, alpha=0.9))
    ax.text(15.7, 3.9, f"{total * k / s:.3f}", ha="center", va="center", fontsize=10)
    ax.text(15.7, 2.95, "new mask: 1", ha="center", fontsize=9, color=INK)
    lines = (
        f"zeros in the gaps:  Σ W·(x·m) = {total:.3f}, too dry, because {k - s} of {k} cells "
        "count as 0",
        f"partial convolution:  Σ W·(x·m) × K/s = {total:.3f} × {k}/{s} = {total * k / s:.3f}, "
        "the mean of the observed cells",
    )
    for n, line in enumerate(lines):
        ax.text(0.6, 1.35 - 0.75 * n, line, fontsize=9.5, color=INK)
    return figure


def departures() -> Figure:
    """A seasonal cycle, the departure from it, and the two added again."""
    day = np.arange(365)
    rng = np.random.default_rng(3)
    rain = np.where(rng.random(365) < 0.07, rng.gamma(2, 0.03, 365), 0)
    departure = np.zeros(365)
    for t in range(1, 365):
        departure[t] = 0.9 * departure[t - 1] + rain[t] - 0.0042
    departure -= departure.mean()
    cycle = 0.24 + 0.08 * np.cos(2 * np.pi * (day - 20) / 365)
    gap = (day > 190) & (day < 215)
    figure = Figure(figsize=(9, 3.6), layout="constrained", dpi=110)
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.plot(day, np.where(gap, np.nan, cycle + departure), color=OBSERVED, label="observed")
    top.plot(day, cycle, color=INK, lw=1, label="seasonal cycle of the cell")
    bottom.plot(day, np.where(gap, np.nan, departure), color=OBSERVED, label="departure")
    bottom.plot(day, np.where(gap, departure, np.nan), color=FILLED, label="filled by the network")
    top.plot(day, np.where(gap, cycle + departure, np.nan), color=FILLED, label="cycle + departure")
    bottom.axhline(0, color=INK, lw=0.6)
    bottom.set_xlabel("day of the year")
    for ax in (top, bottom):
        ax.axvspan(190, 215, color=MISSING, lw=0)
        ax.set_ylabel("m³ m⁻³")
        ax.legend(fontsize=8, loc="upper right", frameon=False, ncols=3)
        ax.spines[["top", "right"]].set_visible(False)
        ax.margins(x=0.01)
    top.set_ylim(top=0.62)
    bottom.set_ylim(top=0.34)
    return figure


def atlstm() -> Figure:
    """The estimator: predictors of a sequence, LSTM in both directions, attention, head."""
    figure = Figure(figsize=(9, 3.7), dpi=110)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 18), ylim=(0, 7.4))
    ax.axis("off")
    days = ["T-2", "T-1", "T", "T+1", "T+2"]
    rows = [
        ("predictors of the day", 0.5, MISSING),
        ("LSTM forward and backward", 2.2, OBSERVED),
        ("attention over the sequence", 3.9, FILLED),
        ("mean and log variance", 5.6, "#ffffff"),
    ]
    x = [6.4 + 2.3 * n for n in range(5)]
    for label, y, colour in rows:
        ax.text(5.6, y + 0.45, label, ha="right", va="center", fontsize=10, color=INK)
        for left in x:
            box = FancyBboxPatch(
                (left, y), 1.4, 0.9, boxstyle="round,pad=0.05", facecolor=colour, edgecolor=INK
            )
            ax.add_patch(box)
    for left, day in zip(x, days, strict=True):
        ax.text(left + 0.7, 0.95, f"x({day})", ha="center", va="center", fontsize=9)
        ax.text(left + 0.7, 6.05, f"θ({day})", ha="center", va="center", fontsize=9)
        for low, high in ((1.45, 2.15), (3.15, 3.85), (4.85, 5.55)):
            _arrow(ax, (left + 0.7, low), (left + 0.7, high))
    for a, b in zip(x, x[1:], strict=False):
        _arrow(ax, (a + 1.48, 2.85), (b - 0.08, 2.85))
        _arrow(ax, (b - 0.08, 2.45), (a + 1.48, 2.45))
    for left in x:
        if left != x[2]:
            _arrow(ax, (left + 0.7, 3.15), (x[2] + 0.7, 3.85), alpha=0.35)
    return figure


def _arrow(ax, start, end, alpha: float = 1.0) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=9, color=INK, lw=0.9, alpha=alpha,
            shrinkA=0, shrinkB=0,
        )
    )  # fmt: skip


DRAWINGS = {f.__name__: f for f in (overview, partial_convolution, departures, atlstm)}


def main(names: list[str]) -> None:
    """Draw the figures of these names, by default all."""
    matplotlib.use("agg")
    for name in names or DRAWINGS:
        path = FIGURES / f"{name}.png"
        DRAWINGS[name]().savefig(path, bbox_inches="tight", metadata={"Software": "xsm"})


if __name__ == "__main__":
    main(sys.argv[1:])
