"""What units are worth, and what is refused."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from xsm.conventions.depth import layer_thickness
from xsm.conventions.products import PRODUCTS, product_of
from xsm.conventions.units import VOLUMETRIC, _parse, _registry, conversion, to_m3m3_factor
from xsm.conventions.variables import read_variable
from xsm.errors import InputError, UnitError


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ("m3 m-3", 1.0),
        ("m³/m³", 1.0),
        ("m³ m⁻³", 1.0),
        ("m^3/m^3", 1.0),
        ("m**3 m**-3", 1.0),
        ("m3/m3", 1.0),
        ("m3m-3", 1.0),
        ("cm3 cm-3", 1.0),
        ("cm**3/cm**3", 1.0),
        ("cm3 m-3", 1e-6),
        ("1", 1.0),
        ("", 1.0),
        ("dimensionless", 1.0),
        ("fraction", 1.0),
        ("v/v", 1.0),
        ("%", 0.01),
        ("percent", 0.01),
        ("Percent", 0.01),
        ("% vol", 0.01),
        ("vol %", 0.01),
        ("vol. %", 0.01),
        ("volumetric percent", 0.01),
        ("[m3/m3]", 1.0),
        ("(m3/m3)", 1.0),
        ("[%]", 0.01),
        ("vol%", 0.01),
        ("vol.%", 0.01),
        ("volume %", 0.01),
        ("percentage", 0.01),
        ("volume fraction", 1.0),
        ("m-3 m-3", 1.0),  # MERRA-2
        ("kg m-3", 0.001),  # water of a volume of soil
        ("g/cm^3", 1.0),  # AMSR-E
        ("g cm-3", 1.0),
    ],
)
def test_factor_of_a_volumetric_unit(units, expected):
    assert to_m3m3_factor(units) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "units",
    ["K", "kg kg-1", "g/g", "mm", "degree", "dB", "ppm", "m3", "nonsense", "m3 m-2", "g"],
)
def test_another_quantity_is_refused(units):
    with pytest.raises(UnitError, match="no volumetric soil moisture.*correct the attribute"):
        to_m3m3_factor(units, "x")


@pytest.mark.parametrize("units", ["percent percent", "% %", "%2", "percent (K)", "% deg"])
def test_words_without_dimension_do_not_multiply(units):
    with pytest.raises(UnitError, match="no volumetric soil moisture"):
        to_m3m3_factor(units, "x")


@pytest.mark.parametrize(
    "units", ["percent (%)", "% (percent)", "%(%)", "% [percent]", "PERCENT", "Percent (%)"]
)
def test_a_unit_that_is_said_twice_counts_once(units):
    assert to_m3m3_factor(units) == 0.01


@pytest.mark.parametrize(
    ("units", "wanted", "expected"),
    [
        ("Kelvin", "K", (1.0, 0.0)),
        ("KELVIN", "K", (1.0, 0.0)),
        ("deg K", "K", (1.0, 0.0)),
        ("degrees K", "K", (1.0, 0.0)),
        ("degrees_Celsius", "K", (1.0, 273.15)),
        ("degree_Celsius", "K", (1.0, 273.15)),
        ("DegC", "K", (1.0, 273.15)),
        ("kg m**-2 s**-1", "mm day-1", (86400.0, 0.0)),
        ("mm/hr", "mm day-1", (24.0, 0.0)),
        ("m of water equivalent", "mm", (1000.0, 0.0)),
        ("percent (%)", "1", (0.01, 0.0)),
    ],
)
def test_spellings_of_files(units, wanted, expected):
    assert conversion(units, wanted, "x") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("units", "wanted"), [("percent percent", "1"), ("rad K", "K")])
def test_a_product_of_words_is_no_unit_of_a_predictor(units, wanted):
    with pytest.raises(UnitError, match="expected"):
        conversion(units, wanted, "x")


def test_water_of_a_layer_needs_its_thickness():
    with pytest.raises(UnitError, match=r"thickness of the layer.*layer_thickness"):
        to_m3m3_factor("kg m-2", "mrsos")
    assert to_m3m3_factor("kg m-2", thickness=lambda: 0.1) == pytest.approx(0.01)
    assert to_m3m3_factor("kg m**-2", thickness=lambda: 0.05) == pytest.approx(0.02)


def test_thickness_of_a_layer_by_bounds_attributes_and_names():
    da = variable(np.full((2, 2, 2), 25.0), units="kg m-2")
    assert layer_thickness(da) is None
    assert read_variable(da.rename("SoilMoi0_10cm_inst")).to_m3m3_factor == pytest.approx(0.01)
    assert read_variable(da.rename("mrsos")).to_m3m3_factor == pytest.approx(0.01)  # its product
    described = da.assign_attrs(long_name="water in layer 0 - 7 cm")
    assert layer_thickness(described) == pytest.approx(0.07)
    assert layer_thickness(da.assign_attrs(layer_thickness=0.2)) == 0.2
    assert layer_thickness(da.assign_attrs(depth_top=0.1, depth_bottom=0.4)) == pytest.approx(0.3)
    bounded = da.assign_coords(depth=((), 5.0, {"units": "cm", "bounds": "depth_bnds"}))
    ds = bounded.to_dataset().assign(depth_bnds=("bnds", [0.0, 10.0]))
    assert layer_thickness(ds["sm"], ds) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "attrs",
    [
        {"long_name": "Soil Water Index with T=5"},
        {"long_name": "relative soil moisture"},
        {"long_name": "Surface Soil Wetness"},
        {"long_name": "SWI 10 days"},
    ],
)
def test_wetness_by_its_words_is_refused(attrs):
    with pytest.raises(UnitError, match="degree of saturation.*saturation_to_volumetric"):
        to_m3m3_factor("%", "x", attrs=attrs)


@pytest.mark.parametrize(
    "attrs",
    [
        {"long_name": "soil moisture anomaly"},
        {"long_name": "soil moisture percentile"},
        {"standard_name": "volume_fraction_of_condensed_water_in_soil_at_field_capacity"},
        {"standard_name": "volume_fraction_of_condensed_water_in_soil standard_error"},
    ],
)
def test_other_quantities_of_the_same_unit_are_refused(attrs):
    with pytest.raises(UnitError, match="no volumetric soil moisture"):
        to_m3m3_factor("m3 m-3", "x", attrs=attrs)


@pytest.mark.parametrize("units", ["% saturation", "percent of saturation", "degree of saturation"])
def test_saturation_by_its_unit_is_refused(units):
    with pytest.raises(UnitError, match="degree of saturation.*porosity"):
        to_m3m3_factor(units, "x")


@pytest.mark.parametrize(
    "attrs",
    [
        {"long_name": "Percent of Saturation Soil Moisture"},
        {"standard_name": "volume_fraction_of_condensed_water_in_soil_pores"},
    ],
)
def test_saturation_by_its_names_is_refused(attrs):
    with pytest.raises(UnitError, match="degree of saturation.*porosity"):
        to_m3m3_factor("percent", "sm", attrs=attrs, product=product_of("sm"))


def test_value_at_saturation_is_no_degree_of_saturation():
    assert to_m3m3_factor("%", "x", attrs={"long_name": "moisture, at saturation 0.45"}) == 0.01


def test_product_of_saturation_needs_a_volumetric_unit():
    with pytest.raises(UnitError, match="known as ASCAT"):
        to_m3m3_factor("%", "ssm", product=product_of("ssm"))
    with pytest.raises(UnitError, match="known as ASCAT"):
        to_m3m3_factor(None, "ssm", product=product_of("ssm"))
    assert to_m3m3_factor("m3 m-3", "ssm", product=product_of("ssm")) == 1.0


def test_missing_unit_is_taken_from_the_product():
    assert to_m3m3_factor(None, product=product_of("soil_moisture_c1")) == 0.01
    assert to_m3m3_factor(None, product=product_of("soil_moisture")) == 1.0


def test_missing_unit_of_an_unknown_variable_is_an_error_that_shows_what_to_do():
    with pytest.raises(UnitError, match=r'has no attribute .units.*ds\["moist"\].attrs\["units"\]'):
        to_m3m3_factor(None, "moist")


def test_every_product_has_a_unit_that_is_understood():
    for row in PRODUCTS:
        assert row.units is None or to_m3m3_factor(row.units) in (1.0, 0.01), row


def variable(data, **attrs) -> xr.DataArray:
    return xr.DataArray(data, dims=("time", "y", "x"), name="sm", attrs=attrs)


def test_pint_quantity_is_taken_apart():
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    raw = np.full((2, 2, 2), 25.0, np.float32)
    found = read_variable(variable(registry.Quantity(raw, "percent")))
    assert found.to_m3m3_factor == 0.01
    assert found.plain.data is raw
    assert found.quantity.units == registry.percent


@pytest.mark.parametrize("dtype", [bool, complex, "datetime64[ns]", "U3", object])
def test_other_kinds_of_numbers_are_refused(dtype):
    with pytest.raises(InputError, match="expected real numbers"):
        read_variable(variable(np.zeros((2, 2, 2)).astype(dtype), units="1"))


def test_numbers_in_objects_are_told_how_to_become_numbers():
    da = variable(np.full((2, 2, 2), 0.2, object), units="1")
    with pytest.raises(InputError, match=r"ds\['.+'\]\.astype\('float32'\)"):
        read_variable(da)


@pytest.mark.parametrize("key", ["_FillValue", "missing_value", "scale_factor"])
def test_undecoded_variable_is_refused(key):
    with pytest.raises(InputError, match=f"not decoded: {key}.*mask_and_scale"):
        read_variable(variable(np.zeros((2, 2, 2), np.int16), units="1", **{key: 1}))


def test_valid_range_is_that_of_the_attributes_within_the_physical_one():
    raw = np.zeros((2, 2, 2), np.float32)
    assert read_variable(variable(raw, units="%")).valid_range == (0.0, 100.0)
    ranged = variable(raw, units="1", valid_range=np.array([0.02, 0.6]))
    assert read_variable(ranged).valid_range == (0.02, 0.6)
    bounded = variable(raw, units="1", valid_min=0.1, valid_max=7.0)
    assert read_variable(bounded).valid_range == (0.1, 1.0)
    # whole numbers are packed, fractions are not
    ranged.encoding["scale_factor"] = 0.001
    assert read_variable(ranged).valid_range == (0.02, 0.6)
    ranged.attrs["valid_range"] = np.int16([20, 600])
    assert read_variable(ranged).valid_range == (0.02, 0.6)
    of_another_unit = variable(raw, units="%", valid_range=np.array([0.0, 1.0]))
    assert read_variable(of_another_unit).valid_range == (0.0, 100.0)
    nonsense = variable(raw, units="1", valid_range="0 to 1")
    assert read_variable(nonsense).valid_range == (0.0, 1.0)


@pytest.mark.parametrize("text", VOLUMETRIC)
def test_what_is_not_parsed_is_what_pint_makes_of_it(text):
    unit = _parse(text)
    assert unit.dimensionless and "percent" not in str(unit)
    assert _registry().Quantity(1.0, unit).to("dimensionless").magnitude == 1.0


@pytest.mark.parametrize(
    "units",
    ["9**9**9", "(9**9)**9", "9^9^9", "2**999999", "9⁹⁹⁹⁹", "m3 m-3" * 40, "'", "m3\x00", "1e999"],
)
def test_what_is_no_unit_is_refused_at_once(units):
    with pytest.raises(UnitError, match="no volumetric soil moisture"):
        to_m3m3_factor(units)
    with pytest.raises(UnitError, match="expected 'K'"):
        conversion(units, "K", "lst")


@given(st.text("m3-^*/() %19ekg.cprnt[]'#\\·⁻³", max_size=16))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_text_is_a_unit_or_a_unit_error(text):
    try:
        assert 0 < to_m3m3_factor(text) < np.inf
    except UnitError:
        pass
