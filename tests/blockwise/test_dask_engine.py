"""Each verb of the engine against NumPy, for several chunkings; nothing is computed by a call."""

from functools import partial

import numpy as np
import pytest
import xarray as xr

from xsm.blockwise import dask_engine as engine

dask = pytest.importorskip("dask", reason="needs xsm[dask]")
da = pytest.importorskip("dask.array")

SHAPE = (12, 5, 6)
CHUNKS = [(12, 5, 6), (1, 5, 6), (5, 5, 6)]


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch):
    """Graphs are built under a scheduler that refuses; `.values` of tests goes around it."""

    def refuse(*args, **kwargs):
        raise AssertionError("something was computed by the call")

    with dask.config.set(scheduler=refuse):
        yield


def values_of(x) -> np.ndarray:
    return x.compute(scheduler="synchronous")


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(2).random(SHAPE)


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_map_halo(x, chunks):
    def running_maximum(block, reach):
        padded = np.pad(block, ((reach, reach), (0, 0), (0, 0)), constant_values=-1)
        return np.max([padded[i : i + len(block)] for i in range(2 * reach + 1)], axis=0)

    lazy = da.from_array(x, chunks=chunks)
    out = engine.map_halo(running_maximum, lazy, 2, outside=-1.0, dtype=float, reach=2)
    np.testing.assert_array_equal(values_of(out), running_maximum(x, 2))


@pytest.mark.parametrize("chunks", [*CHUNKS, (3, 2, 4)], ids=str)
def test_map_series(x, chunks, monkeypatch):
    monkeypatch.setattr("xsm.blockwise.tiling.SERIES_VALUES", 40)
    lazy = da.from_array(x, chunks=chunks)
    out = engine.map_series(lambda s: np.stack([s - s.mean(0), s * 0]), lazy, outputs=2)
    assert out.chunks[1:] == lazy.chunks
    np.testing.assert_allclose(values_of(out)[0], x - x.mean(0), atol=1e-6)


@pytest.mark.parametrize("chunks", [*CHUNKS, (3, 2, 4)], ids=str)
def test_map_series_with_a_margin(x, chunks, monkeypatch):
    monkeypatch.setattr("xsm.blockwise.tiling.SERIES_VALUES", 40)

    def neighbours(series):
        return (series[:, :-2, 1:-1] + series[:, 2:, 1:-1] - series[:, 1:-1, 2:])[None]

    lazy = engine.pad_cells(da.from_array(x, chunks=chunks), [(1, 1), (0, 1)])
    out = engine.map_series(neighbours, lazy, outputs=1, margin=1)
    padded = np.pad(x, ((0, 0), (1, 1), (0, 1)), constant_values=np.nan)
    np.testing.assert_allclose(values_of(out), neighbours(padded), rtol=1e-6)
    assert engine.pad_cells(lazy, [(0, 0), (0, 0)]) is lazy


def test_combined_arrays_of_any_shape(x):
    arrays = [da.from_array(x, chunks=(5, 2, 6)), da.from_array(x[0], chunks=2)]
    out = engine.combine_arrays(lambda both: both[0] - both[1], arrays, SHAPE, np.float64)
    assert out.chunks == tuple((n,) for n in SHAPE)
    np.testing.assert_array_equal(values_of(out), x - x[0])


# pixels


def arrays(x, chunks):
    daily = xr.DataArray(x, dims=("time", "lat", "lon"), coords={"time": np.arange(12)})
    static = xr.DataArray(x[0], dims=("lat", "lon"))
    if chunks is not None:
        daily, static = daily.chunk(chunks), static.chunk(lat=3)
    return [daily, static]


def anomaly(daily, static):
    return daily - static[..., None], (daily > 0.5).astype(np.int8)


@pytest.mark.parametrize(
    "chunks", [None, {}, {"time": 1}, {"time": 5, "lat": 2, "lon": 6}], ids=str
)
@pytest.mark.parametrize("largest", [1, 10**9])
def test_map_pixels(x, chunks, largest, monkeypatch):
    monkeypatch.setattr(engine, "SERIES_BLOCK", largest)
    given = arrays(x, chunks)
    mean, flag = engine.map_pixels(anomaly, given, "time", [float, np.int8])
    assert mean.dims == flag.dims == ("time", "lat", "lon")
    assert mean.chunks == flag.chunks == given[0].chunks
    if chunks is not None:
        mean, flag = (out.compute(scheduler="synchronous") for out in (mean, flag))
    np.testing.assert_allclose(mean, x - x[0])
    np.testing.assert_array_equal(flag, x > 0.5)
    np.testing.assert_array_equal(mean["time"], np.arange(12))


def weighted(daily, static, weights):
    return weights[0] * (daily - static[..., None])


def test_the_tasks_of_pixels_share_their_function(x):
    cloudpickle = pytest.importorskip("cloudpickle")
    function = partial(weighted, weights=np.ones(100_000))
    (out,) = engine.map_pixels(function, arrays(x, {"lat": 1, "lon": 1}), "time", [float])
    (optimised,) = dask.optimize(out.data)
    sizes = sorted(len(cloudpickle.dumps(node)) for node in dict(optimised.dask).values())
    assert len(sizes) > 2 * out.data.npartitions
    assert sizes[-1] > 800_000 and sizes[-2] < 10_000
    np.testing.assert_allclose(values_of(out), x - x[0])


def test_blocks_of_whole_series_are_limited(x, monkeypatch):
    monkeypatch.setattr(engine, "SERIES_BLOCK", 2 * 12 * 10)
    sizes = []

    def record_size(daily, static):
        sizes.append(daily.size)
        return daily

    (out,) = engine.map_pixels(record_size, arrays(x, {"time": 1}), "time", [float])
    sizes.clear()  # of the empty arrays by which Dask tells the type
    out.compute(scheduler="synchronous")
    assert max(sizes) <= 12 * 10 and sum(sizes) == x.size
