"""Experiments: longer sequences and more samples help where they should."""

import numpy as np
import pytest

from tests.estimation.worlds import world_with_reanalysis
from xsm.errors import InputError
from xsm.experiments.learning_curves import (
    RIVAL,
    matched_by_distribution,
    reduced_samples,
    sequence_length,
)

pytest.importorskip("torch")
SMALL = {
    "hidden": 8, "batch": 32, "epochs": 12, "rate": 0.02, "dropout": 0.0, "progress": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def soil():
    return world_with_reanalysis(rows=6, columns=8)


def test_days_before_help_a_soil_that_remembers(soil):
    features = ["precipitation", "lst", "sand"]
    result = sequence_length(
        soil, "soil", (0, 2, 8), model="lstm", features=features, rival=None, per_cell=20, **SMALL
    )
    rmse = result.rmse.sel(estimate="lstm")
    assert result.days.values.tolist() == [0, 2, 8]
    assert rmse[2] < 0.9 * rmse[0]
    assert result.attrs["cells_test"] == 5


def test_both_sides_are_seen_by_the_others(soil):
    result = sequence_length(soil, "soil", (0, 3), model="atlstm", per_cell=8, **SMALL)
    assert result.estimate.values.tolist() == ["atlstm", RIVAL]
    assert result.rmse.notnull().all()
    rival = result.rmse.sel(estimate=RIVAL).values
    assert rival[0] == rival[1] > 0
    assert "and after" in result.days.attrs["long_name"]


def test_fewer_cells_teach_less(soil):
    pytest.importorskip("xgboost")
    result = reduced_samples(
        soil, "soil", (1.0, 0.06), models=["xgboost"], trees={"rounds": 20, "nthread": 1}, **SMALL
    )
    assert result.rmse.dims == ("estimate", "share")
    rmse = result.rmse.sel(estimate="xgboost")
    assert rmse.sel(share=0.06) > rmse.sel(share=1.0)
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


def test_bad_input(soil):
    with pytest.raises(InputError, match="the record has 60 days, expected more than 80"):
        sequence_length(soil, "soil", (0, 40), **SMALL)
    for days in ((-1,), (1.5,), ("a",), ()):
        with pytest.raises(InputError, match="days=.* expected whole numbers"):
            sequence_length(soil, "soil", days, **SMALL)
    with pytest.raises(InputError, match="per_cell=0"):
        sequence_length(soil, "soil", (1,), per_cell=0, **SMALL)
    with pytest.raises(InputError, match="model='gru'"):
        sequence_length(soil, "soil", (1,), model="gru", **SMALL)
    with pytest.raises(InputError, match="models='gru'"):
        reduced_samples(soil, "soil", models=["gru"], **SMALL)
    with pytest.raises(InputError, match="shares=.* expected numbers"):
        reduced_samples(soil, "soil", (0.0, 1.0), **SMALL)
    with pytest.raises(InputError, match="rival='snow'"):
        sequence_length(soil, "soil", (0,), rival="snow", **SMALL)
    with pytest.raises(InputError, match="needs test cells"):
        reduced_samples(soil, "soil", split="none", **SMALL)
