"""Triple collocation: equal to pytesmo, and right where the errors are known."""

import numpy as np
import pytest
import xarray as xr
from pytesmo.metrics import confidence_intervals, tcol

from tests.metrics.samples import series, valid
from xsm import metrics
from xsm.errors import InputError
from xsm.metrics.resampling import draw_counts

SENSITIVITY = np.array([1.0, 0.7, 1.4])
ERROR = np.array([0.02, 0.03, 0.04])


def three(cells: int, days: int, seed: int = 0) -> tuple[xr.DataArray, ...]:
    """Three records of one truth (standard deviation 0.06), of known sensitivity and error."""
    rng = np.random.default_rng(seed)
    truth = 0.25 + 0.06 * rng.standard_normal((cells, days))
    return tuple(
        series(a * truth + s * rng.standard_normal(truth.shape)).rename(name)
        for a, s, name in zip(SENSITIVITY, ERROR, ("satellite", "model", "station"), strict=True)
    )


def of_pytesmo(*values, reference=0):
    """SNR, error and factor by pytesmo; without its ratios of absolute values."""
    with np.errstate(all="ignore"):
        snr, err_std, beta = tcol.tcol_metrics(*values, ref_ind=reference)
        q = np.cov(values)
        signal = np.array(
            [q[i, j] * q[i, k] / q[j, k] for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1))]
        )
        positive = (signal >= 0) & (np.diag(q) >= signal)
    return np.where(positive, snr, np.nan), err_std, beta


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_equals_pytesmo(pairs, reference):
    est, ref = pairs
    rng = np.random.default_rng(0)
    noise = xr.DataArray(0.03 * rng.standard_normal(est.shape), dims=est.dims)
    third = 0.8 * ref + noise
    third[:, ::9] = np.nan
    found = metrics.triple_collocation(est, ref, third, dim="time", reference=reference)
    for cell in range(est.sizes["cell"]):
        x, y, z = valid(est[cell], ref[cell], third[cell])
        snr, err_std, beta = of_pytesmo(x, y, z, reference=reference)
        here = found.isel(cell=cell)
        np.testing.assert_allclose(here.snr_db, snr, atol=1e-6)
        np.testing.assert_allclose(here.err_std, err_std, atol=1e-6)
        np.testing.assert_allclose(here.beta, beta, atol=1e-6)
        assert here.n_obs == x.size


def test_finds_errors_that_are_known():
    found = metrics.triple_collocation(*three(2, 200_000), dim="time").mean("cell")
    signal = SENSITIVITY * 0.06
    np.testing.assert_allclose(found.err_var, ERROR**2, rtol=0.03)
    np.testing.assert_allclose(found.err_std, ERROR / SENSITIVITY, rtol=0.02)
    np.testing.assert_allclose(found.sensitivity, signal, rtol=0.01)
    np.testing.assert_allclose(found.beta, 1 / SENSITIVITY, rtol=0.01)
    np.testing.assert_allclose(found.r2, signal**2 / (signal**2 + ERROR**2), rtol=0.01)
    np.testing.assert_allclose(found.snr_db, 20 * np.log10(signal / ERROR), atol=0.15)


@pytest.mark.parametrize("reference", [0, 1, 2])
def test_anticorrelated_records_have_a_positive_error(reference):
    records = three(4, 500)
    turned = [records[0], 0.5 - records[1], records[2]]
    options = {"dim": "time", "reference": reference, "ci": "percentile", "n": 100}
    plain = metrics.triple_collocation(*records, **options)
    found = metrics.triple_collocation(*turned, **options)
    for name in ("err_std", "err_std_low", "err_std_high", "snr_db", "r2", "sensitivity"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-5, err_msg=name)
    assert (found.err_std > 0.005).all()
    sign = np.where(np.arange(3) == 1, -1, 1) * (-1 if reference == 1 else 1)
    np.testing.assert_allclose(found.beta, sign * plain.beta, rtol=1e-5)


def test_intervals_need_two_blocks():
    records = three(1, 50)
    options = {"dim": "time", "ci": "moving_block", "n": 50}
    short = metrics.triple_collocation(*records, block=30, **options)
    assert short.err_std.notnull().all() and short.err_std_low.isnull().all()
    enough = metrics.triple_collocation(*records, block=25, **options)
    assert (enough.err_std_high > enough.err_std_low).all()


def test_r2_is_the_squared_correlation_with_the_truth():
    rng = np.random.default_rng(5)
    truth = rng.standard_normal((1, 100_000))
    records = [series(truth + s * rng.standard_normal(truth.shape)) for s in (0.3, 0.6, 0.9)]
    found = metrics.triple_collocation(*records, dim="time")
    expected = [np.corrcoef(r.values[0], truth[0])[0, 1] ** 2 for r in records]
    np.testing.assert_allclose(found.r2[0], expected, atol=0.01)


@pytest.mark.parametrize("ci", ["bca", "percentile", "basic", "moving_block"])
def test_intervals_hold_the_known_error(ci):
    found = metrics.triple_collocation(*three(250, 200), dim="time", ci=ci, n=300, level=0.9)
    expected = xr.DataArray(ERROR / SENSITIVITY, dims="dataset")
    holds = (found.err_std_low < expected) & (expected < found.err_std_high)
    assert holds.mean().item() == pytest.approx(0.9, abs=0.06)
    assert (found.beta_low[:, 0] == 1).all() and (found.beta_high[:, 0] == 1).all()
    assert found.snr_db_low.attrs["long_name"].startswith("lower bound of signal-to-noise")


def test_intervals_are_as_wide_as_those_of_pytesmo():
    x, y, z = three(1, 365, seed=2)
    found = metrics.triple_collocation(x, y, z, dim="time", ci="percentile", n=2000)
    np.random.seed(0)
    expected = confidence_intervals.tcol_metrics_with_bootstrapped_ci(
        *(da.values[0] for da in (x, y, z)), nsamples=2000
    )
    for name, (_, low, high) in zip(("snr_db", "err_std", "beta"), expected, strict=True):
        spread = np.maximum(high - low, 1e-9)
        # both draw at random: a bound moves by a few per cent of the width
        assert np.abs((found[f"{name}_low"][0] - low) / spread).max() < 0.12
        assert np.abs((found[f"{name}_high"][0] - high) / spread).max() < 0.12


@pytest.mark.parametrize("error", [0.03, 1e-4])
def test_intervals_are_quantiles_of_the_collocation_of_each_resample(error):
    rng = np.random.default_rng(6)
    truth = 0.25 + 0.06 * rng.standard_normal((1, 90))
    slopes = (1.0, -0.5, 2.0)  # one of them falls where the truth rises
    records = [
        series(a * truth + k * error * rng.standard_normal(truth.shape))
        for k, a in enumerate(slopes, start=1)
    ]
    n, count = truth.size, 60
    found = metrics.triple_collocation(*records, dim="time", ci="percentile", n=count, level=0.8)
    counts = np.empty((count, n))
    draw_counts(n, 1, np.uint64(0), 0, np.empty(n + 1, np.int64), counts)
    values = np.concatenate([da.values for da in records])
    drawn = [of_pytesmo(*np.repeat(values, c, axis=1)) for c in counts.astype(int)]
    expected = dict(zip(("snr_db", "err_std", "beta"), np.swapaxes(drawn, 0, 1), strict=True))
    expected["err_std"] = np.abs(expected["err_std"])  # pytesmo gives it the sign of beta
    for name, rows in expected.items():
        limits = np.nanquantile(rows, [0.1, 0.9], axis=0)
        limits[:, found[name][0].isnull()] = np.nan
        for side, limit in zip(("low", "high"), limits, strict=True):
            np.testing.assert_allclose(found[f"{name}_{side}"][0], limit, rtol=2e-5, err_msg=name)


def test_labels_are_the_names_where_they_differ():
    x, y, z = three(1, 50)
    found = metrics.triple_collocation(x, y, z, dim="time")
    assert found.dataset.values.tolist() == ["satellite", "model", "station"]
    assert metrics.triple_collocation(x, x, z, dim="time").dataset.values.tolist() == list("xyz")
    named = metrics.triple_collocation(x, y, z, dim="time", names=["a", "b", "c"])
    assert named.dataset.values.tolist() == ["a", "b", "c"]
    assert named.err_std.attrs["units"] == "m3 m-3"


def test_unrelated_records_give_no_number_but_no_crash():
    rng = np.random.default_rng(9)
    records = [series(rng.random((30, 40))) for _ in range(3)]
    found = metrics.triple_collocation(*records, dim="time", ci="bca", n=50)
    assert found.r2.isnull().any() and found.err_std.isnull().any()
    assert (found.r2.fillna(0.5) >= 0).all() and (found.r2.fillna(0.5) <= 1).all()


def test_status_of_each_dataset_gives_the_reason_for_what_is_missing():
    rng = np.random.default_rng(9)
    found = metrics.triple_collocation(
        *(series(rng.random((30, 40))) for _ in range(3)), dim="time"
    )
    meanings = found.status.attrs["flag_meanings"].split()
    names = xr.DataArray(np.array(meanings)[found.status.values], dims=found.status.dims)
    assert set(np.unique(names)) == {"ok", "negative_error_variance", "negative_signal_variance"}
    ok = names == "ok"
    assert (found.r2.notnull() == ok).all() and (found.err_var.values[ok.values] >= 0).all()
    assert ((names == "negative_error_variance") == (found.err_var < 0)).all()
    assert ((names == "negative_signal_variance") == found.sensitivity.isnull()).all()


def test_there_is_no_ratio_to_a_negative_variance():
    """x and y have an error in common, which makes the variance of that of x negative here."""
    rng = np.random.default_rng(3)
    truth, common = rng.standard_normal((2, 5, 400))
    x = series(truth + common)
    y = series(truth + common + 0.3 * rng.standard_normal(truth.shape))
    z = series(truth - 0.8 * common)
    found = metrics.triple_collocation(x, y, z, dim="time", ci="percentile", n=100)
    negative = found.err_var < 0
    assert negative.any() and (~negative).any()
    noise_to_signal = found.err_var / found.sensitivity**2
    expected = -10 * np.log10(noise_to_signal.where(noise_to_signal >= 0))
    np.testing.assert_allclose(found.snr_db, expected, rtol=1e-5)
    assert (found.snr_db.isnull() == (negative | found.sensitivity.isnull())).all()
    assert (found.snr_db.isnull() == (found.status != 0)).all()
    assert (found.snr_db_low.isnull() == found.err_std_low.isnull()).all()


def test_units_are_those_of_the_datasets_where_they_have_one():
    x, y, z = three(1, 50)
    found = metrics.triple_collocation(x, y, z, dim="time")
    assert found.err_var.attrs["units"] == "(m3 m-3)2"
    assert found.sensitivity.attrs["units"] == "m3 m-3"
    z.attrs["units"] = "%"
    found = metrics.triple_collocation(x, y, z, dim="time")
    assert "units" not in found.err_var.attrs and found.err_std.attrs["units"] == "m3 m-3"


@pytest.mark.parametrize(
    "options, words",
    [
        ({"ci": "analytic"}, "ci='analytic': expected None or one of 'bca'"),
        ({"reference": 3}, "reference=3: expected 0, 1 or 2"),
        ({"names": ["a", "a", "b"]}, "expected three different names"),
        ({"dim": "day"}, "dim='day'"),
        ({"level": 0}, "level=0"),
        ({"min_pairs": 0}, "min_pairs=0: expected a whole number, 1 or more"),
    ],
)
def test_wrong_options_say_what_is_right(options, words):
    with pytest.raises(InputError, match=words):
        metrics.triple_collocation(*three(1, 20), **({"dim": "time"} | options))
