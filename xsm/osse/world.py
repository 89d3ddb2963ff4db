"""The simulated Earth on one grid: static fields, water balance and weather, day by day."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xsm.osse.climate import YEAR, make_climate, zonal_wind
from xsm.osse.coastline import land_fraction
from xsm.osse.earth_grid import Grid
from xsm.osse.fields import AdvectedField, RandomField, ZonalSynthesis
from xsm.osse.terrain import elevation, slope, texture

DEPTH_MM = 50.0  # of the soil layer
_TOP_EVAPORATION = 0.45  # fraction of the evaporation that comes from the top 5 cm
_SPIN_UP_DAYS = 25  # of weather; the climatological spin-up comes before it
_SPIN_UP_STEP = 5  # days, of the climatological spin-up

# storm index, N(0, 1), and minus the logarithm of its exceedance probability
_STORM_INDEX = np.linspace(-6.0, 7.0, 1301)
_STORM_LOG_RETURN = np.array([-math.log(0.5 * math.erfc(z / math.sqrt(2.0))) for z in _STORM_INDEX])


@dataclass
class Soil:
    """Hydraulic limits of N cells, m3 m-3, from texture (after Saxton and Rawls, 2006, rounded).

    Attributes
    ----------
    porosity, field_capacity, residual : ndarray (N,)
        Water content at saturation, at field capacity, and air-dry.
    drainage_fraction : ndarray (N,)
        Fraction of the water above field capacity that drains in a day.
    """

    porosity: np.ndarray
    field_capacity: np.ndarray
    residual: np.ndarray
    drainage_fraction: np.ndarray


def make_soil(sand: np.ndarray, clay: np.ndarray, porosity: np.ndarray) -> Soil:
    """Hydraulic limits from sand and clay fractions (N,)."""
    field_capacity = np.minimum(0.30 - 0.20 * sand + 0.32 * clay, porosity - 0.05)
    residual = 0.015 + 0.19 * clay
    return Soil(porosity, field_capacity, residual, 0.45 + 0.45 * sand)


def snow_step(snow, precipitation, temperature):
    """Snow on the ground after a day.

    Parameters
    ----------
    snow : ndarray (N,)
        Water equivalent, mm.
    precipitation : ndarray (N,)
        mm d-1; falls as snow below 0.5 degC.
    temperature : ndarray (N,)
        degC.

    Returns
    -------
    snow, water : ndarray (N,)
        Snow on the ground (mm), and rain and melt that reach the soil (mm d-1). Melt is
        3.5 mm per degree-day.
    """
    falling = np.where(temperature < 0.5, precipitation, 0.0)
    pack = snow + falling
    melt = np.minimum(pack, 3.5 * np.maximum(temperature, 0.0))
    return pack - melt, precipitation - falling + melt


def soil_step(theta, water, potential_evaporation, temperature, soil: Soil):
    """Soil moisture after a day; each loss is the exact solution of its linear law over the day.

    Infiltration is limited by the free pore space: I = R (1 - exp(-W / R)),
    R = (porosity - theta) Z. Evaporation is proportional to the relative wetness:
    E = A (1 - exp(-0.45 PET / C)), A = (theta - residual) Z, C = (field_capacity - residual) Z.
    A fixed fraction of the water above field capacity drains per day. Frozen soil neither
    evaporates nor drains.

    Parameters
    ----------
    theta : ndarray (N,)
        m3 m-3.
    water, potential_evaporation : ndarray (N,)
        Liquid input and potential evaporation, mm d-1.
    temperature : ndarray (N,)
        degC.
    soil : Soil

    Returns
    -------
    theta : ndarray (N,)
        Of the next day, m3 m-3.
    evaporation, drainage, runoff : ndarray (N,)
        mm d-1; theta changes by (water - evaporation - drainage - runoff) / 50 mm.
    """
    free = np.maximum((soil.porosity - theta) * DEPTH_MM, 1e-3)
    infiltration = free * -np.expm1(-water / free)
    store = theta * DEPTH_MM + infiltration
    thawed = np.clip((temperature + 3.0) / 4.0, 0.0, 1.0)
    excess = np.maximum(store - soil.field_capacity * DEPTH_MM, 0.0)
    drainage = excess * soil.drainage_fraction * thawed
    store = store - drainage
    available = np.maximum(store - soil.residual * DEPTH_MM, 0.0)
    capacity = (soil.field_capacity - soil.residual) * DEPTH_MM
    demand = _TOP_EVAPORATION * potential_evaporation * thawed
    evaporation = available * -np.expm1(-demand / capacity)
    theta = (store - evaporation) / DEPTH_MM
    return theta, evaporation, drainage, water - infiltration


@dataclass
class DailyState:
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
    land_fraction : ndarray (H, W)
        Land fraction.
    land : ndarray (H, W), bool
        Land fraction of at least 0.5, without permanent ice.
    static : dict of ndarray (H, W)
        elevation (m), slope (degree), sand, clay, silt (1), porosity (m3 m-3); NaN off land.
    """

    def __init__(self, grid: Grid, seed: int):
        self.grid, self.seed, self.synthesis = grid, seed, ZonalSynthesis(grid)
        self.land_fraction = land_fraction(grid)
        candidates = (self.land_fraction >= 0.5) & (grid.lat > -60.0)[:, None]
        height = elevation(self.synthesis, seed)
        local = RandomField(self.synthesis, seed, "local rain", [300, 90, 35], [0.4, 0.35, 0.25])
        relief = local.draw()
        climate = make_climate(grid, candidates, height, relief)
        warmest = np.maximum(climate.temperature(200), climate.temperature(383))
        self.land = candidates.copy()
        self.land[candidates] = warmest > 1.0
        self.climate = make_climate(grid, self.land, height, relief)
        self._set_annual_means()
        self.static = {"elevation": height, "slope": slope(height, grid)}
        self.static |= texture(self.synthesis, seed, self.to_map(self.dryness, fill=0.5))
        soil = (self.static[name][self.land] for name in ("sand", "clay", "porosity"))
        self.soil = make_soil(*soil)
        for name, values in self.static.items():
            self.static[name] = np.where(self.land, values, np.float32(np.nan))

    def _set_annual_means(self) -> None:
        """Set dryness and maximum NDVI from the annual ratio of rainfall to evaporation."""
        months = range(15, 365, 30)
        rain = sum(self.climate.rainfall(d) for d in months) / 12
        evaporation = sum(self._potential_evaporation(d) for d in months) / 12
        wetness = rain / np.maximum(evaporation, 0.3)
        self.dryness = np.exp(-1.4 * wetness).astype(np.float32)
        field = RandomField(self.synthesis, self.seed, "cover", [200, 60, 28], [0.35, 0.35, 0.3])
        cover = 1 - np.exp(-1.5 * wetness**1.4 * np.exp(0.5 * field.draw()[self.land]))
        self.max_ndvi = (0.09 + 0.76 * cover).astype(np.float32)

    def _potential_evaporation(self, day: int) -> np.ndarray:
        """Potential evaporation at the mean temperature of the day, mm d-1."""
        return self.climate.potential_evaporation(self.climate.temperature(day), day)

    def to_map(self, values: np.ndarray, fill: float = np.nan) -> np.ndarray:
        """Map (H, W) of the values of land cells (N,)."""
        out = np.full(self.grid.shape, fill, np.float32)
        out[self.land] = values
        return out

    def _ndvi_step(self, ndvi, theta, temperature, days: float):
        """NDVI after some days: it follows temperature and soil water with a lag of 30 days."""
        wet = np.clip(theta / self.soil.field_capacity, 0.0, 1.0)
        warmth = np.clip((temperature + 1.0) / 14.0, 0.0, 1.0)
        target = 0.06 + (self.max_ndvi - 0.06) * (0.5 + 0.5 * warmth * np.sqrt(wet))
        return ndvi + (target - ndvi) * -np.expm1(-days / 30.0)

    def _spin_up(self, first: int):
        """Soil moisture, snow and NDVI after a year of mean weather before the first day."""
        theta = 0.5 * (self.soil.field_capacity + self.soil.residual)
        snow, ndvi = np.zeros_like(theta), 0.5 * self.max_ndvi
        for day in range(first - int(YEAR) - 1, first, _SPIN_UP_STEP):
            temperature = self.climate.temperature(day)
            rain = self.climate.rainfall(day)
            snow, water = snow_step(snow, rain * _SPIN_UP_STEP, temperature)
            water = np.minimum(water / _SPIN_UP_STEP, 40.0)
            for _ in range(2):  # the soil adjusts within days
                evaporation = self._potential_evaporation(day)
                theta = soil_step(theta, water, evaporation, temperature, self.soil)[0]
            ndvi = self._ndvi_step(ndvi, theta, temperature, _SPIN_UP_STEP)
        return theta, np.minimum(snow, 600.0), ndvi

    def _rain(self, day: int, storm: np.ndarray) -> np.ndarray:
        """Rain, mm d-1, from a storm index (N,) ~ N(0, 1): exponential, with the mean rainfall."""
        mean = self.climate.rainfall(day)
        probability = np.clip(0.02 + 0.17 * np.sqrt(mean), 0.03, 0.7)
        excess = np.interp(storm, _STORM_INDEX, _STORM_LOG_RETURN) + np.log(probability)
        return np.maximum(excess, 0.0) * (mean / probability)

    def simulate(self, days: np.ndarray) -> Iterator[DailyState]:
        """Simulate consecutive days.

        Parameters
        ----------
        days : ndarray (T,)
            Integers since 1970-01-01.

        Yields
        ------
        DailyState
        """
        storms = AdvectedField(
            self.synthesis, self.seed, "storms", [1500, 450, 130, 45], [0.18, 0.42, 0.26, 0.14],
            [0.92, 0.4, 0.15, 0.0], zonal_wind, stretch=1.8,
        )  # fmt: skip
        air = AdvectedField(
            self.synthesis, self.seed, "air", [1200, 350], [0.8, 0.2], [0.75, 0.5], zonal_wind
        )
        first = int(days[0]) - _SPIN_UP_DAYS
        theta, snow, ndvi = self._spin_up(first)
        amplitude = 1.0 + 4.2 * np.abs(np.sin(np.deg2rad(self.climate.lat))) * (
            0.5 + 0.5 * self.climate.continentality
        )
        for day in range(first, int(days[-1]) + 1):
            rain = self._rain(day, storms.advance(day)[self.land])
            temperature = self.climate.temperature(day) + amplitude * air.advance(day)[self.land]
            snow, water = snow_step(snow, rain, temperature)
            potential = self.climate.potential_evaporation(temperature, day)
            potential = potential * np.where(rain > 1.0, 0.6, 1.1)
            potential = np.where(snow > 5.0, 0.0, potential)
            theta, evaporation, drainage, runoff = soil_step(
                theta, water, potential, temperature, self.soil
            )
            ndvi = self._ndvi_step(ndvi, theta, temperature, 1.0)
            if day >= days[0]:
                parts = (theta, temperature, rain, water, evaporation, drainage, runoff, snow, ndvi)
                yield DailyState(day, *(part.astype(np.float32, copy=False) for part in parts))
