"""On processes and on a cluster: the bits of one thread, and a worker that dies changes none."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import any_model, world
from tests.test_gapfill_fuzz import MODEL
from xsm.blockwise import worker_slots

dask = pytest.importorskip("dask", reason="needs xsm[dask]")


@pytest.fixture
def lazy(record) -> xr.Dataset:
    return record.chunk(time=5, lat=4)


def fill(lazy):
    return lazy.sm.gapfill(model=MODEL, calibrate=False)


def same_bits(one, other):
    for name in one.data_vars:
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


def test_processes_give_the_bits_of_one_thread(lazy):
    filled = fill(lazy)
    expected = filled.compute(scheduler="synchronous")
    same_bits(filled.compute(scheduler="threads", num_workers=4), expected)
    same_bits(filled.compute(scheduler="processes", num_workers=2), expected)


def test_threads_of_the_kernels_are_those_of_the_worker(monkeypatch):
    import xsm_kernels

    assert worker_slots.worker_threads() is None
    everything = xsm_kernels.thread_count()
    monkeypatch.setattr(worker_slots, "worker_threads", lambda: 1)
    with worker_slots.network_slot():
        assert xsm_kernels.thread_count() == 1
    assert xsm_kernels.thread_count() == everything


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_cluster_gives_the_bits_of_one_thread(client, lazy, tmp_path):
    expected = fill(lazy).compute(scheduler="synchronous")
    same_bits(fill(lazy).compute(), expected)
    path = xsm.write_zarr(fill(lazy), tmp_path / "filled.zarr", progress=False)
    with xr.open_zarr(path) as written:
        same_bits(written.load()[list(expected.data_vars)], expected)
    ds = world().chunk(lat=2, lon=3)
    estimate = ds.sm.estimate(model=any_model())
    same_bits(estimate.compute(), estimate.compute(scheduler="synchronous"))
    scores = xsm.metrics.ubrmsd(lazy.soil_moisture, lazy.soil_moisture * 1.1, dim="time")
    assert scores.compute().equals(scores.compute(scheduler="synchronous"))


def test_workers_have_their_share_of_the_processors(client):
    from dask import delayed

    assert delayed(worker_slots.worker_threads)().compute() == 1


def test_a_worker_that_dies_changes_nothing(client, lazy):
    import os

    expected = fill(lazy).compute(scheduler="synchronous")
    future = client.compute(fill(lazy))
    worker = next(iter(client.scheduler_info()["workers"]))
    client.run(os._exit, 1, workers=[worker], on_error="ignore")
    same_bits(future.result(timeout=60), expected)
    assert np.isfinite(expected["soil_moisture"]).any()
