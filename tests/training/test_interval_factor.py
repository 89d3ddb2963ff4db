"""One factor for two intervals."""

import numpy as np
import pytest

from xsm.training.interval_factor import NORMAL_HALF_WIDTH, interval_factor


def test_normal_errors_are_held_exactly():
    ratio = abs(np.random.default_rng(1).normal(0.0, 1.7, 200_000))
    assert interval_factor(ratio) == pytest.approx(1.7, rel=0.01)


def test_errors_with_heavy_tails_are_held_nearly():
    ratio = abs(np.random.default_rng(2).standard_t(6, 400_000))
    exact = [np.quantile(ratio, level) / width for level, width in NORMAL_HALF_WIDTH.items()]
    factor = interval_factor(ratio)
    assert factor == pytest.approx(np.sqrt(exact[0] * exact[1]))
    inside = {level: np.mean(ratio < width * factor) for level, width in NORMAL_HALF_WIDTH.items()}
    assert 0.68 < inside[0.68] < 0.71 and 0.935 < inside[0.95] < 0.95


def test_the_factor_is_0_without_errors():
    assert interval_factor(np.zeros(5)) == 0.0
