"""Simulated gaps: subsets of what was observed, of the right amount and form."""

import numpy as np
import pytest

from xsm.errors import InputError
from xsm.gapfilling.gap_patterns import GAP_PATTERNS, WINDOW, sample_gaps


def swaths(days=12, height=120, width=160):
    """Observed in slanted stripes that move from day to day."""
    t, y, x = np.ogrid[:days, :height, :width]
    return (x + y // 4 + 23 * t) % 60 < 36


@pytest.mark.parametrize("kind", sorted(GAP_PATTERNS))
def test_hidden_cells_were_observed_and_as_many_as_asked(kind):
    valid = swaths()
    hidden = sample_gaps(valid, kind, 0.05, 0)
    assert not (hidden & ~valid).any()
    assert 0.045 < hidden.sum() / valid.sum() < 0.09


@pytest.mark.parametrize("kind", sorted(GAP_PATTERNS))
def test_same_seed_same_holes(kind):
    valid = swaths()
    np.testing.assert_array_equal(
        sample_gaps(valid, kind, 0.05, 3), sample_gaps(valid, kind, 0.05, 3)
    )
    assert not np.array_equal(sample_gaps(valid, kind, 0.05, 3), sample_gaps(valid, kind, 0.05, 4))


def test_blocks_lie_on_one_day_inside_a_window():
    hidden = sample_gaps(np.ones((30, 200, 200), bool), "block", 1e-6, 5)
    days, rows, columns = np.nonzero(hidden)
    assert len(set(days)) == 1
    assert np.ptp(rows) < WINDOW
    assert np.ptp(columns) < WINDOW


def test_swaths_are_gaps_of_a_neighbouring_day():
    valid = swaths()
    hidden = sample_gaps(valid, "swath", 0.05, 1)
    for day in range(valid.shape[0]):
        beside = [~valid[d] for d in (day - 1, day + 1) if 0 <= d < valid.shape[0]]
        assert not (hidden[day] & ~np.logical_or.reduce(beside)).any()


def test_long_gaps_last_five_days_or_more():
    hidden = sample_gaps(np.ones((40, 80, 80), bool), "long", 1e-5, 2)
    assert hidden.any(axis=(1, 2)).sum() >= 5


@pytest.mark.parametrize("kind", sorted(GAP_PATTERNS))
def test_records_with_nothing_to_hide(kind):
    assert not sample_gaps(np.zeros((4, 20, 20), bool), kind, 0.1, 0).any()
    one_day = sample_gaps(np.ones((1, 50, 50), bool), kind, 0.1, 0)
    assert one_day.any() == (kind != "swath")


def test_unknown_pattern_and_fraction():
    with pytest.raises(InputError, match="'stripe'.*block"):
        sample_gaps(np.ones((3, 4, 4), bool), "stripe", 0.1, 0)
    with pytest.raises(InputError, match="fraction=1.5"):
        sample_gaps(np.ones((3, 4, 4), bool), "cell", 1.5, 0)
