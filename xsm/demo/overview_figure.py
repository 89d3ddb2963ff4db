"""Figure of the demonstration: maps of one day and the time series of one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.demo.text_tables import UNITS
from xsm.plotting.geography import draw_field, draw_land, format_degree_axes, format_position
from xsm.plotting.style import CMAP_ERROR, CMAP_MOISTURE
from xsm.plotting.timeseries import format_dates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

TITLES = {
    "before": "Before: as retrieved",
    "after": "After: gap-filled",
    "truth": "Truth, with the bias of the sensor",
    "estimated": "The soil, estimated from predictors",
}
DAYS_AROUND = 60  # of the time series, before and after the day of the maps
EDGE_DAYS = 4  # at both ends of the record, never chosen for the maps


def half_observed_day(before: NDArray[np.floating], truth: NDArray[np.floating]) -> int:
    """The day on which the observed fraction of the land is nearest to one half."""
    land = np.isfinite(truth)
    fraction = (np.isfinite(before) & land).sum((1, 2)) / np.maximum(land.sum((1, 2)), 1)
    inner = np.zeros(fraction.size, bool)
    inner[EDGE_DAYS : max(fraction.size - EDGE_DAYS, EDGE_DAYS + 1)] = True
    return int(np.argmin(np.where(inner, abs(fraction - 0.5), np.inf)))


def median_error_cell(
    before: NDArray[np.floating], after: NDArray[np.floating], truth: NDArray[np.floating]
) -> tuple[int, int]:
    """Row and column of the cell with the median error in its gaps."""
    gaps = np.isnan(before) & np.isfinite(truth) & np.isfinite(after)
    count = gaps.sum(0)
    error = np.where(gaps, (after - truth) ** 2, 0.0).sum(0) / np.maximum(count, 1)  # (H, W)
    cells = np.flatnonzero(count.ravel() >= np.median(count[count > 0]))
    median = cells[np.argsort(error.ravel()[cells])[cells.size // 2]]
    row, column = np.unravel_index(median, error.shape)
    return int(row), int(column)


def draw(data: xr.Dataset, day: int, cell: tuple[int, int]) -> Figure:
    """Observed, filled, true and estimated soil moisture of one day, and the series of one cell.

    Parameters
    ----------
    data : Dataset
        ``before``, ``after``, ``after_std``, ``truth``, ``estimated`` and ``estimated_std`` (time,
        lat, lon; m3 m-3) and ``land`` (lat, lon).
    day : int
        Position on ``time`` of the maps.
    cell : (int, int)
        Positions on ``lat`` and ``lon`` of the series.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 12.0), layout="constrained")
    grid = figure.add_gridspec(4, 2, height_ratios=[1, 1, 1, 0.6])
    axes = [figure.add_subplot(grid[i // 2, i % 2]) for i in range(6)]
    maps = data.isel(time=day)
    moisture = {title: maps[name] for name, title in TITLES.items()}
    low, high = np.nanpercentile(np.stack([maps["truth"], maps["estimated"]]), [1, 99])
    style = {"cmap": CMAP_MOISTURE, "vmin": max(low, 0.0), "vmax": high}
    mesh = _draw_maps(axes[:4], moisture, maps["land"], style)
    label = f"0-5 cm soil moisture ({UNITS})"
    figure.colorbar(mesh, ax=axes[:4], label=label, extend="both", shrink=0.6, pad=0.02)
    uncertainty = {
        "Uncertainty of the filled values": maps["after_std"].where(np.isnan(maps["before"])),
        "Uncertainty of the estimate": maps["estimated_std"],
    }
    low, high = np.nanpercentile(np.stack(list(uncertainty.values())), [1, 99])
    style = {"cmap": CMAP_ERROR, "vmin": low, "vmax": high}
    mesh = _draw_maps(axes[4:], uncertainty, maps["land"], style)
    label = f"standard deviation ({UNITS})"
    figure.colorbar(mesh, ax=axes[4:], label=label, extend="both", shrink=0.85, pad=0.02)
    period = slice(max(day - DAYS_AROUND, 0), day + DAYS_AROUND + 1)
    _draw_series(figure.add_subplot(grid[3, :]), data.isel(time=period), cell)
    date = np.datetime_as_string(maps["time"].values, unit="D")
    figure.suptitle(f"Simulated AMSR2 soil moisture, {date}", fontsize=13, x=0.01, ha="left")
    return figure


def _draw_maps(
    axes: list[Axes], fields: dict[str, xr.DataArray], land: xr.DataArray, style: dict[str, Any]
) -> ScalarMappable:
    """Draw fields by title over grey land and pale sea, in one colour scale."""
    for ax, (title, field) in zip(axes, fields.items(), strict=True):
        lat, lon = field["lat"], field["lon"]
        draw_land(ax, land, lat, lon)
        mesh = draw_field(ax, field, lat, lon, **style)
        format_degree_axes(ax, float(lat.mean()))
        ax.set_title(title, loc="left", fontsize=10)
    return mesh


def _draw_series(ax: Axes, data: xr.Dataset, cell: tuple[int, int]) -> None:
    """Draw one cell: observed, filled with its 95 % interval, true, and estimated."""
    series = data.isel(lat=cell[0], lon=cell[1])
    days, after, std = series["time"].values, series["after"].values, series["after_std"].values
    half_width = series["after_std"].attrs.get("coverage_factor_95", 1.96) * np.where(
        np.isfinite(series["before"]), 0.0, std
    )
    interval = after - half_width, after + half_width
    ax.fill_between(days, *interval, color="#9ecae1", alpha=0.6, lw=0, label="95 % interval")
    ax.plot(days, series["truth"], color="black", lw=1.0, ls="--", label="truth")
    ax.plot(days, after, color="#2171b5", lw=1.4, label="filled")
    ax.plot(days, series["before"], "o", color="#08306b", ms=4, label="observed")
    ax.plot(days, series["estimated"], color="#d95f0e", lw=1.2, label="estimated")
    position = format_position(series["lat"].item(), series["lon"].item())
    ax.set_title(f"Cell of median error, {position}", loc="left", fontsize=10)
    # right of the title, so that it covers no data
    ax.legend(ncols=5, fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.97))
    ax.set_ylabel(UNITS, fontsize=9)
    ax.tick_params(labelsize=8)
    format_dates(ax)
    ax.spines[["top", "right"]].set_visible(False)
