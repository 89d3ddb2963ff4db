"""The day of a file, and files of one day joined to a record."""

import numpy as np
import pytest
import xarray as xr

from xsm.conventions.file_dates import add_day, day_in_text
from xsm.conventions.grid import coordinate
from xsm.conventions.record import gridded_record
from xsm.errors import GridError, TimeAxisError


def one_day(dims=("lat", "lon"), **coords):
    return xr.Dataset({"sm": xr.DataArray(np.full((3, 5), 0.2), dims=dims, coords=coords)})


def several_days():
    time = np.datetime64("2015-04-01", "ns") + np.arange(4) * np.timedelta64(1, "D")
    return one_day().expand_dims(time=time)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("source", "x_20150401013507.nc4"),
        ("source", "/a/20140101/x-2015-04-01.nc"),
        ("id", "ESACCI-SOILMOISTURE-L3S-SSMV-PASSIVE-20150401000000-fv04.2.nc"),
        ("time_coverage_start", "2015-04-01T00:00:00Z"),
    ],
)
def test_add_day_reads_the_day(where, text):
    ds = one_day()
    if where == "source":
        ds.encoding["source"] = text
    else:
        ds.attrs[where] = text
    out = add_day(ds)
    assert out["sm"].dims == ("time", "lat", "lon")
    assert out["time"].values == [np.datetime64("2015-04-01", "ns")]
    assert "time" not in ds.dims


def test_add_day_takes_a_day_or_asks_for_it():
    ds = one_day()
    assert add_day(ds, "2015-04-03")["time"].values == [np.datetime64("2015-04-03", "ns")]
    with pytest.raises(TimeAxisError, match="Pass it"):
        add_day(ds)
    full = several_days()
    assert add_day(full) is full
    assert add_day(full.isel(time=1))["time"].values == [np.datetime64("2015-04-02", "ns")]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001.h5", "2015-08-11"),
        ("GLDAS_NOAH025_3H.A20160101.0300.021.nc4", "2016-01-01"),
        ("GLASS13A01.V01.A2015091.nc", "2015-04-01"),
        ("sm_2016_366.nc", "2016-12-31"),
        ("sm_2015_366.nc", None),
        ("soil_moisture_v1234567.nc", None),
    ],
)
def test_day_in_a_file_name(text, day):
    assert day_in_text(text) == (None if day is None else np.datetime64(day, "ns"))


def test_a_date_beside_the_data_is_put_on_the_data():
    ds = one_day(("north_south", "east_west")).assign_coords(
        time=[np.datetime64("2017-03-30", "ns")]
    )
    ds["lat"] = (("north_south", "east_west"), np.ones((3, 5)))
    out = add_day(ds)
    assert out["sm"].dims == ("time", "north_south", "east_west")
    assert out["lat"].dims == ("north_south", "east_west")
    assert "lat" in out.coords and "lat" in ds.data_vars
    assert out["time"].values == [np.datetime64("2017-03-30", "ns")]
    two = ds.drop_vars("time").assign_coords(time=several_days()["time"])
    assert add_day(two) is two


def swath_days(n=4, *, sentinel=np.nan, shift=0.0):
    """Days of a granule that gives latitudes and longitudes inside the swath only."""
    lat, lon = np.meshgrid([10.0, 9.0, 8.0], np.arange(5.0), indexing="ij")
    days = []
    for k in range(n):
        inside = (np.arange(5) + k) % 3 > 0
        ds = one_day(("y0", "x0"))
        for name, values in (("latitude", lat), ("longitude", lon + shift * k)):
            ds[name] = (("y0", "x0"), np.where(inside, values, sentinel))
        days.append(add_day(ds, f"2015-04-0{k + 1}"))
    return xr.concat(days, "time")


@pytest.mark.parametrize("sentinel", [np.nan, -9999.0])
def test_positions_of_the_swaths_are_merged(sentinel):
    ds = swath_days(sentinel=sentinel)
    assert "latitude" not in ds.data_vars
    record = gridded_record(ds)
    lat, lon = record.coordinates()
    np.testing.assert_array_equal(lat, np.repeat([[10.0], [9.0], [8.0]], 5, axis=1))
    np.testing.assert_array_equal(lon, np.repeat([np.arange(5.0)], 3, axis=0))
    chunked = coordinate(ds["sm"], ds.chunk(time=1), "longitude")
    np.testing.assert_array_equal(chunked, lon)


def test_cells_that_no_swath_saw_stay_without_position():
    ds = swath_days(1)
    lat = coordinate(ds["sm"], ds, "latitude")
    np.testing.assert_array_equal(np.isnan(lat), np.isnan(ds["latitude"].isel(time=0)))


def test_swaths_whose_cells_move_are_refused():
    with pytest.raises(GridError, match="differs from day to day by up to 0.5.*grid each first"):
        gridded_record(swath_days(shift=0.5))


def test_complete_positions_have_no_time_and_dask_arrays_are_not_read():
    ds = one_day(("y", "x"))
    ds["lat"] = (("y", "x"), np.ones((3, 5)))
    assert add_day(ds, "2015-04-01")["lat"].dims == ("y", "x")
    lazy = add_day(ds.chunk(), "2015-04-01")
    assert lazy["lat"].dims == ("time", "y", "x") and lazy["lat"].chunks is not None
