"""Inputs of the gap-filling networks: standardised, 0 where missing, valid within reach on land."""

import numpy as np

from xsm.gapfilling.statistics import COUNT, MEAN, STATISTICS, STD
from xsm.networks.device import operations
from xsm.networks.features import (
    LIMIT,
    channels,
    features,
    pad_days,
    scaled_statistics,
    standardise,
)


def inputs():
    rng = np.random.default_rng(0)
    values = 0.25 + 0.05 * rng.standard_normal((4, 12, 13)).astype(np.float32)
    values[rng.random(values.shape) < 0.5] = np.nan
    values[:, :6, :6] = np.nan  # sea
    stats = np.zeros((len(STATISTICS), 12, 13), np.float32)
    stats[MEAN], stats[STD], stats[COUNT] = 0.25, 0.05, 2
    stats[:, :6, :6] = 0
    return values, stats


def test_anomalies_are_in_standard_deviations_and_clipped():
    values, stats = inputs()
    values[0, 8, 8], values[1, 8, 8] = 0.30, 0.95
    anomaly, observed = standardise(values, stats)
    assert anomaly.shape == observed.shape == (1, 1, 4, 12, 13)
    np.testing.assert_allclose(anomaly[0, 0, 0, 8, 8], 1.0, rtol=1e-5)
    assert anomaly[0, 0, 1, 8, 8] == LIMIT
    np.testing.assert_array_equal(observed[0, 0], np.isfinite(values))
    assert not anomaly[~observed].any()


def test_statistics_are_zero_where_nothing_was_observed():
    _, stats = inputs()
    scaled = scaled_statistics(stats)
    assert not scaled[:, :6, :6].any()
    np.testing.assert_allclose(scaled[STD, 8, 8], np.log(0.05) + 2.5, rtol=1e-5)
    assert np.isfinite(scaled).all() and abs(scaled).max() < 2


def test_channels_are_those_that_their_names_say():
    values, stats = inputs()
    ops = operations(("masked_mean",), "numba")
    found = features(values, stats, ops, scales=[1, 5])
    array, valid = found["features"]
    names = channels([1, 5])
    assert array.shape == (1, len(names), 4, 12, 13)
    anomaly, observed = found["anomaly"]
    np.testing.assert_array_equal(array[0, names.index("anomaly")], anomaly[0, 0])
    np.testing.assert_array_equal(array[0, names.index("observed")], observed[0, 0])
    np.testing.assert_allclose(array[0, names.index("mean_1")], anomaly[0, 0], atol=1e-6)
    fraction = array[0, names.index("fraction_5")]
    land = stats[COUNT] > 0
    np.testing.assert_array_equal(valid[0, 0], (fraction > 0) & land)
    assert valid.any() and not valid[..., :6, :6].any()
    np.testing.assert_array_equal(
        array[0, names.index("count"), 0], scaled_statistics(stats)[COUNT]
    )


def test_padding_adds_missing_days():
    values, stats = inputs()
    found = {"anomaly": standardise(values, stats)}
    (array, mask) = pad_days(found, 2, 1)["anomaly"]
    assert array.shape == mask.shape == (1, 1, 7, 12, 13)
    assert not mask[:, :, :2].any() and not mask[:, :, -1:].any()
    np.testing.assert_array_equal(array[:, :, 2:-1], found["anomaly"][0])
