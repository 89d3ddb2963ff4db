"""Which dimensions are time, rows and columns, and where columns close."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.conventions.grid import layout_of
from xsm.errors import GridError

T, H, W = 4, 3, 5


def array(dims=("time", "lat", "lon"), name="sm", **coords) -> xr.DataArray:
    sizes = dict(zip(("time", "lat", "lon"), (T, H, W), strict=True))
    shape = tuple(sizes.get(dim, 2 + i) for i, dim in enumerate(dims))
    return xr.DataArray(np.zeros(shape, np.float32), dims=dims, name=name, coords=coords)


def dates(n=T, start="2015-04-01") -> pd.DatetimeIndex:
    return pd.date_range(start, periods=n)


def named(da, ds=None):
    layout = layout_of(da, ds)
    return layout.time, layout.y, layout.x, layout.others


@pytest.mark.parametrize(
    "dims",
    [
        ("time", "lat", "lon"),
        ("Longitude", "Latitude", "time"),
        ("x", "day", "y"),
        ("date", "row", "col"),
        ("T", "south_north", "west_east"),
        ("time", "north_south", "east_west"),
    ],
)
def test_dimensions_by_name_in_any_order(dims):
    time, y, x, others = named(array(dims))
    lower = {d.lower(): d for d in dims}
    assert time == next(lower[n] for n in ("time", "day", "date", "t") if n in lower)
    assert y == next(
        lower[n]
        for n in ("lat", "latitude", "y", "row", "south_north", "north_south")
        if n in lower
    )
    assert {time, y, x} == set(dims)
    assert others == ()


def test_dimensions_by_attributes():
    da = array(("a", "b", "c"))
    da = da.assign_coords(
        a=("a", np.arange(da.sizes["a"]) * 1.0, {"standard_name": "longitude"}),
        b=("b", dates(da.sizes["b"])),
        c=("c", np.arange(da.sizes["c"]) * 1.0, {"axis": "Y"}),
    )
    assert named(da) == ("b", "c", "a", ())


def test_dimensions_by_dates_along_another_name():
    da = array(("n", "lat", "lon")).assign_coords(when=("n", dates(2)))
    assert layout_of(da).time == "n"


def test_last_two_unknown_dimensions_are_rows_and_columns_in_their_order():
    assert named(array(("p", "time", "q"))) == ("time", "p", "q", ())


def test_other_dimensions_are_looped():
    assert named(array(("orbit", "lat", "time", "lon", "depth")))[3] == ("orbit", "depth")


def test_projected_grid_by_two_dimensional_coordinates():
    da = array(("time", "v", "u"))
    shape = (da.sizes["v"], da.sizes["u"])
    ds = xr.Dataset(
        {
            "sm": da,
            "latitude": (("v", "u"), np.ones(shape)),
            "longitude": (("v", "u"), np.ones(shape)),
        }
    )
    assert named(ds["sm"], ds) == ("time", "v", "u", ())
    assert not layout_of(ds["sm"], ds).wrap


def test_unclear_rows_and_columns_are_an_error():
    with pytest.raises(GridError, match="which are rows and columns"):
        layout_of(array(("time", "p", "q", "r")))


def test_points_are_an_error():
    da = array(("time", "cell")).assign_coords(lat=("cell", [1.0, 2, 3]), lon=("cell", [1.0, 2, 3]))
    with pytest.raises(GridError, match=r"lies on points .*: lat and lon both run along 'cell'"):
        layout_of(da)


def test_points_beside_another_dimension_are_an_error():
    da = array(("time", "depth", "cell"))
    n = da.sizes["cell"]
    da = da.assign_coords(lat=("cell", np.arange(n)), lon=("cell", np.arange(n)))
    with pytest.raises(GridError, match="lies on points"):
        layout_of(da)


def test_series_is_an_error():
    with pytest.raises(GridError, match="expected rows and columns"):
        layout_of(array(("time",)))


@pytest.mark.parametrize("dim", ["time", "lat", "lon"])
def test_empty_dimension_is_an_error(dim):
    with pytest.raises(GridError, match=f"size 0 on {dim}"):
        layout_of(array().isel({dim: slice(0)}))


def test_unordered_rows_are_an_error_that_shows_them():
    with pytest.raises(GridError, match=r"lat is neither.*20 is followed by 10.*sortby\(\"lat\"\)"):
        layout_of(array(lat=[20.0, 10, 30], lon=np.arange(W)))


@pytest.mark.parametrize(
    "lon",
    [
        np.arange(8) * 45.0,
        np.arange(8) * 45.0 - 180,
        np.arange(8)[::-1] * 45.0 - 157.5,
        (np.arange(8) * 45.0 + 100) % 360 - 180,
        np.float32(np.arange(3600) * 0.1 - 179.95),
        np.float32(np.arange(1440) * 0.25 + 0.125),
    ],
)
def test_columns_around_the_globe_close(lon):
    da = xr.DataArray(np.zeros((2, 1, lon.size), bool), dims=("time", "lat", "lon"))
    assert layout_of(da.assign_coords(lon=lon)).wrap


@pytest.mark.parametrize(
    "lon",
    [
        np.arange(7) * 45.0,
        np.arange(9) * 45.0,
        np.arange(8) * 40.0,
        np.array([170.0, 175, -180, -175]),
        np.array([0.0]),
        np.array([0.0, 30, 45, 90, 180, 200, 300]),
    ],
)
def test_columns_of_a_region_do_not_close(lon):
    da = xr.DataArray(np.zeros((2, 1, lon.size), bool), dims=("time", "lat", "lon"))
    assert not layout_of(da.assign_coords(lon=lon)).wrap


def test_metres_do_not_close():
    da = array(("time", "y", "x")).assign_coords(x=("x", np.arange(4) * 90.0, {"units": "m"}))
    assert not layout_of(da).wrap


def test_cylindrical_projection_closes_by_its_longitudes():
    lat, lon = np.meshgrid([10.0, 0, -10], np.arange(8) * 45.0 - 157.5, indexing="ij")
    da = xr.DataArray(
        np.zeros((2, 3, 8)),
        dims=("time", "y", "x"),
        coords={"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)},
    )
    assert layout_of(da).wrap


@pytest.mark.parametrize("dim", ["lat", "lon"])
def test_a_missing_latitude_or_longitude_is_named(dim):
    da = array(lat=[3.0, 2.0, 1.0], lon=np.arange(5.0), time=dates())
    da = da.assign_coords({dim: da[dim].where(da[dim] != 2.0)})
    with pytest.raises(GridError, match=rf"{dim} has 1 missing values \(position [12]\).*notnull"):
        layout_of(da)


def test_a_row_of_a_grid_is_not_called_points():
    da = xr.DataArray(
        np.zeros((2, 3, 4)), dims=("time", "lat", "lon"), name="sm",
        coords={"lat": [3.0, 2.0, 1.0], "lon": np.arange(4.0)},
    )  # fmt: skip
    with pytest.raises(GridError, match=r"lat is a single value.*ds\.isel\(lat=\[0\]\)"):
        layout_of(da.isel(lat=1).assign_coords(time=np.array([1, 2], "datetime64[D]")))


def test_stacked_cells_are_unstacked():
    da = xr.DataArray(
        np.zeros((2, 3, 4)), dims=("time", "lat", "lon"), name="sm",
        coords={
            "time": np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]"),
            "lat": [3.0, 2.0, 1.0], "lon": np.arange(4.0),
        },
    )  # fmt: skip
    with pytest.raises(GridError, match=r'; ds\.unstack\("cell"\)'):
        layout_of(da.stack(cell=("lat", "lon")))
