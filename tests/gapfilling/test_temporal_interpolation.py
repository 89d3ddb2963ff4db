"""Temporal interpolation: it is the best linear estimate, and the fit finds the processes."""

import numpy as np
import pytest

from xsm.gapfilling.temporal_interpolation import (
    Covariance,
    autocovariance_sums,
    cell_mean,
    fit_covariance,
    interpolate_in_time,
)


def autoregressive(phi: float, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A process of unit variance."""
    noise = np.random.default_rng(seed).standard_normal(shape)
    out = noise.copy()
    for t in range(1, shape[0]):
        out[t] = phi * out[t - 1] + (1 - phi**2) ** 0.5 * noise[t]
    return out


def test_it_is_the_best_linear_estimate_of_all_observations():
    """Against the normal equations of the covariance, on days with gaps between them."""
    rng = np.random.default_rng(0)
    dates = np.cumsum(rng.integers(1, 4, 40))
    y = 0.05 * rng.standard_normal((40, 1, 1))
    y[rng.random(y.shape) < 0.4] = np.nan
    covariance = Covariance(0.3, 0.65, 0.5, 0.96, 0.002)
    estimate, std = interpolate_in_time(y, covariance, dates)

    lag = np.abs(dates[:, None] - dates)
    signal = 0.3 * 0.65**lag + 0.5 * 0.96**lag
    observed = np.isfinite(y[:, 0, 0])
    among = signal[np.ix_(observed, observed)] + 0.2 * np.eye(observed.sum())
    gain = np.linalg.solve(among, signal[observed]).T
    error = 1.0 - np.einsum("ij,ij->i", gain, signal[:, observed])
    variance = (np.nansum(y**2) + 3 * 0.002) / (observed.sum() + 3)
    np.testing.assert_allclose(estimate[:, 0, 0], gain @ y[observed, 0, 0], atol=1e-7)
    np.testing.assert_allclose(std[:, 0, 0], np.sqrt(error * variance), rtol=1e-5)


def test_the_fit_finds_the_processes():
    shape = (3000, 5, 5)
    fast, slow = autoregressive(0.65, shape, 1), autoregressive(0.96, shape, 2)
    noise = np.random.default_rng(3).standard_normal(shape)
    y = 0.06 * (0.3**0.5 * fast + 0.5**0.5 * slow + 0.2**0.5 * noise)
    y[np.random.default_rng(4).random(shape) < 0.5] = np.nan
    fitted = fit_covariance(autocovariance_sums(y - cell_mean(y)))
    assert fitted.phi_fast in (0.5, 0.65, 0.78) and fitted.phi_slow in (0.93, 0.96, 0.98)
    assert fitted.fast + fitted.slow == pytest.approx(0.8, abs=0.06)
    assert fitted.variance == pytest.approx(0.06**2, rel=0.05)


def test_noise_has_no_signal_and_no_observation_is_the_mean():
    y = np.random.default_rng(5).standard_normal((400, 4, 4))
    y[:, 0, 0] = np.nan
    fitted = fit_covariance(autocovariance_sums(y - cell_mean(y)))
    assert fitted.fast + fitted.slow < 0.05
    estimate, std = interpolate_in_time(y, fitted, np.arange(400))
    assert (estimate[:, 0, 0] == 0).all()
    np.testing.assert_allclose(std[:, 0, 0], fitted.variance**0.5, rtol=1e-5)
    assert np.isnan(cell_mean(y)[0, 0])


def test_without_pairs_all_is_noise():
    y = np.full((1, 2, 2), 0.1)
    assert fit_covariance(autocovariance_sums(y))[:4:2] == (0.0, 0.0)
