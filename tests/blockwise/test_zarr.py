"""Region by region into Zarr: everything arrives, an interrupted call is gone on with."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import any_model, world
from xsm.blockwise import zarr as writing
from xsm.errors import InputError
from xsm.gapfilling import statistics

pytest.importorskip("zarr")


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
        {"time": np.arange(5), "lat": np.arange(4.0), "lon": np.arange(6.0)},
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
    names = r"of sm, rain, area \(.*lat=4.*obj is other, rain, area \(.*mode='overwrite'"
    with pytest.raises(InputError, match=f"unfinished store of another Dataset.*{names}"):
        xsm.write_zarr(lazy().rename(sm="other"), path, progress=False)
    later = lazy().assign_coords(time=np.arange(5) + 365)
    with pytest.raises(InputError, match="time 0 to 4.*time 365 to 369"):
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


def test_a_store_without_its_name_yet_is_not_a_finished_one(tmp_path, monkeypatch):
    from pathlib import Path

    def stopped(self, target):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", stopped)
        xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
    path = xsm.write_zarr(lazy(), tmp_path / "out.zarr", progress=False)
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
    assert writing._region_dims(ds, None) == ["lat"]
    with xr.open_zarr(xsm.write_zarr(ds, tmp_path / "o.zarr", progress=False)) as found:
        xr.testing.assert_identical(found.load(), ds.load())


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("over", [None, "time"])
def test_filled_gaps_compute_the_statistics_once(record, tmp_path, over, monkeypatch):
    known = []
    original = statistics.merge_moments
    monkeypatch.setattr(statistics, "merge_moments", lambda x: known.append(1) or original(x))
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
