"""Real files as their users open them; skipped where they are not (XSM_DATA)."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.errors import TimeAxisError, UnitError

pytestmark = pytest.mark.usefixtures("network")


def opened(path) -> xr.Dataset:
    with xr.open_dataset(path) as ds:
        return ds.load()


def check(ds: xr.Dataset, out: xr.Dataset, name: str) -> None:
    """Observed values bit for bit, plausible ones in the gaps, nothing over sea."""
    before, after, flag = ds[name].values, out[name].values, out[f"{name}_flag"].values
    seen = np.isfinite(before)
    assert after[seen].tobytes() == before[seen].tobytes()
    filled = flag == 1
    assert filled.sum() > 500
    low, high = np.nanmin(before), np.nanmax(before)
    assert after[filled].min() >= low - 1e-6 and after[filled].max() <= high + 1e-6
    assert np.isnan(after[flag >= 3]).all()
    assert (out[f"{name}_uncertainty"].values[filled] > 0).all()
    assert out[name].encoding == ds[name].encoding
    assert out[name].dims == ds[name].dims


def test_amsr2_month(real_data):
    ds = opened(real_data / "amsr2_lprm" / "lprm_amsr2_x_descending_201504_partial.nc")
    ds = ds.isel(time=slice(12), lat=slice(180, 260), lon=slice(680, 780))
    out = ds.sm.gapfill()
    check(ds, out, "soil_moisture_x")
    assert out["soil_moisture_x_uncertainty"].attrs["units"] == "percent"


def test_amsr2_granule_has_no_day(real_data):
    path = real_data / "amsr2_lprm" / "LPRM-AMSR2_L3_D_SOILM3_V001_20150401013507.nc4"
    ds = opened(path)
    with pytest.raises(TimeAxisError, match="is 2015-04-01.*preprocess=xsm.add_day"):
        ds.sm.gapfill()
    one = xsm.add_day(ds).isel(Longitude=slice(700, 760), Latitude=slice(150, 200))
    assert not (one.sm.gapfill()["soil_moisture_c1_flag"] == 1).any()  # all that was ever seen
    out = one.sm.gapfill(land=np.ones((50, 60), bool))
    check(one, out, "soil_moisture_c1")
    assert out["soil_moisture_c1"].dims == ("time", "Longitude", "Latitude")
    assert (out["time"].values == np.datetime64("2015-04-01")).all()


def test_esa_cci_passive_days(real_data):
    days = sorted((real_data / "esa_cci_sm").glob("*PASSIVE*.nc"))
    parts = [opened(p).isel(lat=slice(360, 480), lon=slice(780, 860)) for p in days]
    ds = xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="override")
    ds = ds if ds.sizes["time"] == len(days) else xr.concat(parts, "time")
    assert ds["sm"].sizes["time"] == 5
    out = ds.sm.gapfill()
    check(ds, out, "sm")
    # the product's own uncertainty stays where it observed
    seen = np.isfinite(ds["sm"].values)
    np.testing.assert_array_equal(
        out["sm_uncertainty"].values[seen], ds["sm_uncertainty"].values[seen]
    )
    xr.testing.assert_identical(out["flag"], ds["flag"])


def test_esa_cci_active_is_a_degree_of_saturation(real_data):
    (path,) = (real_data / "esa_cci_sm").glob("*ACTIVE*.nc")
    with pytest.raises(UnitError, match="degree of saturation.*Percent of Saturation"):
        opened(path).sm.gapfill()


def test_c3s_days(real_data):
    days = sorted((real_data / "c3s_sm").glob("*2014010*.nc"))
    parts = [opened(p).isel(lat=slice(100, 180), lon=slice(700, 800)) for p in days]
    ds = xr.concat(
        parts, "time", data_vars="all", coords="minimal", compat="override", join="exact"
    )
    assert ds["sm"].sizes["time"] == 2
    check(ds, xsm.gapfill(ds), "sm")


def test_smap_conus(real_data):
    ds = opened(real_data / "smap_conus" / "smap_nldas_conus_2015_2018.nc")
    ds = ds.isel(time=slice(60))
    with pytest.raises(xsm.errors.VariableNotFoundError, match="'SMAP_AM'"):
        ds.sm.gapfill()
    check(ds, ds.sm.gapfill(var="SMAP_AM"), "SMAP_AM")
