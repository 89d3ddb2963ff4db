"""Scaling: equal to pytesmo, and learned on one record to be used on another."""

import numpy as np
import pytest
import xarray as xr
from pytesmo import cdf_matching
from pytesmo import scaling as pytesmo_scaling
from scipy import stats

from tests.metrics.samples import series, valid
from xsm import metrics
from xsm.errors import InputError
from xsm.metrics import scaling

THEIRS = {
    "mean_std": pytesmo_scaling.mean_std,
    "min_max": pytesmo_scaling.min_max,
    "linear": pytesmo_scaling.linreg,
}


def cdf(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    matching = cdf_matching.CDFMatching(percentiles=list(scaling.PERCENTILES))
    return matching.fit(x, y).predict(x)


@pytest.mark.parametrize("method", ["mean_std", "min_max", "linear", "cdf"])
def test_equals_pytesmo(pairs, method):
    est, ref = (da.astype(float) for da in pairs)
    found = scaling.scale(est, ref, dim="time", method=method)
    for cell in range(est.sizes["cell"]):
        x, y = valid(est[cell], ref[cell])
        both = (est[cell].notnull() & ref[cell].notnull()).values
        slope = np.corrcoef(x, y)[0, 1]
        if method == "linear" and slope < 0:
            continue  # pytesmo takes the size of the slope
        expected = THEIRS.get(method, cdf)(x, y)
        np.testing.assert_allclose(found[cell].values[both], expected, atol=1e-6)


def test_scaled_record_has_the_climate_of_the_reference(pairs):
    est, ref = (da.astype(float) for da in pairs)
    both = est.notnull() & ref.notnull()
    est, ref = est.where(both), ref.where(both)
    out = scaling.scale(est, ref, dim="time", method="mean_std")
    np.testing.assert_allclose(out.mean("time"), ref.mean("time"), atol=1e-9)
    np.testing.assert_allclose(out.std("time"), ref.std("time"), atol=1e-9)
    out = scaling.scale(est, ref, dim="time", method="min_max")
    np.testing.assert_allclose(out.max("time"), ref.max("time"), atol=1e-9)


def test_percentiles_are_those_of_the_reference():
    rng = np.random.default_rng(2)
    est, ref = series(rng.beta(2, 5, (3, 500))), series(rng.beta(5, 2, (3, 500)))
    out = scaling.scale(est, ref, dim="time", method="cdf")
    for share in (0.05, 0.2, 0.5, 0.8, 0.95):
        found, expected = (da.quantile(share, "time") for da in (out, ref))
        np.testing.assert_allclose(found, expected, atol=5e-3)


def test_fit_on_one_record_applies_to_another():
    rng = np.random.default_rng(0)
    x = rng.random((3, 400))
    est, ref = series(x), series(0.1 + 0.3 * x**2)
    for method in scaling.SCALING_METHODS:
        learned = scaling.fit(est[:, :300], ref[:, :300], dim="time", method=method)
        out = scaling.apply(est[:, 300:], learned)
        again = scaling.apply(est, learned)[:, 300:]
        xr.testing.assert_identical(out, again)
    cdf_error = metrics.rmsd(out, ref[:, 300:], dim="time")
    assert (cdf_error < 0.01).all()


def test_beyond_the_percentiles_lines_go_on():
    x = np.linspace(0, 1, 101)[None]
    learned = scaling.fit(series(x), series(2 * x + 1), dim="time", method="cdf")
    out = scaling.apply(series([[-1.0, 0.5, 3.0]]), learned)
    assert out.values[0] == pytest.approx([-1.0, 2.0, 7.0], abs=0.2)
    assert out.attrs["units"] == "m3 m-3"


def test_ties_do_not_break_percentiles():
    x = np.repeat([0.1, 0.2, 0.3], 30)[None]
    y = np.random.default_rng(0).random((1, 90))
    learned = scaling.fit(series(x), series(y), dim="time", method="cdf")
    assert (learned.est.diff("percentile") > 0).all()
    assert scaling.apply(series(x), learned).notnull().all()


@pytest.mark.parametrize("method", scaling.SCALING_METHODS)
@pytest.mark.parametrize("values", [[0.2] * 5, [np.nan] * 5, [0.1, 0.2, np.nan, np.nan, np.nan]])
def test_what_cannot_be_fitted_is_missing(method, values):
    out = scaling.scale(series([values]), series([[0.1, 0.2, 0.3, 0.4, 0.5]]), dim="time",
                        method=method)  # fmt: skip
    assert out.isnull().all()


def test_linear_tails_equal_pytesmo(pairs):
    est, ref = (da.astype(float) for da in pairs)
    found = scaling.scale(est, ref, dim="time", method="cdf_linear_tails")
    levels = list(scaling.PERCENTILES)
    for cell in range(est.sizes["cell"]):
        x, y = valid(est[cell], ref[cell])
        both = (est[cell].notnull() & ref[cell].notnull()).values
        theirs = cdf_matching.CDFMatching(percentiles=levels, linear_edge_scaling=True).fit(x, y)
        np.testing.assert_allclose(found[cell].values[both], theirs.predict(x), atol=1e-6)
    plain = scaling.scale(est, ref, dim="time", method="cdf")
    assert float(abs(found - plain).max()) > 1e-4


def test_percentiles_of_beta_distributions_equal_scipy():
    rng = np.random.default_rng(4)
    x, y = rng.beta(2, 5, 60), 0.1 + 0.3 * rng.beta(4, 3, 60)
    levels = np.array(scaling.PERCENTILES)
    learned = scaling.fit(series([x]), series([y]), dim="time", method="cdf_beta")
    for name, values in (("est", x), ("ref", y)):
        low, size = values.min(), np.ptp(values)
        mean, variance = ((values - low) / size).mean(), ((values - low) / size).var()
        total = mean * (1 - mean) / variance - 1
        expected = stats.beta.ppf(levels / 100, mean * total, (1 - mean) * total, low, size)
        np.testing.assert_allclose(learned[name][0], expected, rtol=1e-8)


def test_parameters_of_each_season_are_those_of_its_days():
    rng = np.random.default_rng(1)
    est, ref = series(rng.random((2, 400))), series(rng.random((2, 400)))
    learned = scaling.fit(est, ref, dim="time", method="mean_std", by="season")
    assert learned.slope.dims == ("season", "cell")
    out = scaling.apply(est, learned)
    assert out.dims == est.dims and out.attrs["units"] == "m3 m-3"
    for season in ("DJF", "JJA"):
        own = est.time.dt.season.values == season
        expected = scaling.scale(est[:, own], ref[:, own], dim="time", method="mean_std")
        np.testing.assert_allclose(out[:, own], expected)
    half = learned.sel(season=["DJF", "JJA"])
    with pytest.raises(InputError, match="no parameters of season MAM, SON"):
        scaling.apply(est, half)
    with pytest.raises(InputError, match="by='week': expected None or one of 'season'"):
        scaling.fit(est, ref, dim="time", by="week")


def test_wrong_options_say_what_is_right(osse):
    with pytest.raises(InputError, match="method='cdf_match': expected one of 'mean_std'"):
        scaling.fit(*osse, dim="time", method="cdf_match")
    with pytest.raises(InputError, match="percentiles="):
        scaling.fit(*osse, dim="time", method="cdf", percentiles=[50])
    with pytest.raises(InputError, match="params has the variables"):
        scaling.apply(osse[0], xr.Dataset())
