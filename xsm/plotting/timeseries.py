"""Time series of one station: reference and estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.time_axis import calendar_dates, is_cftime
from xsm.errors import InputError
from xsm.plotting.geography import format_position
from xsm.plotting.selection import (
    matched_pairs,
    metric_names,
    role_names,
    select_metric,
    select_stratum,
    selection_of_a_place,
    station_index,
    station_label,
)
from xsm.plotting.style import (
    COLOURS,
    axes_for,
    ink,
    plain_text,
    set_title,
    style_axes,
    units_label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_MARKED_DAYS = 550  # longer series are thin lines
BAND = "#9ecae1"


def series(
    scores: xr.Dataset,
    station: str | int | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw reference and estimate of one station, with the interval of the estimate if it has one.

    Parameters
    ----------
    scores : Dataset
        With the matched pairs ``estimate`` and ``reference`` (station, time), from
        ``validate(..., keep_pairs=True)``. The interval is ``estimate_low`` and
        ``estimate_high``, or 1.96 times ``estimate_uncertainty`` (one standard deviation) on each
        side.
    station : str, int or None
        Label, name or position. None takes the station of the median score.
    ax : matplotlib Axes, optional
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If `scores` holds no pairs or no such station.
    MissingPackageError
        If matplotlib is not installed.
    """
    estimates, _ = matched_pairs(scores, station if "station" not in scores.dims else None)
    others = [str(dim) for dim in estimates.dims if dim not in ("station", "time")]
    if others:
        raise InputError(
            f"scores has pairs along {', '.join(others)}: select one place and product first, such "
            f"as {selection_of_a_place(scores)}."
        )
    index = median_station(scores) if station is None else station_index(scores, station)
    pairs = scores.isel(station=index) if "station" in scores.dims else scores
    ax = axes_for(ax, (9.0, 3.0))
    days, (estimate, reference) = plotted_dates(pairs), map(plain_text, role_names(scores))
    if (interval := interval_of(pairs)) is not None:
        ax.fill_between(days, *interval, color=BAND, alpha=0.6, lw=0, label="95 % interval")
    many = days.size > MAX_MARKED_DAYS
    ax.plot(days, pairs["reference"], color=ink(ax), lw=0.8 if many else 1.1, label=reference)
    for role, colour in (("reference", ink(ax)), ("estimate", COLOURS[0])):
        alone = is_alone(pairs[role].values)  # no line reaches them
        ax.plot(days[alone], pairs[role].values[alone], ".", color=colour, ms=3)
    style: dict[str, Any] = {"lw": 0.7} if many else {"marker": "o", "ms": 3, "lw": 0.9}
    ax.plot(days, pairs["estimate"], color=COLOURS[0], label=estimate, **style)
    format_dates(ax)
    if days.size == 1:  # otherwise the axis has years
        day = np.timedelta64(1, "D")
        ax.set(xlim=(days[0] - day, days[0] + day), xticks=days)
    ax.set_ylabel(units_label(pairs["reference"]), fontsize=10)
    ax.legend(fontsize=9, frameon=False, ncols=3, loc="upper right", bbox_to_anchor=(1.0, -0.1))
    set_title(ax, title, _title(scores, index) if "station" in scores.dims else None)
    return style_axes(ax)


def is_alone(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which values (T,) are finite with none beside them.

    Examples
    --------
    >>> is_alone(np.array([0.1, np.nan, 0.2, 0.3])).tolist()
    [True, False, False, False]
    """
    finite = np.pad(np.isfinite(values), 1)
    return finite[1:-1] & ~finite[:-2] & ~finite[2:]


def interval_of(pairs: xr.Dataset) -> tuple[Any, Any] | None:
    """Lower and upper end (time,) of the 95 % interval of the estimate, or None."""
    if {"estimate_low", "estimate_high"} <= set(pairs.data_vars):
        return pairs["estimate_low"].values, pairs["estimate_high"].values
    if "estimate_uncertainty" in pairs.data_vars:
        half_width = 1.96 * pairs["estimate_uncertainty"]
        return (pairs["estimate"] - half_width).values, (pairs["estimate"] + half_width).values
    return None


def median_station(scores: xr.Dataset) -> int:
    """Position of the station of the median score; without scores, of the most pairs."""
    if "station" not in scores.dims:
        return 0
    if not metric_names(scores):
        both = scores["estimate"].notnull() & scores["reference"].notnull()
        return int(both.sum("time").values.argmax())
    values = select_stratum(select_metric(scores, None), {"station"}).values
    order = np.argsort(values)[: np.isfinite(values).sum()]
    return int(order[order.size // 2]) if order.size else 0


def plotted_dates(obj: xr.Dataset | xr.DataArray) -> NDArray[np.datetime64]:
    """Its times (T,) as matplotlib takes them: of other calendars NaT on a 30 February."""
    values = obj["time"].values
    return calendar_dates(values) if is_cftime(values) else values


def format_dates(ax: Axes) -> None:
    """Short dates on the x axis."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=4, maxticks=9)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    ax.margins(x=0.01)


def _title(scores: xr.Dataset, index: int) -> str:
    """Name, network and position of a station."""
    text, station = station_label(scores, index), scores.isel(station=index)
    if {"lat", "lon"} <= set(station.coords):
        lat, lon = (station[name].values.item() for name in ("lat", "lon"))
        text += f", {format_position(lat, lon)}"
    return text
