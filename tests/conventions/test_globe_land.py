"""The land of GLOBE on grids of any kind; fractions of cells are tested in osse/test_coastline."""

import numpy as np
import pytest

from xsm.conventions import globe_land
from xsm.conventions.globe_land import is_land
from xsm.errors import MissingPackageError

LAT, LON = np.arange(50.0, 30, -1), np.arange(-15.0, 10)  # Iberia and the sea around


def test_madrid_is_land_and_the_bay_of_biscay_is_not():
    land = is_land(LAT, LON)
    assert land.shape == (20, 25)
    assert land[10, 11] and not land[5, 10]


def test_order_and_origin_of_longitudes_change_nothing():
    land = is_land(LAT, LON)
    np.testing.assert_array_equal(is_land(LAT[::-1], LON % 360), land[::-1])
    globe = np.arange(-179.5, 180)
    rolled = np.roll(globe, 100)
    np.testing.assert_array_equal(is_land(LAT, rolled), np.roll(is_land(LAT, globe), 100, axis=1))


def test_two_dimensional_coordinates_agree_with_axes_inland_and_at_sea():
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    land = is_land(lat, lon % 360)
    assert (land == is_land(LAT, LON)).mean() > 0.9
    lat[0, 0] = np.nan
    assert is_land(lat, lon)[0, 0]  # not known to be sea


def test_a_single_cell_is_land_or_sea():
    assert is_land(np.array([40.4]), np.array([-3.7])).tolist() == [[True]]
    assert is_land(np.array([35.0]), np.array([-40.0])).tolist() == [[False]]


def test_without_the_land_mask_the_package_is_named(monkeypatch):
    monkeypatch.setattr(globe_land, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="pip install global-land-mask"):
        globe_land.mask_file()


def test_the_stored_mask_is_the_mask(monkeypatch, tmp_path):
    monkeypatch.setenv("XSM_CACHE", "0")
    read = globe_land.sea_samples()
    monkeypatch.delenv("XSM_CACHE")
    monkeypatch.setenv("XSM_CACHE_DIR", str(tmp_path))
    for _ in range(2):
        np.testing.assert_array_equal(globe_land.sea_samples(), read)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("sea_samples-") and 0 < read.mean() < read.max() == 16
