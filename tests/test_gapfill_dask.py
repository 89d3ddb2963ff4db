"""Dask arrays: nothing is computed by the call, and the numbers are those in memory."""

import numpy as np
import pytest
import xarray as xr

import xsm

dask = pytest.importorskip("dask", reason="needs xsm[dask]")

pytestmark = pytest.mark.usefixtures("network")
SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
NAMES = (SM, UNC, FLAG)


def refuse(*args, **kwargs):
    raise AssertionError("something was computed by the call")


def lazily(ds: xr.Dataset, **options) -> xr.Dataset:
    """The result on Dask, made under a scheduler that refuses to compute."""
    with dask.config.set(scheduler=refuse):
        return xsm.gapfill(ds, **options)


def same(lazy: xr.Dataset, eager: xr.Dataset) -> None:
    """Equal to rounding; flags and gaps exactly."""
    done = lazy.compute(scheduler="synchronous")
    for name in NAMES:
        assert done[name].dtype == lazy[name].dtype == eager[name].dtype
        assert done[name].attrs.keys() == eager[name].attrs.keys()
        np.testing.assert_allclose(done[name].values, eager[name].values, rtol=2e-6, err_msg=name)
    np.testing.assert_array_equal(done[FLAG].values, eager[FLAG].values)


CHUNKS = [
    {"time": -1, "lat": -1, "lon": -1},
    {"time": 1, "lat": -1, "lon": -1},
    {"time": 5, "lat": 4, "lon": 7},
    {"time": -1, "lat": 1, "lon": 1},
    {"time": 1, "lat": 3, "lon": 16},
    {"time": (1, 1, 7, 3), "lat": (8, 1), "lon": (1, 14, 1)},
]


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_same_numbers_and_chunks_as_in_memory(record, chunks):
    lazy = lazily(record.chunk(chunks))
    for name in NAMES:
        assert lazy[name].chunks == record[SM].chunk(chunks).chunks
    same(lazy, record.sm.gapfill())


@pytest.mark.parametrize("chunks", CHUNKS[2:5], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"max_gap": "2D", "fallback": "climatology"},
        {"max_gap": 40},
        {"keep_observed": False},
        {"land": "mask"},
    ],
    ids=str,
)
def test_same_with_every_option(record, chunks, options):
    land = np.zeros((9, 16), bool)
    land[2:, 3:9] = True
    record = record.assign(mask=(("lat", "lon"), land))
    same(lazily(record.chunk(chunks), **options), record.sm.gapfill(**options))


def test_same_with_lost_days(record):
    record = record.isel(time=[0, 1, 2, 6, 7, 10, 11])
    for options in ({}, {"max_gap": 3, "fallback": "climatology"}):
        lazy = lazily(record.chunk(time=2, lat=5), **options)
        assert lazy[SM].chunks == record[SM].chunk(time=2, lat=5).chunks
        same(lazy, record.sm.gapfill(**options))


def test_same_with_other_dimensions_in_any_order(record):
    both = xr.concat([record, record * 0.5, record.roll(time=2)], "orbit")
    both = both.expand_dims(depth=2).transpose("lon", "orbit", "time", "depth", "lat")
    both[SM].attrs = record[SM].attrs
    chunked = both.chunk(lon=5, orbit=2, time=4, depth=1, lat=9)
    lazy = lazily(chunked, fallback="climatology")
    assert lazy[SM].dims == lazy[FLAG].dims == both[SM].dims
    assert lazy[SM].chunks == lazy[FLAG].chunks == chunked[SM].chunks
    same(lazy, both.sm.gapfill(fallback="climatology"))


def test_same_for_a_region_smaller_than_the_halo(record):
    region = record.isel(lat=[4], lon=[5], time=[0, 1])
    same(lazily(region.chunk(time=1)), region.sm.gapfill())
    ring = record.isel(lat=[4, 5]).coarsen(lon=4).mean()  # four columns around the globe
    ring[SM].attrs = record[SM].attrs
    same(lazily(ring.chunk(lon=2)), ring.sm.gapfill())


def test_same_in_percent_and_float64(record):
    record[SM] = (record[SM].astype("f8") * 100).assign_attrs(units="percent")
    lazy = lazily(record.chunk(time=4))
    assert lazy[SM].dtype == "f8"
    same(lazy, record.sm.gapfill())


def test_observed_values_stay_bit_for_bit(record):
    out = lazily(record.chunk(time=3)).compute(scheduler="threads")
    seen = np.isfinite(record[SM].values)
    assert out[SM].values[seen].tobytes() == record[SM].values[seen].tobytes()


def test_lazy_land_and_uncertainty_of_the_product(record):
    own = xr.full_like(record[SM], 0.03).where(np.isfinite(record[SM]))
    ds = record.assign({UNC: own})
    land = (record["lat"] < 45) & (record["lon"] < 200)
    expected = ds.sm.gapfill(land=land)
    lazy = lazily(ds.chunk(time=4, lon=6), land=land.chunk(lat=2))
    assert lazy[UNC].chunks == ds[UNC].chunk(time=4, lon=6).chunks
    same(lazy, expected)


def test_pint_around_dask(record):
    pint = pytest.importorskip("pint")
    quantity = pint.UnitRegistry().Quantity(record[SM].chunk(time=5, lat=4).data * 100, "percent")
    lazy = lazily(record.assign({SM: (record[SM].dims, quantity)}))
    expected = record.sm.gapfill()
    for name in (SM, UNC):
        assert str(lazy[name].data.units) == "percent"
        assert dask.is_dask_collection(lazy[name].data.magnitude)
        got = lazy[name].data.magnitude.compute(scheduler="synchronous")
        np.testing.assert_allclose(got / 100, expected[name], rtol=2e-6)


def test_pint_inside_dask_is_refused(record):
    pint = pytest.importorskip("pint")
    quantity = pint.UnitRegistry().Quantity(record[SM].values, "dimensionless")
    inside_out = record.assign({SM: (record[SM].dims, quantity)}).chunk(time=5)
    with pytest.raises(xsm.errors.InputError, match="chunk it before .pint.quantify"):
        lazily(inside_out)


def test_other_variables_stay_lazy_and_untouched(record):
    chunked = record.assign(other=record[SM] * 2).chunk(time=3)
    out = lazily(chunked)
    assert out["other"].data is chunked["other"].data


def test_an_undecoded_or_wrong_variable_is_found_without_computing(record):
    record[SM].attrs["units"] = "K"
    with pytest.raises(xsm.errors.UnitError):
        lazily(record.chunk())
    record[SM].attrs |= {"units": "percent", "_FillValue": -9999}
    with pytest.raises(xsm.errors.InputError, match="not decoded"):
        lazily(record.chunk())


def test_a_part_asks_for_a_part_of_the_blocks(record, network):
    lazy = lazily(record.chunk(time=6, lat=3, lon=4))
    lazy[SM][:6, 6:, 8:12].compute(scheduler="synchronous")
    part = network.fill_block
    lazy[SM].compute(scheduler="synchronous")
    assert 0 < part < (network.fill_block - part) / 2
