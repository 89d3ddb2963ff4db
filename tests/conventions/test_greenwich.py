"""A region across Greenwich whose longitudes are counted 0..5, 350..360, with a hole between."""

import numpy as np
import pytest
import xarray as xr

from tests.estimation.worlds import any_model, world
from xsm.conventions.grid import layout_of
from xsm.errors import GridError
from xsm.training import fit_gapfill as fitting

SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"


@pytest.fixture
def region(record) -> xr.Dataset:
    """Sixteen columns from 352.5 to 3.75 degrees, as they lie."""
    return record.assign_coords(lon=("lon", (352.5 + 0.75 * np.arange(16)) % 360))


def test_the_seam_is_found_and_a_hole_is_none(region):
    counted = region.sortby("lon")
    assert layout_of(region[SM]).lon_origin == 0
    assert layout_of(counted[SM]).lon_origin == 6
    assert layout_of(counted[SM].isel(lon=slice(None, None, -1))).lon_origin == 10
    date_line = counted.assign_coords(lon=counted["lon"] - 180)
    assert layout_of(date_line[SM]).lon_origin == 6
    with_hole = region.assign_coords(lon=np.r_[10:18, 40:48])
    assert layout_of(with_hole[SM]).lon_origin == 0
    wide = region.assign_coords(lon=np.r_[0:80:10.0, 280:360:10.0])
    assert layout_of(wide[SM]).lon_origin == 8
    apart = region.assign_coords(lon=np.r_[20:28, 300:308])
    with pytest.raises(GridError, match="neither increasing nor decreasing: 27 is followed by 300"):
        layout_of(apart[SM])


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("chunks", [None, {"time": 5, "lon": 5}], ids=["memory", "dask"])
def test_gapfill_gives_the_same_in_the_order_of_the_user(region, chunks):
    land = xr.DataArray(np.arange(9 * 16).reshape(9, 16) % 5 > 0, dims=("lat", "lon"))
    land = land.assign_coords(lon=region["lon"])
    counted = region.sortby("lon")
    given = counted if chunks is None else counted.chunk(chunks)
    options = {"max_gap": 3, "fallback": "climatology"}
    out = given.sm.gapfill(land=land.sortby("lon"), **options)
    expected = region.sm.gapfill(land=land, **options).sortby("lon")
    assert out[SM].chunks == given[SM].chunks
    np.testing.assert_array_equal(out["lon"], counted["lon"])
    for name in (SM, UNC, FLAG):
        np.testing.assert_allclose(out[name], expected[name], rtol=2e-6)
        if chunks is not None:
            assert out[name].chunks == given[SM].chunks


def test_validate_gives_the_same_in_the_order_of_the_user(region):
    other = region + 0.01
    other[SM].attrs = region[SM].attrs
    expected = region.sm.validate(other, min_pairs=1)
    for reference in (other, other.sortby("lon")):
        scores = region.sortby("lon").sm.validate(reference, min_pairs=1)
        np.testing.assert_array_equal(scores["lon"], region["lon"].sortby("lon"))
        np.testing.assert_allclose(scores["bias"], expected["bias"].sortby("lon"), rtol=1e-6)


def test_estimate_takes_columns_in_any_order():
    ds = world()
    lon = (358 + np.arange(ds.sizes["lon"])) % 360.0
    ds = ds.assign_coords(lon=("lon", lon, ds["lon"].attrs))
    expected = ds.sm.estimate(model=any_model()).sortby("lon")
    xr.testing.assert_allclose(ds.sortby("lon").sm.estimate(model=any_model()), expected)


def test_fit_learns_from_neighbours_as_they_lie(region, monkeypatch):
    monkeypatch.setattr(fitting, "MIN_OBSERVATIONS", 100)
    (values,), _, wrap = fitting._records(region.sortby("lon"), None)
    np.testing.assert_array_equal(values, region[SM].values)
    assert not wrap
