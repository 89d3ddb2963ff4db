"""EASE-Grid 2.0 against PROJ and against published corners."""

import numpy as np
import pytest

from xsm.opening.ease_grid import EASE2_SHAPES, ease2_axes, global_shape, nearest_index


@pytest.mark.parametrize("kilometres", [36.0, 25.0, 12.5, 9.0, 3.0])
def test_axes_as_proj_has_them(kilometres):
    pyproj = pytest.importorskip("pyproj")
    to_degrees = pyproj.Transformer.from_crs(6933, 4326, always_xy=True)
    rows, columns = EASE2_SHAPES[kilometres]
    # half the width of the globe in metres, and cells of that width over the columns
    half = 17367530.4451615
    cell = 2 * half / columns
    x = -half + (np.arange(columns) + 0.5) * cell
    y = (rows / 2 - np.arange(rows) - 0.5) * cell
    lat, lon = ease2_axes(kilometres)
    np.testing.assert_allclose(lon, to_degrees.transform(x, 0 * x)[0], atol=1e-7)
    np.testing.assert_allclose(lat, to_degrees.transform(0 * y, y)[1], atol=1e-7)


def test_corner_cells_as_published():
    """Centres of the first cell in the files of NSIDC-0772."""
    for kilometres, corner in ((36.0, (83.63197, -179.81328)), (9.0, (84.6564188, -179.9533195))):
        lat, lon = ease2_axes(kilometres)
        np.testing.assert_allclose((lat[0], lon[0]), corner, atol=1e-5)
        np.testing.assert_allclose(lat, -lat[::-1], atol=1e-12)


def test_global_shapes():
    assert global_shape((406, 964)) == 36.0
    assert global_shape((1624, 3856)) == 9.0
    assert global_shape((405, 964)) is None


def test_nearest_centre_and_whether_a_value_lies_on_it():
    lat, _ = ease2_axes(36.0)
    values = np.array([lat[3], lat[3] - 0.001, 0.5 * (lat[3] + lat[4]), lat[-1]])
    index, fits = nearest_index(values, lat)
    assert index[[0, 1, 3]].tolist() == [3, 3, 405]
    assert fits.tolist() == [True, True, False, True]
