"""The figure of the demonstration: one day seen, filled, estimated, in truth; one cell's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from xsm.plotting.geography import degrees_axes, draw_field, draw_land, place_text
from xsm.plotting.timeseries import date_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

UNIT = "m³ m⁻³"
MOISTURE, SPREAD = "YlGnBu", "magma_r"
TITLES = {
    "before": "Before: as retrieved",
    "after": "After: gap-filled",
    "truth": "Truth, with the sensor's lasting bias",
    "estimated": "The soil, estimated from other predictors",
}


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
    """The days of one cell: seen, filled with its 95 % interval, true, and estimated."""
    one = data.isel(lat=cell[0], lon=cell[1])
    days, after, sd = one["time"].values, one["after"].values, one["sd"].values
    half = one["sd"].attrs.get("coverage_factor_95", 1.96) * np.where(
        np.isfinite(one["before"]), 0.0, sd
    )
    ax.fill_between(days, after - half, after + half, color="#9ecae1", alpha=0.6, lw=0)
    ax.plot(days, one["truth"], color="black", lw=1.0, ls="--")
    ax.plot(days, after, color="#2171b5", lw=1.4)
    ax.plot(days, one["before"], "o", color="#08306b", ms=4)
    ax.plot(days, one["estimated"], color="#d95f0e", lw=1.2)
    place = place_text(one["lat"].item(), one["lon"].item())
    ax.set_title(f"One cell of median error, {place}", loc="left", fontsize=10)
    labels = ["filled, 95 % interval", "truth", "filled", "seen", "estimated"]
    ax.legend(labels, ncols=5, fontsize=8, frameon=False)
    ax.set_ylabel(UNIT, fontsize=9)
    ax.tick_params(labelsize=8)
    date_axis(ax)
    ax.spines[["top", "right"]].set_visible(False)


def draw(data: xr.Dataset, day: int, cell: tuple[int, int]) -> Figure:
    """Seen, filled, true and estimated soil moisture of one day, and one cell's record.

    Parameters
    ----------
    data : Dataset
        ``before``, ``after``, ``sd``, ``truth``, ``estimated`` and ``estimated_sd`` (time, lat,
        lon; m3 m-3) and ``land`` (lat, lon).
    day : int
        Position on ``time`` of the maps.
    cell : (int, int)
        Positions on ``lat`` and ``lon`` of the series.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 12.0), layout="constrained")
    grid = figure.add_gridspec(4, 2, height_ratios=[1, 1, 1, 0.6])
    axes = [figure.add_subplot(grid[i // 2, i % 2]) for i in range(6)]
    today = data.isel(time=day)
    low, high = np.nanpercentile(np.stack([today["truth"], today["estimated"]]), [1, 99])
    moisture = {"cmap": MOISTURE, "vmin": max(low, 0.0), "vmax": high}
    for ax, (name, title) in zip(axes, TITLES.items(), strict=False):
        mesh = draw_map(ax, today[name], today["land"], title, **moisture)
    label = f"0-5 cm soil moisture ({UNIT})"
    figure.colorbar(mesh, ax=axes[:4], label=label, extend="both", shrink=0.6, pad=0.02)
    spreads = {
        "Uncertainty of what was filled": today["sd"].where(np.isnan(today["before"])),
        "Uncertainty of the estimate": today["estimated_sd"],
    }
    low, high = np.nanpercentile(np.stack(list(spreads.values())), [1, 99])
    style = {"cmap": SPREAD, "vmin": low, "vmax": high}
    for ax, (title, spread) in zip(axes[4:], spreads.items(), strict=True):
        mesh = draw_map(ax, spread, today["land"], title, **style)
    label = f"standard deviation ({UNIT})"
    figure.colorbar(mesh, ax=axes[4:], label=label, extend="both", shrink=0.85, pad=0.02)
    around = slice(max(day - 60, 0), day + 61)
    draw_series(figure.add_subplot(grid[3, :]), data.isel(time=around), cell)
    date = np.datetime_as_string(today["time"].values, unit="D")
    figure.suptitle(f"Simulated AMSR2 soil moisture, {date}", fontsize=13, x=0.01, ha="left")
    return figure
