"""Simulated gaps: what is hidden, filled and scored."""

import numpy as np
import pytest
import xarray as xr

from tests.validation.samples import NO_NETWORK, gappy
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation.gaps import HiddenCells, _coverage, _crps


def test_fill_methods_and_gap_patterns_are_scored(network):
    ds = gappy()
    before = ds.copy(deep=True)
    scores = validate(ds, gaps={"n_realizations": 2}, metrics=["bias", "rmsd", "pearson_r"])
    assert ds.identical(before)
    assert scores.rmsd.dims == ("fill_method", "gap_pattern")
    assert scores.fill_method.values.tolist() == ["default", "linear", "window_mean", "climatology"]
    assert scores.gap_pattern.values.tolist() == ["block", "swath", "cell", "all"]
    assert scores.attrs["xsm_scores"] == "simulated_gaps"
    assert (scores.n_obs.isel(fill_method=0) == scores.n_obs).all()
    parts = scores.n_obs.sel(gap_pattern=["block", "swath", "cell"]).sum("gap_pattern")
    np.testing.assert_array_equal(parts, scores.n_obs.sel(gap_pattern="all"))
    # all cells share one wave with white noise of 0.02: a window mean follows it, a mean does not
    rmsd = scores.rmsd.sel(gap_pattern="all")
    assert (
        0.02
        < float(rmsd.sel(fill_method="window_mean"))
        < float(rmsd.sel(fill_method="climatology"))
    )
    # the mean of the cell has no departure from it
    assert np.isnan(scores.anomaly_r.sel(fill_method="climatology", gap_pattern="all"))
    assert float(scores.anomaly_r.sel(fill_method="window_mean", gap_pattern="all")) > 0.8


@pytest.mark.parametrize("order", [("time", "lat", "lon"), ("lon", "time", "lat")])
def test_of_a_filled_record_the_observed_values_are_scored(order, network):
    """Values that a method filled would be hidden, and scored as if they were observed."""
    ds = gappy()
    filled = ds.sm.gapfill(calibrate=False)
    assert int((filled.soil_moisture_flag == 1).sum()) > 100
    expected = validate(ds, gaps={"n_realizations": 1})
    scores = validate(filled.transpose(*order), gaps={"n_realizations": 1})
    xr.testing.assert_equal(scores, expected)


def test_fill_methods_do_not_get_the_hidden_values(network, monkeypatch):
    ds = gappy(share=0)
    seen = []

    def cheat(values):
        seen.append(values)
        return np.where(np.isnan(values), np.float32(0.2), values)

    monkeypatch.setattr("xsm.validation.gaps.baseline", lambda name: cheat)
    options = {**NO_NETWORK, "baselines": "linear", "gap_patterns": "cell"}
    scores = validate(ds, gaps=options)
    hidden = np.isnan(seen[0])
    truth = ds.soil_moisture.values[hidden]
    assert scores.n_obs.item() == hidden.sum() > 0
    np.testing.assert_allclose(scores.bias.item(), (0.2 - truth).mean(), rtol=1e-4)
    assert hidden.mean() == pytest.approx(0.005, rel=0.4)


def test_same_seed_same_scores(network):
    ds = gappy()
    options = {"model": None, "baselines": ["window_mean"], "n_realizations": 1}
    first, again = validate(ds, gaps=options), validate(ds, gaps=options)
    assert first.identical(again.assign_attrs(first.attrs))
    assert float(validate(ds, seed=1, gaps=options).rmsd[0, -1]) != float(first.rmsd[0, -1])
    three = validate(ds, gaps={**options, "n_realizations": 3})
    assert int(three.n_obs[0, -1]) > 2 * int(first.n_obs[0, -1])


def test_coverage_is_of_the_network(network):
    scores = validate(gappy(), gaps={"n_realizations": 1, "baselines": ["linear"]})
    own = scores.sel(fill_method="default", gap_pattern="all")
    assert 0 < float(own.coverage_68) <= float(own.coverage_95) <= 1
    assert scores.coverage_95.sel(fill_method="linear").isnull().all()


def test_crps_is_of_the_distribution_of_the_network(network):
    scores = validate(gappy(), gaps={"n_realizations": 1, "baselines": ["linear"]})
    assert scores.crps.dims == ("fill_method", "gap_pattern")
    assert 0 < scores.crps.sel(fill_method="default", gap_pattern="all").item() < 0.2
    linear = scores.sel(fill_method="linear")
    np.testing.assert_allclose(linear.crps, linear.mae, rtol=1e-5)


def filled_cells(observed, filled, std):
    cells = HiddenCells(filled={k: [v] for k, v in filled.items()}, std={"n": [std]})
    zeros = np.zeros(observed.size, np.int8)
    cells.add((zeros, zeros, zeros), zeros, observed, observed)
    return cells.joined(["cell"])


def test_crps_of_the_values_that_all_methods_fill():
    filled = {"n": np.array([0.1, 0.2, 0.9]), "b": np.array([0.2, 0.5, np.nan])}
    cells = filled_cells(np.array([0.1, 0.2, 0.3]), filled, np.full(3, 0.1))
    at_mean = 0.1 * (np.sqrt(2) - 1) / np.sqrt(np.pi)
    np.testing.assert_allclose(_crps(cells)[:, 0], [at_mean, 0.2])


def test_coverage_counts_the_values_inside():
    filled = {"n": np.array([0.5, 1.5, 2.5, np.nan])}
    cells = filled_cells(np.zeros(4), filled, np.ones(4))
    found = _coverage(cells, {"n": {68: 1.0, 95: 2.0}})
    assert found["coverage_68"][1].tolist() == [[pytest.approx(1 / 3)]]
    assert found["coverage_95"][1].tolist() == [[pytest.approx(2 / 3)]]


def test_fraction_of_hidden_cells_that_a_method_fills(network, monkeypatch):
    def half(values):
        filled = np.where(np.isnan(values), np.float32(0.25), values)
        filled[:, ::2] = values[:, ::2]
        return filled

    monkeypatch.setattr("xsm.validation.gaps.baseline", lambda name: half)
    options = {"baselines": ["linear"], "n_realizations": 1, "gap_patterns": ["cell"]}
    scores = validate(gappy(share=0), gaps=options)
    share = scores.fraction_filled.sel(gap_pattern="cell")
    assert float(share.sel(fill_method="linear")) == pytest.approx(0.5, abs=0.15)
    assert float(share.sel(fill_method="default")) == 1.0
    assert len(set(scores.n_obs.values.ravel())) == 1


def test_strata_of_hidden_cells(network):
    ds = gappy(days=70)
    scores = validate(ds, by=["month", "wetness"], gaps=NO_NETWORK)
    assert scores.bias.dims == ("fill_method", "gap_pattern", "month", "wetness")
    total = scores.n_obs.sum(["month", "wetness"])
    plain = validate(ds, gaps=NO_NETWORK)
    np.testing.assert_array_equal(total, plain.n_obs)
    bands = validate(ds, by="latitude_band", gaps=NO_NETWORK)
    assert bands.latitude_band.values.tolist() == ["30N to 60N"]


def test_errors_name_the_option(network):
    ds = gappy()
    cases = {"baselines": ["magic"], "gap_patterns": ["stripes"], "n_realizations": 0}
    for name, value in cases.items():
        with pytest.raises(InputError, match=name):
            validate(ds, gaps={name: value})
    with pytest.raises(InputError, match="anomalies"):
        validate(ds, anomalies="climatology")
    with pytest.raises(InputError, match="nothing would fill"):
        validate(ds, gaps={"model": None, "baselines": []})
    with pytest.raises(InputError, match="no observation"):
        validate(ds.assign(soil_moisture=ds.soil_moisture * np.nan))
    with pytest.raises(InputError, match="no network was found"):
        validate(ds, by="network", gaps=NO_NETWORK)


def test_fills_with_a_background_are_scored_beside_those_without(network):
    ds = gappy()
    rng = np.random.default_rng(3)
    wave = ds["soil_moisture"].mean(["lat", "lon"])  # of all cells, as in `gappy`
    field = (wave + 0 * ds["soil_moisture"].fillna(0)).interpolate_na("time").bfill("time")
    field = field.ffill("time") + 0.001 * rng.standard_normal(ds["soil_moisture"].shape)
    ds = ds.assign(model_sm=field.astype("float32").assign_attrs(units="m3 m-3"))
    options = {"n_realizations": 1, "baselines": ["linear"], "gap_patterns": ["cell"]}
    scores = validate(ds, gaps={**options, "background": "model_sm"}, metrics=["rmsd"])
    assert scores.fill_method.values.tolist() == ["default", "default+background", "linear"]
    rmsd = scores.rmsd.sel(gap_pattern="cell").to_series()
    assert rmsd["default+background"] < 0.9 * rmsd["linear"]
    assert scores.coverage_95.sel(fill_method="default+background").notnull().all()
    given = validate(ds, gaps={**options, "background": ds["model_sm"]}, metrics=["rmsd"])
    np.testing.assert_allclose(given.rmsd, scores.rmsd, rtol=1e-5)


def test_predictors_go_to_the_fill_and_wrong_names_are_refused(network):
    calls = []

    def gapfill(obj, **arguments):
        calls.append((list(obj), {k: v for k, v in arguments.items() if k != "model"}))
        from xsm.gapfill import gapfill

        arguments.pop("predictors", None)
        return gapfill(obj, **arguments)

    from xsm.conventions.record import gridded_record
    from xsm.validation.gaps import _network_method

    ds = gappy().assign(rain=lambda ds: 0 * ds["soil_moisture"].fillna(0))
    record = gridded_record(ds)
    fill = _network_method(record, "default", gapfill, "predictors", ["rain"])
    values, std = fill(record.da.values)
    assert calls[0][0] == ["rain", "soil_moisture"] and calls[0][1]["predictors"] == ["rain"]
    assert values.shape == record.da.shape and std is not None
    with pytest.raises(InputError, match=r"gaps: predictors='snow': \['snow'\] are no variables"):
        validate(ds, gaps={"predictors": "snow"})
    with pytest.raises(InputError, match="background and predictors with model=None"):
        validate(ds, gaps={"model": None, "background": "rain"})
