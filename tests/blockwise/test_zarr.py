"""Region by region into Zarr: everything arrives, an interrupted call is gone on with."""

import threading

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import any_model, world
from xsm.blockwise import zarr as writing
from xsm.blockwise.work_blocks import as_block, with_fingerprint
from xsm.blockwise.zarr_log import WriteLog
from xsm.conventions.write_log import LOG
from xsm.errors import InputError, MissingPackageError
from xsm.gapfilling import lazy_statistics

zarr = pytest.importorskip("zarr")


@pytest.fixture(autouse=True)
def one_region_at_a_time():
    with dask.config.set(scheduler="synchronous"):
        yield


def lazy(computed=None, fail_at=None):
    """4 x 6 cells on 5 days in regions of 2 x 3, that count themselves and may break."""

    def block(block_info=None):
        place = tuple(block_info[None]["chunk-location"][1:])
        if place == fail_at:
            raise OSError("disk full")
        if computed is not None:
            computed.append(place)
        start = block_info[None]["array-location"]
        index = np.meshgrid(*(np.arange(*s) for s in start), indexing="ij")
        return (index[0] * 100 + index[1] * 10 + index[2]).astype(np.float32)

    values = da.map_blocks(block, chunks=((5,), (2, 2), (3, 3)), dtype=np.float32)
    return xr.Dataset(
        {
            "sm": (("time", "lat", "lon"), values, {"units": "m3 m-3"}),
            "rain": ("time", da.arange(5, chunks=5)),
            "area": (("lat", "lon"), np.ones((4, 6))),
        },
        {"time": np.arange(5), "lat": np.arange(4.0), "lon": np.arange(6.0), "depth": 0.05},
        {"history": "made"},
    )


def test_everything_arrives(tmp_path):
    path = xsm.write_zarr(lazy(), tmp_path / "deep" / "out.zarr", progress=False)
    with xr.open_zarr(path) as found:
        xr.testing.assert_identical(found.load(), lazy().load())
    assert [p.name for p in path.parent.iterdir()] == ["out.zarr"]


def test_goes_on_where_it_ended(tmp_path):
    path, computed = tmp_path / "out.zarr", []
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(lazy(computed, fail_at=(1, 0)), path, progress=False)
    assert computed == [(0, 0), (0, 1)]
    xsm.write_zarr(lazy(computed), path, progress=False)
    assert computed == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with xr.open_zarr(path) as found:
        xr.testing.assert_identical(found.load(), lazy().load())


def test_never_writes_over_another_store(tmp_path):
    path = tmp_path / "out.zarr"
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(lazy(fail_at=(1, 1)), path, progress=False)
    names = "the store has sm, obj has not.*mode='overwrite'"
    with pytest.raises(InputError, match=f"unfinished store of another Dataset.*{names}"):
        xsm.write_zarr(lazy().rename(sm="other"), path, progress=False)
    later = lazy().assign_coords(time=np.arange(5) + 365)
    with pytest.raises(InputError, match="time is 0 to 4 in the store, 365 to 369 in obj"):
        xsm.write_zarr(later, path, progress=False)
    xsm.write_zarr(lazy(), path, progress=False)
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), lazy().load())


def test_a_finished_store_stays_as_it_is(tmp_path, caplog):
    path, computed = tmp_path / "out.zarr", []
    xsm.write_zarr(lazy(computed), path, progress=False)
    before = {p: p.stat().st_mtime_ns for p in path.rglob("*")}
    assert len(computed) == 4
    with caplog.at_level("INFO", logger="xsm"):
        result = xsm.write_zarr(lazy(computed).assign_attrs(history="later"), path, progress=False)
    assert result == path and len(computed) == 4
    assert "is complete: there is nothing to write" in caplog.text
    assert {p: p.stat().st_mtime_ns for p in path.rglob("*")} == before
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


OTHERS = {
    "variable": ("obj has other, the store has not", lambda ds: ds.assign(other=ds["sm"])),
    "no variable": ("the store has rain, obj has not", lambda ds: ds.drop_vars("rain")),
    "shape": (
        r"shape of area is \[4, 6\] in the store, \[2, 6\] in obj",
        lambda ds: ds.isel(lat=slice(2)),
    ),
    "time": (
        "time is 0 to 4 in the store, 7 to 11 in obj",
        lambda ds: ds.assign_coords(time=np.arange(5) + 7),
    ),
    "units": (
        'attribute \'units\' of sm is "m3 m-3" in the store, "percent" in obj',
        lambda ds: ds.assign(sm=ds["sm"].assign_attrs(units="percent")),
    ),
    "dtype": (
        'data_type of sm is "float32" in the store, "float64" in obj',
        lambda ds: ds.assign(sm=ds["sm"].astype(float)),
    ),
    "chunks": ("chunk_grid of sm", lambda ds: ds.assign(sm=ds["sm"].chunk(lat=4))),
    "title": ("attribute 'title' of the Dataset", lambda ds: ds.assign_attrs(title="t")),
}


@pytest.mark.parametrize("difference", OTHERS)
def test_a_finished_store_of_another_dataset(tmp_path, difference):
    path = xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
    message, change = OTHERS[difference]
    with pytest.raises(InputError, match=f"holds another Dataset than obj: .*{message}"):
        xsm.write_zarr(change(lazy()), path, progress=False)
    for mode in ("overwrite", "w"):
        xsm.write_zarr(change(lazy()), path, mode=mode, progress=False)
        with xr.open_zarr(path) as written:
            xr.testing.assert_identical(written.load(), change(lazy()).load())
        assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


def test_an_interrupted_replacement_leaves_the_old_store(tmp_path):
    path, computed = tmp_path / "out.zarr", []
    old = lazy().assign_attrs(title="old")
    xsm.write_zarr(old, path, progress=False)
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(lazy(computed, (1, 0)), path, mode="overwrite", progress=False)
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), old.load())
    xsm.write_zarr(lazy(computed), path, mode="overwrite", progress=False)
    assert computed == [(0, 0), (0, 1), (1, 0), (1, 1)]
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), lazy().load())
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


def test_replaced_by_what_is_made_from_it(tmp_path):
    path = xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
    with xr.open_zarr(path) as ds:
        doubled = ds.assign(sm=2 * ds["sm"])
        expected = doubled.load()
        xsm.write_zarr(doubled.chunk(lat=2, lon=3), path, mode="overwrite", progress=False)
    with xr.open_zarr(path) as written:
        xr.testing.assert_equal(written.load(), expected)


def test_an_interrupted_store_of_another_job_is_replaced(tmp_path):
    path = tmp_path / "out.zarr"
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(lazy(fail_at=(1, 1)), path, progress=False)
    other = lazy().rename(sm="other")
    xsm.write_zarr(other, path, mode="overwrite", progress=False)
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), other.load())
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]


@pytest.mark.parametrize("mode", ["resume", "overwrite"])
def test_what_is_no_store_is_never_removed(tmp_path, mode):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter").write_text("text")
    with pytest.raises(InputError, match="is no Zarr store"):
        xsm.write_zarr(lazy(), tmp_path / "thesis", mode=mode, progress=False)
    assert (tmp_path / "thesis" / "chapter").read_text() == "text"


@pytest.mark.parametrize("stopped_at", ["create", "mark", "write_checksums"])
@pytest.mark.parametrize("late", [False, True])
def test_stopped_while_the_store_is_created(tmp_path, monkeypatch, stopped_at, late):
    """Before or after a step: the next call goes on."""
    step = getattr(WriteLog, stopped_at)

    def stop(*args):
        if late:
            step(*args)
        raise KeyboardInterrupt

    path = tmp_path / "out.zarr"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(WriteLog, stopped_at, stop)
        xsm.write_zarr(lazy(), path, progress=False)
    xsm.write_zarr(lazy(), path, progress=False)
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), lazy().load())


def test_packing_and_grid_mapping_are_written_chunks_are_not(tmp_path):
    ds = lazy().assign_coords(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    ds["sm"].encoding = {
        "dtype": "int16",
        "scale_factor": 0.5,
        "_FillValue": -1,
        "grid_mapping": "crs",
        "chunks": (5, 4, 6),
        "zlib": True,
    }
    path = xsm.write_zarr(ds, tmp_path / "out.zarr", progress=False)
    with xr.open_zarr(path, decode_coords="all") as written:
        np.testing.assert_array_equal(written["sm"], ds["sm"])
        encoding = written["sm"].encoding
        assert (encoding["dtype"], encoding["grid_mapping"]) == (np.int16, "crs")
        assert encoding["chunks"] == (5, 2, 3)
    assert xsm.write_zarr(ds, path, progress=False) == path


def test_over_time_when_nothing_else_is_chunked(tmp_path):
    ds = lazy().load().chunk(time=2)
    with xr.open_zarr(xsm.write_zarr(ds, tmp_path / "o.zarr")) as found:
        xr.testing.assert_identical(found.load(), ds.load())


def test_a_single_region(tmp_path):
    ds = lazy().load().chunk()
    with xr.open_zarr(xsm.write_zarr(ds, tmp_path / "o.zarr")) as found:
        xr.testing.assert_identical(found.load(), ds.load())


def test_bad_input(tmp_path):
    path = tmp_path / "out.zarr"
    with pytest.raises(InputError, match="no Dask array"):
        xsm.write_zarr(lazy().load(), path)
    with pytest.raises(InputError, match="expected a Dataset"):
        xsm.write_zarr(lazy().sm, path)
    with pytest.raises(InputError, match=r"region_dims=\['depth'\]"):
        xsm.write_zarr(lazy(), path, region_dims="depth")
    with pytest.raises(InputError, match="mode='a': expected 'resume'"):
        xsm.write_zarr(lazy(), path, mode="a")
    with pytest.raises(InputError, match="regular"):
        xsm.write_zarr(lazy()[["sm"]].chunk(lat=(1, 2, 1)), path, progress=False)


def test_an_estimate(tmp_path):
    ds = world()
    whole = ds.sm.estimate(model=any_model())
    part = ds.chunk(lat=2, lon=3).sm.estimate(model=any_model())
    with xr.open_zarr(xsm.write_zarr(part, tmp_path / "e.zarr")) as found:
        for name in whole.data_vars:
            np.testing.assert_allclose(found[name], whole[name], rtol=1e-6, atol=1e-7)


def test_time_is_found_by_its_dates_not_its_name(tmp_path):
    ds = lazy().load().assign_coords(time=np.datetime64("2015-04-01", "ns") + np.arange(5))
    ds = ds.rename(time="valid_at").chunk(valid_at=2, lat=2)
    assert writing._region_dims(ds, None) == (["lat"], False)
    with xr.open_zarr(xsm.write_zarr(ds, tmp_path / "o.zarr", progress=False)) as found:
        xr.testing.assert_identical(found.load(), ds.load())


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("over", [None, "time"])
def test_filled_gaps_compute_the_statistics_once(record, tmp_path, over, monkeypatch):
    known = []
    original = lazy_statistics._first_planes
    monkeypatch.setattr(lazy_statistics, "_first_planes", lambda x: known.append(1) or original(x))
    part = xr.concat([record] * 4, "time").assign_coords(
        time=record["time"].values[0] + np.arange(48) * np.timedelta64(1, "D")
    )
    whole = part.sm.gapfill()
    known.clear()
    chunked = part.chunk(time=12, lat=5).sm.gapfill()
    path = xsm.write_zarr(chunked, tmp_path / "g.zarr", region_dims=over, progress=False)
    assert len(known) == 1
    with xr.open_zarr(path) as found:
        for name in whole.data_vars:
            np.testing.assert_allclose(found[name], whole[name], rtol=2e-6)
            assert found[name].attrs.keys() == whole[name].attrs.keys()
    known.clear()
    xsm.write_zarr(chunked, path, region_dims=over, progress=False)
    assert not known


def chunk_files(path, name="sm"):
    """Files of the chunks of a variable."""
    return sorted(p for p in (path / name).rglob("*") if p.is_file() and p.name[0] not in "z.")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("damage", ["truncated", "changed", "lost", "empty"])
@pytest.mark.parametrize("finished", [True, False])
def test_damaged_chunks_are_written_again(tmp_path, damage, zarr_format, finished, caplog):
    path, computed = tmp_path / "out.zarr", []
    encoding = {"sm": {"compressors": None}}
    options = {"zarr_format": zarr_format, "encoding": encoding, "progress": False}
    fail_at = None if finished else (1, 1)
    try:
        xsm.write_zarr(lazy(fail_at=fail_at), path, **options)
    except OSError:
        assert not finished
    file = chunk_files(path)[1]
    content = bytearray(file.read_bytes())
    if damage == "lost":
        file.unlink()
    else:
        content[5] ^= 4
        changed = {"truncated": content[: len(content) // 2], "changed": content, "empty": b""}
        file.write_bytes(bytes(changed[damage]))
    xsm.write_zarr(lazy(computed), path, **options)
    assert "1 of 5 regions do not have their checksum" in caplog.text if finished else True
    assert computed == ([(0, 1)] if finished else [(0, 1), (1, 1)])
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), lazy().load())
    assert zarr.open_group(path, mode="r").metadata.zarr_format == zarr_format
    xsm.write_zarr(lazy(computed), path, **options)
    assert len(computed) == (1 if finished else 2)


def test_a_damaged_coordinate_is_written_again(tmp_path):
    path = xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
    for name in ("lat", "area"):
        chunk_files(path, name)[0].write_bytes(b"")
        xsm.write_zarr(lazy(), path, progress=False)
        with xr.open_zarr(path) as written:
            xr.testing.assert_identical(written.load(), lazy().load())


def test_a_damaged_log_is_an_error(tmp_path):
    path = xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
    (path / LOG / "zarr.json").write_text("")
    with pytest.raises(InputError, match="whose log is damaged.*mode='overwrite'"):
        xsm.write_zarr(lazy(), path, progress=False)


def test_folders_of_similar_names_are_not_touched(tmp_path):
    for end in (".partial", ".new", ".progress.json"):
        (tmp_path / f"out.zarr{end}").mkdir()
        (tmp_path / f"out.zarr{end}" / "mine").write_text("text")
    path = xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
    with pytest.raises(InputError, match=r"out.zarr.new'.*Move it away"):
        xsm.write_zarr(lazy().assign_attrs(a=1), path, mode="overwrite", progress=False)
    for end in (".partial", ".new", ".progress.json"):
        assert (tmp_path / f"out.zarr{end}" / "mine").read_text() == "text"


def test_other_places_than_folders(tmp_path, monkeypatch):
    store = zarr.storage.MemoryStore()
    assert xsm.write_zarr(lazy(), store, progress=False) is store
    xr.testing.assert_identical(xr.open_zarr(store).load(), lazy().load())
    xsm.write_zarr(lazy().assign_attrs(a=1), store, mode="overwrite", progress=False)
    xr.testing.assert_identical(xr.open_zarr(store).load(), lazy().assign_attrs(a=1).load())
    monkeypatch.chdir(tmp_path)
    url = "memory://test_zarr/out.zarr"
    assert xsm.write_zarr(lazy(), url, progress=False) == url
    xr.testing.assert_identical(xr.open_zarr(url).load(), lazy().load())
    for other, error, message in (
        ("nonesuch://b/o.zarr", InputError, "Protocol not known"),
        (3, InputError, "expected a folder, a URL or a store"),
    ):
        with pytest.raises(error, match=message):
            xsm.write_zarr(lazy(), other)
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingPackageError, match="s3://bucket/o.zarr' needs the package"):
        xsm.write_zarr(lazy(), "s3://bucket/o.zarr")
    assert list(tmp_path.iterdir()) == []


def test_shards(tmp_path):
    encoding = {"sm": {"chunks": (5, 2, 3), "shards": (5, 4, 3)}}
    path, computed = tmp_path / "out.zarr", []
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(lazy(fail_at=(1, 1)), path, encoding=encoding, progress=False)
    xsm.write_zarr(lazy(computed), path, encoding=encoding, progress=False)
    assert sorted(computed) == [(0, 1), (1, 1)]
    assert zarr.open_group(path, mode="r")["sm"].shards == (5, 4, 3)
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), lazy().load())


def test_several_regions_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 2)
    both = threading.Barrier(2)

    def meet(block):
        both.wait(30)  # for a block of another region
        return block

    ds = lazy()
    meta = ds["sm"].data._meta
    ds["sm"] = ds["sm"].copy(data=ds["sm"].data.map_blocks(meet, dtype=np.float32, meta=meta))
    with dask.config.set(scheduler="threads", num_workers=4):
        path = xsm.write_zarr(ds, tmp_path / "out.zarr", progress=False)
    with xr.open_zarr(path) as written:
        xr.testing.assert_identical(written.load(), lazy().load())


def test_a_block_of_work_is_computed_once_however_small_the_chunks(tmp_path):
    computed = []

    def block(x):
        computed.append(x.shape)
        return x + 1

    x = da.zeros((24, 6), chunks=(12, 3))
    work = as_block(x.map_blocks(block, dtype=float, meta=np.empty((0, 0))))
    for chunks in ((1, 3), (4, 1), (12, 6)):
        ds = xr.Dataset({"sm": (("time", "lat"), work.rechunk(chunks))})
        computed.clear()
        with xr.open_zarr(xsm.write_zarr(ds, tmp_path / f"{chunks}", progress=False)) as written:
            assert (written["sm"] == 1).all() and written["sm"].chunks == ds["sm"].chunks
        assert computed == [(12, 3)] * 4
    assert writing._regions(ds, ["time", "lat"], {}, True)[0] == {
        "time": slice(0, 12),
        "lat": slice(0, 6),
    }


def test_other_values_of_the_input_are_another_dataset(tmp_path):
    path = tmp_path / "out.zarr"

    def result(factor):
        x = da.from_array(np.arange(24.0).reshape(6, 4) * factor, chunks=(2, 4))
        (out,) = with_fingerprint([x + 1], [x])
        return xr.Dataset({"sm": (("time", "lat"), out)}).isel(lat=slice(3))

    xsm.write_zarr(result(1), path, progress=False)
    xsm.write_zarr(result(1), path, progress=False)
    with pytest.raises(InputError, match="the checksum of the input, whose values have changed"):
        xsm.write_zarr(result(2), path, progress=False)


def test_another_call_is_another_dataset(tmp_path):
    path = tmp_path / "out.zarr"
    line = "2026-01-01T00:00:00Z xsm 0.1.0 gapfill('sm', max_gap={}), network default\nother"
    xsm.write_zarr(lazy().assign_attrs(history=line.format(3)), path, progress=False)
    later = line.format(3).replace("2026-01-01", "2026-02-02")
    xsm.write_zarr(lazy().assign_attrs(history=later), path, progress=False)
    with pytest.raises(InputError, match=r"the calls that made it is .*max_gap=3.*max_gap=4"):
        xsm.write_zarr(lazy().assign_attrs(history=line.format(4)), path, progress=False)


@pytest.mark.parametrize("value", [np.datetime64("2020-01-01"), b"bytes", 1j])
def test_attributes_that_no_file_can_hold_are_named(tmp_path, value):
    with pytest.raises(InputError, match=r"cannot be written|no file can hold: made=.* of sm"):
        ds = lazy()
        ds["sm"].attrs["made"] = value
        xsm.write_zarr(ds, tmp_path / "out.zarr", progress=False)


PACKED = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -9999}
TOO_NARROW = {
    "beyond the type": ({**PACKED, "scale_factor": 0.001}, "120 would be read as another value"),
    "the number of missing values": ({**PACKED, "_FillValue": 100}, "1 would be read as another"),
    "missing without a number": ({"dtype": "int16"}, "missing values, and there is no _FillValue"),
}


@pytest.mark.filterwarnings("ignore:saving variable None with floating point")
@pytest.mark.parametrize("name", ["sm", "area", "series"])
@pytest.mark.parametrize("case", TOO_NARROW)
def test_an_encoding_that_cannot_hold_the_values(case, name, tmp_path):
    """xarray lets such numbers wrap round."""
    encoding, text = TOO_NARROW[case]
    values = xr.DataArray([1.0, np.nan, 120.0], dims="n").astype(np.float32)
    sm = lazy()["sm"].where(lambda sm: sm > 0, 1.0).where(lambda sm: sm < 30.0, 120.0)
    ds = lazy().assign(sm=sm.where(sm["lon"] != 2), area=values, series=values.chunk())
    for given, kept in (({name: encoding}, {}), ({}, encoding)):
        ds[name].encoding = kept
        with pytest.raises(InputError, match=f"{name} cannot be stored as int16.*{text}"):
            xsm.write_zarr(ds, tmp_path / str(len(kept)), encoding=given, progress=False)
    xsm.write_zarr(ds, tmp_path / "held", encoding={name: PACKED}, progress=False)
    with xr.open_zarr(tmp_path / "held") as found:
        np.testing.assert_allclose(found[name], ds[name], atol=0.005)
