"""The climatology of a few days of many cells needs little more than the record."""

import tracemalloc

import numpy as np
import pytest

from xsm.gapfilling.climatology import MIN_OBSERVATIONS, REACH, climatology


def by_definition(values, day_of_year, year_length):
    out = np.full((2, *values.shape), np.nan, np.float64)
    for t, day in enumerate(day_of_year):
        away = np.abs(day_of_year - day)
        near = values[np.minimum(away, year_length - away) <= REACH].astype(np.float64)
        number = np.isfinite(near).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.nansum(near, axis=0) / number
            std = np.sqrt(np.nansum((near - mean) ** 2, axis=0) / (number - 1))
        out[:, t] = np.where(number >= MIN_OBSERVATIONS, [mean, std], np.nan)
    return out


@pytest.mark.parametrize(
    "first, number, year_length",
    [(1, 1, 366), (363, 6, 366), (340, 40, 360), (10, 400, 366), (1, 365, 365)],
)
def test_days_of_the_year_are_a_ring(first, number, year_length):
    rng = np.random.default_rng(0)
    values = rng.uniform(0.1, 0.5, (number, 3, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    days = (first - 1 + np.arange(number)) % year_length + 1
    expected = by_definition(values, days, year_length)
    np.testing.assert_allclose(climatology(values, days, year_length), expected, rtol=2e-6)


def test_memory_of_a_few_days_of_the_globe():
    values = np.full((2, 300, 600), 0.2, np.float32)
    tracemalloc.start()
    try:
        climatology(values, np.array([365, 366]), 366)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * values.nbytes  # tables of the year take thousands of times as much
