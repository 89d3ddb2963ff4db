"""Degree of saturation times porosity."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.conventions.variables import read_variable
from xsm.errors import GridError, InputError, UnitError

LAT, LON = np.array([50.0, 40.0, 30.0]), np.array([-10.0, 0.0, 10.0, 20.0])


def saturation(values=None, **attrs) -> xr.DataArray:
    if values is None:
        values = np.arange(24, dtype=np.float32).reshape(2, 3, 4) * 4
    return xr.DataArray(
        values,
        dims=("time", "lat", "lon"),
        coords={"time": np.array(["2017-01-01", "2017-01-02"], "M8[ns]"), "lat": LAT, "lon": LON},
        name="ssm",
        attrs={"units": "%", "long_name": "degree of saturation", "valid_range": [0, 100]} | attrs,
    )


def porosity(**attrs) -> xr.DataArray:
    values = 0.3 + 0.01 * np.arange(12.0).reshape(3, 4)
    return xr.DataArray(
        values, dims=("lat", "lon"), coords={"lat": LAT, "lon": LON}, name="theta", attrs=attrs
    )


def test_percent_times_porosity():
    da = saturation()
    out = xsm.saturation_to_volumetric(da, 0.5)
    np.testing.assert_allclose(out, da * 0.005, rtol=1e-6)
    assert out.dtype == np.float32 and out.dims == da.dims and out.name == "ssm"
    assert out.attrs["units"] == "m3 m-3" and "valid_range" not in out.attrs
    assert da.attrs["units"] == "%"


def test_the_result_passes_the_door_as_volumetric():
    assert read_variable(xsm.saturation_to_volumetric(saturation(), 0.5)).to_m3m3_factor == 1.0


def test_fraction_by_its_unit():
    out = xsm.saturation_to_volumetric((saturation() / 100).assign_attrs(units="1"), 0.5)
    assert "units" in out.attrs
    np.testing.assert_allclose(out, saturation() * 0.005, rtol=1e-6)


def test_porosity_is_matched_by_labels_and_not_by_position():
    da, pores = saturation(), porosity()
    expected = da.values * 0.01 * pores.values
    for shuffled in (
        pores[::-1],
        pores.transpose(),
        pores.roll(lon=2, roll_coords=True),
        pores[:, [2, 0, 3, 1]],
        pores.assign_coords(lon=LON % 360),
    ):
        out = xsm.saturation_to_volumetric(da, shuffled)
        np.testing.assert_allclose(out, expected, rtol=1e-6)
        assert out.lon.equals(da.lon)


def test_porosity_in_percent_and_with_a_single_day():
    pores = (
        (porosity() * 100).assign_attrs(units="%").expand_dims(time=[np.datetime64("2000", "ns")])
    )
    out = xsm.saturation_to_volumetric(saturation(), pores)
    np.testing.assert_allclose(out, saturation().values * 0.01 * porosity().values, rtol=1e-5)
    assert (out.time == saturation().time).all()


@pytest.mark.parametrize("pores", [
    porosity().assign_coords(lat=LAT + 0.5), porosity().drop_vars("lat"),
    porosity().rename(lat="y"), porosity()[:2],
])  # fmt: skip
def test_porosity_on_other_cells_is_refused(pores):
    with pytest.raises(GridError):
        xsm.saturation_to_volumetric(saturation(), pores)


def test_porosity_on_other_curvilinear_cells_is_refused():
    grid = np.add.outer(LAT, LON / 10)
    da = saturation().drop_vars(["lat", "lon"]).assign_coords(latitude=(("lat", "lon"), grid))
    pores = porosity().drop_vars(["lat", "lon"]).assign_coords(latitude=(("lat", "lon"), grid))
    out = xsm.saturation_to_volumetric(da, pores)
    np.testing.assert_allclose(out, da.values * 0.01 * pores.values, rtol=1e-6)
    with pytest.raises(GridError, match="another 'latitude'"):
        xsm.saturation_to_volumetric(da, pores.assign_coords(latitude=pores["latitude"][::-1]))


def test_porosity_on_other_cells_is_regridded_on_demand():
    pores = (
        porosity().interp(lat=np.arange(25.0, 60.0, 5.0), method="linear").bfill("lat").ffill("lat")
    )
    out = xsm.saturation_to_volumetric(saturation(), pores, regrid="linear")
    np.testing.assert_allclose(out, saturation().values * 0.01 * porosity().values, rtol=1e-5)


@pytest.mark.parametrize("pores", [45, -0.1, porosity() * 100, True, "0.4"])
def test_porosity_outside_0_to_1_is_refused(pores):
    with pytest.raises(InputError, match="porosity"):
        xsm.saturation_to_volumetric(saturation(), pores)


def test_codes_above_100_percent_become_missing():
    values = saturation().values.copy()
    values[0, 0, 0] = 125.5
    values[1, 0, 0] = np.nan
    out = xsm.saturation_to_volumetric(saturation(values), 0.5)
    assert np.isnan(out.values[:, 0, 0]).all()
    assert int(out.isnull().sum()) == 2


def test_a_wrong_unit_is_refused():
    with pytest.raises(InputError, match="none of them between 0 and 100 %"):
        xsm.saturation_to_volumetric(saturation(saturation().values + 2, units="1"), 0.5)
    with pytest.raises(UnitError, match="no attribute 'units'"):
        xsm.saturation_to_volumetric(saturation().drop_attrs(), 0.5)
    with pytest.raises(UnitError, match="volumetric soil moisture already"):
        xsm.saturation_to_volumetric(saturation(units="m3 m-3"), 0.5)
    lprm = saturation().drop_attrs().assign_attrs(units="percent").rename("soil_moisture_c1")
    with pytest.raises(UnitError, match="volumetric soil moisture already"):
        xsm.saturation_to_volumetric(lprm, 0.5)


def test_a_dataset_is_refused():
    with pytest.raises(InputError, match="da is a Dataset"):
        xsm.saturation_to_volumetric(saturation().to_dataset(), 0.5)


def test_uncertainty_of_first_order():
    out = xsm.saturation_to_volumetric(
        saturation(), 0.5, uncertainty=4.0, porosity_uncertainty=0.05
    )
    expected = np.sqrt((0.04 * 0.5) ** 2 + (saturation().values * 0.01 * 0.05) ** 2)
    np.testing.assert_allclose(out["ssm_uncertainty"], expected, rtol=1e-5)
    assert out["ssm_uncertainty"].attrs["units"] == "m3 m-3"
    assert out["ssm"].attrs["ancillary_variables"] == "ssm_uncertainty"


def test_uncertainty_in_its_own_unit():
    std = xr.full_like(saturation(), 0.04).assign_attrs(units="1")
    out = xsm.saturation_to_volumetric(saturation(), 0.5, uncertainty=std)
    np.testing.assert_allclose(out["ssm_uncertainty"], 0.02, rtol=1e-5)


def test_dask_stays_lazy_and_equal():
    dask = pytest.importorskip("dask")
    values = saturation().values.copy()
    values[0, 0, 0] = 125.5
    da = saturation(values)
    expected = xsm.saturation_to_volumetric(da, porosity(), uncertainty=4.0)

    def no_compute(*_args, **_kwargs):
        raise AssertionError("computed while building")

    with dask.config.set(scheduler=no_compute):
        lazy = xsm.saturation_to_volumetric(
            da.chunk(time=1, lat=2), porosity().chunk(lat=1), uncertainty=4.0
        )
    assert lazy["ssm"].chunks is not None and lazy["ssm_uncertainty"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), expected)
