"""Fill values that a file does not name, and ranges in packed and in decoded numbers."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.conventions.variables import to_m3m3
from xsm.opening.missing_values import mask_missing
from xsm.opening.volumetric import mass_to_volumetric

FILLS = (-9999.0,)


def array(values, **attrs):
    return xr.DataArray(np.asarray(values, np.float32), dims="x", name="sm", attrs=attrs)


def test_sentinels_by_product_attribute_and_size():
    da = array([0.1, -9999, -32767, 1e20, 9.97e36, np.nan], _FillValue=-32767.0)
    out = mask_missing(da, FILLS)
    np.testing.assert_array_equal(out, np.float32([0.1, *[np.nan] * 5]))
    assert "_FillValue" not in out.attrs and "_FillValue" in da.attrs


@pytest.mark.parametrize(
    "attrs",
    [{"valid_range": np.float32([0.02, 0.5])}, {"valid_min": 0.02, "valid_max": np.float32(0.5)}],
)
def test_range_in_the_precision_of_the_values(attrs):
    out = mask_missing(array([0.02, 0.5, 0.019, 0.51], **attrs), FILLS)
    np.testing.assert_array_equal(np.isnan(out), [False, False, True, True])
    assert not out.attrs


def test_packed_range_is_decoded_and_a_decoded_one_is_not():
    da = array([100.0, 125.5])
    da.encoding = {"dtype": np.dtype("u1"), "scale_factor": 0.5, "add_offset": 0.0}
    packed = da.assign_attrs(valid_range=np.array([0, 200], np.uint8))
    packed.encoding = da.encoding
    assert np.isnan(mask_missing(packed, ())).values.tolist() == [False, True]
    decoded = da.assign_attrs(valid_range=np.array([0, 100], np.float32))
    decoded.encoding = da.encoding
    assert np.isnan(mask_missing(decoded, ())).values.tolist() == [False, True]


def test_integers_and_dask():
    da = xr.DataArray(np.array([12, -9999], np.int16), dims="x")
    assert mask_missing(da, FILLS).dtype == np.float32
    lazy = mask_missing(array([0.1, -9999.0]).chunk(), FILLS)
    assert lazy.chunks is not None and int(lazy.count()) == 1


def test_codes_are_no_observations():
    da = array([20.0, 120.5], flag_values=np.float32([120.5, 121]), flag_meanings="water slope")
    out = mask_missing(da, (), 0.01)
    assert np.isnan(out).values.tolist() == [False, True] and not out.attrs


def test_a_range_that_is_none_is_ignored():
    out = mask_missing(array([0.1, 0.4], valid_min=0.0, valid_max=0.0), FILLS)
    assert int(out.count()) == 2


def test_a_range_that_may_be_in_another_unit_stays_for_the_record(caplog):
    """A file of one dry day does not tell whether 0 to 11 percent is right."""
    da = array([5.0, 40.0, 254.0, -9999.0], units="percent", valid_range=np.float32([0, 11]))
    for given in (da, da.chunk()):
        out = mask_missing(given, (), 0.01)
        np.testing.assert_array_equal(out, np.float32([5.0, 40.0, np.nan, np.nan]))
        assert out.attrs == {"units": "percent", "valid_min": 0.0, "valid_max": 11.0}
    std = array([0.01, 0.2], valid_max=0.05)
    np.testing.assert_array_equal(mask_missing(std, (), None), np.float32([0.01, np.nan]))
    caplog.clear()
    out = mask_missing(array([5.0], valid_range=np.float32([0, 1])), (), 0.01)
    assert float(out[0]) == 5.0 and "no soil moisture fits: the range is not used" in caplog.text


def test_a_range_of_another_unit_in_files(tmp_path):
    values = np.random.default_rng(1).uniform(2, 45, (2, 3, 3)).astype(np.float32)
    paths = []
    for day in range(2):
        ds = xr.Dataset(
            {"sm": (("time", "lat", "lon"), values[day : day + 1])},
            {"time": [np.datetime64("2020-01-01") + day], "lat": [3, 2, 1], "lon": [1, 2, 3]},
        )
        ds["sm"].attrs = {"units": "percent", "valid_max": np.float32(11)}
        paths.append(tmp_path / f"sm_{day}.nc")
        ds.to_netcdf(paths[-1])
    opened = xsm.open_record(paths, chunks=None)
    np.testing.assert_array_equal(opened["sm"], values)
    assert not np.isnan(to_m3m3(opened["sm"])).any()  # not used, with a warning
    layers = opened["sm"].assign_attrs(units="kg m-2")
    assert mass_to_volumetric(layers, 0.1).attrs["valid_max"] == pytest.approx(0.11)
