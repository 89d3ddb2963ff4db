"""Terrain and soil texture."""

import numpy as np
import pytest

from xsm.osse.earth_grid import KM_PER_DEGREE, make_grid
from xsm.osse.fields import ZonalSynthesis
from xsm.osse.terrain import ridges, slope, texture


def test_ridges_stand_where_the_ranges_are():
    height = ridges(np.array([33.0, 0.0, 46.0]), np.array([87.5, -150.0, 10.5]))
    assert height[0, 0] == pytest.approx(4700, rel=0.02)  # Tibet
    assert height[1, 1] == 0  # Pacific
    assert height[2, 2] == pytest.approx(1700, rel=0.05)  # Alps


def test_the_slope_of_a_plane_is_its_angle():
    grid = make_grid(np.arange(-2, 3.0), np.arange(0, 5.0))
    rise = 0.01 * KM_PER_DEGREE * 1000  # m per row, 1 in 100
    plane = np.repeat(np.arange(5.0)[:, None] * rise, 5, axis=1)
    np.testing.assert_allclose(slope(plane, grid), np.rad2deg(np.arctan(0.01)), rtol=1e-5)
    assert (slope(np.ones((1, 5)), make_grid([0.0], np.arange(5.0))) == 0).all()


@pytest.mark.parametrize("row", [True, False])
def test_the_slope_along_a_single_row_or_column_is_its_angle(row):
    rise = 0.01 * KM_PER_DEGREE * 1000 * np.arange(5.0)
    height = rise[None, :] if row else rise[:, None]
    axes = ([0.0], np.arange(5.0)) if row else (np.arange(5.0) - 2, [0.0])
    np.testing.assert_allclose(
        slope(height, make_grid(*axes)), np.rad2deg(np.arctan(0.01)), rtol=1e-5
    )
    assert slope(np.ones((1, 1)), make_grid([0.0], [0.0])) == 0


def test_texture_sums_to_one_and_deserts_are_sandier():
    grid = make_grid(np.arange(20, 40.0), np.arange(0, 30.0))
    synthesis = ZonalSynthesis(grid)
    humid, desert = (texture(synthesis, 3, np.full(grid.shape, d)) for d in (0.0, 1.0))
    for soil in (humid, desert):
        np.testing.assert_allclose(soil["sand"] + soil["clay"] + soil["silt"], 1, atol=1e-6)
        np.testing.assert_allclose(soil["porosity"], 0.489 - 0.126 * soil["sand"], atol=1e-6)
    assert (desert["sand"] > humid["sand"]).all() and (desert["clay"] < humid["clay"]).all()
