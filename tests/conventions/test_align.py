"""Predictors on other days and cells come on those of the daily ones, or say why they do not."""

import numpy as np
import pytest
import xarray as xr

from tests.estimation.worlds import any_model, world
from xsm.conventions.predictors import find_land_cover, find_predictors
from xsm.errors import GridError, InputError, TimeAxisError, VariableNotFoundError
from xsm.estimate import estimate


def test_the_first_predictor_may_be_the_slow_one():
    ds = world()
    slow = ds["lst"].isel(time=slice(3, None, 8))
    found = find_predictors(ds.drop_vars("lst"), ["lst", "precipitation"], {"lst": slow})
    assert found.days.size == 60
    assert int(found.arrays["lst"][:, 0, 0].notnull().sum()) == slow.sizes["time"]
    everywhere = slow.mean(["lat", "lon"]).assign_attrs(units="K")
    found = estimate(ds, model=any_model(names=("lst", "sand", "precipitation")),
                     features={"lst": everywhere})  # fmt: skip
    assert found.soil_moisture.dims == ("time", "lat", "lon")
    with pytest.raises(TimeAxisError, match="steps of 8 to 8 days"):
        find_predictors(ds, ["lst"], {"lst": slow})


def test_longitudes_count_from_either_side():
    ds = world().assign_coords(lon=("lon", [1.0, 4.0, 350.0, 353.0, 356.0], {"units": "degrees_e"}))
    other = ds["lst"].assign_coords(lon=(ds.lon + 180) % 360 - 180).sortby("lon")
    for regrid in (None, "linear", "nearest"):
        found = find_predictors(ds, ["precipitation", "lst"], {"lst": other}, regrid=regrid)
        np.testing.assert_array_equal(found.arrays["lst"], ds["lst"])


def test_days_that_cannot_be_matched_are_told():
    ds = world()
    later = ds["lst"].assign_coords(time=ds.time + np.timedelta64(1000, "D"))
    with pytest.raises(TimeAxisError, match=r"lst .* has no day in common with precipitation"):
        find_predictors(ds, ["precipitation", "lst"], {"lst": later})
    twice = xr.concat([ds["lst"], ds["lst"][:1]], "time")
    with pytest.raises(TimeAxisError, match="lst has repeated days"):
        find_predictors(ds, ["precipitation", "lst"], {"lst": twice})
    for text in (np.arange(60), [f"day {n}" for n in range(60)]):
        with pytest.raises(TimeAxisError, match="expected dates"):
            find_predictors(ds.assign_coords(time=text), ["lst"])


def test_cells_without_coordinates_are_not_laid_on_those_that_have_them():
    ds = world()
    sand = ds["sand"].isel(lat=slice(None, None, -1)).drop_vars("lat")
    with pytest.raises(
        GridError, match="'sand' has no coordinate 'lat'.*not matched by their order"
    ):
        find_predictors(ds, ["lst", "sand"], {"sand": sand})
    with pytest.raises(GridError, match="'lst' has no coordinate 'lat'"):
        find_predictors(ds.drop_vars("lat"), ["lst", "sand"], {"sand": ds["sand"]})


def test_cells_without_coordinates_must_be_as_many():
    ds = world().drop_vars("lon")
    with pytest.raises(GridError, match="'sand' has 3 lon, 'lst' has 5"):
        find_predictors(ds, ["lst", "sand"], {"sand": ds["sand"][:, :3]})


def test_what_holds_no_decoded_numbers_is_refused():
    ds = world()
    ds["lst"].attrs["scale_factor"] = 0.02
    with pytest.raises(InputError, match="lst is not decoded: scale_factor"):
        find_predictors(ds, ["lst"])
    with pytest.raises(InputError, match="precipitation is empty: {'time': 0"):
        find_predictors(ds.isel(time=slice(0)), ["precipitation"])
    with pytest.raises(InputError, match="sand has dtype <U.*expected real numbers"):
        find_predictors(ds.assign(sand=ds["sand"].astype(str)), ["precipitation", "sand"])


def test_land_cover_lies_on_the_cells_of_the_predictors():
    ds = world()
    classes = xr.zeros_like(ds["sand"], int).rename("classes") + 10
    classes[0, 1] = 17
    found = find_predictors(ds, ["lst"])
    finer = classes.interp(lat=np.linspace(50, 41, 13), method="nearest")
    with pytest.raises(GridError, match="'land_cover' has other lat"):
        find_land_cover(ds, finer, found)
    np.testing.assert_array_equal(find_land_cover(ds, finer, found, "linear"), classes)
    with pytest.raises(InputError, match="expected classes without time"):
        find_land_cover(ds, classes.expand_dims(time=ds.time), found)
    with pytest.raises(InputError, match="land_cover .* has dtype <U5: expected the numbers"):
        find_land_cover(ds, xr.full_like(classes, "water", "<U5"), found)
    bare = classes.isel(lat=slice(None, None, -1)).drop_vars("lat").rename(None)
    with pytest.raises(GridError, match="'land_cover': it has no coordinate 'lat'"):
        find_land_cover(ds, bare, found)
    with pytest.raises(VariableNotFoundError, match="land_cover=<ndarray>"):
        find_land_cover(ds, classes.values, found)


def test_features_are_a_mapping():
    with pytest.raises(InputError, match=r"features=\['lst'\]: expected a mapping"):
        find_predictors(world(), ["lst"], ["lst"])


def test_a_pixel_keeps_its_place():
    ds, model = world(), any_model(names=("precipitation", "sand", "latitude"))
    whole = estimate(ds, model=model).isel(lat=1, lon=2)
    pixel = estimate(ds.isel(lat=1, lon=2), model=model)
    np.testing.assert_allclose(pixel.soil_moisture, whole.soil_moisture, atol=1e-6)


def test_names_of_stations_are_matched_in_any_order():
    ds = world().stack(station=("lat", "lon")).reset_index("station")
    ds = ds.assign_coords(station=[f"site {n}" for n in range(ds.sizes["station"])])
    shuffled = ds["lst"].isel(station=np.random.default_rng(0).permutation(ds.sizes["station"]))
    for regrid in (None, "linear"):
        found = find_predictors(ds, ["precipitation", "lst"], {"lst": shuffled}, regrid=regrid)
        np.testing.assert_array_equal(found.arrays["lst"], ds["lst"])
        some = {"lst": shuffled[:, :7]}
        with pytest.raises(GridError, match=r"other station \(site .*, 7\).*\.sel\(station="):
            find_predictors(ds, ["precipitation", "lst"], some, regrid=regrid)
