"""Stability of the scores of years."""

import numpy as np
import pytest
from scipy import stats

from tests.validation.samples import cell, grid, stations
from xsm.errors import InputError
from xsm.validate import validate
from xsm.validation import stability


@pytest.fixture(scope="module")
def scores():
    """Six years of a sensor that drifts by 0.01 m3 m-3 a year against the first station."""
    ds = grid(2191, "2010-01-01", lat=[44.0, 43.0], lon=[0.0, 1.0])
    drift = 0.01 * (ds.time.dt.year.values - 2010)
    series = [cell(ds, 0, 0) - drift, cell(ds, 1, 1)]
    series[1] = np.where(ds.time.dt.year.values < 2013, series[1], np.nan)
    sites = stations([44.0, 43.0], [0.0, 1.0], ds.time, series)
    return validate(ds, sites, metrics=["bias", "pearson_r"], by="period")


def test_slopes_are_per_decade_with_significance(scores):
    result = stability(scores, min_years=4)
    assert float(result.bias_slope[0]) == pytest.approx(0.1, abs=1e-4)
    years = np.arange(2010, 2016)
    theirs = stats.theilslopes(scores.pearson_r[0].values, years)
    assert float(result.pearson_r_slope[0]) == pytest.approx(10 * theirs.slope, rel=1e-6)
    assert float(result.pearson_r_slope_low[0]) == pytest.approx(10 * theirs.low_slope, rel=1e-6)
    # six values in order: S = 15, variance 28.33
    assert float(result.p_bias_slope[0]) == pytest.approx(2 * stats.norm.sf(14 / np.sqrt(170 / 6)))
    assert result.bias_slope.attrs == {"long_name": "trend of the bias", "units": "m3 m-3 decade-1"}
    assert result.pearson_r_slope.attrs["units"] == "decade-1"


def test_series_of_few_years_have_a_status(scores):
    result = stability(scores)
    assert result.n_years.values.tolist() == [6, 3]
    assert result.status.values.tolist() == [0, 3] and np.isnan(result.bias_slope[1])
    assert result.attrs["xsm_scores"] == "stability"


def test_what_has_no_years_is_refused(scores):
    with pytest.raises(InputError, match="no dimension 'period'.*by=.period"):
        stability(scores.isel(period=0, drop=True))
    with pytest.raises(InputError, match="the periods are"):
        stability(scores.assign_coords(period=list("abcdef")))
    with pytest.raises(InputError, match="metrics='kge'.*expected some of bias, pearson_r"):
        stability(scores, metrics="kge")
    with pytest.raises(InputError, match="min_years=2"):
        stability(scores, min_years=2)
