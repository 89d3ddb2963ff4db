"""Models are found by name or path, and what cannot be one is told."""

import json

import pytest

from tests.estimation.worlds import any_model
from xsm.errors import InputError, ModelError
from xsm.networks.model import (
    check_kind,
    load_estimator,
    load_model,
    models,
    save_model,
    shortest_record,
)


@pytest.mark.parametrize("model", [None, 3, ["atlstm"]])
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
            load_estimator(path)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(ModelError, match="has schema None"):
        load_estimator(path)


def test_tasks_and_kinds_are_known():
    with pytest.raises(ModelError, match="task='fill': expected one of 'gapfill', 'estimate'"):
        models("fill")
    with pytest.raises(InputError, match="model='gru'.*'xgboost'"):
        check_kind("gru")
    assert [shortest_record(kind) for kind in ("atlstm", "lstm", "xgboost")] == [30, 1, 1]
