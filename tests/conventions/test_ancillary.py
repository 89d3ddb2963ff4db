"""Categories on the cells of a record: its own variable, an array, or a map on another grid."""

import numpy as np
import pytest
import xarray as xr

from xsm.conventions.ancillary import grid_field
from xsm.conventions.record import gridded_record
from xsm.errors import InputError


@pytest.fixture
def classes(record) -> xr.DataArray:
    values = np.arange(9 * 16).reshape(9, 16) % 7
    return xr.DataArray(values, {"lat": record["lat"], "lon": record["lon"]}, ("lat", "lon"))


def test_a_variable_of_the_record_by_name(record, classes):
    opened = gridded_record(record.assign(land_cover=classes))
    np.testing.assert_array_equal(grid_field("land_cover", None, opened), classes)
    np.testing.assert_array_equal(grid_field("class", "land_cover", opened), classes)
    assert grid_field("absent", None, opened) is None


def test_south_first_with_its_labels(record, classes):
    opened = gridded_record(record.isel(lat=slice(None, None, -1)))
    np.testing.assert_array_equal(grid_field("c", classes, opened), classes)


def test_a_finer_map_is_taken_at_the_nearest_cell(record, classes):
    fine = classes.sel(
        lat=np.arange(65.0, 14, -0.5), lon=np.arange(-179.5, 180, 1.0), method="nearest"
    ).assign_coords(lat=np.arange(65.0, 14, -0.5), lon=np.arange(-179.5, 180, 1.0))
    inner = grid_field("c", fine, gridded_record(record))[1:-1, 1:-1]
    np.testing.assert_array_equal(inner, classes[1:-1, 1:-1])
    north = fine.isel(lat=slice(0, 30))
    beyond = grid_field("c", north, gridded_record(record))
    assert np.isnan(beyond[-1]).all() and np.isfinite(beyond[1]).all()


def test_what_does_not_fit_is_refused(record):
    with pytest.raises(InputError, match=r"by: c has the shape \(2, 2\): expected \(9, 16\)"):
        grid_field("c", np.zeros((2, 2)), gridded_record(record))
    series = xr.DataArray(np.zeros(3), dims="day")
    with pytest.raises(InputError, match="by: c has the dimensions {'day': 3}"):
        grid_field("c", series, gridded_record(record))
