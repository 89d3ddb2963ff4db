"""Land cells of a simulated Earth in all climates, with their predictors and soil moisture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xsm.osse.attributes import ALBEDO, ATTRIBUTES, COORDINATES

TARGET = "soil_moisture"  # of the ground, not of a retrieval
FEATURES = (*ALBEDO, "lst", "swvl1", "elevation", "slope", "sand", "clay", "silt")


def simulated_cells(
    seed: int,
    *,
    stride: int = 6,
    days: int = 425,
    start: str = "2014-12-02",
    resolution: float = 0.25,
    variables: Sequence[str] = FEATURES,
) -> xr.Dataset:
    """Simulate the whole Earth and return a regular sample of its land cells.

    Parameters
    ----------
    seed : int
        Selects the Earth and its weather.
    stride : int
        Distance between the sampled rows and columns, in cells.
    days : int
    start : str
    resolution : float
        Degrees; terrain and reanalysis depend on it.
    variables : sequence of str
        Predictors; see ``xsm.osse.attributes.ATTRIBUTES``.

    Returns
    -------
    Dataset, (time, cell)
        The predictors and ``soil_moisture``, m3 m-3, 0-5 cm; coordinates lat and lon.
    """
    from xsm.osse.earth_grid import make_days, make_grid
    from xsm.osse.nature import daily_functions
    from xsm.osse.world import World

    half = resolution / 2
    grid = make_grid(np.arange(-60 + half, 84, resolution), np.arange(-180 + half, 180, resolution))
    world = World(grid, seed)
    sample = np.zeros(grid.shape, bool)
    sample[stride // 2 :: stride, stride // 2 :: stride] = True
    sample = sample[world.land]  # of the land cells
    names = [*variables, TARGET]
    functions = daily_functions(world, names)
    daily = {name: np.empty((days, int(sample.sum())), np.float32) for name in functions}
    stamps = make_days(np.datetime64(start) + np.arange(days))
    for t, state in enumerate(world.simulate(stamps)):
        for name, function in functions.items():
            daily[name][t] = function(state)[sample]
    data: dict = {name: (("time", "cell"), values) for name, values in daily.items()}
    data |= {n: ("cell", world.static[n][world.land][sample]) for n in names if n not in daily}
    rows, columns = (index[sample] for index in np.nonzero(world.land))
    out = xr.Dataset(
        data,
        {
            "time": stamps.astype("datetime64[D]").astype("datetime64[ns]"),
            "lat": ("cell", grid.lat[rows], COORDINATES["lat"]),
            "lon": ("cell", grid.lon[columns], COORDINATES["lon"]),
        },
        {"source": "xsm.osse: simulated, not observed", "seed": seed},
    )
    for name in names:
        out[name].attrs = dict(ATTRIBUTES[name])
    return out[names]
