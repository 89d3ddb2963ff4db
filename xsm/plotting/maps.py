"""A score on the map: cells of a grid, or stations as points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.conventions.grid import coordinate
from xsm.errors import InputError
from xsm.plotting.geography import (
    NOTHING,
    _in_degrees,
    degrees_axes,
    draw_coast,
    draw_field,
    draw_land,
)
from xsm.plotting.selection import against, one_stratum, pick
from xsm.plotting.style import INK, QUIET, axes_for, colours, heading, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes


KINDS = ("latitude", "longitude")


def map(
    scores: xr.Dataset | xr.DataArray,
    metric: str | None = None,
    *,
    ax: Axes | None = None,
    land: xr.DataArray | None = None,
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    center: float | None = None,
    title: str | None = None,
) -> Axes:
    """Draw one metric on the map.

    Parameters
    ----------
    scores : Dataset or DataArray
        What ``validate`` returns, or one variable of it, or a difference of two such variables.
        With ``station`` (and its coordinates ``lat``, ``lon``) points are drawn, else cells.
    metric : str, optional
        Name of the variable; the correlation or the first one where not given.
    ax : matplotlib Axes, optional
        Where to draw; axes of cartopy in any projection are fine.
    land : DataArray of bool, optional
        Land mask with its own latitudes and longitudes: drawn under the score. Without it the
        coast is drawn where cartopy is installed.
    cmap, vmin, vmax : optional
        Colour map and limits in place of the usual ones (2nd and 98th percentile).
    center : float, optional
        Middle of a diverging colour map; 0 for a bias or a difference unless told otherwise.
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the metric is not there, has no finite value, or no latitudes and longitudes.
    ImportError
        If matplotlib is not installed.
    """
    da = pick(scores, metric)
    points = "station" in da.dims
    lat, lon = (_coordinate(da, kind) for kind in KINDS)
    da = one_stratum(
        da, {"station"} if points else {str(dim) for dim in (*lat.dims, *lon.dims)}
    ).compute()
    style, extend = colours(da, cmap=cmap, vmin=vmin, vmax=vmax, center=center)
    under = None if land is None else [_coordinate(land, kind) for kind in KINDS]
    south, north, west, east = box = _extent(lat, lon, points, under)
    ratio = (north - south) / ((east - west) * np.cos(np.deg2rad((south + north) / 2)))
    ax = axes_for(ax, (6.0, float(np.clip(5.0 * ratio, 2.2, 6.0)) + 0.5))

    ax.set_facecolor(NOTHING)
    if land is not None and under is not None:
        draw_land(ax, land, *under)
    mark = _draw_stations(ax, da, lat, lon, style) if points else None
    mark = draw_field(ax, da, lat, lon, **style) if mark is None else mark
    _limit(ax, box)
    if land is None:
        draw_coast(ax)
    degrees_axes(ax, (south + north) / 2)
    place = "horizontal" if ratio < 0.6 else "vertical"
    bar = ax.figure.colorbar(
        mark, ax=ax, extend=extend, orientation=place, shrink=0.8, aspect=28, pad=0.02
    )
    bar.set_label(label(da), fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    heading(ax, title, against(scores))
    return ax


def _coordinate(da: xr.DataArray, kind: str) -> xr.DataArray:
    found = coordinate(da, None, kind)
    if found is None:
        raise InputError(
            f"{da.name} has no {kind}: its coordinates are {list(da.coords)}. Assign one, such as "
            f'ds.assign_coords({kind[:3]}=("station", values)).'
        )
    return found


def _extent(
    lat: xr.DataArray, lon: xr.DataArray, points: bool, under: list[xr.DataArray] | None
) -> tuple[float, ...]:
    """South, north, west, east (degrees): all cells, or the stations with room around them."""
    room = [0.0, 0.0]
    spans = [(float(edge.min()), float(edge.max())) for edge in (lat, lon)]
    for i, (da, (low, high)) in enumerate(zip((lat, lon), spans, strict=True)):
        if points:
            room[i] = max(0.06 * (high - low), 0.5)
        elif da.ndim == 1 and da.size > 1:
            room[i] = (high - low) / (da.size - 1) / 2
    (south, north), (west, east) = spans
    box = [max(south - room[0], -90.0), min(north + room[0], 90.0), west - room[1], east + room[1]]
    if points and under is not None:  # no further than the land mask reaches
        reach = [float(edge) for da in under for edge in (da.min(), da.max())]
        inner = (
            min(south, reach[0]),
            max(north, reach[1]),
            min(west, reach[2]),
            max(east, reach[3]),
        )
        box = [f(a, b) for f, a, b in zip((max, min, max, min), box, inner, strict=True)]
    return tuple(box)


def _limit(ax: Any, box: tuple[float, ...]) -> None:
    south, north, west, east = box
    if transform := _in_degrees(ax).get("transform"):
        ax.set_extent([west, east, south, north], crs=transform)
    else:
        ax.set_xlim(west, east)
        ax.set_ylim(south, north)


def _draw_stations(ax: Axes, da: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray, style: dict):
    known = np.isfinite(da.values)
    x, y, size = lon.values, lat.values, float(np.clip(3000 / max(da.size, 1), 14, 60))
    where = _in_degrees(ax)
    if not known.all():
        text = f"× no score: {np.count_nonzero(~known)} of {da.size}"
        cross: dict[str, Any] = {
            "marker": "x",
            "color": QUIET,
            "s": size / 2,
            "linewidths": 1,
            "zorder": 2.5,
        }
        ax.scatter(x[~known], y[~known], **cross, **where)
        ax.set_title(text, loc="right", fontsize=8, color=QUIET)
    edge: dict[str, Any] = {"edgecolors": INK, "linewidths": 0.5, "zorder": 3, "clip_on": False}
    return ax.scatter(x[known], y[known], c=da.values[known], s=size, **edge, **style, **where)
