"""The continuous ranked probability score, against other packages and its integral."""

import numpy as np
import pytest
import scores
import xarray as xr
import xskillscore
from scipy import stats
from scipy.integrate import quad

from xsm import metrics
from xsm.errors import InputError, UnitError
from xsm.metrics.probabilistic import gaussian_crps


@pytest.fixture
def drawn() -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, xr.DataArray]:
    """Mean, standard deviation, samples and reference on (cell, time)."""
    rng = np.random.default_rng(3)
    shape = (4, 50)
    mean = xr.DataArray(rng.normal(0.3, 0.1, shape), dims=("cell", "time"))
    std = xr.DataArray(rng.uniform(0.01, 0.1, shape), dims=("cell", "time"))
    ref = mean + 0.05 * rng.standard_normal(shape)
    number = xr.DataArray(rng.standard_normal((20, *shape)), dims=("sample", "cell", "time"))
    return mean, std, mean + std * number, ref


def test_gaussian_equals_xskillscore(drawn):
    mean, std, _, ref = drawn
    expected = xskillscore.crps_gaussian(ref, mean, std, dim="time")
    np.testing.assert_allclose(metrics.crps_gaussian(mean, std, ref, dim="time"), expected)


@pytest.mark.parametrize("error", [-3.0, -0.1, 0.0, 0.7])
def test_gaussian_equals_its_integral(error):
    below = quad(lambda x: stats.norm.cdf(x, 0, 0.5) ** 2, -12, -error)[0]
    above = quad(lambda x: (1 - stats.norm.cdf(x, 0, 0.5)) ** 2, -error, 12)[0]
    assert gaussian_crps(np.array(error), np.array(0.5)) == pytest.approx(below + above, rel=1e-6)


@pytest.mark.parametrize("method", ["ecdf", "fair"])
def test_samples_equal_scores(drawn, method):
    _, _, samples, ref = drawn
    expected = scores.probability.crps_for_ensemble(
        samples, ref, "sample", method=method, preserve_dims="cell"
    )
    own = metrics.crps_ensemble(samples, ref, dim="time", fair=method == "fair")
    np.testing.assert_allclose(own, expected)


def test_many_samples_tend_to_the_closed_form():
    rng = np.random.default_rng(0)
    ref = xr.DataArray(rng.normal(0, 1.5, 400), dims="time")
    samples = xr.DataArray(rng.standard_normal((200, 400)), dims=("sample", "time"))
    zero = xr.zeros_like(ref)
    expected = metrics.crps_gaussian(zero, zero + 1, ref, dim="time")
    assert float(metrics.crps_ensemble(samples, ref, dim="time")) == pytest.approx(
        float(expected), abs=0.01
    )


def test_missing_values_do_not_count(drawn):
    mean, std, samples, ref = drawn
    short = {"time": slice(0, 30)}
    expected = metrics.crps_gaussian(mean[short], std[short], ref[short], dim="time")
    gone = xr.where(mean["time"] < 30, 1.0, np.nan)
    np.testing.assert_allclose(metrics.crps_gaussian(mean, std * gone, ref, dim="time"), expected)
    expected = metrics.crps_ensemble(samples[short], ref[short], dim="time")
    one = samples.where((samples["sample"] != 4) | (samples["time"] < 30))
    np.testing.assert_allclose(metrics.crps_ensemble(one, ref, dim="time"), expected)
    nothing = metrics.crps_gaussian(mean, std, ref * np.nan, dim=("cell", "time"))
    assert np.isnan(nothing)


def test_a_certain_estimate_has_the_absolute_error(drawn):
    mean, std, _, ref = drawn
    certain = metrics.crps_gaussian(mean, 0 * std, ref, dim=("cell", "time"))
    assert float(certain) == pytest.approx(float(metrics.mae(mean, ref, dim=("cell", "time"))))
    assert np.isnan(metrics.crps_gaussian(mean, -std, ref, dim=("cell", "time")))


def test_lazy_and_with_units(drawn):
    pytest.importorskip("dask")
    mean, std, samples, ref = (x.assign_attrs(units="m3 m-3") for x in drawn)
    for expected, lazy in (
        (
            metrics.crps_gaussian(mean, std, ref, dim="time"),
            metrics.crps_gaussian(mean.chunk(time=7), std, ref.chunk(cell=1), dim="time"),
        ),
        (
            metrics.crps_ensemble(samples, ref, dim="time"),
            metrics.crps_ensemble(samples.chunk(sample=3, time=9), ref, dim="time"),
        ),
    ):
        assert lazy.chunks is not None and lazy.attrs["units"] == "m3 m-3"
        np.testing.assert_allclose(lazy, expected)
    with pytest.raises(UnitError, match="est is in"):
        metrics.crps_gaussian(mean.assign_attrs(units="percent"), std, ref, dim="time")


def test_samples_that_cannot_be_scored_are_errors(drawn):
    _, _, samples, ref = drawn
    with pytest.raises(InputError, match="dimension 'sample'"):
        metrics.crps_ensemble(ref, ref, dim="time")
    with pytest.raises(InputError, match="two or more, or fair=False"):
        metrics.crps_ensemble(samples.isel(sample=[0]), ref, dim="time")
    with pytest.raises(InputError, match="ref has the dimension"):
        metrics.crps_ensemble(samples, samples, dim="time")
    single = metrics.crps_ensemble(samples.isel(sample=[0]), ref, dim="time", fair=False)
    np.testing.assert_allclose(single, metrics.mae(samples.isel(sample=0), ref, dim="time"))
