"""Resampling: the draws, and the bounds from a distribution."""

import numpy as np
import pytest
from pytesmo.metrics import confidence_intervals as pytesmo_ci
from scipy import stats

from tests.metrics.samples import resamples, valid
from xsm.metrics.compress_valid import compress_valid
from xsm.metrics.metric_factory import evaluate_formula
from xsm.metrics.resampling import ResamplingPlan, confidence_bounds, resampled_moments


def test_draws_are_uniform_and_independent():
    n, count = 41, 20_000
    counts = resamples(n, count)
    assert (counts.sum(axis=1) == n).all()
    error = np.sqrt((1 - 1 / n) / count)  # of the mean of a binomial count
    assert np.abs(counts.mean(axis=0) - 1).max() < 4 * error
    assert counts.var(axis=0) == pytest.approx(1 - 1 / n, abs=0.06)
    apart = np.corrcoef(counts.T)[~np.eye(n, dtype=bool)]
    assert np.abs(apart + 1 / (n - 1)).max() < 5 / np.sqrt(count)
    following = np.corrcoef(counts[:-1, 0], counts[1:, 0])[0, 1]
    assert abs(following) < 4 / np.sqrt(count)
    assert (counts != resamples(n, count, seed=1)).any(axis=1).all()


def test_blocks_are_runs_cut_to_fit():
    n, block = 50, 8
    counts = resamples(n, 3000, block=block)
    assert (counts.sum(axis=1) == n).all()
    one = resamples(n, 200, block=n)
    assert (one == 1).all()
    # an inner value is in a block if that starts at one of the eight before it
    inside = counts[:, block : n - block].mean()
    expected = (n // block * block + n % block) / (n - block + 1)
    assert inside == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
def test_bounds_equal_those_of_pytesmo_from_the_same_resamples(osse, method):
    est, ref = osse
    x, y = valid(est[0], ref[0])
    plan = ResamplingPlan(method, 0.9, 400, None, 1)
    sums = resampled_moments(compress_valid(x[None], y[None]), "pearson_r", 1, plan)
    values = evaluate_formula("pearson_r", sums)
    low, high = confidence_bounds(values, plan)
    whole, drawn, without = values[0, 0], values[0, 1:401], values[0, 401:]
    if method == "bca":
        # pytesmo puts alpha, not alpha / 2, on each side
        expected = pytesmo_ci._BCa_bs_ci(drawn, whole, 0.05, without)
    else:
        theirs = {"percentile": pytesmo_ci._percentile_bs_ci, "basic": pytesmo_ci._basic_bs_ci}
        expected = theirs[method](drawn, whole, 0.1)
    np.testing.assert_allclose([low[0], high[0]], expected, rtol=1e-9)
    if method == "bca":
        jackknife = [stats.pearsonr(np.delete(x, i), np.delete(y, i))[0] for i in range(x.size)]
        np.testing.assert_allclose(without, jackknife, rtol=1e-9)
