"""The global EASE-Grid 2.0 (cylindrical, equal area): its rows and columns are axes.

A cylindrical projection is separable: a row has one latitude, a column one longitude, so that
both are known exactly from row and column, wherever the swath of a day ran.

Source: Brodzik et al. (2012, 2014), doi:10.3390/ijgi1010032; Snyder (1987), USGS Professional
Paper 1395, equations 10-15 to 10-19 and 3-16.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# kilometres -> rows and columns of the global grid
EASE2_SHAPES: dict[float, tuple[int, int]] = {
    36.0: (406, 964),
    25.0: (584, 1388),
    12.5: (1168, 2776),
    9.0: (1624, 3856),
    3.0: (4872, 11568),
    1.0: (14616, 34704),
}
_MAJOR_AXIS, _FLATTENING = 6378137.0, 1.0 / 298.257223563  # WGS 84
_TRUE_SCALE = 30.0  # degrees
_ECCENTRICITY = float(np.sqrt(_FLATTENING * (2.0 - _FLATTENING)))
_SINE = np.sin(np.deg2rad(_TRUE_SCALE))
_SCALE = float(np.cos(np.deg2rad(_TRUE_SCALE)) / np.sqrt(1.0 - (_ECCENTRICITY * _SINE) ** 2))
TOLERANCE = 0.02  # of a cell; float32 coordinates of the 1 km grid are that coarse


@cache
def ease2_axes(kilometres: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes (rows,) from the north and longitudes (columns,) from -180 of the cell centres.

    Parameters
    ----------
    kilometres : float
        Nominal size of a cell, a key of ``EASE2_SHAPES``.
    """
    columns = EASE2_SHAPES[kilometres][1]
    lon = -180.0 + (np.arange(columns) + 0.5) * 360.0 / columns
    y, _ = ease2_metres(kilometres)
    lat = np.rad2deg(_geodetic_latitude(2.0 * y * _SCALE / _MAJOR_AXIS, _ECCENTRICITY))
    for axis in (lat, lon):
        axis.flags.writeable = False
    return lat, lon


def ease2_metres(kilometres: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances (rows,) to the north of the equator and (columns,) east of Greenwich, metres.

    Those of the projection, of the cell centres of :func:`ease2_axes`.
    """
    rows, columns = EASE2_SHAPES[kilometres]
    cell = np.float64(2.0 * np.pi * _MAJOR_AXIS * _SCALE / columns)
    y: NDArray[np.float64] = (0.5 * rows - np.arange(rows) - 0.5) * cell
    x: NDArray[np.float64] = (np.arange(columns) + 0.5 - 0.5 * columns) * cell
    return y, x


def _geodetic_latitude(q: NDArray[np.float64], eccentricity: float) -> NDArray[np.float64]:
    """Latitude (radians) of which `q` is the authalic function (Snyder 3-12, by iteration 3-16)."""
    e2 = eccentricity**2
    lat = np.arcsin(np.clip(q / 2.0, -1.0, 1.0))
    for _ in range(30):
        sine = np.sin(lat)
        part = 1.0 - e2 * sine**2
        terms = q / (1.0 - e2) - sine / part
        terms -= np.log((1.0 + eccentricity * sine) / (1.0 - eccentricity * sine)) / (
            2.0 * eccentricity
        )
        step = part**2 / (2.0 * np.cos(lat)) * terms
        lat = lat + step
        if np.abs(step).max() < 1e-14:
            break
    return lat


def global_shape(shape: tuple[int, ...]) -> float | None:
    """Nominal kilometres of the global grid that has this many rows and columns, or None."""
    return next((km for km, size in EASE2_SHAPES.items() if size == shape), None)


def nearest_index(
    values: NDArray[np.float64], axis: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Index of the nearest centre along an axis, and whether the value lies on it.

    Parameters
    ----------
    values : (N,) float
        Finite.
    axis : (M,) float
        Monotonic.
    """
    order = np.argsort(axis)
    ordered = axis[order]
    right = np.clip(np.searchsorted(ordered, values), 1, ordered.size - 1)
    nearest = right - (values - ordered[right - 1] < ordered[right] - values)
    cell = np.gradient(ordered)[nearest]
    return order[nearest], np.abs(values - ordered[nearest]) <= TOLERANCE * cell
