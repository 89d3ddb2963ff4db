"""A network gives the same on torch tensors as on NumPy arrays."""

import numpy as np
import pytest

import xsm
from tests.estimation.worlds import NAMES, any_model, world
from xsm.errors import InputError
from xsm.networks.device import Place
from xsm.networks.recurrent import KINDS
from xsm.networks.sequence_inference import estimate_sequences

torch = pytest.importorskip("torch", reason="needs xsm[torch]")


def predictors():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((5, 70, len(NAMES))) * [6, 8, 0.2] + [3, 285, 0.5]
    x[1, 10:20, 0] = np.nan
    return x.astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [Place(device="cpu"), Place(dtype="float64"), Place("reference")])
def test_the_same_everywhere(kind, place):
    model, x = any_model(kind, members=2), predictors()
    for found, wanted in zip(
        estimate_sequences(x, model, place), estimate_sequences(x, model), strict=True
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_half_precision_is_near():
    x, model = predictors(), any_model()
    mean, _ = estimate_sequences(x, model)
    rough, _ = estimate_sequences(x, model, Place(dtype="bfloat16"))
    spread = model.card["target"]["scale"]
    # eight bits of a number, over the few steps that a state remembers
    assert 0 < abs(rough - mean).max() < 0.05 * spread


def test_of_the_public_function():
    ds, model = world(), any_model()
    there = ds.sm.estimate(model=model, device="cpu")
    here = ds.sm.estimate(model=model)
    np.testing.assert_allclose(there.soil_moisture, here.soil_moisture, rtol=1e-4, atol=1e-6)
    with xsm.set_options(device="cpu", dtype="float64"):
        there = ds.sm.estimate(model=model)
    np.testing.assert_allclose(there.soil_moisture, here.soil_moisture, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is one")
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"backend": "triton"}])
def test_a_gpu_that_is_not_there(options):
    soil = world().soil
    with pytest.raises(InputError, match="sees 0 NVIDIA"):
        world().sm.estimate(model=any_model(), **options)
    with pytest.raises(InputError, match="sees 0 NVIDIA"):
        soil.where(soil["time"].dt.day % 3 > 0).sm.gapfill(**options)


def test_bad_places():
    with pytest.raises(InputError, match="device='moon'"):
        world().sm.estimate(model=any_model(), device="moon")
    with pytest.raises(InputError, match="dtype='float8'"):
        world().sm.estimate(model=any_model(), dtype="float8")
    with pytest.raises(InputError, match="backend='fpga'"):
        world().sm.estimate(model=any_model(), backend="fpga")
