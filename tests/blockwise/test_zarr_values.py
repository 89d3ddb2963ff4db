"""What grows with a record is in the store while regions are written, and nowhere afterwards."""

import gc
import weakref

import dask
import numpy as np
import pytest
import xarray as xr

import xsm
from benchmarks.scale import block_memory
from tests.test_gapfill_fuzz import MODEL
from xsm.blockwise import zarr as writing
from xsm.blockwise.zarr_log import WriteLog
from xsm.blockwise.zarr_values import VALUES, StoredValue, values_in_store
from xsm.conventions.write_log import LOG
from xsm.gapfilling import lazy_fill, lazy_statistics

zarr = pytest.importorskip("zarr")


def months(count: int = 12) -> xr.Dataset:
    return block_memory.record(30 * count, 30, (8, 8))


def fill(lazy: xr.Dataset) -> xr.Dataset:
    return lazy.sm.gapfill(model=MODEL, calibrate=False)


@pytest.fixture(params=["threads", "synchronous"])
def scheduler(request):
    with dask.config.set(scheduler=request.param, num_workers=2):
        yield


@pytest.mark.usefixtures("scheduler")
def test_the_seasonal_cycle_is_not_in_memory_while_regions_are_written(tmp_path, monkeypatch):
    alive, at_blocks = set(), []
    joined, fill_block = lazy_statistics._joined, lazy_fill._fill_block

    def counted(blocks):
        value = joined(blocks).copy()
        alive.add(id(value))
        weakref.finalize(value, alive.discard, id(value))
        return value

    def counting(*args, **options):
        gc.collect()
        at_blocks.append(len(alive))
        return fill_block(*args, **options)

    monkeypatch.setattr(lazy_statistics, "_joined", counted)
    monkeypatch.setattr(lazy_fill, "_fill_block", counting)
    filled = fill(months())
    expected = filled.compute()
    assert max(at_blocks) == 4  # of three blocks each
    at_blocks.clear()
    path = xsm.write_zarr(filled, tmp_path / "filled.zarr", progress=False)
    assert at_blocks == [0] * 12
    with xr.open_zarr(path) as written:
        for name in expected.data_vars:
            assert written[name].values.tobytes() == expected[name].values.tobytes()


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nothing_is_left_in_the_store(tmp_path, monkeypatch, zarr_format):
    path, during = tmp_path / "filled.zarr", []
    write_regions = writing._write_regions

    def failing(job, store, *args):
        during.append(sorted(zarr.open_group(store, path=f"{LOG}/{VALUES}", mode="r")))
        write_regions(job, store, *args)
        if len(during) == 1:
            raise OSError("disk full")

    monkeypatch.setattr(writing, "_write_regions", failing)
    filled = fill(months(4))
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(filled, path, progress=False, zarr_format=zarr_format)
    assert not (path / LOG / VALUES).exists()
    chunk = next(p for p in (path / "sm").rglob("*") if p.is_file() and p.name[0] not in "z.")
    chunk.write_bytes(b"")  # so that a region is missing again
    xsm.write_zarr(filled, path, progress=False, zarr_format=zarr_format)
    assert during == [["0", "1"]] * 2
    assert sorted(p.name for p in (path / LOG).iterdir() if p.is_dir()) == ["checksums"]


def test_what_a_killed_call_left_is_replaced():
    store = zarr.storage.MemoryStore()
    WriteLog.create(store, {"calls": []}, 1, 3)
    value = np.array([[0.0, -0.0], [np.nan, 0.1]], np.float32)
    with values_in_store(store) as save:
        save("killed", value)
        with values_in_store(store) as save:
            assert VALUES not in zarr.open_group(store, path=LOG)
            zeros = save("0", -np.zeros((2, 3), np.float32))
            stored = save("1", value)
            assert isinstance(stored, StoredValue)
            assert np.concatenate([stored, stored]).tobytes() == np.tile(value, (2, 1)).tobytes()
            assert np.signbit(zeros).all() and np.asarray(zeros).dtype == np.float32
    assert VALUES not in zarr.open_group(store, path=LOG)


def test_a_store_that_only_this_process_writes_to_holds_none():
    class Committing(zarr.storage.MemoryStore):
        def commit(self, message): ...

    class Lasting(zarr.storage.MemoryStore):
        supports_deletes = False

    for store in (Committing(), Lasting()):
        with values_in_store(store) as save:
            assert save is None
