"""What holds for every baseline: observed values stay, sea stays empty, bad records are refused."""

import numpy as np
import pytest

from tests.baselines.samples import N, series
from xsm.baselines import cell_climatology, linear, window_mean
from xsm.errors import InputError

SIMPLE = {
    "linear": linear.fill,
    "window_mean": window_mean.fill,
    "climatology": cell_climatology.fill,
}


@pytest.mark.parametrize("name", SIMPLE)
def test_observed_bit_for_bit_and_nothing_over_sea(name):
    rng = np.random.default_rng(0)
    values = rng.random((20, 4, 5), np.float32)
    values[rng.random(values.shape) < 0.5] = N
    values[:, 1, 2] = N
    before = values.copy()
    filled = SIMPLE[name](values)
    observed = ~np.isnan(before)
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[observed], before[observed])
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


def test_land_of_another_shape_is_refused():
    with pytest.raises(InputError, match="land has shape"):
        linear.fill(series(1, N), land=[[True, True]])
