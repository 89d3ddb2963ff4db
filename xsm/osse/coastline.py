"""Land fraction of the cells of a simulation."""

import numpy as np

from xsm.conventions.globe_land import box_fraction
from xsm.osse.earth_grid import Grid


def land_fraction(grid: Grid) -> np.ndarray:
    """:func:`xsm.conventions.globe_land.box_fraction` (H, W) of the cells of `grid`."""
    return box_fraction(grid.lat, grid.lon, grid.dlat, grid.dlon)
