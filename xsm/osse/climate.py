"""Climate of each cell from latitude, season, moisture of the air upwind, and elevation."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from xsm.osse.coastline import land_fraction
from xsm.osse.earth_grid import Grid, gaussian_blur, make_grid
from xsm.osse.terrain import ridges

YEAR = 365.2425


def zonal_wind(lat: np.ndarray) -> np.ndarray:
    """Eastward drift of weather systems, m s-1: trade winds within 28 degrees, then westerlies."""
    return 10.0 * np.exp(-(((np.abs(lat) - 48) / 17) ** 2)) - 6.0 * np.exp(-((lat / 17) ** 2))


def annual_cycle(day: int) -> float:
    """Annual cosine: +1 around 14 July (warmest in the north), -1 half a year later."""
    return float(np.cos(2 * np.pi * ((day % YEAR) - 195.0) / YEAR))


def _air_moisture(ocean, orographic_loss, step_km, range_km):
    """Moisture of air that moves eastward along each row: gained over sea, lost over land."""
    height, width = ocean.shape
    air = np.ones(height)
    out = np.ones((height, width))
    for revolution in range(2):  # the second is independent of the initial moisture
        for j in range(width):
            loss = (1 - ocean[:, j]) * step_km / range_km + orographic_loss[:, j]
            air = air * np.exp(-loss)
            air += (1 - air) * (1 - np.exp(-ocean[:, j] * step_km / 350.0))
            if revolution:
                out[:, j] = air
    return out


@lru_cache(maxsize=1)
def _moisture_maps() -> tuple[np.ndarray, ...]:
    """Moisture of westerly and of easterly air, and continentality, at 1 degree, (180, 360)."""
    grid = make_grid(np.arange(-89.5, 90), np.arange(-179.5, 180))
    land = land_fraction(grid).astype(float)
    height = ridges(grid.lat, grid.lon)
    step = 111.2 * np.cos(np.deg2rad(grid.lat))
    rise = np.maximum(np.diff(height, axis=1, prepend=height[:, -1:]), 0.0) / 2600.0
    recycled = 1 + 5.0 * np.exp(-((grid.lat / 10) ** 2))  # evaporation of rain forests
    west = _air_moisture(1 - land, rise * land, step, 2600.0 * recycled)
    fall = np.maximum(-np.diff(height, axis=1, append=height[:, :1]), 0.0) / 2600.0
    east = _air_moisture(1 - land[:, ::-1], (fall * land)[:, ::-1], step, 1900.0 * recycled)
    east = east[:, ::-1]
    continentality = 0.6 * gaussian_blur(land, grid, 650.0) + 0.4 * gaussian_blur(land, grid, 250.0)
    return gaussian_blur(west, grid, 220.0), gaussian_blur(east, grid, 220.0), continentality


def _interpolate(coarse: np.ndarray, grid: Grid) -> np.ndarray:
    """Interpolate a 1 degree map bilinearly to a grid, (H, W)."""
    y = np.clip(grid.lat + 89.5, 0, 178.999)
    x = (grid.lon + 179.5) % 360.0
    i, j = y.astype(int), x.astype(int)
    v, u = (y - i)[:, None], (x - j)[None, :]
    wrapped = np.concatenate([coarse, coarse[:, :1]], axis=1)
    rows = wrapped[i] * (1 - v) + wrapped[i + 1] * v
    return rows[:, j] * (1 - u) + rows[:, j + 1] * u


@dataclass
class Climate:
    """Climate of N land cells; every array is (N,) float32.

    Attributes
    ----------
    lat : degrees
    continentality : 0 at sea to 1 in the interior
    moisture_west, moisture_east : moisture of air from the west and from the east, 0 to 1
    elevation : m
    rain_factor : local factor of the rainfall
    """

    lat: np.ndarray
    continentality: np.ndarray
    moisture_west: np.ndarray
    moisture_east: np.ndarray
    elevation: np.ndarray
    rain_factor: np.ndarray

    def __post_init__(self) -> None:
        sine = np.abs(np.sin(np.deg2rad(self.lat)))
        cold = 1 / (1 + np.exp(-(np.abs(self.lat) - 66) / 3))  # polar night, ice
        self._mean = 27.5 - 37 * sine**2.3 - 7 * cold * self.continentality - 0.006 * self.elevation
        self._mean = self._mean + 4.5 * (1 - self.continentality) * np.exp(
            -((sine - 0.78) ** 2) / 0.03
        )
        self._amplitude = (2.5 + 22 * self.continentality * sine) * np.clip(sine / 0.45, 0.15, 1)

    def temperature(self, day: int) -> np.ndarray:
        """Mean air temperature of the day, degC."""
        mean = self._mean + np.sign(self.lat) * self._amplitude * annual_cycle(day)
        return mean.astype(np.float32)

    def rainfall(self, day: int) -> np.ndarray:
        """Mean precipitation of the day, mm d-1: ITCZ, monsoon, storm tracks, dry belts."""
        phase, hemisphere = annual_cycle(day - 15), np.sign(self.lat)
        summer = 0.5 * (1 + hemisphere * phase)
        itcz = (5.5 + 7.5 * self.continentality) * phase
        equator = np.exp(-((self.lat / 12) ** 2))
        recycled = 0.06 + 0.4 * equator  # evaporation of rain forests
        convergence = 9.5 * np.exp(-(((self.lat - itcz) / (8.0 + 2.5 * equator)) ** 2))
        poleward = np.clip((np.abs(self.lat) - 20) / 16, 0, 1)
        trades = np.maximum(self.moisture_east, 0.9 * equator * self.moisture_west)
        supply = (1 - poleward) * trades + poleward * np.maximum(
            self.moisture_west, 0.85 * self.moisture_east
        )
        track = 3.6 * np.exp(-(((np.abs(self.lat) - 52 - 4 * hemisphere * phase) / 15) ** 2))
        monsoon = (
            7.0 * summer * np.exp(-(((np.abs(self.lat) - 21) / 9) ** 2)) * self.moisture_east**2
        )
        humid = 3.4 * np.exp(-(((np.abs(self.lat) - 30) / 8) ** 2)) * self.moisture_east**2.5
        storms = 1.6 * summer * self.continentality * np.exp(-(((np.abs(self.lat) - 50) / 14) ** 2))
        wet = convergence * (recycled + (1 - recycled) * supply**1.2) + (track + storms) * (
            0.12 + 0.88 * supply
        )
        cold = np.clip(np.exp(0.055 * (self.temperature(day) - 8)), 0.25, 1.0)  # less vapour
        rain = (0.02 + wet + monsoon + humid) * cold * np.exp(-self.elevation / 6000)
        return (rain * self.rain_factor).astype(np.float32)

    def potential_evaporation(self, temperature: np.ndarray, day: int) -> np.ndarray:
        """Potential evaporation, mm d-1, from day length and temperature (after Hamon, 1961)."""
        tilt = np.deg2rad(23.44) * annual_cycle(day + 28)
        phi = np.deg2rad(np.clip(self.lat, -66, 66))
        sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(tilt), -1, 1))  # hour angle
        daylight = sunset / np.pi  # fraction of the day
        vapour = 0.6108 * np.exp(17.27 * temperature / (temperature + 237.3))
        pet = 29.8 * 24 * daylight * vapour / (temperature + 273.2)
        return np.where(temperature > -5, pet, 0.02).astype(np.float32)


def make_climate(
    grid: Grid, land: np.ndarray, elevation: np.ndarray, relief: np.ndarray
) -> Climate:
    """Climate of the land cells of a grid.

    Parameters
    ----------
    grid : Grid
    land : ndarray (H, W), bool
    elevation : ndarray (H, W), m
    relief : ndarray (H, W)
        Unit-variance field of local rainfall.
    """
    west, east, continentality = (
        _interpolate(coarse, grid)[land].astype(np.float32) for coarse in _moisture_maps()
    )
    lat = np.broadcast_to(grid.lat[:, None], grid.shape)[land].astype(np.float32)
    rain_factor = np.exp(0.28 * relief[land] - 0.04)
    elevation = elevation[land].astype(np.float32)
    return Climate(lat, continentality, west, east, elevation, rain_factor)
