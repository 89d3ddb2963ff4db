"""The record of one station: observed and estimated, day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.plotting.geography import place_text
from xsm.plotting.selection import (
    metrics_of,
    names_of,
    one_stratum,
    pairs_of,
    pick,
    station_at,
    station_text,
)
from xsm.plotting.style import COLOURS, INK, axes_for, heading, tidy, units_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAND = "#9ecae1"


def series(
    scores: xr.Dataset,
    station: str | int | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the reference and the estimate of one station, with its interval where there is one.

    Parameters
    ----------
    scores : Dataset
        With the pairs ``estimate`` and ``reference`` (station, time): ``keep_pairs=True``. The
        interval is ``estimate_low`` and ``estimate_high``, or 1.96 times
        ``estimate_uncertainty`` (one standard deviation) on each side.
    station : str, int or None
        Label, name or position. None takes the station whose score is the median one: neither
        the best nor the worst.
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
    pairs_of(scores, None)
    at = typical_station(scores) if station is None else station_at(scores, station)
    one = scores.isel(station=at) if "station" in scores.dims else scores
    ax = axes_for(ax, (9.0, 3.0))
    days, names = one["time"].values, names_of(scores)
    if (band := interval(one)) is not None:
        ax.fill_between(days, *band, color=BAND, alpha=0.6, lw=0, label="95 % interval")
    ax.plot(days, one["reference"], color=INK, lw=1.1, label=names[1])
    few: dict[str, Any] = {"marker": "o", "ms": 3, "lw": 0.9}
    ax.plot(days, one["estimate"], color=COLOURS[0], label=names[0], **few)
    date_axis(ax)
    units = units_text(str(one["reference"].attrs.get("units", "1")))
    ax.set_ylabel(f"soil moisture ({units})" if units else "soil moisture", fontsize=10)
    ax.legend(fontsize=9, frameon=False, ncols=3, loc="upper right", bbox_to_anchor=(1.0, -0.1))
    heading(ax, title, _title(scores, one, at) if "station" in scores.dims else None)
    return tidy(ax)


def interval(one: xr.Dataset) -> tuple[Any, Any] | None:
    """Lower and upper end (time,) of the estimate's 95 % interval, or None."""
    if {"estimate_low", "estimate_high"} <= set(one.data_vars):
        return one["estimate_low"].values, one["estimate_high"].values
    if "estimate_uncertainty" in one.data_vars:
        half = 1.96 * one["estimate_uncertainty"]
        return (one["estimate"] - half).values, (one["estimate"] + half).values
    return None


def typical_station(scores: xr.Dataset) -> int:
    """Position of the station of the median score; of the most pairs where there is no score."""
    if "station" not in scores.dims:
        return 0
    if not metrics_of(scores):
        both = scores["estimate"].notnull() & scores["reference"].notnull()
        return int(both.sum("time").values.argmax())
    values = one_stratum(pick(scores, None), {"station"}).values
    order = np.argsort(values)[: np.isfinite(values).sum()]
    return int(order[order.size // 2]) if order.size else 0


def date_axis(ax: Axes) -> None:
    """Dates as short as they can be."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    ax.margins(x=0.01)


def _title(scores: xr.Dataset, one: xr.Dataset, at: int) -> str:
    place = (
        f", {place_text(one['lat'].item(), one['lon'].item())}"
        if {"lat", "lon"} <= set(one.coords)
        else ""
    )
    return station_text(scores, at) + place
