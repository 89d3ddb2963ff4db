"""Files that name groups, packing, units, layers and times otherwise than CF and their product."""

import gzip
import logging
import sys
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.opening.made_files import (
    H,
    W,
    axes,
    cci,
    put,
    put_axes,
    smap_l3,
    some_values,
    with_sentinel,
)
from tests.opening.made_models import merra2
from tests.opening.made_parts import with_sea
from xsm.errors import GridError, InputError, TimeAxisError, UnitError
from xsm.opening import file_kinds
from xsm.opening.ease_grid import ease2_axes
from xsm.opening.group_names import as_grouped


def image(path, values, **attrs):
    """A file of one day with soil moisture as stored."""
    with netCDF4.Dataset(path, "w") as root:
        put_axes(root, *axes())
        put(root, "soil_moisture", ("lat", "lon"), values, **({"units": "m3 m-3"} | attrs))
    return path


def cube(path, values, dims=("time", "lat", "lon"), **attrs):
    """A file of days with a time axis."""
    attrs = {"units": "days since 2016-01-30"} | attrs
    with netCDF4.Dataset(path, "w") as root:
        put_axes(root, *axes())
        put(root, "time", ("time",), np.arange(float(values.shape[0])), **attrs)
        put(root, "soil_moisture", dims, values, units="m3 m-3")
    return path


# --- packing


VALUES = some_values(1)[0]
PACKED = np.where(np.isnan(VALUES), -9999, np.round(1000 * VALUES)).astype(np.int16)
DECODED = np.where(np.isnan(VALUES), np.nan, np.round(1000 * VALUES) / 1000)


@pytest.mark.parametrize(
    "attrs",
    [
        {"SCALE FACTOR": np.float32(0.001)},
        {"Scale_Factor": 0.001, "FillValue": np.int16(-9999)},
        {"scale_factor": 0.001},  # no fill value declared: the code is that of packed numbers
    ],
)
@pytest.mark.parametrize("opened", [False, True])  # by open_record, by xarray
def test_packing_as_files_spell_it(attrs, opened, tmp_path):
    path = image(tmp_path / "sm_20160130.nc", PACKED, **attrs)
    given = xr.open_dataset(path) if opened else path
    da = xsm.open_record(given)["soil_moisture"]
    np.testing.assert_allclose(da[0], DECODED, rtol=1e-6)


def test_numbers_of_packing_that_are_text(tmp_path):
    attrs = {"scale_factor": "0.001", "add_offset": "0.0", "missing_value": "-9999s"}
    path = image(tmp_path / "sm_20160130.nc", PACKED, **attrs)
    np.testing.assert_allclose(xsm.open_record(path)["soil_moisture"][0], DECODED, rtol=1e-6)


def test_a_scale_that_is_no_number_is_named(tmp_path):
    path = image(tmp_path / "sm_20160130.nc", PACKED, scale_factor="see table")
    with pytest.raises(InputError, match="scale_factor='see table'"):
        xsm.open_record(path)


@pytest.mark.parametrize("code", [-999.0, -99.99, -9999.0])
def test_fill_values_that_nothing_declares(code, tmp_path):
    path = image(tmp_path / "sm_20160130.nc", with_sentinel(VALUES, code))
    np.testing.assert_array_equal(xsm.open_record(path)["soil_moisture"][0], VALUES)


def test_codes_of_packed_numbers_that_may_be_soil_moisture_stay(tmp_path):
    packed = np.full((H, W), -9999, np.int16)
    path = image(tmp_path / "sm_20160130.nc", packed, scale_factor=1e-5, add_offset=0.3)
    assert xsm.open_record(path)["soil_moisture"].values == pytest.approx(0.20001, rel=1e-6)


# --- groups


def flattened(source, path, *, described):
    """A file with the groups of `source` in its root, as services deliver them."""
    with netCDF4.Dataset(source) as old, netCDF4.Dataset(path, "w") as new:
        for group in old.groups.values():
            for name, variable in group.variables.items():
                if variable.dtype is str:
                    continue
                variable.set_auto_maskandscale(False)
                attrs = {k: v for k, v in variable.__dict__.items() if k != "_FillValue"}
                if described:
                    attrs |= {"fullnamepath": f"/{group.name}/{name}", "origname": name}
                fill = variable.__dict__.get("_FillValue")
                flat = f"{group.name}_{name}"
                put(new, flat, variable.dimensions, variable[...], fill=fill, **attrs)
    return path


@pytest.mark.parametrize("described", [False, True])
def test_flattened_groups_are_opened_as_groups(described, tmp_path):
    made = smap_l3(tmp_path)
    with netCDF4.Dataset(made.paths[0], "a") as root:
        flag = root["Soil_Moisture_Retrieval_Data_AM/retrieval_qual_flag"]
        flag.set_auto_maskandscale(False)
        flag[2] = 1
    (tmp_path / "flat").mkdir()
    paths = [flattened(p, tmp_path / "flat" / p.name, described=described) for p in made.paths]
    ds, expected = xsm.open_record(paths), xsm.open_record(made.paths)
    xr.testing.assert_equal(ds["soil_moisture"], expected["soil_moisture"])
    assert ds.attrs["overpass"] == "AM"
    assert xsm.screening_counts(ds, "soil_moisture")["not_recommended"] > 0
    evening = xsm.open_record(paths, var="Soil_Moisture_Retrieval_Data_PM_soil_moisture_pm")
    np.testing.assert_allclose(evening["soil_moisture"], made.open["evening"], rtol=1e-6)


def test_a_group_is_chosen_by_its_path(tmp_path):
    made = smap_l3(tmp_path)
    ds = xsm.open_record(made.paths, var="Soil_Moisture_Retrieval_Data_PM/soil_moisture_pm")
    np.testing.assert_allclose(ds["soil_moisture"], made.open["evening"], rtol=1e-6)
    assert ds.attrs["overpass"] == "PM"


def smap_sentinel(path):
    """SMAP with Sentinel-1: groups of 1 and 3 km, whose ending each variable has."""
    values = {}
    with netCDF4.Dataset(path, "w") as root:
        for km in (3, 1):
            lat, lon = (
                axis[2000 : 2000 + n] for axis, n in zip(ease2_axes(km), (H, W), strict=True)
            )
            group = root.createGroup(f"Soil_Moisture_Retrieval_Data_{km}km")
            dims = ("phony_dim_0", "phony_dim_1")
            fields = np.meshgrid(lat, lon, indexing="ij")
            for word, field in zip(("latitude", "longitude"), fields, strict=True):
                field[1] = -9999
                put(group, f"{word}_{km}km", dims, field.astype(np.float32))
            values[km] = some_values(1, seed=km)[0]
            attrs = {"fill": np.float32(-9999), "units": "cm**3/cm**3"}
            put(group, f"soil_moisture_{km}km", dims, values[km], **attrs)
            flag = np.zeros((H, W), np.uint16)
            flag[0] = 1
            put(group, f"retrieval_qual_flag_{km}km", dims, flag, fill=np.uint16(65534))
            values[km][0] = np.nan
    return values


@pytest.mark.parametrize("km", [1, 3])
def test_variables_that_end_as_their_group(km, tmp_path):
    path = tmp_path / "SMAP_L2_SM_SP_1AIWDV_20200209T061215_20200208T183607_005W11N_R16515_001.h5"
    values = smap_sentinel(path)
    var = {} if km == 1 else {"var": "Soil_Moisture_Retrieval_Data_3km/soil_moisture_3km"}
    ds = xsm.open_record(path, **var)
    np.testing.assert_array_equal(ds["soil_moisture"][0], values[km])
    np.testing.assert_allclose(ds["lat"], ease2_axes(km)[0][2000 : 2000 + H])
    assert str(ds["time"].values[0])[:10] == "2020-02-09"


def test_names_of_groups():
    class Header:
        attrs: dict = {}  # noqa: RUF012

        def __init__(self, *dims):
            self.dims, self.shape = dims, (1,) * len(dims)

    grid = Header("y", "x")
    root = {"time": Header("time"), "x": Header("x"), "cell_lat": grid, "mask": grid}
    groups, stored = as_grouped({"": root, "A/B": {"sm": grid}})
    assert set(groups["A/B"]) == {"sm", "time", "x", "cell_lat"}
    assert stored["A/B", "cell_lat"] == ("", "cell_lat")
    groups, stored = as_grouped({"": {"Geophysical_Data_sm_surface": grid, "x": Header("x")}})
    assert set(groups["Geophysical_Data"]) == {"sm_surface", "x"}


# --- layers, times, units, editions


def test_any_dimension_of_layers(tmp_path):
    values = np.stack([some_values(2, seed=1), some_values(2, seed=2)], axis=1)
    path = cube(tmp_path / "model.nc", values, ("time", "soil_layer", "lat", "lon"))
    for layer in (0, 1):
        da = xsm.open_record(path, layer=layer)["soil_moisture"]
        assert da.dims == ("time", "lat", "lon")
        np.testing.assert_array_equal(da, values[:, layer])
    path = cube(tmp_path / "upwards.nc", values, ("time", "soil_layer", "lat", "lon"))
    with netCDF4.Dataset(path, "a") as root:  # the deepest first
        put(root, "soil_layer", ("soil_layer",), [0.3, 0.05], units="m", positive="down")
    np.testing.assert_array_equal(xsm.open_record(path)["soil_moisture"], values[:, 1])


@pytest.mark.parametrize("layer", [0, 1])
def test_layers_of_mass_by_their_own_bounds(layer, tmp_path):
    values, path = some_values(2), tmp_path / "mrsol_day_Model_20160101-20160102.nc"
    with netCDF4.Dataset(path, "w") as root:
        put_axes(root, *axes())
        put(root, "time", ("time",), [0.5, 1.5], units="days since 2016-01-01")
        put(root, "depth", ("depth",), [0.05, 0.3], units="m", axis="Z", bounds="depth_bnds")
        put(root, "depth_bnds", ("depth", "bnds"), [[0, 0.1], [0.1, 0.5]])
        mass = np.stack([100 * values, 400 * values], axis=1)
        put(root, "mrsol", ("time", "depth", "lat", "lon"), mass, units="kg m-2")
    da = xsm.open_record(path, layer=layer)["mrsol"]
    np.testing.assert_allclose(da, values, rtol=1e-6)
    assert da.attrs["units"] == "m3 m-3"


def test_standard_dates_that_are_named_julian(tmp_path):
    path = cube(tmp_path / "sm.nc", some_values(2), calendar="julian")
    time = xsm.open_record(path)["time"]
    assert time.dtype.kind == "M" and str(time.values[1])[:10] == "2016-01-31"


def test_times_that_do_not_decode_are_described(tmp_path):
    path = cube(tmp_path / "sm.nc", some_values(2), calendar="none")
    with pytest.raises(TimeAxisError, match="calendar 'none'"):
        xsm.open_record(path)


@pytest.mark.parametrize(
    "other",
    [
        "ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED_ADJUSTED-{}000000-fv08.1.nc",
        "ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-MONTHLY-{}000000-fv08.1.nc",
    ],
)
def test_adjusted_and_monthly_images_are_not_mixed_with_daily_ones(other, tmp_path):
    paths = [cci(tmp_path).paths[0], cci(tmp_path, other).paths[1]]
    edition = other.split("-")[4] if "ADJ" in other else "COMBINED-MONTHLY"
    with pytest.raises(InputError, match=rf"several records.*\*{edition}\*"):
        xsm.open_record(paths)


@pytest.mark.parametrize("order", [("y", "x"), ("x", "y")])
@pytest.mark.parametrize("units", ["m", "km"])
def test_places_in_metres_of_the_ease_grid(order, units, tmp_path):
    values, path = some_values(1)[0], tmp_path / "sm_20160130.nc"
    y = 7314540.83 - 36032.22 * (np.arange(H) + 100.5)  # corner as NSIDC publishes it
    x = -17367530.45 + 36032.22 * (np.arange(W) + 400.5)
    with netCDF4.Dataset(path, "w") as root:
        for name, column in (("y", y), ("x", x)):
            standard = f"projection_{name}_coordinate"
            metres = column / (1000 if units == "km" else 1)
            put(root, name, (name,), metres, units=units, standard_name=standard)
        stored = values if order[0] == "y" else values.T
        put(root, "soil_moisture", order, stored, units="m3 m-3")
    ds = xsm.open_record(path)
    np.testing.assert_array_equal(ds["soil_moisture"][0], values)
    np.testing.assert_array_equal(ds["lat"], ease2_axes(36.0)[0][100 : 100 + H])
    np.testing.assert_array_equal(ds["lon"], ease2_axes(36.0)[1][400 : 400 + W])


def test_metres_of_another_grid_are_no_places(tmp_path):
    path = tmp_path / "sm_20160130.nc"
    with netCDF4.Dataset(path, "w") as root:
        for name, size in (("y", H), ("x", W)):
            put(root, name, (name,), 500000 + 1000.0 * np.arange(size), units="m")
        put(root, "soil_moisture", ("y", "x"), some_values(1)[0], units="m3 m-3")
    with pytest.raises(GridError, match="no latitudes and longitudes"):
        xsm.open_record(path)


def test_steps_of_forecasts_become_one_time_axis():
    """As cfgrib gives ERA5-Land: days, and hours 1 to 24 of each."""
    lat, lon = axes()
    runs = np.array(["2016-01-30", "2016-01-31"], "M8[ns]")
    steps = np.arange(1, 25).astype("m8[h]").astype("m8[ns]")
    values = some_values(48).reshape(2, 24, H, W)
    coords = {"time": runs, "step": steps, "latitude": lat, "longitude": lon}
    coords |= {"number": 0, "valid_time": (("time", "step"), runs[:, None] + steps)}
    dims = ("time", "step", "latitude", "longitude")
    given = xr.Dataset({"swvl1": (dims, values, {"units": "m**3 m**-3"})}, coords=coords)
    ds = xsm.open_record(given, daily=False)
    assert ds["swvl1"].dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(ds["swvl1"], values.reshape(48, H, W))
    hours = np.datetime64("2016-01-30T01") + np.arange(48)
    np.testing.assert_array_equal(ds["time"], hours.astype("M8[ns]"))


def test_the_degree_of_saturation_of_merra2(tmp_path):
    made = merra2(tmp_path)
    with pytest.raises(UnitError, match="porosity"):
        xsm.open_record(made.paths, var="GWETTOP")
    da = xsm.open_record(made.paths, var="GWETTOP", porosity=0.4)["GWETTOP"]
    np.testing.assert_allclose(da, 0.4 * made.values, rtol=1e-5)


# --- what is no NetCDF


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"GRIB" + bytes(100), "cfgrib"),
        (b"\x0e\x03\x13\x01" + bytes(100), "HDF4"),
        (gzip.compress(b"CDF"), "gunzip"),
        (b"II*\x00" + bytes(100), "rioxarray"),
        (b"MM\x00*" + bytes(100), "rioxarray"),
        (b"\n<!DOCTYPE html><html>Login", "login page"),
        (b"", "empty"),
        (bytes(257) + b"ustar", "tar -xf"),
        (b"nonsense", "cut short"),
    ],
)
def test_what_an_unreadable_file_is(content, advice, tmp_path):
    path = tmp_path / "SMAP_L3_SM_P_20150401_R18290_001.h5"
    path.write_bytes(content)
    with pytest.raises(InputError, match=advice):
        xsm.open_record(path)


def test_grib_where_cfgrib_is_there(tmp_path, monkeypatch):
    lat, lon = axes()
    values = with_sea(some_values(2))
    coords = {"time": np.array(["2016-01-30", "2016-01-31"], "M8[ns]"), "latitude": lat}
    coords |= {"longitude": lon, "step": np.timedelta64(0, "ns"), "depthBelowLandLayer": 0.0}
    dims = ("time", "latitude", "longitude")
    fields = {"swvl1": (dims, values, {"units": "m**3 m**-3"})}
    other = {"t2m": (dims, values + 280, {"units": "K"})}
    attrs = {"GRIB_centre": "ecmf"}

    def open_datasets(path, backend_kwargs):
        assert backend_kwargs == {"indexpath": ""}  # nothing is written beside the file
        return [xr.Dataset(f, coords=coords, attrs=attrs) for f in (other, fields)]

    path = tmp_path / "era5.grb"
    path.write_bytes(b"GRIB")
    monkeypatch.setattr(file_kinds, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "cfgrib", SimpleNamespace(open_datasets=open_datasets))
    ds = xsm.open_record(tmp_path)
    np.testing.assert_array_equal(ds["swvl1"], values)
    np.testing.assert_array_equal(ds["lat"], lat)
    assert ds.attrs["xsm_product"] == "era5"


def test_a_folder_of_other_files_lists_them(tmp_path):
    (tmp_path / "sm.tif").write_bytes(b"II*\x00")
    with pytest.raises(InputError, match=r"only sm\.tif"):
        xsm.open_record(tmp_path)


def test_files_without_soil_moisture_are_reported_once(tmp_path, caplog):
    made = cci(tmp_path)
    for number in range(4):
        with netCDF4.Dataset(tmp_path / f"mask_{number}.nc", "w") as root:
            put(root, "land", ("y",), np.ones(3))
    with caplog.at_level(logging.WARNING):
        ds = xsm.open_record(tmp_path)
    assert ds.sizes["time"] == len(made.days)
    assert [r.getMessage()[:36] for r in caplog.records] == ["4 files without soil moisture are le"]
