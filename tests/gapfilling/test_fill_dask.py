"""Dask arrays: nothing is computed by the call, and the numbers are those in memory."""

import threading
import weakref

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.blockwise.work_blocks import BLOCK
from xsm.gapfilling import lazy_fill

dask = pytest.importorskip("dask", reason="needs xsm[dask]")
da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.usefixtures("network")
SM, UNC, FLAG = "soil_moisture", "soil_moisture_uncertainty", "soil_moisture_flag"
NAMES = (SM, UNC, FLAG)


def refuse(*args, **kwargs):
    raise AssertionError("something was computed by the call")


def lazily(ds: xr.Dataset, **options) -> xr.Dataset:
    """The result on Dask, made under a scheduler that refuses to compute."""
    with dask.config.set(scheduler=refuse):
        return xsm.gapfill(ds, **options)


def same(lazy: xr.Dataset, eager: xr.Dataset) -> None:
    """Equal to rounding; flags and gaps exactly."""
    done = lazy.compute(scheduler="synchronous")
    for name in NAMES:
        assert done[name].dtype == lazy[name].dtype == eager[name].dtype
        assert done[name].attrs.keys() == eager[name].attrs.keys()
        np.testing.assert_allclose(done[name].values, eager[name].values, rtol=2e-6, err_msg=name)
    np.testing.assert_array_equal(done[FLAG].values, eager[FLAG].values)


CHUNKS = [
    {"time": -1, "lat": -1, "lon": -1},
    {"time": 1, "lat": -1, "lon": -1},
    {"time": 5, "lat": 4, "lon": 7},
    {"time": -1, "lat": 1, "lon": 1},
    {"time": 1, "lat": 3, "lon": 16},
    {"time": (1, 1, 7, 3), "lat": (8, 1), "lon": (1, 14, 1)},
]


@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_same_numbers_and_chunks_as_in_memory(record, chunks):
    lazy = lazily(record.chunk(chunks))
    for name in NAMES:
        assert lazy[name].chunks == record[SM].chunk(chunks).chunks
    same(lazy, record.sm.gapfill())


@pytest.mark.parametrize("chunks", CHUNKS[2:5], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"max_gap": "2D", "fallback": "climatology"},
        {"max_gap": 40},
        {"keep_observed": False},
        {"land": "mask"},
    ],
    ids=str,
)
def test_same_with_every_option(record, chunks, options):
    land = np.zeros((9, 16), bool)
    land[2:, 3:9] = True
    record = record.assign(mask=(("lat", "lon"), land))
    same(lazily(record.chunk(chunks), **options), record.sm.gapfill(**options))


def test_same_with_lost_days(record):
    record = record.isel(time=[0, 1, 2, 6, 7, 10, 11])
    for options in ({}, {"max_gap": 3, "fallback": "climatology"}):
        lazy = lazily(record.chunk(time=2, lat=5), **options)
        assert lazy[SM].chunks == record[SM].chunk(time=2, lat=5).chunks
        same(lazy, record.sm.gapfill(**options))


def test_same_with_other_dimensions_in_any_order(record):
    both = xr.concat([record, record * 0.5, record.roll(time=2)], "orbit")
    both = both.expand_dims(depth=2).transpose("lon", "orbit", "time", "depth", "lat")
    both[SM].attrs = record[SM].attrs
    chunked = both.chunk(lon=5, orbit=2, time=4, depth=1, lat=9)
    lazy = lazily(chunked, fallback="climatology")
    assert lazy[SM].dims == lazy[FLAG].dims == both[SM].dims
    assert lazy[SM].chunks == lazy[FLAG].chunks == chunked[SM].chunks
    same(lazy, both.sm.gapfill(fallback="climatology"))


def test_same_for_a_region_smaller_than_the_halo(record):
    region = record.isel(lat=[4], lon=[5], time=[0, 1])
    same(lazily(region.chunk(time=1)), region.sm.gapfill())
    ring = record.isel(lat=[4, 5]).coarsen(lon=4).mean()  # four columns around the globe
    ring[SM].attrs = record[SM].attrs
    same(lazily(ring.chunk(lon=2)), ring.sm.gapfill())


def test_same_in_percent_and_float64(record):
    record[SM] = (record[SM].astype("f8") * 100).assign_attrs(units="percent")
    lazy = lazily(record.chunk(time=4))
    assert lazy[SM].dtype == "f8"
    same(lazy, record.sm.gapfill())


def test_observed_values_stay_bit_for_bit(record):
    out = lazily(record.chunk(time=3)).compute(scheduler="threads")
    seen = np.isfinite(record[SM].values)
    assert out[SM].values[seen].tobytes() == record[SM].values[seen].tobytes()


def test_lazy_land_and_uncertainty_of_the_product(record):
    own = xr.full_like(record[SM], 0.03).where(np.isfinite(record[SM]))
    ds = record.assign({UNC: own})
    land = (record["lat"] < 45) & (record["lon"] < 200)
    expected = ds.sm.gapfill(land=land)
    lazy = lazily(ds.chunk(time=4, lon=6), land=land.chunk(lat=2))
    assert lazy[UNC].chunks == ds[UNC].chunk(time=4, lon=6).chunks
    same(lazy, expected)


def test_pint_around_dask(record):
    pint = pytest.importorskip("pint")
    quantity = pint.UnitRegistry().Quantity(record[SM].chunk(time=5, lat=4).data * 100, "percent")
    lazy = lazily(record.assign({SM: (record[SM].dims, quantity)}))
    expected = record.sm.gapfill()
    for name in (SM, UNC):
        assert str(lazy[name].data.units) == "percent"
        assert dask.is_dask_collection(lazy[name].data.magnitude)
        got = lazy[name].data.magnitude.compute(scheduler="synchronous")
        np.testing.assert_allclose(got / 100, expected[name], rtol=2e-6)


def test_pint_inside_dask_is_refused(record):
    pint = pytest.importorskip("pint")
    quantity = pint.UnitRegistry().Quantity(record[SM].values, "dimensionless")
    inside_out = record.assign({SM: (record[SM].dims, quantity)}).chunk(time=5)
    with pytest.raises(xsm.errors.InputError, match="chunk it before .pint.quantify"):
        lazily(inside_out)


def test_other_variables_stay_lazy_and_untouched(record):
    chunked = record.assign(other=record[SM] * 2).chunk(time=3)
    out = lazily(chunked)
    assert out["other"].data is chunked["other"].data


def test_an_undecoded_or_wrong_variable_is_found_without_computing(record):
    record[SM].attrs["units"] = "K"
    with pytest.raises(xsm.errors.UnitError):
        lazily(record.chunk())
    record[SM].attrs |= {"units": "percent", "_FillValue": -9999}
    with pytest.raises(xsm.errors.InputError, match="not decoded"):
        lazily(record.chunk())


@pytest.fixture
def long_record() -> xr.Dataset:
    """65 days of 56 x 64 cells around the globe: several blocks of days and parts of the globe."""
    rng = np.random.default_rng(3)
    day, lat, lon = np.meshgrid(np.arange(65), np.arange(56), np.arange(64), indexing="ij")
    values = 0.25 + 0.1 * np.sin(day / 20 + lat / 9) + 0.05 * np.cos(2 * np.pi * lon / 64)
    values = np.where(rng.random(values.shape) < 0.5, np.nan, values)
    return xr.Dataset(
        {SM: (("time", "lat", "lon"), values.astype(np.float32), {"units": "m3 m-3"})},
        coords={
            "time": np.datetime64("2015-04-01", "ns") + np.arange(65) * np.timedelta64(1, "D"),
            "lat": 80.0 - 2 * np.arange(56),
            "lon": -180 + 5.625 * np.arange(64),
        },
    )


@pytest.mark.parametrize("columns", [64, 60], ids=["globe", "region"])
def test_blocks_of_days_and_parts_of_the_globe_change_nothing(long_record, columns, monkeypatch):
    monkeypatch.setattr("xsm.gapfilling.lazy_fill.BLOCK_VALUES", 1)
    ds = long_record.isel(lon=slice(columns), time=np.r_[:30, 33:65])
    lazy = lazily(ds.chunk(time=7, lat=14, lon=16), max_gap=4)
    same(lazy, ds.sm.gapfill(max_gap=4))


def test_a_part_asks_for_a_part_of_the_blocks(long_record, network, monkeypatch):
    monkeypatch.setattr("xsm.gapfilling.lazy_fill.BLOCK_VALUES", 1)
    lazy = lazily(long_record.chunk(time=20, lat=28, lon=32))
    lazy[SM][:20, 28:, :32].compute(scheduler="synchronous")
    part = network.fill_block
    lazy[SM].compute(scheduler="synchronous")
    assert 0 < part < (network.fill_block - part) / 2


def test_the_task_of_a_block_has_neither_the_network_nor_all_days(long_record):
    """On a cluster each is sent by itself, and they are what the scheduler keeps for a while."""
    cloudpickle = pytest.importorskip("cloudpickle")
    sizes = {}
    for repeated in (1, 12):
        ds = xr.concat([long_record] * repeated, "time")
        time = long_record["time"].values[0] + np.arange(ds.sizes["time"]) * np.timedelta64(1, "D")
        ds = ds.assign_coords(time=time).chunk(time=13)
        land = (ds["lat"] > 0) & (ds["lon"] > 0)
        graph = lazily(ds, land=land, fallback="climatology")[SM].data.dask
        statistics, blocks = (
            next(layer for name, layer in graph.layers.items() if name.startswith(begin))
            for begin in ("statistics-", BLOCK)
        )
        nodes = [blocks[key] for key in blocks if key[0].startswith(BLOCK)] + [*statistics.values()]
        sizes[repeated] = max(len(cloudpickle.dumps(node)) for node in nodes)
    assert sizes[12] < sizes[1] + 1000 < 20_000


class Source:
    """Chunks of days that know how often they are read and how many are in memory at once."""

    def __init__(self, number: int) -> None:
        self.read, self.alive, self.most = 0, 0, 0
        self.lock = threading.RLock()
        values = da.map_blocks(self.load, chunks=((20,) * number, (6,), (8,)), dtype=np.float32)
        time = np.datetime64("2015-04-01", "ns") + np.arange(20 * number) * np.timedelta64(1, "D")
        self.data = xr.DataArray(
            values, {"time": time}, ("time", "lat", "lon"), SM, {"units": "m3 m-3"}
        )

    def load(self, block_info=None) -> np.ndarray:
        values = np.full((20, 6, 8), 0.3, np.float32)
        values[block_info[None]["chunk-location"][0] % 7 :: 3] = np.nan
        weakref.finalize(values, self.free)
        with self.lock:
            self.read, self.alive = self.read + 1, self.alive + 1
            self.most = max(self.most, self.alive)
        return values

    def free(self) -> None:
        with self.lock:
            self.alive -= 1


@pytest.mark.parametrize("workers", [1, 2])
def test_as_many_chunks_in_memory_for_a_record_of_any_length(workers, tmp_path):
    """Each is read five times and let go; how many are held at once does not grow."""
    pytest.importorskip("zarr")
    most = {}
    for number in (8, 24):
        source = Source(number)
        lazy = lazily(source.data)
        with dask.config.set(scheduler="threads", num_workers=workers):
            lazy.to_zarr(tmp_path / f"{number}.zarr", consolidated=False)
        assert 5 * number <= source.read <= 8 * number  # five times, and neighbours
        assert source.alive == 0
        most[number] = source.most
    if workers == 1:  # which of two is ahead of the other is chance
        assert most[24] <= most[8] < 5


@pytest.mark.parametrize("error", [False, True])
def test_no_more_chunks_are_in_memory_with_a_background(error, tmp_path):
    """Its regression, over all days, comes before the fill of the first."""
    pytest.importorskip("zarr")
    most = {}
    for number in (8, 24):
        source = Source(number)
        ds = source.data.to_dataset()
        ds["background"] = xr.full_like(ds[SM], 0.2) + 0.1 * np.sin(np.arange(20 * number))[
            :, None, None
        ].astype(np.float32)
        ds["background"] = ds["background"].chunk(time=20)
        if error:
            ds["background_uncertainty"] = ds["background"] / 10
        ds = ds.assign({n: v.assign_attrs(units="m3 m-3") for n, v in ds.data_vars.items()})
        source.read = source.most = 0
        lazy = lazily(ds, background="background", var=SM)[[*NAMES]]
        with dask.config.set(scheduler="threads", num_workers=1):
            lazy.to_zarr(tmp_path / f"{number}.zarr", consolidated=False)
        assert 7 * number <= source.read <= (12 if error else 10) * number
        assert source.alive == 0
        most[number] = source.most
    assert most[24] <= most[8] < 6


@pytest.mark.parametrize("background", [False, True])
def test_regions_read_no_more_often_however_many_there_are(background, tmp_path):
    """Methods of whole series, and the regression on a background, are computed for all at once."""
    pytest.importorskip("zarr")
    reads = []
    for number in (8, 24):
        source = Source(number)
        given = {"background": source.data.copy(data=source.data.data * 0 + 0.2)}
        filled = source.data.sm.gapfill(
            progress=False, calibrate=True, fallback="climatology",
            **(given if background else {}),
        )  # fmt: skip
        source.read = 0
        path = xsm.write_zarr(filled, tmp_path / f"{number}.zarr", progress=False)
        reads.append(source.read / number)
        with xr.open_zarr(path) as stored:
            for name in NAMES:
                np.testing.assert_array_equal(stored[name], filled[name].compute(), err_msg=name)
    assert reads[1] <= reads[0] + 1


def test_files_are_read_as_arrays_in_memory(record, tmp_path):
    """Daily files and a Zarr store, each read several times by one graph."""
    pytest.importorskip("zarr")
    for n in range(12):
        record.isel(time=[n]).to_netcdf(tmp_path / f"{n:02}.nc")
    record.chunk(time=4).to_zarr(tmp_path / "z", consolidated=False)
    expected = record.sm.gapfill()
    with xr.open_mfdataset(f"{tmp_path}/*.nc") as files:
        same(lazily(files), expected)
    with xr.open_zarr(tmp_path / "z", consolidated=False) as store:
        same(lazily(store), expected)


def test_a_large_file_without_chunks_is_read_in_blocks(record, tmp_path, monkeypatch):
    record.to_netcdf(tmp_path / "record.nc")
    expected = record.sm.gapfill(fallback="climatology")
    calls = []
    lazily_filled = lazy_fill.fill_lazily
    monkeypatch.setattr(lazy_fill, "fill_lazily", lambda *a: calls.append(1) or lazily_filled(*a))
    monkeypatch.setattr("xsm.blockwise.chunks.BLOCK_BYTES", record[SM].nbytes // 4)
    with xr.open_dataset(tmp_path / "record.nc") as opened:
        out = opened.sm.gapfill(fallback="climatology")
        assert calls == [1]
        for name in NAMES:
            assert out[name].chunks is None
            assert out[name].dtype == expected[name].dtype
            np.testing.assert_allclose(out[name], expected[name], rtol=2e-6, err_msg=name)


def test_an_unusable_backend_is_refused_by_the_call(record):
    with pytest.raises(xsm.errors.XsmError, match="backend='triton'"):
        lazily(record.chunk(time=4), backend="triton")
