"""What a radiometer makes of the truth: swaths, losses, bias, correlated noise, rounding."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from xsm.errors import InputError
from xsm.osse.attributes import ATTRIBUTES
from xsm.osse.earth_grid import Grid, blur, make_days, make_grid, orient
from xsm.osse.fields import Canvas, Field, MovingField
from xsm.osse.satellites import Sensor, day_mask, sensors_of


@dataclass(frozen=True)
class Errors:
    """How a product errs. Constants are fitted to the look of real products, not to physics.

    Attributes
    ----------
    floor : float
        Noise over bare, dry ground, m3 m-3 (standard deviation).
    relative, canopy, humid : float
        Noise per unit of retrieved moisture: everywhere, under vegetation, and under the vegetation
        of temperate and boreal lands, where water stands among the trees.
    lift, swell : float
        Growth of the retrieved moisture under vegetation, and under that of humid lands.
    soak : float
        Lasting bias under the vegetation of humid lands, m3 m-3.
    patch : float
        Lasting local bias relative to the moisture.
    rough, shift : float
        Lasting local bias (standard deviation) and mean bias over bare ground, m3 m-3.
    dense : float
        Vegetation index beyond which nothing is retrieved.
    frost : float
        Daily mean temperature at sea level, degC, below which the ground counts as frozen at
        overpass; 1.5 more per km of height, where nights are colder.
    step, top : float
        Rounding and upper limit, m3 m-3.
    """

    floor: float = 0.003
    relative: float = 0.05
    canopy: float = 0.10
    humid: float = 0.60
    lift: float = 0.35
    swell: float = 1.5
    soak: float = 0.24
    patch: float = 0.45
    rough: float = 0.055
    shift: float = -0.022
    dense: float = 0.86
    frost: float = -1.5
    step: float = 0.01
    top: float = 0.99


_GENTLE = Errors(
    floor=0.02, relative=0.03, canopy=0.10, humid=0.0, lift=0.0, swell=0.0, soak=0.0, patch=0.08,
    rough=0.01, shift=0.0, dense=0.78, frost=-1.0, step=0.0, top=0.65,
)  # fmt: skip
ERRORS: dict[str, Errors] = {
    "amsr2": Errors(),
    "smap": _GENTLE,
    "cci": replace(_GENTLE, floor=0.015, canopy=0.08, dense=0.80, step=0.0001, top=0.75),
}


class Retrieval:
    """Retrievals of one product on one grid, day after day.

    Parameters
    ----------
    grid : Grid
    canvas : Canvas
    land : ndarray (H, W), bool
    fraction : ndarray (H, W)
        Share of land.
    elevation : ndarray (H, W)
        m.
    sensor : str or Sensor
    seed : int
    errors : Errors, optional
        By default those of the product.
    """

    def __init__(
        self,
        grid: Grid,
        canvas: Canvas,
        land: np.ndarray,
        fraction: np.ndarray,
        elevation: np.ndarray,
        sensor: str | Sensor,
        seed: int,
        errors: Errors | None = None,
    ):
        self.grid, self.land, self.seed = grid, land, seed
        self.sensors = sensors_of(sensor)
        name = sensor.name if isinstance(sensor, Sensor) else sensor
        self.name = name
        self.errors = errors or ERRORS.get(name.split("_")[0], Errors())
        footprint = min(s.footprint for s in self.sensors)
        sea = blur(1.0 - fraction, grid, 0.4 * footprint)
        self.sea = sea[land]
        self.coast = fraction[land] < 0.6
        field = Field(canvas, seed, "water among land", [700, 160, 55, 28], [0.3, 0.25, 0.25, 0.2])
        self.patch = field.draw()[land]
        radio = Field(canvas, seed, f"{name} interference", [70, 25], [0.6, 0.4]).draw()[land]
        self.radio = radio > 2.75
        # lands of lakes, bogs and wet woods begin at 46 N, in the south at 48 S
        poleward = np.where(grid.lat > 0, grid.lat - 46.0, -grid.lat - 48.0)
        cool = 1 / (1 + np.exp(-poleward / 3.0))
        self.cool = np.broadcast_to(cool[:, None], grid.shape)[land].astype(np.float32)
        self.frost = (self.errors.frost + 1.5e-3 * elevation[land]).astype(np.float32)
        self.noise = MovingField(
            canvas, seed, f"{name} error", [1000, 350, 130, footprint], [0.15, 0.25, 0.35, 0.25],
            [0.95, 0.72, 0.3, 0.0], np.zeros_like, stretch=2.0,
        )  # fmt: skip

    def moments(self, theta: np.ndarray, ndvi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected retrieval and standard deviation of its noise, (N,), m3 m-3."""
        e = self.errors
        green = np.clip((ndvi - 0.1) / 0.65, 0.0, 1.0)
        humid = green * self.cool
        local = np.exp(e.patch * self.patch * (0.3 + 0.7 * green))
        mean = theta * (1.0 + e.lift * green + e.swell * humid) + e.soak * humid
        mean = mean * local
        mean = mean + (e.shift + e.rough * self.patch) * (1 - green) + 0.5 * self.sea
        spread = e.floor + np.maximum(mean, 0.0) * (e.relative + e.canopy * green + e.humid * humid)
        return mean, spread

    def expected(self, theta: np.ndarray, ndvi: np.ndarray) -> np.ndarray:
        """What would be retrieved without noise, rounding, losses or gaps, (N,), m3 m-3."""
        return np.clip(self.moments(theta, ndvi)[0], 0.0, self.errors.top).astype(np.float32)

    def __call__(self, day: int, theta, ndvi, temperature, snow) -> np.ndarray:
        """Retrievals of one day, (N,), m3 m-3, NaN where lost or between swaths.

        Parameters
        ----------
        day : int
            Days since 1970-01-01, one after another.
        theta, ndvi, temperature, snow : ndarray (N,)
            m3 m-3, 1, degC, mm.
        """
        e = self.errors
        seen = np.zeros(self.grid.shape, bool)
        for sensor in self.sensors:
            seen |= day_mask(sensor, self.grid, day)
        mean, spread = self.moments(theta, ndvi)
        value = mean + spread * self.noise.advance(day)[self.land]
        value = np.clip(value, 0.0, e.top)
        if e.step > 0:
            value = np.round(value / e.step) * e.step
        lost = (
            (temperature < self.frost) | (snow > 4.0) | (ndvi > e.dense) | self.coast | self.radio
        )
        return np.where(seen[self.land] & ~lost, value, np.nan).astype(np.float32)


_NEEDS = ("soil_moisture", "ndvi", "air_temperature", "snow", "elevation", "land", "land_fraction")


def observe(
    nature: xr.Dataset,
    sensor: str | Sensor = "amsr2",
    *,
    seed: int | None = None,
    errors: Errors | None = None,
) -> xr.Dataset:
    """Observe a nature run as a satellite product would.

    Parameters
    ----------
    nature : xarray.Dataset
        From `nature_run`, with soil_moisture, ndvi, air_temperature, snow, elevation, land and
        land_fraction.
    sensor : str or Sensor, default "amsr2"
        "amsr2" (night), "amsr2_ascending", "smap", "cci", or an own `Sensor`.
    seed : int, optional
        Of the retrieval errors; that of the nature run by default.
    errors : Errors, optional
        Those of the product by default.

    Returns
    -------
    xarray.Dataset
        `soil_moisture` (time, lat, lon) float32, m3 m-3, NaN in gaps and off land.

    Raises
    ------
    InputError
        For an unknown sensor, or if `nature` lacks a variable.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.osse import nature_run
    >>> truth = nature_run(np.arange(40, 42, 0.5), np.arange(-6, -3, 0.5), ["2015-07-01"])
    >>> observe(truth, "amsr2").soil_moisture.dims
    ('time', 'lat', 'lon')
    """
    if not isinstance(nature, xr.Dataset) or any(name not in nature for name in _NEEDS):
        have = list(nature.data_vars) if isinstance(nature, xr.Dataset) else type(nature).__name__
        raise InputError(
            f"nature holds {have}; expected {list(_NEEDS)}: call xsm.osse.nature_run with all "
            f"variables"
        )
    from xsm.osse.nature import check_seed

    seed = check_seed(nature.attrs.get("seed", 0) if seed is None else seed)
    grid, days = make_grid(nature.lat.values, nature.lon.values), make_days(nature.time.values)
    ordered = nature[list(_NEEDS)].sortby(["lat", "lon"]).transpose("time", "lat", "lon", ...)
    land = ordered.land.values.astype(bool)
    fraction, height = ordered.land_fraction.values, ordered.elevation.values
    see = Retrieval(grid, Canvas(grid), land, fraction, height, sensor, seed, errors)
    out = np.full((days.size, *grid.shape), np.nan, np.float32)
    daily = [ordered[n].values for n in ("soil_moisture", "ndvi", "air_temperature", "snow")]
    for t, day in enumerate(days):
        theta, ndvi, temperature, snow = (values[t][land] for values in daily)
        out[t][land] = see(int(day), theta, ndvi, temperature, snow)
    attrs = ATTRIBUTES["soil_moisture"] | {"long_name": f"simulated {see.name} soil moisture"}
    data = xr.Dataset(
        {"soil_moisture": (("time", "lat", "lon"), out, attrs)},
        {"time": nature.time, "lat": np.sort(nature.lat), "lon": np.sort(nature.lon)},
        {"Conventions": "CF-1.11", "source": "xsm.osse: simulated, not observed", "seed": seed}
        | {"sensor": see.name},
    )
    for name in ("lat", "lon"):
        data[name].attrs = dict(nature[name].attrs)
    if "depth" in nature.coords:
        data = data.assign_coords(depth=nature.depth)
    return orient(data, nature.lat.values, nature.lon.values)
