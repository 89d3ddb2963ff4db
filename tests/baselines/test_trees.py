"""Boosted trees that fit a rule."""

import numpy as np
import pytest

from xsm.baselines import trees
from xsm.errors import InputError


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
