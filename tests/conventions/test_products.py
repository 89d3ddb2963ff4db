"""The catalogue of products: rows, recognition of open files, and the tables made from it."""

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.conventions.products import PRODUCTS, product_of, product_row, recognise
from xsm.conventions.quality_rules import QualityRule
from xsm.errors import InputError

KEYS = (
    "smap_l3", "smos_l3", "smos_ic", "lprm", "esa_cci", "c3s", "esa_cci_gapfilled", "ascat",
    "cgls_ssm", "cgls_swi", "gldas", "era5", "era5_land", "lis", "cmip6", "sgd_sm", "glass",
    "cygnss", "nldas", "merra2", "smap_l4", "gleam",
)  # fmt: skip
RULES = [(row, rule) for row in PRODUCTS for rule in row.rules]


def files(*names, **attrs) -> xr.Dataset:
    values = (("lat", "lon"), np.zeros((2, 3)))
    return xr.Dataset({name: values for name in names}, attrs=attrs)


def test_keys_are_unique_and_complete():
    keys = [row.key for row in PRODUCTS]
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(KEYS)


@pytest.mark.parametrize("row", PRODUCTS, ids=lambda row: row.key)
def test_row_is_complete(row):
    assert row.names and row.files and row.reference.startswith("https://")
    assert set(row.tested) <= {"real", "made"} and row.tested
    assert row.layer is None or 0 <= row.layer[0] < row.layer[1] <= 0.1
    assert set(row.variable_titles) <= set(row.names)
    assert len({rule.name for rule in row.rules}) == len(row.rules)
    re.compile(row.pattern)


@pytest.mark.parametrize(("row", "rule"), RULES, ids=lambda x: getattr(x, "key", None) or x.name)
def test_rule_has_one_condition_a_reason_and_a_source(row, rule):
    conditions = (rule.bits, rule.values, rule.not_values, rule.above, rule.below)
    assert sum(condition is not None for condition in conditions) == 1
    assert rule.reason and rule.source and " " not in rule.name
    assert (rule.units is not None) == (rule.above is not None or rule.below is not None)
    assert all(name.isidentifier() for name in rule.flag_names(row.names[0], row.stem))


@pytest.mark.parametrize(("condition", "text"), [
    ({"bits": 0b101}, "bit 0, 2"), ({"values": (2, 3)}, "= 2, 3"), ({"not_values": (0,)}, "not 0"),
    ({"above": 8.0, "units": "K"}, "> 8 K"), ({"below": 0.05, "units": "1"}, "< 0.05"),
])  # fmt: skip
def test_condition_as_text(condition, text):
    assert QualityRule("a", ("flag",), "reason", "source", **condition).condition == text


@pytest.mark.parametrize(("var", "names"), [
    ("soil_moisture", ["surface_flag"]),
    ("soil_moisture_pm", ["surface_flag_pm"]),
    ("soil_moisture_dca", ["surface_flag_dca", "surface_flag"]),
    ("soil_moisture_dca_pm", ["surface_flag_dca_pm", "surface_flag_pm"]),
])  # fmt: skip
def test_flag_of_an_overpass_or_algorithm(var, names):
    rule = next(rule for rule in product_row("smap_l3").rules if rule.name == "frozen")
    assert rule.flag_names(var, "soil_moisture") == names


@pytest.mark.parametrize(("key", "ds"), [
    ("lprm", files("soil_moisture_x", "ts", "opt_depth_x")),
    ("sgd_sm", files("original_sm_c1", "reconstructed_sm_c1")),
    ("smap_l3", files("soil_moisture", "retrieval_qual_flag")),
    ("smap_l3", files("soil_moisture_option3", "retrieval_qual_flag")),
    ("esa_cci", files("sm", "flag", title="ESA CCI Surface Soil Moisture COMBINED Product")),
    ("c3s", files("sm", "flag", title="C3S Surface Soil Moisture COMBINED Product")),
    ("c3s", files("sm", "flag", product="C3S SOILMOISTURE L3S SSMV COMBINED DAILY")),
    ("esa_cci_gapfilled", files("sm", title="ESA CCI SM GAPFILLED COMBINED")),
    ("esa_cci_gapfilled", files("sm", "gapmask", "frozenmask")),
    ("smos_l3", files("Soil_Moisture", "Rfi_Prob", "Science_Flags")),
    ("smos_ic", files("Soil_Moisture", "Scene_Flags", "RMSE")),
    ("ascat", files("ssm", "ssf", "proc_flag")),
    ("cgls_ssm", files("ssm", "ssm_noise")),
    ("cgls_ssm", files("ssm", id="c_gls_SSM1km_201701010000_CEURO_S1CSAR_V1.1.1")),
    ("cgls_swi", files("SWI_005", "SSF")),
    ("gldas", files("SoilMoi0_10cm_inst", title="GLDAS2.1 LIS land surface model output")),
    ("era5", files("swvl1", "lsm")),
    ("era5_land", files("swvl1", title="ERA5-Land hourly data")),
    ("lis", files("SoilMoist_inst", title="LIS land surface model output")),
    ("cmip6", files("mrsos", mip_era="CMIP6")),
    ("glass", files("SM", title="GLASS surface soil moisture")),
    (None, files("temperature", title="SMAP")),
    (None, files("soil_moisture_made_up")),
])  # fmt: skip
def test_product_is_recognised(key, ds):
    row = recognise(ds)
    assert (row and row.key) == key


def test_product_is_recognised_by_the_name_of_its_file():
    ds = files("Soil_Moisture")
    ds.encoding["source"] = "/data/SM_RE06_MIR_CDF3SA_20180101T000000_20180101T235959_105_001_8.nc"
    assert recognise(ds).key == "smos_ic"


def test_unknown_key_lists_the_keys():
    with pytest.raises(InputError, match="product='smap': expected one of.*'smap_l3'"):
        product_row("smap")


def test_bands_have_titles():
    assert product_of("soil_moisture_x").variable_titles["soil_moisture_x"] == "X band (10.7 GHz)"


def test_table_of_products():
    table = xsm.products()
    assert set(table.index) == set(KEYS)
    assert table.loc["smap_l3", "rules"] == "not_recommended, snow, frozen"
    assert table.loc["smap_l3", "layer"] == "0 to 0.05"
    assert table.loc["ascat", "quantity"] == "saturation"
    assert "soil_moisture_c1" in table.loc["lprm", "variables"]
    assert table.notnull().all(axis=None)


def test_table_of_rules():
    table = xsm.quality_rules()
    assert len(table) == len(RULES)
    smap = xsm.quality_rules("smap_l3").set_index("rule")
    assert smap.loc["not_recommended", "variable"] == "retrieval_qual_flag"
    assert smap.loc["not_recommended", "removed_where"] == "bit 0"
    assert xsm.quality_rules("glass").empty
    with pytest.raises(InputError, match="expected one of"):
        xsm.quality_rules("unknown")


def test_table_in_the_docs_has_a_row_for_each_product():
    from benchmarks import catalogue_tables

    lines = catalogue_tables.products().splitlines()
    assert len(lines) == len(PRODUCTS) + 2
    for row, line in zip(PRODUCTS, lines[2:], strict=True):
        assert f"| `{row.key}` |" in line and row.reference in line
    rules = catalogue_tables.quality_rules()
    assert "| `esa_cci`, `c3s` | snow_or_frozen | `flag` bit 0 |" in rules


def test_a_generic_name_does_not_outweigh_a_title_of_another_origin():
    values = xr.DataArray(np.zeros((1, 2, 2)), dims=("time", "lat", "lon"))
    assert recognise(xr.Dataset({"soil_moisture": values})).key == "smap_l3"
    simulated = xr.Dataset({"soil_moisture": values}, attrs={"title": "Simulated AMSR2"})
    assert recognise(simulated) is None
    flagged = simulated.assign(retrieval_qual_flag=values)
    assert recognise(flagged).key == "smap_l3"
    assert recognise(simulated.assign_attrs(title="SMAP over Iberia")).key == "smap_l3"
