"""Cards and weights that do not fit together are refused when a model is loaded."""

import copy
import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from tests.estimation.worlds import any_model
from xsm.errors import ModelError
from xsm.networks import partial_conv
from xsm.networks.model import SHIPPED, Model, load_model, make_model, save_model
from xsm.networks.model_checks import card_digest

STRANGE = (None, "text", -1, 0, 1.5, 1e308, float("nan"), True, [], {}, [None], 200_000, 2**70)


@pytest.fixture(scope="module")
def filling():
    config = partial_conv.default(width=2, hidden=3)
    return make_model("small", {"config": config}, partial_conv.initial_params(config))


@pytest.fixture(scope="module")
def estimating():
    return any_model("atlstm")


def changed(model: Model, **layer) -> Model:
    """The model with another entry of its second layer."""
    card = copy.deepcopy(model.card)
    card["config"]["layers"][1] |= layer
    return Model(card, model.params)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"channels": 200_000}, "channels=200000: expected 1 to"),
        ({"channels": 64}, "residual='near' has not 64 channels"),
        ({"channels": 64, "residual": None}, "skip='wide' has not 2 channels"),
        ({"kernel": [3, 3, 5]}, "'wide.weight' have the shape"),
        ({"kernel": [2, 3, 3]}, "expected three odd numbers"),
        ({"inputs": ["anomaly"]}, "'wide.weight' have the shape"),
        ({"inputs": ["output"]}, "'output' is no input and no earlier layer"),
        ({"name": "near"}, "a name that no other has"),
        ({"activation": "tanh"}, "activation='tanh'"),
    ],
    ids=str,
)
def test_layers_that_are_not_those_of_the_weights(filling, layer, message):
    with pytest.raises(ModelError, match=f"'small' cannot be used: .*{message}"):
        load_model(changed(filling, **layer))


@pytest.mark.parametrize("kind", ["lstm", "bilstm", "atlstm", "transformer", "dense"])
def test_sizes_that_are_not_those_of_the_weights(kind):
    model = any_model(kind, members=2)
    assert load_model(model, "estimate") is model
    for key in ("hidden", "input")[kind == "transformer" :]:  # whose width is that of the input
        other = copy.deepcopy(model.card)
        other["config"][key] = 2 * (other["config"][key] or 4)
        with pytest.raises(ModelError, match="the shape|no weights '0/input"):
            load_model(Model(other, model.params), "estimate")


def test_weights_that_are_not_finite_lacking_strange_or_of_another_type(estimating):
    params = estimating.params
    name = next(iter(params))
    bad = params[name].copy()
    bad.flat[0] = np.nan
    cases = {
        r"1 of \d+ weights '0/.*' are not finite": params | {name: bad},
        "is float64|are float64": params | {name: params[name].astype(np.float64)},
        "no weights": params | {"0/strange": np.zeros(3, np.float32)},
        "there are no weights": {k: v for k, v in params.items() if k != name},
        "of the ensemble members": {f"1{k[1:]}": v for k, v in params.items()},
        "no entry 'local'": params | {"local/mean": np.zeros(3, np.float32)},
    }
    for message, changed_params in cases.items():
        with pytest.raises(ModelError, match=message):
            load_model(Model(estimating.card, changed_params), "estimate")


def test_a_changed_card_does_not_have_its_checksum(estimating, tmp_path):
    save_model(tmp_path / "mine", estimating.card, estimating.params)
    file = tmp_path / "mine.json"
    card = json.loads(file.read_text())
    assert card["card_sha256"] == card_digest(card)
    for change in ({"licence": "other"}, {"sequence": {"days": 30, "context": 10}}):
        file.write_text(json.dumps(card | change))
        with pytest.raises(ModelError, match="does not have its sha256: it was changed"):
            load_model(tmp_path / "mine", "estimate")
    # spacing and order are no change, and cards of the first schema have no checksum
    file.write_text(json.dumps(dict(reversed(card.items())), indent=3))
    assert load_model(tmp_path / "mine", "estimate").card == card
    first = {k: v for k, v in card.items() if k != "card_sha256"} | {"schema": 1}
    file.write_text(json.dumps(first))
    assert load_model(tmp_path / "mine", "estimate").card == first


def entries(card, path=()):
    """Paths of all entries of a card that a network depends on."""
    rows = card.items() if isinstance(card, dict) else enumerate(card)
    for key, value in rows:
        if not path and key in ("schema", "sha256", "card_sha256", "name"):
            continue
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from entries(value, (*path, key))


@pytest.mark.parametrize("task", ["gapfill", "estimate"])
def test_any_entry_may_be_anything(task, filling, estimating):
    """Whatever an entry is, the model is refused with a ModelError or taken; nothing else."""
    model = filling if task == "gapfill" else estimating
    refused = total = 0
    for path in entries(model.card):
        for value in STRANGE:
            card = copy.deepcopy(model.card)
            parent = card
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = value
            total += 1
            try:
                load_model(Model(card, model.params), task)
            except ModelError:
                refused += 1
    assert total > 300 and refused > 0.7 * total


def test_damaged_files(tmp_path, estimating):
    save_model(tmp_path / "mine", estimating.card, estimating.params)
    weights, card = tmp_path / "mine.safetensors", tmp_path / "mine.json"
    blob, text = weights.read_bytes(), card.read_bytes()
    rng = np.random.default_rng(0)
    for file, content in ((weights, blob), (card, text)):
        for n in rng.integers(0, len(content) - 2, 12):
            broken = bytearray(content)
            broken[n] ^= 1 << int(rng.integers(8))
            for damaged in (bytes(broken), content[:n], content + b"\0"):
                file.write_bytes(damaged)
                with pytest.raises(ModelError):
                    load_model(tmp_path / "mine", "estimate")
        file.write_bytes(content)
    card.write_text("[" * 100_000)
    with pytest.raises(ModelError, match="not JSON"):
        load_model(tmp_path / "mine", "estimate")


def test_a_huge_header_of_weights(tmp_path, estimating):
    model = save_model(tmp_path / "mine", estimating.card, estimating.params)
    blob = (2**62).to_bytes(8, "little") + b"{}"
    card = {**model.card, "sha256": hashlib.sha256(blob).hexdigest()}
    (tmp_path / "mine.json").write_text(json.dumps(card | {"card_sha256": card_digest(card)}))
    (tmp_path / "mine.safetensors").write_bytes(blob)
    with pytest.raises(ModelError, match="are not safetensors"):
        load_model(tmp_path / "mine", "estimate")


def test_shipped_cards_have_their_checksum():
    for file in SHIPPED.glob("*.json"):
        card = json.loads(file.read_text())
        assert card["card_sha256"] == card_digest(card), file.name
        params = load(file.with_suffix(".safetensors").read_bytes())
        assert load(save(params)).keys() == params.keys()
