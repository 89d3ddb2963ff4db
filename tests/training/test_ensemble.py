"""Ensembles: which options apply to which model, weights, subsamples, and refits."""

import numpy as np
import pytest

from xsm.errors import InputError
from xsm.estimation.samples import Samples
from xsm.networks.model import make_model
from xsm.networks.sequence_inference import estimate_sequences
from xsm.training.ensemble import (
    applicable_options,
    check_applicable,
    drop_predictors,
    fit_ensemble,
    refit,
    subsample,
)
from xsm.training.sequence_fit import Sequences


@pytest.mark.parametrize("kind", ["dense", "xgboost"])
def test_density_weights_reduce_the_bias_of_rare_targets(kind):
    """One noisy predictor; wet targets are rare."""
    pytest.importorskip("torch" if kind == "dense" else "xgboost")
    rng = np.random.default_rng(1)
    y = (0.15 + 0.06 * rng.gamma(1.5, size=(60, 50))).astype(np.float32).clip(0, 0.6)
    x = (y + rng.normal(0, 0.08, y.shape)).astype(np.float32)[..., None]
    row = {"name": "swvl1", "units": "m3 m-3", "static": False}
    zeros = np.zeros(len(x))
    samples = Samples(x, y, zeros, zeros, [row], "made", ("2015-01-01", "2015-02-19"))
    part = np.zeros(60, np.int8)

    options = {
        "dense": {
            "hidden_size": 8, "epochs": 8, "batch_size": 64, "learning_rate": 1e-2, "dropout": 0.0,
        },
        "xgboost": {"trees": {"rounds": 20, "max_depth": 3}},
    }  # fmt: skip

    def wet_bias(density_power: float) -> float:
        model = fit_ensemble(samples, part, kind, density_power=density_power, **options[kind])
        mean, _ = estimate_sequences(x, model)
        return float((mean - y)[y > 0.4].mean())

    plain, weighted = wet_bias(0.0), wet_bias(0.7)
    assert plain < -0.02
    assert weighted > 0.8 * plain


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"density_power": 2}, "density_power=2: expected a power from 0 to 1"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0: expected a number of 0 or more"),
        ({"learning_rate": "fast"}, "learning_rate='fast': expected a number above 0"),
        ({"fraction": 1.5}, "fraction=1.5: expected a fraction"),
        ({"gap": 3}, r"unknown options \['gap'\]"),
    ],
)
def test_options_that_cannot_be(option, message):
    with pytest.raises(InputError, match=message):
        fit_ensemble(None, None, "dense", **option)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("atlstm", {"trees": {}}, r"trees=\{\}: not applicable to model='atlstm'"),
        ("lstm", {"attention_window": 5}, "attention_window=5: not applicable to model='lstm'"),
        ("dense", {"attention_window": 5}, "attention_window=5: not applicable"),
        ("dense", {"min_crop_days": 60}, "min_crop_days=60: not applicable"),
        ("transformer", {"input_size": 8}, "input_size=8: not applicable"),
        ("lstm", {"attention_heads": 2}, "attention_heads=2: not applicable"),
        ("xgboost", {"epochs": 3}, "epochs=3: not applicable to model='xgboost'"),
        ("xgboost", {"hidden_size": 8}, "hidden_size=8: not applicable"),
        ("xgboost", {"device": "cpu"}, "device='cpu': not applicable"),
        ("xgboost", {"dropout": 0.0, "learning_rate": 0.1}, "dropout=0.0, learning_rate=0.1: not"),
    ],
)
def test_options_that_do_not_apply_are_refused(kind, options, message):
    with pytest.raises(InputError, match=message):
        fit_ensemble(None, None, kind, **options)


def test_options_of_none_are_not_given():
    given = {"epochs": None, "trees": {"rounds": 3}, "hidden_size": None, "density_power": 0.0}
    assert check_applicable("xgboost", given) == {"trees": {"rounds": 3}, "density_power": 0.0}
    assert applicable_options("xgboost") == {"trees", "density_power"}
    assert {"attention_window", "input_size", "min_crop_days"} <= applicable_options("atlstm")


def test_trees_must_be_a_mapping():
    with pytest.raises(InputError, match="trees=20: expected a mapping"):
        fit_ensemble(None, None, "xgboost", trees=20)


def test_a_subsample_is_drawn_and_never_empty():
    data = Sequences(np.arange(20.0).reshape(20, 1, 1), np.arange(20.0).reshape(20, 1))
    assert subsample(data, 1.0, 0) is data
    part = subsample(data, 0.25, 3)
    assert part.x.shape == (5, 1, 1)
    np.testing.assert_array_equal(part.x[:, 0, 0], part.y[:, 0])
    np.testing.assert_array_equal(part.y, subsample(data, 0.25, 3).y)
    assert len(subsample(data, 0.001, 0).x) == 1


def two_predictors():
    rng = np.random.default_rng(4)
    y = rng.uniform(0.1, 0.4, (40, 60)).astype(np.float32)
    x = np.stack([y, rng.random(y.shape)], axis=-1).astype(np.float32)
    rows = [{"name": n, "units": "1", "static": False} for n in ("swvl1", "noise")]
    zeros = np.zeros(len(x))
    part = np.repeat(np.array([0, 1, 2], np.int8), (28, 8, 4))
    return Samples(x, y, zeros, zeros, rows, "made", ("2015-01-01", "2015-03-01")), part


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("atlstm", {"hidden_size": 4, "epochs": 2, "attention_window": 3, "min_crop_days": 30}),
        ("transformer", {"hidden_size": 4, "attention_heads": 2, "epochs": 2, "dropout": 0.1}),
        ("dense", {"hidden_size": 4, "input_size": 3, "epochs": 2, "density_power": 0.4}),
        ("xgboost", {"trees": {"rounds": 5, "nthread": 1}, "density_power": 0.4}),
    ],
)
def test_a_refit_has_the_settings_of_the_card(kind, options):
    pytest.importorskip("xgboost" if kind == "xgboost" else "torch")
    samples, part = two_predictors()
    model = fit_ensemble(samples, part, kind, ensemble_size=2, scaling="quartiles", **options)
    again = refit(samples, part, model, 0)
    assert again.card["config"] == model.card["config"]
    assert again.card["training"] == model.card["training"]
    assert again.card["sha256"] == model.card["sha256"]
    fewer = refit(drop_predictors(samples, [1]), part, model, 0)
    assert fewer.card["config"]["features"] == ["swvl1"]


def test_of_several_kinds_a_refit_has_the_one_for_cells_without_targets():
    pytest.importorskip("torch")
    samples, part = two_predictors()
    dense = fit_ensemble(samples, part, "dense", hidden_size=4, epochs=2, antecedent=False)
    entries = [
        {
            "network": kind, "config": {**dense.config, "kind": kind}, "ensemble_size": size,
            "training": dense.card["training"], "weight": weight, "regional_weight": regional,
        }
        for kind, size, weight, regional in (("bilstm", 1, 0.6, 0.0), ("dense", 2, 0.4, 1.0))
    ]  # fmt: skip
    target = dense.card["target"] | {"location": "cell_mean", "scale": "cell_std"}
    changed = {"network": "ensemble", "networks": entries, "target": target}
    both = make_model("both", dense.card | changed, dense.params)
    model = refit(samples, part, both, 0)
    two = fit_ensemble(samples, part, "dense", hidden_size=4, epochs=2, ensemble_size=2)
    assert model.card["sha256"] == two.card["sha256"]
