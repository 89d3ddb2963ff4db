"""The simulated Earth on one grid: what stays, and the days that follow one another."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xsm.osse.climate import YEAR, make_climate, zonal_wind
from xsm.osse.coastline import land_fraction
from xsm.osse.earth_grid import Grid
from xsm.osse.fields import Canvas, Field, MovingField
from xsm.osse.terrain import elevation, slope, texture
from xsm.osse.water import DEPTH_MM, make_soil, snow_step, soil_step

_SPIN_UP_DAYS = 25  # weather; longer memory comes from the climatological run before it
_STEP = 5  # days, climatological run

_STORM = np.linspace(-6.0, 7.0, 1301)  # -log of the chance of a stronger storm, N(0, 1)
_RARITY = np.array([-math.log(0.5 * math.erfc(z / math.sqrt(2.0))) for z in _STORM])


@dataclass
class Day:
    """State of the N land cells at the end of a day, all (N,) float32.

    Attributes
    ----------
    theta : soil moisture 0-5 cm, m3 m-3
    temperature : daily mean air temperature, degC
    precipitation, water, evaporation, drainage, runoff : mm d-1
    snow : water equivalent, mm
    ndvi : 1
    """

    day: int
    theta: np.ndarray
    temperature: np.ndarray
    precipitation: np.ndarray
    water: np.ndarray
    evaporation: np.ndarray
    drainage: np.ndarray
    runoff: np.ndarray
    snow: np.ndarray
    ndvi: np.ndarray


class World:
    """Land, terrain, soil, climate and weather of one seed on one grid.

    Parameters
    ----------
    grid : Grid
    seed : int

    Attributes
    ----------
    fraction : ndarray (H, W)
        Share of land.
    land : ndarray (H, W), bool
        Half land or more, and no permanent ice.
    static : dict of ndarray (H, W)
        elevation (m), slope (degree), sand, clay, silt (1), porosity (m3 m-3); NaN off land.
    """

    def __init__(self, grid: Grid, seed: int):
        self.grid, self.seed, self.canvas = grid, seed, Canvas(grid)
        self.fraction = land_fraction(grid)
        solid = (self.fraction >= 0.5) & (grid.lat > -60.0)[:, None]
        height = elevation(self.canvas, seed)
        local = Field(self.canvas, seed, "local rain", [300, 90, 35], [0.4, 0.35, 0.25]).draw()
        climate = make_climate(grid, solid, height, local)
        warmest = np.maximum(climate.temperature(200), climate.temperature(383))
        self.land = solid.copy()
        self.land[solid] = warmest > 1.0
        self.climate = make_climate(grid, self.land, height, local)
        self._annual()
        self.static = {"elevation": height, "slope": slope(height, grid)}
        self.static |= texture(self.canvas, seed, self.unpack(self.dryness, fill=0.5))
        soil = (self.static[name][self.land] for name in ("sand", "clay", "porosity"))
        self.soil = make_soil(*soil)
        for name, values in self.static.items():
            self.static[name] = np.where(self.land, values, np.float32(np.nan))

    def _annual(self) -> None:
        """Yearly wetness sets how dry the air is and how green it can get."""
        months = range(15, 365, 30)
        rain = sum(self.climate.rainfall(d) for d in months) / 12
        demand = sum(self.climate.demand(self.climate.temperature(d), d) for d in months) / 12
        index = rain / np.maximum(demand, 0.3)
        self.dryness = np.exp(-1.4 * index).astype(np.float32)
        patch = Field(self.canvas, self.seed, "cover", [200, 60, 28], [0.35, 0.35, 0.3]).draw()
        cover = 1 - np.exp(-1.5 * index**1.4 * np.exp(0.5 * patch[self.land]))
        self.greenest = (0.09 + 0.76 * cover).astype(np.float32)

    def unpack(self, values: np.ndarray, fill: float = np.nan) -> np.ndarray:
        """Put land cells (N,) on the map (H, W)."""
        out = np.full(self.grid.shape, fill, np.float32)
        out[self.land] = values
        return out

    def _green(self, ndvi, theta, temperature, days: float):
        """Vegetation follows warmth and soil water with a lag of 30 days."""
        wet = np.clip(theta / self.soil.capacity, 0.0, 1.0)
        warm = np.clip((temperature + 1.0) / 14.0, 0.0, 1.0)
        target = 0.06 + (self.greenest - 0.06) * (0.5 + 0.5 * warm * np.sqrt(wet))
        return ndvi + (target - ndvi) * -np.expm1(-days / 30.0)

    def _climatological(self, first: int):
        """A year of mean weather up to a day, for snow, soil water and vegetation to start from."""
        theta = 0.5 * (self.soil.capacity + self.soil.residual)
        snow, ndvi = np.zeros_like(theta), 0.5 * self.greenest
        for day in range(first - int(YEAR) - 1, first, _STEP):
            warm = self.climate.temperature(day)
            rain = self.climate.rainfall(day)
            snow, water = snow_step(snow, rain * _STEP, warm)
            water = np.minimum(water / _STEP, 40.0)
            for _ in range(2):  # soil adjusts within days
                theta = soil_step(theta, water, self.climate.demand(warm, day), warm, self.soil)[0]
            ndvi = self._green(ndvi, theta, warm, _STEP)
        return theta, np.minimum(snow, 600.0), ndvi

    def _rain(self, day: int, storm: np.ndarray) -> np.ndarray:
        """Rain, mm d-1, from a storm index (N,) ~ N(0, 1): the right mean, exponential when wet."""
        mean = self.climate.rainfall(day)
        chance = np.clip(0.02 + 0.17 * np.sqrt(mean), 0.03, 0.7)
        excess = np.interp(storm, _STORM, _RARITY) + np.log(chance)
        return np.maximum(excess, 0.0) * (mean / chance)

    def days(self, days: np.ndarray) -> Iterator[Day]:
        """Simulate consecutive days.

        Parameters
        ----------
        days : ndarray (T,)
            Integers since 1970-01-01.

        Yields
        ------
        Day
        """
        storms = MovingField(
            self.canvas, self.seed, "storms", [1500, 450, 130, 45], [0.18, 0.42, 0.26, 0.14],
            [0.92, 0.4, 0.15, 0.0], zonal_wind, stretch=1.8,
        )  # fmt: skip
        air = MovingField(
            self.canvas, self.seed, "air", [1200, 350], [0.8, 0.2], [0.75, 0.5], zonal_wind
        )
        first = int(days[0]) - _SPIN_UP_DAYS
        theta, snow, ndvi = self._climatological(first)
        swing = 1.0 + 4.2 * np.abs(np.sin(np.deg2rad(self.climate.lat))) * (
            0.5 + 0.5 * self.climate.inland
        )
        for day in range(first, int(days[-1]) + 1):
            rain = self._rain(day, storms.advance(day)[self.land])
            warm = self.climate.temperature(day) + swing * air.advance(day)[self.land]
            snow, water = snow_step(snow, rain, warm)
            demand = self.climate.demand(warm, day) * np.where(rain > 1.0, 0.6, 1.1)
            demand = np.where(snow > 5.0, 0.0, demand)
            theta, evaporation, drainage, runoff = soil_step(theta, water, demand, warm, self.soil)
            ndvi = self._green(ndvi, theta, warm, 1.0)
            if day >= days[0]:
                parts = (theta, warm, rain, water, evaporation, drainage, runoff, snow, ndvi)
                yield Day(day, *(p.astype(np.float32, copy=False) for p in parts))


__all__ = ["DEPTH_MM", "Day", "World"]
