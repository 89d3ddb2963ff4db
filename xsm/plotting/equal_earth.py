"""The equal-area projection Equal Earth, for maps of the globe on plain axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float64]
Projection = Callable[[Array, Array], tuple[Array, Array]]

A = (1.340264, -0.081106, 0.000893, 0.003796)
GRATICULE = "#c9d3da"
FRAME = "#8c8c8c"


def identity(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Degrees as they are."""
    return lon, lat


def equal_earth(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Equal Earth of longitudes and latitudes in degrees, central meridian 0; unit sphere.

    Reference: Savric et al. (2019), doi 10.1080/13658816.2018.1504949, eq. 1 to 5.

    Examples
    --------
    >>> x, y = equal_earth(np.array([0.0, 180.0]), np.array([90.0, 0.0]))
    >>> x.round(4).tolist(), y.round(4).tolist()
    ([0.0, 2.7066], [1.3174, 0.0])
    """
    a1, a2, a3, a4 = A
    theta = np.arcsin(np.sqrt(3.0) / 2.0 * np.sin(np.deg2rad(lat)))
    t2 = theta * theta
    t6 = t2**3
    derivative = 9.0 * a4 * t6 * t2 + 7.0 * a3 * t6 + 3.0 * a2 * t2 + a1
    x = 2.0 * np.sqrt(3.0) * np.deg2rad(lon) * np.cos(theta) / (3.0 * derivative)
    y = theta * (a4 * t6 * t2 + a3 * t6 + a2 * t2 + a1)
    return x, y


def format_globe_axes(ax: Axes) -> None:
    """Frame, graticule and limits of a map of the globe; no ticks.

    The colour of the axes becomes that of the globe.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Polygon

    lat = np.linspace(-90.0, 90.0, 181)
    edge = [(np.full(181, -180.0), lat), (np.full(181, 180.0), lat[::-1])]
    outline = np.concatenate([np.stack(equal_earth(*side), axis=1) for side in edge])
    frame = Polygon(outline, closed=True, facecolor="none", edgecolor=FRAME, linewidth=0.8)
    frame.set_zorder(2)
    sea = Polygon(outline, closed=True, facecolor=ax.get_facecolor(), edgecolor="none")
    sea.set_zorder(0.2)
    ax.add_patch(sea)
    ax.set_facecolor("none")
    inside = Polygon(outline, closed=True, transform=ax.transData)
    ax.add_patch(frame)
    for artist in (*ax.collections, *ax.images):
        if artist.get_clip_on():
            artist.set_clip_path(inside)
    lines = [np.stack(equal_earth(np.full(181, m), lat), axis=1) for m in range(-120, 180, 60)]
    lon = np.linspace(-180.0, 180.0, 361)
    lines += [np.stack(equal_earth(lon, np.full(361, p)), axis=1) for p in range(-60, 90, 30)]
    style: dict[str, Any] = {"colors": GRATICULE, "linewidths": 0.4, "zorder": 0.3}
    ax.add_collection(LineCollection(lines, **style), autolim=False)
    ax.set_xlim(-2.72, 2.72)
    ax.set_ylim(-1.33, 1.33)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
