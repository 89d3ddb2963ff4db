"""Boosted trees as an estimator."""

import sys

import numpy as np
import pytest

from tests.estimation.worlds import world_with_reanalysis as world
from xsm.errors import InputError, MissingPackageError
from xsm.estimate import estimate
from xsm.networks.model import load_model
from xsm.networks.sequence_inference import standardise
from xsm.training.fit_estimator import fit_estimator
from xsm.training.xgboost_fit import DEFAULT_PARAMETERS

SMALL = {
    "model": "xgboost", "trees": {"rounds": 40, "nthread": 1}, "progress": False,
    "antecedent": False,
}  # fmt: skip


@pytest.fixture
def package():
    return pytest.importorskip("xgboost", reason="boosted trees need xsm[trees]")


def test_a_saved_booster_is_bytes_and_estimates_the_same(package, tmp_path):
    ds = world(rows=6, columns=8)
    model = fit_estimator(ds, "soil", tmp_path / "trees", **SMALL)
    assert model.params["0/booster"].dtype == np.uint8
    assert model.card["scores"]["r2"] > 0.5
    expected = estimate(ds, model=model, progress=False)
    found = estimate(ds, model=tmp_path / "trees", progress=False)
    np.testing.assert_array_equal(found.soil_moisture, expected.soil_moisture)
    assert load_model(tmp_path / "trees").identity.startswith("trees")


def test_it_is_what_xgboost_itself_gives(package):
    ds = world()
    trees = SMALL["trees"] | {"subsample": 1.0, "colsample_bytree": 1.0}
    model = fit_estimator(ds, "soil", **SMALL | {"trees": trees, "split": "none"})
    x = np.stack([np.broadcast_to(ds[n], ds.soil.shape) for n in model.config["features"]], -1)
    z = standardise(x.reshape(-1, 4), model.card)
    target = model.card["target"]
    y = (ds.soil.values.ravel() - target["location"]) / target["scale"]
    options = DEFAULT_PARAMETERS | {k: v for k, v in trees.items() if k != "rounds"}
    booster = package.train(options | {"seed": 0}, package.DMatrix(z, y.astype(np.float32)), 40)
    expected = target["location"] + target["scale"] * booster.predict(package.DMatrix(z))
    found = estimate(ds, model=model, progress=False).soil_moisture.values.ravel()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert np.corrcoef(found, expected)[0, 1] > 0.999


def test_the_uncertainty_is_that_of_held_out_cells(package):
    ds = world(rows=6, columns=8)
    model = fit_estimator(ds, "soil", **SMALL)
    other = world(rows=6, columns=8, seed=3)
    found = estimate(other, model=model, progress=False)
    width = found.soil_moisture_uncertainty
    assert float(width.std()) < 1e-6
    inside = abs(found.soil_moisture - other["soil"]) < width
    assert 0.4 < float(inside.mean()) < 0.95


def test_a_fraction_of_the_days_and_an_ensemble(package):
    ds = world(rows=6, columns=8)
    whole = fit_estimator(ds, "soil", **SMALL)
    less = fit_estimator(ds, "soil", fraction=0.005, **SMALL)
    assert less.card["training"]["fraction"] == 0.005
    assert less.card["scores"]["rmse"] > whole.card["scores"]["rmse"]
    two = fit_estimator(ds, "soil", ensemble_size=2, **SMALL)
    assert sorted(two.params) == [f"{n}/{k}" for n in (0, 1) for k in ("booster", "log_variance")]
    with pytest.raises(InputError, match="fraction=2"):
        fit_estimator(ds, "soil", fraction=2, **SMALL)


def test_trees_have_no_attention(package):
    ds = world()
    model = fit_estimator(ds, "soil", **SMALL)
    with pytest.raises(InputError, match="'xgboost' has no attention"):
        estimate(ds.isel(lat=0, lon=0), model=model, attention=True)


def test_a_missing_xgboost(monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(MissingPackageError, match=r"xsm\[trees\]"):
        fit_estimator(world(), "soil", **SMALL)


def test_parameters_that_xgboost_refuses_are_named():
    ds = world()
    options = {"model": "xgboost", "split": "random", "progress": False}
    with pytest.raises(InputError, match=r"trees\['rounds'\]=0: expected a whole number, 1 or mor"):
        fit_estimator(ds, "soil", trees={"rounds": 0}, **options)
    with pytest.raises(InputError, match="trees=.*'eta': -1.*xgboost refuses them"):
        fit_estimator(ds, "soil", trees={"eta": -1, "rounds": 2}, **options)
