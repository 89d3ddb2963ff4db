"""Scores against another product: per cell, per day, per region."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import grid
from xsm.errors import InputError, TimeAxisError, UnitError
from xsm.validate import validate
from xsm.validation.product import in_box


def shifted(ds, add=0.05, noise=0.01, seed=9):
    """Another product: an offset and noise of its own."""
    rng = np.random.default_rng(seed)
    values = ds.soil_moisture + add + noise * rng.standard_normal(ds.soil_moisture.shape)
    return ds.assign(soil_moisture=values.astype(np.float32).assign_attrs(units="m3 m-3"))


def test_scores_per_cell_and_summaries():
    ds = grid()
    scores = validate(ds, shifted(ds), metrics=["bias", "ubrmsd", "pearson_r"])
    assert scores.bias.dims == ("lat", "lon") and scores.sizes["lat"] == 8
    np.testing.assert_allclose(scores.bias, -0.05, atol=0.006)
    np.testing.assert_allclose(scores.ubrmsd, 0.01, atol=0.004)
    assert (scores.n_obs == 60).all() and (scores.status == 0).all()
    weight = np.cos(np.deg2rad(scores.lat))
    mean = float(scores.bias.weighted(weight).mean())
    assert float(scores.summary_bias.sel(statistic="mean")) == pytest.approx(mean)
    assert scores.summary_bias.statistic.values.tolist() == ["mean", "p25", "median", "p75"]
    assert float(scores.summary_bias.sel(statistic="p25")) < mean
    assert scores.attrs["xsm_scores"] == "product"


def test_spatial_correlation_of_each_day_is_area_weighted():
    ds = grid(days=4)
    other = shifted(ds, noise=0.02)
    scores = validate(ds, other)
    x, y = ds.soil_moisture.values[2].ravel(), other.soil_moisture.values[2].ravel()
    weight = np.repeat(np.cos(np.deg2rad(ds.lat.values)), 10)
    cov = np.cov(x, y, aweights=weight)
    expected = cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1])
    assert scores.summary_spatial_r.dims == ("time",)
    np.testing.assert_allclose(scores.summary_spatial_r[2], expected, rtol=1e-5)


def test_the_finer_grid_goes_to_the_coarser_one():
    fine = grid(20, lat=np.arange(43.875, 40, -0.25), lon=np.arange(-4.875, 0, 0.25))
    coarse = fine.coarsen(lat=2, lon=2).mean()
    coarse.soil_moisture.attrs["units"] = "m3 m-3"
    for est, ref in ((fine, coarse), (coarse, fine)):
        scores = validate(est, ref)
        assert dict(scores.bias.sizes) == {"lat": 8, "lon": 10}
        np.testing.assert_allclose(scores.rmsd, 0, atol=1e-4)
    near = validate(fine, coarse, product={"regrid": "nearest"})
    assert float(near.rmsd.mean()) > 0.01


def test_a_region_against_the_globe():
    globe = grid(5, lat=np.arange(89.0, -90, -2.0), lon=np.arange(1.0, 360, 2.0))
    part = globe.sel(lat=slice(45, 35), lon=slice(350, 360)).isel(time=slice(1, 4))
    part = part.assign_coords(lon=part.lon - 360)
    scores = validate(part, globe)
    assert dict(scores.bias.sizes) == {"lat": part.sizes["lat"], "lon": part.sizes["lon"]}
    assert (scores.n_obs == 3).all()
    np.testing.assert_array_equal(scores.rmsd, 0)


def test_days_match_by_calendar_day():
    ds = grid(10)
    later = shifted(ds).isel(time=slice(4, None))
    later["time"] = later.time + np.timedelta64(13, "h")
    scores = validate(ds, later)
    assert (scores.n_obs == 6).all()
    np.testing.assert_allclose(scores.bias.mean(), -0.05, atol=0.005)
    noleap = ds.assign_coords(
        time=xr.date_range("2015-04-03", periods=10, calendar="noleap", use_cftime=True)
    )
    assert (validate(ds, noleap).n_obs == 8).all()


def test_regions_give_series():
    ds = grid()
    boxes = {"north": (42, 45, -6, 0), "south": (40, 42, 350, 360)}
    scores = validate(ds, shifted(ds, noise=0), product={"regions": boxes})
    assert scores.summary_region_estimate.dims == ("region", "time")
    assert scores.region.values.tolist() == ["north", "south"]
    gap = scores.summary_region_reference - scores.summary_region_estimate
    np.testing.assert_allclose(gap, 0.05, atol=1e-5)
    with pytest.raises(InputError, match="'sea' .* holds no cell"):
        validate(ds, ds, product={"regions": {"sea": (-10, 0, 0, 10)}})
    with pytest.raises(InputError, match="south, north, west, east"):
        validate(ds, ds, product={"regions": {"upside down": (45, 40, 0, 10)}})


def test_cells_have_pairs_in_their_own_strata_only():
    ds = grid(lat=np.array([45.0, 35.0, 25.0, 15.0]))
    ds["land_cover"] = (("lat", "lon"), np.repeat([[1], [1], [2], [2]], 10, axis=1))
    scores = validate(ds, shifted(ds), by=["land_cover", "month"])
    assert scores.bias.dims == ("lat", "lon", "land_cover", "month")
    assert scores.land_cover.values.tolist() == ["1", "2"]
    assert scores.n_obs.isel(lat=0, lon=0).values.tolist() == [[30, 30], [0, 0]]
    assert scores.summary_bias.dims[1:] == ("land_cover", "month")
    bands = validate(ds, shifted(ds), by="latitude_band")
    assert bands.latitude_band.values.tolist() == ["0 to 30N", "30N to 60N"]
    with pytest.raises(InputError, match="no network was found"):
        validate(ds, shifted(ds), by="network")


def test_cells_with_trouble_have_a_status():
    ds = grid()
    other = shifted(ds)
    ds.soil_moisture[:, 0, 0] = np.nan
    ds.soil_moisture[2:, 0, 1] = np.nan
    ds.soil_moisture[:, 0, 2] = 0.2
    ds.soil_moisture[30:, 0, 3] = np.nan
    other.soil_moisture[:30, 0, 3] = np.nan
    scores = validate(ds, other)
    names = np.array(scores.status.attrs["flag_meanings"].split())
    assert names[scores.status.values[0, :5]].tolist() == [
        "all_missing", "too_few_pairs", "constant_series", "no_overlap_in_time", "ok",
    ]  # fmt: skip
    assert scores.pearson_r.isnull().values[0, :5].tolist() == [True] * 4 + [False]


def test_lazy_in_lazy_out_with_equal_numbers():
    dask = pytest.importorskip("dask")
    ds, boxes = grid(), {"all": (40, 45, -6, 0)}
    other = shifted(ds)

    def compute(*_, **__):
        raise AssertionError("something was computed")

    with dask.config.set(scheduler=compute):
        lazy = validate(
            ds.chunk(time=13, lat=3), other.chunk(time=20), by="season", product={"regions": boxes}
        )
    assert lazy.bias.chunks is not None and lazy.summary_spatial_r.chunks is not None
    loaded = validate(ds, other, by="season", product={"regions": boxes})
    for name in loaded.data_vars:
        np.testing.assert_allclose(lazy[name].values, loaded[name].values, rtol=1e-5, atol=1e-7)


def test_projected_grids_without_latitudes():
    ds = grid().drop_vars(["lat", "lon"]).rename(lat="y", lon="x")
    scores = validate(ds, shifted(ds))
    assert scores.bias.dims == ("y", "x")
    np.testing.assert_allclose(scores.summary_bias.sel(statistic="mean"), -0.05, atol=0.005)


def test_what_has_nothing_in_common_is_an_error():
    ds = grid()
    with pytest.raises(TimeAxisError, match="no day in common.*2015-04-01.*2020"):
        validate(ds, grid(start="2020-01-01"))
    with pytest.raises(InputError, match="no area in common"):
        validate(ds, grid(lat=np.arange(-10.0, -14, -0.5)))
    wet = ds.assign(soil_moisture=ds.soil_moisture.assign_attrs(units="kg m-2"))
    with pytest.raises(UnitError, match="kg m-2"):
        validate(ds, wet)


@pytest.mark.parametrize(
    "box", [(-90, 90, -180, 180), (-90, 90, 0, 360), (-90, 90, -30, 330), (-90, 90, -200, 200)]
)
@pytest.mark.parametrize("first", [-180.0, 0.0])
def test_a_region_may_be_the_whole_globe(box, first):
    ds = grid(4, lat=np.arange(80.0, -90, -20), lon=np.arange(first + 10, first + 360, 20.0))
    other = shifted(ds, noise=0.02)
    scores = validate(ds, other, product={"regions": {"global": box}})
    weight = np.cos(np.deg2rad(ds.lat))
    expected = other.soil_moisture.weighted(weight).mean(["lat", "lon"])
    np.testing.assert_allclose(scores.summary_region_reference[0], expected, rtol=1e-6)


def test_positions_in_a_box():
    lon = np.array([-180.0, -90.0, 0.0, 90.0, 180.0, 270.0, 360.0])
    inside = [
        in_box(0.0, lon, (-1, 1, west, east)).tolist()
        for west, east in ((0, 90), (270, 0), (170, -170), (90, 90), (-180, 180))
    ]
    assert inside == [
        [False, False, True, True, False, False, True],
        [False, True, True, False, False, True, True],
        [True, False, False, False, True, False, False],
        [False, False, False, True, False, False, False],
        [True] * 7,
    ]
    assert not in_box(2.0, lon, (-1, 1, 0, 360)).any()
