"""Attributes, flags and history of what goes out."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import grid
from xsm._version import __version__
from xsm.conventions.cf import (
    ESTIMATE_FLAGS,
    FILL_FLAGS,
    call_text,
    estimate_dataset,
    filled_dataset,
    flag_attrs,
    history_line,
)
from xsm.conventions.variables import read_variable
from xsm.errors import InputError


def test_flags_are_numbered_in_order():
    attrs = flag_attrs("origin", FILL_FLAGS)
    assert attrs["flag_values"].dtype == np.int8
    assert attrs["flag_values"].tolist() == list(range(10))
    assert attrs["flag_meanings"].split()[3:] == [
        "not_filled",
        "not_land",
        "never_observed",
        "filled_by_interpolation",
        "departure_from_background_filled_by_network",
        "departure_from_background_filled_by_interpolation",
        "filled_by_background",
    ]
    assert attrs["standard_name"] == "status_flag"


def test_history_grows_from_the_top():
    first = history_line("gapfill('sm')")
    assert first.endswith(f"xsm {__version__} gapfill('sm')")
    both = history_line("estimate()", first).splitlines()
    assert both[1] == first and "estimate()" in both[0]


def test_calls_show_what_differs_from_the_default():
    options = {"max_gap": "5D", "fallback": None, "keep_observed": True}
    assert call_text("gapfill", "'sm'", options) == "gapfill('sm', max_gap='5D')"
    assert call_text("gapfill", "'sm'", {"keep_observed": False}) == (
        "gapfill('sm', keep_observed=False)"
    )


@pytest.fixture
def cube() -> xr.DataArray:
    values = np.full((2, 2, 2), 30.0, np.float32)
    attrs = {"units": "percent", "standard_name": "moisture", "ancillary_variables": "quality"}
    return xr.DataArray(values, dims=("time", "y", "x"), name="sm", attrs=attrs)


def arrays(shape=(2, 2, 2)):
    flag = np.ones(shape, np.int8)
    return np.full(shape, 20.0), np.full(shape, 2.0), flag


def test_a_filled_record_keeps_the_input_and_says_what_was_done(cube):
    ds = cube.to_dataset().assign(other=3, quality=1).assign_attrs(history="made")
    out = filled_dataset(
        ds, read_variable(cube), arrays(), identity="net", call="call", coverage_factors={"68": 0.9}
    )
    assert set(out.data_vars) == {"sm", "other", "quality", "sm_uncertainty", "sm_flag"}
    assert out["sm"].attrs["ancillary_variables"] == "quality sm_uncertainty sm_flag"
    assert out["sm"].attrs["gapfill_model"] == "net"
    assert out["sm_uncertainty"].attrs["units"] == "percent"
    assert out["sm_uncertainty"].attrs["standard_name"] == "moisture standard_error"
    assert out["sm_uncertainty"].attrs["coverage_factor_68"] == 0.9
    assert out.attrs["history"].splitlines()[1] == "made"
    assert "sm_flag" not in ds and ds["sm"].attrs == cube.attrs
    with pytest.raises(InputError, match="sm is filled already.*'sm_flag'"):
        filled_dataset(
            out, read_variable(cube), arrays(), identity="", call="", coverage_factors={}
        )


def test_uncertainty_of_the_product_stays_where_nothing_was_filled(cube):
    own = xr.full_like(cube, 0.05).assign_attrs(units="m3 m-3")
    ds = cube.to_dataset().assign(sm_uncertainty=own)
    filled, std, flag = arrays()
    flag[0] = 0
    out = filled_dataset(
        ds, read_variable(cube), (filled, std, flag), identity="", call="", coverage_factors={}
    )
    np.testing.assert_allclose(out["sm_uncertainty"][0], 0.05)
    np.testing.assert_allclose(out["sm_uncertainty"][1], 0.02, rtol=1e-6)  # 2 percent
    assert out["sm_uncertainty"].attrs["units"] == "m3 m-3"


def test_an_estimate_has_its_layer():
    mean = xr.DataArray(np.full(3, 0.2, np.float32), dims="time")
    target = {"depth_top": 0.0, "depth_bottom": 0.05}
    out = estimate_dataset(
        xr.Dataset(),
        mean,
        mean * 0.1,
        mean.astype(np.int8),
        target=target,
        identity="net",
        call="c",
    )
    assert list(out.data_vars) == [
        "soil_moisture",
        "soil_moisture_uncertainty",
        "soil_moisture_flag",
    ]
    assert float(out["depth"]) == 0.025 and out["depth"].attrs["positive"] == "down"
    assert "0-5 cm" in out["soil_moisture"].attrs["long_name"]
    assert out["soil_moisture_flag"].attrs["flag_meanings"].split() == list(ESTIMATE_FLAGS)
    assert out.attrs["Conventions"].startswith("CF-")
    named = estimate_dataset(
        xr.Dataset(), mean, None, mean, target=target | {"name": "sm"}, identity="", call=""
    )
    assert list(named.data_vars) == ["sm", "sm_flag"]


def test_axes_have_no_fill_value_in_a_file(cube, tmp_path):
    ds = cube.to_dataset().assign_coords(y=[2.0, 1.0], x=("x", [0.0, 1.0], {"units": "degree"}))
    ds["y"].encoding = {"_FillValue": -1.0}
    out = filled_dataset(
        ds, read_variable(ds["sm"]), arrays(), identity="", call="", coverage_factors={}
    )
    assert out["x"].encoding == {"_FillValue": None} and out["y"].encoding == ds["y"].encoding
    assert ds["x"].encoding == {} and out["x"].attrs == {"units": "degree"}
    out.to_netcdf(tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc", mask_and_scale=False) as written:
        assert "_FillValue" not in written["x"].attrs


def test_conventions_of_the_input_stay(cube):
    for given, expected in ({}, "CF-1.11"), ({"Conventions": "CF-1.6"}, "CF-1.6"):
        ds = cube.to_dataset().assign_attrs(given)
        out = filled_dataset(
            ds, read_variable(cube), arrays(), identity="", call="", coverage_factors={}
        )
        assert out.attrs["Conventions"] == expected and ds.attrs == given
        assert out["sm"].attrs["ancillary_variables"] == "sm_uncertainty sm_flag"


@pytest.mark.parametrize("text", ["crs", "crs: y x", "crs: y x other: lat lon"])
def test_a_grid_mapping_is_shared_if_it_is_there(cube, text):
    ds = cube.to_dataset().assign(crs=0, other=0)
    ds["sm"].attrs["grid_mapping"] = text
    for given, expected in (ds, text), (ds.drop_vars("crs"), None):
        out = filled_dataset(
            given, read_variable(given["sm"]), arrays(), identity="", call="", coverage_factors={}
        )
        for name in ("sm_uncertainty", "sm_flag"):
            assert out[name].attrs.get("grid_mapping") == expected


def test_a_range_of_another_unit_does_not_return_with_the_fill():
    """Widened to the unit of the values it would exclude observed ones that are below 0."""
    values = np.full((3, 3, 4), 22.0, np.float32)
    values[0, 0, 0], values[1, 1, 1] = -1.85, np.nan
    ds = grid(3, lat=[50.0, 49.5, 49.0], lon=[0.0, 0.5, 1.0, 1.5])
    da = ds["soil_moisture"].copy(data=values)
    da.attrs = {"units": "%", "valid_range": [0.0, 1.0]}
    filled = da.sm.gapfill(calibrate=False)
    assert "valid_range" not in filled["soil_moisture"].attrs
    assert float(filled["soil_moisture"][0, 0, 0]) == np.float32(-1.85)
    again = filled[["soil_moisture"]].sm.gapfill(calibrate=False)
    np.testing.assert_array_equal(again["soil_moisture"], filled["soil_moisture"])
