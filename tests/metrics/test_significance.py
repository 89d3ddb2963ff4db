"""Effective sample size and p values."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from tests.metrics.samples import series
from xsm import metrics
from xsm.errors import InputError


def red_noise(memory: float, cells: int, days: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = np.empty((cells, days))
    out[:, 0] = rng.standard_normal(cells)
    for day in range(1, days):
        fresh = np.sqrt(1 - memory**2) * rng.standard_normal(cells)
        out[:, day] = memory * out[:, day - 1] + fresh
    return out


def test_effective_sample_size_is_that_of_its_formula():
    x, y = red_noise(0.8, 3, 200, 0), red_noise(0.6, 3, 200, 1)
    found = metrics.effective_sample_size(series(x), series(y), dim="time")
    for cell in range(3):
        lags = []
        for s in (x[cell], y[cell]):
            apart = s - s.mean()
            lags.append((apart[1:] * apart[:-1]).mean() / (apart**2).mean())
        product = lags[0] * lags[1]
        assert found[cell].item() == pytest.approx(200 * (1 - product) / (1 + product), rel=1e-9)


def test_effective_sample_size_of_known_memory():
    x, y = red_noise(0.8, 40, 2000, 2), red_noise(0.7, 40, 2000, 3)
    expected = 2000 * (1 - 0.56) / (1 + 0.56)
    found = metrics.effective_sample_size(series(x), series(y), dim="time")
    assert found.mean().item() == pytest.approx(expected, rel=0.05)
    # gaps leave the memory of the days that follow one another
    gaps = np.where(np.random.default_rng(4).random(x.shape) < 0.4, np.nan, x)
    with_gaps = metrics.effective_sample_size(series(gaps), series(y), dim="time")
    assert with_gaps.mean().item() == pytest.approx(0.6 * expected, rel=0.08)


def test_effective_sample_size_stays_between_two_and_all():
    rng = np.random.default_rng(0)
    up = np.arange(50.0)[None]
    assert metrics.effective_sample_size(series(up), series(up), dim="time").item() < 5
    to_and_fro, white = (-1.0) ** np.arange(50)[None], rng.random((1, 50))
    found = metrics.effective_sample_size(series(to_and_fro), series(white), dim="time")
    assert 2 <= found.item() <= 50
    constant = metrics.effective_sample_size(series(0 * up), series(up), dim="time")
    assert constant.item() == 50
    two = metrics.effective_sample_size(series(up[:, :2]), series(up[:, :2]), dim="time")
    assert np.isnan(two.item())


def test_p_value_knows_that_red_noise_correlates_by_chance():
    x, y = red_noise(0.9, 400, 300, 5), red_noise(0.9, 400, 300, 6)
    naive = metrics.p_value(series(x), series(y), dim="time", effective=False)
    aware = metrics.p_value(series(x), series(y), dim="time")
    assert (naive < 0.05).mean() > 0.3
    assert (aware < 0.05).mean().item() == pytest.approx(0.05, abs=0.03)
    bias = metrics.p_value(series(x), series(0 * y), dim="time", metric="bias")
    assert (bias < 0.05).mean().item() == pytest.approx(0.05, abs=0.04)


def test_p_value_of_correlation_is_students_t_of_the_effective_size(osse):
    est, ref = osse
    r = metrics.pearson_r(est, ref, dim="time")
    size = metrics.effective_sample_size(est, ref, dim="time")
    t = r * np.sqrt((size - 2) / (1 - r**2))
    expected = 2 * stats.t.sf(abs(t), size - 2)
    found = metrics.p_value(est, ref, dim="time")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert found.name == "p_pearson_r"


def test_p_value_of_ties_equals_scipy():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 5, 60).astype(float), rng.integers(0, 4, 60).astype(float)
    for metric, function in (
        ("kendall_tau", lambda: stats.kendalltau(x, y, method="asymptotic").pvalue),
        ("spearman_rho", lambda: stats.spearmanr(x, y).pvalue),
    ):
        found = metrics.p_value(
            series([x]), series([y]), dim="time", metric=metric, effective=False
        )
        assert found.item() == pytest.approx(function(), rel=1e-9)


def test_anomaly_r_has_a_p_value(osse):
    found = metrics.p_value(*osse, dim="time", metric="anomaly_r")
    assert ((found >= 0) & (found <= 1)).all()


def test_wrong_options_say_what_is_right(osse):
    est, ref = osse
    with pytest.raises(InputError, match="metric='kge' has no test: expected one of pearson_r"):
        metrics.p_value(est, ref, dim="time", metric="kge")
    both = ("cell", "time")
    with pytest.raises(InputError, match="needs one dimension"):
        metrics.p_value(est, ref, dim=both)
    assert isinstance(metrics.p_value(est, ref, dim=both, effective=False), xr.DataArray)
