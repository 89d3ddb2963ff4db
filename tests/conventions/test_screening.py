"""Quality screening by the rules of each product, on made files of every row and on real ones."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.conventions.cf import FILL_FLAGS
from xsm.conventions.products import PRODUCTS, product_row, recognise
from xsm.conventions.screening import screen, screening_counts
from xsm.errors import InputError, VariableNotFoundError

DIMS = ("time", "lat", "lon")
SHAPE = (2, 3, 4)
UNITS = {"percent": 25.0, "m3 m-3": 0.25, "%": 50.0, "kg m-2": 25.0}

# made files: units of the soil moisture, and its flags where a value is good
MADE: dict[str, tuple[str, dict[str, float], dict[str, str]]] = {
    "lprm": ("percent", {"ts": 290.0, "opt_depth_c1": 0.3}, {}),
    "sgd_sm": ("percent", {"reconstructed_sm_c1": 25.0}, {}),
    "smap_l3": ("m3 m-3", {"retrieval_qual_flag": 8, "surface_flag": 0}, {}),
    "esa_cci": ("m3 m-3", {"flag": 0}, {"title": "ESA CCI Surface Soil Moisture"}),
    "c3s": ("m3 m-3", {"flag": 0}, {"title": "C3S Surface Soil Moisture"}),
    "esa_cci_gapfilled": ("m3 m-3", {"frozenmask": 0, "gapmask": 0}, {}),
    "smos_l3": ("m3 m-3", {"Rfi_Prob": 0.1, "Science_Flags": 1, "Chi_2_P": 0.5}, {}),
    "smos_ic": ("m3 m-3", {"Scene_Flags": 0, "RMSE": 3.0, "Quality_Flag": 0}, {}),
    "ascat": ("%", {"ssf": 1, "frozen_prob": 5.0, "snow_prob": 5.0, "conf_flag": 0,
                    "proc_flag": 0}, {}),
    "cgls_ssm": ("%", {"ssm_noise": 3.0}, {}),
    "cgls_swi": ("%", {"SSF": 1, "QFLAG_001": 80.0}, {}),
    "gldas": ("kg m-2", {"SoilTMP0_10cm_inst": 290.0, "SWE_inst": 0.0}, {}),
    "cygnss": ("m3 m-3", {"SIGMA_daily": 0.01}, {}),
    "nldas": ("kg m-2", {"SoilT_0_10cm": 290.0, "SWE": 0.0}, {}),
    "merra2": ("m3 m-3", {"TSOIL1": 290.0, "SNOMAS": 0.0}, {}),
    "smap_l4": ("m3 m-3", {"soil_temp_layer1": 290.0, "snow_mass": 0.0}, {}),
    "gleam": ("m3 m-3", {}, {"title": "GLEAM v4.1a"}),
    "era5": ("m3 m-3", {"stl1": 290.0}, {}),
    "era5_land": ("m3 m-3", {"stl1": 290.0}, {"title": "ERA5-Land hourly data"}),
    "lis": ("m3 m-3", {"SoilTemp_tavg": 290.0, "SWE_tavg": 0.0}, {}),
    "cmip6": ("kg m-2", {}, {"mip_era": "CMIP6"}),
    "glass": ("m3 m-3", {}, {"title": "GLASS soil moisture"}),
}  # fmt: skip
REAL = {
    "lprm": "amsr2_lprm/LPRM-AMSR2_L3_D_SOILM3_V001_20150401013507.nc4",
    "esa_cci": "esa_cci_sm/ESACCI-SOILMOISTURE-L3S-SSMV-COMBINED-20160607000000-fv05.2.nc",
    "c3s": "forms/c3s_cell/0166.nc",
    "smos_l3": "forms/smos_l3/SM_OPER_MIR_CLF31A_20150507T000000_20150507T235959_300_002_7.DBL.nc",
    "gldas": "forms/gldas/GLDAS_NOAH025_3H.A20160101.0600.021.nc4",
    "era5": "forms/era5_2024/ERA5_Iraq_2024_02_01_07.nc",
    "cmip6": "forms/cmip6/mrsos_day_EC-Earth3-Veg_land-hist_r1i1p1f1_gr_19700101-19700131.nc",
    "smap_l3": "forms/smap_l2/SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001.h5",
}
RULES = [(row.key, rule) for row in PRODUCTS for rule in row.rules]
# units of flags that thresholds are compared with
FLAG_UNITS = {"ts": "Kelvin", "RMSE": "K", "frozen_prob": "%", "snow_prob": "%", "stl1": "K",
              "SoilTMP0_10cm_inst": "K", "SWE_inst": "kg m-2", "SoilTemp_tavg": "K",
              "SWE_tavg": "kg m-2", "SoilT_0_10cm": "K", "SWE": "kg m-2", "TSOIL1": "K",
              "SNOMAS": "kg m-2", "soil_temp_layer1": "K", "snow_mass": "kg m-2"}  # fmt: skip


def made(key: str) -> xr.Dataset:
    """A small file of a product, all values good but one that is missing."""
    units, flags, attrs = MADE[key]
    name = product_row(key).names[0]
    values = np.full(SHAPE, UNITS[units], np.float32)
    values[1, 2, 3] = np.nan
    ds = xr.Dataset({name: (DIMS, values, {"units": units})}, attrs=attrs)
    for flag, good in flags.items():
        dtype = np.int32 if isinstance(good, int) else np.float32
        attrs = {"units": FLAG_UNITS[flag]} if flag in FLAG_UNITS else {}
        ds[flag] = (DIMS, np.full(SHAPE, good, dtype), attrs)
    return ds


def bad_value(rule) -> float:
    """A value of the flag that the rule removes."""
    if rule.bits is not None:
        return 1 << (rule.bits.bit_length() - 1)
    if rule.values is not None:
        return rule.values[-1]
    if rule.not_values is not None:
        return max(rule.not_values) + 4
    return rule.above * 1.02 if rule.above is not None else rule.below * 0.98


def spoil(ds: xr.Dataset, key: str, rule, where=(0, 1, 2)) -> str:
    """Make one cell bad for a rule; returns the name of the soil moisture."""
    row = product_row(key)
    flag = next(f for f in rule.flag_names(row.names[0], row.stem) if f in ds)
    ds[flag].values[where] = bad_value(rule)
    ds[flag].values[1, 2, 3] = bad_value(rule)  # where the soil moisture is missing
    if flag == row.names[0]:
        ds[flag].values[1, 2, 3] = np.nan
    return row.names[0]


def test_each_row_is_tested_on_the_files_it_names():
    assert set(MADE) == {row.key for row in PRODUCTS if "made" in row.tested}
    assert set(REAL) == {row.key for row in PRODUCTS if "real" in row.tested}


@pytest.mark.parametrize("key", MADE)
def test_made_file_is_recognised_and_good_values_stay(key):
    ds = made(key)
    assert recognise(ds).key == key
    before = ds.copy(deep=True)
    out = xsm.screen(ds)
    name = product_row(key).names[0]
    np.testing.assert_array_equal(out[name], before[name])
    assert ("screening_not_applied" in out[name].attrs) is False
    xr.testing.assert_identical(ds, before)


@pytest.mark.parametrize(("key", "rule"), RULES, ids=lambda x: getattr(x, "name", x))
def test_each_rule_removes_one_bad_value_and_records_it(key, rule):
    ds = made(key)
    name = spoil(ds, key, rule)
    out = screen(ds, quality=[rule.name])
    removed = ds[name].notnull() & out[name].isnull()
    assert np.argwhere(removed.values).tolist() == [[0, 1, 2]]
    flag = out[f"{name}_screening"]
    assert flag.attrs["flag_meanings"] == rule.name
    np.testing.assert_array_equal(flag, removed.astype(int))
    assert out[name].attrs["screening_removed"] == f"{rule.name} 1"
    assert screening_counts(out, name) == {rule.name: 1}
    assert out[name].attrs["ancillary_variables"] == f"{name}_screening"
    recommended = xsm.screen(ds)
    assert bool(recommended[name].isnull()[0, 1, 2]) == rule.recommended


def smap() -> xr.Dataset:
    """One value for each combination of recommended, snow and frozen."""
    ds = made("smap_l3").isel(time=0, drop=True)
    quality = np.array([[0, 1, 5, 7], [8, 9, 15, 0], [0, 0, 0, 0]], np.uint16)
    surface = np.zeros((3, 4), np.uint16)
    surface[1, 3], surface[2, 0], surface[0, 1] = 32, 128, 256
    return ds.assign(
        retrieval_qual_flag=(("lat", "lon"), quality), surface_flag=(("lat", "lon"), surface)
    )


def test_smap_by_hand():
    out = xsm.screen(smap())
    expected = [[0, 1 | 4, 1, 1], [0, 1, 1, 2], [4, 0, 0, 0]]
    flag = out["soil_moisture_screening"]
    np.testing.assert_array_equal(flag, expected)
    np.testing.assert_array_equal(out["soil_moisture"].isnull(), np.array(expected) > 0)
    assert flag.dtype == np.uint8 and flag.attrs["flag_masks"].tolist() == [1, 2, 4]
    assert flag.attrs["flag_meanings"] == "not_recommended snow frozen"
    assert screening_counts(out, "soil_moisture") == {"not_recommended": 5, "snow": 1, "frozen": 2}
    removed = out["soil_moisture"].attrs["screening_removed"]
    assert removed == "not_recommended 5, snow 1, frozen 2"
    assert "screen(soil_moisture, product='smap_l3'" in out.attrs["history"]


def test_a_record_that_says_its_product():
    """Names and titles of C3S alone are those of ESA CCI."""
    ds = made("c3s").drop_attrs(deep=False)
    assert recognise(ds).key == "esa_cci"
    assert recognise(ds.assign_attrs(xsm_product="c3s")).key == "c3s"
    assert recognise(ds.assign_attrs(xsm_product="of a later version")).key == "esa_cci"


def test_counts_of_a_selection():
    out = xsm.screen(smap())
    assert screening_counts(out.isel(lat=2), "soil_moisture")["frozen"] == 1
    masked = out.where(out["lat"] == out["lat"][2])  # flags become floating point
    row = screening_counts(out.isel(lat=2), "soil_moisture")
    assert screening_counts(masked, "soil_moisture") == row and sum(row.values()) > 0
    with pytest.raises(VariableNotFoundError, match="not screened"):
        screening_counts(smap(), "soil_moisture")


def test_screening_twice_changes_nothing():
    once = xsm.screen(smap())
    xr.testing.assert_identical(xsm.screen(once), once)


def test_further_rules_are_added_to_the_record():
    ds = smap()
    ds["surface_flag"].values[2, 3] = 1024
    both = xsm.screen(xsm.screen(ds), quality=["dense_vegetation"])
    assert screening_counts(both, "soil_moisture") == {
        "not_recommended": 5, "snow": 1, "frozen": 2, "dense_vegetation": 1,
    }  # fmt: skip
    assert both["soil_moisture_screening"].attrs["flag_masks"].tolist() == [1, 2, 4, 8]


def test_a_record_of_screening_survives_days_that_are_inserted():
    ds = made("esa_cci").assign_coords(time=[0, 2])
    ds["flag"].values[0, 0, 0] = 1
    wider = xsm.screen(ds).reindex(time=[0, 1, 2])
    assert screening_counts(xsm.screen(wider), "sm")["snow_or_frozen"] == 1


def test_none_leaves_everything():
    ds = smap()
    assert xsm.screen(ds, quality=None) is ds
    with pytest.raises(InputError, match="open the files again with quality=None"):
        xsm.screen(xsm.screen(ds), quality=None)


def test_missing_flags_remove_nothing():
    ds = smap()
    ds["retrieval_qual_flag"] = ds["retrieval_qual_flag"].where(False)
    ds["surface_flag"] = xr.full_like(ds["surface_flag"], 65534)
    assert xsm.screen(ds)["soil_moisture"].notnull().all()


def test_an_undecoded_flag_with_a_fill_value_removes_nothing_there():
    ds = made("ascat")
    ds["ssf"] = xr.full_like(ds["ssf"], 3).assign_attrs(_FillValue=3)
    assert xsm.screen(ds, quality=["frozen"])["surface_soil_moisture"].notnull().sum() == 23


def test_fill_values_of_the_soil_moisture_are_not_counted():
    ds = made("c3s")
    ds["sm"].values[0] = -9999
    ds["flag"].values[0] = 1
    out = xsm.screen(ds)
    assert screening_counts(out, "sm")["snow_or_frozen"] == 0
    assert (out["sm"].values[0] == -9999).all()


def test_a_lacking_flag_is_named(caplog):
    ds = smap().drop_vars("surface_flag")
    with caplog.at_level("INFO", logger="xsm"):
        out = xsm.screen(ds)
    note = "snow (surface_flag bit 5, 6); frozen (surface_flag bit 7, 8)"
    assert out["soil_moisture"].attrs["screening_not_applied"] == note
    assert "not screened by snow" in caplog.text
    assert out["soil_moisture"].attrs["screening_rules"] == "not_recommended"
    with pytest.raises(VariableNotFoundError, match="'snow .surface_flag bit 5, 6.'"):
        xsm.screen(ds, quality=["snow"])
    bare = xsm.screen(ds.drop_vars("retrieval_qual_flag"))
    assert "soil_moisture_screening" not in bare
    assert "retrieval_qual_flag" in bare["soil_moisture"].attrs["screening_not_applied"]


@pytest.mark.parametrize("quality", ["good", ["frost"], 1, ("snow", "frost")])
def test_unknown_rules_list_the_rules(quality):
    with pytest.raises(InputError, match="SMAP L3 has the rules.*'not_recommended'"):
        xsm.screen(smap(), quality=quality)


def test_other_objects_are_refused():
    with pytest.raises(InputError, match="needs the flags"):
        xsm.screen(smap()["soil_moisture"])
    with pytest.raises(InputError, match="not recognised.*'smap_l3'"):
        xsm.screen(smap().rename(soil_moisture="moist"))
    with pytest.raises(VariableNotFoundError, match="var='moist'"):
        xsm.screen(smap(), var="moist")
    with pytest.raises(VariableNotFoundError, match="name the soil moisture with var="):
        xsm.screen(smap().rename(soil_moisture="moist"), product="smap_l3")


def test_a_filled_record_is_refused():
    ds = smap()
    attrs = {"flag_meanings": " ".join(FILL_FLAGS)}
    ds["soil_moisture_flag"] = xr.zeros_like(ds["surface_flag"]).assign_attrs(attrs)
    with pytest.raises(InputError, match="filled already"):
        xsm.screen(ds)


def test_own_names_with_product_and_var():
    ds = smap().rename(soil_moisture="moist")
    out = xsm.screen(ds, product="smap_l3", var="moist", quality=["frozen"])
    assert int(out["moist"].isnull().sum()) == 2


def test_evening_overpass_has_flags_of_its_own():
    ds = xr.merge([smap(), smap().rename({n: f"{n}_pm" for n in smap()})])
    ds["retrieval_qual_flag_pm"] = xr.zeros_like(ds["retrieval_qual_flag_pm"])
    out = xsm.screen(ds)
    assert screening_counts(out, "soil_moisture")["not_recommended"] == 5
    assert screening_counts(out, "soil_moisture_pm") == {
        "not_recommended": 0, "snow": 1, "frozen": 2,
    }  # fmt: skip


def test_another_algorithm_is_not_screened_by_the_flag_of_the_baseline():
    ds = smap().assign(soil_moisture_dca=smap()["soil_moisture"])
    out = xsm.screen(ds, var="soil_moisture_dca")
    attrs = out["soil_moisture_dca"].attrs
    assert attrs["screening_rules"] == "snow frozen"
    assert "retrieval_qual_flag_dca" in attrs["screening_not_applied"]
    assert "soil_moisture_screening" not in out


@pytest.mark.parametrize(("units", "value"), [("degC", -1.0), ("K", 272.0), ("Kelvins", 272.0)])
def test_thresholds_follow_the_unit_of_the_flag(units, value):
    ds = made("lprm")
    ds["ts"] = xr.full_like(ds["ts"], 25.0 if units == "degC" else 290.0).assign_attrs(units=units)
    ds["ts"].values[0, 0, 0] = value
    assert screening_counts(xsm.screen(ds), "soil_moisture_c1") == {"frozen": 1}


def test_codes_of_copernicus_in_a_fraction():
    ds = made("cgls_ssm")
    ds["ssm"] = (ds["ssm"] / 100).assign_attrs(units="1")
    ds["ssm"].values[0, 0, 0] = 1.255
    assert screening_counts(xsm.screen(ds), "ssm") == {"flag_code": 1}


def test_a_static_flag_and_a_flag_of_more_dimensions():
    ds = made("smap_l3")
    ds["surface_flag"] = smap()["surface_flag"]
    assert screening_counts(xsm.screen(ds), "soil_moisture")["frozen"] == 4
    ds["surface_flag"] = smap()["surface_flag"].expand_dims(layer=2)
    with pytest.raises(InputError, match="surface_flag has the dimensions"):
        xsm.screen(ds)


def test_dask_is_screened_lazily_and_equal():
    dask = pytest.importorskip("dask")
    expected = xsm.screen(smap())

    def no_compute(*_args, **_kwargs):
        raise AssertionError("computed while building")

    with dask.config.set(scheduler=no_compute):
        lazy = xsm.screen(smap().chunk(lat=1, lon=3))
    assert lazy["soil_moisture"].chunks == ((1, 1, 1), (3, 1))
    assert lazy["soil_moisture_screening"].chunks == ((1, 1, 1), (3, 1))
    assert "screening_removed" not in lazy["soil_moisture"].attrs
    xr.testing.assert_equal(lazy.compute(), expected)
    assert screening_counts(lazy, "soil_moisture") == screening_counts(expected, "soil_moisture")


def test_round_trip_through_a_file(tmp_path):
    ds = smap()
    # as a file without a fill value: integers could not hold what is removed
    ds["soil_moisture"].encoding = {"dtype": "int16", "scale_factor": 1e-3}
    out = xsm.screen(ds)
    out.to_netcdf(tmp_path / "screened.nc")
    with xr.open_dataset(tmp_path / "screened.nc") as back:
        xr.testing.assert_allclose(back, out)
        assert screening_counts(back, "soil_moisture") == screening_counts(out, "soil_moisture")
        xr.testing.assert_equal(xsm.screen(back), back)


def opened(real_data, key) -> xr.Dataset:
    path = real_data / REAL[key]
    if not path.exists():
        pytest.skip(f"no {path.name}")
    if path.suffix != ".h5":
        return xr.open_dataset(path)
    return xr.open_dataset(
        path, group="Soil_Moisture_Retrieval_Data", engine="netcdf4", decode_timedelta=False
    )


@pytest.mark.parametrize("key", REAL)
def test_real_file_is_recognised_and_screened(real_data, key):
    with opened(real_data, key) as ds:
        assert recognise(ds).key == key
        ds = ds.load()
        out = xsm.screen(ds)
        names = [name for name in product_row(key).names if name in ds]
        assert names
        for name in names:
            kept = out[name].notnull()
            np.testing.assert_array_equal(out[name].where(kept), ds[name].where(kept))


def test_real_smap_keeps_recommended_retrievals_only(real_data):
    with opened(real_data, "smap_l3") as ds:
        out = xsm.screen(ds.load())
        flag = ds["retrieval_qual_flag"]
        recommended = ds["soil_moisture"].notnull() & (flag.fillna(1).astype(int) % 2 == 0)
        assert int(recommended.sum()) == 592
        # three of them lie on frozen ground
        assert int(out["soil_moisture"].notnull().sum()) == 589
        assert screening_counts(out, "soil_moisture")["frozen"] == 43
        assert not (out["soil_moisture"].notnull() & ~recommended).any()


def test_real_cci_is_screened_by_its_flag_already(real_data):
    with opened(real_data, "esa_cci") as ds:
        out = xsm.screen(ds.load())
        assert set(screening_counts(out, "sm").values()) == {0}
        filled = ds.assign(sm=ds["sm"].fillna(0.2))
        counts = screening_counts(xsm.screen(filled), "sm")
        assert counts["snow_or_frozen"] == int((ds["flag"].fillna(0).astype(int) & 1).sum())
        assert counts["snow_or_frozen"] > 5000
