"""Compressed series: pairs at the front, in order."""

import numpy as np

from xsm.metrics.compress_valid import centre, compress_valid, pearson_correlation

NAN = np.nan


def test_pairs_are_moved_to_the_front_in_order():
    x = np.array([[1.0, NAN, 3.0, 4.0, np.inf], [NAN] * 5])
    y = np.array([[9.0, 8.0, NAN, 6.0, 5.0], [1.0] * 5])
    compressed = compress_valid(x, y)
    assert compressed.length.tolist() == [2, 0]
    assert [n.tolist() for n in compressed.n_valid] == [[3, 0], [4, 5]]
    np.testing.assert_array_equal(compressed.series[0], [[1, 4, NAN, NAN, NAN], [NAN] * 5])
    np.testing.assert_array_equal(compressed.series[1], [[9, 6, NAN, NAN, NAN], [NAN] * 5])
    assert compressed.inside.sum(axis=1).tolist() == [2, 0]


def test_constant_needs_two_pairs():
    x = np.array([[0.2, 0.2, NAN], [0.2, NAN, NAN], [0.2, 0.3, NAN], [NAN] * 3])
    y = np.array([[1.0, 2.0, 3.0]] * 4)
    assert compress_valid(x, y).constant().tolist() == [True, False, False, False]


def test_deviations_of_a_constant_series_are_zero():
    deviations, mean = centre(np.full((1, 7), 0.1), np.ones((1, 7), bool))
    assert (deviations == 0).all() and mean.item() == 0.1


def test_correlation_equals_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 3, 40))
    x[0, :9], y[1, 5] = NAN, NAN
    y[2] = 0.3
    r = pearson_correlation(compress_valid(x, y))
    np.testing.assert_allclose(r[0], np.corrcoef(x[0, 9:], y[0, 9:])[0, 1], rtol=1e-12)
    keep = np.arange(40) != 5
    np.testing.assert_allclose(r[1], np.corrcoef(x[1, keep], y[1, keep])[0, 1], rtol=1e-12)
    assert np.isnan(r[2])
