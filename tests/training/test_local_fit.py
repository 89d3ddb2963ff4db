"""The process of each cell: response to weather and offsets of the repeat cycle."""

import numpy as np
import pytest

from xsm.estimation.local import N_FREQUENCIES, response_features
from xsm.training.local_fit import (
    MAX_DAYS,
    ResidualDays,
    fit_response,
    random_frequencies,
    response_weights,
)

pytest.importorskip("torch")


def predict(z, residual, *, cycle, steps, first_day=3):
    residuals = ResidualDays(residual)
    days = residual.shape[1]
    at = (first_day, cycle)
    z_fit = z[:, :days]
    settings = fit_response(residuals.at(z_fit), residuals, days, *at, steps=steps, seed=0)
    frequencies = random_frequencies(settings.nonlinear, 0)
    weights = response_weights(residuals.at(z_fit), residuals, settings, frequencies, *at)
    numbers = first_day + np.arange(z.shape[1])
    return np.stack(
        [
            response_features(
                z[n], numbers, settings.linear, frequencies, settings.amplitude,
                settings.constant, settings.track, cycle,
            ) @ weights[n]
            for n in range(len(z))
        ]
    )  # fmt: skip


def test_response_and_repeat_cycle_are_learnt():
    rng = np.random.default_rng(0)
    z = rng.standard_normal((6, 240, 3)).astype(np.float32)
    track = np.tile(0.02 * rng.standard_normal((6, 8)), (1, 30))
    truth = 0.03 * z[..., 0] + track
    residual = truth[:, :160] + 0.005 * rng.standard_normal((6, 160))
    residual[rng.random(residual.shape) < 0.4] = np.nan
    estimated = predict(z, residual, cycle=8, steps=60)
    error = (estimated - truth)[:, 160:]
    assert error.std() < 0.3 * track.std() < 0.3 * truth.std()
    without = (predict(z, residual, cycle=0, steps=60) - truth)[:, 160:]
    assert without.std() > 2 * error.std()


def test_missing_days_have_no_effect():
    rng = np.random.default_rng(1)
    z = rng.standard_normal((4, 80, 3)).astype(np.float32)
    residual = 0.05 * z[:, :60, 0].astype(float)
    residual[:, 40:] = np.nan
    one, two = (predict(z, r, cycle=8, steps=0) for r in (residual, residual[:, :40]))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_long_records_are_subsampled_and_cells_without_days_are_allowed():
    residual = np.ones((3, 1000))
    residual[1, 50:] = np.nan
    residual[2] = np.nan
    days = ResidualDays(residual)
    assert days.days.shape == (3, MAX_DAYS)
    assert days.observed.sum(axis=1).tolist() == [MAX_DAYS, 50, 0]
    chosen = np.sort(days.days[0])
    assert chosen[0] == 0 and chosen[-1] == 999 and np.diff(chosen).max() <= 3
    assert np.isfinite(days.values).all() and (days.scale > 0).all()


def test_products_of_the_features_are_the_covariance():
    rng = np.random.default_rng(2)
    z = rng.standard_normal((40, 12)).astype(np.float32)
    inverse_length = np.linspace(0.05, 0.4, 12)
    p = z * inverse_length
    expected = np.exp(-0.5 * ((p[:, None] - p) ** 2).sum(axis=-1))
    errors = []
    for seed in range(5):
        frequencies = random_frequencies(inverse_length, seed)
        assert frequencies.shape == (12, N_FREQUENCIES)
        phi = response_features(z, np.arange(40), 0 * inverse_length, frequencies, 1.0, 0.0, 0.0, 0)
        errors.append(np.sqrt(np.mean((phi @ phi.T - expected) ** 2)))
    independent = np.sqrt((1 - expected**2) ** 2 / (2 * N_FREQUENCIES))  # their standard error
    assert np.mean(errors) < 0.7 * np.sqrt(np.mean(independent**2))
