"""The range in which filled values are plausible, and the uncertainty of values moved into it."""

import numpy as np
import pytest

from xsm.gapfilling.plausible_range import (
    POROSITY,
    extremes,
    hold_within_range,
    merge_extremes,
    plausible_range,
)


def record(days=9, seed=0, gaps=0.6):
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 0.4, (days, 6, 7)).astype(np.float32)
    values[rng.random(values.shape) < gaps] = np.nan
    return values


@pytest.mark.parametrize("days", [1, 2, 7, 30])
def test_extremes_against_sorting(days):
    values = record(days)
    ordered = np.sort(values, axis=0)  # NaN last
    count = np.isfinite(values).sum(0)
    low, second_low, second_high, high = extremes(values)
    for y, x in np.ndindex(6, 7):
        of_cell = ordered[: count[y, x], y, x]
        expected = [np.inf, np.inf, -np.inf, -np.inf]
        if of_cell.size:
            expected[0], expected[3] = of_cell[0], of_cell[-1]
        if of_cell.size > 1:
            expected[1], expected[2] = of_cell[1], of_cell[-2]
        assert [low[y, x], second_low[y, x], second_high[y, x], high[y, x]] == expected


def test_extremes_of_parts_are_those_of_the_whole():
    values = record(30)
    parts = np.stack([extremes(values[a:b]) for a, b in ((0, 1), (1, 11), (11, 30))])
    np.testing.assert_array_equal(merge_extremes(parts), extremes(values))


def range_of(values, std=0.05):
    count = np.isfinite(values).sum(0)
    return plausible_range(extremes(values), np.full(count.shape, std), count)


def test_the_range_holds_all_observations_of_a_short_record_and_of_its_neighbours():
    values = record(20)
    low, high = range_of(values)
    assert (low < np.nanmin(values, axis=0)).all() and (high > np.nanmax(values, axis=0)).all()
    assert (high[1:] >= np.nanmax(values, axis=0)[:-1]).all()


def test_the_margin_shrinks_with_the_number_of_observations():
    margins = []
    for days in (1, 5, 20, 100, 500):
        values = np.full((days, 1, 1), 0.3, np.float32)
        margins.append(float(range_of(values)[1, 0, 0]) - 0.3)
    assert margins == sorted(margins, reverse=True)
    # one observation is the median: 2.576 standard deviations to the value of 200 days
    assert margins[0] == pytest.approx(2.576 * 0.05, abs=1e-4)
    assert margins[-1] < 0.02


def test_one_outlier_and_a_wet_neighbour_do_not_widen_a_long_record():
    values = record(400, gaps=0)
    values[5, 2, 2] = 0.95
    values[:, 4, 4] += 0.4
    high = range_of(values)[1]
    assert high[2, 2] < 0.43 and high[3, 3] < 0.43


def test_porosity_is_the_limit_unless_the_record_was_wetter():
    dry = np.full((1, 3, 3), np.nan, np.float32)
    dry[0, 1, 1] = 0.6
    assert range_of(dry, std=0.2)[1, 1, 1] == np.float32(POROSITY)
    dry[0, 1, 1] = 0.9
    assert range_of(dry, std=0.2)[1, 1, 1] == np.float32(0.9)


def test_without_observations_anything_up_to_the_porosity_is_plausible():
    limits = range_of(np.full((4, 3, 3), np.nan, np.float32))
    np.testing.assert_array_equal(limits[0], 0)
    np.testing.assert_array_equal(limits[1], np.float32(POROSITY))


def test_a_value_that_is_moved_is_as_uncertain_as_the_move():
    limits = np.array([[[0.1]], [[0.4]]], np.float32)
    mean = np.array([0.2, 0.5, 0.0, 3.0, np.nan], np.float32)
    std = np.array([0.05, 0.05, 0.0, 0.05, np.nan], np.float32)
    estimate = np.stack([mean, std])[..., None, None]
    held = hold_within_range(estimate, limits)
    assert held.dtype == np.float32
    np.testing.assert_allclose(held[0, :, 0, 0], [0.2, 0.4, 0.1, 0.4, np.nan], rtol=1e-6)
    # in quadrature, up to the width of the range
    expected = [0.05, np.hypot(0.05, 0.1), 0.1, 0.3, np.nan]
    np.testing.assert_allclose(held[1, :, 0, 0], expected, rtol=1e-5)
