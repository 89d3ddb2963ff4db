"""Fields and land masks on axes of longitude and latitude, plain or of cartopy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.plotting.equal_earth import Projection, identity
from xsm.plotting.map_background import COAST, LAND, SEA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

NO_DATA = "#f4f4f4"


def draw_field(
    ax: Axes,
    field: xr.DataArray,
    lat: xr.DataArray,
    lon: xr.DataArray,
    *,
    project: Projection = identity,
    **style: Any,
) -> QuadMesh:
    """Draw a field (H, W) as coloured grid cells.

    Parameters
    ----------
    ax : Axes
        Plain axes, or axes of cartopy in any projection.
    field : DataArray
        (H, W) in either order.
    lat, lon : DataArray
        Degrees; (H,) and (W,), or both (H, W) on a projected grid.
    project : function (lon, lat) -> (x, y)
        Of (H,) and (W,) only.
    **style
        Arguments of ``pcolormesh``, such as ``cmap``, ``vmin``, ``vmax``.
    """
    x, y, values = _arrays(field, lat, lon)
    style = {"rasterized": True, **cartopy_transform(ax), **style}
    if project is not identity:
        wrapped = wrap_longitude(x)
        order = np.argsort(wrapped)
        edges = np.clip(_edges(wrapped[order]), -180, 180), np.clip(_edges(y), -90, 90)
        corners = project(*np.meshgrid(*edges))
        return ax.pcolormesh(*corners, values[:, order], shading="flat", **style)
    return ax.pcolormesh(x, y, values, shading="nearest", **style)


def draw_land(ax: Axes, land: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray) -> None:
    """Draw grey land, pale sea and the coast between them, from a land mask (H, W; bool)."""
    x, y, values = _arrays(land.astype(float), lat, lon)
    if x.ndim == 1:  # contours reach from centre to centre: extend them to the edges of the cells
        x, y, values = _extend_to_edge(x), _extend_to_edge(y), np.pad(values, 1, mode="edge")
    transform = cartopy_transform(ax)
    shades: dict[str, Any] = {"levels": [-0.5, 0.5, 1.5], "colors": [SEA, LAND], "zorder": 0.4}
    ax.contourf(x, y, values, **shades, **transform)
    if np.ptp(values):
        line: dict[str, Any] = {"levels": [0.5], "colors": COAST, "linewidths": 0.7, "zorder": 1.5}
        ax.contour(x, y, values, **line, **transform)


def _edges(centres: NDArray[np.floating]) -> NDArray[np.floating]:
    """Edges (N + 1,) of cells from their centres (N,)."""
    between = (centres[1:] + centres[:-1]) / 2
    half = np.diff(centres[[0, 1, -2, -1]])[[0, 2]] / 2 if centres.size > 1 else np.full(2, 0.5)
    return np.concatenate([[centres[0] - half[0]], between, [centres[-1] + half[1]]])


def _extend_to_edge(centres: NDArray[np.floating]) -> NDArray[np.floating]:
    """Add the outer edge of the first and of the last cell to the centres of cells."""
    half = np.diff(centres[[0, 1, -2, -1]])[[0, 2]] / 2 if centres.size > 1 else np.zeros(2)
    return np.concatenate([[centres[0] - half[0]], centres, [centres[-1] + half[1]]])


def _arrays(field: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray) -> tuple[Any, Any, Any]:
    """Longitudes, latitudes and values; on a projected grid all of them are (H, W)."""
    if lat.ndim == 1:
        return lon.values, lat.values, field.transpose(*lat.dims, *lon.dims).values
    return lon.values, lat.transpose(*lon.dims).values, field.transpose(*lon.dims).values


def format_degree_axes(ax: Axes, latitude: float) -> None:
    """Format ticks as degrees with hemisphere; set the aspect of a map at `latitude` (degrees)."""
    if cartopy_transform(ax):
        return
    ax.set_aspect(1 / max(np.cos(np.deg2rad(latitude)), 0.2))
    ax.xaxis.set_major_formatter(lambda x, _: format_longitude(x))
    ax.yaxis.set_major_formatter(lambda y, _: format_latitude(y))
    ax.locator_params(nbins=6, steps=[1, 2, 3, 5, 10])
    ax.tick_params(labelsize=8, color=COAST)
    ax.spines[:].set_color(COAST)


def format_longitude(x: float, digits: str = "g") -> str:
    """Longitude in degrees with its hemisphere.

    Examples
    --------
    >>> format_longitude(-10), format_longitude(350), format_longitude(0)
    ('10°W', '10°W', '0°')
    """
    x = wrap_longitude(x)
    hemisphere = "W" if x < 0 else "E" if x else ""
    return f"{abs(x):{digits}}°{hemisphere if abs(x) < 180 else ''}"


def format_latitude(y: float, digits: str = "g") -> str:
    """Latitude in degrees with its hemisphere.

    Examples
    --------
    >>> format_latitude(-10), format_latitude(41.625, ".2f")
    ('10°S', '41.62°N')
    """
    return f"{abs(y):{digits}}°{'S' if y < 0 else 'N' if y else ''}"


def format_position(lat: float, lon: float) -> str:
    """A position in degrees, such as ``41.62°N 3.38°W``."""
    return f"{format_latitude(lat, '.2f')} {format_longitude(lon, '.2f')}"


def cartopy_transform(ax: Axes) -> dict[str, Any]:
    """Return the argument `transform` that axes of cartopy need; nothing for plain axes."""
    if not hasattr(ax, "projection"):
        return {}
    from cartopy.crs import PlateCarree

    return {"transform": PlateCarree()}
