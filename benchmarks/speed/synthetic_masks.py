"""Where a synthetic input has data: everywhere, on land under swaths, or on a part of the cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIRST_DAY = np.datetime64("2015-04-01")
SOUTHERN_LIMIT = -60.0  # degrees; no soil south of it


@dataclass(frozen=True)
class Masks:
    """Masks of one input.

    name : label in the tables
    mask : bool (T, H, W), True where observed
    active : bool (H, W), cells whose result is needed; None for all
    percent : active cells, % of all
    """

    name: str
    mask: NDArray[np.bool_]
    active: NDArray[np.bool_] | None
    percent: float


def dense(days: int, height: int, width: int) -> Masks:
    """Every cell observed and active."""
    return Masks("dense", np.ones((days, height, width), bool), None, 100.0)


def land(days: int, step: float = 0.25) -> Masks:
    """The globe: real land without Antarctica, swaths of AMSR2 (night passes)."""
    from xsm.osse.coastline import land_fraction
    from xsm.osse.earth_grid import make_grid
    from xsm.osse.satellites import observed_mask

    lat = np.arange(90 - step / 2, -90, -step)
    lon = np.arange(-180 + step / 2, 180, step)
    # the simulation has south first
    fraction = land_fraction(make_grid(lat[::-1], lon))[::-1]
    active = (fraction >= 0.5) & (lat > SOUTHERN_LIMIT)[:, None]
    swaths = observed_mask(lat, lon, FIRST_DAY + np.arange(days)).values
    return Masks("land", swaths & active, active, 100 * float(active.mean()))


def occupied(
    days: int, height: int, width: int, percent: float, *, scattered: bool = False, seed: int = 0
) -> Masks:
    """A part of the cells active and observed: in patches like land, or single scattered cells."""
    from scipy.ndimage import gaussian_filter

    field = np.random.default_rng(seed).standard_normal((height, width))
    if not scattered:
        field = gaussian_filter(field, 8, mode="wrap")
    n_active = max(round(field.size * percent / 100), 1)
    active = np.zeros(field.size, bool)
    active[np.argsort(field, axis=None)[-n_active:]] = True
    active = active.reshape(field.shape)
    name = "scattered" if scattered else "patches"
    return Masks(name, np.broadcast_to(active, (days, height, width)).copy(), active, percent)


def record(days: int, step: float = 0.25) -> NDArray[np.float32]:
    """A global record (T, H, W), m3 m-3, NaN where the masks of :func:`land` have no observation.

    Waves and noise stand in for soil moisture: run time depends on where data are, not on their
    values.
    """
    mask = land(days, step).mask
    t, i, j = (np.arange(n, dtype=np.float32) for n in mask.shape)
    wave = np.sin(t / 4)[:, None, None] + np.cos(i / 20)[:, None] * np.sin(j / 30)
    noise = np.random.default_rng(0).standard_normal(mask.shape, np.float32)
    values = np.float32(0.25) + np.float32(0.05) * wave + np.float32(0.02) * noise
    values[~mask] = np.nan
    return values
