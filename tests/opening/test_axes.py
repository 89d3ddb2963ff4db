"""Axes of 2-D latitudes and longitudes."""

import numpy as np
import pytest

from xsm.errors import GridError
from xsm.opening.axes import axes_of_fields, global_axes, merge_fields
from xsm.opening.ease_grid import ease2_axes

LAT, LON = 50.0 - 0.25 * np.arange(5), 3.0 + 0.25 * np.arange(6)


def fields(lat=LAT, lon=LON):
    return np.meshgrid(lat, lon, indexing="ij")


def test_parallels_and_meridians_are_axes():
    lat, lon = axes_of_fields(*fields())
    np.testing.assert_array_equal(lat, LAT)
    np.testing.assert_array_equal(lon, LON)


def test_missing_rows_of_equal_steps_are_completed():
    lat, lon = fields()
    lat[2], lon[:, [0, 5]] = np.nan, np.nan
    rows, columns = axes_of_fields(lat, lon)
    np.testing.assert_allclose(rows, LAT)
    np.testing.assert_allclose(columns, LON)


def test_missing_rows_of_unequal_steps_are_not_guessed():
    lat, lon = fields(lat=np.array([50.0, 49.0, 47.0, 44.0, 40.0]))
    lat[2] = np.nan
    assert axes_of_fields(lat, lon) is None


def test_ease_rows_are_exact_from_one_value():
    rows, columns = (axis[200:206] for axis in ease2_axes(9.0))
    lat, lon = (f.astype(np.float32).astype(float) for f in fields(rows, columns))
    gone = np.ones(lat.shape, bool)
    gone[2, 3] = False
    lat[gone], lon[gone] = np.nan, np.nan
    lat2, lon2 = axes_of_fields(lat, lon)
    np.testing.assert_array_equal(lat2, rows)
    np.testing.assert_array_equal(lon2, columns)


def test_curved_grids_have_no_axes():
    lat, lon = fields()
    assert axes_of_fields(lat + 0.1 * np.sin(lon), lon) is None
    assert axes_of_fields(np.full_like(lat, np.nan), lon) is None


def test_fields_of_files_are_merged_or_contradict():
    lat, _ = fields()
    one, other = lat.copy(), lat.copy()
    one[:, 0], other[:, 1] = -9999.0, np.nan
    np.testing.assert_array_equal(merge_fields([one, other], "latitude"), lat)
    with pytest.raises(GridError, match="latitudes of the files differ by up to 1 degrees"):
        merge_fields([lat, lat + 1], "latitude")


def test_global_axes_by_shape():
    assert global_axes("ease2", (406, 964))[0].size == 406
    lat, lon = global_axes("quarter_degree", (720, 1440))
    assert (lat[0], lon[-1]) == (89.875, 179.875)
    assert global_axes("", (720, 1440)) is None
