"""Confidence intervals: the resamples, the bounds they give, and how often they hold the truth."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from tests.metrics.samples import resamples, series, valid
from xsm import metrics
from xsm.errors import InputError

METHODS = ("bca", "percentile", "basic", "moving_block")
RESAMPLED = [name for name in metrics.METRICS if name not in ("n_obs", "anomaly_r")]


@pytest.mark.parametrize("name", RESAMPLED)
def test_resampled_metric_is_the_metric_of_the_resample(osse, name):
    est, ref = (da[:3] for da in osse)
    found = metrics.interval(est, ref, dim="time", metric=name, method="percentile", level=0.8,
                             n=25, seed=5)  # fmt: skip
    for cell in range(2):
        x, y = valid(est[cell], ref[cell])
        values = []
        for counts in resamples(x.size, 25, seed=5).astype(int):
            again = series([np.repeat(x, counts)]), series([np.repeat(y, counts)])
            values.append(getattr(metrics, name)(*again, dim="time").item())
        expected = np.quantile(values, [0.1, 0.9])
        bounds_found = [found[f"{name}_{side}"][cell].item() for side in ("low", "high")]
        np.testing.assert_allclose(bounds_found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
def test_intervals_agree_with_scipy(method):
    rng = np.random.default_rng(4)
    x = rng.standard_normal(80)
    y = x + rng.standard_normal(80)
    expected = stats.bootstrap(
        (x, y), _pearson, paired=True, method=method, n_resamples=20_000, rng=rng
    ).confidence_interval
    found = metrics.interval(series([x]), series([y]), dim="time", metric="pearson_r",
                             method=method, n=20_000)  # fmt: skip
    # Monte Carlo error of a 2.5 % quantile of 20,000 is about 0.002
    assert found.pearson_r_low.item() == pytest.approx(expected.low, abs=0.01)
    assert found.pearson_r_high.item() == pytest.approx(expected.high, abs=0.01)


def _pearson(x, y, axis=-1):
    x, y = (a - a.mean(axis=axis, keepdims=True) for a in (x, y))
    return (x * y).sum(axis) / np.sqrt((x * x).sum(axis) * (y * y).sum(axis))


@pytest.mark.parametrize("method", [*METHODS, "analytic"])
def test_nominal_share_of_intervals_holds_the_truth(method):
    rng = np.random.default_rng(11)
    x = rng.standard_normal((400, 120))
    y = 0.6 * x + 0.8 * rng.standard_normal(x.shape)
    found = metrics.interval(series(x), series(y), dim="time", metric="pearson_r", method=method,
                             n=400, level=0.9)  # fmt: skip
    holds = (found.pearson_r_low < 0.6) & (found.pearson_r_high > 0.6)
    assert holds.mean().item() == pytest.approx(0.9, abs=0.05)


def test_analytic_interval_of_tau_holds_the_truth():
    rng = np.random.default_rng(13)
    x = rng.standard_normal((600, 60))
    y = 0.6 * x + 0.8 * rng.standard_normal(x.shape)
    found = metrics.interval(
        series(x), series(y), dim="time", metric="kendall_tau", method="analytic"
    )
    truth = 2 / np.pi * np.arcsin(0.6)
    holds = (found.kendall_tau_low < truth) & (truth < found.kendall_tau_high)
    assert holds.mean().item() == pytest.approx(0.95, abs=0.03)


def test_blocks_widen_the_interval_of_days_that_resemble_each_other():
    rng = np.random.default_rng(12)
    noise = np.zeros((20, 400))
    for day in range(1, 400):
        noise[:, day] = 0.9 * noise[:, day - 1] + rng.standard_normal(20)
    est, ref = series(noise), series(np.zeros_like(noise) + rng.standard_normal((20, 400)))
    width = {}
    for method, block in (("percentile", None), ("moving_block", 25)):
        found = metrics.interval(est, ref, dim="time", metric="bias", method=method, n=300,
                                 block=block)  # fmt: skip
        width[method] = (found.bias_high - found.bias_low).mean().item()
    assert width["moving_block"] > 2 * width["percentile"]


def test_blocks_of_one_day_are_single_days(osse):
    est, ref = (da[:4] for da in osse)
    single = metrics.interval(est, ref, dim="time", metric="rmsd", method="percentile", n=50)
    blocks = metrics.interval(est, ref, dim="time", metric="rmsd", method="moving_block", n=50,
                              block=1)  # fmt: skip
    xr.testing.assert_identical(single, blocks)


def test_series_of_less_than_two_blocks_have_no_interval():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3, 60))
    y = x + rng.standard_normal(x.shape)
    x[0, 20:], x[1, 40:] = np.nan, np.nan  # 20, 40 and 60 pairs
    options = {"dim": "time", "method": "moving_block", "block": 20, "n": 50}
    for name in ("bias", "pearson_r", "spearman_rho"):
        found = metrics.interval(series(x), series(y), metric=name, **options)
        width = found[f"{name}_high"] - found[f"{name}_low"]
        assert np.isfinite(width).values.tolist() == [False, True, True]
        assert (width[1:] > 0.05).all()


def test_an_interval_is_that_of_its_seed(osse):
    est, ref = (da[:2] for da in osse)
    first, again, other = (
        metrics.interval(est, ref, dim="time", metric="kge", n=40, seed=seed) for seed in (0, 0, 1)
    )
    xr.testing.assert_identical(first, again)
    assert (first.kge_low != other.kge_low).all()


def test_long_records_and_many_resamples_are_cut_into_pieces():
    rng = np.random.default_rng(3)
    x = rng.random((3, 3000))
    y = x + rng.random((3, 3000))
    found = metrics.interval(series(x), series(y), dim="time", metric="pearson_r", n=900)
    alone = metrics.interval(series(x[1:2]), series(y[1:2]), dim="time", metric="pearson_r", n=900)
    assert found.pearson_r_low[1] == alone.pearson_r_low[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", ["pearson_r", "spearman_rho", "kendall_tau", "kge", "mae"])
def test_three_days_or_equal_series_never_crash(metric, method):
    few = series([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    ref = series([[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]])
    found = metrics.interval(few, ref, dim="time", metric=metric, method=method, n=30)
    assert found.status.values.tolist() == [0, 0]
    low, high = found[f"{metric}_low"], found[f"{metric}_high"]
    assert (low <= high).all()
    if metric != "mae" and method != "basic":
        assert low[0] == high[0] == pytest.approx(1.0)


def test_anomaly_r_has_an_interval_around_it(osse):
    est, ref = (da[:3] for da in osse)
    found = metrics.interval(est, ref, dim="time", metric="anomaly_r", n=100)
    value = metrics.anomaly_r(est, ref, dim="time")
    assert ((found.anomaly_r_low < value) & (value < found.anomaly_r_high)).all()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"metric": "rmse"}, "metric 'rmse' is unknown"),
        ({"metric": "n_obs"}, "has no confidence interval"),
        ({"method": "BCa"}, "method='BCa': expected one of 'bca'"),
        ({"metric": "kge", "method": "analytic"}, "metric='kge' has no analytic interval"),
        ({"level": 95}, "level=95: expected a fraction"),
        ({"n": 1}, "n=1: expected a whole number, 2 or more"),
        ({"block": 0}, "block=0"),
        ({"block": 20}, "block=20 does not apply to the intervals 'bca'"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_wrong_options_say_what_is_right(osse, options, words):
    with pytest.raises(InputError, match=words):
        metrics.interval(*osse, **({"dim": "time", "metric": "rmsd"} | options))


@pytest.mark.parametrize("method", ["bca", "moving_block"])
def test_several_metrics_have_the_intervals_that_each_has_alone(pairs, method):
    est, ref = pairs
    names = ["rmsd", "pearson_r", "bias", "spearman_rho", "anomaly_r", "kge"]
    together = metrics.interval(est, ref, dim="time", metric=names, method=method, n=40)
    assert list(together) == [f"{n}_{side}" for n in names for side in ("low", "high")] + ["status"]
    for name in names:
        alone = metrics.interval(est, ref, dim="time", metric=name, method=method, n=40)
        xr.testing.assert_identical(together[[f"{name}_low", f"{name}_high"]],
                                    alone[[f"{name}_low", f"{name}_high"]])  # fmt: skip
    with pytest.raises(InputError, match="expected one or more names"):
        metrics.interval(est, ref, dim="time", metric=[])
