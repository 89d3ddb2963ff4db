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
    DISTANCES,
    LAGS,
    fit_weights,
    network_alone,
    pair_sums,
    standard_weights,
    standardised_errors,
)
from xsm.gapfilling.method_weights import METHODS, SPACE_TIME, Hidden

SHAPE = (20, 30, 30)


def at(weights: np.ndarray, distance: float, lag: float) -> float:
    return float(correlation_at(weights, np.array(distance), np.array(lag)))


def test_sums_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    position = np.unique(rng.integers(0, (6, 5, 7), (40, 3)), axis=0)
    errors = rng.standard_normal(len(position))
    errors[3] = np.nan
    std = rng.uniform(0.01, 0.1, errors.size)
    sums = pair_sums(errors, std, position, 0.5)
    expected = np.zeros_like(sums)
    for i, first in enumerate(position):
        for j, second in enumerate(position):
            lag, row, column = second - first
            distance = np.hypot(row, 0.5 * column)
            if lag < 0 or not np.isfinite(errors[i] * errors[j]):
                continue
            bins = np.searchsorted(LAGS, lag), np.searchsorted(DISTANCES, distance)
            variance = std[i] * std[j]
            product = errors[i] * errors[j] * variance
            expected[(slice(None), *bins)] += product, 1, distance, lag, variance
    np.testing.assert_allclose(sums, expected, atol=1e-9)


def test_no_errors_give_the_standard_correlation():
    nothing = pair_sums(np.array([]), np.array([]), np.empty((0, 3), int), 1.0)
    np.testing.assert_allclose(fit_weights(nothing), standard_weights(), atol=1e-3)
    assert standard_weights().sum() == pytest.approx(1.0)


@pytest.mark.parametrize("length", ["none", "short", "long"])
def test_a_known_correlation_is_recovered(length):
    weights = np.zeros((6, 5))
    weights[{"none": (0, 0), "short": (2, 2), "long": (3, 2)}[length]] = 0.8
    weights[0, 0] += 0.2
    grid = CellGrid(SHAPE[1:], False, 0, np.ones(SHAPE[1]))
    everywhere = np.argwhere(np.ones(SHAPE, bool))
    sums = np.zeros((5, len(LAGS), len(DISTANCES)))
    for n in range(6):
        z = correlated_errors(
            weights.ravel(), np.arange(20), slice(0, 30), slice(0, 30), grid, Stream(n, 0, 0)
        )
        sums += pair_sums(z.ravel(), np.full(z.size, 0.05), everywhere, 1.0)
    fitted = fit_weights(sums)
    assert fitted.sum() == pytest.approx(1) and (fitted >= 0).all()
    for distance, lag in ((1, 0), (3, 0), (6, 0), (10, 0), (0, 1), (0, 4), (3, 3)):
        expected = at(weights.ravel(), distance, lag)
        assert at(fitted, distance, lag) == pytest.approx(expected, abs=0.1)


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
