"""Models with networks of several kinds: weighted means, files, devices, cards that do not fit."""

import numpy as np
import pytest

from tests.estimation.worlds import DENSE, NAMES, RECURRENT, any_ensemble
from xsm.errors import BackendError, InputError, ModelError
from xsm.networks.device import ExecutionConfig, check_backend
from xsm.networks.model import load_model, make_model, save_model
from xsm.networks.sequence_inference import (
    attention_weights,
    ensemble_params,
    estimate_sequences,
)


def predictors(days=40):
    x = np.random.default_rng(0).standard_normal((3, days, len(NAMES)))
    return (x * (6.0, 8.0, 0.2) + (3.0, 285.0, 0.5)).astype(np.float32)


def test_the_kinds_are_weighted_and_their_difference_widens_the_interval():
    x = predictors()
    numbered = [{f"0/{k}": p for k, p in own.items()} for own in ensemble_params(DENSE.params)]
    members = [make_model("one", DENSE.card, params) for params in numbered]
    means, stds = zip(*(estimate_sequences(x, m) for m in (*members, RECURRENT)), strict=True)
    weights = np.array([0.35, 0.35, 0.3])
    expected = np.tensordot(weights, means, 1)
    mean, std = estimate_sequences(x, any_ensemble())
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    variance = np.tensordot(weights, np.square(stds) + (np.array(means) - expected) ** 2, 1)
    np.testing.assert_allclose(std**2, variance, rtol=1e-4)
    assert abs(means[0] - means[2]).max() > 0.01


def test_cells_without_a_mean_of_their_own_have_weights_of_their_own():
    x = predictors()
    own = NAMES[-1]
    x[1, :, -1] = np.nan
    target = {**DENSE.card["target"], "location": own, "regional_location": 0.3}
    both = any_ensemble({"target": target}, {"regional_weight": 0.9}, {"regional_weight": 0.1})
    dense, recurrent = (estimate_sequences(x, part)[0] for part in both.components.values())
    weight = np.array([0.7, 0.9, 0.7])[:, None]
    mean, _ = estimate_sequences(x, both)
    np.testing.assert_allclose(mean, weight * dense + (1 - weight) * recurrent, atol=1e-5)


def test_the_file_gives_the_same(tmp_path):
    model = any_ensemble()
    path = tmp_path / "both"
    save_model(path, model.card, model.params)
    loaded = load_model(path, "estimate")
    assert loaded.kind == "ensemble" and list(loaded.components) == ["dense", "bilstm"]
    assert loaded.weights == {"dense": 0.7, "bilstm": 0.3}
    pairs = (estimate_sequences(predictors(), m) for m in (model, loaded))
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_of_one_kind_is_its_own_part():
    assert DENSE.components == {"dense": DENSE} and DENSE.weights == {"dense": 1.0}


def test_traits_are_those_of_all_kinds():
    row = any_ensemble().network
    assert row.operations == ("lstm",) and row.looks_ahead and not row.days_alone
    assert row.min_days(10) == 10
    with pytest.raises(TypeError, match="networks of several kinds"):
        row.apply({}, None, {}, None)
    with pytest.raises(InputError, match="'ensemble' has no attention"):
        attention_weights(predictors(), any_ensemble())


def test_backends():
    x = predictors()
    mean, _ = estimate_sequences(x, any_ensemble(), ExecutionConfig("numba"))
    pytest.importorskip("torch")
    for backend in ("reference", "torch"):
        other, _ = estimate_sequences(x, any_ensemble(), ExecutionConfig(backend))
        np.testing.assert_allclose(other, mean, atol=1e-5)
    with pytest.raises(BackendError, match="cannot run this network, it has no lstm"):
        check_backend(any_ensemble().network.operations, "cuda")


@pytest.mark.parametrize(
    ("card", "entry", "message"),
    [
        ({"networks": None}, None, "networks=None: expected a list"),
        ({"networks": []}, None, "weights of its networks have the sum 0, expected 1"),
        (None, {"weight": 0.5}, "weights of its networks have the sum 0.8, expected 1"),
        (None, {"regional_weight": 0.8}, "regional weights of its networks have the sum 1.1"),
        (
            None,
            {"regional_weight": "all"},
            r"networks\[0\].regional_weight='all': expected a finite",
        ),
        (None, {"weight": -0.7}, r"networks\[0\].weight=-0.7: expected a finite number of 0"),
        (
            None,
            {"ensemble_size": 0},
            r"networks\[0\].ensemble_size=0: expected a number of 1 or more",
        ),
        (None, {"ensemble_size": 3}, "there are 3 networks, the card has 4"),
        (None, {"ensemble_size": 1}, "there are 3 networks, the card has 2"),
        (None, {"network": "ensemble"}, r"networks\[0\] is an ensemble itself"),
        (None, {"network": "bilstm", "config": RECURRENT.config}, "networks has a kind twice"),
        (None, {"network": "forest"}, "names an unknown network"),
        (None, {"config": {**DENSE.config, "features": ["sand"]}}, "does not fit its network"),
        (None, {"config": {**DENSE.config, "hidden": 9}}, "weights '0/.*' have the shape"),
    ],
)
def test_cards_that_do_not_fit(card, entry, message):
    with pytest.raises(ModelError, match=message):
        load_model(any_ensemble(card, entry), "estimate")
