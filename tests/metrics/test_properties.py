"""What holds for any series."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from tests.metrics.samples import series, valid
from xsm import metrics

NAMES = [name for name in metrics.METRICS if name != "anomaly_r"]
moisture = st.one_of(
    st.integers(0, 60).map(lambda k: k / 100),
    st.integers(0, 10_000).map(lambda k: k / 10_000),
    st.just(float("nan")),
)
record = arrays.arrays(np.float64, st.integers(3, 40), elements=moisture)


def scored(x, y) -> dict[str, float]:
    found = metrics.scores(series([x]), series([y]), dim="time", metrics=NAMES)
    return {name: da.item() for name, da in found.items()}


def close(a: float, b: float, atol: float = 1e-9) -> bool:
    return bool(np.isclose(a, b, rtol=1e-7, atol=atol, equal_nan=True))


@settings(max_examples=30, deadline=None)
@given(record, st.randoms(use_true_random=False))
def test_parts_make_the_whole_and_bounds_hold(x, random):
    y = np.array([random.choice([random.random(), value]) for value in x])
    s = scored(x, y)
    assert s["n_obs"] == valid(x, y)[0].size
    if s["n_obs"] < 3:
        assert np.isnan(s["rmsd"]) and s["status"] > 0
        return
    assert close(s["rmsd"] ** 2, s["ubrmsd"] ** 2 + s["bias"] ** 2)
    assert close(s["mse"], s["mse_bias"] + s["mse_var"] + s["mse_corr"])
    assert s["mae"] <= s["rmsd"] + 1e-12
    assert abs(s["bias"]) <= s["mae"] + 1e-12
    for name in ("pearson_r", "spearman_rho", "kendall_tau"):
        assert np.isnan(s[name]) or -1 <= s[name] <= 1
    for name in ("kge", "nse"):
        assert np.isnan(s[name]) or s[name] <= 1
    assert np.isnan(s["pearson_r"]) or close(s["r2"], s["pearson_r"] ** 2)


@settings(max_examples=20, deadline=None)
@given(record, record)
def test_swapping_changes_the_sign_of_the_bias_alone(x, y):
    n = min(x.size, y.size)
    one, other = scored(x[:n], y[:n]), scored(y[:n], x[:n])
    assert close(one["bias"], -other["bias"])
    for name in ("rmsd", "ubrmsd", "mae", "pearson_r", "spearman_rho", "kendall_tau", "n_obs"):
        assert close(one[name], other[name]), name


@settings(max_examples=20, deadline=None)
@given(record, st.permutations(range(40)))
def test_the_order_of_days_does_not_matter(x, order):
    y = np.cos(np.arange(x.size))
    order = [k for k in order if k < x.size]
    one, other = scored(x, y), scored(x[order], y[order])
    assert all(close(one[name], other[name]) for name in one)


@settings(max_examples=20, deadline=None)
@given(arrays.arrays(np.int64, st.integers(4, 40), elements=st.integers(0, 8)), st.integers(0, 99))
def test_ranks_with_ties_equal_scipy_and_ignore_the_scale(x, seed):
    y = np.random.default_rng(seed).integers(0, 5, x.size)
    s = scored(x / 8, y / 8)
    again = scored(np.exp(x / 4), 3.0 * y + 1)
    for name in ("spearman_rho", "kendall_tau"):
        assert close(s[name], again[name])
    if np.ptp(x) and np.ptp(y):
        assert close(s["spearman_rho"], stats.spearmanr(x, y).statistic)
        assert close(s["kendall_tau"], stats.kendalltau(x, y).statistic)
    else:
        assert np.isnan(s["kendall_tau"]) and np.isnan(s["spearman_rho"])


@settings(max_examples=15, deadline=None)
@given(record, st.sampled_from(["bca", "percentile", "moving_block"]), st.integers(0, 5))
def test_intervals_are_ordered_or_missing(x, method, seed):
    y = np.sin(np.arange(x.size))
    for metric in ("pearson_r", "rmsd", "kendall_tau"):
        found = metrics.interval(
            series([x]), series([y]), dim="time", metric=metric, method=method, n=20, seed=seed
        )
        low, high = found[f"{metric}_low"].item(), found[f"{metric}_high"].item()
        assert np.isnan(low) == np.isnan(high)
        assert np.isnan(low) or low <= high
        assert found.status.item() in range(6)
        if found.status.item() in (1, 3, 5):
            assert np.isnan(low)
