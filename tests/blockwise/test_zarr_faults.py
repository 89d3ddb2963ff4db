"""What is guaranteed where a store cannot be written: a clear error, and nothing lost."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.blockwise.full_disk import FullDisk
from tests.blockwise.test_zarr import lazy
from xsm.blockwise.writer_lock import only_writer
from xsm.blockwise.zarr_store import is_consolidated
from xsm.errors import InputError

zarr = pytest.importorskip("zarr")


@pytest.fixture(autouse=True)
def one_region_at_a_time():
    with dask.config.set(scheduler="synchronous"):
        yield


def read(store) -> xr.Dataset:
    with xr.open_zarr(store, consolidated=False) as ds:
        return ds.load()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_disk_that_is_full_at_any_moment(tmp_path, zarr_format):
    """The error of the system comes through; the same call writes what is missing, no more."""
    options = {"progress": False, "zarr_format": zarr_format}
    FullDisk.room = 10**6
    xsm.write_zarr(lazy(), FullDisk(tmp_path / "whole.zarr"), **options)
    files = 10**6 - FullDisk.room
    failed = 0
    for room in (*range(1, files, 3), files - 1):
        path = tmp_path / f"{room}.zarr"
        FullDisk.room = room
        with pytest.raises(OSError, match="No space left") as error:
            xsm.write_zarr(lazy(), FullDisk(path), **options)
        assert "the same call writes the others" in error.value.__notes__[0]
        failed += 1
        FullDisk.room = 10**6
        xsm.write_zarr(lazy(), FullDisk(path), **options)
        xr.testing.assert_identical(read(path), lazy().load())
        assert is_consolidated(zarr.storage.LocalStore(path))
    assert failed > 8


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_call_that_failed_writes_nothing_more(tmp_path, monkeypatch, zarr_format):
    """Zarr writes several files at a time: those of the call that failed end before its error."""
    options = {"progress": False, "zarr_format": zarr_format}
    for room in (1, 2, 3, 4, 6, 8, 10, 12):
        path = tmp_path / f"{room}.zarr"
        FullDisk.room = room
        monkeypatch.setattr(FullDisk, "slow", True)
        with pytest.raises(OSError, match="No space left"):
            xsm.write_zarr(lazy(), FullDisk(path), **options)
        files = sorted(path.rglob("*"))
        time.sleep(0.04)
        assert sorted(path.rglob("*")) == files
        monkeypatch.setattr(FullDisk, "slow", False)
        FullDisk.room = 10**6
        xsm.write_zarr(lazy(), FullDisk(path), **options)
        xr.testing.assert_identical(read(path), lazy().load())


def test_a_limit_of_the_system_on_files(tmp_path):
    """A real error of the operating system, as a full disk or a quota gives it."""
    resource = pytest.importorskip("resource", reason="not on this system")
    path, limits = tmp_path / "out.zarr", resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).standard_normal((4, 40, 60))
    ds = xr.Dataset({"sm": (("time", "lat", "lon"), noise)}).chunk(lat=20, lon=30)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large|too large"):
            xsm.write_zarr(ds, path, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    xsm.write_zarr(ds, path, progress=False)
    xr.testing.assert_identical(read(path), ds.load())


def test_read_only_stores(tmp_path):
    path = xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
    for mode in ("resume", "overwrite"):
        for store in (
            zarr.storage.LocalStore(path, read_only=True),
            zarr.storage.MemoryStore(read_only=True),
        ):
            with pytest.raises(InputError, match="for reading only"):
                xsm.write_zarr(lazy().assign_attrs(a=1), store, mode=mode, progress=False)
    xr.testing.assert_identical(read(path), lazy().load())


def test_archives_are_refused_before_any_work(tmp_path):
    """Nothing in an archive can be replaced, as the log of a write and new days are."""
    store = zarr.storage.ZipStore(tmp_path / "new.zip", mode="w")
    with pytest.raises(InputError, match="is an archive.*write to a folder"):
        xsm.write_zarr(lazy(), store, progress=False)
    lazy().to_zarr(tmp_path / "a.zarr", consolidated=False)
    archive = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "a.zarr"))
    content = archive.read_bytes()
    new = lazy().load()
    new["time"] = np.arange(new.sizes["time"]) + np.datetime64("2020-01-01")
    for path in (archive, zarr.storage.ZipStore(archive, mode="a")):
        for mode in ("resume", "overwrite"):
            with pytest.raises(InputError, match="is an archive"):
                xsm.write_zarr(lazy(), path, mode=mode, progress=False)
        with pytest.raises(InputError, match="is an archive"):
            xsm.append_zarr(new, path, var="sm")
    with pytest.raises(InputError, match="for reading only"):
        xsm.append_zarr(new, zarr.storage.ZipStore(archive, mode="r"), var="sm")
    assert archive.read_bytes() == content


def test_a_url_of_a_folder_is_the_folder(tmp_path):
    path = tmp_path / "out 1.zarr"
    assert xsm.write_zarr(lazy(), f"file://{path}", progress=False) == path
    xsm.write_zarr(lazy().assign_attrs(a=1), f"file://{path}", mode="overwrite", progress=False)
    xr.testing.assert_identical(read(path), lazy().assign_attrs(a=1).load())


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_folder_without_permission(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="locked"):
        xsm.write_zarr(lazy(), tmp_path / "locked" / "out.zarr", progress=False)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("text")
    for path in (tmp_path / "file", tmp_path / "file" / "out.zarr"):
        for mode in ("resume", "overwrite"):
            with pytest.raises((InputError, OSError), match="file"):
                xsm.write_zarr(lazy(), path, mode=mode, progress=False)
    assert (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize("same", [True, False])
def test_two_writers_at_once(tmp_path, same):
    """One writes, the other is refused; what is written is of one of them alone."""
    pytest.importorskip("fcntl", reason="no locks on this system")
    other = lazy()
    if not same:
        history = "2026-01-01T00:00:00Z xsm 1 gapfill(max_gap=3)"
        other = other.assign(sm=other["sm"] + np.float32(1000)).assign_attrs(history=history)
    for trial in range(3):
        path, barrier = tmp_path / f"{trial}.zarr", threading.Barrier(2)
        ends: dict[int, object] = {}

        def write(n, ds, path=path, barrier=barrier, ends=ends):
            barrier.wait()
            try:
                ends[n] = xsm.write_zarr(ds, path, progress=False)
            except InputError as error:
                ends[n] = error

        writers = [threading.Thread(target=write, args=part) for part in enumerate((lazy(), other))]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        done = [n for n, end in ends.items() if isinstance(end, Path)]
        assert done and len(ends) == 2
        for n in {0, 1} - set(done):
            assert "is writing to it" in str(ends[n]) or "another Dataset" in str(ends[n])
        expected = (lazy(), other)[done[0]].compute()
        np.testing.assert_array_equal(read(path)["sm"], expected["sm"])


def test_a_lock_ends_with_its_process_and_is_not_inherited(tmp_path):
    pytest.importorskip("fcntl", reason="no locks on this system")
    path = tmp_path / "out.zarr"
    root = Path(__file__).resolve().parents[2]
    code = (
        "import sys, time, pathlib; from xsm.blockwise.writer_lock import only_writer\n"
        f"with only_writer(pathlib.Path({str(path)!r})):\n"
        "    print('locked', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{root}:{root}/kernels"}
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert holder.stdout.readline() == "locked\n"
        for mode in ("resume", "overwrite"):
            with pytest.raises(InputError, match="another process or thread is writing"):
                xsm.write_zarr(lazy(), path, mode=mode, progress=False)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    xsm.write_zarr(lazy(), path, progress=False)
    xr.testing.assert_identical(read(path), lazy().load())
    with only_writer(path):
        child = os.fork()
        if child == 0:
            time.sleep(5)
            os._exit(0)
    with only_writer(path):  # although the child lives
        assert os.waitpid(child, os.WNOHANG)[0] == 0
    os.kill(child, 9)
    os.waitpid(child, 0)


def test_a_refused_append_changes_nothing(tmp_path, record):
    path = tmp_path / "out.zarr"
    filled = record.sm.gapfill(model="default", calibrate=False)
    xsm.write_zarr(filled.chunk(time=4), path, progress=False)
    later = record.assign_coords(time=record["time"] + np.timedelta64(record.sizes["time"], "D"))
    with only_writer(path), pytest.raises(InputError, match="is writing to it"):
        xsm.append_zarr(later, path)
    assert read(path).sizes["time"] == record.sizes["time"]
    with pytest.raises(InputError, match="holds no Zarr store"):
        xsm.append_zarr(later, tmp_path / "none.zarr")
    assert not (tmp_path / "none.zarr").exists()


def test_memory_of_fsspec_resumes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url, computed = "memory://faults/out.zarr", []
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(lazy(computed, fail_at=(1, 0)), url, progress=False)
    xsm.write_zarr(lazy(computed), url, progress=False)
    assert computed == [(0, 0), (0, 1), (1, 0), (1, 1)]
    xr.testing.assert_identical(read(url), lazy().load())
    with pytest.raises(InputError, match="holds another Dataset"):
        xsm.write_zarr(lazy().assign_attrs(title="x"), url, progress=False)
    xsm.write_zarr(lazy().assign_attrs(title="x"), url, mode="overwrite", progress=False)
    assert read(url).attrs["title"] == "x" and list(tmp_path.iterdir()) == []


def odd_reference(group):
    ds = lazy()
    getattr(ds["sm"], group)["grid_mapping"] = 5
    return ds


ODD = {
    "name": (lambda: lazy().rename(sm=5), {}, "the name of a variable is 5"),
    "attribute": (lambda: odd_reference("attrs"), {}, "attribute 'grid_mapping' of sm is 5"),
    "encoding of sm": (lambda: odd_reference("encoding"), {}, "encoding 'grid_mapping' of sm is 5"),
    "encoding": (lazy, {"encoding": 5}, "encoding=5: expected a mapping"),
    "entry": (lazy, {"encoding": {"sm": 5}}, "encoding={'sm': 5}: expected a mapping"),
    "chunks": (lazy, {"encoding": {"sm": {"chunks": (1, 2)}}}, r"chunks=\(1, 2\) of 'sm'"),
    "shards": (
        lazy,
        {"encoding": {"sm": {"chunks": (5, 2, 2), "shards": (5, 3, 3)}}},
        "Change chunks or shards in encoding",
    ),
    "codec": (lazy, {"encoding": {"sm": {"odd": 5}}}, "unexpected encoding parameters.*odd"),
    "regions": (lazy, {"region_dims": 5}, r"region_dims=\[5\]"),
    "options": (lazy, {"storage_options": 5}, "storage_options=5: expected a mapping"),
    "path": (lazy, {"path": "a\0b"}, "path='a.x00b': expected a folder"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_arguments(tmp_path, case):
    make, options, message = ODD[case]
    with pytest.raises(InputError, match=message):
        xsm.write_zarr(make(), **{"path": tmp_path / "o.zarr", "progress": False, **options})
