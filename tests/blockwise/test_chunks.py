"""Chunks are joined, aligned and read again without a change of values."""

import operator

import numpy as np
import pytest
import xarray as xr

from xsm.blockwise import chunks
from xsm.blockwise.chunks import (
    align_chunks,
    chunk_file_backed,
    clone_graph,
    drop_absent_days,
    insert_absent_days,
    join_chunks,
    with_days_around,
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


@pytest.mark.parametrize("size", [3, 12])
def test_days_around_each_block(size):
    x = np.arange(12.0).reshape(12, 1, 1)
    around = with_days_around(da.from_array(x, chunks=(size, 1, 1)), 2, -1.0)
    padded = np.concatenate([[-1, -1], x.ravel(), [-1, -1]])
    blocks = [padded[start : start + size + 4] for start in range(0, 12, size)]
    np.testing.assert_array_equal(around.compute().ravel(), np.concatenate(blocks))


def legacy_graph():
    from dask.highlevelgraph import HighLevelGraph

    layer = {
        ("x", 0): (operator.add, ("y", 0), 1),
        ("x", 1): (np.sum, [("y", 0), 5]),
        ("y", 0): (operator.neg, 3),
    }
    graph = HighLevelGraph({"x": layer}, {"x": set()})
    return da.Array(graph, "x", ((1, 1),), dtype=int)


@pytest.mark.parametrize("form", ["plain", "optimized", "delayed", "persisted sum"])
def test_a_clone_has_keys_of_its_own_and_the_same_values(form):
    x = da.from_array(np.arange(12.0).reshape(4, 3), chunks=(1, 3)) * 2 + 1
    if form == "optimized":
        (x,) = dask.optimize(x)
    elif form == "delayed":
        x = da.from_delayed(dask.delayed(np.ones)((4, 3)), (4, 3), float) + x
    elif form == "persisted sum":
        x = x.persist(scheduler="synchronous") + 1
    clones = [clone_graph(x, 1), clone_graph(x, 2, 1)]
    assert clone_graph(x, 0) is x
    assert clone_graph(x, 1).name == clones[0].name != clones[1].name
    own = [{k for k in dict(c.dask) if k[0] == c.name} for c in (x, *clones)]
    assert len(own[0]) == len(own[1]) == len(own[2]) == x.npartitions
    assert not own[0] & own[1] and not own[1] & own[2]
    for clone in clones:
        assert clone.chunks == x.chunks
        np.testing.assert_array_equal(clone.compute(scheduler="synchronous"), x)


def test_graphs_of_the_older_form_are_cloned():
    x = legacy_graph()
    clone = clone_graph(x, 1)
    assert not {k for k in dict(clone.dask) if k[0] == clone.name} & set(dict(x.dask))
    values = dask.get(dict(clone.dask), [(clone.name, 0), (clone.name, 1)])
    assert list(map(int, values)) == [-2, 2]


def test_chunks_in_memory_are_not_copied():
    x = da.from_array(np.ones((4, 3)), chunks=(2, 3)).persist(scheduler="synchronous")
    assert clone_graph(x, 1) is x


def test_every_clone_reads_its_source_once():
    reads = []

    def load(block_info=None):
        reads.append(block_info[None]["chunk-location"])
        return np.ones((2, 3))

    x = da.map_blocks(load, chunks=((2, 2), (3,)), dtype=float)
    both = x + clone_graph(x, 1)
    both.compute(scheduler="synchronous")
    assert sorted(reads) == [(0, 0), (0, 0), (1, 0), (1, 0)]


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
