"""The calibrated standard deviation covers the errors."""

import numpy as np
import pytest

from tests.training.patch_samples import sampler, small_model
from xsm.training.calibration import calibrate

pytest.importorskip("torch")


def test_calibration_reaches_its_coverage():
    model = small_model()
    samples = [sampler(seed=s).draw() for s in range(4)]
    calibration = calibrate(model, model.params, samples)
    assert calibration["n"] == sum(int(s.hidden.sum()) for s in samples)
    assert len(calibration["scale"]) == len(calibration["log_variance"]) >= 2
    assert np.all(np.diff(calibration["log_variance"]) >= 0)
    assert abs(calibration["coverage_68"] - 0.68) < 0.1
