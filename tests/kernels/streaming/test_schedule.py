"""When each layer is computed, how many days are held, and how far an output reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.kernels.streaming.test_stream import INPUTS, LAYERS, PARAMS
from xsm_kernels import ArgumentError, make_schedule

schedule = make_schedule(LAYERS, PARAMS, INPUTS)


def test_a_layer_lags_by_the_days_that_it_looks_ahead() -> None:
    # head looks one day ahead of the anomaly, trunk one day ahead of head
    assert schedule.lag["anomaly"] == schedule.lag["features"] == 0
    assert schedule.lag["head"] == schedule.lag["wide"] == 1
    assert schedule.lag["trunk"] == schedule.lag["output"] == schedule.lag["pair"] == 2


def test_days_are_held_as_long_as_a_layer_reads_them() -> None:
    assert schedule.days_held == {
        "anomaly": 3,  # the window of head
        # the mask of trunk: from one day behind trunk, which lags 2, to the newest
        "features": 4,
        "head": 3,
        "wide": 3,
        "trunk": 1,
        "pair": 1,
        "output": 1,
    }


def test_reach_and_border_in_space() -> None:
    assert schedule.border == (1, 1)
    assert schedule.reach == (2, 1)


def test_channels_of_inputs_and_layers() -> None:
    assert schedule.channels == INPUTS | {
        "head": 5, "wide": 5, "trunk": 5, "pair": 2, "output": 2,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["float64", ">f4", "float16"])
def test_parameters_of_any_float_dtype(kind: str) -> None:
    params = {key: np.asfortranarray(array.astype(kind)) for key, array in PARAMS.items()}
    native = {key: array.astype(kind).astype("f4") for key, array in PARAMS.items()}
    steps = make_schedule(LAYERS, params, INPUTS).steps
    for step, expected in zip(steps, make_schedule(LAYERS, native, INPUTS).steps, strict=True):
        np.testing.assert_array_equal(step.weight, expected.weight)
        np.testing.assert_array_equal(step.bias, expected.bias)
        assert step.weight.dtype == step.bias.dtype == np.float32


@pytest.mark.parametrize(
    ("number", "changes", "words"),
    [
        # compiled code would read beyond the weights
        (0, {"channels": 200_000}, r"head.weight: shape .*; expected \(200000, 1, 3, 3, 3\)"),
        (0, {"inputs": ["features"]}, r"head.weight: .*; expected \(5, 4, 3, 3, 3\)"),
        (1, {"kernel": (1, 1, 5)}, r"wide.weight: .*; expected \(5, 4, 1, 1, 5\)"),
        (1, {"kernel": (1, 2, 3)}, "kernel of 'wide'=.*: give odd sizes"),
        (1, {"kernel": (3, 3)}, "kernel of 'wide'=.*: give three integers"),
        (2, {"inputs": ["pair", "head"]}, "layer 'trunk' reads 'pair'; expected some of"),
        (2, {"mask": "land"}, "layer 'trunk' reads 'land'"),
        (2, {"inputs": []}, "layer 'trunk': expected a new name and one input or more"),
        (2, {"name": "head"}, "layer 'head': expected a new name"),
        (4, {"skip": "trunk"}, "'output' has 2 channels and adds 'trunk', which has 5"),
        (4, {"activation": "relu6"}, "activation of 'output'='relu6': use one of"),
        (2, {"channels": 0}, "channels of 'trunk': 0; give 1 or more"),
        (2, {"channels": "5"}, "channels of 'trunk': '5'; give 1 or more"),
        (2, {"inputs": "head"}, "inputs of 'trunk': str; expected a list or tuple"),
        (4, {"activaton": "relu"}, "layer 'output': unknown entry activaton; expected some of"),
    ],
)
def test_layers_that_do_not_fit_their_parameters(
    number: int, changes: dict[str, Any], words: str
) -> None:
    layers = [layer | (changes if n == number else {}) for n, layer in enumerate(LAYERS)]
    with pytest.raises(ArgumentError, match=words):
        make_schedule(layers, PARAMS, INPUTS)


def test_parameters_that_are_not_there() -> None:
    params = {key: array for key, array in PARAMS.items() if key != "trunk.bias"}
    with pytest.raises(ArgumentError, match="trunk.bias: NoneType; expected a NumPy array"):
        make_schedule(LAYERS, params, INPUTS)
    layers = [{"name": "head", "inputs": ["anomaly"], "channels": 5}]
    with pytest.raises(ArgumentError, match="layer .*'head'.*: kernel missing; give it"):
        make_schedule(layers, PARAMS, INPUTS)
    with pytest.raises(ArgumentError, match="layers: none of them"):
        make_schedule([], PARAMS, INPUTS)
