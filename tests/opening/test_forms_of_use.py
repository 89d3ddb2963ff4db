"""What a user passes (archives, stores, objects), what can be chosen, and what is refused."""

import shutil
import warnings
import zipfile

import netCDF4
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.opening import made_files
from tests.opening.made_files import put, some_values
from xsm.conventions.record import gridded_record
from xsm.errors import (
    GridError,
    InputError,
    TimeAxisError,
    UnitError,
    VariableNotFoundError,
)
from xsm.opening.ease_grid import ease2_axes


@pytest.fixture
def images(tmp_path):
    return made_files.cci(tmp_path)


def as_folder(made, folder):
    (folder / "notes.txt").write_text("no data")
    return folder


def as_glob(made, folder):
    return str(folder / "*fv08.1.nc")


def as_reversed_list(made, folder):
    return list(reversed(made.paths))


def as_zip(made, folder):
    path = folder / "download.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for member in made.paths:
            archive.write(member, f"year/{member.name}")
        archive.writestr("readme.xml", "<x/>")
    return path


def as_zarr(made, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = xr.open_mfdataset(made.paths, combine="nested", concat_dim="time").load()
        ds.drop_encoding().to_zarr(folder / "store.zarr", consolidated=False)
    return folder / "store.zarr"


def as_dataset(made, folder):
    return xr.concat([xr.load_dataset(path) for path in made.paths], "time")


@pytest.mark.parametrize(
    "given", [as_folder, as_glob, as_reversed_list, as_zip, as_zarr, as_dataset]
)
def test_what_a_user_passes(given, images, tmp_path):
    ds = xsm.open_record(given(images, tmp_path), quality=None)
    assert ds.attrs["xsm_product"] == "esa_cci"
    np.testing.assert_allclose(ds["sm"], images.values, rtol=1e-6)
    assert [str(t)[:10] for t in ds["time"].values] == images.days
    assert ds["sm"].attrs["units"] == "m3 m-3"
    assert {"sm", "sm_uncertainty", "flag", "t0"} <= set(ds.data_vars)


def test_input_is_not_changed(images):
    given = as_dataset(images, None)
    copy = given.copy(deep=True)
    copy.encoding, copy["sm"].encoding = dict(given.encoding), dict(given["sm"].encoding)
    xsm.open_record(given, quality=None)
    xr.testing.assert_identical(given, copy)
    assert given.encoding == copy.encoding and given["sm"].encoding == copy["sm"].encoding


def test_a_data_tree_of_one_day(tmp_path):
    made = made_files.smap_l3(tmp_path, n=1)
    with xr.open_datatree(made.paths[0], engine="netcdf4") as tree:
        tree.name = made.paths[0].name
        ds = xsm.open_record(tree, quality=None)
        np.testing.assert_allclose(ds["soil_moisture"], made.values, rtol=1e-6)


# --- SMAP ---------------------------------------------------------------------------------------


def test_overpasses(tmp_path):
    made = made_files.smap_l3(tmp_path)
    default = xsm.open_record(made.paths, quality=None)
    morning = xsm.open_record(made.paths, quality=None, overpass="AM")
    evening = xsm.open_record(made.paths, quality=None, overpass="PM")
    both = xsm.open_record(made.paths, quality=None, overpass="both")
    assert default.attrs["overpass"] == "AM" and evening.attrs["overpass"] == "PM"
    np.testing.assert_array_equal(default["soil_moisture"], morning["soil_moisture"])
    np.testing.assert_allclose(evening["soil_moisture"], made.open["evening"], rtol=1e-6)
    assert both["soil_moisture"].dims == ("overpass", "time", "lat", "lon")
    for key, one in (("AM", morning), ("PM", evening)):
        part = both["soil_moisture"].sel(overpass=key)
        np.testing.assert_array_equal(part, one["soil_moisture"])
    assert both["soil_moisture"].attrs["units"] == "cm**3/cm**3"
    assert gridded_record(both).layout.others == ("overpass",)


def test_morning_only_files_of_the_first_versions(tmp_path):
    made = made_files.smap_l3(tmp_path, both=False)
    ds = xsm.open_record(tmp_path, quality=None)
    np.testing.assert_allclose(ds["soil_moisture"], made.values, rtol=1e-6)
    with pytest.raises(InputError, match="overpass='PM'.*no such overpass"):
        xsm.open_record(tmp_path, overpass="PM")


def test_the_global_grid_of_smap_is_exact(tmp_path):
    made = made_files.smap_l3(tmp_path, rows=slice(None), columns=slice(None), both=False, n=1)
    ds = xsm.open_record(made.paths, quality=None)
    lat, lon = ease2_axes(36.0)
    np.testing.assert_array_equal(ds["lat"], lat)
    np.testing.assert_array_equal(ds["lon"], lon)
    np.testing.assert_allclose(ds["soil_moisture"], made.values, rtol=1e-6)


def test_a_global_grid_stored_from_the_south(tmp_path):
    made = made_files.smap_l3(tmp_path, rows=slice(None), columns=slice(None), both=False, n=1)
    group = "Soil_Moisture_Retrieval_Data"
    with xr.open_dataset(made.paths[0], group=group, engine="netcdf4") as ds:
        flipped = ds.isel(phony_dim_0=slice(None, None, -1)).drop_vars("tb_time_utc").load()
    day = xsm.open_record(xsm.add_day(flipped, "2015-04-01"), quality=None)
    np.testing.assert_array_equal(day["lat"], made.lat[::-1])
    np.testing.assert_allclose(day["soil_moisture"], made.values[:, ::-1], rtol=1e-6)


def test_places_outside_the_swaths_are_exact(tmp_path):
    """Each file lacks every third column, so one file alone has no place for some columns."""
    made = made_files.smap_l3(tmp_path, n=1)
    ds = xsm.open_record(made.paths, quality=None)
    np.testing.assert_array_equal(ds["lat"], made.lat)
    np.testing.assert_array_equal(ds["lon"], made.lon)


def test_the_range_of_the_file_applies_in_its_own_precision(tmp_path):
    made = made_files.smap_l3(tmp_path, n=1)
    da = xsm.open_record(made.paths, quality=None)["soil_moisture"]
    assert float(da[0, 0, 1]) == np.float32(0.02)  # valid_min itself
    assert np.isnan(da[0, 0, 2])  # 0.72 is beyond valid_max
    assert "valid_max" not in da.attrs


def test_both_orbits_of_smos(tmp_path):
    made = made_files.smos_l3(tmp_path)
    for path in made.paths:
        shutil.copy(path, tmp_path / path.name.replace("CLF31A", "CLF31D"))
    both = xsm.open_record(tmp_path, quality=None, overpass="both")
    assert dict(both["Soil_Moisture"].sizes) == {"overpass": 2, "time": 2, "lat": 5, "lon": 7}
    assert xsm.open_record(tmp_path, quality=None).attrs["overpass"] == "AM"


# --- variables, units, layers -------------------------------------------------------------------


def test_the_variable_is_chosen(tmp_path):
    made = made_files.lprm(tmp_path)
    default = xsm.open_record(made.paths, quality=None)
    other = xsm.open_record(made.paths, quality=None, var="soil_moisture_x")
    assert "soil_moisture_x" not in default and "soil_moisture_c1" not in other
    np.testing.assert_allclose(other["soil_moisture_x"], made.values + 1, rtol=1e-6)
    assert "soil_moisture_x_error" in other
    with pytest.raises(VariableNotFoundError, match="var='soil_moisture_k'.*soil_moisture_c1"):
        xsm.open_record(made.paths, var="soil_moisture_k")


def test_further_variables(tmp_path):
    made = made_files.lprm(tmp_path)
    named = xsm.open_record(made.paths, quality=None, variables="soil_moisture_x")
    assert {"soil_moisture_c1", "soil_moisture_x"} <= set(named.data_vars)
    assert gridded_record(named).name == "soil_moisture_c1"
    every = xsm.open_record(made.paths, quality=None, variables="all")
    with netCDF4.Dataset(made.paths[0]) as root:
        stored = {n for n, v in root.variables.items() if v.ndim == 2}
    assert stored <= set(every.data_vars)
    with pytest.raises(InputError, match="no 'skin'.*'soil_moisture_c1'"):
        xsm.open_record(made.paths, variables=["skin"])


def test_layers(tmp_path):
    made = made_files.lis(tmp_path)
    second = xsm.open_record(made.paths, layer=1)["SoilMoist_inst"]
    np.testing.assert_allclose(second, made.values / 2, rtol=1e-6)
    with pytest.raises(InputError, match="layer=4: SoilMoist_inst has 2 layers"):
        xsm.open_record(made.paths, layer=4)


def test_mass_without_bounds_takes_the_layer_of_the_product(tmp_path):
    made = made_files.cmip6(tmp_path, bounds=False)
    ds = xsm.open_record(made.paths)
    np.testing.assert_allclose(ds["mrsos"], made.values, rtol=1e-6)
    assert "layer of 0.1 m" in ds["mrsos"].attrs["comment"]
    deeper = made_files.gldas(tmp_path)
    ds = xsm.open_record(deeper.paths, var="SoilMoi10_40cm_inst")
    np.testing.assert_allclose(ds["SoilMoi10_40cm_inst"], deeper.values / 3, rtol=2e-6)


def test_mass_of_an_unknown_layer_is_refused(tmp_path):
    ds = xr.Dataset({"soil_moisture": (("time", "lat", "lon"), some_values(2))})
    ds["soil_moisture"].attrs["units"] = "kg m-2"
    times = np.array(["2016-01-30", "2016-01-31"], "datetime64[ns]")
    lat, lon = made_files.axes()
    ds = ds.assign_coords(time=times, lat=lat, lon=lon)
    with pytest.raises(UnitError, match="mass of water.*layer_thickness"):
        xsm.open_record(ds)


@pytest.mark.parametrize("form", ["ascat", "cgls_ssm", "cgls_swi", "esa_cci_active"])
def test_saturation_needs_a_porosity(form, tmp_path):
    made = made_files.MAKERS[form](tmp_path)
    with pytest.raises(UnitError, match=r"xsm.saturation_to_volumetric\(da, porosity\)"):
        xsm.open_record(made.paths)
    lat, lon = made.lat.astype(np.float32), made.lon.astype(np.float32)
    field = 0.3 + 0.2 * np.random.default_rng(0).random((lat.size, lon.size))
    porosity = xr.DataArray(
        field, coords={"latitude": lat, "longitude": lon}, dims=("latitude", "longitude")
    )
    da = xsm.open_record(made.paths, quality=None, porosity=porosity)[made.variable]
    np.testing.assert_allclose(da, made.values / 0.4 * field, rtol=1e-5)
    assert da.attrs["units"] == "m3 m-3"
    for wrong, message in ((45, "0 to 1"), ("soil", "expected a number"), (True, "a bool")):
        with pytest.raises(InputError, match=message):
            xsm.open_record(made.paths, porosity=wrong)
    with pytest.raises(GridError, match="porosity"):
        xsm.open_record(made.paths, porosity=porosity.assign_coords(latitude=lat + 5))


# --- days ---------------------------------------------------------------------------------------


def test_times_of_a_day_are_kept_on_request(tmp_path, caplog):
    made = made_files.gldas(tmp_path)
    hourly = xsm.open_record(made.paths, daily=False)
    assert hourly.sizes["time"] == 16
    daily = xsm.open_record(made.paths)["SoilMoi0_10cm_inst"]
    assert daily.attrs["cell_methods"] == "time: mean" and daily.attrs["times_a_day"] == "8"
    part = xsm.open_record(made.paths[:11])["SoilMoi0_10cm_inst"]
    assert part.attrs["times_a_day"] == "3 to 8"
    assert int(part[1].count()) == 0  # 3 of 8 steps are no day
    assert "no daily mean of 1 of 2 days" in caplog.text
    np.testing.assert_array_equal(part[0], daily[0])


def test_the_same_part_of_every_day_is_reported(tmp_path, caplog):
    """Soil moisture hardly has a daily cycle; what has one is missing."""
    made = made_files.gldas(tmp_path)
    night = [*made.paths[:2], *made.paths[8:10]]
    ds = xsm.open_record(night, variables="SoilMoi10_40cm_inst", chunks=None)
    assert ds["SoilMoi0_10cm_inst"].attrs["times_a_day"] == "2"
    assert ds["SoilMoi0_10cm_inst"].notnull().any("time").sum() > 1
    assert ds["SoilMoi10_40cm_inst"].isnull().all()
    assert "means of 2 of 2 days, which have times in a part of the day" in caplog.text


def test_steps_of_an_unknown_model_are_those_of_a_model(tmp_path, caplog):
    times = np.datetime64("2020-01-01") + np.arange(10) * np.timedelta64(3, "h")
    ds = xr.Dataset(
        {"sm": (("time", "lat", "lon"), np.full((10, 2, 2), 0.2, np.float32), {"units": "1"})},
        {"time": times.astype("M8[ns]"), "lat": [2.0, 1.0], "lon": [1.0, 2.0]},
    )
    ds.to_netcdf(tmp_path / "model.nc")
    opened = xsm.open_record(tmp_path / "model.nc")["sm"].compute()
    assert opened.isnull().all(("lat", "lon")).values.tolist() == [False, True]
    assert "2020-01-02 (2)" in caplog.text


def test_sums_have_no_daily_mean(tmp_path):
    made = made_files.era5(tmp_path)
    with pytest.raises(InputError, match="tp is a sum.*daily=False"):
        xsm.open_record(made.paths, variables="tp")
    assert "tp" in xsm.open_record(made.paths, variables="tp", daily=False)


def test_the_same_file_twice_is_one_day(images, tmp_path):
    shutil.copy(images.paths[0], tmp_path / ("copy_of_" + images.paths[0].name))
    ds = xsm.open_record(tmp_path, quality=None)
    np.testing.assert_allclose(ds["sm"], images.values, rtol=1e-6)


def test_two_versions_of_a_day_are_refused(images, tmp_path):
    other = tmp_path / images.paths[0].name.replace("fv08.1", "fv09.1")
    shutil.copy(images.paths[0], other)
    with netCDF4.Dataset(other, "a") as root:
        root["sm"][...] = root["sm"][...] + 0.01
    with pytest.raises(TimeAxisError, match="fv08.1.*fv09.1.*different values.*2016-01-30"):
        xsm.open_record(tmp_path, quality=None)


def test_days_without_a_file_are_absent(tmp_path):
    made = made_files.smap_l3(tmp_path)
    ds = xsm.open_record([made.paths[2], made.paths[0]], quality=None)
    assert [str(t)[:10] for t in ds["time"].values] == ["2015-04-01", "2015-04-03"]
    np.testing.assert_allclose(ds["soil_moisture"], made.values[[0, 2]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["bytes", "text", "number", "none"])
def test_dates_in_other_forms(kind, tmp_path):
    path = tmp_path / ("sm_20160130.nc" if kind == "none" else "sm.nc")
    lat, lon = made_files.axes()
    with netCDF4.Dataset(path, "w") as root:
        made_files.put_axes(root, lat, lon)
        if kind == "bytes":
            put(root, "time", ("time", "char"), np.array([list("2016-01-30")], "S1"))
        elif kind == "text":
            put(root, "time", ("time",), np.array(["2016-01-30T00:00:00Z"]))
        elif kind == "number":
            put(root, "time", ("time",), np.array([20160130]))
        put(root, "soil_moisture", ("time", "lat", "lon"), some_values(1), units="m3 m-3")
    ds = xsm.open_record(path)
    assert ds["time"].values == [np.datetime64("2016-01-30", "ns")]


def test_a_file_without_a_date_is_refused(tmp_path):
    path = tmp_path / "sm.nc"
    with netCDF4.Dataset(path, "w") as root:
        made_files.put_axes(root, *made_files.axes())
        put(root, "soil_moisture", ("lat", "lon"), some_values(1)[0], units="m3 m-3")
    with pytest.raises(TimeAxisError, match="sm.nc.*contain the day"):
        xsm.open_record(path)


# --- grids --------------------------------------------------------------------------------------


def test_tiles_lie_beside_each_other(tmp_path):
    made = made_files.cci(tmp_path)
    whole = xr.concat([xr.load_dataset(path) for path in made.paths], "time")
    tiles = [whole.isel(lon=slice(0, 3)), whole.isel(lon=slice(4, None), lat=slice(1, 4))]
    ds = xsm.open_record(tiles, quality=None)
    assert ds["sm"].shape == made.values.shape
    expected = made.values.copy()
    expected[:, :, 3] = np.nan
    expected[:, [0, 4], 4:] = np.nan
    np.testing.assert_allclose(ds["sm"], expected, rtol=1e-6)
    np.testing.assert_allclose(ds["lon"], made.lon, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_a_value_comes_with_its_own_flags(dtype, tmp_path):
    """Two files of a day on the same cells: the flag of one does not screen what the other saw."""
    made = made_files.cci(tmp_path)
    day = xr.load_dataset(made.paths[0])
    west = day["lon"] < day["lon"][3]
    clear = xr.zeros_like(day["flag"]).astype(dtype)
    frozen = xr.full_like(clear, 1)
    pieces = [
        day.assign(sm=day["sm"].where(west), flag=clear.where(west, frozen)),
        day.assign(sm=day["sm"].where(~west), flag=clear.where(~west, frozen)),
    ]
    ds = xsm.open_record(pieces)
    np.testing.assert_allclose(ds["sm"], made.values[:1], rtol=1e-6)
    assert set(np.unique(ds["flag"].where(ds["sm"].notnull()).fillna(0))) == {0}


def test_a_field_that_one_tile_has(tmp_path):
    made = made_files.cci(tmp_path)
    whole = xr.load_dataset(made.paths[0])
    elevation = ("lat", "lon"), np.ones(made.values.shape[1:])
    for with_it in (0, 1):
        tiles = [whole.isel(lon=slice(0, 3)), whole.isel(lon=slice(3, None))]
        columns = (slice(0, 3), slice(3, None))[with_it]
        part = elevation[1][:, columns]
        tiles[with_it] = tiles[with_it].assign(elevation=(elevation[0], part))
        ds = xsm.open_record(tiles, quality=None, variables="all")
        np.testing.assert_allclose(ds["sm"], made.values[:1], rtol=1e-6)
        expected = np.full(made.values.shape[1:], np.nan)
        expected[:, columns] = 1.0
        np.testing.assert_array_equal(ds["elevation"], expected)


def test_of_a_long_file_the_days_in_common_are_compared(tmp_path):
    made = made_files.cci(tmp_path)
    day = xr.load_dataset(made.paths[0])
    year = xr.concat([day] * 6, "time").assign_coords(
        time=day["time"].values + np.arange(6) * np.timedelta64(1, "D")
    )

    def read(block, block_info=None):
        number = block_info[0]["chunk-location"][0]
        assert number == 2, "a day was read that one file alone has"
        return block

    chunked = year.chunk(time=1)
    read_once = chunked["sm"].data.map_blocks(read, dtype="float32")
    third = year.isel(time=[2]).assign(sm=year["sm"].isel(time=[2]) + 0.01)
    with pytest.raises(TimeAxisError, match="different values.*2016-02-01"):
        xsm.open_record([chunked.assign(sm=(chunked["sm"].dims, read_once)), third])


def test_rows_of_time_series_cells_are_not_chunks_of_their_own(tmp_path):
    made = made_files.c3s_cells(tmp_path)
    one = xsm.open_record(made.paths[0], quality=None)["sm"]
    assert one.chunks == ((3,), (5,), (4,))
    da = xsm.open_record(made.paths, quality=None)["sm"]
    assert da.chunks[:2] == ((3,), (5,))
    np.testing.assert_allclose(da, made.values, rtol=1e-6)


def test_days_on_other_cells_get_the_union(tmp_path):
    made = made_files.cci(tmp_path)
    first, second = (xr.load_dataset(path) for path in made.paths)
    ds = xsm.open_record([first.isel(lat=slice(0, 3)), second.isel(lat=slice(2, 5))], quality=None)
    expected = made.values.copy()
    expected[0, 3:], expected[1, :2] = np.nan, np.nan
    np.testing.assert_allclose(ds["sm"], expected, rtol=1e-6)


def test_other_grids_are_refused(tmp_path):
    made = made_files.cci(tmp_path)
    first, second = (xr.load_dataset(path) for path in made.paths)
    shifted = second.assign_coords(lat=second["lat"] + 0.1)
    with pytest.raises(GridError, match="different grids"):
        xsm.open_record([first, shifted])


def test_products_are_not_mixed(tmp_path):
    made_files.cci(tmp_path)
    made_files.smos_l3(tmp_path)
    with pytest.raises(InputError, match="several records.*'sm'.*'Soil_Moisture'"):
        xsm.open_record(tmp_path)


def test_editions_are_not_mixed(tmp_path):
    made_files.cci(tmp_path)
    made_files.cci(tmp_path, "ESACCI-SOILMOISTURE-L3S-SSMV-PASSIVE-{}000000-fv08.1.nc")
    with pytest.raises(InputError, match="several records.*COMBINED.*PASSIVE") as error:
        xsm.open_record(tmp_path)
    assert "such as '*COMBINED*'" in str(error.value) and "product=" not in str(error.value)


def test_a_degree_of_saturation_among_other_files_is_named_with_them(tmp_path):
    made_files.cci(tmp_path)
    active = made_files.cci(tmp_path, "ESACCI-SOILMOISTURE-L3S-SSMS-ACTIVE-{}000000-fv08.1.nc")
    for path in active.paths:
        with xr.open_dataset(path, decode_cf=False) as ds:
            ds = ds.load()
        ds["sm"].attrs["units"] = "percent"
        ds.to_netcdf(path)
    with pytest.raises(InputError, match="several records.*ACTIVE.*COMBINED"):
        xsm.open_record(tmp_path)
    with pytest.raises(UnitError, match="degree of saturation"):
        xsm.open_record(active.paths)


def test_points_off_every_grid_are_refused():
    rng = np.random.default_rng(0)
    ds = xr.Dataset(
        {
            "soil_moisture": (("time", "cell"), rng.random((1, 50)) * 0.3),
            "latitude": ("cell", 40 + rng.random(50)),
            "longitude": ("cell", rng.random(50)),
        },
        coords={"time": [np.datetime64("2016-01-30", "ns")]},
    )
    with pytest.raises(GridError, match="50 points along 'cell'.*pyresample.*xarray-regrid"):
        xsm.open_record(ds)


def test_swaths_that_move_are_refused(tmp_path):
    lat, lon = np.meshgrid(40 + 0.1 * np.arange(6), 5 + 0.1 * np.arange(8), indexing="ij")
    lat = lat + 0.03 * np.sin(lon)
    swaths = []
    for k in range(2):
        ds = xr.Dataset({"soil_moisture": (("numRows", "numCells"), np.full((6, 8), 0.2))})
        ds["lat"] = (("numRows", "numCells"), lat + k)
        ds["lon"] = (("numRows", "numCells"), lon)
        swaths.append(xsm.add_day(ds, f"2016-01-3{k}"))
    with pytest.raises(GridError, match="latitudes of the files differ.*swaths.*pyresample"):
        xsm.open_record(swaths)
    one = xsm.open_record(swaths[0])
    assert one["soil_moisture"].dims == ("time", "y", "x") and one["lat"].dims == ("y", "x")


# --- what is refused ----------------------------------------------------------------------------


def test_messages(tmp_path, images):
    with pytest.raises(InputError, match="paths='nowhere.nc' does not exist"):
        xsm.open_record("nowhere.nc")
    with pytest.raises(InputError, match="no data file matches"):
        xsm.open_record(str(tmp_path / "*.h5"))
    with pytest.raises(InputError, match="product='smapp' is unknown.*'smap_l3'"):
        xsm.open_record(images.paths, product="smapp")
    with pytest.raises(VariableNotFoundError, match="product='lprm'.*soil_moisture_c1.*sm"):
        xsm.open_record(images.paths, product="lprm")
    with pytest.raises(InputError, match="overpass='noon': expected 'AM'"):
        xsm.open_record(images.paths, overpass="noon")
    with pytest.raises(InputError, match="best"):
        xsm.open_record(images.paths, quality="best")
    with pytest.raises(InputError, match="paths is a int"):
        xsm.open_record(3)
    with pytest.raises(InputError, match=r"paths=\[\] is empty"):
        xsm.open_record([])
    broken = tmp_path / "cut_short.nc"
    broken.write_bytes(images.paths[0].read_bytes()[:500])
    with pytest.raises(InputError, match="cut_short.nc cannot be read"):
        xsm.open_record(broken)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder contains no data file"):
        xsm.open_record(tmp_path / "empty")


def test_a_file_without_soil_moisture_lists_what_it_has(tmp_path):
    path = tmp_path / "mask_20160130.nc"
    with netCDF4.Dataset(path, "w") as root:
        put(root, "landmask", ("lat", "lon"), np.ones((3, 4)))
    with pytest.raises(VariableNotFoundError, match=r"landmask \(lat, lon\).*'smap_l3'"):
        xsm.open_record(path)
    made_files.cmip6(tmp_path)
    assert xsm.open_record(tmp_path).attrs["xsm_product"] == "cmip6"


def test_a_file_of_no_known_product_is_opened_by_the_rules(tmp_path):
    path = tmp_path / "model_20160130.nc"
    name = "volume_fraction_of_condensed_water_in_soil"
    with netCDF4.Dataset(path, "w") as root:
        made_files.put_axes(root, *made_files.axes(), ("latitude", "longitude"))
        dims = ("latitude", "longitude")
        put(root, "theta", dims, some_values(1)[0], units="m3 m-3", standard_name=name)
    ds = xsm.open_record(path)
    assert "xsm_product" not in ds.attrs and ds["theta"].dims == ("time", "lat", "lon")


def test_a_filled_record_is_opened_without_screening(tmp_path):
    """What was to be screened was screened before it was filled."""
    made = made_files.cci(tmp_path)
    record = xsm.open_record(made.paths, chunks=None)
    name = made.variable
    flag = xr.zeros_like(record[name], dtype="int8").assign_attrs(
        flag_meanings="observed filled_by_network", flag_values=np.array([0, 1], "int8")
    )
    filled = record[[name]].fillna(0.2).assign({f"{name}_flag": flag})
    filled.to_netcdf(tmp_path / "filled.nc")
    opened = xsm.open_record(tmp_path / "filled.nc", "esa_cci", chunks=None)
    assert bool(opened[name].notnull().all()) and f"{name}_screening" not in opened


def test_series_of_cells_and_images_of_one_region(tmp_path):
    """Each day from the file that has it: the series first, the images after it."""
    cells, images = made_files.c3s_cells(tmp_path), made_files.c3s(tmp_path)
    for path in images.paths:  # days after the series
        with netCDF4.Dataset(path, "a") as root:
            root["time"][...] += 3
    for chunks in ({}, None):
        ds = xsm.open_record([*cells.paths, *images.paths], chunks=chunks)
        expected = np.concatenate([cells.values, images.values])
        np.testing.assert_array_equal(ds["sm"], expected)
        assert ds["time"].values[0] == np.datetime64("2016-01-30") and ds.sizes["time"] == 5


@pytest.mark.parametrize("chunks", [{}, None])
def test_a_long_series_on_a_large_grid_is_refused(tmp_path, monkeypatch, chunks):
    """It would be a record of almost nothing: 67 GB for 44 years of one C3S cell on the globe."""
    cells = made_files.c3s_cells(tmp_path)
    lat, lon = 70.125 - 0.25 * np.arange(160), -20.125 + 0.25 * np.arange(300)
    image = xr.Dataset(
        {"sm": (("time", "lat", "lon"), np.full((1, 160, 300), 0.2, np.float32))},
        {"time": [np.datetime64("2016-03-01", "ns")], "lat": lat, "lon": lon},
        {"product": "C3S SOILMOISTURE L3S SSMV COMBINED DAILY TCDR v202212"},
    )
    image["sm"].attrs["units"] = "m3 m-3"
    path = tmp_path / "C3S-SOILMOISTURE-L3S-SSMV-COMBINED-DAILY-20160301000000-TCDR-v202312.0.0.nc"
    image.to_netcdf(path)
    monkeypatch.setattr("xsm.opening.daily_record.LARGEST_WIDENED", 2**19)
    message = "0160.nc has 3 times of 5 x 4 cells.*160 x 300 cells.*0.0 GB.*series of cells"
    with pytest.raises(GridError, match=message):
        xsm.open_record([*cells.paths, path], chunks=chunks)
    monkeypatch.setattr("xsm.opening.daily_record.LARGEST_WIDENED", 2**31)
    ds = xsm.open_record([*cells.paths, path], chunks=chunks)
    assert ds.sizes == {"time": 4, "lat": 160, "lon": 300}
    assert int(ds["sm"][:3].notnull().sum()) == np.isfinite(cells.values).sum()
