"""What else a satellite or a model shows of a day: temperature, albedo, a reanalysis."""

import numpy as np

from xsm.osse.earth_grid import blur
from xsm.osse.fields import Field, MovingField
from xsm.osse.world import Day, World

# soil brightness against shortwave, canopy and snow albedo per band
_BANDS = {
    "vis": (0.72, 0.045, 0.86),
    "nir": (1.28, 0.29, 0.58),
    "shortwave": (1.0, 0.17, 0.72),
}


def sun_height(lat: np.ndarray, day: int) -> np.ndarray:
    """Sine of the noon sun height, (N,), 0..1."""
    tilt = 23.44 * np.cos(2 * np.pi * ((day % 365.2425) - 172.0) / 365.2425)
    return np.clip(np.cos(np.deg2rad(lat - tilt)), 0.0, 1.0).astype(np.float32)


def land_surface_temperature(world: World, state: Day) -> np.ndarray:
    """Early-afternoon skin temperature, (N,), K: dry bare soil heats most, snow stays at 0 degC."""
    wet = np.clip(state.theta / world.soil.capacity, 0.0, 1.2)
    sun = sun_height(world.climate.lat, state.day)
    cloud = np.where(state.precipitation > 1.0, 0.35, 1.0)
    heating = sun * cloud * (4.0 + 17.0 * (1.25 - wet) * (1.0 - 0.75 * state.ndvi))
    skin = state.temperature + heating + 273.15
    return np.where(state.snow > 10.0, np.minimum(skin, 273.15), skin).astype(np.float32)


def albedo(world: World, state: Day, band: str, sky: str) -> np.ndarray:
    """Black-sky (`bsa`) or white-sky (`wsa`) albedo of a band, (N,), 0..1.

    Soil darkens as it wets: a = a_wet + (a_dry - a_wet) exp(-theta / 0.08), a_wet = 0.55 a_dry,
    after Liu et al. (Remote Sens. Environ. 81, 238, 2002).
    """
    bright, canopy, white = _BANDS[band]
    sand = world.static["sand"][world.land]
    dry = bright * (0.13 + 0.22 * sand + 0.10 * world.dryness * sand)
    bare = dry * (0.55 + 0.45 * np.exp(-state.theta / 0.08))
    cover = np.clip((state.ndvi - 0.06) / 0.75, 0.0, 1.0)
    ground = bare * (1 - cover) + canopy * cover
    snow = 1 - np.exp(-state.snow / 12.0)
    value = ground + (white * (1 - 0.45 * cover) - ground) * snow
    low_sun = 1.0 - sun_height(world.climate.lat, state.day)
    value = value * (1.0 + 0.18 * low_sun) if sky == "bsa" else value * 1.07
    return np.clip(value, 0.0, 1.0).astype(np.float32)


class Reanalysis:
    """A model's soil moisture: smooth, biased, damped, wrong by weather-sized errors.

    Parameters
    ----------
    world : World
    length_km : float
        Radius of smoothing.
    """

    def __init__(self, world: World, length_km: float = 35.0):
        self.world = world
        self.error = MovingField(
            world.canvas,
            world.seed,
            "reanalysis",
            [900, 300],
            [0.6, 0.4],
            [0.92, 0.85],
            np.zeros_like,
        )
        bias = Field(world.canvas, world.seed, "reanalysis bias", [1500, 400], [0.6, 0.4])
        self.bias = bias.draw()[world.land]
        self._length = length_km
        self._weight = self._blur(world.land.astype(np.float32))[world.land]

    def _blur(self, values: np.ndarray) -> np.ndarray:
        return blur(values, self.world.grid, self._length)

    def __call__(self, state: Day) -> np.ndarray:
        """Volumetric soil water of layer 1, (N,), m3 m-3."""
        land = self.world.land
        smooth = self._blur(self.world.unpack(state.theta, fill=0.0))[land] / self._weight
        wrong = 0.022 * self.error.advance(state.day)[land] + 0.03 * self.bias
        return np.clip(0.06 + 0.82 * smooth + wrong, 0.005, 0.7).astype(np.float32)
