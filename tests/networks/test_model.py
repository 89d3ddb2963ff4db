"""Models are loaded by name or path; files and cards that cannot be one are refused."""

import hashlib
import json
import pickle

import numpy as np
import pytest

from tests.estimation.worlds import any_model
from xsm.errors import ModelError
from xsm.networks.model import SHIPPED, Model, load_model, make_model, models, save_model
from xsm.networks.streamed_features import model_schedule


@pytest.mark.parametrize("model", [None, 3, ["atlstm"], "", "."])
def test_what_is_no_model(model):
    with pytest.raises(ModelError, match=r"expected one of \['atlstm'\]"):
        load_model(model, "estimate")


def test_the_name_of_a_shipped_model_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good = any_model()
    for name in ("default", "atlstm.json"):
        with pytest.raises(ModelError, match="is the name of a shipped model"):
            save_model(name, good.card, good.params)
    save_model(tmp_path / "atlstm", good.card, good.params)
    assert load_model(tmp_path / "atlstm").card["predictors"] == good.card["predictors"]


def test_a_card_that_lacks_something(tmp_path):
    good, path = any_model(), tmp_path / "mine"
    save_model(path, good.card, good.params)
    card = json.loads(path.with_suffix(".json").read_text())
    for key in ("name", "config", "predictors", "target", "sequence"):
        rest = {k: v for k, v in card.items() if k != key}
        path.with_suffix(".json").write_text(json.dumps(rest) + "\n" * len(key))
        with pytest.raises(ModelError, match=rf"lacks \['{key}'\]"):
            load_model(path, "estimate")
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(ModelError, match="has schema None"):
        load_model(path, "estimate")


def test_a_task_that_does_not_exist():
    with pytest.raises(ModelError, match="task='fill': expected one of 'gapfill', 'estimate'"):
        models("fill")


def test_a_card_without_a_network_is_of_partial_convolutions():
    assert make_model("m", {"config": {}}, {}).kind == "partial_conv"
    assert load_model("default").kind == "partial_conv"
    assert load_model("atlstm").kind == any_model("atlstm").kind == "atlstm"


def test_a_card_whose_network_is_not_that_of_its_configuration():
    good = any_model("bilstm")
    with pytest.raises(ModelError, match="kind 'bilstm' against network 'lstm'"):
        load_model(make_model("m", good.card | {"network": "lstm"}, good.params), "estimate")
    other = good.card | {"config": good.config | {"kind": "gru"}}
    with pytest.raises(ModelError, match="names an unknown network: network='gru'"):
        load_model(make_model("m", other, good.params), "estimate")


def test_parameters_of_earlier_versions_are_renamed_and_files_stay_the_same(tmp_path):
    blob = (SHIPPED / "atlstm.safetensors").read_bytes()
    assert hashlib.sha256(blob).hexdigest() == models()["atlstm"]["sha256"]
    assert b"0/join.weight" in blob
    params = load_model("atlstm").params
    assert "0/out_proj.weight" in params and "0/join.weight" not in params
    earlier = {"join": "out_proj", "wide": "ffn_up", "narrow": "ffn_down"}
    for kind in ("atlstm", "transformer"):
        model = any_model(kind, members=2)
        old = {}
        for name, value in model.params.items():
            for before, after in earlier.items():
                name = name.replace(f"{after}.", f"{before}.")
            old[name] = value
        assert old.keys() != model.params.keys()
        save_model(tmp_path / kind, model.card, old)
        loaded = load_model(tmp_path / kind, "estimate")
        assert loaded.params.keys() == model.params.keys()
        for name, value in model.params.items():
            np.testing.assert_array_equal(loaded.params[name], value)
    # the layers of a gap-filling network keep the names of its configuration
    assert "wide.weight" in load_model("default").params


@pytest.mark.parametrize("name", ["", "/", ".", "a\0b", "x" * 5000, "../" * 2000, 5, None])
def test_names_that_no_model_has(name):
    with pytest.raises(ModelError, match="model=|there is no file"):
        load_model(name)


def test_a_model_equals_its_copy_in_another_process_and_no_other():
    model = load_model("default")
    copy = pickle.loads(pickle.dumps(model))
    assert copy is not model and copy == model and hash(copy) == hash(model)
    assert model_schedule(copy) is model_schedule(model)  # packed weights are there once
    name = next(iter(model.params))
    other = Model(model.card, model.params | {name: model.params[name] + 1})
    assert other != model and model != "default"
    assert Model(model.card | {"more": 1}, model.params) != model
