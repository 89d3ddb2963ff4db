"""The same pairs give the same numbers as in pytesmo, scipy, xskillscore and scores."""

import warnings

import numpy as np
import pytest
import xarray as xr
from pytesmo.metrics import confidence_intervals, pairwise
from scipy import stats

from tests.metrics.samples import valid
from xsm import metrics

LIMIT = {"rtol": 0, "atol": 1e-6}


def by_cell(function, est, ref):
    """`function` of the pairs of each cell."""
    return np.array([function(*valid(x, y)) for x, y in zip(est, ref, strict=True)])


PYTESMO = {
    "bias": pairwise.bias,
    "rmsd": pairwise.rmsd,
    "ubrmsd": pairwise.ubrmsd,
    "mae": pairwise.aad,
    "mse": pairwise.msd,
    "rss": pairwise.RSS,
    "mse_corr": pairwise.mse_corr,
    "mse_bias": pairwise.mse_bias,
    "mse_var": pairwise.mse_var,
    "pearson_r": pairwise.pearson_r,
    "spearman_rho": pairwise.spearman_r,
    "kendall_tau": pairwise.kendall_tau,
    "nse": lambda x, y: pairwise.nash_sutcliffe(y, x),
}
SCIPY = {
    "pearson_r": lambda x, y: stats.pearsonr(x, y).statistic,
    "r2": lambda x, y: stats.linregress(x, y).rvalue ** 2,
    "spearman_rho": lambda x, y: stats.spearmanr(x, y).statistic,
    "kendall_tau": lambda x, y: stats.kendalltau(x, y).statistic,
}


@pytest.mark.parametrize("name", PYTESMO)
def test_equals_pytesmo(pairs, name):
    est, ref = pairs
    found = getattr(metrics, name)(est, ref, dim="time")
    np.testing.assert_allclose(found, by_cell(PYTESMO[name], est, ref), **LIMIT)


@pytest.mark.parametrize("name", SCIPY)
def test_equals_scipy(pairs, name):
    est, ref = pairs
    found = getattr(metrics, name)(est, ref, dim="time")
    np.testing.assert_allclose(found, by_cell(SCIPY[name], est, ref), **LIMIT)


def test_kge_equals_its_formula(pairs):
    est, ref = pairs

    def kge(x, y):
        parts = np.corrcoef(x, y)[0, 1], x.std() / y.std(), x.mean() / y.mean()
        return 1 - np.sqrt(sum((part - 1) ** 2 for part in parts))

    np.testing.assert_allclose(metrics.kge(est, ref, dim="time"), by_cell(kge, est, ref), **LIMIT)


def test_ratio_of_standard_deviations_equals_numpy(pairs):
    est, ref = pairs
    found = metrics.std_ratio(est, ref, dim="time")
    np.testing.assert_allclose(
        found, by_cell(lambda x, y: x.std() / y.std(), est, ref), rtol=1e-9, atol=0
    )
    assert found.attrs == {"long_name": "ratio of standard deviations", "units": "1"}
    flat = xr.zeros_like(ref)
    assert metrics.std_ratio(est, flat, dim="time").isnull().all()
    assert (metrics.std_ratio(flat, ref, dim="time") == 0).all()


def test_equals_xskillscore(pairs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xs = pytest.importorskip("xskillscore")
    est, ref = (da.astype(float) for da in pairs)
    weights = xr.DataArray(np.linspace(0.5, 2.0, est.sizes["time"]), dims="time")
    names = {"pearson_r": "pearson_r", "rmsd": "rmse", "mae": "mae", "mse": "mse"}
    for ours, theirs in names.items():
        for w in (None, weights):
            expected = getattr(xs, theirs)(est, ref, dim="time", weights=w, skipna=True)
            found = getattr(metrics, ours)(est, ref, dim="time", weights=w)
            np.testing.assert_allclose(found, expected, **LIMIT, err_msg=ours)


def test_equals_scores(pairs):
    continuous = pytest.importorskip("scores.continuous")
    est, ref = (da.astype(float) for da in pairs)
    both = est.notnull() & ref.notnull()
    est, ref = est.where(both), ref.where(both)
    names = {
        "rmsd": continuous.rmse,
        "mae": continuous.mae,
        "mse": continuous.mse,
        "bias": continuous.mean_error,
        "pearson_r": continuous.correlation.pearsonr,
        "kge": continuous.kge,
    }
    for ours, theirs in names.items():
        expected = theirs(est, ref, reduce_dims="time")
        found = getattr(metrics, ours)(est, ref, dim="time")
        np.testing.assert_allclose(found, expected, **LIMIT, err_msg=ours)


@pytest.mark.parametrize(
    "name, function",
    [
        ("pearson_r", pairwise.pearson_r),
        ("spearman_rho", pairwise.spearman_r),
        ("bias", pairwise.bias),
        ("ubrmsd", pairwise.ubrmsd),
    ],
)
def test_analytic_intervals_equal_pytesmo(pairs, name, function):
    est, ref = pairs
    found = metrics.interval(est, ref, dim="time", metric=name, method="analytic", level=0.9)
    expected = by_cell(
        lambda x, y: confidence_intervals.with_analytical_ci(function, x, y, alpha=0.1)[1:],
        est,
        ref,
    )
    np.testing.assert_allclose(found[f"{name}_low"], expected[:, 0], **LIMIT)
    np.testing.assert_allclose(found[f"{name}_high"], expected[:, 1], **LIMIT)


@pytest.mark.parametrize(
    "name, function",
    [
        ("pearson_r", lambda x, y: stats.pearsonr(x, y).pvalue),
        ("spearman_rho", lambda x, y: stats.spearmanr(x, y).pvalue),
        ("kendall_tau", lambda x, y: stats.kendalltau(x, y, method="asymptotic").pvalue),
        ("bias", lambda x, y: stats.ttest_rel(x, y).pvalue),
    ],
)
def test_p_values_of_independent_pairs_equal_scipy(pairs, name, function):
    est, ref = pairs
    rng = np.random.default_rng(3)
    weak = est + xr.DataArray(0.5 * rng.standard_normal(est.shape), dims=est.dims)
    found = metrics.p_value(weak, ref, dim="time", metric=name, effective=False)
    expected = by_cell(function, weak, ref)
    assert found.max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
