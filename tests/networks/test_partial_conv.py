"""The network's definition: exact streaming, masks, and the reach it claims."""

import numpy as np
import pytest

from xsm.networks.device import operations as kernels
from xsm.networks.partial_conv import default, initial_params, partial_conv_network, reach, sgd_sm
from xsm.networks.registry import network as find_network

ROW = find_network("partial_conv", "gapfill")

SMALL = {"default": lambda: default(width=4, hidden=8), "sgd-sm": lambda: sgd_sm(width=8, depth=2)}


def random_inputs(config, days=12, height=14, width=16, seed=0, density=0.4):
    rng = np.random.default_rng(seed)
    shape = (1, 1, days, height, width)
    observed = rng.random(shape) < density
    near = rng.random(shape) < 0.9
    return {
        "anomaly": (rng.standard_normal(shape, np.float32), observed),
        "features": (
            rng.standard_normal((1, len(config["features"]), *shape[2:]), np.float32),
            near | observed,
        ),
    }


def random_params(config, seed=1):
    rng = np.random.default_rng(seed)
    return {
        key: value + 0.1 * rng.standard_normal(value.shape, np.float32)
        for key, value in initial_params(config).items()
    }


@pytest.fixture(params=sorted(ROW.configs))
def network(request):
    config = SMALL[request.param]()
    return config, random_params(config)


def operations(backend):
    return kernels(ROW.operations, backend)


def run(network, inputs, **options):
    config, params = network
    return partial_conv_network(params, inputs, config, operations("numba"), **options)


def test_shapes(network):
    output, mask = run(network, random_inputs(network[0]))
    assert output.shape == (1, 2, 4, 14, 16)
    assert mask.shape == (1, 1, 4, 14, 16)


def test_a_long_record_equals_windows_of_nine_days(network):
    inputs = random_inputs(network[0])
    whole, mask = run(network, inputs)
    for day in range(4):
        window = {
            k: (x[:, :, day : day + 9], m[:, :, day : day + 9]) for k, (x, m) in inputs.items()
        }
        alone, alone_mask = run(network, window)
        np.testing.assert_allclose(whole[:, :, day : day + 1], alone, atol=1e-5)
        np.testing.assert_array_equal(mask[:, :, day : day + 1], alone_mask)


def test_what_is_unknown_never_matters(network):
    inputs = random_inputs(network[0])
    poisoned = {k: (np.where(m, x, np.float32(np.nan)), m) for k, (x, m) in inputs.items()}
    # joined inputs are zero where unknown, as the layers before leave them
    clean = {k: (np.where(m, x, np.float32(0)), m) for k, (x, m) in inputs.items()}
    poisoned["features"] = clean["features"]
    np.testing.assert_allclose(run(network, poisoned)[0], run(network, clean)[0], atol=1e-6)


def test_no_output_without_input(network):
    inputs = random_inputs(network[0])
    empty = {k: (x, np.zeros_like(m)) for k, (x, m) in inputs.items()}
    output, mask = run(network, empty)
    assert not mask.any()
    assert not output.any()


def test_masks_stay_on_land(network):
    land = np.zeros((14, 16), bool)
    land[:, :8] = True
    _, mask = run(network, random_inputs(network[0]), land=land)
    assert mask[..., :8].any()
    assert not mask[..., 8:].any()


def test_reach_is_exact(network):
    config, params = network
    days, rows, columns = reach(config)
    inputs = random_inputs(config, days=2 * days + 1, height=4 * rows + 1, width=31, density=1.0)
    inputs["features"][1][:] = True
    before, _ = run(network, inputs)
    middle = before.shape[3] // 2
    inputs["anomaly"][0][:, :, days, middle + rows + 1] += 100
    after, _ = run(network, inputs)
    np.testing.assert_array_equal(before[:, :, 0, middle], after[:, :, 0, middle])
    inputs["anomaly"][0][:, :, :, middle + rows] += 100
    assert not np.array_equal(before[:, :, 0, middle], run(network, inputs)[0][:, :, 0, middle])
    assert columns == rows


def test_the_halo_counts_the_masked_means(network):
    config, _ = network
    days, rows, columns = reach(config)
    largest = max(config["scales"]) // 2
    assert ROW.halo(config) == (days, rows + largest, columns + largest)


def test_training_starts_at_the_mean():
    params = initial_params(default())
    assert not params["output.weight"].any()
    assert params["near.weight"].any()


def test_torch_and_numba_agree(network):
    torch = pytest.importorskip("torch")
    config, params = network
    inputs = random_inputs(config)
    expected, expected_mask = run(network, inputs)
    tensors = {k: (torch.from_numpy(x), torch.from_numpy(m)) for k, (x, m) in inputs.items()}
    found, mask = partial_conv_network(
        {k: torch.from_numpy(v) for k, v in params.items()},
        tensors,
        config,
        operations("reference"),
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)
    np.testing.assert_array_equal(mask.numpy(), expected_mask)
