"""Classes of gaps: days to the nearest observation, and observations of the same day beside."""

import numpy as np
import pytest

from tests.gapfilling.test_method_weights import calibration_of, made
from xsm.gapfilling.fill_calibration import NETWORK
from xsm.gapfilling.gap_classes import (
    BY_DAYS,
    CLASSES,
    classes_in_words,
    days_to_observation,
    gap_classes,
    observed_beside,
)


def test_days_to_the_nearest_observation():
    values = np.array([np.nan, 1, np.nan, np.nan, np.nan, 2, np.nan]).reshape(7, 1, 1)
    assert days_to_observation(values).ravel().tolist() == [1, 0, 1, 2, 1, 0, 1]
    assert (days_to_observation(np.full((3, 1, 1), np.nan)) == 3).all()


@pytest.mark.parametrize("margin", [0, 1, 2, 3, 5])
def test_observations_within_two_cells(margin):
    rng = np.random.default_rng(margin)
    shape = 3, 6 + 2 * margin, 9 + 2 * margin
    values = np.where(rng.random(shape) < 0.04, 0.3, np.nan).astype(np.float32)
    got = observed_beside(values, margin)
    assert got.shape == (3, 6, 9) and 0 < got.mean() < 1
    for day, row, column in np.ndindex(got.shape):
        y, x = row + margin, column + margin
        around = values[day, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
        assert got[day, row, column] == np.isfinite(around).any()


def test_classes():
    days = np.array([1, 2, 3, 4, 6, 7, 100])
    alone = gap_classes(days, np.zeros(7, bool))
    assert alone.tolist() == [0, 1, 1, 2, 2, 3, 3]
    assert (gap_classes(days, np.ones(7, bool)) == alone + BY_DAYS).all()
    assert CLASSES == 2 * BY_DAYS


def test_classes_in_words():
    number = np.arange(CLASSES)
    assert classes_in_words(number >= 0) == ""
    assert classes_in_words(number % BY_DAYS > 1) == (
        "4 to 6 days, more than 6 days from an observation"
    )
    assert classes_in_words(number > 5) == (
        "4 to 6 days, more than 6 days from an observation where a cell beside is observed"
    )
    assert classes_in_words(number < 5) == (
        "1 day from an observation and 2 to 3 days, 4 to 6 days, more than 6 days from an "
        "observation where no cell beside is observed"
    )


def test_a_network_that_needs_observations_beside_is_used_where_they_are():
    """It fills single cells, and not days without any observation around."""
    record = made("several seasons")
    left = np.isfinite(record.values)
    noise = np.random.default_rng(6).standard_normal(record.shape)

    def error(hidden):
        beside = observed_beside(np.where(left & ~hidden, record.values, np.nan))
        return np.where(beside, 0.002, 0.5) * noise

    calibration = calibration_of(record, error)
    alone, beside = calibration.weights[:BY_DAYS], calibration.weights[BY_DAYS:]
    assert beside[:, NETWORK].min() > 0.9 and alone[:, NETWORK].max() < 0.1
    assert "where no cell beside is observed" in calibration.text()
