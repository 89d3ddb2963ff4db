"""Samples of a fit: which cells and days come, in which units, and what is refused."""

import numpy as np
import pytest
import xarray as xr

from tests.estimation.worlds import world
from xsm.errors import GridError, InputError
from xsm.estimation.samples import read_samples


def test_sequences_hold_the_predictors_of_their_cell():
    ds = world()
    samples = read_samples(ds, "soil", ["lst", "sand", "precipitation"])
    assert samples.x.shape == (20, 60, 3) and samples.y.shape == (20, 60)
    assert [row["name"] for row in samples.rows] == ["lst", "sand", "precipitation"]
    assert [row["static"] for row in samples.rows] == [False, True, False]
    cell = ds.sel(lat=samples.lat[7], lon=samples.lon[7])
    np.testing.assert_array_equal(samples.x[7, :, 0], cell.lst)
    np.testing.assert_array_equal(samples.x[7, :, 1], np.full(60, cell.sand.item(), np.float32))
    np.testing.assert_allclose(samples.y[7], cell.soil)
    assert samples.period == ("2019-12-01", "2020-01-29")
    assert samples.title == "soil"


def test_the_order_of_dimensions_does_not_matter():
    ds = world()
    one, two = (read_samples(d, "soil", ["lst", "sand"]) for d in (ds, ds.transpose(..., "lat")))
    order = np.lexsort((two.lon, -two.lat))
    np.testing.assert_array_equal(two.x[order], one.x)
    np.testing.assert_array_equal(two.y[order], one.y)


def test_cells_without_a_static_predictor_or_a_target_are_left_out():
    ds = world()
    ds["sand"][0, 0] = np.nan
    ds["soil"][:, 1, 1] = np.nan
    samples = read_samples(ds, "soil", None)
    assert samples.y.shape == (18, 60)
    cells = set(zip(samples.lat.tolist(), samples.lon.tolist(), strict=True))
    assert (50.0, 0.0) not in cells and (47.0, 3.0) not in cells


def test_days_that_the_record_lacks_are_missing_targets():
    ds = world().drop_isel(time=[20, 21])
    samples = read_samples(ds, "soil", ["lst", "sand"], max_interp_gap=1)
    assert samples.y.shape == (20, 60)
    assert np.isnan(samples.y[:, 20:22]).all() and samples.targets == 58 * 20
    assert np.isnan(samples.x[:, 20:22, 0]).all()
    filled = read_samples(ds, "soil", ["lst", "sand"], max_interp_gap=2)
    assert np.isfinite(filled.x).all()
    assert {row["max_interp_gap"] for row in filled.rows} == {2}


def test_cells_without_coordinates_are_numbered():
    ds = world().drop_vars(["lat", "lon"])
    samples = read_samples(ds, "soil", None)
    assert np.unique(samples.lat).tolist() == [0, 1, 2, 3]
    assert np.unique(samples.lon).tolist() == [0, 1, 2, 3, 4]


def test_what_is_refused():
    ds = world()
    for options, wanted in (
        ({"stride": 0}, "stride=0: expected a whole number, 1 or more"),
        ({"stride": True}, "stride=True"),
        ({"max_interp_gap": -1}, "max_interp_gap=-1: expected a whole number, 0 or more"),
    ):
        with pytest.raises(InputError, match=wanted):
            read_samples(ds, "soil", None, **options)
    with pytest.raises(InputError, match="expected a Dataset"):
        read_samples(ds.lst, "soil", None)
    with pytest.raises(InputError, match="target='no' is no variable"):
        read_samples(ds, "no", None)
    with pytest.raises(InputError, match="features='lst': expected a list"):
        read_samples(ds, "soil", "lst")
    with pytest.raises(InputError, match="soil goes from .* expected 0 to 1"):
        read_samples(ds.assign(soil=(ds.soil * 20).assign_attrs(units="m3 m-3")), "soil", None)
    moved = ds.soil.assign_coords(lat=ds.lat + 0.5)
    with pytest.raises(InputError, match="has other lat than the predictors"):
        read_samples(ds.drop_vars("soil"), moved, None)
    later = ds.soil.assign_coords(time=ds.time + np.timedelta64(400, "D"))
    with pytest.raises(InputError, match="no day in common"):
        read_samples(ds.drop_vars("soil"), later, None)
    with pytest.raises(InputError, match="has the dimensions"):
        read_samples(ds.drop_vars("soil"), ds.soil.expand_dims(layer=2), None)
    with pytest.raises(InputError, match="no predictor is known among"):
        read_samples(xr.Dataset({"a": ds.soil.astype(str)}), ds.soil, None)


def test_a_target_of_its_own_is_matched_by_its_labels_and_read_like_any_record():
    ds = world()
    expected = read_samples(ds, "soil", ["lst", "sand"])
    stored = ds["soil"].isel(lat=slice(None, None, -1)).assign_coords(lon=ds["lon"] + 360)
    percent = (stored * 100).assign_attrs(units="percent")
    for target in (stored, percent):
        samples = read_samples(ds.drop_vars("soil"), target, ["lst", "sand"])
        np.testing.assert_allclose(samples.y, expected.y, rtol=1e-6)
        np.testing.assert_array_equal(samples.x, expected.x)
    undecoded = ds["soil"].assign_attrs(_FillValue=-9999.0)
    with pytest.raises(InputError, match="soil is not decoded: _FillValue"):
        read_samples(ds.drop_vars("soil"), undecoded, ["lst", "sand"])


def test_stations_are_matched_by_their_labels():
    """In any order, also by names; a target without labels could be of other cells."""
    ds = world().stack(station=("lat", "lon")).reset_index("station")
    names = [f"site {n}" for n in range(ds.sizes["station"])]
    order = np.random.default_rng(0).permutation(len(names))
    for labelled in (ds.assign_coords(station=names), world().stack(station=("lat", "lon"))):
        expected = read_samples(labelled, "soil", ["lst", "sand"])
        x, y = labelled.drop_vars("soil"), labelled["soil"].isel(station=order)
        found = read_samples(x, y, ["lst", "sand"])
        np.testing.assert_array_equal(found.y, expected.y)
        np.testing.assert_array_equal(found.x, expected.x)
    named = ds.assign_coords(station=names)
    with pytest.raises(InputError, match=r"predictors.sel\(station=target"):
        read_samples(named.drop_vars("soil"), named["soil"].isel(station=order[:9]), None)


@pytest.mark.parametrize("rows", [slice(None, None, -1), slice(0, 3)])
def test_a_target_without_labels_is_refused(rows):
    ds = world()
    with pytest.raises(GridError, match="target 'soil'.*no coordinate 'lat'.*by their order"):
        read_samples(ds.drop_vars("soil"), ds["soil"].isel(lat=rows).drop_vars("lat"), None)
    if rows.step is None:
        bare = ds.drop_vars(["lat", "lon"])
        with pytest.raises(GridError, match="target 'soil' has 3 lat, 'lst' has 4"):
            read_samples(bare.drop_vars("soil"), bare["soil"].isel(lat=rows), None)


def test_a_target_of_other_dimensions_is_refused():
    ds = world()
    members = xr.concat([ds.drop_vars("soil")] * 2, "member")
    for x, y in ((members, ds["soil"]), (ds.drop_vars("soil"), ds["soil"].isel(lat=0, lon=0))):
        with pytest.raises(InputError, match="target 'soil' has the dimensions .* expected the s"):
            read_samples(x, y, None)


def test_a_predictor_that_is_mostly_missing_is_told(caplog):
    """Such as a constant with the date of its file."""
    ds = world()
    dated = ds["sand"].expand_dims(time=ds.time[:1])
    read_samples(ds, "soil", None)
    assert "predictor" not in caplog.text
    read_samples(ds.drop_vars("sand").merge(dated, join="outer"), "soil", None)
    assert "predictor 'sand' has values on" in caplog.text and "isel(time=0" in caplog.text


OFFSETS = {"1e5 +- 10": (1e5, 10.0, float), "1e9 +- 10": (1e9, 10.0, float),
           "-3e8 +- 1": (-3e8, 1.0, float), "numbers": (10**9, 100, np.int64)}  # fmt: skip


@pytest.mark.parametrize("chunks", [None, {"lat": 2, "time": 20}])
@pytest.mark.parametrize("case", OFFSETS)
def test_a_small_variation_about_a_large_mean_is_kept(case, chunks):
    offset, amplitude, dtype = OFFSETS[case]
    ds = world()
    wave = np.random.default_rng(1).standard_normal(ds["lst"].shape)
    large = (offset + amplitude * wave).astype(dtype)
    large[3, 0] = -(2.0**30) if offset < 0 else -9999
    least = large[np.abs(large - offset) < 6 * amplitude].min()
    ds["height"] = (ds["lst"].dims, large, {"units": "mm", "valid_min": least})
    given = ds if chunks is None else ds.chunk(chunks)
    samples = read_samples(given, "soil", ["height", "sand"], max_interp_gap=0)
    row = samples.rows[0]
    assert row["reference"] == pytest.approx(offset, abs=amplitude)
    expected = (large - row["reference"]).transpose(1, 2, 0).reshape(20, 60)
    expected[:5, 3] = np.nan
    np.testing.assert_allclose(samples.x[:, :, 0], expected, rtol=1e-6, atol=1e-6)


def test_a_predictor_that_float32_holds_is_left_as_it_is():
    ds = world()
    ds["pressure"] = (1e5 + 100 * (ds["lst"] - 285).astype(float)).assign_attrs(units="Pa")
    ds["constant"] = xr.full_like(ds["pressure"], 1e9).assign_attrs(units="1")
    samples = read_samples(ds, "soil", ["pressure", "constant", "lst"])
    assert not any("reference" in row for row in samples.rows)
    np.testing.assert_allclose(samples.x[0, :, 0], ds["pressure"][:, 0, 0], rtol=1e-7)


def test_predictors_of_a_fitted_model_come_in_its_units_and_less_its_references():
    ds = world()
    ds["height"] = (1e6 + ds["lst"].astype(float)).assign_attrs(units="m")
    fitted = read_samples(ds, "soil", ["lst", "height"])
    assert "reference" in fitted.rows[1]
    part = ds.isel(time=slice(9)).assign(height=(ds["height"] / 1000).assign_attrs(units="km"))
    found = read_samples(part, "soil", None, fitted=fitted.rows)
    assert [row["units"] for row in found.rows] == ["K", "m"]
    np.testing.assert_allclose(found.x, fitted.x[:, :9], rtol=1e-5, atol=1e-3)
