"""Cells of a simulated Earth, spread over all climates, with their predictors and their soil."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

TARGET = "soil_moisture"  # of the ground: nothing of a retrieval is in it
ALBEDO = tuple(
    f"albedo_{sky}_{band}" for sky in ("bsa", "wsa") for band in ("vis", "nir", "shortwave")
)
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
    """Simulate the whole Earth and keep some of its land cells.

    Parameters
    ----------
    seed : int
        Of the Earth and its weather.
    stride : int
        Keep every `stride`-th row and column.
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
    from xsm.osse.attributes import ATTRIBUTES, COORDINATES, DAILY
    from xsm.osse.earth_grid import make_days, make_grid
    from xsm.osse.nature import daily_makers
    from xsm.osse.world import World

    half = resolution / 2
    grid = make_grid(np.arange(-60 + half, 84, resolution), np.arange(-180 + half, 180, resolution))
    world = World(grid, seed)
    lattice = np.zeros(grid.shape, bool)
    lattice[stride // 2 :: stride, stride // 2 :: stride] = True
    kept = lattice[world.land]  # of the land cells
    names = [*variables, TARGET]
    makers = daily_makers(world, [name for name in names if name in DAILY])
    daily = {name: np.empty((days, int(kept.sum())), np.float32) for name in makers}
    stamps = make_days(np.datetime64(start) + np.arange(days))
    for t, state in enumerate(world.days(stamps)):
        for name, make in makers.items():
            daily[name][t] = make(state)[kept]
    data: dict = {name: (("time", "cell"), values) for name, values in daily.items()}
    data |= {n: ("cell", world.static[n][world.land][kept]) for n in names if n not in daily}
    rows, columns = (index[kept] for index in np.nonzero(world.land))
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
