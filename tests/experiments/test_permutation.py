"""Importance of predictors: large for rain, none for noise."""

import numpy as np
import pytest

from tests.estimation.worlds import world
from xsm.errors import InputError, ModelError
from xsm.experiments.permutation import importance
from xsm.networks.model import save_model
from xsm.training.fit_estimator import fit_estimator
from xsm.training.splits import are_test_cells, card_of_test_cells, split_cells

pytest.importorskip("torch")
SMALL = {
    "model": "lstm", "hidden_size": 8, "batch_size": 8, "epochs": 30, "learning_rate": 0.02,
    "dropout": 0.0, "progress": False, "antecedent": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    ds = world(rows=6, columns=8)
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(ds.soil.shape).astype(np.float32)
    ds["noise"] = (ds.soil.dims, noise, {"units": "1"})
    features = ["precipitation", "lst", "sand", "noise"]
    return fit_estimator(ds, "soil", features=features, **SMALL), ds


def means(result):
    return result.rmse_increase.mean("repeat").to_series()


def test_rain_counts_and_noise_does_not(fitted):
    model, ds = fitted
    increase = means(importance(model, ds, progress=False))
    assert increase.idxmax() == "precipitation"
    assert increase["precipitation"] > 10 * abs(increase["noise"])
    assert increase["sand"] > abs(increase["noise"])


def test_attributes_of_the_result(fitted):
    model, ds = fitted
    result = importance(model, ds, repeats=2, progress=False)
    assert result.sizes == {"predictor": 4, "repeat": 2}
    assert result.attrs["how"] == "permutation"
    assert result.attrs["target"] == "soil"
    assert 0 < result.attrs["rmse"] < 0.05
    again = importance(model, ds, repeats=2, progress=False)
    np.testing.assert_array_equal(result.rmse_increase, again.rmse_increase)
    square = result.attrs["rmse"] ** 2 / (1 - result.attrs["r2"])
    r2 = 1 - (result.attrs["rmse"] + result.rmse_increase) ** 2 / square
    np.testing.assert_allclose(result.attrs["r2"] - r2, result.r2_decrease, rtol=1e-6)


def test_shifted_days_do_not_change_static_predictors(fitted):
    model, ds = fitted
    increase = means(importance(model, ds, permute="days", repeats=2, progress=False))
    assert increase["sand"] == 0
    assert increase["precipitation"] > 0
    both = means(importance(model, ds, permute="both", repeats=2, progress=False))
    assert both["sand"] > 0


def test_groups_of_predictors(fitted):
    model, ds = fitted
    groups = {"weather": ["precipitation", "lst"]}
    result = importance(model, ds, groups=groups, repeats=2, progress=False)
    assert result.predictor.values.tolist() == ["weather", "sand", "noise"]
    with pytest.raises(InputError, match=r"groups name \['rain'\]"):
        importance(model, ds, groups={"weather": ["rain"]})


def test_predictors_are_found_as_estimate_finds_them(fitted):
    model, ds = fitted
    expected = importance(model, ds, repeats=1, progress=False)
    other = ds.rename(lst="t", precipitation="rain")
    other["t"].attrs["standard_name"] = "surface_temperature"
    found = importance(model, other, features={"precipitation": "rain"}, repeats=1, progress=False)
    np.testing.assert_allclose(found.rmse_increase, expected.rmse_increase, atol=1e-7)


def test_on_test_cells_alone(fitted):
    model, ds = fitted
    result = importance(model, ds, cells="test", repeats=1, progress=False)
    assert result.attrs["rmse"] == pytest.approx(model.card["scores"]["rmse"], abs=1e-5)
    with pytest.raises(InputError, match="cells='test': the model was not fitted"):
        importance(model, ds.isel(lat=slice(0, 3)), cells="test", progress=False)


@pytest.mark.parametrize("kind", ["lstm", "transformer", "xgboost"])
def test_ablation_fits_again(kind):
    pytest.importorskip("xgboost")
    ds = world(rows=6, columns=8)
    options = SMALL | {"model": kind, "epochs": 12}
    if kind == "xgboost":
        options = {"model": kind, "trees": {"rounds": 10, "nthread": 1}, "progress": False}
        options["antecedent"] = False
    model = fit_estimator(ds, "soil", **options)
    result = importance(model, ds, how="ablation", progress=False)
    assert result.attrs["rmse"] == pytest.approx(model.card["scores"]["rmse"], abs=1e-5)
    assert result.sizes == {"predictor": 3, "repeat": 1}
    if kind != "transformer":
        assert means(result)["precipitation"] > 0


def test_a_given_mean_cannot_be_left_out():
    ds = world(rows=6, columns=8)
    ds["usual"] = ds["soil"].mean("time").assign_attrs(units="m3 m-3")
    features = ["precipitation", "usual"]
    model = fit_estimator(ds, "soil", features=features, location="usual", **SMALL | {"epochs": 1})
    with pytest.raises(InputError, match="'usual' cannot be left out"):
        importance(model, ds, how="ablation", progress=False)


def test_arguments_that_cannot_be_used_are_named(fitted):
    model, ds = fitted
    for name, none in (("how", ""), ("permute", "None or "), ("cells", "None or ")):
        with pytest.raises(InputError, match=f"{name}='odd': expected {none}one of"):
            importance(model, ds, **{name: "odd"})
    with pytest.raises(InputError, match="repeats=0"):
        importance(model, ds, repeats=0)
    with pytest.raises(InputError, match="stride=0: expected a whole number"):
        importance(model, ds, stride=0)
    for groups in (["lst"], {"weather": "lst"}):
        with pytest.raises(InputError, match="groups=.*expected a mapping, name -> list"):
            importance(model, ds, groups=groups)
    whole = {"all": ["precipitation", "lst", "sand", "noise"]}
    with pytest.raises(InputError, match="the model has no other predictors"):
        importance(model, ds, how="ablation", groups=whole)
    with pytest.raises(InputError, match="target='no'"):
        importance(model, ds, "no")
    with pytest.raises(InputError, match="1 cell"):
        importance(model, ds.isel(lat=[0], lon=[0]), progress=False)
    with pytest.raises(ModelError, match="there is no file"):
        importance("nothing", ds)
    for name in ("permute", "cells"):
        with pytest.raises(InputError, match=f"{name}='.*': not applicable to how='ablation'"):
            importance(model, ds, how="ablation", **{name: "cells" if name == "permute" else "all"})


def test_test_cells_are_those_of_the_fit_in_any_order(fitted):
    model, ds = fitted
    expected = importance(model, ds, cells="test", repeats=1, progress=False).attrs["rmse"]
    assert expected == pytest.approx(model.card["scores"]["rmse"], abs=1e-5)
    for other in (ds.isel(lat=slice(None, None, -1)), ds.transpose("lon", ...)):
        found = importance(model, other, cells="test", repeats=1, progress=False).attrs["rmse"]
        assert found == pytest.approx(expected, rel=1e-5)


def test_as_many_other_cells_are_refused(fitted, tmp_path, caplog):
    model, ds = fitted
    expected = importance(model, ds, cells="test", repeats=1, progress=False).attrs["rmse"]
    elsewhere = ds.assign_coords(lat=ds.lat - 40)
    with pytest.raises(InputError, match="not fitted on these cells.*as many cells, elsewhere"):
        importance(model, elsewhere, cells="test", progress=False)
    assert importance(model, elsewhere, repeats=1, progress=False).attrs["cells"] == "all"
    single = ds.assign_coords(lat=ds.lat.astype("f4"), lon=(ds.lon % 360).astype("f4"))
    assert "no coordinates" not in caplog.text
    saved = save_model(tmp_path / "model", model.card, model.params)
    old = {key: entry for key, entry in model.card.items() if key != "test_cells"}
    before = save_model(tmp_path / "before", old, model.params)
    for one, data in ((saved, ds), (model, single), (before, ds)):
        found = importance(one, data, cells="test", repeats=1, progress=False).attrs["rmse"]
        assert found == pytest.approx(expected, rel=1e-5)
    assert "no coordinates of its test cells, and only their number was compared" in caplog.text


def test_listed_cells_of_a_large_fit():
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-60, 70, 30_000), rng.uniform(-180, 180, 30_000)
    part = split_cells(lat, lon, "random", 0)
    listed = card_of_test_cells(lat, lon, part)
    assert len(listed["latitude"]) == 1000
    test = part == 2
    assert are_test_cells(listed, lat[test], lon[test] % 360)
    assert not are_test_cells(listed, lat[test], lon[test] + 0.25)
    assert not are_test_cells(listed, lat[test][:900], lon[test][:900])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"lst": ["sand"]}, r"groups are named \['lst'\], as predictors that are in no group"),
        ({"none": []}, "expected a mapping, name -> list of one predictor or more"),
        ({"lst": 3}, "expected a mapping, name -> list of one predictor or more"),
    ],
)
def test_groups_that_would_be_lost_are_refused(fitted, groups, message):
    model, ds = fitted
    with pytest.raises(InputError, match=message):
        importance(model, ds, groups=groups, progress=False)


def test_importance_without_targets_or_mapping_is_refused(fitted):
    model, ds = fitted
    with pytest.raises(InputError, match="'soil' has no value on the cells and days"):
        importance(model, ds.assign(soil=ds.soil.where(False)), progress=False)
    with pytest.raises(InputError, match=r"features=\['lst'\]: expected a mapping"):
        importance(model, ds, features=["lst"], progress=False)
    with pytest.raises(InputError, match="seed=None: expected a whole number"):
        importance(model, ds, seed=None, progress=False)


def test_the_order_of_rows_does_not_change_the_importance(fitted):
    model, ds = fitted
    flipped = importance(model, ds.isel(lat=slice(None, None, -1)), repeats=1, progress=False)
    assert flipped.identical(importance(model, ds, repeats=1, progress=False))
