"""Which variable is the soil moisture."""

import numpy as np
import pytest
import xarray as xr

from xsm.conventions.products import PRODUCTS
from xsm.conventions.variables import find_variable
from xsm.errors import GridError, VariableNotFoundError

T, H, W = 4, 3, 5


def dataset(**attrs_by_name) -> xr.Dataset:
    dims = ("time", "lat", "lon")
    return xr.Dataset({n: (dims, np.zeros((T, H, W)), a) for n, a in attrs_by_name.items()})


SM = {"standard_name": "volume_fraction_of_condensed_water_in_soil"}


def test_standard_name_goes_before_a_known_name():
    assert find_variable(dataset(soil_moisture={}, mine=SM)) == "mine"


def test_of_several_with_the_standard_name_the_known_one_is_taken():
    assert find_variable(dataset(swvl1=SM, soil_moisture_truth=SM, soil_moisture=SM)) == (
        "soil_moisture"
    )


def test_several_unknown_ones_with_the_standard_name_are_an_error():
    with pytest.raises(VariableNotFoundError, match="'a', 'b' all have the standard_name.*var='a'"):
        find_variable(dataset(a=SM, b=SM))


def test_standard_error_is_not_the_variable():
    ds = dataset(error={"standard_name": SM["standard_name"] + " standard_error"}, sm={})
    assert find_variable(ds) == "sm"


@pytest.mark.parametrize("name", [name for row in PRODUCTS for name in row.names])
def test_every_known_name_is_found_among_others(name):
    assert find_variable(dataset(temperature={}, **{name: {}}, flag={})) == name


def test_first_band_of_a_product_is_preferred():
    assert find_variable(dataset(soil_moisture_x={}, soil_moisture_c1={})) == "soil_moisture_c1"


def test_var_names_the_variable():
    assert find_variable(dataset(soil_moisture={}, other={}), "other") == "other"


def test_unknown_var_lists_the_choices():
    with pytest.raises(VariableNotFoundError, match="var='x' is no data variable.*'a', 'b'"):
        find_variable(dataset(a={}, b={}), "x")


def test_nothing_found_says_what_was_tried_and_what_there_is():
    with pytest.raises(VariableNotFoundError) as caught:
        find_variable(dataset(moist={}, temperature={}))
    message = str(caught.value)
    for part in (SM["standard_name"], "soil_moisture_c1", "'sm'", "'moist', 'temperature'", "var="):
        assert part in message


@pytest.mark.parametrize(
    "argument, advice",
    [
        ("obj", "choose with var='name'."),
        ("obj['a']", "choose with var='name' or the DataArray, ds['name'], as obj['a']."),
        (
            "reference",
            "choose with reference_var='name' or the DataArray, ds['name'], as reference.",
        ),
        ("background", "choose with the DataArray, ds['name'], as background."),
    ],
)
def test_the_advice_is_of_the_argument(argument, advice):
    with pytest.raises(VariableNotFoundError) as caught:
        find_variable(dataset(moist={}), argument=argument)
    assert str(caught.value).endswith(advice)
    assert str(caught.value).startswith("no variable" if argument == "obj" else f"{argument}: no")


def test_points_and_swaths_are_no_missing_variable():
    ds = xr.Dataset(
        {n: ("cell", np.arange(5.0)) for n in ("latitude", "longitude", "soil_moisture")}
    )
    with pytest.raises(GridError, match=r"lies on points.*latitude and longitude.*open_record"):
        find_variable(ds)
    with pytest.raises(GridError, match="single series"):
        find_variable(xr.Dataset({"soil_moisture": ("time", np.arange(5.0))}))


def test_which_band_was_taken_is_a_warning(caplog):
    find_variable(dataset(soil_moisture_x={}, soil_moisture_c1={}))
    assert "soil_moisture_c1 is taken" in caplog.text and "not 'soil_moisture_x'" in caplog.text
    assert caplog.records[0].levelname == "WARNING"
    caplog.clear()
    assert find_variable(dataset(sm={})) == "sm"  # several products have this name
    assert not caplog.records
