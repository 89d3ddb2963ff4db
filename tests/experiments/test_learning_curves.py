"""Experiments: longer sequences and more samples help where they should."""

import numpy as np
import pytest

from tests.estimation.worlds import world_with_reanalysis
from xsm.errors import InputError
from xsm.experiments.learning_curves import (
    BASELINE,
    matched_by_distribution,
    reduced_samples,
    sequence_length,
)

pytest.importorskip("torch")
SMALL = {
    "hidden_size": 8, "batch_size": 32, "epochs": 12, "learning_rate": 0.02, "dropout": 0.0,
    "progress": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def soil():
    return world_with_reanalysis(rows=6, columns=8)


def test_earlier_days_help_where_soil_has_memory(soil):
    features = ["precipitation", "lst", "sand"]
    result = sequence_length(
        soil,
        "soil",
        (0, 2, 8),
        model="lstm",
        features=features,
        baseline=None,
        days_per_cell=20,
        **SMALL,
    )
    rmse = result.rmse.sel(estimate="lstm")
    assert result.days.values.tolist() == [0, 2, 8]
    assert rmse[2] < 0.9 * rmse[0]
    assert result.attrs["cells_test"] == 5


def test_other_networks_use_days_on_both_sides(soil):
    result = sequence_length(soil, "soil", (0, 3), model="atlstm", days_per_cell=8, **SMALL)
    assert result.estimate.values.tolist() == ["atlstm", BASELINE]
    assert result.rmse.notnull().all()
    matched = result.rmse.sel(estimate=BASELINE).values
    assert matched[0] == matched[1] > 0
    assert "and after" in result.days.attrs["long_name"]


def test_fewer_cells_give_larger_errors(soil):
    pytest.importorskip("xgboost")
    result = reduced_samples(
        soil,
        "soil",
        (1.0, 0.06),
        models=["xgboost"],
        trees={"rounds": 20, "nthread": 1},
        progress=False,
    )
    assert result.rmse.dims == ("estimate", "fraction")
    rmse = result.rmse.sel(estimate="xgboost")
    assert rmse.sel(fraction=0.06) > rmse.sel(fraction=1.0)
    assert (result.r2 < 1).all()


def test_matching_restores_mean_and_spread_of_the_target(soil):
    x = np.stack([soil.swvl1.values.reshape(60, -1).T])[0]
    y = soil.soil.values.reshape(60, -1).T
    train = np.arange(len(x)) < 40
    matched = matched_by_distribution(x, y, train)
    assert matched.shape == x.shape
    assert abs(matched[train].mean() - y[train].mean()) < 0.002
    assert abs(matched[train].std() / y[train].std() - 1) < 0.03
    error = [np.sqrt(np.mean((e - y)[~train] ** 2)) for e in (x, matched)]
    assert error[1] < error[0]


def test_arguments_that_cannot_be_used_are_named(soil):
    with pytest.raises(InputError, match="the record has 60 days, expected more than 80"):
        sequence_length(soil, "soil", (0, 40), **SMALL)
    for days in ((-1,), (1.5,), ("a",), ()):
        with pytest.raises(InputError, match="days=.* expected whole numbers"):
            sequence_length(soil, "soil", days, **SMALL)
    with pytest.raises(InputError, match="days_per_cell=0"):
        sequence_length(soil, "soil", (1,), days_per_cell=0, **SMALL)
    with pytest.raises(InputError, match="model='gru'"):
        sequence_length(soil, "soil", (1,), model="gru", **SMALL)
    with pytest.raises(InputError, match="models='gru'"):
        reduced_samples(soil, "soil", models=["gru"], **SMALL)
    with pytest.raises(InputError, match="fractions=.* expected numbers"):
        reduced_samples(soil, "soil", (0.0, 1.0), **SMALL)
    with pytest.raises(InputError, match="baseline='snow'"):
        sequence_length(soil, "soil", (0,), baseline="snow", **SMALL)
    with pytest.raises(InputError, match="needs test cells"):
        reduced_samples(soil, "soil", split="none", **SMALL)


def test_each_model_takes_the_options_that_apply_to_it(soil):
    pytest.importorskip("xgboost")
    result = reduced_samples(
        soil, "soil", (1.0,), models=["lstm", "xgboost"], baseline=None,
        trees={"rounds": 3, "nthread": 1}, **SMALL | {"epochs": 1},
    )  # fmt: skip
    assert result.estimate.values.tolist() == ["lstm", "xgboost"]
    with pytest.raises(InputError, match="epochs=1: not applicable to model='xgboost'"):
        reduced_samples(soil, "soil", (1.0,), models=["xgboost"], epochs=1)
    with pytest.raises(InputError, match="attention_window=3: not applicable to model='lstm'"):
        reduced_samples(soil, "soil", models=["lstm", "bilstm"], attention_window=3)
    with pytest.raises(InputError, match=r"unknown options \['members'\]"):
        reduced_samples(soil, "soil", members=3)
    with pytest.raises(InputError, match="trees=.*: not applicable to model='lstm'"):
        sequence_length(soil, "soil", (0, 1), model="lstm", trees={"rounds": 3})


@pytest.mark.parametrize("model", ["dense", "xgboost"])
def test_networks_of_single_days_have_no_length(soil, model):
    with pytest.raises(InputError, match=f"model='{model}' uses the inputs of a single day"):
        sequence_length(soil, "soil", (0, 2), model=model)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("lstm", "models='lstm': expected a list"),
        ([], r"models=\[\]: expected a list"),
        (None, "models=None: expected a list"),
        (["lstm", "lstm"], "expected each kind once"),
    ],
)
def test_models_are_a_list_of_different_kinds(soil, models, message):
    with pytest.raises(InputError, match=message):
        reduced_samples(soil, "soil", models=models)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"location": "sandy"}, r"location and scale name \['sandy'\]"),
        ({"device": "tpux"}, "device='tpux'"),
        ({"seed": None}, "seed=None: expected a whole number"),
        ({"days_per_cell": None}, "days_per_cell=None: expected a whole number"),
    ],
)
def test_options_are_those_of_a_fit(soil, options, message):
    with pytest.raises(InputError, match=message):
        sequence_length(soil, "soil", (0, 2), model="lstm", **SMALL | options)
