"""Space-time interpolation: it is the best linear estimate, and the fit finds the correlation."""

import numpy as np
import pytest

from xsm.gapfilling.space_time_interpolation import (
    NEIGHBOURS,
    SpatialCorrelation,
    cross_covariance_sums,
    fit_spatial_correlation,
    interpolate_in_space_and_time,
)
from xsm.gapfilling.temporal_interpolation import Covariance, autocovariance_sums, fit_covariance

COVARIANCE = Covariance(0.3, 0.65, 0.5, 0.96, 0.002)
BETWEEN = SpatialCorrelation(0.8, 2.0, 0.9, 5.0)


def correlated(shape, phi, length, rng):
    """An autoregressive process of unit variance, correlated in space by exp(-d / length)."""
    cells = np.stack(np.meshgrid(*map(np.arange, shape[1:]), indexing="ij"), -1).reshape(-1, 2)
    distance = np.hypot(*np.moveaxis(cells[:, None] - cells, -1, 0))
    root = np.linalg.cholesky(np.exp(-distance / length) + 1e-9 * np.eye(len(cells)))
    out = (rng.standard_normal((shape[0], len(cells))) @ root.T).reshape(shape)
    for t in range(1, shape[0]):
        out[t] = phi * out[t - 1] + (1 - phi**2) ** 0.5 * out[t]
    return out


def at_one_cell(between: SpatialCorrelation) -> tuple[float, float]:
    """Correlation of the fast and of the slow signals of neighbours."""
    fast = between.fast * np.exp(-1 / between.fast_length)
    return fast, between.slow * np.exp(-1 / between.slow_length)


def test_it_is_the_best_linear_estimate():
    """Against the normal equations of the covariance, with fewer observations than its limit."""
    rng = np.random.default_rng(0)
    y = np.full((9, 3, 3), np.nan)
    at = rng.choice(y.size, NEIGHBOURS - 2, replace=False)
    y.ravel()[at] = 0.05 * rng.standard_normal(at.size)
    needed = np.zeros(y.shape, bool)
    needed[4, 1, 1] = True
    y[4, 1, 1] = np.nan
    estimate, std = interpolate_in_space_and_time(y, needed, COVARIANCE, BETWEEN)
    points = np.argwhere(np.isfinite(y))
    points = np.concatenate([points, [[4, 1, 1]]])
    lag, *cells = np.moveaxis(points[:, None] - points, -1, 0)
    distance = np.hypot(*cells)
    fast = 0.3 * 0.65 ** abs(lag) * np.where(distance == 0, 1.0, 0.8 * np.exp(-distance / 2.0))
    slow = 0.5 * 0.96 ** abs(lag) * np.where(distance == 0, 1.0, 0.9 * np.exp(-distance / 5.0))
    signal = fast + slow
    weights = np.linalg.solve(signal[:-1, :-1] + 0.2 * np.eye(len(points) - 1), signal[:-1, -1])
    squares, count = np.nansum(y**2, axis=0), np.isfinite(y).sum(axis=0)
    cell_std = np.sqrt((squares + 3 * 0.002) / (count + 3))
    scaled = (y / cell_std)[np.isfinite(y)]
    assert estimate[4, 1, 1] == pytest.approx(cell_std[1, 1] * weights @ scaled, rel=1e-4)
    error = 0.8 - weights @ signal[:-1, -1] + 0.2
    assert std[4, 1, 1] == pytest.approx(cell_std[1, 1] * np.sqrt(error), rel=1e-4)
    assert np.isnan(estimate[~needed]).all() and np.isnan(std[~needed]).all()


def test_the_fit_finds_the_correlation_and_the_error_is_the_stated_one():
    rng = np.random.default_rng(1)
    truth = 0.05 * correlated((300, 6, 6), 0.9, 2.0, rng)
    y = truth + 0.02 * rng.standard_normal(truth.shape)
    hidden = rng.random(y.shape) < 0.5
    hidden[:, 2:4, 2:4] |= rng.random((300, 2, 2)) < 0.9  # hardly observed, beside others
    left = np.where(hidden, np.nan, y)
    covariance = fit_covariance(autocovariance_sums(left))
    between = fit_spatial_correlation(cross_covariance_sums(left), covariance)
    fast, slow = at_one_cell(between)
    of_slow = covariance.slow / (covariance.fast + covariance.slow)
    assert (1 - of_slow) * fast + of_slow * slow == pytest.approx(np.exp(-1 / 2.0), abs=0.1)
    needed = hidden.copy()
    needed[100:] = False
    needed[:, :2] = needed[:, 4:] = needed[:, :, :2] = needed[:, :, 4:] = False
    estimate, std = interpolate_in_space_and_time(left, needed, covariance, between)
    error = (estimate - y)[needed]
    assert np.mean(abs(error) < std[needed]) == pytest.approx(0.68, abs=0.05)
    alone, _ = interpolate_in_space_and_time(left, needed, covariance, SpatialCorrelation())
    assert np.std(error) < 0.9 * np.std((alone - y)[needed])


def test_fast_and_slow_signals_have_distances_of_their_own():
    rng = np.random.default_rng(3)
    shape = (1500, 7, 7)
    fast, slow = correlated(shape, 0.5, 0.8, rng), correlated(shape, 0.96, 6.0, rng)
    y = 0.04 * fast + 0.04 * slow + 0.02 * rng.standard_normal(shape)
    y[rng.random(shape) < 0.5] = np.nan
    departures = y - np.nanmean(y, axis=0)
    covariance = fit_covariance(autocovariance_sums(departures))
    between = fit_spatial_correlation(cross_covariance_sums(departures), covariance)
    of_fast, of_slow = at_one_cell(between)
    assert of_fast == pytest.approx(np.exp(-1 / 0.8), abs=0.08)
    assert of_slow == pytest.approx(np.exp(-1 / 6.0), abs=0.08)


def test_independent_cells_and_no_observation():
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((400, 4, 4))
    between = fit_spatial_correlation(cross_covariance_sums(noise), COVARIANCE)
    assert max(at_one_cell(between)) < 0.1
    empty = np.full((5, 1, 2), np.nan)
    nothing = fit_spatial_correlation(cross_covariance_sums(empty), COVARIANCE)
    assert at_one_cell(nothing) == (0, 0)
    estimate, std = interpolate_in_space_and_time(
        empty, np.ones(empty.shape, bool), COVARIANCE, BETWEEN
    )
    assert (estimate == 0).all()
    np.testing.assert_allclose(std, np.sqrt(0.002), rtol=1e-6)
