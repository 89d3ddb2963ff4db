"""The one door: records are opened without reading, in working order, and go back as stored."""

import numpy as np
import pytest
import xarray as xr

from xsm.conventions.land import land_mask
from xsm.conventions.record import gridded_record
from xsm.conventions.variables import is_file_backed
from xsm.errors import GridError, InputError, TimeAxisError

SM = "soil_moisture"


@pytest.fixture
def region(record) -> xr.Dataset:
    """Sixteen columns from 352.5 to 3.75 degrees, north first and west first."""
    return record.assign_coords(lon=("lon", (352.5 + 0.75 * np.arange(16)) % 360))


STORED = {
    "north and west first": lambda ds: ds,
    "south first": lambda ds: ds.isel(lat=slice(None, None, -1)),
    "east first": lambda ds: ds.isel(lon=slice(None, None, -1)),
    "counted 0..360": lambda ds: ds.sortby("lon"),
    "counted 0..360, east and south first": lambda ds: ds.sortby(["lon", "lat"]).isel(
        lon=slice(None, None, -1)
    ),
    "transposed": lambda ds: ds.transpose("lon", "time", "lat"),
}


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
@pytest.mark.parametrize("chunks", [None, {"time": 5, "lon": 5}], ids=["memory", "dask"])
def test_working_order_and_back(region, stored, chunks):
    ds = stored(region)
    ds = ds if chunks is None else ds.chunk(chunks)
    record = gridded_record(ds)
    np.testing.assert_array_equal(record.da, region[SM])
    np.testing.assert_array_equal(record.da["lon"], region["lon"])
    np.testing.assert_array_equal(record.lat, region["lat"])
    array = record.to_stored_order(record.da.data)
    assert getattr(array, "chunks", None) == ds[SM].chunks
    np.testing.assert_array_equal(array, ds[SM])


def test_projected_grid_in_working_order(record):
    lat, lon = np.meshgrid(np.linspace(40, 60, 9), np.linspace(20, 0, 16), indexing="ij")
    projected = record.rename(lat="y", lon="x").drop_vars(["y", "x"])
    projected = projected.assign_coords(latitude=(("y", "x"), lat), longitude=(("y", "x"), lon))
    opened = gridded_record(projected)
    np.testing.assert_array_equal(opened.da, record[SM][:, ::-1, ::-1])
    assert float(opened.lat[0, 0]) == 60.0 and float(opened.lon[0, 0]) == 0.0
    np.testing.assert_array_equal(opened.to_stored_order(opened.da.data), record[SM])


def test_opening_reads_nothing(record, tmp_path):
    dask = pytest.importorskip("dask", reason="needs xsm[dask]")

    def refuse(*args, **kwargs):
        raise AssertionError("values were read")

    with dask.config.set(scheduler=refuse):
        gridded_record(record.isel(lat=slice(None, None, -1)).chunk(time=3))
    record.to_netcdf(tmp_path / "record.nc")
    with xr.open_dataset(tmp_path / "record.nc") as ds:
        opened = gridded_record(ds.isel(lat=slice(None, None, -1)))
        assert is_file_backed(ds[SM]) and is_file_backed(opened.da)
        np.testing.assert_array_equal(opened.da, record[SM])


def test_further_dimensions_come_first_or_are_refused(record):
    both = xr.concat([record, record * 0.5], "orbit").transpose("lat", "orbit", ...)
    both[SM].attrs = record[SM].attrs
    opened = gridded_record(both)
    assert opened.da.dims == ("orbit", "time", "lat", "lon")
    np.testing.assert_array_equal(opened.to_stored_order(opened.da.data), both[SM])
    with pytest.raises(InputError, match=r"{'orbit': 2}: .*reference\.isel\(orbit=0\)"):
        gridded_record(both, argument="reference", single=True)
    one = gridded_record(both.isel(orbit=[1]), single=True)
    assert one.da.dims == ("time", "lat", "lon")


def test_composites_are_refused_where_days_must_follow_each_other(record):
    every_eighth = record.isel(time=[0, 8, 11])
    assert gridded_record(every_eighth).days.size == 3
    assert gridded_record(every_eighth).axis.numbers.tolist() == [0, 8, 11]
    with pytest.raises(TimeAxisError, match="no two days in a row"):
        gridded_record(every_eighth, consecutive=True)


def test_coordinates_are_asked_for_where_they_are_needed(record):
    bare = record.drop_vars(["lat", "lon"])
    with pytest.raises(GridError, match="add them as coordinates lat and lon"):
        gridded_record(bare).coordinates()


# land masks


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_a_land_mask_is_matched_by_its_labels(region, stored):
    land = (region["lat"] < 45) & (region["lon"] > 180)  # west of Greenwich
    other_count = land.assign_coords(lon=(land["lon"] + 180) % 360 - 180).sortby("lon")
    for mask in (land, land.T, other_count, other_count.isel(lat=slice(None, None, -1))):
        np.testing.assert_array_equal(land_mask(mask, gridded_record(stored(region))), land)
    plain = stored(land.expand_dims(time=1)).isel(time=0).transpose("lat", "lon").values
    np.testing.assert_array_equal(land_mask(plain, gridded_record(stored(region))), land)
    unlabelled = xr.DataArray(plain, dims=("lat", "lon"))
    np.testing.assert_array_equal(land_mask(unlabelled, gridded_record(stored(region))), land)
    named = stored(region.assign(mask=land))
    np.testing.assert_array_equal(land_mask("mask", gridded_record(named)), land)


def test_the_advice_for_a_mask_on_another_grid_is_right(record):
    lon = np.arange(0.5, 360, 1.0)
    mask = xr.DataArray(
        np.broadcast_to(lon > 200, (180, 360)), {"lat": 89.5 - np.arange(180), "lon": lon},
        ("lat", "lon"),
    )  # fmt: skip
    with pytest.raises(InputError, match="land lies on other lat"):
        record.sm.gapfill(land=mask)
    mask = mask.sel(lat=record["lat"], method="nearest").assign_coords(lat=record["lat"])
    with pytest.raises(InputError, match="land lies on other lon") as error:
        record.sm.gapfill(land=mask)
    advice = str(error.value).split("such as ")[1].rstrip(".")
    moved = eval(advice, {"land": mask, "ds": record})
    expected = record["lon"].values % 360 > 200
    np.testing.assert_array_equal(moved.isel(lat=0), expected)


# storage order and the public functions


@pytest.fixture(scope="module")
def weather() -> xr.Dataset:
    """Twelve days of 16 x 20 cells around Greenwich with gaps, weather in one direction."""
    rng = np.random.default_rng(11)
    day, lat, lon = np.meshgrid(np.arange(12), np.arange(16), np.arange(20), indexing="ij")
    values = 0.25 + 0.1 * np.sin((lon + 2 * lat) / 5 - day) + 0.02 * rng.standard_normal(day.shape)
    values = np.where(rng.random(values.shape) < 0.5, np.nan, values).astype(np.float32)
    coords = {
        "time": np.datetime64("2015-04-01", "ns") + np.arange(12) * np.timedelta64(1, "D"),
        "lat": 50 - 0.25 * np.arange(16),
        "lon": (358 + 0.25 * np.arange(20)) % 360,
    }
    da = xr.DataArray(values, coords, ("time", "lat", "lon"), SM, {"units": "m3 m-3"})
    return da.to_dataset()


@pytest.fixture(scope="module")
def filled(weather) -> xr.Dataset:
    return weather.sm.gapfill()


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_gapfill_by_the_network_does_not_depend_on_storage_order(weather, filled, stored):
    out = stored(weather).sm.gapfill().transpose("time", "lat", "lon")
    out = out.sel(lat=weather["lat"], lon=weather["lon"])
    for name in (SM, f"{SM}_uncertainty", f"{SM}_flag"):
        np.testing.assert_array_equal(out[name], filled[name], err_msg=name)


@pytest.mark.parametrize("stored", STORED.values(), ids=STORED)
def test_scores_of_a_product_do_not_depend_on_storage_order(region, stored):
    other = region + 0.01
    other[SM].attrs = region[SM].attrs
    expected = region.sm.validate(other, min_pairs=1)
    scores = stored(region).sm.validate(other, min_pairs=1)
    for dim in ("lat", "lon"):
        np.testing.assert_array_equal(scores[dim], stored(region)[dim])
    aligned = scores.sel(lat=region["lat"], lon=region["lon"]).transpose(*expected.dims)
    np.testing.assert_allclose(aligned["bias"], expected["bias"], rtol=1e-6)
    np.testing.assert_array_equal(aligned["n_obs"], expected["n_obs"])


@pytest.mark.parametrize("name", [3, ("a", 1)])
def test_names_that_are_no_text(record, name):
    for obj in (record.rename(soil_moisture=name), record["soil_moisture"].rename(name)):
        with pytest.raises(InputError, match="the name of a variable is .*: expected text"):
            gridded_record(obj)


def test_references_that_are_no_text(record):
    record["soil_moisture"].attrs["grid_mapping"] = 5
    with pytest.raises(InputError, match="attribute 'grid_mapping' of soil_moisture is 5"):
        gridded_record(record)
