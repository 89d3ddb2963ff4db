"""Mean of a cell, or of its days of the year, on series that can be checked by hand."""

import numpy as np
import pytest

from tests.baselines.samples import N, series
from xsm.baselines import cell_climatology
from xsm.errors import InputError


def test_is_the_mean_of_the_cell():
    values = np.array([[[1, N, N]], [[N, 5, N]], [[3, 7, N]]], np.float32)
    np.testing.assert_array_equal(
        cell_climatology.fill(values)[:, 0], [[1, 6, N], [2, 5, N], [3, 7, N]]
    )


def test_the_last_day_of_the_year_is_followed_by_the_first():
    days = np.array([360, 5, 180, 365])
    filled = cell_climatology.fill(series(2, 4, 100, N), day_of_year=days, window=12)
    assert filled[3, 0, 0] == 3  # days 360 and 5 are within twelve of 365


def test_falls_back_on_the_record():
    filled = cell_climatology.fill(series(2, 4, N), day_of_year=[1, 10, 200], window=15)
    assert filled[2, 0, 0] == 3


def test_days_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="day_of_year"):
        cell_climatology.fill(series(1, N), day_of_year=[0, 1])
