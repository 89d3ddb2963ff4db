"""Datasets made on the spot: a simulated Earth, seen by a simulated satellite.

Nothing is downloaded. Same name and seed, same data.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xsm.errors import InputError


@dataclass(frozen=True)
class _Recipe:
    """A named data set: region (south, north, west, east; degrees), resolution, period, sensor."""

    region: tuple[float, float, float, float]
    resolution: float
    start: str
    days: int
    sensor: str
    covariates: bool
    title: str


_IBERIA, _GLOBE = (36.0, 44.0, -10.0, 4.0), (-90.0, 90.0, -180.0, 180.0)
_CONUS, _EUROPE = (25.2, 50.04, -125.0, -66.68), (35.0, 60.0, -11.0, 31.0)
RECIPES: dict[str, _Recipe] = {
    "amsr2-iberia": _Recipe(
        _IBERIA, 0.25, "2015-04-01", 75, "amsr2", True, "night-time AMSR2 over Iberia"
    ),
    "global-month": _Recipe(
        _GLOBE, 0.25, "2015-04-01", 30, "amsr2", False, "night-time AMSR2, global, one month"
    ),
    "smap-conus": _Recipe(
        _CONUS, 0.36, "2015-04-01", 366, "smap", False, "SMAP over the United States, one year"
    ),
    "cci-europe": _Recipe(
        _EUROPE, 0.25, "2016-05-01", 123, "cci", False, "merged sensors over Europe"
    ),
}
_TRUTHS = {
    "soil_moisture_truth": "what the sensor would retrieve without noise, rounding or gaps",
    "soil_moisture_ground": "soil moisture in the ground, 0-5 cm",
}
_ALBEDO = tuple(
    f"albedo_{sky}_{band}" for sky in ("bsa", "wsa") for band in ("vis", "nir", "shortwave")
)
COVARIATES = (
    "lst", *_ALBEDO, "swvl1", "precipitation", "ndvi", "elevation", "slope", "sand", "clay", "silt",
)  # fmt: skip


def _chosen(covariates: bool | Sequence[str]) -> tuple[str, ...]:
    """Names of the covariates asked for."""
    if isinstance(covariates, (bool, np.bool_)):
        return COVARIATES if covariates else ()
    names = [covariates] if isinstance(covariates, str) else list(covariates)
    unknown = [name for name in names if name not in COVARIATES]
    if unknown:
        raise InputError(
            f"covariates holds {unknown}; expected True, False or some of {list(COVARIATES)}"
        )
    return tuple(name for name in COVARIATES if name in names)


def _positive(value, name: str, low: float, high: float) -> None:
    if not isinstance(value, (int, float, np.number)) or not low <= value <= high:
        raise InputError(f"{name} is {value!r}; expected a number from {low:g} to {high:g}")


def _first_day(start) -> np.datetime64:
    try:
        return np.datetime64(start, "D")
    except (TypeError, ValueError) as error:
        raise InputError(f"start is {start!r}; expected a day such as '2015-04-01'") from error


def open_dataset(
    name: str,
    *,
    seed: int = 0,
    days: int | None = None,
    start: str | None = None,
    resolution: float | None = None,
    covariates: bool | Sequence[str] | None = None,
    truth: bool = True,
) -> xr.Dataset:
    """Simulate a named data set.

    Parameters
    ----------
    name : {"amsr2-iberia", "global-month", "smap-conus", "cci-europe"}
    seed : int, default 0
        Names the Earth and its weather.
    days, start, resolution : int, str, float, optional
        Length, first day and cell size (degrees) other than the recipe's.
    covariates : bool or sequence of str, optional
        True for all of `COVARIATES`, False for none; by default all for "amsr2-iberia" and
        none for the larger ones.
    truth : bool, default True
        Include `soil_moisture_truth` and `soil_moisture_ground`.

    Returns
    -------
    xarray.Dataset
        `soil_moisture` (time, lat, lon) float32 in m3 m-3 with the gaps of the sensor,
        `soil_moisture_truth`, what that sensor would see of all land without noise (its lasting
        bias included: no gap-filling can know it), `soil_moisture_ground`, what is in the soil,
        `land` (lat, lon) bool, and the covariates. Latitudes run north to south as in the products.

    Raises
    ------
    InputError
        For an unknown name or covariate, or a number out of range.

    Examples
    --------
    >>> ds = open_dataset("amsr2-iberia", days=3, resolution=1, covariates=["sand"])
    >>> sorted(ds.data_vars)
    ['land', 'sand', 'soil_moisture', 'soil_moisture_ground', 'soil_moisture_truth']
    >>> bool(ds.soil_moisture_truth.notnull().all("time").equals(ds.land))
    True
    """
    if name not in RECIPES:
        raise InputError(f"name is {name!r}; expected one of {list(RECIPES)}")
    recipe = RECIPES[name]
    names = _chosen(recipe.covariates if covariates is None else covariates)
    days = recipe.days if days is None else days
    resolution = recipe.resolution if resolution is None else resolution
    _positive(days, "days", 1, 20000)
    _positive(resolution, "resolution", 0.01, 10.0)
    south, north, west, east = recipe.region
    rows = max(int(round((north - south) / resolution)), 1)
    cols = max(int(round((east - west) / resolution)), 1)
    lat = south + (north - south) * (np.arange(rows) + 0.5) / rows
    lon = west + (east - west) * (np.arange(cols) + 0.5) / cols
    first = _first_day(recipe.start if start is None else start)
    out = _simulate(lat, lon, first + np.arange(int(days)), recipe.sensor, seed, names, truth)
    out.attrs["title"] = f"Simulated {recipe.title}"
    return out.isel(lat=slice(None, None, -1))


def open_stations(ds: xr.Dataset, n: int = 40, *, seed: int = 0) -> xr.Dataset:
    """Simulated stations in the ground of a data set; see :func:`xsm.osse.simulated_stations.stations`.

    Parameters
    ----------
    ds : Dataset
        From :func:`open_dataset`.
    n : int
        Number of stations.
    seed : int

    Returns
    -------
    Dataset, (station, time)
    """
    from xsm.osse.simulated_stations import stations

    return stations(ds, n, seed=seed)


def _simulate(lat, lon, time, sensor: str, seed: int, names, truth: bool) -> xr.Dataset:
    """Nature and retrieval in one pass over the days, so that only what is asked for is kept."""
    from xsm.osse.attributes import DAILY, LIKE_SOIL_MOISTURE
    from xsm.osse.earth_grid import make_days, make_grid
    from xsm.osse.nature import assemble, check_seed, daily_makers
    from xsm.osse.retrieval import Retrieval
    from xsm.osse.world import World

    grid, stamps, seed = make_grid(lat, lon), make_days(time), check_seed(seed)
    world = World(grid, seed)
    height = world.static["elevation"]
    see = Retrieval(grid, world.canvas, world.land, world.fraction, height, sensor, seed)
    makers = daily_makers(world, [n for n in names if n in DAILY])
    kept = ["soil_moisture", *(_TRUTHS if truth else []), *makers]
    maps = {n: np.full((stamps.size, *grid.shape), np.nan, np.float32) for n in kept}
    for t, day in enumerate(world.days(stamps)):
        seen = see(day.day, day.theta, day.ndvi, day.temperature, day.snow)
        maps["soil_moisture"][t][world.land] = seen
        if truth:
            maps["soil_moisture_truth"][t][world.land] = see.expected(day.theta, day.ndvi)
            maps["soil_moisture_ground"][t][world.land] = day.theta
        for name, make in makers.items():
            maps[name][t][world.land] = make(day)
    out = assemble(world, stamps, maps, [*names, "land"], seed)
    out.soil_moisture.attrs["long_name"] = f"simulated {sensor} soil moisture, 0-5 cm"
    for name, title in _TRUTHS.items() if truth else ():
        out[name].attrs = LIKE_SOIL_MOISTURE | {"long_name": title}
    out.attrs["sensor"] = sensor
    return out
