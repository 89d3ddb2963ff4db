"""Fields and land masks on axes of longitude and latitude."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from xsm.plotting import geography
from xsm.plotting.geography import draw_field, draw_land, format_degree_axes, format_position

LAT = xr.DataArray([44.0, 43.0, 42.0], dims="lat")
LON = xr.DataArray([-3.0, -2.0, -1.0, 0.0], dims="lon")


def test_land_reaches_the_edges_of_the_cells_as_a_field_does():
    land = xr.DataArray(np.arange(12).reshape(3, 4) % 4 > 1, dims=("lat", "lon"))
    ax = Figure().subplots()
    draw_land(ax, land, LAT, LON)
    assert ax.get_xlim() == (-3.5, 0.5) and ax.get_ylim() == (41.5, 44.5)
    draw_field(ax, land.astype(float), LAT, LON)
    assert ax.get_xlim() == (-3.5, 0.5) and ax.get_ylim() == (41.5, 44.5)


def test_a_land_mask_of_one_kind_has_no_coast():
    ax = Figure().subplots()
    draw_land(ax, xr.DataArray(np.ones((3, 4), bool), dims=("lat", "lon")), LAT, LON)
    n_without = len(ax.collections)
    land = xr.DataArray(np.arange(12).reshape(3, 4) > 5, dims=("lat", "lon"))
    draw_land(ax, land, LAT, LON)
    assert len(ax.collections) == 2 * n_without + 1


def test_axes_are_in_degrees_with_the_aspect_of_the_latitude():
    ax = Figure().subplots()
    format_degree_axes(ax, 60.0)
    assert abs(ax.get_aspect() - 2.0) < 1e-9
    assert ax.xaxis.get_major_formatter()(-8, None) == "8°W"
    assert ax.yaxis.get_major_formatter()(-8, None) == "8°S"
    assert format_position(41.625, -3.376) == "41.62°N 3.38°W"


def test_plain_axes_need_no_transform():
    assert geography.cartopy_transform(Figure().subplots()) == {}
