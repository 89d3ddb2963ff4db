"""Which networks `model=` names, the options of each kind, and weights from left-out days."""

import numpy as np
import pytest

from xsm.errors import InputError
from xsm.training.network_choice import (
    choose_networks,
    default_model,
    ensemble_weights,
    estimates_new_cells,
    members_of,
    options_of_kinds,
    total_passes,
)


def test_one_kind_takes_its_options():
    (only,) = choose_networks("dense", {"epochs": 3, "dropout": None})
    assert only == ("dense", {"epochs": 3}, 1.0)
    assert members_of(only, [only], 12) == 12 and total_passes([only], 12) == 36


def test_the_ensemble_is_of_networks_of_days_and_of_sequences():
    pytest.importorskip("torch")
    dense, recurrent = choose_networks("ensemble", {"input_size": 7, "attention_window": None})
    assert (dense.weight, recurrent.weight) == (0.7, 0.3)
    assert dense.options == recurrent.options == {"input_size": 7}
    both = [dense, recurrent]
    assert [members_of(c, both, 12) for c in both] == [12, 3]
    assert [members_of(c, both, 2) for c in both] == [2, 2]


def test_several_kinds_share_the_weight_and_each_gets_what_applies():
    pytest.importorskip("torch")
    options = {"attention_window": 5, "hidden_size": 8}
    lstm, attention = choose_networks(["lstm", "atlstm"], options)
    assert lstm == ("lstm", {"hidden_size": 8}, 0.5)
    assert attention == ("atlstm", options, 0.5)
    assert [members_of(c, [lstm, attention], 12) for c in (lstm, attention)] == [12, 12]
    assert options_of_kinds(["lstm", "dense"], {"min_crop_days": 60})["dense"] == {}


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("forest", {}, "model='forest': expected 'ensemble', one of 'lstm', 'bilstm'"),
        (("dense", "forest"), {}, "model='forest': expected 'ensemble'"),
        (("dense", "dense"), {}, r"model=\('dense', 'dense'\): expected .*each once"),
        ((), {}, r"model=\(\): expected"),
        (3, {}, "model=3: expected"),
        ("partial_conv", {}, "model='partial_conv': expected"),
        ("ensemble", {"trees": {}}, "trees={}: not applicable"),
        (("dense", "lstm"), {"gap": 3}, r"unknown options \['gap'\]"),
    ],
)
def test_choices_that_cannot_be(model, options, message):
    pytest.importorskip("torch")
    with pytest.raises(InputError, match=message):
        choose_networks(model, options)


def test_weights_are_half_way_from_the_expected_to_the_least_squares():
    rng = np.random.default_rng(3)
    y = rng.random((5, 400))
    y[rng.random(y.shape) < 0.3] = np.nan
    errors = [scale * rng.standard_normal(y.shape) for scale in (0.1, 0.2)]
    first, second = (y + error for error in errors)
    first[:, :20] = np.nan
    weights, regional = ensemble_weights([first, second], y, (0.5, 0.5), (True, True))
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(regional, weights)
    # the least squares weigh by the inverse variance of independent errors: 0.8 and 0.2
    np.testing.assert_allclose(weights, [0.65, 0.35], atol=0.02)
    against = 2 * np.nanmean(y, axis=1, keepdims=True) - y
    weights, regional = ensemble_weights([first, against], y, (0.7, 0.3), (True, False))
    np.testing.assert_allclose(weights, [0.85, 0.15])
    assert regional.tolist() == [1.0, 0.0]
    nothing = np.full_like(y, np.nan)
    assert ensemble_weights([first, nothing], y, (0.7, 0.3), (True, True))[0].tolist() == [0.7, 0.3]
    assert ensemble_weights([first], y, (1.0,), (True,)).tolist() == [[1.0], [1.0]]


def test_the_default_needs_months_left_out_for_two_kinds():
    pytest.importorskip("torch")
    assert default_model(True, True) == "ensemble" and default_model(True, False) == "dense"
    assert default_model(False, True) == "atlstm"
    assert estimates_new_cells(choose_networks("ensemble", {})) == [True, False]
    assert estimates_new_cells(choose_networks(("lstm", "bilstm"), {})) == [True, True]
