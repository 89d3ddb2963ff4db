"""Land fraction from the real land mask: known land and sea, consistent under regridding."""

import numpy as np
import pytest

from xsm.osse.coastline import land_fraction
from xsm.osse.earth_grid import make_grid


def test_known_land_and_sea():
    inland = land_fraction(make_grid([40.25, 40.75], [-4.25, -3.75]))  # around Madrid
    ocean = land_fraction(make_grid([30.25, 30.75], [-40.25, -39.75]))  # Atlantic
    assert inland.dtype == np.float32
    assert (inland == 1).all() and (ocean == 0).all()


def test_the_land_fraction_of_the_earth_is_29_percent():
    grid = make_grid(np.arange(-89.5, 90), np.arange(-179.5, 180))
    weights = np.cos(np.deg2rad(grid.lat))
    mean = (land_fraction(grid).mean(1) * weights).sum() / weights.sum()
    assert mean == pytest.approx(0.29, abs=0.015)


def test_a_coarse_cell_is_the_mean_of_its_fine_cells_across_the_date_line_too():
    fine = land_fraction(make_grid(np.arange(65.25, 69, 0.5), np.arange(175.25, 187, 0.5)))
    coarse = land_fraction(make_grid([66, 68], np.arange(176, 187, 2)))
    mean = fine.reshape(2, 4, 6, 4).mean((1, 3))
    np.testing.assert_allclose(coarse, mean, atol=1e-5)
    east = land_fraction(make_grid([66, 68], [-179, -177]))  # the same cells
    np.testing.assert_allclose(east, land_fraction(make_grid([66, 68], [181, 183])), atol=1e-5)
