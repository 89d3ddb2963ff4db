"""Features one can check by hand; trees that learn a rule."""

import numpy as np
import pytest

from xsm.baselines import trees
from xsm.baselines.neighbour_features import feature_names, neighbour_features
from xsm.errors import InputError


def one(values, cell, **options):
    """Features of one cell by name."""
    cells = tuple(np.array([i]) for i in cell)
    found = neighbour_features(np.asarray(values, np.float32), cells, **options)
    return dict(zip(feature_names(len(options.get("static", ()))), found[0].tolist(), strict=True))


def test_days_and_statistics_of_a_cell():
    values = np.array([1, 2, np.nan, 6], np.float32).reshape(4, 1, 1)
    got = one(values, (2, 0, 0))
    assert (got["day-2"], got["day-1"], got["day+1"]) == (1, 2, 6)
    assert np.isnan([got["day-4"], got["day-3"], got["day+2"]]).all()
    assert (got["mean"], got["count"]) == (3, 3)
    assert got["std"] == pytest.approx(np.std([1, 2, 6]))


def test_areas_and_nearest_are_anomalies():
    # column means 2, 5, 8; on day 1 the cell itself is missing
    values = np.array([[[1, 5, 9]], [[3, np.nan, 7]]], np.float32)
    got = one(values, (1, 0, 1))
    assert got["area3_day+0"] == pytest.approx((1 - 1) / 2)
    assert got["area3_day-1"] == pytest.approx((-1 + 0 + 1) / 3)
    assert sorted([got["nearest0"], got["nearest1"]]) == [-1, 1]
    assert np.isnan(got["nearest2"])
    assert np.isnan(got["area3_day+1"])


def test_nearest_come_in_order_of_distance():
    values = np.full((2, 1, 30), np.nan, np.float32)
    values[0] = 0
    values[1, 0, [2, 9, 20]] = [20, 90, 200]
    got = one(values, (1, 0, 10))
    assert [got[f"nearest{i}"] for i in range(3)] == [
        45,
        10,
        100,
    ]  # half: the cell mean is taken off


@pytest.mark.parametrize(("wrap", "nearest"), [(True, 4.0), (False, 2.0)])
def test_neighbours_over_the_dateline(wrap, nearest):
    values = np.zeros((2, 3, 20), np.float32)
    values[1] = np.nan
    values[1, 1, [5, 19]] = [4, 8]
    got = one(values, (1, 1, 0), wrap=wrap)
    assert got["nearest0"] == nearest
    assert np.isnan(got["area3_day+0"]) != wrap


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
    got = one(values, (0, 1, 0), static=grids)
    assert (got["static0"], got["static1"]) == (3, 7)


@pytest.fixture(scope="module")
def learned():
    """A field that is the same all over but for a cell constant, so the neighbours know it."""
    pytest.importorskip("lightgbm")
    rng = np.random.default_rng(1)
    day = rng.normal(0, 0.1, 12)[:, None, None]
    truth = (0.3 + rng.normal(0, 0.05, (1, 24, 25)) + day).astype(np.float32)
    values = np.where(rng.random(truth.shape) < 0.2, np.nan, truth).astype(np.float32)
    hidden = [np.isfinite(values) & (rng.random(values.shape) < 0.2) for _ in range(3)]
    model = trees.fit(values, hidden, rounds=60, threads=1, parameters={"min_data_in_leaf": 20})
    return truth, values, hidden, model


def test_trees_learn_from_neighbours(learned):
    truth, values, _, model = learned
    filled = trees.fill(values, model=model, threads=1)
    gaps = np.isnan(values)
    np.testing.assert_array_equal(filled[~gaps], values[~gaps])
    rms = float(np.sqrt(np.mean((filled - truth)[gaps] ** 2)))
    assert rms < 0.25 * float(truth.std())


def test_trees_fit_twice_alike(learned):
    _, values, hidden, model = learned
    again = trees.fit(values, hidden, rounds=60, threads=1, parameters={"min_data_in_leaf": 20})
    cells = np.nonzero(np.isnan(values))
    np.testing.assert_array_equal(
        model.predict(values, cells, threads=1), again.predict(values, cells, threads=1)
    )


def test_held_out_cells_are_no_targets(learned):
    _, values, hidden, _ = learned
    where = np.zeros(values.shape, bool)
    where[:5, :10] = True
    spoiled = np.where(where, values, values + 100)
    allowed = np.isfinite(values) & where
    _, targets = trees._samples(spoiled, allowed, hidden, (), False, 10_000, 0)
    assert targets.size == sum((h & where).sum() for h in hidden)
    clean = np.isfinite(values) & ~where
    _, others = trees._samples(spoiled, clean, hidden, (), False, 100, 0)
    assert others.size == 100


def test_fill_only_where_asked(learned):
    _, values, _, model = learned
    where = np.zeros(values.shape, bool)
    where[3] = True
    filled = trees.fill(values, model=model, where=where, threads=1)
    new = np.isfinite(filled) & np.isnan(values)
    np.testing.assert_array_equal(new, np.isnan(values) & where)


def test_nothing_to_fit_is_said():
    pytest.importorskip("lightgbm")
    values = np.ones((3, 4, 5), np.float32)
    with pytest.raises(InputError, match="nothing to fit"):
        trees.fit(values, [np.zeros(values.shape, bool)])
