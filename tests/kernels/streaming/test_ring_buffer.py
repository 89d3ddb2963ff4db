"""Cells find their neighbours, and each day its slot."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.streaming.test_stream import INPUTS, LAYERS, PARAMS
from xsm_kernels import RingBuffer, make_schedule
from xsm_kernels.streaming.ring_buffer import CellIndex


@pytest.mark.parametrize("wrap", [False, True])
def test_cells_know_their_neighbours(wrap: bool) -> None:
    stored = np.array([[1, 0, 1], [1, 1, 0]], bool)
    cells = CellIndex(stored, (1, 1), wrap)
    assert cells.flat.tolist() == [0, 2, 3, 4] and cells.count == 4
    neighbours = cells.row_at[cells.centres[:, None] + cells.taps((1, 1, 3))]
    west = [1, 4, 4, 2] if wrap else [4, 4, 4, 2]
    east = [4, 0, 3, 4] if wrap else [4, 4, 3, 4]
    np.testing.assert_array_equal(neighbours, np.array([west, range(4), east]).T)


def test_a_day_is_kept_until_its_slot_is_needed_again() -> None:
    cells = CellIndex(np.ones((2, 3), bool), (1, 1), False)
    buffer = RingBuffer(make_schedule(LAYERS, PARAMS, INPUTS), cells, days_at_once=2)
    # one more slot than days held, because two days of the inputs are written together
    assert buffer.slots["anomaly"] == 4 and buffer.slots["head"] == 3
    for day in range(4):
        values, mask = buffer.rows("anomaly", day)
        assert values.shape == (6, 1) and mask.shape == (6,)
        values[:], mask[:] = day, True
    assert [buffer.rows("anomaly", day)[0][0, 0] for day in range(4)] == [0, 1, 2, 3]
    buffer.rows("anomaly", 4)[0][:] = 4
    assert buffer.rows("anomaly", 0)[0][0, 0] == 4


def test_grid_cells_that_are_not_stored_are_never_observed() -> None:
    cells = CellIndex(np.array([[True, False]]), (1, 1), False)
    buffer = RingBuffer(make_schedule(LAYERS, PARAMS, INPUTS), cells, days_at_once=1)
    for name in buffer.slots:
        for day in range(buffer.slots[name]):
            assert buffer.rows(name, day)[1].size == 1
            buffer.rows(name, day)[1][:] = True
    # the row after those of the cells stays False in each slot
    assert int(buffer._mask.sum()) == sum(buffer.slots.values())
