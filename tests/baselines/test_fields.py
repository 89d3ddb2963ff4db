"""DCT-PLS and DINEOF on fields they must be able to fill."""

import sys

import numpy as np
import pytest

from xsm.baselines import baseline, dctpls, dineof, linear
from xsm.errors import InputError, MissingPackageError


@pytest.fixture(scope="module")
def smooth():
    """A smooth moving field (16, 14, 18), 40 % of it missing, one cell always."""
    t, y, x = np.ogrid[:16, :14, :18]
    field = 0.25 + 0.1 * np.cos(x / 5 + t / 6) * np.cos(y / 6) + 0.03 * np.sin(t / 4)
    truth = field.astype(np.float32)
    rng = np.random.default_rng(3)
    values = np.where(rng.random(truth.shape) < 0.4, np.nan, truth).astype(np.float32)
    values[:, 3, 4] = np.nan
    return truth, values


def error(filled, truth, values):
    gaps = np.isnan(values) & np.isfinite(filled)
    return float(np.sqrt(np.mean((filled - truth)[gaps] ** 2)))


def check_contract(filled, values):
    seen = np.isfinite(values)
    np.testing.assert_array_equal(filled[seen], values[seen])
    assert filled.dtype == np.float32
    assert np.isnan(filled[:, 3, 4]).all()
    assert np.isnan(filled).sum() == filled.shape[0]


def test_dctpls_beats_linear_on_a_smooth_field(smooth):
    pytest.importorskip("pytesmo")
    truth, values = smooth
    filled = dctpls.fill(values, smoothing=0.01)
    check_contract(filled, values)
    assert error(filled, truth, values) < 0.5 * error(linear.fill(values), truth, values)


def test_dctpls_in_tiles_is_as_good_as_whole(smooth):
    pytest.importorskip("pytesmo")
    truth, values = smooth
    whole = dctpls.fill(values, smoothing=0.01, tile=40)
    parts = dctpls.fill(values, smoothing=0.01, tile=10, margin=8)
    check_contract(parts, values)
    assert error(parts, truth, values) < 1.2 * error(whole, truth, values)


def test_dctpls_fills_only_what_is_asked(smooth):
    pytest.importorskip("pytesmo")
    _, values = smooth
    where = np.zeros(values.shape, bool)
    where[5] = True
    filled = dctpls.fill(values, smoothing=0.1, where=where, tile=10, anomalies=True)
    new = np.isfinite(filled) & np.isnan(values)
    assert new[5].sum() == np.isnan(values[5]).sum() - 1
    assert not np.delete(new, 5, axis=0).any()


def test_dctpls_search_takes_the_best(smooth):
    pytest.importorskip("pytesmo")
    _, values = smooth
    hidden = np.isfinite(values) & (np.random.default_rng(0).random(values.shape) < 0.1)
    best, errors = dctpls.search(values, hidden, candidates=(0.01, 100.0))
    assert best == 0.01
    assert errors[0.01] < errors[100.0]
    with pytest.raises(InputError, match="nothing to judge by"):
        dctpls.search(values, np.zeros(values.shape, bool))


def test_dctpls_bad_smoothing(smooth):
    with pytest.raises(InputError, match="smoothing=-1"):
        dctpls.fill(smooth[1], smoothing=-1)


@pytest.mark.parametrize("anomalies", [True, False])
def test_dineof_finds_the_mode_behind_the_gaps(anomalies):
    pytest.importorskip("pydineof")
    pattern = np.cos(np.arange(20) / 5)[:, None] * np.sin(np.arange(30) / 7)
    series = np.sin(np.arange(24) / 3)
    truth = (0.25 + 0.1 * series[:, None, None] * pattern).astype(np.float32)
    rng = np.random.default_rng(3)
    values = np.where(rng.random(truth.shape) < 0.3, np.nan, truth).astype(np.float32)
    values[:, 3, 4] = np.nan
    filled = dineof.fill(values, modes=3, anomalies=anomalies)
    check_contract(filled, values)
    assert error(filled, truth, values) < 0.2 * float(truth.std())


def test_dineof_keeps_zeros(smooth):
    pytest.importorskip("pydineof")
    values = smooth[1].copy()
    values[np.isfinite(values) & (values < 0.2)] = 0
    filled = dineof.fill(values, modes=2)
    check_contract(filled, values)


def test_dineof_too_short_says_how_long(smooth):
    pytest.importorskip("pydineof")
    with pytest.raises(InputError, match="record of 8 days"):
        dineof.fill(smooth[1][:8])


def test_dineof_of_nothing_is_nothing():
    pytest.importorskip("pydineof")
    assert np.isnan(dineof.fill(np.full((15, 2, 2), np.nan, np.float32))).all()


@pytest.mark.parametrize(
    ("name", "package"), [("dctpls", "pytesmo"), ("dineof", "pydineof"), ("trees", "lightgbm")]
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, smooth, name, package):
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"'{package}'.*xsm\[baselines\]"):
        baseline(name)(smooth[1])
