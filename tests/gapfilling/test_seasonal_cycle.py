"""The slow course of a cell, against what can be worked out by hand."""

import numpy as np
import pytest

from xsm.gapfilling.seasonal_cycle import (
    KERNELS,
    PRIOR,
    cycle_of_day,
    departures,
    knots_of_days,
    seasonal_cycle,
)


def test_a_constant_has_no_course():
    values = np.full((40, 5, 6), 0.3, np.float32)
    assert np.abs(seasonal_cycle(values)).max() < 1e-7


def test_nothing_observed_has_no_course():
    course = seasonal_cycle(np.full((12, 4, 4), np.nan, np.float32))
    assert course.shape == (3, 4, 4)
    assert not course.any()


def test_one_cell_by_hand():
    values = np.array([0.2, np.nan, 0.6], np.float32).reshape(3, 1, 1)  # one bin, about day 1
    departure = 0.0
    for width, _ in KERNELS:
        weight = np.exp(-0.5 * (1 / width) ** 2)
        # the two departures, -0.2 and 0.2, cancel in the bin
        departure = (0.0 + PRIOR * departure) / (2 * weight + PRIOR)
    assert seasonal_cycle(values)[:, 0, 0] == pytest.approx([departure, departure], abs=1e-7)
    values[1] = 0.7
    found = seasonal_cycle(values)[0, 0, 0]
    assert found == pytest.approx(0.0, abs=1e-7)  # departures from the mean always cancel there


def test_a_season_is_followed_and_a_day_is_not():
    days = np.arange(400)
    season = 0.1 * np.sin(2 * np.pi * days / 365)
    values = np.broadcast_to((0.3 + season)[:, None, None], (400, 12, 12)).astype(np.float32)
    left = departures(values, seasonal_cycle(values))[20:-20, 6, 6]
    assert np.abs(left - left.mean()).max() < 0.01
    spike = values.copy()
    spike[200] += 0.3
    assert np.abs(seasonal_cycle(spike) - seasonal_cycle(values)).max() < 0.02


def test_an_unseen_winter_takes_the_course_of_the_cells_around():
    days = np.arange(365)
    season = (0.1 * np.cos(2 * np.pi * days / 365)).astype(np.float32)
    values = np.broadcast_to((0.3 + season)[:, None, None], (365, 15, 15)).copy()
    values[:60, 7, 7] = np.nan
    course = seasonal_cycle(values)
    assert course[2, 7, 7] > 0.05
    alone = np.full_like(values, np.nan)
    alone[:, 7, 7] = values[:, 7, 7]
    assert seasonal_cycle(alone)[2, 7, 7] < course[2, 7, 7]


def test_days_between_knots_are_linear_and_beyond_level():
    course = np.array([0.0, 1.0, 3.0], np.float32).reshape(3, 1, 1)
    found = [cycle_of_day(course, day)[0, 0] for day in (-4, 0, 5, 10, 15, 20, 24)]
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 2, 3, 3])
    whole = departures(np.full((7, 1, 1), 2, np.float32), course, first=3)[:, 0, 0]
    np.testing.assert_allclose(whole, 2 - np.linspace(0.3, 0.9, 7), rtol=1e-6)


def test_wrap_joins_the_edges():
    rng = np.random.default_rng(0)
    values = rng.random((30, 12, 24)).astype(np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    rolled = seasonal_cycle(np.roll(values, 5, axis=2), wrap=True)
    np.testing.assert_allclose(
        rolled, np.roll(seasonal_cycle(values, wrap=True), 5, axis=2), atol=1e-6
    )


@pytest.mark.parametrize("first", [-4, 0, 7, 33, 38])
def test_the_knots_nearby_give_the_same_days(first):
    course = np.random.default_rng(1).random((5, 2, 3)).astype(np.float32)
    part, since = knots_of_days(course, first, first + 9)
    assert len(part) <= 3
    for day in range(first, first + 10):
        np.testing.assert_allclose(
            cycle_of_day(part, day - since), cycle_of_day(course, day), rtol=1e-6
        )
