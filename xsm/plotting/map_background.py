"""Coast, borders and land behind a map: Natural Earth for the globe, GLOBE for regions.

``natural_earth_110m.npz`` holds the lines of Natural Earth, 1:110 million, which are in the public
domain (naturalearthdata.com): coast, borders of countries (de facto), lakes, and the outlines of
the land, in 0.01 degree.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xsm.errors import MissingPackageError
from xsm.plotting.equal_earth import Projection, identity
from xsm.plotting.style import SEA

if TYPE_CHECKING:
    from matplotlib.axes import Axes

logger = logging.getLogger(__name__)

LAND, COAST, BORDER = "#dcdcd8", "#5f5f5f", "#9a9a9a"
SEPARATOR = np.iinfo(np.int16).min
FINE_DEGREES = 40.0  # maps that are not wider have the coast of GLOBE, of 0.1 degree
STEP = 0.1

Lines = list[NDArray[np.float64]]


@cache
def natural_earth(kind: str) -> Lines:
    """Lines of Natural Earth, (N, 2) longitudes and latitudes, degrees.

    Parameters
    ----------
    kind : {"coast", "border", "lake", "land"}
        The outlines of "lake" and "land" are closed.
    """
    with files("xsm.plotting").joinpath("natural_earth_110m.npz").open("rb") as stream:
        points = np.load(stream)[kind]
    ends = np.flatnonzero(points[:, 0] == SEPARATOR)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return [points[a:b].astype(np.float64) / 100.0 for a, b in zip(starts, ends, strict=True)]


def draw_background(
    ax: Axes,
    extent: tuple[float, ...],
    project: Projection = identity,
    **transform: Any,
) -> None:
    """Draw land, coast and borders within an extent.

    Parameters
    ----------
    ax : Axes
    extent : south, north, west, east (degrees)
    project : function (lon, lat) -> (x, y)
    **transform
        The argument `transform` of cartopy, for its axes.
    """
    from matplotlib.collections import LineCollection, PolyCollection

    ax.set_facecolor(SEA)
    fraction = land_fraction(extent) if extent[3] - extent[2] <= FINE_DEGREES else None
    if fraction is None:
        land = [_projected(line, project) for line in _shifted("land", extent)]
        fill: dict[str, Any] = {"facecolors": LAND, "edgecolors": "none", "zorder": 0.4}
        ax.add_collection(PolyCollection(land, **fill, **transform), autolim=False)
        coast = [_projected(line, project) for line in _shifted("coast", extent)]
        style: dict[str, Any] = {"colors": COAST, "linewidths": 0.5, "zorder": 1.5}
        ax.add_collection(LineCollection(coast, **style, **transform), autolim=False)
    else:
        lon, lat, values = fraction
        shades: dict[str, Any] = {"levels": [0.5, 1.01], "colors": [LAND], "zorder": 0.4}
        ax.contourf(lon, lat, values, **shades, **transform)
        if np.ptp(values) > 0:
            style = {"levels": [0.5], "colors": COAST, "linewidths": 0.7, "zorder": 1.5}
            ax.contour(lon, lat, values, **style, **transform)
    borders = _shifted("border", extent)
    if fraction is not None:
        borders = [_on_land(line, *fraction) for line in borders]
    borders = [_projected(line, project) for line in borders]
    style = {"colors": BORDER, "linewidths": 0.4, "zorder": 1.4}
    ax.add_collection(LineCollection(borders, **style, **transform), autolim=False)


def _on_land(
    line: NDArray[np.float64],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """A border that ends at the coast, which it does not where both have other resolutions."""
    size = np.abs(np.diff(line, axis=0)).max(axis=1)
    distance = np.concatenate([[0.0], np.cumsum(size)])
    at = np.arange(0.0, distance[-1], STEP / 2)
    dense = np.stack([np.interp(at, distance, line[:, i]) for i in (0, 1)], axis=1)
    column = np.round((dense[:, 0] - lon[0]) / STEP).astype(int)
    row = np.round((lat[0] - dense[:, 1]) / STEP).astype(int)
    inside = (column >= 0) & (column < lon.size) & (row >= 0) & (row < lat.size)
    land = inside.copy()
    land[inside] = values[row[inside], column[inside]] >= 0.5
    return np.where(land[:, None], dense, np.nan)


def _projected(line: NDArray[np.float64], project: Projection) -> NDArray[np.float64]:
    return np.stack(project(line[:, 0], line[:, 1]), axis=1)


def _shifted(kind: str, extent: tuple[float, ...]) -> Lines:
    """Lines within an extent whose longitudes may count from 0 or go beyond 180."""
    south, north, west, east = extent
    lines = []
    for offset in (-360.0, 0.0, 360.0):
        if offset and west + 1.0 > offset - 180.0 and (east < offset - 180.0 + 1.0):
            continue
        for line in natural_earth(kind):
            lon, lat = line[:, 0] + offset, line[:, 1]
            inside = lon.max() >= west and lon.min() <= east
            if inside and lat.max() >= south and lat.min() <= north:
                lines.append(np.stack([lon, lat], axis=1))
    return lines


def land_fraction(
    extent: tuple[float, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Longitudes (W,), latitudes (H,) and the land fraction (H, W) of 0.1 degree in an extent.

    None if the package global-land-mask is not installed.
    """
    from xsm.conventions.globe_land import sea_samples

    try:
        samples = sea_samples()
    except (MissingPackageError, OSError) as error:
        logger.info("the map has the coast of Natural Earth, 1:110 million: %s", error)
        return None
    south, north, west, east = extent
    rows, columns = samples.shape
    first = int(np.clip(np.floor((90.0 - north) / STEP) - 1, 0, rows - 1))
    last = int(np.clip(np.ceil((90.0 - south) / STEP) + 1, first + 1, rows))
    left, right = int(np.floor(west / STEP)) - 1, int(np.ceil(east / STEP)) + 1
    row, column = np.arange(first, last), np.arange(left, right)
    sea = samples[first:last][:, (column + columns // 2) % columns]
    lon = np.asarray((column + 0.5) * STEP, np.float64)
    lat = np.asarray(90.0 - (row + 0.5) * STEP, np.float64)
    return lon, lat, 1.0 - sea.astype(np.float64) / 16.0
