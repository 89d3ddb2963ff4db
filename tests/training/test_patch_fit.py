"""A fit to patches learns and repeats."""

import numpy as np
import pytest

from tests.training.patch_samples import sampler, small_model
from xsm.training.patch_fit import fit_patches

pytest.importorskip("torch")


def test_a_fit_learns():
    model = small_model()
    held_out = [sampler(seed=9).draw() for _ in range(2)]
    params, curve = fit_patches(
        model, sampler(1), held_out, steps=80, batch_size=1, check_every=20, learning_rate=0.01
    )
    assert curve.step == [20, 40, 60, 80]
    at_first = np.concatenate([(s.target - s.mean)[s.hidden] ** 2 for s in held_out]).mean() ** 0.5
    assert min(curve.held_out_rmse) < 0.8 * at_first
    assert params["output.weight"].any()
    assert not model.params["output.weight"].any()


def test_a_fit_repeats():
    model = small_model()
    one, two = (fit_patches(model, sampler(1), [], steps=3, batch_size=1)[0] for _ in "ab")
    for key, value in one.items():
        np.testing.assert_array_equal(value, two[key])
