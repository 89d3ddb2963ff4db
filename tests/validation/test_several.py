"""Several products against one reference: common pairs, every triple, scaling to any of them."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import UNITS, cell, grid, stations
from xsm import metrics
from xsm.compare import compare
from xsm.errors import InputError, TimeAxisError, UnitError, VariableNotFoundError
from xsm.metrics.status import NOT_IN_THE_TRIPLE
from xsm.reporting.score_provenance import identity
from xsm.validate import validate
from xsm.validation import stability, to_qa4sm


def noisy(ds, seed, *, std=0.02, lost=0.2):
    """A product with noise and gaps of its own."""
    rng = np.random.default_rng(seed)
    shape = ds.soil_moisture.shape
    values = ds.soil_moisture + std * rng.standard_normal(shape)
    values = values.where(rng.random(shape) > lost).astype(np.float32)
    return ds.assign(soil_moisture=values.assign_attrs(UNITS))


@pytest.fixture(scope="module")
def truth():
    return grid(120, lat=[44.0, 43.0, 42.0], lon=[0.0, 1.0])


@pytest.fixture(scope="module")
def products(truth):
    return {name: noisy(truth, i, std=0.01 * i) for i, name in enumerate("abc", start=1)}


@pytest.fixture(scope="module")
def sites(truth):
    series = [cell(truth, 0, 0), cell(truth, 2, 1)]
    about = {"network": ["N", "M"], "station_name": ["x", "y"]}
    return stations([44.0, 42.0], [0.0, 1.0], truth.time, series, **about)


def test_stations_score_every_product_on_the_common_pairs(products, sites):
    scores = validate(products, sites, metrics=["rmsd", "pearson_r"], by="season", ci="percentile")
    assert scores.rmsd.dims == ("product", "station", "season")
    assert scores["product"].values.tolist() == ["a", "b", "c"]
    assert scores.attrs["estimate_name"] == "a, b, c"
    ref = sites.soil_moisture
    cells = {name: ds.soil_moisture.values[:, [0, 2], [0, 1]].T for name, ds in products.items()}
    both = np.isfinite(sum(cells.values()))
    assert scores.n_obs.sum("season").values.tolist() == [both.sum(axis=1).tolist()] * 3
    spring = ref.time.dt.season.values == "MAM"
    for name, values in cells.items():
        for i in range(2):
            use = both[i] & spring
            error = values[i, use] - ref.values[i, use]
            score = scores.rmsd.sel(product=name, season="MAM")[i]
            assert float(score) == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
    assert (scores.rmsd_low <= scores.rmsd).all() and (scores.rmsd_high >= scores.rmsd).all()


def test_each_product_on_its_own_pairs(products, sites):
    options = {"several": {"pairs": "each", "triples": False}, "metrics": "bias"}
    scores = validate(products, sites, **options)
    for name, ds in products.items():
        alone = validate(ds, sites, metrics="bias")
        np.testing.assert_array_equal(scores.n_obs.sel(product=name), alone.n_obs)
        np.testing.assert_allclose(scores.bias.sel(product=name), alone.bias, atol=1e-7)
    assert not [name for name in scores if str(name).startswith("tc_")]
    assert scores.n_obs.dtype == np.int64 and scores.status.dtype == np.int8


def test_every_triple_has_the_reference_and_two_products(products, sites):
    scores = validate(products, sites, metrics="bias")
    assert scores.triple.values.tolist() == ["in situ, a, b", "in situ, a, c", "in situ, b, c"]
    assert scores.tc_err_std.dims == ("station", "triple", "dataset")
    assert scores.dataset.values.tolist() == ["in situ", "a", "b", "c"]
    outside = scores.tc_status.sel(triple="in situ, a, b", dataset="c")
    assert (outside == NOT_IN_THE_TRIPLE).all()
    est = {
        name: xr.DataArray(ds.soil_moisture.values[:, 0, 0], dims="time")
        for name, ds in products.items()
    }
    complete = sum(est.values()).notnull()
    ref = xr.DataArray(sites.soil_moisture.values[0], dims="time")
    alone = metrics.triple_collocation(
        ref, est["a"].where(complete), est["c"].where(complete), dim="time"
    )
    ours = scores.sel(triple="in situ, a, c", dataset=["in situ", "a", "c"]).isel(station=0)
    for name in ("err_std", "snr_db", "beta"):
        np.testing.assert_allclose(ours[f"tc_{name}"], alone[name], rtol=1e-4)
    # the noise that was added
    errors = scores.tc_err_std.median(["station", "triple"]).sel(dataset=["a", "b", "c"])
    np.testing.assert_allclose(errors, [0.01, 0.02, 0.03], rtol=0.35)


def test_maps_on_the_coarsest_grid_stay_lazy_and_equal(products, truth):
    fine = grid(120, lat=[44.25, 43.75, 43.25, 42.75, 42.25, 41.75], lon=[-0.25, 0.25, 0.75, 1.25])
    records = {"a": products["a"], "fine": noisy(fine, 7)}
    options = {"metrics": ["bias", "pearson_r"]}
    scores = validate(records, truth, **options)
    assert scores.bias.dims == ("product", "lat", "lon")
    assert scores.sizes["triple"] == 1 and dict(scores.bias.sizes)["lat"] == 3
    assert scores.summary_bias.dims[0] == "product"
    assert (scores.n_obs == scores.n_obs.isel(product=0)).all()
    lazy = validate({n: ds.chunk(time=40) for n, ds in records.items()}, truth.chunk(), **options)
    assert lazy.bias.chunks is not None and lazy.tc_snr_db.chunks is not None
    xr.testing.assert_allclose(lazy.compute(), scores, rtol=1e-5, atol=1e-7)


def test_maps_of_each_product_on_its_own_days(products, truth):
    records = {"a": products["a"].isel(time=slice(0, 60)), "b": products["b"]}
    scores = validate(records, truth, metrics="bias", by="month", several={"pairs": "each"})
    assert scores.month.values.tolist() == ["Apr", "May", "Jun", "Jul"]
    alone = validate(records["b"], truth, metrics="bias", by="month")
    np.testing.assert_allclose(scores.bias.sel(product="b"), alone.bias)
    absent = scores.sel(product="a", month="Jul")
    assert absent.bias.isnull().all() and (absent.n_obs == 0).all() and (absent.status != 0).all()
    with pytest.raises(TimeAxisError, match="no day in common"):
        validate([records["a"], records["b"].isel(time=slice(60, None))], truth)


def test_scaling_to_a_product_of_the_run(products, sites):
    scaling = {"method": "mean_std", "to": "b"}
    options = {"metrics": ["bias", "std_ratio", "rmsd"]}
    scores = validate(products, sites, scaling=scaling, keep_pairs=True, **options)
    # all series, the reference included, have the mean and standard deviation of b
    np.testing.assert_allclose(scores.bias, 0, atol=1e-6)
    np.testing.assert_allclose(scores.std_ratio, 1, atol=1e-5)
    own = products["b"].soil_moisture.values[:, [0, 2], [0, 1]].T
    complete = scores.estimate.sel(product="b").notnull().values
    level = [values[use].mean() for values, use in zip(own, complete, strict=True)]
    np.testing.assert_allclose(scores.reference.mean("time"), [level] * 3, rtol=1e-4)
    with pytest.raises(InputError, match="to='z': expected one of 'reference', 'estimate', 'a'"):
        validate(products, sites, scaling={"method": "cdf", "to": "z"})


def test_a_selected_product_keeps_its_name(products, sites, tmp_path):
    scores = validate(products, sites)
    a, b = (scores.sel(product=name) for name in "ab")
    comparison = compare(a, b, metric="rmsd")
    assert (comparison.attrs["name_a"], comparison.attrs["name_b"]) == ("a", "b")
    comparison = compare(b, a, metric="rmsd")  # the defaults of unknown names are a and b too
    assert (comparison.attrs["name_a"], comparison.attrs["name_b"]) == ("b", "a")
    assert ("Estimate", "b") in identity(b) and ("Estimate", "a, b, c") in identity(scores)
    with xr.open_dataset(to_qa4sm(b, tmp_path / "b.nc")) as written:
        assert written.attrs["val_dc_dataset_pretty_name1"] == "b"
        assert "R_between_0-ISMN_and_1-b" in written
    years = {"metrics": "bias", "by": {"period": [2015, 2016, 2017]}}
    times = np.datetime64("2015-11-01") + np.arange(120) * np.timedelta64(5, "D")
    long = {n: ds.assign_coords(time=times.astype("M8[ns]")) for n, ds in products.items()}
    of_years = validate(long, sites.assign_coords(time=times.astype("M8[ns]")), **years)
    assert stability(of_years.sel(product="b"), min_years=3).attrs["estimate_name"] == "b"


def test_names_of_a_list_are_those_of_the_records_and_differ(products, sites):
    scores = validate(list(products.values())[:2], sites, metrics="bias")
    assert scores["product"].values.tolist() == ["soil_moisture (1)", "soil_moisture (2)"]


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"obj": []}, InputError, "obj is empty"),
        ({"obj": {"a": 3}}, InputError, "obj"),
        (
            {"several": {"pairs": "all"}},
            InputError,
            "pairs='all': expected one of 'common', 'each'",
        ),
        ({"several": {"triples": 1}}, InputError, "triples=1"),
        ({"reference": None}, InputError, "obj holds 3 products, which does not apply to simul"),
        ({"ci": "analytic"}, InputError, "no analytic intervals.*several=.'triples': False"),
    ],
)
def test_what_does_not_fit_says_why(products, sites, change, error, words):
    arguments = {"obj": products, "reference": sites} | change
    with pytest.raises(error, match=words):
        validate(arguments.pop("obj"), arguments.pop("reference"), **arguments)


def test_one_broken_product_of_several_is_named(products, sites):
    kelvin = products["a"].soil_moisture.assign_attrs(units="K")
    broken = products | {"wrong unit": products["a"].assign(soil_moisture=kelvin)}
    with pytest.raises((UnitError, VariableNotFoundError), match="wrong unit"):
        validate(broken, sites)
    with pytest.raises(InputError, match="several=.*applies to several products"):
        validate(products["a"], sites, several={"triples": False})


def test_products_in_other_calendars_and_units(products, truth, sites):
    percent = products["b"] * 100
    percent["soil_moisture"].attrs["units"] = "%"
    noleap = products["c"].convert_calendar("noleap", use_cftime=True)
    records = {"a": products["a"], "b": percent, "c": noleap}
    scores = validate(records, sites, metrics="bias", several={"triples": False})
    plain = validate(products, sites, metrics="bias", several={"triples": False})
    np.testing.assert_allclose(scores.bias, plain.bias, atol=1e-6)
    np.testing.assert_array_equal(scores.n_obs, plain.n_obs)
    maps = validate(records, truth, metrics="bias", several={"triples": False})
    assert (maps.n_obs > 0).all()


def test_a_hundred_strata_are_scored_each_on_its_own_days(products, truth, sites):
    days = truth.time.dt.strftime("%Y-%m-%d").values
    windows = {f"day {i}": (days[i], days[i + 19]) for i in range(100)}
    scores = validate(products["a"], sites, metrics="bias", by={"period": windows})
    assert scores.bias.shape == (2, 100) and scores.period.values[99] == "day 99"
    error = products["a"].soil_moisture.values[50:70, 0, 0] - sites.soil_moisture.values[0, 50:70]
    score = float(scores.bias.sel(period="day 50")[0])
    assert score == pytest.approx(float(np.nanmean(error)), abs=1e-6)
