"""Windows cover an array once, halos close around the globe, absent days are missing."""

import numpy as np

from xsm.blockwise.tiling import DailyArray, bounding_box, inner, series_tile, to_float32, with_halo


def test_tiles_of_series_shrink_with_the_record():
    sizes = [np.prod(series_tile((days, 720, 1440))) for days in (30, 365, 3650)]
    assert max(sizes) < 1.1 * 4_000_000 and min(sizes) > 0.8 * 4_000_000
    assert series_tile((10, 5, 6)) == (10, 5, 6)
    assert series_tile((365, 720, 1440), extra=2000)[1] < series_tile((365, 720, 1440))[1]


def test_bounding_box_and_halo():
    mask = np.zeros((4, 6, 8), bool)
    assert bounding_box(mask) is None
    mask[1, 2, 3] = mask[2, 5, 4] = True
    box = bounding_box(mask)
    assert box == (slice(1, 3), slice(2, 6), slice(3, 5))
    assert with_halo(box, (4, 1, 0)) == (slice(1, 11), slice(2, 8), slice(3, 5))
    assert inner(np.zeros((2, 7, 9)), [2, 3]).shape == (2, 3, 3)


def test_values_are_converted_once():
    raw = np.array([[[50, np.inf, np.nan]]], np.float64)
    np.testing.assert_array_equal(to_float32(raw, 0.01), np.float32([[[0.5, np.nan, np.nan]]]))
    same = np.ones((1, 2, 2), np.float32)
    assert to_float32(same, 1.0) is same


def test_absent_days_and_cells_outside_are_missing():
    raw = np.arange(12, dtype=np.int16).reshape(3, 2, 2)
    record = DailyArray(raw, 0.5, np.array([0, 1, 4]), wrap=False)
    assert record.shape == (5, 2, 2)
    assert record.present(slice(1, 5)) == slice(1, 3)
    values = record.read((slice(1, 5), slice(0, 1), slice(1, 2)), (1, 1, 0))
    assert values.shape == (6, 3, 1) and values.dtype == np.float32
    expected = np.full((6, 3, 1), np.nan)
    expected[[0, 1, 4], 1, 0] = [0.5, 2.5, 4.5]
    expected[[0, 1, 4], 2, 0] = [1.5, 3.5, 5.5]
    np.testing.assert_array_equal(values, expected)
