"""Rare targets count for more, and a fit heeds it."""

import numpy as np
import pytest

from xsm.errors import InputError
from xsm.training.losses import MOST, rarity


@pytest.fixture
def targets():
    """Ten thousand around 0.2, a hundred around 0.45."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0.2, 0.03, 10_000), rng.normal(0.45, 0.01, 100)])


def test_weights_are_one_in_the_mean_and_follow_the_power(targets):
    weight = {power: rarity(targets, power) for power in (0.0, 0.5, 1.0)}
    for weigh in weight.values():
        assert weigh(targets).mean() == pytest.approx(1.0, abs=0.01)
    wet, usual = np.array([0.45]), np.array([0.2])
    np.testing.assert_allclose(weight[0.0](targets), 1.0)
    half, whole = (float(weight[p](wet)[0] / weight[p](usual)[0]) for p in (0.5, 1.0))
    assert 3 < half < 12  # about a hundred times rarer, spread over fewer bins
    assert whole > half


def test_no_weight_leads_and_a_missing_target_has_none(targets):
    odd = np.append(targets, [3.0, np.nan])
    weight = rarity(odd, 1.0)(odd)
    assert weight[-1] == 0.0
    assert weight[-2] <= 2 * MOST
    assert np.isfinite(weight).all()


def test_one_value_alone_is_possible():
    assert rarity(np.full(5, 0.3), 0.5)(np.array([0.3])) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["dense", "xgboost"])
def test_a_balanced_fit_errs_less_where_targets_are_rare(kind):
    """One predictor tells half of what is to be known; wet targets are rare."""
    pytest.importorskip("torch" if kind == "dense" else "xgboost")
    from xsm.estimation.samples import Samples
    from xsm.networks.sequence_inference import estimate_sequences
    from xsm.training.ensemble import fit_samples

    rng = np.random.default_rng(1)
    y = (0.15 + 0.06 * rng.gamma(1.5, size=(60, 50))).astype(np.float32).clip(0, 0.6)
    x = (y + rng.normal(0, 0.08, y.shape)).astype(np.float32)[..., None]
    row = {"name": "swvl1", "units": "m3 m-3", "static": False}
    zeros = np.zeros(len(x))
    samples = Samples(x, y, zeros, zeros, [row], "made", ("2015-01-01", "2015-02-19"))
    part = np.zeros(60, np.int8)

    def wet_bias(balance: float) -> float:
        sizes = {"hidden": 8, "epochs": 8, "batch": 64, "rate": 1e-2, "dropout": 0.0}
        model = fit_samples(
            samples, part, kind, balance=balance, trees={"rounds": 20, "max_depth": 3},
            **(sizes if kind == "dense" else {}),
        )  # fmt: skip
        mean, _ = estimate_sequences(x, model)
        return float((mean - y)[y > 0.4].mean())

    plain, balanced = wet_bias(0.0), wet_bias(0.7)
    assert plain < -0.02
    assert balanced > 0.8 * plain


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"balance": 2}, "balance=2: expected a power from 0 to 1"),
        ({"decay": -1.0}, "decay=-1.0: expected a number of 0 or more"),
        ({"rate": "fast"}, "rate='fast': expected a number above 0"),
        ({"share": 1.5}, "share=1.5: expected a share"),
        ({"gap": 3}, r"unknown options \['gap'\]"),
    ],
)
def test_options_that_cannot_be(option, told):
    from xsm.training.ensemble import fit_samples

    with pytest.raises(InputError, match=told):
        fit_samples(None, None, "dense", **option)
