"""The one line: months left out, local part, cells that were not fitted, files, Dask, torch."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from xsm.conventions.cf import ESTIMATED, REGIONAL
from xsm.errors import InputError
from xsm.networks.model import make_model
from xsm.training import months_fit
from xsm.training.fit_estimator import fit_estimator
from xsm.training.months_fit import (
    CellData,
    KindEstimates,
    calibration_factor,
    combine_kinds,
    sample_variance,
    scatter_of_few,
    variance_factor,
)
from xsm.training.sequence_fit import Sequences
from xsm.training.splits import month_folds, with_guard

pytest.importorskip("torch")
SMALL = {"hidden_size": 8, "epochs": 6, "ensemble_size": 2, "progress": False}
DAYS = 430


def climate_world(days=DAYS, rows=3, columns=4, seed=0):
    """Weather, a soil that stores it with the properties of its cell, and a gappy retrieval."""
    rng = np.random.default_rng(seed)
    shape = (days, rows, columns)
    rain = np.where(rng.random(shape) < 0.3, rng.exponential(8.0, shape), 0.0)
    season = np.cos(2 * np.pi * np.arange(days) / 365.25)[:, None, None]
    warm = 287 - 8 * season + 2 * rng.standard_normal(shape)
    drainage = np.linspace(0.05, 0.25, rows * columns).reshape(shape[1:])
    level = np.linspace(0.05, 0.2, rows * columns)[::-1].reshape(shape[1:])
    soil, store = np.empty(shape), np.full(shape[1:], 30.0)
    for t in range(days):
        store = (store + rain[t]) * np.exp(-drainage)
        soil[t] = level + 0.002 * store
    retrieval = soil + 0.005 * rng.standard_normal(shape)
    retrieval[rng.random(shape) < 0.5] = np.nan
    retrieval[370:] = np.nan
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "tp": (dims, (rain / 1000).astype(np.float32), {"units": "m"}),
            "t2m": (dims, warm.astype(np.float32), {"units": "K"}),
            "texture": (dims[1:], drainage.astype(np.float32)),
            "smap": (dims, retrieval.astype(np.float32), {"units": "m3 m-3"}),
        },
        {
            "time": np.datetime64("2015-04-01", "ns") + np.arange(days) * np.timedelta64(1, "D"),
            "lat": ("lat", 40.0 - 2 * np.arange(rows), {"units": "degrees_north"}),
            "lon": ("lon", -100.0 + 2 * np.arange(columns), {"units": "degrees_east"}),
        },
    ), soil


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    ds, soil = climate_world()
    before = ds.copy(deep=True)
    path = tmp_path_factory.mktemp("models") / "mine"
    model = fit_estimator(ds, "smap", path, **SMALL)
    assert ds.identical(before)
    return model, path, ds, soil


@pytest.fixture(scope="module")
def estimated(fitted):
    model, _, ds, _ = fitted
    return ds.sm.estimate(model=model, progress=False)


def test_the_one_line_learns_and_says_how_well(fitted, estimated):
    model, _, ds, soil = fitted
    card = model.card
    assert card["network"] == "ensemble" and card["split"]["kind"] == "months"
    dense, recurrent = card["networks"]
    assert (dense["network"], recurrent["network"]) == ("dense", "bilstm")
    assert dense["ensemble_size"] == recurrent["ensemble_size"] == 2
    assert dense["weight"] + recurrent["weight"] == pytest.approx(1.0, abs=1e-3)
    assert (dense["regional_weight"], recurrent["regional_weight"]) == (1.0, 0.0)
    assert dense["training"]["epochs"] == 6 and "epochs" not in card["training"]
    assert len(card["curves"]) == 4 and {k.split("/")[0] for k in model.params} > {*"0123"}
    assert card["training"]["antecedent"] is True
    assert card["local"]["repeat_cycle"] == 8 and card["local"]["cells"] == 12
    scores = card["scores"]
    assert scores["left_out"] == "months" and scores["n"] == int(ds["smap"].notnull().sum())
    assert scores["median_r"] > 0.8 and scores["r2"] > 0.8
    later = slice(370, None)
    error = estimated["soil_moisture"].values[later] - soil[later]
    anomaly = soil[later] - soil[later].mean(axis=0)
    assert np.sqrt(np.mean(error**2)) < 0.6 * anomaly.std()
    assert estimated["soil_moisture"].notnull().all()
    assert (estimated["soil_moisture_flag"] == ESTIMATED).all()
    low, high = card["target"]["range"]
    assert low <= float(estimated["soil_moisture"].min())
    assert float(estimated["soil_moisture"].max()) <= high


def test_intervals_hold_in_months_left_out(fitted):
    model, _, ds, _ = fitted
    used = ~with_guard(np.arange(DAYS) // 30 % 4 == 1, 7)
    part = ds.assign(smap=ds["smap"].where(xr.DataArray(used, dims="time")))
    sm = part.sm.estimate(model=fit_estimator(part, "smap", **SMALL), progress=False)
    left_out = (np.arange(DAYS) // 30 % 4 == 1)[:, None, None]
    ratio = (abs(sm["soil_moisture"] - ds["smap"]) / sm["soil_moisture_uncertainty"]).values
    inside = ratio[np.isfinite(ratio) & left_out] < 1
    assert 0.5 < inside.mean() < 0.85


def test_the_file_gives_the_same_without_torch(fitted, estimated):
    _, path, ds, _ = fitted
    ds.to_netcdf(path.with_suffix(".nc"))
    estimated.to_netcdf(path.with_name("expected.nc"))
    code = f"""
import sys
sys.modules["torch"] = None
import numpy as np, xarray as xr, xsm
with xr.open_dataset({str(path.with_suffix(".nc"))!r}) as ds:
    sm = ds.load().sm.estimate(model={str(path)!r}, progress=False)
with xr.open_dataset({str(path.with_name("expected.nc"))!r}) as expected:
    for name in ("soil_moisture", "soil_moisture_uncertainty"):
        np.testing.assert_allclose(sm[name], expected[name], atol=2e-5)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    assert not list(path.parent.glob("*.pkl"))


def test_blocks_of_dask_give_the_same(fitted, estimated):
    pytest.importorskip("dask")
    model, _, ds, _ = fitted
    lazy = ds.chunk(time=100, lat=2, lon=3).sm.estimate(model=model)
    assert lazy["soil_moisture"].chunks is not None
    for name in ("soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"):
        np.testing.assert_allclose(lazy[name].values, estimated[name].values, atol=1e-6)


def test_cells_that_were_not_fitted_get_the_regional_part_and_a_flag(fitted, estimated, caplog):
    model, _, ds, _ = fitted
    moved = ds.assign_coords(lon=ds["lon"] + 360).isel(lon=[2, 1])
    same = moved.sm.estimate(model=model, progress=False)
    assert not caplog.text
    np.testing.assert_allclose(
        same["soil_moisture"].values, estimated["soil_moisture"].values[:, :, [2, 1]], atol=1e-5
    )
    other = ds.assign_coords(lat=ds["lat"] + 0.9).sm.estimate(model=model, progress=False)
    assert (other["soil_moisture_flag"] == REGIONAL).all()
    meanings = other["soil_moisture_flag"].attrs["flag_meanings"].split()
    assert meanings[REGIONAL] == "estimated_by_regional_part"
    assert not np.allclose(other["soil_moisture"], estimated["soil_moisture"], atol=1e-3)
    of_kinds = [
        {**entry, "weight": weight, "regional_weight": weight}
        for entry, weight in zip(model.card["networks"], (1.0, 0.0), strict=True)
    ]
    dense = make_model("dense", {**model.card, "networks": of_kinds}, model.params)
    alone = ds.assign_coords(lat=ds["lat"] + 0.9).sm.estimate(model=dense, progress=False)
    np.testing.assert_allclose(alone["soil_moisture"], other["soil_moisture"], atol=1e-6)
    wider = other["soil_moisture_uncertainty"].mean()
    assert float(wider) > float(estimated["soil_moisture_uncertainty"].mean())


def test_an_hour_of_the_day_or_a_shorter_record_keeps_the_repeat_cycle(fitted, estimated):
    model, _, ds, _ = fitted
    part = model.params["local/weights"]
    features = part.shape[1]
    offsets = part[:, features - 8 :]
    assert abs(offsets).max() > 0
    noon = ds.assign_coords(time=ds["time"] + np.timedelta64(12, "h"))
    sm = noon.sm.estimate(model=model, progress=False)
    np.testing.assert_allclose(sm["soil_moisture"], estimated["soil_moisture"], atol=1e-6)


def test_every_part_can_be_left_out():
    ds, _ = climate_world(rows=2, columns=2)
    names = {}
    for label, options in {
        "no local": {"local": False, "model": "dense"},
        "no antecedent": {"antecedent": False, "model": "dense"},
        "neither": {"antecedent": False, "local": False, "model": "lstm"},
        "none": {"split": "none", "model": "dense"},
        "no cycle": {"repeat_cycle": 0, "model": "dense"},
    }.items():
        model = fit_estimator(ds, "smap", **SMALL | {"epochs": 1} | options)
        names[label] = model.config["features"]
        assert ("local" in model.card) == ("local" not in options), label
        assert np.isfinite(model.card["scores"]["rmse"]), label
        if label == "no cycle":
            assert model.card["local"]["repeat_cycle"] == 0
    assert "water_8" in names["no local"] and "water_8 departure" not in names["no local"]
    assert "air_temperature" in names["no antecedent"] and "water_8" not in names["no antecedent"]
    assert "cell_mean" in names["no antecedent"]
    assert names["neither"] == ["precipitation", "air_temperature", "texture"]


def test_folds_are_blocks_within_the_days_of_the_target():
    observed = np.zeros(400, bool)
    observed[[20, 385]] = True
    folds = month_folds(observed, 6)
    assert (folds[:20] == -1).all() and (folds[386:] == -1).all()
    assert folds[20:200].reshape(6, 30).tolist() == [[k] * 30 for k in range(6)]
    assert (month_folds(observed[:200], 1) == -1).all()
    short = np.arange(400) < 170
    assert (month_folds(short, 6) == -1).all() and month_folds(short, 5).max() == 4
    near = with_guard(folds == 2, 4)
    assert near[76:114].all() and not near[75] and not near[114]


def test_days_that_a_kind_did_not_leave_out_have_the_estimate_of_the_others():
    def constant(value, left_out):
        mean = np.full((2, 1, 3), value)
        scatter = mean * 0 + value / 100
        return KindEstimates(
            np.array([[left_out]] * 2), scatter, mean, mean**2 + 0.01, mean * 0 + 0.04
        )

    dense = constant(0.2, [0.3, 0.1, np.nan])
    recurrent = constant(0.4, [0.1, np.nan, np.nan])
    both = combine_kinds([dense, recurrent], np.array([[0.75, 0.25], [1.0, 0.0]]))
    np.testing.assert_allclose(both.mean, [[0.25, 0.1, np.nan]])
    scatter = 0.75**2 * 0.002 + 0.25**2 * 0.004
    np.testing.assert_allclose(both.scatter, [[scatter, 0.002, np.nan]])
    between = 0.75 * 0.2**2 + 0.25 * 0.4**2 - 0.25**2
    np.testing.assert_allclose(both.std, np.sqrt(0.04 + 0.01 + between))
    np.testing.assert_array_equal(both.regional_mean, dense.left_out[1])
    np.testing.assert_allclose(both.regional_std, np.sqrt(0.04 + 0.01))
    alone = combine_kinds([dense], np.ones((2, 1)))
    np.testing.assert_array_equal(alone.mean, dense.left_out[0])


def test_scatter_of_the_members_that_left_out_a_day():
    members = np.random.default_rng(3).normal(0.2, 0.03, (12, 50_000))
    few = np.repeat([1.0, 3.0], 25_000)
    left_out = np.where(few == 1, members[0], members[:3].mean(axis=0))
    # only members that were fitted to a day tell of it; here all but the first three
    seen = members[3:]
    variance = sample_variance(seen.sum(axis=0), (seen**2).sum(axis=0), np.full(few.size, 9.0))
    np.testing.assert_allclose(variance, seen.var(axis=0, ddof=1), rtol=1e-6, atol=1e-12)
    scatter = scatter_of_few(variance, few, 12)
    for n in (1, 3):
        beyond = left_out[few == n].var() - members.mean(axis=0)[few == n].var()
        assert scatter[few == n].mean() == pytest.approx(beyond, rel=0.03)
    np.testing.assert_array_equal(scatter_of_few(np.zeros(2), np.array([1.0, 0.0]), 1), 0.0)
    one = np.array([0.2, 0.3])
    np.testing.assert_array_equal(sample_variance(one, one**2, np.array([1.0, 0.0])), 0.0)


def test_estimates_of_days_that_a_member_was_fitted_to_tell_nothing_of_new_days(monkeypatch):
    y = np.random.default_rng(5).uniform(0.1, 0.4, (3, 60)).astype(np.float32)
    data = CellData(
        y, y, None, y, np.repeat([0, 1, 2, 3], 15).astype(np.int8), 0, None, y[:, 0] > 0
    )
    # a member returns the targets that it was fitted to, and 0.25 on other days
    row = SimpleNamespace(kind="memory", days_alone=True)
    trainer = SimpleNamespace(scale_variance=None)
    fit = SimpleNamespace(
        row=row, trainer=trainer, config={}, run=lambda sequences, *_: ({"y": sequences.y}, {})
    )
    monkeypatch.setattr(months_fit, "cut", lambda x, y, *_: Sequences(x, y))
    monkeypatch.setattr(months_fit, "make_model", lambda _name, _card, params: params["0/y"])
    monkeypatch.setattr(
        months_fit, "estimate_sequences", lambda _, y: (np.nan_to_num(y, nan=0.25), 0 * y + 0.01)
    )
    estimates = months_fit._fit_members(data, {}, fit, 4, 0, 1.0, None).estimates
    np.testing.assert_array_equal(estimates.left_out[0], 0.25)
    np.testing.assert_allclose(estimates.scatter[0], 0.0, atol=1e-9)
    assert (estimates.mean_square[0] > estimates.mean[0] ** 2 + 1e-5).mean() > 0.8


def test_the_variance_of_trees_is_that_of_errors_on_days_left_out(fitted):
    pytest.importorskip("xgboost")
    *_, ds, _ = fitted
    options = {"trees": {"rounds": 60}, "ensemble_size": 3, "local": False, "progress": False}
    model = fit_estimator(ds, "smap", model="xgboost", **options)
    variance = np.mean([np.exp(model.params[f"{n}/log_variance"]) for n in range(3)])
    of_trees = np.sqrt(variance) * model.card["target"]["scale"]
    assert of_trees == pytest.approx(model.card["scores"]["rmse"], rel=0.02)


def test_the_standard_deviation_is_that_of_the_mean_of_all_members():
    rng = np.random.default_rng(4)
    common, scatter = rng.normal(0, 0.03, 200_000), 0.02**2
    of_one = common + rng.normal(0, np.sqrt(scatter), common.size)
    std, none, all_of_it = (np.full(common.size, value) for value in (0.01, 0.0, scatter))
    assert calibration_factor(of_one, std, none) == pytest.approx(3.606, rel=0.01)
    assert calibration_factor(of_one, std, all_of_it) == pytest.approx(3.0, rel=0.01)


def test_a_variance_in_units_of_another():
    error = np.array([0.03, np.nan, -0.05])
    assert variance_factor(error, np.full(3, 1e-4)) == pytest.approx(17.0)
    assert variance_factor(error * np.nan, np.full(3, 1e-4)) == 1.0


def test_what_a_local_part_and_months_need_is_named():
    ds, _ = climate_world(days=200, rows=4, columns=4)
    short = ds.isel(time=slice(0, 110))
    for options, message in (
        ({"local": True}, "local=True with a target over .* days: expected 120 or more"),
        ({"split": "months"}, "split='months' with a target over .* days"),
    ):
        with pytest.raises(InputError, match=message):
            fit_estimator(short, "smap", model="lstm", **SMALL | options)
    bare = ds.drop_vars(["lat", "lon"])
    with pytest.raises(InputError, match="local=True: the cells have no latitude and longitude"):
        fit_estimator(bare, "smap", local=True, **SMALL)
    with pytest.raises(InputError, match="local=True with split='blocked'"):
        fit_estimator(ds, "smap", local=True, split="blocked", **SMALL)
    with pytest.raises(InputError, match="local=True has a location and a scale of its own"):
        fit_estimator(ds, "smap", local=True, location="texture", **SMALL)
    for split in ("random", "none"):
        options = {"split": split, "local": False, "model": ("dense", "lstm")}
        with pytest.raises(InputError, match=f"split='{split}': networks of several kinds"):
            fit_estimator(ds, "smap", **SMALL | options)
    with pytest.raises(InputError, match="antecedent=True needs the predictor 'precipitation'"):
        fit_estimator(ds.drop_vars("tp"), "smap", antecedent=True, **SMALL)
    with pytest.raises(InputError, match="local='yes': expected True, False or None"):
        fit_estimator(ds, "smap", local="yes", **SMALL)
    with pytest.raises(InputError, match="repeat_cycle=-1: expected a whole number, 0 or more"):
        fit_estimator(ds, "smap", repeat_cycle=-1, **SMALL)
    two = xr.concat([ds, ds.isel(lat=[0])], "lat")
    with pytest.raises(InputError, match="the cell at 40, -100 is there more than once"):
        fit_estimator(two, "smap", **SMALL)


def test_the_uncertainty_of_a_cell_is_at_most_half_of_the_range_of_soil_moisture(fitted):
    model, _, ds, _ = fitted
    params = dict(model.params) | {"local/error": 1e4 * model.params["local/error"]}
    wide = ds.sm.estimate(model=make_model("wide", model.card, params), progress=False)
    assert float(wide.soil_moisture_uncertainty.max()) == 0.5
