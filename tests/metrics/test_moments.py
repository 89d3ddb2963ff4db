"""Moments: equal to NumPy, merged from parts, joined chunks."""

import numpy as np
import pytest
import xarray as xr

from xsm.metrics.moments import _joined_chunks, compute_moments, merge_moments, unstack_moments
from xsm.metrics.pairs import pair


def stacked(x, y) -> np.ndarray:
    pairs = pair(xr.DataArray(x, dims="t"), xr.DataArray(y, dims="t"), dim="t")
    return compute_moments(pairs).values


def test_moments_equal_numpy():
    rng = np.random.default_rng(0)
    x, y = rng.random(50), rng.random(50)
    x[3], y[7] = np.nan, np.inf
    m = unstack_moments(stacked(x, y))
    valid = np.isfinite(x) & np.isfinite(y)
    d_x, d_y = x[valid] - x[valid].mean(), y[valid] - y[valid].mean()
    assert (m.n, m.n_x, m.n_y, m.weight) == (48, 49, 49, 48)
    expected = {"mean_x": x[valid].mean(), "xx": d_x @ d_x, "xy": d_x @ d_y, "yy": d_y @ d_y}
    expected |= {"dd": ((d_x - d_y) ** 2).sum(), "ad": np.abs(x - y)[valid].sum()}
    for name, value in expected.items():
        assert getattr(m, name) == pytest.approx(value, rel=1e-12), name


def test_moments_of_parts_make_those_of_all():
    rng = np.random.default_rng(1)
    x, y = 5 + rng.random(90), rng.random(90)
    cuts = [slice(0, 10), slice(10, 11), slice(11, 90)]
    parts = np.stack([stacked(x[cut], y[cut]) for cut in cuts])
    np.testing.assert_allclose(merge_moments(parts, 0, keepdims=False), stacked(x, y), rtol=1e-12)


def test_a_part_without_pairs_changes_nothing():
    x = np.random.default_rng(2).random(20)
    empty = stacked(np.full(4, np.nan), np.full(4, np.nan))
    parts = np.stack([empty, stacked(x, x**2), empty])
    np.testing.assert_array_equal(merge_moments(parts, 0, keepdims=False), stacked(x, x**2))
    assert np.all(merge_moments(np.stack([empty, empty]), 0) == 0)


def test_small_chunks_are_joined():
    assert _joined_chunks(((1,) * 70, (3,)), 0, (0,)) == (32, 32, 6)
    assert _joined_chunks(((1,) * 70, (3,)), 0, (0, 1)) == (11, 11, 11, 11, 11, 11, 4)
    assert _joined_chunks(((40, 40), (3,)), 0, (0,)) == (40, 40)
