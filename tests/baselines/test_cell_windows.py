"""Tiles cover every cell once, and their margins are the neighbours."""

import numpy as np
import pytest

from xsm.baselines.cell_windows import tiles


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize(("size", "margin"), [(4, 2), (5, 0), (3, 7), (50, 3)])
def test_tiles_give_back_the_array(size, margin, wrap):
    array = np.arange(2 * 7 * 11).reshape(2, 7, 11)
    built = np.full_like(array, -1)
    for piece in tiles(7, 11, size, margin, wrap=wrap):
        part = piece.cut(array)[(slice(None), *piece.inner)]
        assert (built[:, piece.rows, piece.columns] == -1).all()
        built[:, piece.rows, piece.columns] = part
    np.testing.assert_array_equal(built, array)


def test_margins_run_over_the_dateline():
    first = next(iter(tiles(1, 10, 4, 2, wrap=True)))
    assert first.outer_columns.tolist() == [8, 9, 0, 1, 2, 3, 4, 5]
    assert len(set(next(iter(tiles(1, 10, 8, 5, wrap=True))).outer_columns.tolist())) == 10
