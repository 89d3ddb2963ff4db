"""The recurrent networks: torch's own layers agree, windows are exact, missing days are skipped."""

import numpy as np
import pytest

from xsm.networks.attention import attend, encoder_layer
from xsm.networks.recurrent import (
    KINDS,
    initial_params,
    lstm_weights,
    make_config,
    recurrent_network,
    recurrent_operations,
)
from xsm_kernels import lstm

FEATURES = ["a", "b", "c"]


def sequences(batch=3, days=17, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((batch, days, len(FEATURES))).astype(np.float32)


def network(kind, **options):
    config = make_config(kind, FEATURES, hidden=8, heads=2, **options)
    rng = np.random.default_rng(1)
    params = {
        key: value + 0.2 * rng.standard_normal(value.shape).astype(np.float32)
        for key, value in initial_params(config, seed=2).items()
    }
    return params, config


def run(net, x, **options):
    return recurrent_network(net[0], x, net[1], recurrent_operations(), **options)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes(kind):
    found = run(network(kind), sequences())
    assert found.mean.shape == found.log_variance.shape == (3, 17)
    assert found.mean.dtype == np.float32
    assert not np.array_equal(found.mean, found.log_variance)
    if kind in ("atlstm", "transformer"):
        assert found.attention.shape == (3, 17, 17)
        np.testing.assert_allclose(found.attention.sum(-1), 1, rtol=1e-5)
    else:
        assert found.attention is None


@pytest.mark.parametrize("directions", [1, 2])
def test_lstm_is_that_of_torch(directions):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.LSTM(3, 5, batch_first=True, bidirectional=directions == 2)
    params = {f"lstm.{key}": value.detach() for key, value in layer.state_dict().items()}
    x = torch.from_numpy(sequences())
    initial = torch.randn(directions, 3, 5), torch.randn(directions, 3, 5)
    expected, (h, c) = layer(x, initial)
    weights = lstm_weights(params, x)
    y, (last_h, last_c) = lstm(x, *weights, initial=initial)
    torch.testing.assert_close(y, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(last_h, h, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(last_c, c, atol=1e-6, rtol=1e-5)
    y, _ = lstm(x.numpy(), *(w.numpy() for w in weights), initial=[s.numpy() for s in initial])
    np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-6)


def test_days_that_a_mask_hides_do_not_matter():
    torch = pytest.importorskip("torch")
    net, x = network("bilstm", input=6), sequences()
    seen = np.random.default_rng(3).random((3, 17)) < 0.6
    expected = run(net, x, mask=seen).mean
    other = np.where(seen[..., None], x, np.float32(1e3))
    np.testing.assert_array_equal(run(net, other, mask=seen).mean, expected)
    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in net[0].items()}
    found = run((tensors, net[1]), torch.from_numpy(x), mask=torch.from_numpy(seen))
    np.testing.assert_allclose(found.mean.detach().numpy(), expected, atol=1e-5)
    found.mean.sum().backward()
    assert tensors["lstm.weight_hh_l0"].grad.isfinite().all()


def test_the_dense_network_sees_each_day_alone():
    net, x = network("dense"), sequences()
    whole = run(net, x).mean
    np.testing.assert_allclose(run(net, x[:, 4:5]).mean, whole[:, 4:5], atol=1e-6)
    np.testing.assert_allclose(run(net, x[:, ::-1]).mean, whole[:, ::-1], atol=1e-6)


def test_a_run_in_two_parts_is_the_run_in_one():
    net, x = network("lstm", input=6), sequences()
    whole = run(net, x)
    first = run(net, x[:, :7])
    second = run(net, x[:, 7:], initial=first.state)
    np.testing.assert_allclose(np.concatenate([first.mean, second.mean], 1), whole.mean, atol=1e-6)


@pytest.mark.parametrize("kind", ["atlstm", "transformer"])
def test_a_window_over_the_whole_sequence_is_full_attention(kind):
    net, x = network(kind), sequences()
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
    net, x = network("atlstm", window=window), sequences()
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


def test_the_encoder_is_that_of_torch():
    torch = pytest.importorskip("torch")
    params, config = network("transformer")
    layer = torch.nn.TransformerEncoderLayer(
        8, 2, config["wide"], dropout=0.0, batch_first=True, norm_first=True
    )
    p = {key.removeprefix("encoder."): torch.from_numpy(v) for key, v in params.items()}
    joined = [
        torch.cat([p[f"{n}.{e}"] for n in ("query", "key", "value")]) for e in ("weight", "bias")
    ]
    state = {"self_attn.in_proj_weight": joined[0], "self_attn.in_proj_bias": joined[1]}
    names = {
        "self_attn.out_proj": "join", "linear1": "wide", "linear2": "narrow",
        "norm1": "norm1", "norm2": "norm2",
    }  # fmt: skip
    for theirs, ours in names.items():
        state |= {f"{theirs}.{end}": p[f"{ours}.{end}"] for end in ("weight", "bias")}
    layer.load_state_dict(state)
    x = np.random.default_rng(5).standard_normal((2, 11, 8)).astype(np.float32)
    found, _ = encoder_layer(params, x, "encoder", 2, None)
    layer.train()  # eval() would take a fused path
    np.testing.assert_allclose(found, layer(torch.from_numpy(x)).detach().numpy(), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_torch_and_numpy_agree_and_gradients_reach_every_weight(kind):
    torch = pytest.importorskip("torch")
    net, x = network(kind, input=6), sequences()
    expected = run(net, x)
    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in net[0].items()}
    ops = recurrent_operations()
    found = recurrent_network(tensors, torch.from_numpy(x), net[1], ops)
    np.testing.assert_allclose(found.mean.detach().numpy(), expected.mean, atol=2e-5)
    (found.mean.square().mean() + found.log_variance.square().mean()).backward()
    silent = [key for key, value in tensors.items() if not value.grad.abs().sum() > 0]
    # a bias of the keys moves all scores of a day alike
    assert silent == [] or all(key.endswith("key.bias") for key in silent)


def test_unknown_kinds_and_sizes_are_refused():
    with pytest.raises(ValueError, match="kind='gru'.*'lstm'"):
        make_config("gru", FEATURES)
    with pytest.raises(ValueError, match="hidden=10 with heads=4"):
        make_config("transformer", FEATURES, hidden=10)
