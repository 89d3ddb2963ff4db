"""Statistics of a record, against what can be worked out by hand."""

import numpy as np

from xsm.gapfilling.seasonal_cycle import departures, seasonal_cycle
from xsm.gapfilling.statistics import COUNT, HALO, MEAN, STATISTICS, STD, record_statistics


def field(seed=0, shape=(20, 16, 18)):
    rng = np.random.default_rng(seed)
    values = (0.25 + 0.05 * rng.standard_normal(shape)).astype(np.float32)
    values[rng.random(shape) < 0.4] = np.nan
    return values


def test_mean_and_count_are_those_of_the_departures():
    values = field()
    stats = record_statistics(values)
    assert stats.shape == (len(STATISTICS) + 3, 16, 18)
    np.testing.assert_array_equal(stats[len(STATISTICS) :], seasonal_cycle(values))
    np.testing.assert_array_equal(stats[COUNT], np.isfinite(values).sum(0))
    np.testing.assert_allclose(
        stats[MEAN], np.nanmean(departures(values, seasonal_cycle(values)), 0), rtol=1e-5
    )


def test_spread_of_a_long_record_is_the_standard_deviation():
    rng = np.random.default_rng(1)
    values = (0.3 + 0.08 * rng.standard_normal((400, 9, 9))).astype(np.float32)
    stats = record_statistics(values)
    floor = np.sqrt(departures(values, seasonal_cycle(values)).var(0, ddof=1) + 0.01**2)
    np.testing.assert_allclose(stats[STD], floor, rtol=0.01)


def test_one_observation_takes_the_spread_of_its_neighbours():
    rng = np.random.default_rng(2)
    values = (0.3 + 0.1 * rng.standard_normal((60, 9, 9))).astype(np.float32)
    values[1:, 4, 4] = np.nan
    std = record_statistics(values)[STD]
    assert abs(std[4, 4] - 0.1) < 0.015


def test_persistence_and_coherence_tell_memory_from_noise():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((60, 20, 20)).astype(np.float32)
    weather = np.repeat(np.repeat(rng.standard_normal((60, 4, 4)), 5, 1), 5, 2).astype(np.float32)
    memory = np.repeat(rng.standard_normal((12, 20, 20)), 5, axis=0).astype(np.float32)
    quiet, coherent, lasting = (
        record_statistics(x)[3:, 7:13, 7:13].mean((1, 2)) for x in (noise, weather, memory)
    )
    assert np.abs(quiet).max() < 0.1
    assert coherent[1] > 0.4 > coherent[0] + 0.3
    assert lasting[0] > 0.5 > lasting[1] + 0.4


def test_a_cell_never_observed_counts_zero():
    values = field()
    values[:, 3, 3] = np.nan
    stats = record_statistics(values)
    assert stats[COUNT, 3, 3] == 0
    assert stats[MEAN, 3, 3] == 0
    assert np.isfinite(stats).all()


def test_halo_is_enough():
    values = field(shape=(12, 50, 50))
    whole = record_statistics(values)
    part = record_statistics(values[:, 10:40, 10:40])
    inner = slice(HALO, 30 - HALO)
    np.testing.assert_allclose(
        part[:, inner, inner], whole[:, 10:40, 10:40][:, inner, inner], atol=1e-5
    )


def test_wrap_joins_the_edges():
    values = field()
    rolled = record_statistics(np.roll(values, 7, axis=2), wrap=True)
    np.testing.assert_allclose(
        rolled, np.roll(record_statistics(values, wrap=True), 7, axis=2), atol=1e-5
    )


def test_input_is_not_changed():
    values = field()
    before = values.copy()
    record_statistics(values)
    np.testing.assert_array_equal(values, before)
