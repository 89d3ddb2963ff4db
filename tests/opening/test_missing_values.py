"""Fill values that a file does not name, and ranges in packed and in decoded numbers."""

import numpy as np
import pytest
import xarray as xr

from xsm.opening.missing_values import mask_missing

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
