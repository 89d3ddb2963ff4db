"""The correlation of errors, from hidden values."""

import numpy as np
import pytest

from xsm.gapfilling import error_correlation
from xsm.gapfilling.correlated_errors import (
    CellGrid,
    Stream,
    correlated_errors,
    correlation_at,
)
from xsm.gapfilling.error_correlation import (
    FRACTION,
    MOST_VALUES,
    OBSERVED,
    box_variances,
    fit_weights,
    hidden_boxes,
    no_boxes,
    standard_weights,
    standardised_errors,
    variances_of_sum,
)
from xsm.gapfilling.fill_calibration import METHODS, SPACE_TIME, network_alone
from xsm.gapfilling.method_weights import Hidden

SHAPE = (20, 40, 40)


def at(weights: np.ndarray, distance: float, lag: float) -> float:
    return float(correlation_at(weights, np.array(distance), np.array(lag)))


def test_variance_of_a_sum_is_that_over_all_pairs():
    rng = np.random.default_rng(0)
    share = rng.uniform(0, 1, (3, 4, 5))
    expected = 0.0
    for first in np.ndindex(share.shape):
        for second in np.ndindex(share.shape):
            lag, row, column = np.abs(np.subtract(first, second))
            rho = at(standard_weights(), np.hypot(row, 0.5 * column), lag)
            expected += share[first] * share[second] * rho
    assert standard_weights() @ variances_of_sum(share, 0.5) == pytest.approx(expected)


def test_boxes_are_weighted_by_the_stated_standard_deviation():
    position = np.array([[0, 0, 0], [0, 0, 1], [4, 2, 2], [4, 2, 3], [1, 1, 1]])
    errors = np.array([1.0, 3.0, -2.0, np.nan, np.nan])
    std = np.array([0.01, 0.03, 0.05, 0.02, 0.02])
    number = np.array([7, 7, 3, 3, 9])
    squares, variances = box_variances(errors, std, position, number, 1.0)
    np.testing.assert_allclose(squares, [4.0, 2.5**2])  # box 9 has no errors that are known
    alone, together = standard_weights() @ variances.T
    assert alone == pytest.approx(1)
    rho = at(standard_weights(), 1, 0)
    assert together == pytest.approx((1 + 9 + 2 * 3 * rho) / 16)


def test_hidden_boxes_are_observed_apart_and_of_all_sizes():
    valid = np.random.default_rng(1).random((20, 60, 60)) < 0.7
    number = hidden_boxes(valid, np.random.default_rng(0))
    assert not (number >= 0)[~valid].any()
    values, counts = np.unique(number[number >= 0], return_counts=True)
    assert 0.5 * FRACTION < counts.sum() / valid.sum() < 1.5 * FRACTION
    assert counts.min() == 1 and 300 < counts.max() <= MOST_VALUES
    days = set()
    for n in values:
        t, y, x = np.nonzero(number == n)
        box = tuple(slice(axis.min(), axis.max() + 1) for axis in (t, y, x))
        days.add(np.ptp(t) + 1)
        assert valid[box].mean() >= OBSERVED
        around = number[tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)]
        assert set(np.unique(around)) <= {-1, n}
    assert 1 in days and max(days) > 5
    assert (hidden_boxes(np.zeros((3, 2, 2), bool), np.random.default_rng(0)) == -1).all()
    assert (hidden_boxes(np.ones((1, 1, 1), bool), np.random.default_rng(0)) == 0).all()


def test_no_errors_give_the_standard_correlation():
    np.testing.assert_allclose(fit_weights(no_boxes()), standard_weights(), atol=1e-3)
    assert standard_weights().sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("length", "factor"), [("none", 1.0), ("short", 1.0), ("long", 1.0),
                                               ("short", 0.7)])  # fmt: skip
def test_variances_of_boxes_are_recovered(length, factor):
    """Also of errors that are larger or smaller than stated."""
    weights = np.zeros((6, 5))
    weights[{"none": (0, 0), "short": (2, 2), "long": (3, 2)}[length]] = 0.8
    weights[0, 0] += 0.2
    grid = CellGrid(SHAPE[1:], False, 0, np.ones(SHAPE[1]))
    collected = []
    for n in range(16):
        z = correlated_errors(
            weights.ravel(), np.arange(20), slice(0, 40), slice(0, 40), grid, Stream(n, 0, 0)
        )
        number = hidden_boxes(np.ones(SHAPE, bool), np.random.default_rng(n))
        hidden = number >= 0
        of = z[hidden] * factor, np.full(hidden.sum(), 0.05), np.argwhere(hidden), number[hidden]
        collected.append(box_variances(*of, 1.0))
    squares, variances = (np.concatenate(arrays) for arrays in zip(*collected, strict=True))
    fitted = fit_weights((squares, variances))
    assert fitted.sum() == pytest.approx(1) and (fitted >= 0).all()
    for size in ((1, 5, 5), (1, 12, 12), (6, 6, 6)):
        mean = variances_of_sum(np.full(size, 1 / np.prod(size)), 1.0)
        ratio = fitted @ mean / (factor**2 * weights.ravel() @ mean)
        assert np.sqrt(ratio) == pytest.approx(1, abs=0.2 if length != "none" else 0.5)


def hidden_of(n: int) -> Hidden:
    estimates = np.full((n, len(METHODS)), 0.2)
    ones = np.ones(n)
    return Hidden(
        estimates, 0.1 * ones, 0.05 * ones, 0.02 * ones, 0.01 * ones,
        np.zeros(n, int), np.zeros(n, int), np.zeros((n, 3), int),
    )  # fmt: skip


def test_errors_are_those_of_the_mixture():
    calibration, hidden = network_alone(), hidden_of(4)
    np.testing.assert_allclose(standardised_errors(hidden, calibration)[0], 2.0)
    calibration.weights[:] = 0
    calibration.weights[:, 1] = 1.0
    hidden.estimates[:, 1] = 0.13
    calibration.factor[:] = 2.0
    np.testing.assert_allclose(standardised_errors(hidden, calibration)[0], 0.03 / 0.04)
    calibration.weights[:, [1, SPACE_TIME]] = 0.5
    np.testing.assert_allclose(standardised_errors(hidden, calibration)[0], 0.065 / 0.02)


def test_errors_that_are_unknown_or_extreme():
    hidden = hidden_of(3)
    hidden.network_std[0] = np.nan
    hidden.network_std[1] = 1e-6
    errors, _ = standardised_errors(hidden, network_alone())
    assert np.isnan(errors[0]) and errors[1] == error_correlation.LARGEST
