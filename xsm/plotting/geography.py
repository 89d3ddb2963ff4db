"""A field over grey land and pale sea, on axes of latitude and longitude."""

from __future__ import annotations

import logging
import warnings
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

logger = logging.getLogger(__name__)

SEA, LAND, COAST, NOTHING = "#eef3f6", "#d4d4d4", "#6b6b6b", "#f4f4f4"


def draw_field(
    ax: Axes, field: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray, **style: Any
) -> QuadMesh:
    """Draw a field (H, W) as coloured cells.

    Parameters
    ----------
    ax : Axes
        Plain, or of cartopy in any projection.
    field : DataArray
        (H, W) in either order.
    lat, lon : DataArray
        Degrees; (H,) and (W,), or both (H, W) on a projected grid.
    **style
        Of ``pcolormesh``, such as ``cmap``, ``vmin``, ``vmax``.
    """
    x, y, values = _arrays(field, lat, lon)
    own = {"rasterized": True, **_in_degrees(ax)}
    return ax.pcolormesh(x, y, values, shading="nearest", **{**own, **style})


def draw_land(ax: Axes, land: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray) -> None:
    """Grey land, pale sea, and the coast between them, from a land mask (H, W; bool)."""
    x, y, values = _arrays(land.astype(float), lat, lon)
    where = _in_degrees(ax)
    shades: dict[str, Any] = {"levels": [-0.5, 0.5, 1.5], "colors": [SEA, LAND], "zorder": 0.4}
    ax.contourf(x, y, values, **shades, **where)
    if np.ptp(values):
        line: dict[str, Any] = {"levels": [0.5], "colors": COAST, "linewidths": 0.7, "zorder": 1.5}
        ax.contour(x, y, values, **line, **where)


def _arrays(field: xr.DataArray, lat: xr.DataArray, lon: xr.DataArray) -> tuple[Any, Any, Any]:
    """Longitudes, latitudes and values; all (H, W) where the first two are."""
    if lat.ndim == 1:
        return lon.values, lat.values, field.transpose(*lat.dims, *lon.dims).values
    return lon.values, lat.transpose(*lon.dims).values, field.transpose(*lon.dims).values


def draw_coast(ax: Axes) -> None:
    """The coast as a line, where cartopy is installed and has it or can fetch it."""
    from matplotlib.collections import LineCollection

    lines = coast_lines()
    if not lines:
        return
    limits = ax.get_xlim(), ax.get_ylim()
    style: dict[str, Any] = {"colors": COAST, "linewidths": 0.6, "zorder": 1.5}
    ax.add_collection(LineCollection(lines, **style, **_in_degrees(ax)), autolim=False)
    ax.set_xlim(limits[0])
    ax.set_ylim(limits[1])


@cache
def coast_lines() -> list[NDArray[np.floating]]:
    """Natural Earth's coast, 1:50 million, as (N, 2) longitudes and latitudes; or nothing."""
    if find_spec("cartopy") is None:
        return []
    from cartopy.io.shapereader import Reader, natural_earth

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is being downloaded
            shapes = Reader(natural_earth("50m", "physical", "coastline")).geometries()
    except OSError as error:
        logger.info("no coast drawn: %s", error)
        return []
    parts = [part for shape in shapes for part in getattr(shape, "geoms", [shape])]
    return [np.asarray(part.coords)[:, :2] for part in parts]


def degrees_axes(ax: Axes, latitude: float) -> None:
    """Ticks in degrees with their hemisphere, and the aspect of a map at `latitude` (degrees)."""
    if _in_degrees(ax):
        return
    ax.set_aspect(1 / max(np.cos(np.deg2rad(latitude)), 0.2))
    ax.xaxis.set_major_formatter(lambda x, _: longitude_text(x))
    ax.yaxis.set_major_formatter(lambda y, _: latitude_text(y))
    ax.locator_params(nbins=6, steps=[1, 2, 3, 5, 10])
    ax.tick_params(labelsize=8, color=COAST)
    for side in ax.spines.values():
        side.set_color(COAST)


def longitude_text(x: float, digits: str = "g") -> str:
    """Examples: -10 is ``10°W``, 350 is ``10°W``.

    >>> longitude_text(-10), longitude_text(350), longitude_text(0)
    ('10°W', '10°W', '0°')
    """
    x = (x + 180.0) % 360.0 - 180.0
    side = "W" if x < 0 else "E" if x else ""
    return f"{abs(x):{digits}}°{side if abs(x) < 180 else ''}"


def latitude_text(y: float, digits: str = "g") -> str:
    """Examples: -10 is ``10°S``.

    >>> latitude_text(-10), latitude_text(41.625, ".2f")
    ('10°S', '41.62°N')
    """
    return f"{abs(y):{digits}}°{'S' if y < 0 else 'N' if y else ''}"


def place_text(lat: float, lon: float) -> str:
    """A place in degrees, such as ``41.62°N 3.38°W``."""
    return f"{latitude_text(lat, '.2f')} {longitude_text(lon, '.2f')}"


def _in_degrees(ax: Axes) -> dict[str, Any]:
    """The transform that axes of cartopy need; nothing for plain ones."""
    if not hasattr(ax, "projection"):
        return {}
    from cartopy.crs import PlateCarree

    return {"transform": PlateCarree()}
