"""The LSTM networks: torch's own layer agrees, and a run in parts continues exactly."""

import numpy as np
import pytest

from tests.networks.sequence_networks import predictors, random_network, run
from xsm.networks.recurrent import lstm_weights
from xsm_kernels import lstm


@pytest.mark.parametrize("directions", [1, 2])
def test_lstm_is_that_of_torch(directions):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.LSTM(3, 5, batch_first=True, bidirectional=directions == 2)
    params = {f"lstm.{key}": value.detach() for key, value in layer.state_dict().items()}
    x = torch.from_numpy(predictors())
    initial = torch.randn(directions, 3, 5), torch.randn(directions, 3, 5)
    expected, (h, c) = layer(x, initial)
    weights = lstm_weights(params, x)
    y, (last_h, last_c) = lstm(x, *weights, initial=initial)
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(last_h, h, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(last_c, c, atol=1e-6, rtol=1e-5)
    y, _ = lstm(x.numpy(), *(w.numpy() for w in weights), initial=[s.numpy() for s in initial])
    np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-6)


def test_a_run_in_two_parts_is_the_run_in_one():
    net, x = random_network("lstm", input=6), predictors()
    whole = run(net, x)
    first = run(net, x[:, :7])
    second = run(net, x[:, 7:], state=first.state)
    np.testing.assert_allclose(np.concatenate([first.mean, second.mean], 1), whole.mean, atol=1e-6)
