"""Linear, window mean and climatology on series one can do by hand."""

import numpy as np
import pytest

from xsm.baselines import BASELINES, baseline, linear, window_mean
from xsm.baselines import cell_mean as climatology
from xsm.errors import InputError

SIMPLE = {
    "linear": linear.fill,
    "window_mean": window_mean.fill,
    "climatology": climatology.fill,
}
N = np.nan


def series(*values):
    return np.array(values, np.float32).reshape(-1, 1, 1)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("nearest", [2, 2, 2, 4, 6, 8, 8]),
        ("nan", [N, N, 2, 4, 6, 8, N]),
    ],
)
def test_linear_between_and_at_the_ends(ends, expected):
    filled = linear.fill(series(N, N, 2, N, N, 8, N), ends=ends)
    np.testing.assert_array_equal(filled.ravel(), np.float32(expected))


def test_linear_is_cell_by_cell():
    values = np.array([[[1, N]], [[N, 5]], [[3, N]]], np.float32)
    np.testing.assert_array_equal(linear.fill(values)[:, 0], [[1, 5], [2, 5], [3, 5]])


def test_window_mean_reaches_four_days_and_no_further():
    filled = window_mean.fill(series(1, N, N, N, 3, N, N, N, N, N))
    assert filled[2, 0, 0] == 2
    assert filled[5, 0, 0] == 3  # day 0 is five days off
    assert filled[8, 0, 0] == 3
    assert np.isnan(filled[9, 0, 0])


def test_climatology_is_the_mean_of_the_cell():
    values = np.array([[[1, N, N]], [[N, 5, N]], [[3, 7, N]]], np.float32)
    np.testing.assert_array_equal(climatology.fill(values)[:, 0], [[1, 6, N], [2, 5, N], [3, 7, N]])


def test_climatology_by_day_of_year_is_a_ring():
    days = np.array([360, 5, 180, 365])
    filled = climatology.fill(series(2, 4, 100, N), day_of_year=days, window=12)
    assert filled[3, 0, 0] == 3  # days 360 and 5 are within twelve of 365


def test_climatology_falls_back_on_the_record():
    filled = climatology.fill(series(2, 4, N), day_of_year=[1, 10, 200], window=15)
    assert filled[2, 0, 0] == 3


@pytest.mark.parametrize("name", SIMPLE)
def test_observed_bit_for_bit_and_nothing_over_sea(name):
    rng = np.random.default_rng(0)
    values = rng.random((20, 4, 5), np.float32)
    values[rng.random(values.shape) < 0.5] = N
    values[:, 1, 2] = N
    before = values.copy()
    filled = SIMPLE[name](values)
    seen = ~np.isnan(before)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[seen], before[seen])
    np.testing.assert_array_equal(values, before)
    assert np.isnan(filled[:, 1, 2]).all()
    assert np.isfinite(np.delete(filled.reshape(20, -1), 7, axis=1)).mean() > 0.9


@pytest.mark.parametrize("name", SIMPLE)
def test_land_limits_what_is_filled(name):
    values = np.array([[[1, 1]], [[N, N]], [[3, 3]]], np.float32)
    filled = SIMPLE[name](values, land=[[True, False]])
    assert filled[1, 0, 0] == 2
    assert np.isnan(filled[1, 0, 1])
    assert filled[0, 0, 1] == 1


@pytest.mark.parametrize("name", SIMPLE)
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 4)), r"shape \(3, 4\)"),
        (np.zeros((3, 0, 4)), "empty dimensions"),
        (np.full((3, 1, 1), np.inf), "infinite"),
    ],
)
def test_bad_records(name, values, message):
    with pytest.raises(InputError, match=message):
        SIMPLE[name](values)


def test_bad_options():
    with pytest.raises(InputError, match="ends='flat'"):
        linear.fill(series(1, N), ends="flat")
    with pytest.raises(InputError, match="days=0"):
        window_mean.fill(series(1, N), days=0)
    with pytest.raises(InputError, match="day_of_year"):
        climatology.fill(series(1, N), day_of_year=[0, 1])
    with pytest.raises(InputError, match="land has shape"):
        linear.fill(series(1, N), land=[[True, True]])


def test_registry_is_complete():
    assert set(BASELINES) == {
        "linear",
        "window_mean",
        "climatology",
        "dctpls",
        "dineof",
        "trees",
    }
    for name in BASELINES:
        assert callable(baseline(name))
    with pytest.raises(InputError, match="'kriging' is not a baseline"):
        baseline("kriging")
