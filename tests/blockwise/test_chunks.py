"""Chunks are joined, aligned and read again without a change of values."""

import numpy as np
import pytest
import xarray as xr

from xsm.blockwise import chunks
from xsm.blockwise.chunks import (
    align_chunks,
    chunk_file_backed,
    drop_absent_days,
    insert_absent_days,
    join_chunks,
)

dask = pytest.importorskip("dask", reason="needs xsm[dask]")
da = pytest.importorskip("dask.array")


@pytest.mark.parametrize("sizes", [(1,) * 65, (31, 28, 31), (5,), (20, 45), (7,) * 30])
def test_aligned_chunks_begin_at_multiples(sizes):
    aligned = align_chunks(sizes, 10, 20)
    assert sum(aligned) == sum(sizes)
    assert all(edge % 10 == 0 for edge in np.cumsum(aligned)[:-1])
    assert len(aligned) == 1 or min(aligned) >= 20


def test_joined_chunks_hold_enough():
    x = da.zeros((9, 10), chunks=((1, 1, 7), (4, 4, 2)))
    assert join_chunks(x, [3, 3]).chunks == ((9,), (4, 6))
    assert join_chunks(x, [1, 1]).chunks == x.chunks
    assert join_chunks(x, [100, 100]).chunks == ((9,), (10,))


def test_absent_days_come_and_go():
    days = np.array([0, 1, 5, 6, 9])
    x = da.from_array(np.arange(10.0).reshape(5, 2, 1), chunks=(2, 2, 1))
    every_day = insert_absent_days(x, days)
    assert every_day.shape == (10, 2, 1)
    assert np.isnan(every_day.compute()[[2, 3, 4, 7, 8]]).all()
    np.testing.assert_array_equal(drop_absent_days(every_day, days, 0), x)
    full = insert_absent_days(x, np.arange(5))
    assert full is x and drop_absent_days(x, np.arange(5), 0) is x


def test_only_a_large_file_is_read_in_blocks(tmp_path, monkeypatch):
    values = xr.DataArray(np.arange(60.0).reshape(5, 3, 4), dims=("time", "y", "x"), name="v")
    values.to_netcdf(tmp_path / "v.nc")
    with xr.open_dataarray(tmp_path / "v.nc") as opened:
        assert chunk_file_backed(opened, "time") is opened
        monkeypatch.setattr(chunks, "BLOCK_BYTES", 2 * 3 * 4 * 8)
        in_blocks = chunk_file_backed(opened, "time")
        assert in_blocks.chunks == ((2, 2, 1), (3,), (4,))
        np.testing.assert_array_equal(in_blocks, values)
    assert chunk_file_backed(values, "time") is values
    lazy = values.chunk(time=1)
    assert chunk_file_backed(lazy, "time") is lazy
