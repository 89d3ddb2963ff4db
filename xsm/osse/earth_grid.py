"""The regular latitude-longitude grid and the daily time axis of a simulation."""

from dataclasses import dataclass

import numpy as np

from xsm.conventions.nearest_cells import EARTH_RADIUS_KM
from xsm.errors import InputError

KM_PER_DEGREE = EARTH_RADIUS_KM * np.pi / 180.0


@dataclass(frozen=True)
class Grid:
    """A regular grid with ascending cell centres, in degrees.

    Attributes
    ----------
    lat : ndarray (H,)
    lon : ndarray (W,)
    dlat, dlon : float
        Cell sizes in degrees.
    is_global : bool
        True if the longitudes span 360 degrees.
    """

    lat: np.ndarray
    lon: np.ndarray
    dlat: float
    dlon: float
    is_global: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.lat.size, self.lon.size


def _axis(values, name: str, low: float, high: float) -> tuple[np.ndarray, float]:
    """Check one axis; return it in ascending order, and its step."""
    axis = np.asarray(values, dtype=float)
    if axis.ndim != 1 or axis.size == 0:
        raise InputError(f"{name} has shape {axis.shape}; expected a 1-D array of cell centres")
    if not np.isfinite(axis).all() or axis.min() < low or axis.max() > high:
        raise InputError(
            f"{name} runs from {axis.min()} to {axis.max()}; expected finite degrees within "
            f"[{low:g}, {high:g}]"
        )
    axis = np.sort(axis)
    if axis.size == 1:
        return axis, 0.25
    step = np.diff(axis)
    if step.min() <= 0 or np.ptp(step) > 0.01 * step.mean():
        raise InputError(
            f"{name} has steps from {step.min():.6g} to {step.max():.6g} degrees; expected a "
            f"regular grid: build it with numpy.arange, or simulate on one and interpolate"
        )
    return axis, float(axis[-1] - axis[0]) / (axis.size - 1)


def make_grid(lat, lon) -> Grid:
    """Build a `Grid` from cell centres in any order.

    Parameters
    ----------
    lat : array_like (H,)
        Degrees north, regular, either direction.
    lon : array_like (W,)
        Degrees east, regular, -180..180 or 0..360.

    Raises
    ------
    InputError
        If an axis is not 1-D, finite, in range and regular, or longitudes span more than 360.

    Examples
    --------
    >>> make_grid([41, 40, 39], [0, 1, 2, 3]).shape
    (3, 4)
    """
    lat_axis, dlat = _axis(lat, "lat", -90.0, 90.0)
    lon_axis, dlon = _axis(lon, "lon", -180.0, 360.0)
    span = dlon * lon_axis.size
    if span > 360.0 + 0.01 * dlon:
        raise InputError(
            f"lon spans {span:g} degrees; expected at most 360: leave out repeated columns"
        )
    return Grid(lat_axis, lon_axis, dlat, dlon, bool(abs(span - 360.0) < 0.5 * dlon))


def gaussian_blur(values: np.ndarray, grid: Grid, sigma_km: float) -> np.ndarray:
    """Smooth with a Gaussian of equal width in km on each row.

    Parameters
    ----------
    values : ndarray (H, W)
    grid : Grid
    sigma_km : float
        Standard deviation of the Gaussian, km.

    Returns
    -------
    ndarray (H, W)
        The edge cells are repeated beyond a regional grid; a global grid is periodic.
    """
    height, width = grid.shape
    pad = 0 if grid.is_global else min(width, 64)
    padded = np.pad(values, ((0, 0), (pad, pad)), mode="edge")
    parallel = np.maximum(np.cos(np.deg2rad(grid.lat)), 0.05)
    cells = sigma_km / (grid.dlon * KM_PER_DEGREE * parallel)
    wave = 2 * np.pi * np.fft.rfftfreq(padded.shape[1])
    damping = np.exp(-0.5 * (cells[:, None] * wave[None, :]) ** 2)
    smooth = np.fft.irfft(np.fft.rfft(padded, axis=1) * damping, padded.shape[1], axis=1)
    smooth = smooth[:, pad : pad + width]
    sigma = sigma_km / (grid.dlat * KM_PER_DEGREE)
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(smooth, ((reach, reach), (0, 0)), mode="edge")
    out = sum(k * padded[i : i + height] for i, k in enumerate(kernel))
    return np.asarray(out, np.float32)


def make_days(time) -> np.ndarray:
    """Convert a daily time axis to integers, days since 1970-01-01.

    Parameters
    ----------
    time : array_like (T,)
        Consecutive days that convert to datetime64.

    Returns
    -------
    days : ndarray (T,), int64

    Raises
    ------
    InputError
        If there is no day, or the days are not consecutive.

    Examples
    --------
    >>> make_days(["2015-04-01", "2015-04-02"])
    array([16526, 16527])
    """
    try:
        stamps = np.atleast_1d(np.asarray(time, dtype="datetime64[D]"))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"time is {type(time).__name__}; expected days that convert to datetime64 "
            f"(pandas.date_range, strings as 2015-04-01): {error}"
        ) from error
    if stamps.ndim != 1 or stamps.size == 0 or np.isnat(stamps).any():
        raise InputError(
            f"time has shape {stamps.shape}; expected a 1-D array of valid days: use "
            "pandas.date_range(start, periods=n)"
        )
    days = stamps.astype("int64")
    step = np.diff(days)
    if (step != 1).any():
        i = int(np.argmax(step != 1))
        raise InputError(
            f"time steps from {stamps[i]} to {stamps[i + 1]}; expected consecutive days: "
            f"use pandas.date_range(start, periods=n)"
        )
    return days


def restore_order(out, lat, lon):
    """Reorder an xarray object on an ascending grid to the directions of `lat` and `lon`."""
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    if (np.diff(lat) < 0).any():
        out = out.isel(lat=np.argsort(np.argsort(lat)))
    if (np.diff(lon) < 0).any():
        out = out.isel(lon=np.argsort(np.argsort(lon)))
    return out
