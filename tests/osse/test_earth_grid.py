"""Grid and daily axis of a simulation: regular, ascending, and errors that name the argument."""

import numpy as np
import pytest
import xarray as xr

from xsm.errors import InputError
from xsm.osse.earth_grid import gaussian_blur, make_days, make_grid, restore_order


def test_a_grid_is_ascending_and_global_when_it_spans_360_degrees():
    grid = make_grid([10, 9, 8], np.arange(0.5, 360))
    assert grid.lat.tolist() == [8, 9, 10] and grid.shape == (3, 360)
    assert (grid.dlat, grid.dlon, grid.is_global) == (1, 1, True)
    assert not make_grid([0, 1], np.arange(0.5, 359)).is_global


def test_restore_order_gives_the_directions_of_the_input():
    lat, lon = [3, 2, 1], [5, 6]
    ascending = xr.DataArray(
        np.arange(6).reshape(3, 2), {"lat": [1, 2, 3], "lon": [5, 6]}, ("lat", "lon")
    )
    out = restore_order(ascending, lat, lon)
    assert out.lat.values.tolist() == lat and out.lon.values.tolist() == lon
    assert out.sel(lat=3, lon=6).item() == 5


def test_blur_keeps_a_constant_and_the_mean():
    globe = make_grid(np.arange(-89.5, 90), np.arange(-179.5, 180))
    assert gaussian_blur(np.ones(globe.shape), globe, 300.0) == pytest.approx(1.0, abs=1e-5)
    spike = np.zeros(globe.shape)
    spike[90, 180] = 1
    assert gaussian_blur(spike, globe, 300.0).sum() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("lat", "lon", "message"),
    [
        ([0, 1, 3], [0, 1], "lat has steps"),
        ([0, 1], [0, 1, 1], "lon has steps"),
        ([80, 95], [0, 1], "lat runs from"),
        ([[0, 1]], [0, 1], "lat has shape"),
        ([], [0, 1], "lat has shape"),
        ([0, np.nan], [0, 1], "lat runs from"),
        ([0, 1], np.arange(-180, 200), "lon spans"),
    ],
)
def test_bad_grids_are_named(lat, lon, message):
    with pytest.raises(InputError, match=message):
        make_grid(lat, lon)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ([], "time has shape"),
        (["2015-04-01", "2015-04-03"], "consecutive days"),
        (["2015-04-01", "2015-04-01"], "consecutive days"),
        (["NaT"], "valid days"),
        (["spring"], "convert to datetime64"),
    ],
)
def test_bad_days_are_named(time, message):
    with pytest.raises(InputError, match=message):
        make_days(time)
