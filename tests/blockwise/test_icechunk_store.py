"""A repository of Icechunk: a commit for each region, and only whole regions are seen."""

import dask
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.blockwise.test_zarr import lazy
from xsm.errors import InputError

icechunk = pytest.importorskip("icechunk", reason="needs the package icechunk")


@pytest.fixture
def storage(tmp_path):
    return icechunk.local_filesystem_storage(str(tmp_path / "repository"))


@pytest.fixture
def repository(storage):
    with dask.config.set(scheduler="synchronous"):
        yield icechunk.Repository.create(storage)


def read(repository) -> xr.Dataset:
    store = repository.readonly_session("main").store
    with xr.open_zarr(store, consolidated=False) as ds:
        return ds.load()


def messages(repository) -> list[str]:
    return [commit.message for commit in repository.ancestry(branch="main")][::-1][1:]


REGION = "xsm: 1 of 4 regions"


def test_a_commit_for_each_region(repository):
    assert xsm.write_zarr(lazy(), repository, progress=False) is repository
    xr.testing.assert_identical(read(repository), lazy().load())
    assert messages(repository) == ["xsm: arrays created", *[REGION] * 4, "xsm: complete"]
    xsm.write_zarr(lazy(), repository, progress=False)  # a finished store is done
    assert len(messages(repository)) == 6
    with pytest.raises(InputError, match="holds another Dataset.*attribute 'title'"):
        xsm.write_zarr(lazy().assign_attrs(title="x"), repository, progress=False)
    xsm.write_zarr(lazy().assign_attrs(title="x"), repository, mode="overwrite", progress=False)
    assert read(repository).attrs["title"] == "x"
    first = list(repository.ancestry(branch="main"))[-7]
    old = xr.open_zarr(repository.readonly_session(snapshot_id=first.id).store, consolidated=False)
    xr.testing.assert_identical(old.load(), lazy().load())  # the history keeps what was replaced


def test_an_interrupted_call_goes_on_from_the_last_commit(repository, storage):
    computed = []
    with pytest.raises(OSError, match="disk full"):
        xsm.write_zarr(lazy(computed, fail_at=(1, 0)), repository, progress=False)
    part = read(repository)["sm"].values  # regions are there as a whole or not at all
    np.testing.assert_array_equal(part[:, :2], lazy()["sm"].values[:, :2])
    again = icechunk.Repository.open(storage)
    xsm.write_zarr(lazy(computed), again, progress=False)
    assert computed == [(0, 0), (0, 1), (1, 0), (1, 1)]
    xr.testing.assert_identical(read(again), lazy().load())


def test_another_writer_of_the_branch(repository, storage):
    other = icechunk.Repository.open(storage)

    def block(block_info=None):
        if block_info[None]["chunk-location"] == (0, 1, 0):
            session = other.writable_session("main")
            session.store  # noqa: B018
            import zarr

            zarr.open_group(session.store, mode="r+").attrs["other"] = 1
            session.commit("other")
        shape = tuple(np.ptp(ends) for ends in block_info[None]["array-location"])
        return np.ones(shape, np.float32)

    values = dask.array.map_blocks(block, chunks=((5,), (2, 2), (3, 3)), dtype=np.float32)
    ds = xr.Dataset({"sm": (("time", "lat", "lon"), values)})
    with pytest.raises(InputError, match="was changed by another writer"):
        xsm.write_zarr(ds, repository, progress=False)
    assert read(repository).attrs["other"] == 1


def test_a_session_of_the_user_is_left_to_the_user(repository):
    session = repository.writable_session("main")
    xsm.write_zarr(lazy(), session.store, progress=False)
    assert messages(repository) == []
    session.commit("mine")
    xr.testing.assert_identical(read(repository), lazy().load())
