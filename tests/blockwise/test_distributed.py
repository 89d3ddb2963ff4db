"""On processes and on a cluster: the bits of one thread, and a worker that dies changes none."""

import time
from contextlib import contextmanager

import numpy as np
import pytest
import xarray as xr

import xsm
from benchmarks.scale import block_memory, local_cluster
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
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
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
    client.wait_for_workers(1)
    worker = next(iter(client.run(int)))
    client.run(os._exit, 1, workers=[worker], on_error="ignore")
    same_bits(future.result(timeout=60), expected)
    assert np.isfinite(expected["soil_moisture"]).any()


@pytest.fixture(scope="module")
def months() -> xr.Dataset:
    """Four months, each a block of work."""
    return block_memory.record(120, 30, (8, 8))


def slowly_read(lazy, seconds=0.1):
    """`lazy` whose chunks take a while."""

    def wait(block):
        time.sleep(seconds)
        return block

    data = lazy["sm"].data
    slow = data.map_blocks(wait, dtype=data.dtype, meta=data._meta)
    return lazy.assign(sm=lazy["sm"].copy(data=slow))


@pytest.mark.parametrize("call", ["compute", "to_zarr", "write_zarr"])
def test_blocks_of_two_workers_overlap_in_time(client, months, tmp_path, call):
    from distributed import get_task_stream

    client.wait_for_workers(2)  # one may be starting again, and has to import first
    client.run(local_cluster.compile_all)
    filled = fill(slowly_read(months))
    with get_task_stream(client) as stream:
        if call == "write_zarr":
            xsm.write_zarr(filled, tmp_path / "filled.zarr", progress=False)
        elif call == "to_zarr":
            filled.to_zarr(tmp_path / "filled.zarr", consolidated=False)
        else:
            filled.compute()
    blocks = [
        (step["start"], step["stop"], row["worker"])
        for row in stream.data
        for step in row["startstops"]
        if step["action"] == "compute"
        and any(name in str(row["key"]) for name in ("xsm-block-", "xsm-region-"))
    ]
    assert len(blocks) > 2
    assert any(a[0] < b[1] and b[0] < a[1] and a[2] != b[2] for a in blocks for b in blocks)


@contextmanager
def small_cluster(**settings):
    """One worker of one thread, in this process."""
    distributed = pytest.importorskip("distributed", reason="needs dask.distributed")
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address=":0",
            memory_limit=4e9,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(1)
        yield cluster, client


def test_an_input_that_the_workers_hold(months, tmp_path, client):
    expected = fill(months).compute(scheduler="synchronous")
    held = months.persist()
    same_bits(fill(held).compute(), expected)
    beside = fill(held).assign(raw=held["sm"])
    path = xsm.write_zarr(beside, tmp_path / "filled.zarr", progress=False)
    with xr.open_zarr(path) as written:
        same_bits(written.load()[list(expected.data_vars)], expected)


def test_a_region_is_filled_and_written_by_one_task(months, tmp_path, client, monkeypatch):
    from xsm.blockwise import zarr

    expected, tasks = fill(months).compute(scheduler="synchronous"), []

    def counted(value, sources, original=zarr.as_one_task):
        value = original(value, sources)
        graph = dict(value.__dask_graph__())
        tasks.append([key for key in graph if not str(key).startswith("('xsm-shared-")])
        return value

    monkeypatch.setattr(zarr, "as_one_task", counted)
    path = xsm.write_zarr(fill(months), tmp_path / "filled.zarr", progress=False)
    assert len(tasks) > 1 and {len(keys) for keys in tasks} == {1}
    with xr.open_zarr(path) as written:
        same_bits(written.load()[list(expected.data_vars)], expected)


def test_values_that_are_spilled_to_disk(months):
    expected = fill(months).compute(scheduler="synchronous")
    little = {"distributed.worker.memory.target": 1e-6, "distributed.worker.memory.spill": False}
    with small_cluster(**little) as (_, client):
        held = fill(months).persist()
        result = held.compute()
        (spilled,) = client.run(lambda dask_worker: len(dask_worker.data.slow)).values()
        assert spilled > 0
        same_bits(result, expected)


def test_workers_that_come_while_it_runs(months, tmp_path):
    expected = fill(months).compute(scheduler="synchronous")
    slow = fill(slowly_read(months))
    with small_cluster() as (cluster, client):
        adaptive = cluster.adapt(
            minimum=1, maximum=2, interval="50 ms", target_duration="100 ms", wait_count=100
        )
        same_bits(slow.compute(), expected)
        path = xsm.write_zarr(slow, tmp_path / "filled.zarr", progress=False)
        assert "up" in {step["status"] for _, step in adaptive.log}
        assert len(client.scheduler_info()["workers"]) == 2
    with xr.open_zarr(path) as written:
        same_bits(written.load()[list(expected.data_vars)], expected)


def test_tasks_that_are_stolen(months):
    expected = fill(months).compute(scheduler="synchronous")
    # the first worker has all tasks when the second comes
    settings = {
        "distributed.scheduler.worker-saturation": float("inf"),
        "distributed.scheduler.work-stealing-interval": "20 ms",
    }
    with small_cluster(**settings) as (cluster, client):
        future = client.compute(fill(slowly_read(months)))
        time.sleep(0.3)
        cluster.scale(2)
        same_bits(future.result(timeout=120), expected)
        assert client.get_events("stealing")
