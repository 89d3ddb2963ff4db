"""Fields and land masks on axes of longitude and latitude, plain or of cartopy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.grid import wrap_longitude
from xsm.plotting.equal_earth import Projection, identity
from xsm.plotting.map_background import COAST, LAND
from xsm.plotting.style import SEA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

NO_DATA = "#f4f4f4"
HALF_TURN = 180.0  # degrees
ONE_CELL = 0.25  # degrees: the size at which a single cell is drawn; it has no spacing


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
    if lat.ndim > 1:
        return ax.pcolormesh(x, y, values, shading="nearest", **style)
    x = x if project is identity else wrap_longitude(x)
    order = np.argsort(x)
    values, (y_edges, x_edges) = values[:, order], cell_edges(y, x[order])
    if project is not identity:
        x_edges = np.clip(x_edges, -180, 180)
    corners = project(*np.meshgrid(x_edges, np.clip(y_edges, -90, 90)))
    return ax.pcolormesh(*corners, values, shading="flat", **style)


def draw_land(ax: Axes, land: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray) -> None:
    """Draw grey land, pale sea and the coast between them, from a land mask (H, W; bool)."""
    x, y, values = _arrays(land.astype(float), lat, lon)
    if x.ndim == 1:
        order = np.argsort(x)
        x, values = x[order], values[:, order]
        # contours reach from centre to centre: extend them to the edges of the cells
        y_edges, x_edges = cell_edges(y, x)
        x, y = (np.r_[e[0], c, e[-1]] for e, c in ((x_edges, x), (y_edges, y)))
        values = np.pad(values, 1, mode="edge")
    transform = cartopy_transform(ax)
    shades: dict[str, Any] = {"levels": [-0.5, 0.5, 1.5], "colors": [SEA, LAND], "zorder": 0.4}
    ax.contourf(x, y, values, **shades, **transform)
    if np.ptp(values):
        line: dict[str, Any] = {"levels": [0.5], "colors": COAST, "linewidths": 0.7, "zorder": 1.5}
        ax.contour(x, y, values, **line, **transform)


def cell_edges(
    lat: NDArray[np.floating], lon: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Edges (H + 1,) and (W + 1,) of cells from the centres (H,) and (W,) of rows and columns.

    A single row is as high as its columns are wide, a single column as wide as its rows are high.

    Examples
    --------
    >>> rows, columns = cell_edges(np.array([40.0]), np.array([1.0, 2.0]))
    >>> rows.tolist(), columns.tolist()
    ([39.5, 40.5], [0.5, 1.5, 2.5])
    """
    steps = [float(abs(np.diff(axis)).mean()) if axis.size > 1 else None for axis in (lat, lon)]
    size = next((step for step in steps if step), ONE_CELL)
    edges = []
    for centres in (np.asarray(lat, np.float64), np.asarray(lon, np.float64)):
        between = (centres[1:] + centres[:-1]) / 2
        half = np.diff(centres[[0, 1, -2, -1]])[[0, 2]] if centres.size > 1 else np.full(2, size)
        first, last = centres[0] - half[0] / 2, centres[-1] + half[1] / 2
        edges.append(np.concatenate([[first], between, [last]]))
    return edges[0], edges[1]


def _arrays(field: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray) -> tuple[Any, Any, Any]:
    """Longitudes, latitudes and values; on a projected grid all of them are (H, W)."""
    if lat.ndim == 1:
        return lon.values, lat.values, field.transpose(*lat.dims, *lon.dims).values
    return lon.values, lat.transpose(*lon.dims).values, field.transpose(*lon.dims).values


def centre_of_part(lon: NDArray[np.floating]) -> float | None:
    """Centre of the longitudes that a part of the globe has, where their values hide it.

    A region across Greenwich may be stored as 0 to 5 and 350 to 360, islands at the date line as
    179 and -179. None where the values lie within half a turn, or the places do not.

    Examples
    --------
    >>> centre_of_part(np.array([0.0, 5.0, 355.0])), centre_of_part(np.array([-9.0, 3.0]))
    (0.0, None)
    """
    values = np.unique(lon[np.isfinite(lon)])
    if values.size < 2 or np.ptp(values) <= HALF_TURN:
        return None
    positive = np.unique(values % 360.0)
    gaps = np.diff(positive, append=positive[0] + 360.0)
    widest = int(np.argmax(gaps))
    width = 360.0 - float(gaps[widest])
    if width > HALF_TURN:
        return None
    return float(wrap_longitude(positive[(widest + 1) % positive.size] + width / 2))


def format_degree_axes(ax: Axes, latitude: float) -> None:
    """Format ticks as degrees with hemisphere; set the aspect of a map at `latitude` (degrees)."""
    if cartopy_transform(ax):
        return
    ax.set_aspect(1 / max(np.cos(np.deg2rad(latitude)), 0.2))
    ax.xaxis.set_major_formatter(lambda x, _: format_longitude(x))
    ax.yaxis.set_major_formatter(lambda y, _: format_latitude(y))
    ax.locator_params(nbins=6, steps=[1, 2, 3, 5, 10])
    limits = {"x": ax.get_xlim(), "y": ax.get_ylim()}
    longest = max(abs(end - start) for start, end in limits.values())
    for axis, (start, end) in limits.items():
        if abs(end - start) < 0.1 * longest:  # labels of a single row would overlap
            ax.set(**{f"{axis}ticks": [(start + end) / 2]})
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
