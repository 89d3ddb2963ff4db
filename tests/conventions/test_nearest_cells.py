"""Cells that stand for a place, on axes and on 2-D grids."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import grid
from xsm.conventions.nearest_cells import find_cells, nearest_on_axis, read_series
from xsm.conventions.record import gridded_record
from xsm.errors import GridError, InputError


def swath_grid(ds):
    """The same cells with 2-D latitudes and longitudes on rows and columns y, x."""
    lat, lon = np.meshgrid(ds.lat, ds.lon, indexing="ij")
    da = xr.DataArray(ds.soil_moisture.values, dims=("time", "y", "x"), attrs={"units": "m3 m-3"})
    return da.to_dataset(name="soil_moisture").assign_coords(
        time=ds.time.values, lat=(("y", "x"), lat), lon=(("y", "x"), lon)
    )


@pytest.mark.parametrize("make", [lambda ds: ds, swath_grid])
def test_nearest_is_the_cell_the_place_lies_in(make):
    record = gridded_record(make(grid()))
    cells = find_cells(record, np.array([43.1, 44.6, 42.9]), np.array([-4.8, -4.0, 355.2]))
    assert cells.rows[:, 0].tolist() == [2, -1, 2]
    assert cells.columns[:, 0].tolist() == [0, -1, 0]
    assert cells.inside.tolist() == [True, False, True]


@pytest.mark.parametrize("make", [lambda ds: ds, swath_grid])
def test_mean_of_four_and_of_a_radius(make):
    ds = grid()
    record = gridded_record(make(ds))
    days = np.arange(ds.sizes["time"])
    place = np.array([43.2]), np.array([-4.2])
    four = read_series(record, find_cells(record, *place, "mean_2x2"), days)
    rows, columns = [1, 2], [1, 2]
    expected = ds.soil_moisture.values[:, rows][:, :, columns].mean((1, 2))
    np.testing.assert_allclose(four[0], expected, rtol=1e-6)
    # 30 km: the cell itself (22 km, 16 km away); 40 km: that and the next to the east
    near = find_cells(record, *place, 30)
    far = find_cells(record, *place, 40)
    assert sorted(zip(near.rows[0], near.columns[0], strict=True)) == [(2, 2)]
    assert {(2, 2), (1, 2)} <= set(zip(far.rows[0], far.columns[0], strict=True))


def test_longitudes_close_around_the_globe():
    lon = np.arange(-179.5, 180.0, 1.0)
    at, inside = nearest_on_axis(lon, np.array([179.9, 180.4, -179.9, 359.6]), around=True)
    assert lon[at].tolist() == [179.5, -179.5, -179.5, -0.5]
    assert inside.all()
    at, inside = nearest_on_axis(np.arange(0.5, 360, 1.0), np.array([-0.2]), around=True)
    assert at.tolist() == [359] and inside.all()


def test_cells_without_value_do_not_count_in_a_mean():
    ds = grid()
    ds.soil_moisture[:, 1, 1] = np.nan
    record = gridded_record(ds)
    cells = find_cells(record, np.array([43.2]), np.array([-4.2]), "mean_2x2")
    mean = read_series(record, cells, np.arange(60))
    values = ds.soil_moisture.values
    expected = (values[:, 1, 2] + values[:, 2, 1] + values[:, 2, 2]) / 3
    np.testing.assert_allclose(mean[0], expected, rtol=1e-6)


def test_dask_reads_only_the_chunks_of_matched_cells():
    dask = pytest.importorskip("dask.array")
    ds = grid()

    def chunk(block, block_info=None):
        (_, _), (r, _), (c, _) = block_info[0]["array-location"]
        assert (r, c) == (2, 0), "a chunk was read that holds no station"
        return block

    lazy = dask.from_array(ds.soil_moisture.values, chunks=(20, 2, 2))
    lazy = lazy.map_blocks(chunk, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    record = gridded_record(ds.assign(soil_moisture=(ds.soil_moisture.dims, lazy, {"units": "1"})))
    cells = find_cells(record, np.array([43.1]), np.array([-4.8]))
    series = read_series(record, cells, np.arange(5, 25))
    np.testing.assert_array_equal(series[0], ds.soil_moisture.values[5:25, 2, 0])


def test_a_file_is_read_in_blocks_of_days(tmp_path, monkeypatch):
    ds = grid()
    ds.to_netcdf(tmp_path / "record.nc")
    monkeypatch.setattr(
        "xsm.conventions.nearest_cells.BLOCK_BYTES", 8 * 80 * 7
    )  # seven days at once
    with xr.open_dataset(tmp_path / "record.nc") as opened:
        record = gridded_record(opened)
        largest = []
        load = xr.DataArray.load
        monkeypatch.setattr(
            xr.DataArray, "load", lambda da, **kw: largest.append(da.size) or load(da, **kw)
        )
        cells = find_cells(record, np.array([43.1]), np.array([-4.8]))
        series = read_series(record, cells, np.arange(60))
        assert max(largest) == 7 * 80
        assert not opened.soil_moisture.variable._in_memory
    np.testing.assert_array_equal(series[0], ds.soil_moisture.values[:, 2, 0])


def test_what_cannot_be_matched_says_so():
    record = gridded_record(grid())
    for wrong in ("nearby", -3, True, None):
        with pytest.raises(InputError, match="match="):
            find_cells(record, np.array([43.0]), np.array([-4.0]), wrong)
    bare = grid().soil_moisture.drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    with pytest.raises(GridError, match="no latitudes and longitudes"):
        find_cells(gridded_record(bare), np.array([43.0]), np.array([-4.0]))


def test_a_map_over_greenwich_counted_from_0_to_360():
    ds = grid(3, lon=np.arange(-5.0, 5.0, 0.5))
    turned = ds.assign_coords(lon=ds.lon % 360)
    lat, lon = np.array([43.0, 43.0, 43.0, 43.0]), np.array([-4.0, 3.0, 356.0, -5.6])
    for one in (ds, turned):
        found = find_cells(gridded_record(one), lat, lon)
        assert found.columns[:, 0].tolist() == [2, 16, 2, -1]


@pytest.mark.parametrize("make", [lambda ds: ds, swath_grid])
@pytest.mark.parametrize("match", ["nearest", "mean_2x2", 300.0])
def test_numbers_that_are_no_position_are_in_no_cell_of_a_globe(make, match):
    ds = grid(1, lat=np.arange(88.0, -90, -4), lon=np.arange(-178.0, 180, 4))
    lat = np.array([140.0, -9999.0, 35.0, 35.0, np.nan, 35.0])
    lon = np.array([35.0, -9999.0, -9999.0, 999.0, 0.0, 140.0])
    cells = find_cells(gridded_record(make(ds)), lat, lon, match)
    assert cells.inside.tolist() == [False] * 5 + [True]
