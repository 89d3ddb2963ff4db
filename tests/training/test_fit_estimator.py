"""fit_estimator, as a user calls it."""

import sys

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import world
from xsm.conventions.cf import ESTIMATED, MISSING_INPUT
from xsm.errors import InputError, MissingPackageError, ModelError, UnitError
from xsm.estimate import estimate
from xsm.estimation.samples import read_samples
from xsm.networks.model import load_model
from xsm.training.fit_estimator import fit_estimator
from xsm.training.splits import split_cells

pytest.importorskip("torch")
SMALL = {
    "hidden_size": 8, "batch_size": 8, "epochs": 2, "learning_rate": 0.02, "progress": False,
    "antecedent": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    path = tmp_path_factory.mktemp("mine") / "mine"
    ds = world(rows=6, columns=8)
    before = ds.copy(deep=True)
    model = fit_estimator(ds, "soil", path, model="lstm", **{**SMALL, "epochs": 40})
    assert ds.identical(before)
    return model, path, ds


def test_a_fit_explains_most_of_the_variance(fitted):
    model, _, _ = fitted
    assert model.card["scores"]["r2"] > 0.7
    curve = model.card["curves"][0]
    assert min(curve["held_out"]) < 0.6 * curve["held_out"][0]


def test_the_saved_model_estimates_unseen_weather(fitted):
    model, path, _ = fitted
    assert load_model(path).identity == model.identity
    other = world(seed=5)
    found = estimate(other, model=path, progress=False)
    error = found.soil_moisture - other["soil"]
    assert float(error.var()) < 0.4 * float(other["soil"].var())


def test_entries_of_the_card(fitted):
    model, _, ds = fitted
    card = model.card
    assert [row["name"] for row in card["predictors"]] == ["lst", "precipitation", "sand"]
    assert card["split"] == {"kind": "random", "cells": [34, 9, 5], "stride": 1}
    assert card["trained_on"] == {"soil": "2019-12-01 to 2020-01-29"}
    assert card["calibration"]["n"] == 9 * 60
    assert card["scores"]["n"] == 5 * 60
    part = split_cells(*_coordinates(ds), "random", 0).reshape(6, 8)
    row = card["predictors"][0]
    assert row["mean"] == pytest.approx(float(ds.lst.values[:, part == 0].mean()), rel=1e-5)


def _coordinates(ds):
    lat, lon = np.meshgrid(ds.lat, ds.lon, indexing="ij")
    return lat.ravel(), lon.ravel()


def test_a_fit_repeats_and_a_seed_changes_it():
    ds = world()
    options = SMALL | {"model": "bilstm"}
    one, two, other = (fit_estimator(ds, "soil", **options, seed=seed) for seed in (1, 1, 2))
    assert one.card["sha256"] == two.card["sha256"] != other.card["sha256"]


@pytest.mark.parametrize("kind", ["atlstm", "transformer", "dense"])
def test_every_kind_fits_and_estimates(kind):
    ds = world()
    model = fit_estimator(ds, "soil", model=kind, ensemble_size=2, **SMALL)
    assert len(model.card["curves"]) == 2
    found = estimate(ds, model=model, progress=False)
    assert found.soil_moisture.notnull().all()
    assert float(found.soil_moisture.std()) > 0


def test_a_target_with_gaps_on_a_part_of_the_days():
    ds = world(rows=6, columns=8)
    rng = np.random.default_rng(0)
    target = ds["soil"].isel(time=slice(0, 40)).where(rng.random((40, 6, 8)) < 0.6)
    target[:, 0, 0] = np.nan
    ds = ds.drop_vars("soil")
    samples = read_samples(ds, target, None)
    assert samples.x.shape == (47, 60, 3)
    assert samples.targets == int(target.notnull().sum())
    assert np.isnan(samples.y[:, 40:]).all()
    model = fit_estimator(ds, target, **SMALL)
    assert np.isfinite(model.card["scores"]["rmse"])


def test_departures_from_a_given_mean():
    ds = world(rows=6, columns=8)
    ds["usual"] = ds["soil"].mean("time").assign_attrs(units="m3 m-3")
    features = ["precipitation", "lst", "sand", "usual"]
    model = fit_estimator(ds, "soil", features=features, location="usual", split="none", **SMALL)
    assert model.card["target"]["location"] == "usual"
    assert "scores" not in model.card
    low = estimate(ds, model=model, progress=False)
    assert float(abs(low.soil_moisture.mean("time") - ds["usual"]).max()) < 0.1
    with pytest.raises(InputError, match="location and scale name.*'lost'"):
        fit_estimator(ds, "soil", features=features, location="lost", **SMALL)


def test_blocked_keeps_boxes_together():
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(0, 40, 1.0), np.arange(0, 60, 1.0)))
    part = split_cells(lat, lon, "blocked", 3)
    boxes = np.unique(np.stack([lat // 5, lon // 5], 1), axis=0, return_inverse=True)[1].ravel()
    for box in range(boxes.max() + 1):
        assert np.unique(part[boxes == box]).size == 1
    np.testing.assert_allclose(np.bincount(part) / part.size, (0.7, 0.2, 0.1), atol=0.05)
    np.testing.assert_array_equal(part, split_cells(lat, lon, "blocked", 3))


def test_a_stride_takes_fewer_cells():
    samples = read_samples(world(rows=6, columns=8), "soil", None, stride=2)
    assert samples.y.shape == (12, 60)
    np.testing.assert_array_equal(np.unique(samples.lat), [38, 44, 50])


def test_arguments_that_cannot_be_used_are_named():
    ds = world()
    with pytest.raises(InputError, match="target='no'"):
        fit_estimator(ds, "no", **SMALL)
    with pytest.raises(InputError, match="values on cells and days"):
        fit_estimator(ds, ds["soil"].where(ds.lat > 49).isel(time=slice(0, 9)), **SMALL)
    with pytest.raises(InputError, match="model='gru'"):
        fit_estimator(ds, "soil", model="gru", **SMALL)
    with pytest.raises(InputError, match="split='odd'"):
        fit_estimator(ds, "soil", split="odd", **SMALL)
    with pytest.raises(InputError, match="split='blocked' leaves no"):
        fit_estimator(ds.assign_coords(lat=np.arange(4.0), lon=np.arange(5.0)), "soil",
                      split="blocked", **SMALL)  # fmt: skip
    with pytest.raises(InputError, match="epochs=0"):
        fit_estimator(ds, "soil", **SMALL | {"epochs": 0})
    with pytest.raises(InputError, match="dropout=1"):
        fit_estimator(ds, "soil", dropout=1, **SMALL)
    with pytest.raises(InputError, match="no day in common"):
        late = ds["soil"].assign_coords(time=ds.time + np.timedelta64(900, "D"))
        fit_estimator(ds.drop_vars("soil"), late, **SMALL)
    with pytest.raises(InputError, match="expected 0 to 1"):
        fit_estimator(ds, (100 * ds["soil"]).assign_attrs(units="m3 m-3"), **SMALL)
    with pytest.raises(UnitError, match="soil"):
        fit_estimator(ds, ds["soil"].assign_attrs(units="K"), **SMALL)
    with pytest.raises(InputError, match="no predictor is known"):
        fit_estimator(ds[["soil"]].assign_attrs(a=1), "soil", **SMALL)
    with pytest.raises(InputError, match=r"predictors \['lst'\] have no value"):
        fit_estimator(ds.assign(lst=ds["lst"] * np.nan).assign(
            lst=lambda d: d["lst"].assign_attrs(units="K")), "soil", **SMALL)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [("stride", 1.5), ("stride", 0), ("ensemble_size", 0), ("epochs", 2.5), ("hidden_size", 0),
     ("attention_window", -1), ("min_crop_days", 0), ("max_interp_gap", -1), ("seed", -1),
     ("batch_size", True)],
)  # fmt: skip
def test_numbers_that_are_not_whole_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name}={value!r}: expected a whole number"):
        fit_estimator(world(), "soil", **SMALL | {name: value})


def test_data_that_cannot_be_used_are_named():
    ds = world()
    bare = ds.drop_vars("soil")
    with pytest.raises(InputError, match="the predictors are a DataArray"):
        fit_estimator(ds["lst"], "soil", **SMALL)
    with pytest.raises(InputError, match="target=<ndarray>"):
        fit_estimator(bare, ds["soil"].values, **SMALL)
    with pytest.raises(InputError, match="expected the same. Rename or select"):
        fit_estimator(bare, ds["soil"][0].assign_attrs(units="1"), **SMALL)
    with pytest.raises(InputError, match="features='lst': expected a list"):
        fit_estimator(ds, "soil", features="lst", **SMALL)
    with pytest.raises(InputError, match="'soil' is 0.2 everywhere"):
        fit_estimator(bare, (0 * ds["soil"] + 0.2).assign_attrs(units="1"), **SMALL)
    with pytest.raises(UnitError, match="location='lst' has units 'K': expected 'm3 m-3'"):
        fit_estimator(ds, "soil", location="lst", **SMALL)
    with pytest.raises(InputError, match="location='usual' is in 'percent'"):
        usual = (100 * ds["soil"].mean("time")).assign_attrs(units="percent")
        features = ["lst", "usual"]
        fit_estimator(ds.assign(usual=usual), "soil", features=features, location="usual", **SMALL)
    with pytest.raises(InputError, match="29 days long: expected 30 or more for model='atlstm'"):
        fit_estimator(ds.isel(time=slice(0, 29)), "soil", **SMALL)
    with pytest.raises(InputError, match="device='tpux'"):
        fit_estimator(ds, "soil", device="tpux", **SMALL)
    with pytest.raises(ModelError, match="name of a shipped model"):
        fit_estimator(ds, "soil", "default", **SMALL)


def test_infinite_targets_count_as_missing():
    ds = world()
    wild = ds["soil"].where(ds["soil"] > 0.12, np.inf).assign_attrs(ds["soil"].attrs)
    samples = read_samples(ds.drop_vars("soil"), wild, ["lst", "lst"])
    assert samples.targets == int(np.isfinite(wild).sum()) < wild.size
    assert [row["name"] for row in samples.rows] == ["lst"]


def test_a_fit_to_a_single_pixel(caplog):
    pixel = world(days=600).isel(lat=1, lon=2)
    model = fit_estimator(pixel, "soil", split="none", local=False, **SMALL)
    assert estimate(pixel, model=model, progress=False).soil_moisture.notnull().all()
    assert "calibration" not in model.card and "too small for others" in caplog.text


def test_percent_is_a_unit_of_a_target():
    ds = world()
    percent = (100 * ds["soil"]).assign_attrs(units="percent")
    one, two = (read_samples(ds.drop_vars("soil"), y, None) for y in (ds["soil"], percent))
    np.testing.assert_allclose(one.y, two.y, rtol=1e-5)


def test_crops_are_learned_from_and_one_of_the_whole_record_changes_nothing():
    ds = world(rows=6, columns=8)
    options = SMALL | {"model": "bilstm", "epochs": 30}
    model = fit_estimator(ds, "soil", min_crop_days=20, **options)
    assert model.card["scores"]["r2"] > 0.5
    whole = fit_estimator(ds, "soil", **options | {"epochs": 1})
    same = fit_estimator(ds, "soil", min_crop_days=60, **options | {"epochs": 1})
    assert whole.card["sha256"] == same.card["sha256"]


def test_quartiles_do_not_depend_on_extremes():
    ds = world(rows=6, columns=8)
    rng = np.random.default_rng(0)
    snow = rng.random(ds["soil"].shape) < 0.1
    ds["albedo_bsa_vis"] = ds["soil"].copy(data=np.where(snow, 0.9, 0.1 + 0.1 * ds["soil"]))
    ds["albedo_bsa_vis"].attrs = {"units": "1"}
    rows = {}
    for scaling in ("moments", "quartiles"):
        model = fit_estimator(ds, "soil", scaling=scaling, **SMALL | {"epochs": 1})
        rows[scaling] = model.card["predictors"][0]
    assert rows["moments"]["std"] > 0.2
    assert rows["quartiles"]["std"] == pytest.approx(
        (0.9 - rows["quartiles"]["mean"]) / 8, rel=0.01
    )
    assert rows["quartiles"]["mean"] < 0.14
    with pytest.raises(InputError, match="scaling='odd'"):
        fit_estimator(ds, "soil", scaling="odd", **SMALL)


def test_a_missing_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError, match=r"xsm\[torch\]"):
        fit_estimator(world(), "soil", **SMALL)
    assert xsm.__version__


def test_reserved_card_entries_are_refused():
    with pytest.raises(InputError, match=r"card holds \['predictors', 'scores'\]"):
        fit_estimator(world(), "soil", card={"scores": {}, "predictors": [], "author": "me"})


@pytest.mark.parametrize(
    ("model", "option", "message"),
    [
        ("lstm", {"attention_window": 5}, "attention_window=5: not applicable to model='lstm'"),
        ("atlstm", {"trees": {"rounds": 5}}, "not applicable to model='atlstm'"),
        ("transformer", {"input_size": 8}, "input_size=8: not applicable"),
        ("dense", {"min_crop_days": 30}, "min_crop_days=30: not applicable"),
        ("xgboost", {"epochs": 30}, "epochs=30: not applicable to model='xgboost'"),
        ("xgboost", {"learning_rate": 3e-3}, "learning_rate=0.003: not applicable"),
        ("xgboost", {"hidden_size": 64}, "hidden_size=64: not applicable"),
        ("xgboost", {"device": "cpu"}, "device='cpu': not applicable"),
    ],
)
def test_arguments_that_do_not_apply_are_refused(model, option, message):
    with pytest.raises(InputError, match=message):
        fit_estimator(world(), "soil", model=model, **option)


def test_new_settings_are_in_the_card():
    model = fit_estimator(world(), "soil", model="atlstm", attention_window=4, **SMALL)
    training = model.card["training"]
    assert training["batch_size"] == 8
    assert training["learning_rate"] == 0.02
    assert training["weight_decay"] == 1e-2
    assert training["fraction"] == 1.0
    assert training["ensemble_size"] == 1
    assert training["density_power"] == 0.0
    assert training["device"] == "cpu"
    assert model.config["window"] == 4
    assert model.config["input"] == model.config["hidden"] == 8


def test_a_layer_before_the_recurrence_is_the_default_and_can_be_left_out():
    model = fit_estimator(world(), "soil", model="lstm", input_size=0, **SMALL)
    assert model.config["input"] is None and "0/input.weight" not in model.params
    assert model.card["training"]["dropout"] == 0.3
    with pytest.raises(InputError, match="input_size=0: expected 1 or more .* 'dense'"):
        fit_estimator(world(), "soil", model="dense", input_size=0, **SMALL)


def test_everything_is_checked_before_the_predictors_are_read(monkeypatch):
    def read(*_, **__):
        raise AssertionError("read too early")

    monkeypatch.setattr("xsm.training.fit_estimator.read_samples", read)
    for error, arguments in (
        (ModelError, {"path": "default"}),
        (InputError, {"device": "tpux"}),
        (InputError, {"card": {"scores": {}}}),
        (InputError, {"split": "odd"}),
        (InputError, {"scaling": "odd"}),
    ):
        with pytest.raises(error):
            fit_estimator(world(), "soil", **arguments, **SMALL)


def test_a_predictor_with_a_large_offset_is_learnt_saved_and_read(tmp_path):
    """Soil moisture follows from a height of 1e9 +- 10, which float32 knows to 64."""
    ds = world(rows=6, columns=8)
    wet = ((ds["soil"] - ds["soil"].mean()) / ds["soil"].std()).astype(float)
    predictors = ds[["sand"]].assign(height=(1e9 + 10 * wet).assign_attrs(units="mm"))
    options = {"model": "dense", "split": "random", "epochs": 10, "progress": False}
    model = fit_estimator(predictors, ds["soil"], tmp_path / "high", **options)
    assert model.card["scores"]["r2"] > 0.9
    in_metres = predictors.assign(height=(predictors["height"] / 1000).assign_attrs(units="m"))
    for given in (predictors, predictors.chunk(lat=2, time=9), in_metres):
        found = estimate(given, model=tmp_path / "high", progress=False)["soil_moisture"]
        assert float(abs(found - ds["soil"]).max()) < 0.02


@pytest.mark.parametrize("split", ["random", "blocked"])
def test_parts_do_not_depend_on_order_nor_on_where_longitudes_begin(split):
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(0, 20, 2.0), np.arange(-30, 30, 2.0)))
    part = split_cells(lat, lon, split, 1)
    order = np.random.default_rng(2).permutation(lat.size)
    np.testing.assert_array_equal(split_cells(lat[order], lon[order] % 360, split, 1), part[order])


def test_a_class_that_the_fit_has_not_seen_is_missing():
    """Indicators that are all 0 would be an input that no network was fitted to."""
    ds = world(rows=6, columns=8)
    kinds = np.random.default_rng(0).integers(1, 5, (6, 8))
    ds = ds.assign(texture=(("lat", "lon"), kinds))
    model = fit_estimator(ds, "soil", **SMALL)
    assert next(r for r in model.card["predictors"] if r["name"] == "texture")["classes"]
    kinds = np.where(kinds == 2, 9, kinds)
    found = estimate(ds.assign(texture=(("lat", "lon"), kinds)), model=model, progress=False)
    missing = np.where(kinds == 9, np.nan, kinds)
    expected = estimate(ds.assign(texture=(("lat", "lon"), missing)), model=model, progress=False)
    xr.testing.assert_equal(found.drop_attrs(), expected.drop_attrs())
    flag = found["soil_moisture_flag"].transpose("time", ...).values
    assert (flag[:, kinds == 9] == MISSING_INPUT).all() and (flag[:, kinds != 9] == ESTIMATED).all()


def test_numbers_of_numpy_are_numbers(tmp_path):
    options = {"epochs": np.int64(2), "seed": np.int64(1), "learning_rate": np.float32(0.01)}
    entries = {"cells": np.int32(3), "box": np.array([1.0, 2.0]), "when": np.str_("2020")}
    ds = world(rows=6, columns=8)
    fit_estimator(
        ds, "soil", tmp_path / "m", card=entries, model="dense", progress=False, **options
    )
    card = load_model(tmp_path / "m", "estimate").card
    assert (card["cells"], card["box"], card["when"]) == (3, [1.0, 2.0], "2020")
    assert card["training"]["seed"] == 1
    for wrong, message in (
        ({"when": np.datetime64("2020")}, r"card\['when'\] cannot be written.*datetime64"),
        ({"a": {"b": object()}}, r"card\['a'\] cannot be written"),
        ("text", "card is a str: expected a mapping"),
    ):
        with pytest.raises(InputError, match=message):
            fit_estimator(ds, "soil", card=wrong, **SMALL)


def test_a_coordinate_is_a_predictor_where_it_is_named():
    ds = world(rows=6, columns=8)
    names = ["lst", "sand", "precipitation"]
    one, two = (
        fit_estimator(d, "soil", features=names, **SMALL) for d in (ds, ds.set_coords("sand"))
    )
    assert one.card["sha256"] == two.card["sha256"]
    found = estimate(ds.set_coords("sand"), model=one, progress=False)["soil_moisture"]
    expected = estimate(ds, model=one, progress=False)["soil_moisture"]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("split", ["random", "none"])
def test_a_fit_that_diverges_is_no_model(split):
    options = SMALL | {"learning_rate": 1e12, "local": False, "split": split}
    with pytest.raises(InputError, match="the fit diverged.*Use a smaller learning_rate"):
        fit_estimator(world(), "soil", model="dense", **options)


@pytest.mark.parametrize("name", ["seed", "stride", "max_interp_gap", "fraction"])
def test_numbers_that_have_no_default_none_are_asked_for(name):
    with pytest.raises(InputError, match=f"{name}=None: expected a"):
        fit_estimator(world(), "soil", **SMALL | {name: None})


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_settings_are_finite(name, value):
    with pytest.raises(InputError, match=f"{name}={value}: expected a number"):
        fit_estimator(world(), "soil", **SMALL | {name: value})


def test_the_card_has_the_days_of_the_target_not_those_of_the_predictors():
    ds = world()
    soil = ds["soil"].where((ds.time >= ds.time[7]) & (ds.time <= ds.time[40]))
    options = SMALL | {"model": "dense", "epochs": 1}
    first, last = (str(ds.time.values[n])[:10] for n in (7, 40))
    for target in (soil, soil.isel(time=slice(5, 45))):
        card = fit_estimator(ds.drop_vars("soil"), target, **options).card
        assert card["trained_on"] == {"soil": f"{first} to {last}"}


def test_the_order_of_rows_and_columns_does_not_change_a_fit():
    ds = world(rows=4, columns=5)
    options = SMALL | {"model": "dense", "epochs": 1}
    params = fit_estimator(ds, "soil", **options).params
    others = [
        ds.isel(lat=slice(None, None, -1)),
        ds.isel(lon=slice(None, None, -1)),
        ds.transpose("lon", "time", "lat"),
        ds.assign_coords(lon=ds.lon % 360).sortby("lon"),
    ]
    for other in others:
        for name, value in fit_estimator(other, "soil", **options).params.items():
            np.testing.assert_array_equal(value, params[name])


def test_location_and_scale_are_static_and_scale_is_above_0():
    ds = world()
    features = ["lst", "usual", "spread"]
    spread = ds["soil"].std("time").assign_attrs(units="m3 m-3")
    options = SMALL | {"features": features, "model": "dense"}
    ds = ds.assign(usual=ds["soil"].assign_attrs(units="m3 m-3"), spread=spread)
    with pytest.raises(InputError, match="location='usual' varies in time: expected a static"):
        fit_estimator(ds, "soil", location="usual", **options)
    first = {"lat": [0], "lon": [0]}
    zero = spread.where(spread != spread.isel(first).item(), 0.0).assign_attrs(units="m3 m-3")
    with pytest.raises(InputError, match="scale='spread' has values down to 0: expected only"):
        fit_estimator(ds.assign(spread=zero), "soil", scale="spread", **options)


@pytest.mark.parametrize("path", ["", 3, "."])
def test_a_path_that_names_no_file_is_refused_before_the_fit(path):
    with pytest.raises(ModelError, match="expected the path of a file"):
        fit_estimator(world(), "soil", path, **SMALL)
