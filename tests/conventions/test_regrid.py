"""Two grids made one: area means, nearest cells, what has no area in common."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import grid
from xsm.conventions.record import gridded_record
from xsm.conventions.regrid import (
    coarsest,
    cropped,
    edges,
    on_grid,
    on_record,
    overlaps,
    same_grid,
    uncertainty_on_record,
)
from xsm.errors import GridError, InputError, TimeAxisError

FINE_LAT, FINE_LON = np.arange(43.875, 40.0, -0.25), np.arange(-4.875, 0.0, 0.25)
COARSE_LAT, COARSE_LON = np.arange(43.75, 40.0, -0.5), np.arange(-4.75, 0.0, 0.5)


def pair(days=3):
    fine = grid(days, lat=FINE_LAT, lon=FINE_LON)
    coarse = grid(days, lat=COARSE_LAT, lon=COARSE_LON, seed=1)
    return gridded_record(fine), gridded_record(coarse)


def test_overlaps_of_edges():
    own = edges(np.array([0.5, 1.5, 2.5, 3.5]))
    target = edges(np.array([1.0, 3.0]))
    np.testing.assert_allclose(
        overlaps(own, target).toarray(), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    )
    around = overlaps(edges(np.array([0.5, 1.5])), edges(np.array([-359.5, 1.5])), around=360.0)
    assert around.toarray()[0, 0] > 0


def test_conservative_is_the_area_weighted_mean_of_the_cells():
    fine, coarse = pair()
    out = on_grid(fine, coarse, np.arange(3), "conservative")
    assert out.dims == ("time", "lat", "lon") and out.shape[1:] == (8, 10)
    weight = np.diff(-np.sin(np.deg2rad(44.0 - 0.25 * np.arange(3))))
    block = fine.da.values[:, :2, :2].mean(axis=2)
    np.testing.assert_allclose(out[:, 0, 0], block @ (weight / weight.sum()), rtol=1e-6)


def test_conservative_keeps_the_mean_of_the_whole():
    fine, coarse = pair()
    out = on_grid(fine, coarse, np.arange(3), "conservative").values

    def mean(values, lat):
        step = abs(lat[1] - lat[0]) / 2
        weight = np.sin(np.deg2rad(lat + step)) - np.sin(np.deg2rad(lat - step))
        return (values.mean(axis=2) * weight).sum(axis=1) / weight.sum()

    np.testing.assert_allclose(mean(out, COARSE_LAT), mean(fine.da.values, FINE_LAT), rtol=1e-6)


def test_half_a_cell_must_be_observed():
    fine, coarse = pair()
    values = fine.da.values.copy()
    values[0, :2, 0] = np.nan  # half of the first coarse cell
    values[1, :2, 0] = values[1, 0, 1] = np.nan  # three quarters of it
    fine = gridded_record(fine.da.copy(data=values))
    out = on_grid(fine, coarse, np.arange(3), "conservative")
    weight = np.diff(-np.sin(np.deg2rad(44.0 - 0.25 * np.arange(3))))
    expected = values[0, :2, 1] @ (weight / weight.sum())
    np.testing.assert_allclose(out[0, 0, 0], expected, rtol=1e-6)
    assert np.isnan(out[1, 0, 0]) and np.isfinite(out[2, 0, 0])


def test_longitudes_from_zero_and_either_latitude():
    fine, coarse = pair()
    expected = on_grid(fine, coarse, np.arange(3), "conservative")
    turned = fine.da.assign_coords(lon=fine.da.lon % 360).isel(lat=slice(None, None, -1))
    out = on_grid(gridded_record(turned), coarse, np.arange(3), "conservative")
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    near = on_grid(gridded_record(turned), coarse, np.arange(3), "nearest")
    np.testing.assert_array_equal(near, on_grid(fine, coarse, np.arange(3), "nearest"))


def test_nearest_takes_one_cell_and_leaves_the_outside_empty():
    fine, coarse = pair()
    small = gridded_record(fine.da.isel(lat=slice(4, None)))
    out = on_grid(small, coarse, np.arange(3), "nearest").values
    assert np.isnan(out[:, :2]).all()
    row = int(np.abs(FINE_LAT - 42.75).argmin())
    assert out[0, 2, 0] in fine.da.values[0, row - 1 : row + 2, :2]


def test_a_part_of_the_same_grid_is_cut_bit_for_bit():
    whole = gridded_record(grid(3, lat=FINE_LAT, lon=FINE_LON))
    part = gridded_record(grid(3, lat=FINE_LAT[3:9], lon=FINE_LON[2:7], seed=5))
    out = on_grid(whole, part, np.arange(3), "conservative")
    np.testing.assert_array_equal(out, whole.da.values[:, 3:9, 2:7])


def test_lazy_in_lazy_out():
    pytest.importorskip("dask")
    fine, coarse = pair()
    lazy = gridded_record(fine.da.chunk(time=2, lat=5))
    for method in ("conservative", "nearest"):
        out = on_grid(lazy, coarse, np.arange(3), method)
        assert out.chunks is not None
        np.testing.assert_array_equal(out.compute(), on_grid(fine, coarse, np.arange(3), method))


def test_curvilinear_grids_go_by_the_nearest_cell():
    fine, coarse = pair()
    lat, lon = np.meshgrid(FINE_LAT, FINE_LON, indexing="ij")
    da = xr.DataArray(fine.da.values, dims=("time", "y", "x"), attrs={"units": "m3 m-3"})
    da = da.assign_coords(time=fine.time.values, lat=(("y", "x"), lat), lon=(("y", "x"), lon))
    swath = gridded_record(da.rename("soil_moisture"))
    out = on_grid(swath, coarse, np.arange(3), "nearest")
    assert out.shape == (3, 8, 10) and np.isfinite(out.values).all()
    with pytest.raises(GridError, match="regrid='nearest'"):
        on_grid(swath, coarse, np.arange(3), "conservative")
    back = on_grid(coarse, swath, np.arange(3), "nearest")
    np.testing.assert_array_equal(back[:, 0, 0], coarse.da[:, 0, 0])


def test_coarser_same_and_cropped():
    fine, coarse = pair()
    assert coarsest([fine, coarse]) is coarse
    assert same_grid(fine, fine) and not same_grid(fine, coarse)
    globe = gridded_record(grid(2, lat=np.arange(89.5, -90, -1.0), lon=np.arange(-179.5, 180, 1.0)))
    cut = cropped(globe, [fine, globe])
    assert cut.da.shape == (2, 4, 5)
    assert cut.lat.values.tolist() == [43.5, 42.5, 41.5, 40.5]


def test_no_area_in_common_is_an_error():
    fine, _ = pair()
    far = gridded_record(grid(3, lat=COARSE_LAT, lon=COARSE_LON + 90))
    for method in ("conservative", "nearest"):
        with pytest.raises(InputError, match="no area in common.*E"):
            on_grid(fine, far, np.arange(3), method)
    with pytest.raises(InputError, match="no area in common"):
        cropped(far, [fine, far])
    with pytest.raises(InputError, match="regrid='bilinear'"):
        on_grid(fine, far, np.arange(3), "bilinear")


def test_a_grid_without_coordinates_is_not_laid_on_one_with_them():
    fine, _ = pair()
    bare = gridded_record(grid(3, lat=FINE_LAT, lon=FINE_LON).drop_vars(["lat", "lon"]))
    assert same_grid(bare, bare) and not same_grid(bare, fine) and not same_grid(fine, bare)
    with pytest.raises(GridError, match="has no latitudes and longitudes"):
        on_grid(bare, fine, np.arange(3), "conservative")


@pytest.mark.parametrize("chunks", [None, {"time": 2}])
def test_a_field_comes_on_the_days_and_cells_of_a_record(chunks):
    ds = grid(6, lat=FINE_LAT, lon=FINE_LON)
    field = ds.isel(time=slice(2, None)).sortby("lat").transpose("lon", "time", "lat")
    field = field if chunks is None else field.chunk(chunks)
    record = gridded_record(ds)
    out = on_record(field, record, "background")
    assert (out.chunks is not None) == (chunks is not None)
    assert np.isnan(out[:2]).all()
    np.testing.assert_array_equal(out[2:], record.da[2:])
    by_name = on_record(record.name, record, "background")
    np.testing.assert_array_equal(by_name, record.da)
    coarse = grid(6, lat=COARSE_LAT, lon=COARSE_LON, seed=1)
    out = on_record(coarse, record, "background")
    np.testing.assert_allclose(out[:, ::2, ::2], gridded_record(coarse).da, rtol=1e-6)
    np.testing.assert_allclose(out[:, 1::2, 1::2], out[:, ::2, ::2], rtol=1e-6)


def test_a_field_that_does_not_fit_is_refused():
    ds = grid(3, lat=FINE_LAT, lon=FINE_LON)
    record = gridded_record(ds)
    with pytest.raises(InputError, match="background='no' is no variable of the input"):
        on_record("no", record, "background")
    later = ds.assign_coords(time=ds.time + np.timedelta64(400, "D"))
    with pytest.raises(TimeAxisError, match="background: .* no day in common"):
        on_record(later, record, "background")


def test_an_uncertainty_has_a_valid_range_of_its_own():
    """That of the values would leave out small errors, and that of the errors undecoded numbers."""
    fine, _ = pair()
    da = fine.da.assign_attrs(valid_range=[0.02, 0.6])
    std = xr.full_like(da, 0.01).where(da > 0.2, -9999.0)
    std.attrs = {"units": "m3 m-3", "valid_min": 0.0}
    ds = xr.Dataset({"sm": da, "sm_uncertainty": std})
    out = uncertainty_on_record(ds, "sm", fine, "background")
    expected = xr.full_like(da, 0.01).where(da > 0.2).transpose(*out.dims)
    np.testing.assert_allclose(out, expected.values)
