"""Attention over a window equals the formula; without weights the AtLSTM gives the same."""

import numpy as np
import pytest

from tests.networks.sequence_networks import predictors, random_network, run
from xsm.networks.attention import attend


@pytest.mark.parametrize("kind", ["atlstm", "transformer"])
def test_a_window_over_the_whole_sequence_is_full_attention(kind):
    net, x = random_network(kind), predictors()
    full = run(net, x)
    for window in (16, 40):
        near = run((net[0], net[1] | {"window": window}), x)
        np.testing.assert_allclose(near.mean, full.mean, atol=1e-5)
        np.testing.assert_allclose(near.log_variance, full.log_variance, atol=1e-5)
        assert near.attention.shape == (3, 17, 2 * window + 1)
    assert not np.allclose(run((net[0], net[1] | {"window": 2}), x).mean, full.mean, atol=1e-4)


@pytest.mark.parametrize("window", [None, 0, 3, 40])
def test_without_weights_it_is_the_same(window):
    torch = pytest.importorskip("torch")
    net, x = random_network("atlstm", window=window), predictors()
    whole, short = run(net, x), run(net, x, weights=False)
    np.testing.assert_allclose(short.mean, whole.mean, atol=1e-5)
    np.testing.assert_allclose(short.log_variance, whole.log_variance, atol=1e-5)
    assert short.attention is None and whole.attention is not None
    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in net[0].items()}
    found = run((tensors, net[1]), torch.from_numpy(x), weights=False)
    np.testing.assert_allclose(found.mean.detach().numpy(), whole.mean, atol=1e-5)
    found.mean.sum().backward()
    assert tensors["attention.value.weight"].grad.abs().sum() > 0


def test_attention_near_a_day_by_hand():
    rng = np.random.default_rng(4)
    query, key, value = rng.standard_normal((3, 1, 9, 4))
    context, weights = attend(query, key, value, window=2)
    for day in range(9):
        near = slice(max(day - 2, 0), day + 3)
        score = np.exp(key[0, near] @ query[0, day] / 2.0)
        np.testing.assert_allclose(context[0, day], score / score.sum() @ value[0, near])
    assert weights[0, 0, :2].tolist() == [0.0, 0.0]
