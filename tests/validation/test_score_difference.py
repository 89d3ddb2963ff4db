"""Difference of two validations over what they share."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import cell, grid, stations
from tests.validation.test_product import shifted
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation import difference


@pytest.fixture(scope="module")
def maps():
    """Two validations on grids that overlap by 4 x 6 cells, the second with small rounding."""
    ds = grid(40)
    truth = shifted(ds, add=0.02, noise=0.01)
    west, east = (
        ds.isel(lat=slice(0, 6), lon=slice(0, 8)),
        ds.isel(lat=slice(2, 8), lon=slice(2, 10)),
    )
    a = validate(west, truth, metrics=["bias", "ubrmsd"], ci="analytic")
    b = validate(
        shifted(east, 0.1, noise=0.03, seed=3), truth, metrics=["bias", "ubrmsd"], ci="analytic"
    )
    return a, b.assign_coords(lat=b.lat + 1e-6)


def test_maps_are_compared_on_their_common_area(maps):
    a, b = maps
    result = difference(a, b, names=["old", "new"])
    assert dict(result.bias_difference.sizes) == {"lat": 4, "lon": 6}
    ours = a.sel(lat=result.lat, lon=result.lon)
    theirs = b.isel(lat=slice(0, 4), lon=slice(0, 6))
    np.testing.assert_allclose(result.bias_difference, ours.bias.values - theirs.bias.values)
    # the first is 0.02 below, the second 0.08 above with more noise
    assert (result.bias_better == 1).all() and (result.bias_intervals == 2).all()
    overlap = (ours.ubrmsd_low.values <= theirs.ubrmsd_high.values) & (
        theirs.ubrmsd_low.values <= ours.ubrmsd_high.values)  # fmt: skip
    np.testing.assert_array_equal(result.ubrmsd_intervals, np.where(overlap, 1, 2))
    assert result.attrs["name_a"] == "old" and result.bias_difference.attrs["units"] == "m3 m-3"
    assert "old minus new" in result.bias_difference.attrs["long_name"]
    lazy = difference(a.chunk(), b.chunk(), names=["old", "new"])
    assert lazy.bias_better.chunks is not None
    xr.testing.assert_equal(lazy.compute(), result)


def test_products_of_one_call_are_compared_at_stations():
    ds = grid(40, lat=[44.0, 43.0], lon=[0.0, 1.0])
    sites = stations([44.0, 43.0], [0.0, 1.0], ds.time, [cell(ds, 0, 0), cell(ds, 1, 1)])
    scores = validate({"A": ds + 0.03, "B": ds - 0.01}, sites, metrics="bias",
                      several={"triples": False})  # fmt: skip
    result = difference(scores.sel(product="A"), scores.sel(product="B"))
    assert (result.attrs["name_a"], result.attrs["name_b"]) == ("A", "B")
    np.testing.assert_allclose(result.bias_difference, 0.04, atol=1e-6)
    assert result.bias_better.values.tolist() == [2, 2] and "bias_intervals" not in result


def test_what_cannot_be_compared_says_why(maps):
    a, b = maps
    with pytest.raises(InputError, match="metrics='kge'.*expected some of bias, ubrmsd"):
        difference(a, b, metrics="kge")
    with pytest.raises(InputError, match="no label of 'lat' in common"):
        difference(a, b.assign_coords(lat=b.lat + 40))
    with pytest.raises(InputError, match="expected equal ones"):
        difference(a, b.isel(lat=0))
    with pytest.raises(InputError, match="expected two different names"):
        difference(a, b, names=["x", "x"])
    gaps = a.assign(bias=a.bias.where(a.lat > 43))
    assert (difference(gaps, b).bias_better.isel(lat=-1) == 0).all()


def test_errors_of_triple_collocation_are_compared():
    """A smaller error, a larger ratio and a larger correlation are better."""
    ds = grid(200)
    others = shifted(ds, noise=0.02, seed=1), shifted(ds, noise=0.02, seed=2)
    good, bad = (validate(shifted(ds, noise=n, seed=3), others, ci=True) for n in (0.01, 0.04))
    result = difference(good, bad, names=("good", "bad")).isel(dataset=0)
    for name, sign in (("err_std", -1), ("snr_db", 1), ("r2", 1)):
        expected = good[name].isel(dataset=0) - bad[name].isel(dataset=0)
        np.testing.assert_array_equal(result[f"{name}_difference"], expected)
        assert (sign * expected > 0).all()
        assert (result[f"{name}_better"] == 1).all()
        assert (result[f"{name}_intervals"] == 2).all()
    assert result["snr_db_difference"].attrs["units"] == "dB"
    swapped = difference(bad, good, names=("bad", "good"), metrics="snr_db").isel(dataset=0)
    assert (swapped["snr_db_better"] == 2).all()
