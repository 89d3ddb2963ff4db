"""Predictors are found by name, standard name, product or say-so, and come in the right unit."""

import numpy as np
import pytest
import xarray as xr

from tests.estimation.worlds import world
from xsm.conventions.predictor_names import PREDICTORS
from xsm.conventions.predictors import available_predictors, calendar_predictor, find_predictors
from xsm.conventions.units import conversion
from xsm.errors import GridError, InputError, TimeAxisError, UnitError, VariableNotFoundError


def test_the_table_has_each_name_and_product_name_once():
    names = [name for row in PREDICTORS for name in (row.name, *row.names)]
    assert len(set(names)) == len(names)
    assert {"albedo_bsa_vis", "lst", "swvl1", "elevation", "slope", "sand", "silt"} <= set(names)


def test_found_by_standard_name_and_by_product():
    ds = world().rename(lst="theta", precipitation="APCP_FORA")
    ds["theta"].attrs["standard_name"] = "surface_temperature"
    assert available_predictors(ds, {}) == ["lst", "precipitation", "sand"]
    found = find_predictors(ds, ["precipitation", "lst", "sand"])
    assert found.arrays["lst"].name == "theta"
    assert found.arrays["precipitation"].name == "APCP_FORA"
    assert found.static == ["sand"]


def test_skin_temperature_of_merra_2():
    """TS has a standard name of its own in MERRA-2; at flux towers it is that of the soil."""
    attrs = {"units": "K", "long_name": "surface_skin_temperature"}
    ds = world().rename(lst="TS")
    ds["TS"].attrs = attrs | {"standard_name": attrs["long_name"]}
    found = find_predictors(ds, ["precipitation", "lst"])
    assert found.arrays["lst"].name == "TS" and found.factors["lst"] == (1.0, 0.0)
    both = ds.assign(LST=ds["TS"].assign_attrs(standard_name=""))
    assert find_predictors(both, ["precipitation", "lst"]).arrays["lst"].name == "LST"
    soil = ds.assign(TS=ds["TS"].assign_attrs(standard_name="", long_name="Soil temperature"))
    assert available_predictors(soil, {}) == ["precipitation", "sand"]
    with pytest.raises(VariableNotFoundError, match="'skin_temperature', 'TS'"):
        find_predictors(soil, ["precipitation", "lst"])
    assert find_predictors(soil, ["lst"], {"lst": "TS"}).arrays["lst"].name == "TS"
    era5 = world().rename(lst="skin_temperature")
    assert find_predictors(era5, ["lst"]).arrays["lst"].name == "skin_temperature"


def test_two_of_one_standard_name_are_not_guessed():
    ds = world().rename(lst="a")
    ds["a"].attrs["standard_name"] = "surface_temperature"
    ds["b"] = ds["a"]
    with pytest.raises(VariableNotFoundError, match="'a', 'b'.*features="):
        find_predictors(ds, ["lst"])
    assert find_predictors(ds, ["lst"], {"lst": "b"}).arrays["lst"].name == "b"


def test_what_is_missing_is_said_with_what_was_tried():
    with pytest.raises(VariableNotFoundError, match="elevation.*surface_altitude.*'soil'"):
        find_predictors(world(), ["lst", "elevation"])
    with pytest.raises(VariableNotFoundError, match="features\\['lst'\\]='no'"):
        find_predictors(world(), ["lst"], {"lst": "no"})
    with pytest.raises(InputError, match="does not take"):
        find_predictors(world(), ["lst"], {"slope": "lst"})


@pytest.mark.parametrize(
    ("units", "wanted", "value", "expected"),
    [
        ("degC", "K", 20.0, 293.15),
        ("K", "K", 280.0, 280.0),
        ("Celsius", "K", 20.0, 293.15),
        ("(0 - 1)", "1", 0.3, 0.3),
        ("percent", "1", 40.0, 0.4),
        ("g kg-1", "1", 300.0, 0.3),
        ("kg m-2 s-1", "mm day-1", 1e-4, 8.64),
        ("m day-1", "mm day-1", 0.01, 10.0),
        ("mm/h", "mm day-1", 1.0, 24.0),
        ("km", "m", 1.5, 1500.0),
        ("fraction", "1", 0.3, 0.3),
        ("radian", "degree", np.pi, 180.0),
    ],
)
def test_units_are_converted_to_those_of_the_model(units, wanted, value, expected):
    factor, offset = conversion(units, wanted, "it")
    assert factor * value + offset == pytest.approx(expected)


@pytest.mark.parametrize("units", ["m", "W m-2", "nonsense", "kg kg-1"])
def test_other_quantities_are_refused(units):
    with pytest.raises(UnitError, match=f"it has units {units!r}: expected 'K'"):
        conversion(units, "K", "it")


def test_a_missing_unit_is_said_for_known_predictors_only():
    ds = world()
    del ds["lst"].attrs["units"]
    with pytest.raises(UnitError, match="'lst'.*no attribute 'units'.*'K'"):
        find_predictors(ds, ["lst"])
    ds["memory"] = ds["lst"]
    assert find_predictors(ds, ["memory"]).factors["memory"] == (1.0, 0.0)


def test_pint_quantities_are_taken_with_their_unit():
    pint = pytest.importorskip("pint")
    ds = world()
    celsius = pint.UnitRegistry().Quantity(ds["lst"].values - 273.15, "degC")
    ds["lst"] = ds["lst"].copy(data=celsius).drop_attrs()
    found = find_predictors(ds, ["lst"])
    factor, offset = found.factors["lst"]
    np.testing.assert_allclose(factor * found.arrays["lst"].values + offset, world()["lst"], 1e-5)


def test_arrays_every_eight_days_come_on_the_days_of_the_others():
    ds = world()
    slow = ds["lst"].isel(time=slice(0, None, 8))
    found = find_predictors(ds, ["precipitation", "lst"], {"lst": slow})
    daily = found.arrays["lst"]
    assert daily.sizes["time"] == 60
    np.testing.assert_array_equal(np.isfinite(daily[:, 0, 0]).values.nonzero()[0] % 8, 0)
    late = slow.assign_coords(time=slow.time + np.timedelta64(1000, "D"))
    with pytest.raises(TimeAxisError, match="no day in common"):
        find_predictors(ds, ["precipitation", "lst"], {"lst": late})


def test_another_grid_is_an_error_unless_asked_for():
    ds = world()
    coarse = ds["sand"].interp(lat=[49.5, 45.0, 42.0], lon=[1.0, 6.0, 11.0])
    with pytest.raises(GridError, match="other lat.*regrid="):
        find_predictors(ds, ["lst", "sand"], {"sand": coarse})
    found = find_predictors(ds, ["lst", "sand"], {"sand": coarse}, regrid="nearest")
    assert found.arrays["sand"].shape == (4, 5)
    with pytest.raises(InputError, match="regrid='cubic'"):
        find_predictors(ds, ["lst"], regrid="cubic")
    with pytest.raises(GridError, match=r"\['level'\] fits none"):
        find_predictors(ds.assign(sand=ds["sand"].expand_dims(level=2)), ["lst", "sand"])


def test_static_predictors_alone_are_no_record():
    with pytest.raises(TimeAxisError, match="none of the predictors"):
        find_predictors(world(), ["sand"])


def test_position_comes_from_the_coordinates():
    found = find_predictors(world(), ["lst", "latitude"])
    np.testing.assert_array_equal(found.arrays["latitude"], world().lat)
    assert found.static == ["latitude"]
    with pytest.raises(VariableNotFoundError, match="'longitude'"):
        find_predictors(world().drop_vars("lon"), ["lst", "longitude"])


def test_the_calendar_has_no_step_at_the_turn_of_the_year():
    found = find_predictors(world(), ["lst"])
    sine = calendar_predictor("day_of_year_sin", 60, found.first, found.year)
    assert abs(np.diff(sine)).max() < 2 * np.pi / 365
    # 1 January 2020 is day 31
    assert sine[31] == pytest.approx(0.0, abs=0.01)
    thirty = world().assign_coords(
        time=xr.date_range("2019-12-01", periods=60, calendar="360_day", use_cftime=True)
    )
    assert find_predictors(thirty, ["lst"]).year == 360
