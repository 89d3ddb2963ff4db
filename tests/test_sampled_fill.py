"""Samples of a fill: ``gapfill(samples=...)``."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm import sampled_fill
from xsm.conventions.cf import BY_CLIMATOLOGY, FILLED, OBSERVED
from xsm.errors import InputError
from xsm.gapfilling import background
from xsm.gapfilling.correlated_errors import LENGTHS, PHI, CellGrid, Stream
from xsm.gapfilling.error_samples import NEAR, RectifiedNormal, SampleTask, rectified

pytestmark = pytest.mark.usefixtures("network")
SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
SAMPLES = "soil_moisture_samples"
dask = pytest.importorskip("dask", reason="needs xsm[dask]")


def refuse(*args, **kwargs):
    raise AssertionError("something was computed by the call")


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_observed_values_are_the_same_in_each_sample(record):
    out = record.sm.gapfill(samples=4)
    assert out[SAMPLES].dims == ("sample", "time", "lat", "lon")
    assert out["sample"].values.tolist() == [0, 1, 2, 3]
    observed = (out[FLAG] == OBSERVED).values
    for sample in out[SAMPLES].values:
        assert same_bits(sample[observed], record[SM].values[observed])


def test_only_filled_values_differ(record):
    out = record.sm.gapfill(samples=3, max_gap=3)
    filled = np.isin(out[FLAG], FILLED)
    missing = np.isnan(out[SM].values)
    assert filled.any() and missing.any()
    assert np.isnan(out[SAMPLES].values[:, missing]).all()
    assert np.isfinite(out[SAMPLES].values[:, filled]).all()
    assert (out[SAMPLES].std("sample").values[filled] > 0).all()


def test_spread_is_the_uncertainty(record):
    near_limit = (record[SM] - 0.15).clip(0.005)
    record[SM] = near_limit.assign_attrs(record[SM].attrs)
    out = record.sm.gapfill(samples=300)
    assert float(out[SAMPLES].min()) >= 0
    spread = out[SAMPLES].std("sample", ddof=1)
    ratio = spread / out[UNC]
    far = out[SM] > NEAR * out[UNC]
    assert (out[SM] < out[UNC]).any()  # the limit counts
    assert float(ratio.where(far).mean()) == pytest.approx(1, abs=0.03)
    departure = (out[SAMPLES].mean("sample") - out[SM]) / out[UNC]
    assert float(abs(departure.where(far)).max()) < 0.35
    assert float(departure.where(far).mean()) == pytest.approx(0, abs=0.1)


def test_upper_limit(record):
    record[SM] = (1 - record[SM] * 0.3).assign_attrs(record[SM].attrs)
    out = record.sm.gapfill(samples=20)
    assert 0.95 < float(out[SAMPLES].max()) <= 1


def test_errors_of_high_and_low_values_are_alike():
    """A positive error is a larger value above the middle of the valid range, too."""
    of = SampleTask(40, 0, np.arange(1), CellGrid((1, 2), False, 0, np.ones(1)))
    filled = np.array([[[0.3, 0.7]]])
    block = filled, np.full(filled.shape, 0.02), np.full(filled.shape, FILLED[0], np.int8)
    normal = RectifiedNormal.of_fill(block, (0.0, 1.0))
    weights = np.zeros((len(LENGTHS), len(PHI)))
    weights[LENGTHS.index(16.0), 0] = 1.0
    window = (slice(0, 1), slice(0, 1), slice(0, 2))
    drawn = [normal.sample(weights.ravel(), of, window, Stream(0, 0, n))[0, 0] for n in range(40)]
    low, high = np.array(drawn).T
    assert np.corrcoef(low, high)[0, 1] > 0.95


def test_a_seed_gives_the_same_samples(record):
    first = record.sm.gapfill(samples=5)[SAMPLES]
    assert same_bits(first.values, record.sm.gapfill(samples=5)[SAMPLES].values)
    assert same_bits(first.values[:2], record.sm.gapfill(samples=2, seed=0)[SAMPLES].values)
    filled = record.sm.gapfill()[FLAG].values != OBSERVED
    other = record.sm.gapfill(samples=5, seed=1)[SAMPLES].values
    assert (other != first.values)[:, filled & np.isfinite(other[0])].all()


def test_tiles_change_nothing(record):
    expected = record.sm.gapfill(samples=2)
    with xsm.set_options(tile=(5, 4, 3)):
        out = record.sm.gapfill(samples=2)
    np.testing.assert_allclose(out[SAMPLES], expected[SAMPLES], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "chunks",
    [
        {"time": -1, "lat": -1, "lon": -1},
        {"time": 1, "lat": -1, "lon": -1},
        {"time": 5, "lat": 4, "lon": 7},
        {"time": -1, "lat": 1, "lon": 3},
    ],
    ids=str,
)
def test_lazy_and_the_same_under_any_chunks(record, chunks):
    with dask.config.set(scheduler=refuse):
        lazy = record.chunk(chunks).sm.gapfill(samples=3, seed=4)
    assert lazy[SAMPLES].chunks == ((1, 1, 1), *record[SM].chunk(chunks).chunks)
    assert lazy[SAMPLES].dtype == np.float32
    done = lazy.compute(scheduler="synchronous")
    expected = record.sm.gapfill(samples=3, seed=4)
    np.testing.assert_allclose(done[SAMPLES], expected[SAMPLES], rtol=1e-5, atol=1e-6)
    observed = (expected[FLAG] == OBSERVED).values
    assert same_bits(done[SAMPLES].values[:, observed], expected[SAMPLES].values[:, observed])


@pytest.mark.parametrize("calibrate", [False, True])
def test_lazy_with_calibration_and_several_records(record, calibrate):
    both = xr.concat([record[SM], 0.5 * record[SM]], "orbit").to_dataset(name=SM)
    both[SM].attrs = record[SM].attrs
    lazy = both.chunk(time=4).sm.gapfill(samples=2, calibrate=calibrate)
    eager = both.sm.gapfill(samples=2, calibrate=calibrate)
    assert eager[SAMPLES].dims == ("sample", "orbit", "time", "lat", "lon")
    np.testing.assert_allclose(lazy[SAMPLES].values, eager[SAMPLES].values, rtol=1e-4, atol=1e-5)
    gaps = np.isin(eager[FLAG].values, FILLED).all(axis=0)
    errors = (eager[SAMPLES] - eager[SM]).values[:, :, gaps]
    assert not np.allclose(errors[:, 0], errors[:, 1])


def test_absent_days_and_stored_order(record):
    record = record.isel(time=[0, 1, 2, 6, 7, 10, 11])
    expected = record.sm.gapfill(samples=2, fallback="climatology")
    assert np.isin(expected[FLAG], FILLED).any()
    lazy = record.chunk(time=2).sm.gapfill(samples=2, fallback="climatology")
    np.testing.assert_allclose(lazy[SAMPLES], expected[SAMPLES], rtol=1e-5, atol=1e-6)
    other = record.isel(lat=slice(None, None, -1)).transpose("lon", "time", "lat")
    out = other.sm.gapfill(samples=2, fallback="climatology")
    assert out[SAMPLES].dims == ("sample", "lon", "time", "lat")
    xr.testing.assert_allclose(
        out[SAMPLES].transpose(*expected[SAMPLES].dims).sortby("lat"),
        expected[SAMPLES].sortby("lat"),
        rtol=1e-5,
    )


def test_longitudes_from_0_to_360_give_the_same_samples(record):
    expected = record.sm.gapfill(samples=2)[SAMPLES]
    moved = record.assign_coords(lon=record["lon"] % 360).sortby("lon")
    moved["lon"].attrs = record["lon"].attrs
    out = moved.sm.gapfill(samples=2)[SAMPLES]
    out = out.assign_coords(lon=(out["lon"] + 180) % 360 - 180).sortby("lon")
    np.testing.assert_allclose(out.values, expected.values, rtol=1e-5, atol=1e-6)


def test_climatology_has_samples_too(record):
    record = record.assign_coords(time=record["time"].values.astype("datetime64[D]"))
    values = record[SM].copy()
    values[3:8, :, 8:] = np.nan
    years = [values.assign_coords(time=values["time"].values + np.timedelta64(365 * n, "D"))
             for n in range(4)]  # fmt: skip
    long = xr.concat(years, "time")
    long[24:36, :, 8:] = np.nan
    out = long.sm.gapfill(samples=3, fallback="climatology")
    by_climatology = (out[FLAG] == BY_CLIMATOLOGY).values
    assert by_climatology.any()
    spread = out[SAMPLES].std("sample").values
    assert ((spread > 0) == (out[UNC].values > 0))[by_climatology].all()
    assert (spread[by_climatology] > 0).any()


@pytest.mark.parametrize("lazily", [False, True])
def test_departures_from_a_background_have_samples(record, lazily, monkeypatch):
    rng = np.random.default_rng(0)
    noise = 0.05 * rng.standard_normal(record[SM].shape)
    field = record[SM].copy(data=(0.3 + noise).astype(np.float32))
    record[SM] = (record[SM] + field - 0.3).assign_attrs(record[SM].attrs)
    record["reanalysis"] = field
    given = record.chunk(time=5) if lazily else record
    calls, regression = [], background.regression
    monkeypatch.setattr(background, "regression", lambda *a: calls.append(1) or regression(*a))
    out = given.sm.gapfill(samples=40, background="reanalysis").compute()
    assert len(calls) == 1  # departures are made once for the fill and its samples
    filled = np.isin(out[FLAG], FILLED)
    assert filled.any() and (out[FLAG].values[filled] > 6).any()
    ratio = (out[SAMPLES].std("sample", ddof=1) / out[UNC]).values[filled]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)
    observed = (out[FLAG] == OBSERVED).values
    for sample in out[SAMPLES].values:
        assert same_bits(sample[observed], record[SM].values[observed])


def test_uncertainty_may_be_left_out(record):
    out = record.sm.gapfill(samples=2, uncertainty=False)
    assert UNC not in out
    expected = record.sm.gapfill(samples=2)
    xr.testing.assert_identical(out[SAMPLES].drop_attrs(), expected[SAMPLES].drop_attrs())


def test_units_and_attributes(record):
    percent = record.assign({SM: (record[SM] * 100).assign_attrs(units="percent")})
    record[SM].attrs["standard_name"] = "volume_fraction_of_condensed_water_in_soil"
    out, in_percent = record.sm.gapfill(samples=2), percent.sm.gapfill(samples=2)
    np.testing.assert_allclose(in_percent[SAMPLES], 100 * out[SAMPLES], rtol=1e-4, atol=1e-4)
    assert in_percent[SAMPLES].attrs["units"] == "percent"
    assert out[SAMPLES].attrs["standard_name"] == record[SM].attrs["standard_name"]
    assert "cells" in out[SAMPLES].attrs["error_correlation"]
    assert out["sample"].attrs["standard_name"] == "realization"
    assert "samples=2" in out.attrs["history"]


def test_pint_quantities(record):
    pint = pytest.importorskip("pint")
    registry = pint.UnitRegistry()
    expected = record.sm.gapfill(samples=2)
    quantity = registry.Quantity(record[SM].values, "m**3 / m**3")
    given = record.assign({SM: (record[SM].dims, quantity)})
    out = given.sm.gapfill(samples=2)[SAMPLES]
    np.testing.assert_array_equal(out.data.magnitude, expected[SAMPLES].values)


def test_area_means_of_correlated_errors_are_wider(record):
    out = record.sm.gapfill(samples=100)
    gaps = np.isin(out[FLAG], FILLED)
    std = out[UNC].where(gaps)
    number = std.notnull().sum(("lat", "lon"))
    independent = (std**2).sum(("lat", "lon")) ** 0.5 / number
    means = out[SAMPLES].where(gaps).mean(("lat", "lon"))
    spread = means.std("sample", ddof=1)
    assert (spread > 1.2 * independent).all()
    assert (spread < std.mean(("lat", "lon"))).all()


def test_a_data_tree_has_samples_in_each_group(record):
    tree = xr.DataTree.from_dict({"am": record, "pm": record})
    out = tree.sm.gapfill(samples=2)
    assert out["am"][SAMPLES].sizes["sample"] == out["pm"][SAMPLES].sizes["sample"] == 2


def test_written_to_zarr_and_netcdf(record, tmp_path):
    pytest.importorskip("zarr")
    lazy = record.chunk(time=4).sm.gapfill(samples=2)
    xsm.write_zarr(lazy, tmp_path / "filled.zarr", progress=False)
    expected = record.sm.gapfill(samples=2)
    with xr.open_zarr(tmp_path / "filled.zarr") as ds:
        np.testing.assert_allclose(ds[SAMPLES], expected[SAMPLES], rtol=1e-5, atol=1e-6)
    expected.to_netcdf(tmp_path / "filled.nc")
    with xr.open_dataset(tmp_path / "filled.nc") as ds:
        np.testing.assert_array_equal(ds[SAMPLES], expected[SAMPLES])


@pytest.mark.parametrize("samples", [0, -3, 1.5, True, "ten", 2**40])
def test_bad_numbers_are_refused(record, samples):
    with pytest.raises(InputError, match=r"samples=.*expected a whole number"):
        record.sm.gapfill(samples=samples)


@pytest.mark.parametrize("seed", [-1, 0.5, None])
def test_bad_seeds_are_refused(record, seed):
    with pytest.raises(InputError, match="seed="):
        record.sm.gapfill(samples=2, seed=seed)


def test_more_than_fits_memory_is_refused(record, monkeypatch):
    monkeypatch.setattr(sampled_fill, "free_memory", lambda: 10_000)
    with pytest.raises(InputError, match=r"samples=20 .*GB.*chunks"):
        record.sm.gapfill(samples=20)
    lazy = record.chunk(time=4).sm.gapfill(samples=20)
    assert lazy[SAMPLES].sizes["sample"] == 20
    assert sampled_fill.free_memory() == 10_000


def test_names_in_use_are_refused(record):
    taken = record.assign({SAMPLES: record[SM]})
    with pytest.raises(InputError, match=f"variable '{SAMPLES}'"):
        taken.sm.gapfill(samples=2)
    with pytest.raises(InputError, match="dimension 'sample'"):
        record.expand_dims(sample=[0]).sm.gapfill(samples=2)


def test_rectified_normal_has_the_moments_asked_for():
    mean, std = np.array([0.5, 1.0, 2.0, 4.9, 30.0]), np.ones(5)
    a, b = rectified(mean, std)
    z = np.random.default_rng(0).standard_normal(400_000)
    drawn = np.maximum(a[:, None] + b[:, None] * z, 0)
    np.testing.assert_allclose(drawn.mean(axis=1), mean, atol=0.01)
    np.testing.assert_allclose(drawn.std(axis=1), std, atol=0.01)
    a, b = rectified(np.array([0.0]), np.array([1.0]))
    assert np.maximum(a + b * z, 0).mean() == pytest.approx(NEAR, abs=0.01)


def test_samples_as_a_record_are_filled_values(record, caplog):
    filled = record.sm.gapfill(samples=2)
    with pytest.raises(InputError, match=f"{SAMPLES} is filled already: .*'{FLAG}'"):
        filled.sm.gapfill(var=SAMPLES)
    assert filled.sm.check(var=SAMPLES)["finding"].str.contains("is filled already").any()
    one = filled.isel(sample=0)
    observed, expected = (
        x.sm.validate(var=name, gaps={"n_realizations": 1})
        for x, name in ((one.drop_vars(SM), SAMPLES), (filled.drop_vars(SAMPLES), SM))
    )
    xr.testing.assert_allclose(observed.drop_attrs(), expected.drop_attrs())
    message = f"{SAMPLES} was filled (attribute gapfill_model), and '{FLAG}' is not beside it"
    for call in (
        lambda: one[SAMPLES].sm.gapfill(),
        lambda: one[SAMPLES].sm.validate(gaps={"n_realizations": 1}),
        lambda: record.sm.validate(one[SAMPLES]),
    ):
        caplog.clear()
        call()
        assert message in caplog.text
    caplog.clear()
    record.sm.validate(one, reference_var=SAMPLES)
    assert f"reference: {SAMPLES} is filled" in caplog.text
    assert f'.where(reference["{FLAG}"] == 0)' in caplog.text


def test_samples_are_no_second_soil_moisture(record, caplog):
    """They have the standard name of their variable."""
    named = {"standard_name": "volume_fraction_of_condensed_water_in_soil"}
    theta = record.rename({SM: "theta"})
    theta["theta"].attrs |= named
    filled = theta.sm.gapfill(samples=2)
    assert filled["theta_samples"].attrs["standard_name"] == named["standard_name"]
    assert filled.sm.validate(record)["rmsd"].notnull().any()
    assert "is taken" not in caplog.text
