"""When each layer is computed, how many days are held, and how far an output reaches."""

from __future__ import annotations

from tests.kernels.streaming.test_stream import INPUTS, LAYERS, PARAMS
from xsm_kernels import make_schedule

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
