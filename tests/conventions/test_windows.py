"""Windows cover an array once, and what is around them closes around the globe."""

import numpy as np
import pytest

from xsm.conventions.windows import area_around, cut_cells, take_cells, windows


@pytest.mark.parametrize("tile", [(1, 1, 1), (3, 4, 2), (7, 100, 3)])
def test_windows_cover_every_cell_once(tile):
    count = np.zeros((7, 9, 5), int)
    for window in windows(count.shape, tile):
        count[window] += 1
        assert all(w.stop - w.start <= t for w, t in zip(window, tile, strict=True))
    assert (count == 1).all()


def test_cells_beyond_the_edges():
    x = np.arange(12.0).reshape(3, 4)
    out = take_cells(x, slice(-1, 2), slice(2, 6), wrap=False)
    expected = [[np.nan] * 4, [2, 3, np.nan, np.nan], [6, 7, np.nan, np.nan]]
    np.testing.assert_array_equal(out, expected)
    around = take_cells(x, slice(0, 1), slice(-2, 9), wrap=True)
    np.testing.assert_array_equal(around, [[2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0]])
    inside = take_cells(x, slice(1, 2), slice(1, 3), wrap=True)
    assert inside.base is not None  # a view
    part, margins = cut_cells(x, slice(-1, 5), slice(1, 3), wrap=False)
    assert part.shape == (3, 2) and margins == [(1, 2), (0, 0)]


def test_an_area_is_cut_at_the_edges_or_goes_around_the_globe():
    cells = slice(0, 4), slice(8, 10)
    cut = area_around(cells, (2, 3), (5, 10), wrap=False)
    assert cut.rows == (0, 5) and cut.columns == (5, 10)
    assert cut.beyond == [(2, 1), (0, 3)] and cut.own == (slice(0, 4), slice(3, 5))
    around = area_around(cells, (2, 3), (5, 10), wrap=True)
    assert around.columns == (5, 13) and around.beyond == [(2, 1), (0, 0)]
    x = np.arange(50).reshape(5, 10)
    part = take_cells(x, slice(*around.rows), slice(*around.columns), wrap=True)
    np.testing.assert_array_equal(part[around.own], x[cells])
