"""The training loop: schedule, moving average, early stopping, the best parameters."""

import itertools
import math
import sys

import numpy as np
import pytest

from xsm.errors import InputError, MissingPackageError
from xsm.training.loop import Curve, cosine_decay, train

torch = pytest.importorskip("torch")


def quadratic(tensors, target):
    """Squared distance to a target, which is the batch."""
    error = tensors["w"] - target
    return (error**2).sum(), float((error.detach() ** 2).sum()), 1


def fit(check=None, targets=(1.0,), **options):
    defaults = {"steps": 30, "check_every": 10, "weight_decay": 0.0}
    options = defaults | {"learning_rate": lambda _: 0.1} | options
    start = {"w": np.zeros(1, np.float32)}
    params, curve = train(start, itertools.cycle(targets), quadratic, check=check, **options)
    assert start["w"] == 0.0
    return float(params["w"][0]), curve


def test_the_last_parameters_without_a_check():
    value, curve = fit()
    assert value == pytest.approx(1.0, abs=0.4)
    assert curve.step == [10, 20, 30]
    assert curve.held_out_rmse == []
    assert curve.last_rmse == curve.train_rmse[-1] < curve.train_rmse[0]


def test_the_best_parameters_with_a_check():
    checked = []

    def check(tensors):
        assert not torch.is_grad_enabled()
        checked.append(float(tensors["w"].detach()))
        return float(len(checked))

    value, curve = fit(check)
    assert value == checked[0] != checked[-1]
    assert curve.held_out_rmse == [1.0, 2.0, 3.0]
    assert curve.last_rmse == 3.0


def test_an_error_that_is_nan_is_never_the_best():
    errors = iter([0.3, math.nan, math.nan])
    values = []
    train(
        {"w": np.zeros(1, np.float32)}, itertools.cycle([1.0]), quadratic, steps=3, check_every=1,
        learning_rate=lambda _: 0.1, weight_decay=0.0, check=lambda _: next(errors),
        on_check=lambda best, _: values.append(float(best["w"][0])),
    )  # fmt: skip
    assert values[0] == values[1] == values[2] != 0.0


def test_patience_stops_early():
    errors = iter([0.5, 0.4, 0.6, 0.6, 0.6])
    _, curve = fit(lambda _: next(errors), steps=100, patience=2)
    assert curve.step == [10, 20, 30, 40]


def test_the_moving_average_is_checked_and_returned():
    trajectory, checked = [], []

    def trajectory_check(tensors):
        trajectory.append(float(tensors["w"].detach()))
        return 1.0

    def average_check(tensors):
        checked.append(float(tensors["w"].detach()))
        return -float(len(checked))

    fit(trajectory_check, check_every=1)
    value, _ = fit(average_check, check_every=1, ema_decay=0.5)
    average, expected = 0.0, []
    for step, w in enumerate(trajectory, 1):
        average += (1 - min(0.5, step / (step + 10))) * (w - average)
        expected.append(average)
    np.testing.assert_allclose(checked, expected, rtol=1e-5)
    assert value == checked[-1]


def test_a_batch_without_targets_takes_no_step():
    def loss(tensors, batch):
        value, error, _ = quadratic(tensors, 1.0)
        return value, error, batch

    steps = []
    params, _ = train(
        {"w": np.zeros(1, np.float32)}, iter([0, 0, 0]), loss, steps=3, check_every=3,
        learning_rate=lambda _: 0.1, weight_decay=0.0, on_step=lambda *step: steps.append(step),
    )  # fmt: skip
    assert params["w"] == 0.0
    assert steps == []


def test_learning_rate_of_every_step():
    steps = []
    fit(learning_rate=lambda step: steps.append(step) or 0.1, steps=4)
    assert steps == [1, 2, 3, 4]
    assert cosine_decay(0.0) == 1.0
    assert cosine_decay(1.0) == pytest.approx(0.01)


def test_curve_is_what_the_card_holds():
    assert vars(Curve()) == {"step": [], "train_rmse": [], "held_out_rmse": [], "seconds": 0.0}


def test_a_missing_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPackageError, match=r"xsm\[torch\]"):
        fit()


def test_a_fit_that_diverges_is_refused_not_returned_as_it_began():
    with pytest.raises(InputError, match="diverged: .* at step 2 of 30. Use a smaller learning_r"):
        fit(learning_rate=lambda _: math.inf)
    with pytest.raises(InputError, match="diverged: .* at step 1 of 1"):
        fit(learning_rate=lambda _: math.inf, steps=1)
    with pytest.raises(InputError, match="diverged: .* at step 10 of 30"):
        fit(check=lambda _: math.nan)
    with pytest.raises(InputError, match="diverged: .* at step 3 of 30"):
        fit(targets=(1.0, 1.0, math.inf))
