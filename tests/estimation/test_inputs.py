"""From predictors to the inputs of a network."""

import numpy as np

from xsm.estimation.inputs import classes_of, input_rows, network_inputs
from xsm.estimation.memory import antecedent_names, antecedent_predictors

ROWS = [
    {"name": "precipitation", "static": False},
    {"name": "lst", "static": False},
    {"name": "cover", "static": True, "classes": [1.0, 5.0, 7.0]},
]


def test_without_inputs_the_predictors_are_the_inputs():
    x = np.ones((2, 4, 3))
    np.testing.assert_array_equal(network_inputs(x, {"predictors": ROWS}), x)


def test_classes_become_indicators():
    rows = input_rows(ROWS, antecedent=False)
    assert [row["name"] for row in rows] == [
        "precipitation", "lst", "cover=1", "cover=5", "cover=7",
    ]  # fmt: skip
    x = np.zeros((3, 2, 3))
    x[:, :, 2] = np.array([5.0, 9.0, np.nan])[:, None]
    inputs = network_inputs(x, {"predictors": ROWS, "inputs": rows})
    np.testing.assert_array_equal(inputs[:, 0, 2:], [[0, 1, 0], [0, 0, 0], [np.nan] * 3])


def test_antecedent_predictors_replace_the_weather():
    rows = input_rows(ROWS, antecedent=True)
    names = antecedent_names(["precipitation"])
    assert [row["name"] for row in rows][:1] == ["lst"]
    assert [row["name"] for row in rows if row.get("antecedent")] == names
    x = np.random.default_rng(0).random((2, 400, 3)).astype(np.float32)
    inputs = network_inputs(x, {"predictors": ROWS, "inputs": rows})
    made = antecedent_predictors({"precipitation": x[:, :, 0].T})
    first = len(rows) - len(names)
    np.testing.assert_array_equal(inputs[:, :, first], made[names[0]].T)
    np.testing.assert_array_equal(inputs[:, :, 0], x[:, :, 1])


def test_the_phase_of_the_year_is_that_of_the_calendar_predictors():
    names = ["precipitation", "air_temperature", "day_of_year_sin", "day_of_year_cos", "latitude"]
    predictors = [{"name": name, "static": name == "latitude"} for name in names]
    angle = 2 * np.pi * np.arange(400) / 365.25
    x = np.stack(
        [np.ones(400), np.full(400, 290.0), np.sin(angle), np.cos(angle), np.full(400, 40.0)], -1
    )[None]
    card = {"predictors": predictors, "inputs": input_rows(predictors, antecedent=True)}
    inputs = network_inputs(x, card)
    column = [row["name"] for row in card["inputs"]].index("demand_5")
    summer, winter = inputs[0, 170:180, column].mean(), inputs[0, 350:360, column].mean()
    assert summer > 2.5 * winter


def test_classes():
    assert classes_of(np.array([1.0, 5.0, np.nan, 7.0, 5.0])) == [1.0, 5.0, 7.0]
    assert classes_of(np.array([0.0, 1.0])) is None
    assert classes_of(np.array([0.5, 1.0, 2.0])) is None
    assert classes_of(np.arange(40.0)) is None
