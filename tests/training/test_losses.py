"""The loss of gap-filling networks, and weights by the density of the targets."""

import numpy as np
import pytest

from xsm.training.losses import (
    ERROR_SCALE,
    GLOBAL_WEIGHT,
    MAX_WEIGHT,
    STD_FLOOR,
    VARIANCE_WEIGHT,
    density_weights,
    gapfill_loss,
)


def test_gapfill_loss_by_hand():
    torch = pytest.importorskip("torch")
    output = torch.zeros(1, 2, 1, 1, 2)
    target = torch.tensor([[[[0.3, 0.5]]]])
    mean, std = torch.full((1, 1, 2), 0.2), torch.full((1, 1, 2), 0.1)
    hidden = torch.tensor([[[[True, False]]]])
    loss, parts = gapfill_loss(output, mean, std, target, hidden)
    # errors 0.1 (hidden) and 0.3; log-variance 0, so the likelihood is (0.1 / 0.1)^2
    # both cells weigh 1 / (STD_FLOOR + 0.1), scaled to 1 over the hidden ones
    assert STD_FLOOR > 0
    expected = (0.01 + GLOBAL_WEIGHT * (0.01 + 0.09) / 2) / ERROR_SCALE**2 + VARIANCE_WEIGHT * 1.0
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert parts["n"] == 1
    assert parts["squared_error"] == pytest.approx(0.01, rel=1e-5)


def test_large_expected_errors_weigh_less():
    torch = pytest.importorskip("torch")
    output = torch.zeros(1, 2, 1, 1, 2)
    target = torch.full((1, 1, 1, 2), 0.3)
    mean, std = torch.full((1, 1, 2), 0.2), torch.tensor([[[0.1, 0.3]]])
    loss, _ = gapfill_loss(output, mean, std, target, torch.ones(1, 1, 1, 2, dtype=bool))
    weights = np.array([1 / (STD_FLOOR + 0.1), 1 / (STD_FLOOR + 0.3)])
    weights *= 2 / weights.sum()
    error = (weights * 0.01).sum() / 2
    likelihood = (0 + 1 + 0 + 1 / 9) / 2 + np.log(1.0)
    expected = (1 + GLOBAL_WEIGHT) * error / ERROR_SCALE**2 + VARIANCE_WEIGHT * likelihood
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_variance_does_not_excuse_the_mean():
    torch = pytest.importorskip("torch")
    output = torch.zeros(1, 2, 1, 1, 1, requires_grad=True)
    one = torch.ones(1, 1, 1)
    gapfill_loss(output, one, one, 3 * one[None], one[None].bool())[0].backward()
    mean_grad = output.grad[0, 0].clone()
    assert mean_grad.abs() > 0
    output.grad = None
    shifted = output + torch.tensor([0.0, 2.0]).view(1, 2, 1, 1, 1)
    gapfill_loss(shifted, one, one, 3 * one[None], one[None].bool())[0].backward()
    torch.testing.assert_close(output.grad[0, 0], mean_grad)


@pytest.fixture
def targets():
    """Ten thousand around 0.2, a hundred around 0.45."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0.2, 0.03, 10_000), rng.normal(0.45, 0.01, 100)])


def test_weights_are_one_in_the_mean_and_follow_the_power(targets):
    weight = {power: density_weights(targets, power) for power in (0.0, 0.5, 1.0)}
    for weights in weight.values():
        assert weights(targets).mean() == pytest.approx(1.0, abs=0.01)
    wet, usual = np.array([0.45]), np.array([0.2])
    np.testing.assert_allclose(weight[0.0](targets), 1.0)
    half, whole = (float(weight[p](wet)[0] / weight[p](usual)[0]) for p in (0.5, 1.0))
    assert 3 < half < 12  # about a hundred times rarer, spread over fewer bins
    assert whole > half


def test_no_weight_leads_and_a_missing_target_has_none(targets):
    odd = np.append(targets, [3.0, np.nan])
    weight = density_weights(odd, 1.0)(odd)
    assert weight[-1] == 0.0
    assert weight[-2] <= 2 * MAX_WEIGHT
    assert np.isfinite(weight).all()


def test_one_value_alone_is_possible():
    assert density_weights(np.full(5, 0.3), 0.5)(np.array([0.3])) == pytest.approx(1.0)
