"""Mean of the days around on a series that can be checked by hand."""

import numpy as np
import pytest

from tests.baselines.samples import N, series
from xsm.baselines import window_mean
from xsm.errors import InputError


def test_window_mean_reaches_four_days_and_no_further():
    filled = window_mean.fill(series(1, N, N, N, 3, N, N, N, N, N))
    assert filled[2, 0, 0] == 2
    assert filled[5, 0, 0] == 3  # day 0 is five days off
    assert filled[8, 0, 0] == 3
    assert np.isnan(filled[9, 0, 0])


def test_a_window_without_days_is_refused():
    with pytest.raises(InputError, match="days=0"):
        window_mean.fill(series(1, N), days=0)
