"""Neighbour features that can be checked by hand."""

import numpy as np
import pytest

from xsm.baselines.neighbour_features import feature_names, neighbour_features


def features_of(values, cell, **options):
    """Features of one cell by name."""
    cells = tuple(np.array([i]) for i in cell)
    features = neighbour_features(np.asarray(values, np.float32), cells, **options)
    return dict(
        zip(feature_names(len(options.get("static", ()))), features[0].tolist(), strict=True)
    )


def test_days_and_statistics_of_a_cell():
    values = np.array([1, 2, np.nan, 6], np.float32).reshape(4, 1, 1)
    features = features_of(values, (2, 0, 0))
    assert (features["day-2"], features["day-1"], features["day+1"]) == (1, 2, 6)
    assert np.isnan([features["day-4"], features["day-3"], features["day+2"]]).all()
    assert (features["mean"], features["count"]) == (3, 3)
    assert features["std"] == pytest.approx(np.std([1, 2, 6]))


def test_areas_and_nearest_are_anomalies():
    # column means 2, 5, 8; on day 1 the cell itself is missing
    values = np.array([[[1, 5, 9]], [[3, np.nan, 7]]], np.float32)
    features = features_of(values, (1, 0, 1))
    assert features["area3_day+0"] == pytest.approx((1 - 1) / 2)
    assert features["area3_day-1"] == pytest.approx((-1 + 0 + 1) / 3)
    assert sorted([features["nearest0"], features["nearest1"]]) == [-1, 1]
    assert np.isnan(features["nearest2"])
    assert np.isnan(features["area3_day+1"])


def test_nearest_come_in_order_of_distance():
    values = np.full((2, 1, 30), np.nan, np.float32)
    values[0] = 0
    values[1, 0, [2, 9, 20]] = [20, 90, 200]
    features = features_of(values, (1, 0, 10))
    assert [features[f"nearest{i}"] for i in range(3)] == [
        45,
        10,
        100,
    ]  # half: the cell mean is taken off


@pytest.mark.parametrize(("wrap", "nearest"), [(True, 4.0), (False, 2.0)])
def test_neighbours_over_the_dateline(wrap, nearest):
    values = np.zeros((2, 3, 20), np.float32)
    values[1] = np.nan
    values[1, 1, [5, 19]] = [4, 8]
    features = features_of(values, (1, 1, 0), wrap=wrap)
    assert features["nearest0"] == nearest
    assert np.isnan(features["area3_day+0"]) != wrap


def test_features_do_not_depend_on_the_order_of_cells():
    rng = np.random.default_rng(0)
    values = rng.random((6, 8, 9), np.float32)
    values[rng.random(values.shape) < 0.4] = np.nan
    cells = np.nonzero(np.isnan(values))
    order = rng.permutation(cells[0].size)
    straight = neighbour_features(values, cells)
    shuffled = neighbour_features(values, tuple(axis[order] for axis in cells))
    np.testing.assert_array_equal(straight[order], shuffled)


def test_static_grids_come_last():
    values = np.ones((2, 2, 2), np.float32)
    grids = [np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])]
    features = features_of(values, (0, 1, 0), static=grids)
    assert (features["static0"], features["static1"]) == (3, 7)
