"""DINEOF: recovers a mode, keeps zeros, refuses short records."""

import numpy as np
import pytest

from tests.baselines.samples import check_contract, error
from xsm.baselines import dineof
from xsm.errors import InputError


@pytest.mark.parametrize("anomalies", [True, False])
def test_dineof_finds_the_mode_behind_the_gaps(anomalies):
    pytest.importorskip("pydineof")
    pattern = np.cos(np.arange(20) / 5)[:, None] * np.sin(np.arange(30) / 7)
    series = np.sin(np.arange(24) / 3)
    truth = (0.25 + 0.1 * series[:, None, None] * pattern).astype(np.float32)
    rng = np.random.default_rng(3)
    values = np.where(rng.random(truth.shape) < 0.3, np.nan, truth).astype(np.float32)
    values[:, 3, 4] = np.nan
    filled = dineof.fill(values, modes=3, anomalies=anomalies)
    check_contract(filled, values)
    assert error(filled, truth, values) < 0.2 * float(truth.std())


def test_dineof_keeps_zeros(smooth):
    pytest.importorskip("pydineof")
    values = smooth[1].copy()
    values[np.isfinite(values) & (values < 0.2)] = 0
    filled = dineof.fill(values, modes=2)
    check_contract(filled, values)


def test_dineof_too_short_says_how_long(smooth):
    pytest.importorskip("pydineof")
    with pytest.raises(InputError, match="record of 8 days"):
        dineof.fill(smooth[1][:8])


def test_dineof_of_nothing_is_nothing():
    pytest.importorskip("pydineof")
    assert np.isnan(dineof.fill(np.full((15, 2, 2), np.nan, np.float32))).all()
