"""`nature_run`: the simulated truth as a CF Dataset, and the variables that follow from it."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import attrgetter

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.osse.attributes import ALBEDO, ATTRIBUTES, COORDINATES, STATIC
from xsm.osse.earth_grid import gaussian_blur, make_days, make_grid, restore_order
from xsm.osse.fields import AdvectedField, RandomField, check_seed
from xsm.osse.world import DailyState, World

StateFunction = Callable[[DailyState], np.ndarray]  # values of the land cells, (N,)
_STATE_ATTRIBUTES = {
    "soil_moisture": "theta",
    "air_temperature": "temperature",
    "precipitation": "precipitation",
    "water_input": "water",
    "evaporation": "evaporation",
    "drainage": "drainage",
    "runoff": "runoff",
    "snow": "snow",
    "ndvi": "ndvi",
}
# soil albedo relative to shortwave, canopy albedo, snow albedo
_ALBEDO_BANDS = {
    "vis": (0.72, 0.045, 0.86),
    "nir": (1.28, 0.29, 0.58),
    "shortwave": (1.0, 0.17, 0.72),
}


def nature_run(lat, lon, time, *, seed: int = 0, variables: Sequence[str] | None = None):
    """Simulate the daily truth on a regular grid.

    Storms drift with the zonal wind. Rain and snow melt feed a water balance of the top 5 cm. Skin
    temperature, albedo, vegetation and a reanalysis follow from it. A seed is one Earth: regions
    and periods of it agree, with these exceptions. At the edge of a region `slope` and `swvl1` lack
    the cells beyond it. A global grid leaves out variations that are finer than its cells. Soil,
    snow and vegetation remember the mean weather before a start, storms those of 25 days; the
    errors of `swvl1` begin with the first day.

    Parameters
    ----------
    lat, lon : array_like (H,), (W,)
        Cell centres in degrees, regular, in either direction; longitudes -180..180 or 0..360.
    time : array_like (T,)
        Consecutive days.
    seed : int, default 0
        The same seed gives the same Earth on every machine, to rounding.
    variables : sequence of str, optional
        Variables to return; default all. See `xsm.osse.attributes.ATTRIBUTES`.

    Returns
    -------
    xarray.Dataset
        (time, lat, lon) float32, NaN off land; `soil_moisture` in m3 m-3.

    Raises
    ------
    InputError
        If an axis is not regular, days are not consecutive, or a variable is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> truth = nature_run(np.arange(40, 42, 0.5), np.arange(-6, -3, 0.5), ["2015-04-01"],
    ...                    variables=["soil_moisture"])
    >>> dict(truth.sizes)
    {'time': 1, 'lat': 4, 'lon': 6}
    """
    grid = make_grid(lat, lon)
    days = make_days(time)
    names, seed = check_variables(variables), check_seed(seed)
    world = World(grid, seed)
    maps = daily_maps(world, days, daily_functions(world, names))
    return restore_order(assemble_dataset(world, days, maps, names, seed), lat, lon)


def check_variables(variables: Sequence[str] | None) -> tuple[str, ...]:
    """Return the requested variables in the order of `ATTRIBUTES`; None means all."""
    if variables is None:
        return tuple(ATTRIBUTES)
    if isinstance(variables, str):
        variables = [variables]
    if not isinstance(variables, Iterable):
        raise InputError(f"variables={variables!r}: expected names, some of {list(ATTRIBUTES)}")
    unknown = [name for name in variables if name not in ATTRIBUTES]
    if unknown:
        raise InputError(f"variables holds {unknown}; expected some of {list(ATTRIBUTES)}")
    return tuple(name for name in ATTRIBUTES if name in set(variables))


def daily_functions(world: World, names: Sequence[str]) -> dict[str, StateFunction]:
    """Function of a `DailyState` to land cells (N,), for each daily variable among `names`."""
    functions: dict[str, StateFunction] = {}
    for name in names:
        if name in _STATE_ATTRIBUTES:
            functions[name] = attrgetter(_STATE_ATTRIBUTES[name])
        elif name == "lst":
            functions[name] = partial(land_surface_temperature, world)
        elif name == "swvl1":
            functions[name] = Reanalysis(world)
        elif name in ALBEDO:
            _, sky, band = name.split("_")
            functions[name] = partial(albedo, world, band=band, sky=sky)
    return functions


def daily_maps(
    world: World, days: np.ndarray, functions: dict[str, StateFunction]
) -> dict[str, np.ndarray]:
    """Simulate the days and evaluate functions of each state: maps (T, H, W), NaN off land."""
    maps = {n: np.full((days.size, *world.grid.shape), np.nan, np.float32) for n in functions}
    for t, state in enumerate(world.simulate(days)):
        for name, function in functions.items():
            maps[name][t][world.land] = function(state)
    return maps


def assemble_dataset(
    world: World, days: np.ndarray, maps: dict, names: Sequence[str], seed: int
) -> xr.Dataset:
    """CF Dataset, ascending in lat and lon, of daily maps and the static maps among `names`."""
    grid = world.grid
    coords = {
        "time": ("time", days.astype("datetime64[D]").astype("datetime64[ns]")),
        "lat": ("lat", grid.lat),
        "lon": ("lon", grid.lon),
        "depth": ((), 0.025),
    }
    static = world.static | {"land": world.land, "land_fraction": world.land_fraction}
    data: dict = {name: (("time", "lat", "lon"), values) for name, values in maps.items()}
    data |= {name: (("lat", "lon"), static[name]) for name in STATIC if name in names}
    out = xr.Dataset(data, coords)
    for name in out.data_vars:
        out[name].attrs = dict(ATTRIBUTES.get(str(name), {}))
    for name, attrs in COORDINATES.items():
        out[name].attrs = dict(attrs)
    out.attrs = {
        "Conventions": "CF-1.11",
        "title": "Simulated Earth (OSSE nature run)",
        "source": "xsm.osse: simulated, not observed",
        "seed": seed,
    }
    return out


def _sun_height(lat: np.ndarray, day: int) -> np.ndarray:
    """Sine of the solar elevation at noon, (N,), 0..1."""
    tilt = 23.44 * np.cos(2 * np.pi * ((day % 365.2425) - 172.0) / 365.2425)
    return np.clip(np.cos(np.deg2rad(lat - tilt)), 0.0, 1.0).astype(np.float32)


def land_surface_temperature(world: World, state: DailyState) -> np.ndarray:
    """Early-afternoon skin temperature, (N,), K: highest over dry bare soil, 0 degC over snow."""
    wet = np.clip(state.theta / world.soil.field_capacity, 0.0, 1.2)
    sun = _sun_height(world.climate.lat, state.day)
    cloud = np.where(state.precipitation > 1.0, 0.35, 1.0)
    heating = sun * cloud * (4.0 + 17.0 * (1.25 - wet) * (1.0 - 0.75 * state.ndvi))
    skin = state.temperature + heating + 273.15
    return np.where(state.snow > 10.0, np.minimum(skin, 273.15), skin).astype(np.float32)


def albedo(world: World, state: DailyState, band: str, sky: str) -> np.ndarray:
    """Black-sky (`bsa`) or white-sky (`wsa`) albedo of a band, (N,), 0..1.

    Wet soil is darker: a = a_wet + (a_dry - a_wet) exp(-theta / 0.08), a_wet = 0.55 a_dry,
    after Liu et al. (Remote Sens. Environ. 81, 238, 2002).
    """
    soil, canopy, snow = _ALBEDO_BANDS[band]
    sand = world.static["sand"][world.land]
    dry = soil * (0.13 + 0.22 * sand + 0.10 * world.dryness * sand)
    bare = dry * (0.55 + 0.45 * np.exp(-state.theta / 0.08))
    cover = np.clip((state.ndvi - 0.06) / 0.75, 0.0, 1.0)
    ground = bare * (1 - cover) + canopy * cover
    snow_cover = 1 - np.exp(-state.snow / 12.0)
    value = ground + (snow * (1 - 0.45 * cover) - ground) * snow_cover
    low_sun = 1.0 - _sun_height(world.climate.lat, state.day)
    value = value * (1.0 + 0.18 * low_sun) if sky == "bsa" else value * 1.07
    return np.clip(value, 0.0, 1.0).astype(np.float32)


class Reanalysis:
    """Soil moisture of a simulated reanalysis: smoothed, damped, biased, with correlated errors.

    Parameters
    ----------
    world : World
    length_km : float
        Standard deviation of the smoothing.
    """

    def __init__(self, world: World, length_km: float = 35.0):
        self.world = world
        self.error = AdvectedField(
            world.synthesis,
            world.seed,
            "reanalysis",
            [900, 300],
            [0.6, 0.4],
            [0.92, 0.85],
            np.zeros_like,
        )
        bias = RandomField(world.synthesis, world.seed, "reanalysis bias", [1500, 400], [0.6, 0.4])
        self.bias = bias.draw()[world.land]
        self._length = length_km
        self._land_weight = self._blur(world.land.astype(np.float32))[world.land]

    def _blur(self, values: np.ndarray) -> np.ndarray:
        return gaussian_blur(values, self.world.grid, self._length)

    def __call__(self, state: DailyState) -> np.ndarray:
        """Volumetric soil water of layer 1, (N,), m3 m-3."""
        land = self.world.land
        smooth = self._blur(self.world.to_map(state.theta, fill=0.0))[land] / self._land_weight
        error = 0.022 * self.error.advance(state.day)[land] + 0.03 * self.bias
        return np.clip(0.06 + 0.82 * smooth + error, 0.005, 0.7).astype(np.float32)
