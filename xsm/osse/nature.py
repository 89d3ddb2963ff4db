"""`nature_run`: the truth, as a CF Dataset."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.osse.attributes import ATTRIBUTES, COORDINATES, DAILY, STATIC
from xsm.osse.earth_grid import Grid, make_days, make_grid, orient
from xsm.osse.surface import Reanalysis, albedo, land_surface_temperature
from xsm.osse.world import Day, World

_STATE = {
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


def check_seed(seed) -> int:
    """Return a seed as int, or raise `InputError`."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed is {seed!r}; expected an integer >= 0")
    return int(seed)


def check_variables(variables: Sequence[str] | None) -> tuple[str, ...]:
    """Return the simulated variables asked for, in their own order; None means all."""
    if variables is None:
        return tuple(ATTRIBUTES)
    if isinstance(variables, str):
        variables = [variables]
    unknown = sorted(set(variables) - set(ATTRIBUTES))
    if unknown:
        raise InputError(f"variables holds {unknown}; expected some of {list(ATTRIBUTES)}")
    return tuple(name for name in ATTRIBUTES if name in set(variables))


def daily_makers(world: World, names: Sequence[str]) -> dict[str, Callable[[Day], np.ndarray]]:
    """Function of a `Day` to land cells (N,), for each daily variable asked for."""
    makers: dict[str, Callable[[Day], np.ndarray]] = {}
    for name in names:
        if name in _STATE:
            makers[name] = attrgetter(_STATE[name])
        elif name == "lst":
            makers[name] = partial(land_surface_temperature, world)
        elif name == "swvl1":
            makers[name] = Reanalysis(world)
        elif name.startswith("albedo_"):
            _, sky, band = name.split("_")
            makers[name] = partial(albedo, world, band=band, sky=sky)
    return makers


def assemble(world: World, days: np.ndarray, daily: dict, names: Sequence[str], seed: int):
    """CF Dataset, ascending in lat and lon, of daily maps and the static ones among `names`."""
    grid = world.grid
    coords = {
        "time": ("time", days.astype("datetime64[D]").astype("datetime64[ns]")),
        "lat": ("lat", grid.lat),
        "lon": ("lon", grid.lon),
        "depth": ((), 0.025),
    }
    static = world.static | {"land": world.land, "land_fraction": world.fraction}
    data: dict = {name: (("time", "lat", "lon"), values) for name, values in daily.items()}
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


def nature_run(lat, lon, time, *, seed: int = 0, variables: Sequence[str] | None = None):
    """Simulate the daily truth on a regular grid.

    Storms drift with the zonal wind, rain and snow feed a water balance of the top 5 cm, and skin
    temperature, albedo, vegetation and a reanalysis follow. The seed names one Earth: a region or
    a period is a cut of it (a later start agrees to the memory of the soil).

    Parameters
    ----------
    lat, lon : array_like (H,), (W,)
        Cell centres in degrees, regular, any direction; longitudes -180..180 or 0..360.
    time : array_like (T,)
        Consecutive days.
    seed : int, default 0
        Same seed, same Earth, on every machine (to rounding).
    variables : sequence of str, optional
        What to return; all by default. See `xsm.osse.attributes.ATTRIBUTES`.

    Returns
    -------
    xarray.Dataset
        (time, lat, lon) float32, NaN off land; `soil_moisture` in m3 m-3.

    Raises
    ------
    InputError
        If an argument is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> truth = nature_run(np.arange(40, 42, 0.5), np.arange(-6, -3, 0.5), ["2015-04-01"],
    ...                    variables=["soil_moisture"])
    >>> dict(truth.sizes)
    {'time': 1, 'lat': 4, 'lon': 6}
    """
    grid: Grid = make_grid(lat, lon)
    days = make_days(time)
    names, seed = check_variables(variables), check_seed(seed)
    world = World(grid, seed)
    makers = daily_makers(world, [name for name in names if name in DAILY])
    maps = {n: np.full((days.size, *grid.shape), np.nan, np.float32) for n in makers}
    for t, state in enumerate(world.days(days)):
        for name, make in makers.items():
            maps[name][t][world.land] = make(state)
    return orient(assemble(world, days, maps, names, seed), lat, lon)
