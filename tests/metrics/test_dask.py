"""Dask in, Dask out: nothing is computed when called, and chunks do not change a number."""

import dask
import numpy as np
import pytest
import xarray as xr

from tests.metrics.samples import series
from xsm import metrics

CHUNKS = [{"time": -1, "cell": 4}, {"time": 7, "cell": 3}, {"time": 1, "cell": -1}]


def forbidden(*args, **kwargs):
    raise AssertionError("something was computed")


def fit_and_apply(est, ref):
    from xsm.metrics import scaling

    return xr.merge([scaling.scale(est, ref, dim="time", method=m).rename(m) for m in METHODS])


METHODS = ("mean_std", "min_max", "linear", "cdf")
CALLS = {
    **{
        name: lambda est, ref, name=name: getattr(metrics, name)(est, ref, dim="time")
        for name in metrics.METRICS
    },
    "scores": lambda est, ref: metrics.scores(est, ref, dim="time", metrics=list(metrics.METRICS)),
    "bca": lambda est, ref: metrics.interval(est, ref, dim="time", metric="kge", n=50),
    "moving_block": lambda est, ref: metrics.interval(
        est, ref, dim="time", metric="spearman_rho", method="moving_block", n=50
    ),
    "analytic": lambda est, ref: metrics.interval(
        est, ref, dim="time", metric="ubrmsd", method="analytic"
    ),
    "p_value": lambda est, ref: metrics.p_value(est, ref, dim="time"),
    "effective": lambda est, ref: metrics.effective_sample_size(est, ref, dim="time"),
    "anomalies": lambda est, ref: metrics.anomalies(est, method="climatology"),
    "scaling": fit_and_apply,
    "triple": lambda est, ref: metrics.triple_collocation(
        est, ref, (est + ref).rename("both"), dim="time", ci="percentile", n=50
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_equal_under_any_chunks_and_nothing_computed_when_called(osse, name):
    est, ref = osse
    expected = CALLS[name](est, ref)
    for chunks in CHUNKS:
        with dask.config.set(scheduler=forbidden):
            lazy = CALLS[name](est.chunk(chunks), ref.chunk({"time": 10}))
            variables = lazy.data_vars.values() if isinstance(lazy, xr.Dataset) else [lazy]
            assert all(v.chunks is not None for v in variables)
        xr.testing.assert_allclose(lazy.compute(scheduler="sync"), expected, rtol=1e-12, atol=1e-13)


def test_forbidden_scheduler_would_notice(osse):
    with dask.config.set(scheduler=forbidden), pytest.raises(AssertionError, match="computed"):
        metrics.bias(osse[0].chunk(), osse[1], dim="time").compute()


def test_resampling_is_bitwise_the_same_in_any_chunks_and_order(osse):
    est, ref = osse
    whole = metrics.interval(est, ref, dim="time", metric="pearson_r", n=100)
    parts = metrics.interval(
        est.chunk(cell=1)[::-1], ref[::-1], dim="time", metric="pearson_r", n=100
    )
    xr.testing.assert_identical(parts.compute()[{"cell": slice(None, None, -1)}], whole)


def test_several_dimensions_in_any_order_and_place():
    rng = np.random.default_rng(0)
    est = xr.DataArray(rng.random((5, 6, 7)), dims=("lat", "time", "lon"))
    ref = xr.DataArray(rng.random((6, 7, 5)), dims=("time", "lon", "lat"))
    for dim in (["lat", "lon"], ["lon", "lat"], ["time", "lat"], ["lat", "time", "lon"]):
        found = metrics.pearson_r(est, ref, dim=dim)
        expected = xr.corr(est, ref, dim=dim)
        xr.testing.assert_allclose(found.drop_attrs(), expected, rtol=1e-12)
        chunked = metrics.pearson_r(est.chunk(lat=2, lon=3), ref.chunk(time=4), dim=dim)
        xr.testing.assert_allclose(chunked.compute(), found, rtol=1e-12)


def test_weights_broadcast_and_stay_lazy():
    rng = np.random.default_rng(1)
    est = xr.DataArray(rng.random((4, 50)), dims=("lat", "time"))
    ref = xr.DataArray(rng.random((4, 50)), dims=("lat", "time"))
    weights = xr.DataArray([1.0, 0.5, 0.0, np.nan], dims="lat")
    found = metrics.bias(est, ref, dim=("lat", "time"), weights=weights)
    expected = ((est - ref).mean("time") * [1, 0.5, 0, 0]).sum() / 1.5
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)
    chunked = metrics.bias(
        est.chunk(time=9), ref, dim=("lat", "time"), weights=weights.chunk(lat=2)
    )
    assert float(chunked) == pytest.approx(expected.item(), abs=1e-12)
    pairs = metrics.n_obs(est, ref, dim=("lat", "time"), weights=weights)
    assert pairs.item() == 100  # neither a weight of 0 nor a missing one makes a pair


def test_large_offsets_lose_no_digits():
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((2, 400))
    est, ref = series(1e6 + noise[:1]), series(1e6 + noise[:1] + 0.1 * noise[1:])
    found = metrics.pearson_r(est.chunk(time=30), ref.chunk(time=30), dim="time")
    expected = np.corrcoef(est.values[0] - 1e6, ref.values[0] - 1e6)[0, 1]
    assert found.compute().item() == pytest.approx(expected, abs=1e-9)
