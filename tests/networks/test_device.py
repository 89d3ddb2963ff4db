"""Backend, device and dtype: the same numbers everywhere, and no silent way out."""

import sys

import numpy as np
import pytest

import xsm
import xsm_kernels
from tests.estimation.worlds import NAMES, any_model, world
from tests.networks.test_block_inference import fill, record
from tests.networks.test_streamed_features import MODELS
from xsm.errors import BackendError, InputError, MissingPackageError, XsmError
from xsm.networks.device import CPU, ExecutionConfig, operations, torch_device
from xsm.networks.registry import NETWORKS, kinds, network
from xsm.networks.sequence_inference import estimate_sequences

TRAINED = [kind for kind in kinds("estimate") if NETWORKS[kind].gradient_trained]


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="needs xsm[torch]")


def predictors():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((5, 70, len(NAMES))) * [6, 8, 0.2] + [3, 285, 0.5]
    x[1, 10:20, 0] = np.nan
    return x.astype(np.float32)


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize(
    "execution",
    [
        ExecutionConfig(device="cpu"),
        ExecutionConfig(dtype="float64"),
        ExecutionConfig("reference"),
        ExecutionConfig("torch"),
    ],
)
def test_the_same_everywhere(kind, execution, torch):
    model, x = any_model(kind, members=2), predictors()
    for found, wanted in zip(
        estimate_sequences(x, model, execution), estimate_sequences(x, model), strict=True
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_half_precision_is_near(torch):
    x, model = predictors(), any_model()
    mean, _ = estimate_sequences(x, model)
    rough, _ = estimate_sequences(x, model, ExecutionConfig(dtype="bfloat16"))
    spread = model.card["target"]["scale"]
    # eight bits of a number, over the few steps that a state remembers
    assert 0 < abs(rough - mean).max() < 0.05 * spread


def test_of_the_public_function(torch):
    ds, model = world(), any_model()
    there = ds.sm.estimate(model=model, device="cpu")
    here = ds.sm.estimate(model=model)
    np.testing.assert_allclose(there.soil_moisture, here.soil_moisture, rtol=1e-4, atol=1e-6)
    with xsm.set_options(device="cpu", dtype="float64"):
        there = ds.sm.estimate(model=model)
    np.testing.assert_allclose(there.soil_moisture, here.soil_moisture, rtol=1e-4, atol=1e-6)
    with xsm.set_options(backend="torch"):
        there = ds.sm.estimate(model=model)
    np.testing.assert_allclose(there.soil_moisture, here.soil_moisture, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"backend": "triton"}])
def test_a_gpu_that_is_not_there(options, torch):
    if torch.cuda.is_available():
        pytest.skip("here is one")
    soil = world().soil
    with pytest.raises(InputError, match="sees 0 NVIDIA"):
        world().sm.estimate(model=any_model(), **options)
    with pytest.raises(InputError, match="sees 0 NVIDIA"):
        soil.where(soil["time"].dt.day % 3 > 0).sm.gapfill(**options)


def test_values_that_no_option_has(torch):
    with pytest.raises(InputError, match="device='moon'"):
        world().sm.estimate(model=any_model(), device="moon")
    with pytest.raises(InputError, match="dtype='float8'"):
        world().sm.estimate(model=any_model(), dtype="float8")
    with pytest.raises(InputError, match="backend='fpga'"):
        world().sm.estimate(model=any_model(), backend="fpga")


@pytest.mark.parametrize(
    "options", [{"backend": "reference"}, {"backend": "torch"}, {"device": "cpu"}]
)
def test_without_torch_one_message_says_what_to_install(options, monkeypatch):
    (name, value), soil = next(iter(options.items())), world().soil
    model = any_model()
    monkeypatch.setitem(sys.modules, "torch", None)
    wanted = rf"{name}='{value}' needs the package 'torch'.*xsm\[torch\]"
    with pytest.raises(MissingPackageError, match=wanted):
        world().sm.estimate(model=model, **options)
    if options != {"backend": "torch"}:  # gap-filling has no such kernels
        with pytest.raises(MissingPackageError, match=wanted):
            soil.where(soil["time"].dt.day % 3 > 0).sm.gapfill(**options)
    with pytest.raises(MissingPackageError, match="device='cuda' needs the package 'torch'"):
        torch_device("cuda")


def test_without_triton_one_message_says_what_to_install(monkeypatch, torch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(MissingPackageError, match=r"backend='triton' needs.*'triton'.*xsm\[gpu\]"):
        ExecutionConfig("triton").check(network("lstm"))


def test_a_backend_asked_for_by_name_never_falls_back(torch):
    wanted = "backend='torch'.*no masked_conv3d .*and no masked_mean"
    with pytest.raises(BackendError, match=wanted):
        fill(record(), MODELS["default"], backend="torch")
    soil = world().soil
    with pytest.raises(BackendError, match=wanted), xsm.set_options(backend="torch"):
        soil.where(soil["time"].dt.day % 3 > 0).sm.gapfill()
    for kind in ("dense", "transformer"):
        for backend in ("numba", "triton"):
            with pytest.raises(BackendError, match=f"'{kind}' runs no kernels"):
                world().sm.estimate(model=any_model(kind), backend=backend)


def test_what_a_kernel_refuses_is_an_error_of_xsm(torch):
    x = predictors()
    with pytest.raises(XsmError, match="backend='numba'|float32") as caught:
        estimate_sequences(x, any_model(), ExecutionConfig("numba", dtype="float64"))
    assert isinstance(caught.value, BackendError)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value.__cause__, xsm_kernels.BackendError)
    assert "The network runs lstm." in str(caught.value)


def test_options_that_do_not_apply_to_boosted_trees_are_refused():
    row = network("xgboost")
    for options in ({"backend": "numba"}, {"device": "cuda"}, {"dtype": "float32"}):
        with pytest.raises(InputError, match="'xgboost' always works on the CPU"):
            ExecutionConfig(**options).check(row)
    with pytest.raises(InputError, match="backend='numba', device='cpu': a model"):
        ExecutionConfig("numba", "cpu").check(row)


def test_layers_take_the_working_precision_and_masked_means_do_not(torch):
    ops = operations(("masked_conv3d", "masked_mean"), "reference", torch.bfloat16)
    x, mask = torch.zeros(1, 1, 3, 5, 5), torch.ones(1, 1, 3, 5, 5, dtype=bool)
    weight, bias = torch.zeros(2, 1, 3, 3, 3), torch.zeros(2)
    y, _ = ops.masked_conv3d(x, mask, weight, bias, padding=(0, 1, 1))
    assert y.dtype == torch.bfloat16
    assert ops.masked_mean(x, mask, 3)[0].dtype == torch.float32
    assert not hasattr(ops, "pointwise_layers")


def test_arrays_stay_with_numpy_unless_an_option_needs_torch():
    assert CPU.on_numpy and ExecutionConfig("numba").on_numpy
    for config in (ExecutionConfig("torch"), ExecutionConfig(device="cpu")):
        assert not config.on_numpy and config.needs_torch
