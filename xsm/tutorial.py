"""Tutorial datasets: a simulated Earth, observed by a simulated satellite.

Nothing is downloaded. The same name and seed give the same data.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.osse.attributes import ALBEDO


@dataclass(frozen=True)
class _Recipe:
    """A named dataset: region (south, north, west, east; degrees), resolution, period, sensor."""

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
        _GLOBE, 0.25, "2015-04-01", 30, "amsr2", False, "night-time AMSR2, global"
    ),
    "smap-conus": _Recipe(
        _CONUS, 0.36, "2015-04-01", 366, "smap", False, "SMAP over the United States"
    ),
    "cci-europe": _Recipe(
        _EUROPE, 0.25, "2016-05-01", 123, "cci", False, "merged sensors over Europe"
    ),
}
_TRUTH_TITLES = {
    "soil_moisture_truth": "what the sensor would retrieve without noise, rounding or gaps",
    "soil_moisture_ground": "soil moisture in the ground, 0-5 cm",
}
COVARIATES = (
    "lst", *ALBEDO, "swvl1", "precipitation", "ndvi", "elevation", "slope", "sand", "clay", "silt",
)  # fmt: skip


def _covariate_names(covariates: bool | Sequence[str]) -> tuple[str, ...]:
    """Names of the requested covariates."""
    if isinstance(covariates, (bool, np.bool_)):
        return COVARIATES if covariates else ()
    names = [covariates] if isinstance(covariates, str) else covariates
    if not isinstance(names, Iterable):
        raise InputError(f"covariates={covariates!r}; expected True, False or names")
    names = list(names)
    unknown = [name for name in names if name not in COVARIATES]
    if unknown:
        raise InputError(
            f"covariates holds {unknown}; expected True, False or some of {list(COVARIATES)}"
        )
    return tuple(name for name in COVARIATES if name in names)


def _check_number(value, name: str, low: float, high: float, *, whole: bool = False) -> None:
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (whole and value % 1):
        kind = "whole number" if whole else "number"
        raise InputError(f"{name} is {value!r}; expected a {kind} from {low:g} to {high:g}")


def _first_day(start) -> np.datetime64:
    expected = f"start is {start!r}; expected a day such as '2015-04-01'"
    if isinstance(start, (int, float, np.number)):  # NumPy counts days since 1970
        raise InputError(expected)
    try:
        day = np.datetime64(start, "D")
    except (TypeError, ValueError) as error:
        raise InputError(expected) from error
    if np.isnat(day):
        raise InputError(expected)
    return day


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
    """Simulate a named dataset.

    Parameters
    ----------
    name : {"amsr2-iberia", "global-month", "smap-conus", "cci-europe"}
    seed : int, default 0
        Selects the Earth and its weather.
    days, start, resolution : int, str, float, optional
        Number of days, first day and cell size (degrees); default those of the dataset. A size that
        does not divide the region is changed to one that does.
    covariates : bool or sequence of str, optional
        True for all of `COVARIATES`, False for none. Default: all for "amsr2-iberia", none for
        the others.
    truth : bool, default True
        Include `soil_moisture_truth` and `soil_moisture_ground`.

    Returns
    -------
    xarray.Dataset
        `soil_moisture` (time, lat, lon) float32 in m3 m-3 with the gaps of the sensor;
        `soil_moisture_truth`, the retrieval of all land without noise, with the systematic bias of
        the sensor; `soil_moisture_ground`, the soil moisture in the ground; `land` (lat, lon)
        bool; and the covariates. Latitudes run from north to south as in the products.

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
    if not isinstance(name, str) or name not in RECIPES:
        raise InputError(f"name is {name!r}; expected one of {list(RECIPES)}")
    recipe = RECIPES[name]
    names = _covariate_names(recipe.covariates if covariates is None else covariates)
    days = recipe.days if days is None else days
    resolution = recipe.resolution if resolution is None else resolution
    _check_number(days, "days", 1, 20000, whole=True)
    _check_number(resolution, "resolution", 0.01, 10.0)
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
    """Simulate stations: the truth of random land cells, with errors, faults and outages.

    Parameters
    ----------
    ds : Dataset
        From :func:`open_dataset`, with its truth.
    n : int
        Number of stations; of fewer cells, so many as there are.
    seed : int, default 0
        Of positions and errors.

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time), m3 m-3, and its quality ``flag``, as from
        :func:`xsm.open_ismn`.

    Raises
    ------
    InputError
        If `ds` has no truth or no land, or `n` is below 1.
    """
    from xsm.osse.simulated_stations import simulate_stations

    return simulate_stations(ds, n, seed=seed)


def _simulate(
    lat: np.ndarray,
    lon: np.ndarray,
    time: np.ndarray,
    sensor: str,
    seed: int,
    names: Sequence[str],
    truth: bool,
) -> xr.Dataset:
    """Nature run and retrievals in one pass, which stores the requested variables only."""
    from xsm.osse.attributes import LIKE_SOIL_MOISTURE
    from xsm.osse.earth_grid import make_days, make_grid
    from xsm.osse.fields import check_seed
    from xsm.osse.nature import assemble_dataset, daily_functions, daily_maps
    from xsm.osse.retrieval import Retrieval
    from xsm.osse.world import DailyState, World

    grid, days, seed = make_grid(lat, lon), make_days(time), check_seed(seed)
    world = World(grid, seed)
    elevation = world.static["elevation"]
    retrieval = Retrieval(
        grid, world.synthesis, world.land, world.land_fraction, elevation, sensor, seed
    )

    def retrieve(state: DailyState) -> np.ndarray:
        return retrieval.retrieve(state.day, state.theta, state.ndvi, state.temperature, state.snow)

    functions: dict[str, Callable[[DailyState], np.ndarray]] = {"soil_moisture": retrieve}
    if truth:
        functions["soil_moisture_truth"] = lambda s: retrieval.expected(s.theta, s.ndvi)
        functions["soil_moisture_ground"] = lambda s: s.theta
    functions |= daily_functions(world, names)
    maps = daily_maps(world, days, functions)
    out = assemble_dataset(world, days, maps, [*names, "land"], seed)
    out["soil_moisture"].attrs["long_name"] = f"simulated {sensor} soil moisture, 0-5 cm"
    for name, title in _TRUTH_TITLES.items() if truth else ():
        out[name].attrs = LIKE_SOIL_MOISTURE | {"long_name": title}
    out.attrs["sensor"] = sensor
    return out
