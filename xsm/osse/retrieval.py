"""Satellite retrievals of the simulated truth: swaths, losses, bias, correlated noise, rounding."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from xsm.conventions.units import conversion
from xsm.errors import InputError
from xsm.osse.attributes import ATTRIBUTES, STATIC
from xsm.osse.earth_grid import Grid, gaussian_blur, make_days, make_grid, restore_order
from xsm.osse.fields import AdvectedField, RandomField, ZonalSynthesis, check_seed
from xsm.osse.satellites import Sensor, sensors_of, swath_mask


@dataclass(frozen=True)
class RetrievalErrors:
    """Errors of a product. The constants are fitted to statistics of real products.

    Vegetation acts in proportion to its greenness, 0 to 1, from NDVI. Humid vegetation is that of
    temperate and boreal lands, with standing water below the trees.

    Attributes
    ----------
    noise_floor : float
        Standard deviation over bare, dry ground, m3 m-3.
    noise_relative, noise_vegetation, noise_humid_vegetation : float
        Standard deviation per unit of retrieved moisture: everywhere, under vegetation, and under
        humid vegetation.
    gain_vegetation, gain_humid_vegetation : float
        Relative increase of the retrieved moisture under vegetation, and under humid vegetation.
    bias_humid_vegetation : float
        Bias under humid vegetation, m3 m-3.
    local_gain : float
        Standard deviation of the logarithm of the local gain, constant in time.
    local_bias, mean_bias : float
        Over bare ground, constant in time: standard deviation of the local bias and mean bias,
        m3 m-3.
    max_ndvi : float
        Above this vegetation index nothing is retrieved.
    frost_temperature : float
        Daily mean temperature at sea level, degC, below which the ground counts as frozen at
        overpass; 1.5 more per km of height, where nights are colder.
    rounding, max_value : float
        Rounding step (0: none) and upper limit, m3 m-3.
    """

    noise_floor: float = 0.003
    noise_relative: float = 0.05
    noise_vegetation: float = 0.10
    noise_humid_vegetation: float = 0.60
    gain_vegetation: float = 0.35
    gain_humid_vegetation: float = 1.5
    bias_humid_vegetation: float = 0.24
    local_gain: float = 0.45
    local_bias: float = 0.055
    mean_bias: float = -0.022
    max_ndvi: float = 0.86
    frost_temperature: float = -1.5
    rounding: float = 0.01
    max_value: float = 0.99


_SMAP = RetrievalErrors(
    noise_floor=0.02,
    noise_relative=0.03,
    noise_vegetation=0.10,
    noise_humid_vegetation=0.0,
    gain_vegetation=0.0,
    gain_humid_vegetation=0.0,
    bias_humid_vegetation=0.0,
    local_gain=0.08,
    local_bias=0.01,
    mean_bias=0.0,
    max_ndvi=0.78,
    frost_temperature=-1.0,
    rounding=0.0,
    max_value=0.65,
)
ERRORS: dict[str, RetrievalErrors] = {
    "amsr2": RetrievalErrors(),
    "smap": _SMAP,
    "cci": replace(
        _SMAP,
        noise_floor=0.015,
        noise_vegetation=0.08,
        max_ndvi=0.80,
        rounding=0.0001,
        max_value=0.75,
    ),
}
MAX_SNOW = 4.0  # mm, above which nothing is retrieved
MIN_LAND_FRACTION = 0.6  # below which a cell counts as coast, and nothing is retrieved


class Retrieval:
    """Retrievals of one product on one grid, one day after another.

    Parameters
    ----------
    grid : Grid
    synthesis : ZonalSynthesis
    land : ndarray (H, W), bool
    fraction : ndarray (H, W)
        Land fraction.
    elevation : ndarray (H, W)
        m.
    sensor : str or Sensor
    seed : int
    errors : RetrievalErrors, optional
        Default: those of the product.
    """

    def __init__(
        self,
        grid: Grid,
        synthesis: ZonalSynthesis,
        land: np.ndarray,
        fraction: np.ndarray,
        elevation: np.ndarray,
        sensor: str | Sensor,
        seed: int,
        errors: RetrievalErrors | None = None,
    ):
        self.grid, self.land, self.seed = grid, land, seed
        self.sensors = sensors_of(sensor)
        name = sensor.name if isinstance(sensor, Sensor) else sensor
        self.name = name
        self.errors = errors or ERRORS.get(name.split("_")[0], RetrievalErrors())
        footprint = min(s.footprint for s in self.sensors)
        sea = gaussian_blur(1.0 - fraction, grid, 0.4 * footprint)
        self.sea = sea[land]
        self.coast = fraction[land] < MIN_LAND_FRACTION
        local = RandomField(
            synthesis, seed, "water among land", [700, 160, 55, 28], [0.3, 0.25, 0.25, 0.2]
        )
        self.local = local.draw()[land]
        interference = RandomField(synthesis, seed, f"{name} interference", [70, 25], [0.6, 0.4])
        self.interference = interference.draw()[land] > 2.75
        # humid vegetation begins at 46 N and at 48 S
        poleward = np.where(grid.lat > 0, grid.lat - 46.0, -grid.lat - 48.0)
        humid = 1 / (1 + np.exp(-poleward / 3.0))
        self.humid = np.broadcast_to(humid[:, None], grid.shape)[land].astype(np.float32)
        self.frost_temperature = (self.errors.frost_temperature + 1.5e-3 * elevation[land]).astype(
            np.float32
        )
        self.noise = AdvectedField(
            synthesis,
            seed,
            f"{name} error",
            [1000, 350, 130, footprint],
            [0.15, 0.25, 0.35, 0.25],
            [0.95, 0.72, 0.3, 0.0],
            np.zeros_like,
            stretch=2.0,
        )

    def moments(self, theta: np.ndarray, ndvi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected retrieval and standard deviation of its noise, (N,), m3 m-3."""
        e = self.errors
        green = np.clip((ndvi - 0.1) / 0.65, 0.0, 1.0)
        humid = green * self.humid
        gain = np.exp(e.local_gain * self.local * (0.3 + 0.7 * green))
        mean = theta * (1.0 + e.gain_vegetation * green + e.gain_humid_vegetation * humid)
        mean = mean + e.bias_humid_vegetation * humid
        mean = mean * gain
        mean = mean + (e.mean_bias + e.local_bias * self.local) * (1 - green) + 0.5 * self.sea
        relative = e.noise_relative + e.noise_vegetation * green + e.noise_humid_vegetation * humid
        std = e.noise_floor + np.maximum(mean, 0.0) * relative
        return mean, std

    def expected(self, theta: np.ndarray, ndvi: np.ndarray) -> np.ndarray:
        """Retrieval without noise, rounding, losses or gaps, (N,), m3 m-3."""
        return np.clip(self.moments(theta, ndvi)[0], 0.0, self.errors.max_value).astype(np.float32)

    def retrieve(self, day: int, theta, ndvi, temperature, snow) -> np.ndarray:
        """Retrievals of one day, (N,), m3 m-3, NaN where lost or between swaths.

        Parameters
        ----------
        day : int
            Days since 1970-01-01; the days of successive calls are consecutive.
        theta, ndvi, temperature, snow : ndarray (N,)
            m3 m-3, 1, degC, mm.
        """
        e = self.errors
        swath = np.zeros(self.grid.shape, bool)
        for sensor in self.sensors:
            swath |= swath_mask(sensor, self.grid, day)
        mean, std = self.moments(theta, ndvi)
        value = mean + std * self.noise.advance(day)[self.land]
        value = np.clip(value, 0.0, e.max_value)
        if e.rounding > 0:
            value = np.round(value / e.rounding) * e.rounding
        lost = (temperature < self.frost_temperature) | (snow > MAX_SNOW) | (ndvi > e.max_ndvi)
        lost |= self.coast | self.interference
        return np.where(swath[self.land] & ~lost, value, np.nan).astype(np.float32)


_REQUIRED = (
    "soil_moisture", "ndvi", "air_temperature", "snow", "elevation", "land", "land_fraction",
)  # fmt: skip


def observe(
    nature: xr.Dataset,
    sensor: str | Sensor = "amsr2",
    *,
    seed: int | None = None,
    errors: RetrievalErrors | None = None,
) -> xr.Dataset:
    """Simulate the retrievals of a satellite product from a nature run.

    The noise is correlated from day to day and begins with the first day of `nature`: observe the
    whole period, and select days afterwards.

    Parameters
    ----------
    nature : xarray.Dataset
        From `nature_run`, with soil_moisture, ndvi, air_temperature, snow, elevation, land and
        land_fraction, in the units of `nature_run` and along time, lat and lon.
    sensor : str or Sensor, default "amsr2"
        "amsr2" (night), "amsr2_ascending", "smap", "cci", or a `Sensor`.
    seed : int, optional
        Of the retrieval errors; default that of the nature run.
    errors : RetrievalErrors, optional
        Default: those of the product.

    Returns
    -------
    xarray.Dataset
        `soil_moisture` (time, lat, lon) float32, m3 m-3, NaN in gaps and off land.

    Raises
    ------
    InputError
        For an unknown sensor, or if `nature` lacks a variable or a dimension, is in other units, or
        has no land fraction on some cells.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.osse import nature_run
    >>> truth = nature_run(np.arange(40, 42, 0.5), np.arange(-6, -3, 0.5), ["2015-07-01"])
    >>> observe(truth, "amsr2").soil_moisture.dims
    ('time', 'lat', 'lon')
    """
    _check_nature(nature)
    seed = check_seed(nature.attrs.get("seed", 0) if seed is None else seed)
    grid, days = make_grid(nature.lat.values, nature.lon.values), make_days(nature.time.values)
    ordered = nature[list(_REQUIRED)].sortby(["lat", "lon"]).transpose("time", "lat", "lon")
    land = ordered.land.values.astype(bool)
    fraction, height = ordered.land_fraction.values, ordered.elevation.values
    retrieval = Retrieval(grid, ZonalSynthesis(grid), land, fraction, height, sensor, seed, errors)
    out = np.full((days.size, *grid.shape), np.nan, np.float32)
    daily = [ordered[n].values for n in ("soil_moisture", "ndvi", "air_temperature", "snow")]
    for t, day in enumerate(days):
        theta, ndvi, temperature, snow = (values[t][land] for values in daily)
        out[t][land] = retrieval.retrieve(int(day), theta, ndvi, temperature, snow)
    attrs = ATTRIBUTES["soil_moisture"] | {"long_name": f"simulated {retrieval.name} soil moisture"}
    data = xr.Dataset(
        {"soil_moisture": (("time", "lat", "lon"), out, attrs)},
        {"time": nature.time, "lat": np.sort(nature.lat), "lon": np.sort(nature.lon)},
        {"Conventions": "CF-1.11", "source": "xsm.osse: simulated, not observed", "seed": seed}
        | {"sensor": retrieval.name},
    )
    for name in ("lat", "lon"):
        data[name].attrs = dict(nature[name].attrs)
    if "depth" in nature.coords:
        data = data.assign_coords(depth=nature.depth)
    return restore_order(data, nature.lat.values, nature.lon.values)


def _check_nature(nature: xr.Dataset) -> None:
    """Raise an InputError unless there are all variables, as `nature_run` returns them."""
    if not isinstance(nature, xr.Dataset) or any(name not in nature for name in _REQUIRED):
        value = list(nature.data_vars) if isinstance(nature, xr.Dataset) else type(nature).__name__
        raise InputError(
            f"nature holds {value}; expected {list(_REQUIRED)}: call xsm.osse.nature_run with all "
            f"variables"
        )
    for name in _REQUIRED:
        expected = {"lat", "lon"} if name in STATIC else {"time", "lat", "lon"}
        if {*nature[name].dims} != expected:
            raise InputError(
                f"nature: {name} has the dimensions {nature[name].dims}; expected "
                f"{sorted(expected)}: a list keeps a dimension, .isel(time=[0]); select one "
                "element of others, and rename rows and columns to lat and lon"
            )
        wanted = ATTRIBUTES[name].get("units", "1")
        units = nature[name].attrs.get("units", wanted)
        if conversion(units, wanted, name) != (1.0, 0.0):
            raise InputError(f"nature: {name} is in {units!r}; expected {wanted!r}: convert it")
    if missing := int(nature.land_fraction.isnull().sum()):
        raise InputError(
            f"nature: land_fraction is missing on {missing} cells; expected it everywhere, because "
            "the sea near a cell acts on its retrievals: use the land_fraction of nature_run as it "
            "is, without a mask"
        )
