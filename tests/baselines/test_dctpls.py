"""DCT-PLS: skill on a smooth field, tiles, choice of the smoothing."""

import numpy as np
import pytest

from tests.baselines.samples import check_contract, error
from xsm.baselines import dctpls, linear
from xsm.conventions.windows import take_cells
from xsm.errors import InputError


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
    with pytest.raises(InputError, match="nothing to score"):
        dctpls.search(values, np.zeros(values.shape, bool))


def test_dctpls_bad_smoothing(smooth):
    with pytest.raises(InputError, match="smoothing=-1"):
        dctpls.fill(smooth[1], smoothing=-1)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize(("size", "margin"), [(4, 2), (5, 0), (3, 7), (50, 3)])
def test_tiles_cover_the_array_once(size, margin, wrap):
    array = np.arange(2 * 7 * 11).reshape(2, 7, 11)
    built = np.full_like(array, -1)
    for inside, area in dctpls._areas(array.shape, size, margin, wrap):
        part = take_cells(array, slice(*area.rows), slice(*area.columns), wrap)
        assert (built[inside] == -1).all()
        built[inside] = part[(slice(None), *area.own)]
    np.testing.assert_array_equal(built, array)


def test_margins_cross_the_date_line():
    _, first = next(dctpls._areas((1, 1, 10), 4, 2, wrap=True))
    assert first.columns == (-2, 6) and first.rows == (0, 1)
    _, narrow = next(dctpls._areas((1, 1, 10), 8, 5, wrap=True))
    assert narrow.columns == (-1, 9)  # no column twice
