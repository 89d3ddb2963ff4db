"""The annual cycle of single stations or cells: mean and range of each day of the year."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.plotting.selection import (
    matched_pairs,
    role_names,
    selection_of_a_place,
    station_index,
    station_label,
)
from xsm.plotting.style import (
    COLOURS,
    axes_for,
    grid_colour,
    ink,
    plain_text,
    set_title,
    style_axes,
    units_label,
)
from xsm.plotting.timeseries import median_station

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HALF_WINDOW = 7  # days on each side of a day of the year
DAYS = 366
MONTHS = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")
STARTS = np.array([1, 32, 61, 92, 122, 153, 183, 214, 245, 275, 306, 336])  # of a leap year


def cycle(
    scores: xr.Dataset,
    station: str | int | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the annual cycle of estimate and reference at one place.

    Lines are means of 15 days of the year over all years, bands their 10th to 90th percentile.

    Parameters
    ----------
    scores : Dataset
        With the matched pairs ``estimate`` and ``reference``, from
        ``validate(..., keep_pairs=True)``; of maps select one cell first.
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
        If `scores` holds no pairs, no such station, or several places without stations.
    MissingPackageError
        If matplotlib is not installed.
    """
    matched_pairs(scores, None)
    at_stations = "station" in scores.dims
    index = (
        (median_station(scores) if station is None else station_index(scores, station))
        if at_stations
        else 0
    )
    pairs = scores.isel(station=index) if at_stations else scores
    if pairs["estimate"].dims != ("time",):
        raise InputError(
            f"scores has pairs along {pairs['estimate'].dims}: select one place and product first, "
            f"such as {selection_of_a_place(scores)}."
        )
    ax = axes_for(ax, (6.2, 3.4))
    day = pairs["time"].dt.dayofyear.values
    x = np.arange(1, DAYS + 1)
    names = role_names(scores)
    for role, name, colour in zip(("reference", "estimate"), names[::-1], (ink(ax), COLOURS[0]),
                                  strict=True):  # fmt: skip
        mean, low, high = annual_statistics(pairs[role].values, day)
        ax.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
        ax.plot(x, mean, color=colour, lw=1.6, label=plain_text(name))
    ax.set_xticks(STARTS, MONTHS, ha="left")
    ax.set_xlim(1, DAYS)
    ax.grid(axis="y", color=grid_colour(ax), lw=0.7)
    ax.set_axisbelow(True)
    ax.set_ylabel(units_label(pairs["reference"]), fontsize=10)
    ax.legend(fontsize=9, frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1.0, -0.08))
    set_title(ax, title, station_label(scores, index) if at_stations else None)
    return style_axes(ax)


def annual_statistics(
    values: NDArray[np.floating], day: NDArray[Any]
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
    """Mean, 10th and 90th percentile (366,) of the values within 7 days of each day of the year."""
    finite = np.isfinite(values)
    values, day = values[finite].astype(float), np.asarray(day)[finite]
    out = np.full((3, DAYS), np.nan)
    for i in range(DAYS):
        distance = np.abs(day - (i + 1))
        near = np.minimum(distance, DAYS - distance) <= HALF_WINDOW
        if near.any():
            part = values[near]
            out[:, i] = part.mean(), *np.percentile(part, [10, 90])
    return out[0], out[1], out[2]
