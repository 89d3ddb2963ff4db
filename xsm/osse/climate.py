"""Climate of every cell from latitude, season, distance to the sea upwind, and height."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from xsm.osse.coastline import land_fraction
from xsm.osse.earth_grid import Grid, blur, make_grid
from xsm.osse.terrain import ridges

YEAR = 365.2425


def zonal_wind(lat: np.ndarray) -> np.ndarray:
    """Drift of weather systems, m s-1 eastward: trades within 28 degrees, westerlies beyond."""
    return 10.0 * np.exp(-(((np.abs(lat) - 48) / 17) ** 2)) - 6.0 * np.exp(-((lat / 17) ** 2))


def season(day: int) -> float:
    """Cosine of the year, +1 around 14 July (warmest in the north), -1 half a year later."""
    return float(np.cos(2 * np.pi * ((day % YEAR) - 195.0) / YEAR))


def _downwind(ocean, lift, step_km, range_km):
    """Moisture carried eastward along each row: refilled over sea, lost over land and ridges."""
    height, width = ocean.shape
    air = np.ones(height)
    out = np.ones((height, width))
    for turn in range(2):  # the second turn forgets the start
        for j in range(width):
            loss = (1 - ocean[:, j]) * step_km / range_km + lift[:, j]
            air = air * np.exp(-loss)
            air += (1 - air) * (1 - np.exp(-ocean[:, j] * step_km / 350.0))
            if turn:
                out[:, j] = air
    return out


@lru_cache(maxsize=1)
def _moisture() -> tuple[np.ndarray, ...]:
    """On 1 degree: moisture from the west and from the east, and continentality, (180, 360)."""
    grid = make_grid(np.arange(-89.5, 90), np.arange(-179.5, 180))
    land = land_fraction(grid).astype(float)
    height = ridges(grid.lat, grid.lon)
    step = 111.2 * np.cos(np.deg2rad(grid.lat))
    rise = np.maximum(np.diff(height, axis=1, prepend=height[:, -1:]), 0.0) / 2600.0
    recycled = 1 + 5.0 * np.exp(-((grid.lat / 10) ** 2))  # rain forests give water back
    west = _downwind(1 - land, rise * land, step, 2600.0 * recycled)
    fall = np.maximum(-np.diff(height, axis=1, append=height[:, :1]), 0.0) / 2600.0
    east = _downwind(1 - land[:, ::-1], (fall * land)[:, ::-1], step, 1900.0 * recycled)[:, ::-1]
    inland = 0.6 * blur(land, grid, 650.0) + 0.4 * blur(land, grid, 250.0)
    return blur(west, grid, 220.0), blur(east, grid, 220.0), inland


def _sample(coarse: np.ndarray, grid: Grid) -> np.ndarray:
    """Bilinear look-up of a 1 degree map on a grid, (H, W)."""
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
    inland : continentality, 0 ocean .. 1 interior
    west, east : moisture left in air that comes from the west, the east
    height : m
    relief : local factor on rain
    """

    lat: np.ndarray
    inland: np.ndarray
    west: np.ndarray
    east: np.ndarray
    height: np.ndarray
    relief: np.ndarray

    def __post_init__(self) -> None:
        sine = np.abs(np.sin(np.deg2rad(self.lat)))
        cold = 1 / (1 + np.exp(-(np.abs(self.lat) - 66) / 3))  # polar night, ice
        self._mean = 27.5 - 37 * sine**2.3 - 7 * cold * self.inland - 0.006 * self.height
        self._mean = self._mean + 4.5 * (1 - self.inland) * np.exp(-((sine - 0.78) ** 2) / 0.03)
        self._swing = (2.5 + 22 * self.inland * sine) * np.clip(sine / 0.45, 0.15, 1)

    def temperature(self, day: int) -> np.ndarray:
        """Mean air temperature of the day, degC."""
        return (self._mean + np.sign(self.lat) * self._swing * season(day)).astype(np.float32)

    def rainfall(self, day: int) -> np.ndarray:
        """Mean precipitation of the day, mm d-1: ITCZ and monsoon, westerlies, dry belts."""
        now, here = season(day - 15), np.sign(self.lat)
        summer = 0.5 * (1 + here * now)
        itcz = (5.5 + 7.5 * self.inland) * now
        equator = np.exp(-((self.lat / 12) ** 2))
        given = 0.06 + 0.4 * equator  # what the forests give back
        convergence = 9.5 * np.exp(-(((self.lat - itcz) / (8.0 + 2.5 * equator)) ** 2))
        poleward = np.clip((np.abs(self.lat) - 20) / 16, 0, 1)
        trades = np.maximum(self.east, 0.9 * equator * self.west)
        supply = (1 - poleward) * trades + poleward * np.maximum(self.west, 0.85 * self.east)
        track = 3.6 * np.exp(-(((np.abs(self.lat) - 52 - 4 * here * now) / 15) ** 2))
        monsoon = 7.0 * summer * np.exp(-(((np.abs(self.lat) - 21) / 9) ** 2)) * self.east**2
        humid = 3.4 * np.exp(-(((np.abs(self.lat) - 30) / 8) ** 2)) * self.east**2.5
        storms = 1.6 * summer * self.inland * np.exp(-(((np.abs(self.lat) - 50) / 14) ** 2))
        wet = convergence * (given + (1 - given) * supply**1.2) + (track + storms) * (
            0.12 + 0.88 * supply
        )
        cold = np.clip(np.exp(0.055 * (self.temperature(day) - 8)), 0.25, 1.0)  # less vapour
        rain = (0.02 + wet + monsoon + humid) * cold * np.exp(-self.height / 6000)
        return (rain * self.relief).astype(np.float32)

    def demand(self, temperature: np.ndarray, day: int) -> np.ndarray:
        """Potential evaporation, mm d-1, from daylight and temperature (after Hamon, 1961)."""
        tilt = np.deg2rad(23.44) * season(day + 28)
        phi = np.deg2rad(np.clip(self.lat, -66, 66))
        half = np.arccos(np.clip(-np.tan(phi) * np.tan(tilt), -1, 1)) / np.pi  # day length share
        vapour = 0.6108 * np.exp(17.27 * temperature / (temperature + 237.3))
        pet = 29.8 * 24 * half * vapour / (temperature + 273.2)
        return np.where(temperature > -5, pet, 0.02).astype(np.float32)


def make_climate(grid: Grid, land: np.ndarray, height: np.ndarray, relief: np.ndarray) -> Climate:
    """Climate of the land cells of a grid.

    Parameters
    ----------
    grid : Grid
    land : ndarray (H, W), bool
    height : ndarray (H, W), m
    relief : ndarray (H, W)
        Unit-variance field of local wetness.
    """
    west, east, inland = (_sample(m, grid)[land].astype(np.float32) for m in _moisture())
    lat = np.broadcast_to(grid.lat[:, None], grid.shape)[land].astype(np.float32)
    local = np.exp(0.28 * relief[land] - 0.04)
    return Climate(lat, inland, west, east, height[land].astype(np.float32), local)
