"""The figure of the demonstration: one day before, after, in truth, and one cell's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xsm.plotting.geography import degrees_axes, draw_field, draw_land, place_text
from xsm.plotting.records import date_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

UNIT = "m³ m⁻³"
MOISTURE, SPREAD = "YlGnBu", "magma_r"


def typical_day(before: Floats, truth: Floats) -> int:
    """The day, ends of the record apart, whose seen share of the land is nearest to half."""
    land = np.isfinite(truth)
    share = (np.isfinite(before) & land).sum((1, 2)) / np.maximum(land.sum((1, 2)), 1)
    inner = np.zeros(share.size, bool)
    inner[4 : max(share.size - 4, 5)] = True
    return int(np.argmin(np.where(inner, abs(share - 0.5), np.inf)))


def typical_cell(before: Floats, after: Floats, truth: Floats) -> tuple[int, int]:
    """The cell whose error in its gaps is the median one: neither the best nor the worst."""
    gaps = np.isnan(before) & np.isfinite(truth) & np.isfinite(after)
    count = gaps.sum(0)
    error = np.where(gaps, (after - truth) ** 2, 0.0).sum(0) / np.maximum(count, 1)  # (H, W)
    cells = np.flatnonzero(count.ravel() >= np.median(count[count > 0]))
    middle = cells[np.argsort(error.ravel()[cells])[cells.size // 2]]
    lat, lon = np.unravel_index(middle, error.shape)
    return int(lat), int(lon)


def draw_map(
    ax: Axes, field: xr.DataArray, land: xr.DataArray, title: str, **style
) -> ScalarMappable:
    """One map: the field over grey land and pale sea, with the coast of the land mask."""
    lat, lon = field["lat"], field["lon"]
    draw_land(ax, land, lat, lon)
    mesh = draw_field(ax, field, lat, lon, **style)
    degrees_axes(ax, float(lat.mean()))
    ax.set_title(title, loc="left", fontsize=10)
    return mesh


def draw_series(ax: Axes, data: xr.Dataset, cell: tuple[int, int]) -> None:
    """The days of one cell: seen, filled with its 95 % interval, and true."""
    one = data.isel(lat=cell[0], lon=cell[1])
    days, after, sd = one["time"].values, one["after"].values, one["sd"].values
    half = one["sd"].attrs.get("coverage_factor_95", 1.96) * np.where(
        np.isfinite(one["before"]), 0.0, sd
    )
    ax.fill_between(days, after - half, after + half, color="#9ecae1", alpha=0.6, lw=0)
    ax.plot(days, one["truth"], color="black", lw=1.0, ls="--")
    ax.plot(days, after, color="#2171b5", lw=1.4)
    ax.plot(days, one["before"], "o", color="#08306b", ms=4)
    place = place_text(one["lat"].item(), one["lon"].item())
    ax.set_title(f"One cell of median error, {place}", loc="left", fontsize=10)
    ax.legend(
        ["filled, 95 % interval", "truth", "filled", "seen"], ncols=4, fontsize=8, frameon=False
    )
    ax.set_ylabel(UNIT, fontsize=9)
    ax.tick_params(labelsize=8)
    date_axis(ax)
    ax.spines[["top", "right"]].set_visible(False)


def draw(data: xr.Dataset, day: int, cell: tuple[int, int]) -> Figure:
    """Before, after, truth and uncertainty of one day, and one cell's record.

    Parameters
    ----------
    data : Dataset
        ``before``, ``after``, ``sd``, ``truth`` (time, lat, lon; m3 m-3) and ``land`` (lat, lon).
    day : int
        Position on ``time`` of the maps.
    cell : (int, int)
        Positions on ``lat`` and ``lon`` of the series.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 9.4), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=[1, 1, 0.55])
    axes = [figure.add_subplot(grid[i // 2, i % 2]) for i in range(4)]
    today = data.isel(time=day)
    low, high = np.nanpercentile(today["truth"], [1, 99])
    moisture = {"cmap": MOISTURE, "vmin": max(low, 0.0), "vmax": high}
    titles = {"before": "Before: as retrieved", "after": "After: gap-filled", "truth": "Truth"}
    for ax, (name, title) in zip(axes, titles.items(), strict=False):
        mesh = draw_map(ax, today[name], today["land"], title, **moisture)
    label = f"0-5 cm soil moisture ({UNIT})"
    figure.colorbar(mesh, ax=axes[:2], label=label, extend="both", shrink=0.85, pad=0.02)
    spread = today["sd"].where(np.isnan(today["before"]))
    low, high = np.nanpercentile(spread, [1, 99])
    style = {"cmap": SPREAD, "vmin": low, "vmax": high}
    mesh = draw_map(axes[3], spread, today["land"], "Uncertainty of what was filled", **style)
    label = f"standard deviation ({UNIT})"
    figure.colorbar(mesh, ax=axes[2:], label=label, extend="both", shrink=0.85, pad=0.02)
    around = slice(max(day - 60, 0), day + 61)
    draw_series(figure.add_subplot(grid[2, :]), data.isel(time=around), cell)
    date = np.datetime_as_string(today["time"].values, unit="D")
    figure.suptitle(f"Simulated AMSR2 soil moisture, {date}", fontsize=13, x=0.01, ha="left")
    return figure
