"""Linear interpolation in time on series that can be checked by hand."""

import numpy as np
import pytest

from tests.baselines.samples import N, series
from xsm.baselines import linear
from xsm.errors import InputError


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


def test_unknown_ends_are_refused():
    with pytest.raises(InputError, match="ends='flat'"):
        linear.fill(series(1, N), ends="flat")
