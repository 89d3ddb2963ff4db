"""Simulated missing regions: what is hidden, filled, scored; seams and seasons."""

import numpy as np
import pytest

from tests.validation.samples import grid
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation.gaps import Jumps, harmonic


def gappy(days=30, share=0.3, seed=2, **kw):
    """A record with single cells missing."""
    ds = grid(days, lat=np.arange(50.0, 35, -0.5), lon=np.arange(-10.0, 5, 0.5), **kw)
    lost = np.random.default_rng(seed).random(ds.soil_moisture.shape) < share
    return ds.assign(soil_moisture=ds.soil_moisture.where(~lost))


def test_methods_and_kinds_are_scored(network):
    ds = gappy()
    before = ds.copy(deep=True)
    scores = validate(ds, draws=2, metrics=["bias", "rmsd", "pearson_r"])
    assert ds.identical(before)
    assert scores.rmsd.dims == ("filler", "kind")
    assert scores.filler.values.tolist() == ["default", "linear", "window_mean", "climatology"]
    assert scores.kind.values.tolist() == ["block", "swath", "cell", "all"]
    assert scores.attrs["xsm_scores"] == "simulated_gaps"
    assert (scores.n_obs.isel(filler=0) == scores.n_obs).all()
    parts = scores.n_obs.sel(kind=["block", "swath", "cell"]).sum("kind")
    np.testing.assert_array_equal(parts, scores.n_obs.sel(kind="all"))
    # all cells share one wave with white noise of 0.02: a window mean sees it, a mean does not
    rmsd = scores.rmsd.sel(kind="all")
    assert 0.02 < float(rmsd.sel(filler="window_mean")) < float(rmsd.sel(filler="climatology"))
    # the mean of the cell has no departure from it
    assert np.isnan(scores.anomaly_r.sel(filler="climatology", kind="all"))
    assert float(scores.anomaly_r.sel(filler="window_mean", kind="all")) > 0.8


def test_what_is_hidden_is_not_seen_by_the_filler(network, monkeypatch):
    ds = gappy(share=0)
    seen = []

    def cheat(values):
        seen.append(values)
        return np.where(np.isnan(values), np.float32(0.2), values)

    monkeypatch.setattr("xsm.validation.gaps.baseline", lambda name: cheat)
    scores = validate(ds, model=None, baselines="linear", kinds="cell", draws=1)
    hidden = np.isnan(seen[0])
    truth = ds.soil_moisture.values[hidden]
    assert scores.n_obs.item() == hidden.sum() > 0
    np.testing.assert_allclose(scores.bias.item(), (0.2 - truth).mean(), rtol=1e-4)
    assert hidden.mean() == pytest.approx(0.005, rel=0.4)


def test_same_seed_same_scores(network):
    ds = gappy()
    options = {"model": None, "baselines": ["window_mean"], "draws": 1}
    first, again = validate(ds, **options), validate(ds, **options)
    assert first.identical(again.assign_attrs(first.attrs))
    assert float(validate(ds, seed=1, **options).rmsd[0, -1]) != float(first.rmsd[0, -1])
    three = validate(ds, **{**options, "draws": 3})
    assert int(three.n_obs[0, -1]) > 2 * int(first.n_obs[0, -1])


def test_coverage_is_of_the_network(network):
    scores = validate(gappy(), draws=1, baselines=["linear"])
    own = scores.sel(filler="default", kind="all")
    assert 0 < float(own.coverage_68) <= float(own.coverage_95) <= 1
    assert scores.coverage_95.sel(filler="linear").isnull().all()


def test_coverage_counts_the_values_inside():
    from xsm.validation.gaps import Plan, Pool, _coverage

    pool = Pool(
        kind=[np.zeros(4, np.int8)], truth=[np.zeros(4)],
        filled={"n": [np.array([0.5, 1.5, 2.5, np.nan])]}, spread={"n": [np.ones(4)]},
    )  # fmt: skip
    plan = Plan(model=None, kinds=("cell",))
    found = _coverage(pool, {"n": {68: 1.0, 95: 2.0}}, ["n"], plan)
    assert found["coverage_68"][1].tolist() == [[pytest.approx(1 / 3)]]
    assert found["coverage_95"][1].tolist() == [[pytest.approx(2 / 3)]]


def test_cells_that_a_method_leaves_empty_are_told(network, monkeypatch):
    def half(values):
        filled = np.where(np.isnan(values), np.float32(0.25), values)
        filled[:, ::2] = values[:, ::2]
        return filled

    monkeypatch.setattr("xsm.validation.gaps.baseline", lambda name: half)
    scores = validate(gappy(share=0), baselines=["linear"], draws=1, kinds=["cell"])
    share = scores.share_filled.sel(kind="cell")
    assert float(share.sel(filler="linear")) == pytest.approx(0.5, abs=0.15)
    assert float(share.sel(filler="default")) == 1.0
    assert len(set(scores.n_obs.values.ravel())) == 1


def test_strata_of_hidden_cells(network):
    ds = gappy(days=70)
    scores = validate(ds, by=["month", "wetness"], model=None, draws=1)
    assert scores.bias.dims == ("filler", "kind", "month", "wetness")
    total = scores.n_obs.sum(["month", "wetness"])
    plain = validate(ds, model=None, draws=1)
    np.testing.assert_array_equal(total, plain.n_obs)
    bands = validate(ds, by="latitude_band", model=None, draws=1)
    assert bands.latitude_band.values.tolist() == ["30N to 60N"]


def test_a_seam_shows(network, monkeypatch):
    ds = gappy(share=0)

    def lifted(values):
        return np.where(np.isnan(values), ds.soil_moisture.values + np.float32(0.1), values)

    def perfect(values):
        return ds.soil_moisture.values.copy()

    fills = {"linear": lifted, "window_mean": perfect}
    monkeypatch.setattr("xsm.validation.gaps.baseline", fills.__getitem__)
    scores = validate(ds, model=None, baselines=list(fills), draws=1)
    assert float(scores.seam_ratio.sel(filler="linear")) > 2.5
    original = float(scores.seam_ratio_original)
    assert float(scores.seam_ratio.sel(filler="window_mean")) == pytest.approx(original)
    assert original == pytest.approx(1, abs=0.15)


def test_jumps_of_a_small_map():
    values = np.array([[[0.0, 0.0, 1.0, 1.5, 0.5, 0.5]]])
    hidden = np.array([[[False, False, True, True, False, False]]])
    jumps = Jumps()
    jumps.add("original", values, hidden)
    jumps.add("m", values, hidden)
    # across 1 and 1, inside 0.5, outside 0 and 0
    expected = np.sqrt(1.0 / (0.5 * (0.25 + 0.0)))
    assert jumps.ratios(["m"])["seam_ratio"][1] == [pytest.approx(expected)]


def test_annual_cycle_of_a_year_and_more(network):
    ds = gappy(days=400, start="2015-01-01")
    day = ds.time.dt.dayofyear.values
    wave = 0.1 * np.cos(2 * np.pi * (day - 41) / 365.2425)
    noise = ds.soil_moisture - ds.soil_moisture.mean(["lat", "lon"])
    cycle = (0.25 + noise + wave[:, None, None]).astype(np.float32)
    ds = ds.assign(soil_moisture=cycle.assign_attrs(units="m3 m-3"))
    scores = validate(ds, model=None, baselines=["linear"], draws=1, kinds=["cell"])
    assert float(scores.annual_amplitude_original) == pytest.approx(0.1, abs=0.002)
    assert float(scores.annual_phase_original) == pytest.approx(41, abs=1)
    assert float(scores.annual_amplitude_filled[0]) == pytest.approx(0.1, abs=0.002)
    assert float(scores.annual_phase_filled[0]) == pytest.approx(41, abs=1)
    short = validate(ds.isel(time=slice(0, 200)), model=None, baselines=["linear"], draws=1)
    assert "annual_phase_filled" not in short


def test_a_harmonic_needs_all_quarters():
    t = np.arange(730.0)
    values = np.full((730, 1, 2), 0.2)
    values[(t % 365) < 100, 0, 1] = np.nan
    assert np.isfinite(harmonic(values, t)[:, 0]).tolist() == [[True, False]] * 2


def test_wrong_input_is_said(network):
    ds = gappy()
    cases = {
        "baselines": ["magic"], "kinds": ["stripes"], "draws": 0, "anomalies": "climatology",
    }  # fmt: skip
    for name, value in cases.items():
        with pytest.raises(InputError, match=name):
            validate(ds, **{name: value})
    with pytest.raises(InputError, match="nothing would fill"):
        validate(ds, model=None, baselines=[])
    with pytest.raises(InputError, match="no observation"):
        validate(ds.assign(soil_moisture=ds.soil_moisture * np.nan))
    with pytest.raises(InputError, match="nothing tells the network"):
        validate(ds, by="network", model=None, draws=1)
