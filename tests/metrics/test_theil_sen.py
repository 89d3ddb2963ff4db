"""Trends equal scipy and the formula of Mann and Kendall."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from xsm import metrics
from xsm.errors import InputError


def mann_kendall(values):
    """The p value by the formula, with ties and continuity; loops over all pairs."""
    values = [v for v in values if np.isfinite(v)]
    n = len(values)
    s = sum(np.sign(values[j] - values[i]) for i in range(n) for j in range(i + 1, n))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in np.unique(values, return_counts=True)[1])
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    return 2 * stats.norm.sf(abs(s - np.sign(s)) / np.sqrt(variance))


@pytest.fixture(scope="module")
def rows():
    """Series with gaps and ties; three trends, two without."""
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.02, (5, 14)) + np.array([0, 0, 0.01, -0.01, 0.1])[:, None] * np.arange(
        14
    )
    values[rng.random(values.shape) < 0.15] = np.nan
    values[1] = np.round(values[1], 2)
    return xr.DataArray(values, dims=("site", "year"))


YEARS = xr.DataArray(np.arange(2005.0, 2019.0), dims="year")


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_slope_and_interval_equal_scipy_and_p_the_formula(rows, level):
    result = metrics.trend(rows, YEARS, dim="year", level=level)
    for i, row in enumerate(rows.values):
        valid = np.isfinite(row)
        theirs = stats.theilslopes(row[valid], YEARS.values[valid], alpha=level)
        ours = [float(result[name][i]) for name in ("slope", "slope_low", "slope_high")]
        np.testing.assert_allclose(ours, [theirs.slope, theirs.low_slope, theirs.high_slope])
        assert float(result.p_value[i]) == pytest.approx(mann_kendall(row), rel=1e-9)
    assert float(result.p_value[4]) < 1e-4 < float(result.p_value[0])


def test_lazy_and_equal_under_chunks_and_tiles(rows, monkeypatch):
    expected = metrics.trend(rows, YEARS, dim="year")
    lazy = metrics.trend(rows.chunk(site=2, year=5), YEARS, dim="year")
    assert lazy.slope.chunks is not None
    xr.testing.assert_allclose(lazy.compute(), expected)
    monkeypatch.setattr("xsm.metrics.theil_sen.TILE_VALUES", 300)
    xr.testing.assert_identical(metrics.trend(rows, YEARS, dim="year"), expected)


def test_too_few_and_constant_values():
    values = xr.DataArray([[1.0, 2, np.nan, np.nan], [3.0, 3, 3, 3], [np.nan] * 4], dims=("s", "y"))
    result = metrics.trend(values, xr.DataArray(np.arange(4.0), dims="y"), dim="y")
    assert result.n_values.values.tolist() == [2, 4, 0]
    np.testing.assert_array_equal(result.slope, [np.nan, 0.0, np.nan])
    np.testing.assert_array_equal(result.p_value, [np.nan, 1.0, np.nan])


@pytest.mark.parametrize(
    "change, words",
    [
        ({"x": YEARS[::-1].drop_vars("year", errors="ignore")}, "expected increasing numbers"),
        ({"x": YEARS[:3]}, "x has the dimensions"),
        ({"level": 1}, "level=1: expected a number between 0 and 1"),
    ],
)
def test_wrong_arguments_say_what_is_right(rows, change, words):
    arguments = {"x": YEARS, "dim": "year"} | change
    with pytest.raises(InputError, match=words):
        metrics.trend(rows, **arguments)


def test_an_infinite_score_is_a_missing_one():
    values = np.random.default_rng(4).normal(size=14)
    values[3], values[8], values[9] = np.nan, np.inf, -np.inf
    result = metrics.trend(xr.DataArray(values, dims="year"), YEARS, dim="year")
    there = np.isfinite(values)
    expected = stats.theilslopes(values[there], YEARS.values[there])
    np.testing.assert_allclose(result.slope, expected.slope)
    np.testing.assert_allclose(result.slope_low, expected.low_slope)
    np.testing.assert_allclose(result.slope_high, expected.high_slope)
    np.testing.assert_allclose(result.p_value, mann_kendall(values))
    assert int(result.n_values) == 11
