"""Blocks are read as NumPy cuts them, by tasks that hold the graphs of their chunks."""

import operator

import numpy as np
import pytest

from xsm.blockwise.block_reader import (
    NEIGHBOURS,
    RecordGraph,
    block_pieces,
    cell_pieces,
    day_pieces,
)
from xsm.blockwise.dask_engine import shared

dask = pytest.importorskip("dask", reason="needs xsm[dask]")
da = pytest.importorskip("dask.array")
cull = pytest.importorskip("dask.optimization").cull
VALUES = np.arange(12 * 5 * 6, dtype=float).reshape(12, 5, 6)


def pieces(x, days, rows, columns, wrap=False, positions=None):
    positions = np.arange(x.shape[0]) if positions is None else positions
    return block_pieces(
        day_pieces(x.chunks[0], positions, *days),
        cell_pieces(x.chunks[1], *rows, wrap=False),
        cell_pieces(x.chunks[2], *columns, wrap=wrap),
    )


def read(x, *blocks, **options):
    """Blocks of a Dask array, by a graph with one task each."""
    readers = RecordGraph(x).readers([pieces(x, *b, **options) for b in blocks])
    graph = dict(x.__dask_graph__())
    for n, ((reader, values), block) in enumerate(zip(readers, blocks, strict=True)):
        shape = tuple(b - a for a, b in block)
        graph[("block", n)] = (reader.read, values, np.full(shape, np.nan))
    keys = [("block", n) for n in range(len(blocks))]
    graph, _ = cull(graph, keys)  # older versions of Dask compute all tasks of a graph
    return [np.array(block) for block in dask.get(graph, keys)]


def legacy():
    """A graph of tuples, as Dask made them until 2024."""
    from dask.highlevelgraph import HighLevelGraph

    layer = {("x", t, 0, 0): (operator.add, ("y", 0), VALUES[4 * t : 4 * t + 4]) for t in range(3)}
    graph = HighLevelGraph({"x": {**layer, ("y", 0): (operator.neg, 0)}}, {"x": set()})
    return da.Array(graph, "x", ((4, 4, 4), (5,), (6,)), dtype=float)


FORMS = {
    "in memory": lambda: da.from_array(VALUES, chunks=(5, 2, 4)),
    "computed": lambda: da.from_array(VALUES, chunks=(1, 5, 6)) * 2 / 2,
    "optimised": lambda: dask.optimize(da.from_array(VALUES, chunks=(5, 2, 4)) + 1 - 1)[0],
    "persisted": lambda: da.from_array(VALUES, chunks=(4, 5, 3)).persist() + 0,
    "delayed": lambda: da.from_delayed(dask.delayed(np.array)(VALUES), VALUES.shape, float),
    "rechunked": lambda: da.from_array(VALUES, chunks=(12, 2, 2)).rechunk((1, 5, 6)),
    "of its mean": lambda: (x := da.from_array(VALUES, chunks=3)) - x.mean() + VALUES.mean(),
    "legacy": legacy,
}


@pytest.mark.parametrize("form", FORMS)
def test_blocks_of_every_form_of_graph(form):
    x = FORMS[form]()
    blocks = [((a, a + 3), (0, 5), (1, 5)) for a in range(0, 12, 3)] + [((0, 12), (2, 4), (0, 6))]
    values = read(x, *blocks)
    for block, own in zip(blocks, values, strict=True):
        np.testing.assert_allclose(own, VALUES[tuple(slice(*span) for span in block)])


@pytest.mark.parametrize("chunks", [(5, 2, 4), (1, 5, 6), (12, 1, 1)])
def test_beyond_the_edges_around_the_globe_and_on_absent_days(chunks):
    x = da.from_array(VALUES, chunks=chunks)
    (block,) = read(x, ((-2, 14), (-1, 7), (-8, 15)), wrap=True)
    around = np.pad(VALUES, ((2, 2), (1, 2), (0, 0)), constant_values=np.nan)
    around = np.take(around, np.arange(-8, 15) % 6, axis=2)
    np.testing.assert_array_equal(block, around)
    positions = np.delete(np.arange(14), [3, 4])
    (block,) = read(x, ((0, 14), (0, 5), (-1, 7)), positions=positions)
    expected = np.full((14, 5, 8), np.nan)
    expected[positions, :, 1:7] = VALUES
    np.testing.assert_array_equal(block, expected)


def test_a_task_that_many_blocks_need_is_computed_once_and_others_in_their_block():
    calls = []

    def load(block, name):
        calls.append(name)
        return block

    source = da.from_array(VALUES, chunks=(12, 5, 6)).map_blocks(load, "file", dtype=float)
    days = source.rechunk((1, 5, 6)).map_blocks(load, "day", dtype=float)
    blocks = [((a, a + 1), (0, 5), (0, 6)) for a in range(12)]
    assert len(blocks) > NEIGHBOURS
    calls.clear()
    values = read(days, *blocks)
    np.testing.assert_array_equal(np.concatenate(values), VALUES)
    assert calls.count("file") == 1 and calls.count("day") == 12


def test_chunks_that_a_mean_needs_too_are_read_in_their_block():
    """Else each would be held from the mean until its block is read."""
    x = da.from_array(VALUES, chunks=(1, 5, 6)).map_blocks(np.array)
    graph = RecordGraph(x - x.mean())
    blocks = [pieces(x, (a, a + 1), (0, 5), (0, 6)) for a in range(12)]
    names = [key for _, own in graph.readers(blocks) for key in own]
    assert not any(key[0] == x.name for key in names)
    assert len({key for key in names if key[0].startswith("mean")}) == 1


def test_what_all_blocks_draw_on_is_not_in_a_block_even_if_there_are_few():
    x = da.from_array(VALUES, chunks=(6, 5, 6))
    mean = shared(x.mean(axis=0, keepdims=True))
    graph = RecordGraph(x - mean)
    readers = graph.readers([pieces(x, (a, a + 6), (0, 5), (0, 6)) for a in (0, 6)])
    assert all((mean.name, 0, 0, 0) in names for _, names in readers)
    assert mean.name in graph.layers


def test_a_reader_is_small_and_does_not_hold_values():
    import cloudpickle

    x = da.from_array(np.ones((400, 50, 60)), chunks=(40, 50, 60)).persist() + 1
    readers = RecordGraph(x).readers([pieces(x, (0, 80), (0, 50), (0, 60))])
    assert len(cloudpickle.dumps(readers)) < 5000
