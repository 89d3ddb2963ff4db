"""A score on the map: grid cells, or stations as points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.conventions.grid import coordinate, wrap_longitude
from xsm.errors import InputError
from xsm.plotting.equal_earth import Projection, equal_earth, format_globe_axes, identity
from xsm.plotting.geography import (
    HALF_TURN,
    NO_DATA,
    cartopy_transform,
    cell_edges,
    centre_of_part,
    draw_field,
    draw_land,
    format_degree_axes,
)
from xsm.plotting.map_background import draw_background
from xsm.plotting.selection import comparison_title, select_metric, select_stratum
from xsm.plotting.style import (
    COUNT,
    DARK,
    GREY,
    add_colour_bar,
    axes_for,
    axis_label,
    colour_scale,
    flag_colours,
    flag_labels,
    flag_style,
    legend_below,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


GLOBE_DEGREES = HALF_TURN  # wider maps are in Equal Earth


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
    """Draw one metric on a map.

    Parameters
    ----------
    scores : Dataset or DataArray
        Result of ``validate``, or one variable of it, or a difference of two such variables.
        Points are drawn along ``station`` (with coordinates ``lat`` and ``lon``), else cells.
    metric : str, optional
        Name of the variable; the correlation or the first one where not given.
    ax : matplotlib Axes, optional
        Where to draw; plain axes, or axes of cartopy in any projection.
    land : DataArray of bool, optional
        Land mask with its own latitudes and longitudes: drawn under the score. Without it the
        land is drawn with coast and borders.
    cmap, vmin, vmax : optional
        Colour map and its limits; by default the 2nd and 98th percentile.
    center : float, optional
        Middle of a diverging colour map; by default 0 for a bias or a difference.
    title : str, optional

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the metric is not in `scores`, has no finite value, or no latitudes and longitudes.
    MissingPackageError
        If matplotlib is not installed.
    """
    da = select_metric(scores, metric)
    is_points = "station" in da.dims
    lat, lon = _lat_lon(da)
    grid_dims = {str(dim) for dim in (*lat.dims, *lon.dims)}
    da = select_stratum(da, {"station"} if is_points else grid_dims).compute()
    flags = flag_labels(da)
    if not is_points and str(da.name).endswith(COUNT) and (da > 0).any():
        da = da.where(da > 0)  # cells without a pair, such as the sea, stay empty
    if flags:
        style, extend = flag_style(da), "neither"
    else:
        style, extend = colour_scale(da, cmap=cmap, vmin=vmin, vmax=vmax, center=center)
    extent = _extent(lat, lon, is_points, land)
    ratio = _height_to_width(extent)
    is_globe = ax is None and land is None and lat.ndim == 1 and _is_global(extent)
    size = (7.2, 4.6) if is_globe else (6.0, float(np.clip(5.0 * ratio, 2.2, 6.0)) + 0.5)
    ax = axes_for(ax, size)
    project = equal_earth if is_globe else identity
    mappable = _draw_on(ax, da, style, extent, land=land, project=project)
    if flags:
        legend_below(ax, flags, flag_colours(da))
    else:
        bar: dict[str, Any] = {"orientation": "horizontal", "extend": extend}
        if ratio >= 0.6 and not is_globe:
            slot = ax.get_window_extent()
            shrink = float(np.clip(ratio * slot.width / slot.height, 0.4, 0.8))
            bar |= {"orientation": "vertical", "shrink": shrink}  # no longer than the map is high
        add_colour_bar(ax, mappable, axis_label(da), **bar)
    set_title(ax, title, comparison_title(scores))
    return ax


def draw_map(
    ax: Axes,
    da: xr.DataArray,
    style: dict[str, Any],
    *,
    land: xr.DataArray | None = None,
    region: Sequence[float] | None = None,
) -> tuple[Any, float]:
    """Draw one field, or stations, on plain axes, without colour bar.

    Returns
    -------
    tuple
        What has the colours, and the height of the map over its width.
    """
    lat, lon = _lat_lon(da)
    own = _extent(lat, lon, "station" in da.dims, land)
    extent = own if region is None else tuple(region_edges(region))
    return _draw_on(ax, da, style, extent, land=land), _height_to_width(extent)


def region_edges(region: Sequence[float]) -> tuple[float, ...]:
    """A region as numbers: south, north, west, east.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        south, north, west, east = (float(edge) for edge in region)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"region={region!r}: expected (south, north, west, east) in degrees."
        ) from error
    if not (south < north and west < east):
        raise InputError(f"region={region!r}: expected (south, north, west, east) in degrees.")
    return south, north, west, east


def _height_to_width(extent: tuple[float, ...]) -> float:
    south, north, west, east = extent
    return (north - south) / ((east - west) * np.cos(np.deg2rad((south + north) / 2)))


def _draw_on(
    ax: Axes,
    da: xr.DataArray,
    style: dict[str, Any],
    extent: tuple[float, ...],
    *,
    land: xr.DataArray | None = None,
    project: Projection = identity,
) -> Any:
    """Draw land, a field or stations, coast and degrees within an extent."""
    south, north, west, east = extent
    centre = (west + east) / 2
    lat, lon = _lat_lon(da, centre)
    if land is not None:
        ax.set_facecolor(NO_DATA)
        draw_land(ax, land, *_lat_lon(land, centre))
    mappable = (
        _draw_stations(ax, da, lat, lon, style, project)
        if "station" in da.dims
        else draw_field(ax, da, lat, lon, project=project, **style)
    )
    _set_extent(ax, extent)
    if land is None:
        background = extent if project is identity else (-90.0, 90.0, -180.0, 180.0)
        draw_background(ax, background, project, **cartopy_transform(ax))
    if project is identity:
        format_degree_axes(ax, (south + north) / 2)
    else:
        format_globe_axes(ax)
    return mappable


def _lat_lon(da: xr.DataArray, centre: float | None = None) -> tuple[xr.DataArray, xr.DataArray]:
    """Latitude and longitude of `da`, degrees; the longitudes within half a turn of `centre`.

    Without a centre the longitudes of a part of the globe are brought together.
    """
    coords = []
    for axis in ("latitude", "longitude"):
        if (coord := coordinate(da, None, axis)) is None:
            if not da.dims:
                raise InputError(
                    f"{da.name} is a single value: a map needs stations or cells. A selection with "
                    "a list keeps their dimension, such as scores.isel(station=[0]); of simulated "
                    "gaps, draw xsm.plotting.box."
                )
            dims = str(da.dims[0]) if da.ndim == 1 else tuple(str(dim) for dim in da.dims)
            raise InputError(
                f"{da.name} has no {axis}: its coordinates are {list(da.coords)}. Assign one, such "
                f"as ds.assign_coords({axis[:3]}=({dims!r}, values))."
            )
        coords.append(coord)
    lat, lon = coords
    if centre is None and (centre := centre_of_part(lon.values)) is None:
        return lat, lon
    turns = np.round((centre - lon.values) / 360.0)  # 0 leaves the value as it is, bit for bit
    return lat, xr.DataArray(lon.values + 360.0 * turns, dims=lon.dims)


def _extent(
    lat: xr.DataArray,
    lon: xr.DataArray,
    is_points: bool,
    land: xr.DataArray | None,
) -> tuple[float, ...]:
    """South, north, west, east (degrees): edges of the cells, or stations with a margin."""
    margins = [0.0, 0.0]
    spans = [(float(coord.min()), float(coord.max())) for coord in (lat, lon)]
    if is_points:
        margins = [max(0.06 * (high - low), 0.5) for low, high in spans]
    elif lat.ndim == 1:
        edges = cell_edges(np.sort(lat.values), np.sort(lon.values))
        spans = [(float(ends[0]), float(ends[-1])) for ends in edges]
    (south, north), (west, east) = spans
    extent = (
        max(south - margins[0], -90.0),
        min(north + margins[0], 90.0),
        west - margins[1],
        east + margins[1],
    )
    if not is_points or land is None:
        return extent
    # the margin ends where the land mask ends
    land_lat, land_lon = _lat_lon(land, (west + east) / 2)
    return (
        max(extent[0], min(south, float(land_lat.min()))),
        min(extent[1], max(north, float(land_lat.max()))),
        max(extent[2], min(west, float(land_lon.min()))),
        min(extent[3], max(east, float(land_lon.max()))),
    )


def _is_global(extent: tuple[float, ...]) -> bool:
    """Whether a map shows most of the globe."""
    south, north, west, east = extent
    return east - west > GLOBE_DEGREES and north - south > GLOBE_DEGREES / 3


def _set_extent(ax: Any, extent: tuple[float, ...]) -> None:
    south, north, west, east = extent
    if transform := cartopy_transform(ax).get("transform"):
        ax.set_extent([west, east, south, north], crs=transform)
    else:
        ax.set_xlim(west, east)
        ax.set_ylim(south, north)


def _draw_stations(
    ax: Axes,
    da: xr.DataArray,
    lat: xr.DataArray,
    lon: xr.DataArray,
    style: dict[str, Any],
    project: Projection,
) -> Any:
    """Draw stations as coloured points, and those without a score as crosses."""
    scored = np.isfinite(da.values)
    x, y = lon.values, lat.values
    if project is not identity:
        x, y = project(wrap_longitude(x), y)
    size = float(np.clip(3000 / max(da.size, 1), 14, 60))
    transform = cartopy_transform(ax)
    if not scored.all():
        cross: dict[str, Any] = {"marker": "x", "color": GREY, "linewidths": 1, "zorder": 2.5}
        ax.scatter(x[~scored], y[~scored], s=size / 2, **cross, **transform)
        text = f"× no score: {np.count_nonzero(~scored)} of {da.size}"
        ax.set_title(text, loc="right", fontsize=8, color=GREY)
    edge: dict[str, Any] = {"edgecolors": DARK, "linewidths": 0.5, "zorder": 3, "clip_on": False}
    x, y, values = x[scored], y[scored], da.values[scored]
    return ax.scatter(x, y, c=values, s=size, **edge, **style, **transform)
