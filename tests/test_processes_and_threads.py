"""Eight threads at once, processes that are forked or spawned, and a running event loop."""

import asyncio
import multiprocessing
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.estimation.worlds import any_model, world
from tests.test_gapfill_fuzz import MODEL
from tests.validation.samples import gappy, stations

ESTIMATOR = any_model()


def results(seed: int) -> dict[str, bytes]:
    """The bits of a fill, an estimate and scores, of a record of its own."""
    ds = gappy(12, seed=seed).isel(lat=slice(8), lon=slice(8))
    filled = ds.sm.gapfill(model=MODEL, progress=False)
    estimate = world(days=40, rows=2, columns=2, seed=seed).sm.estimate(model=ESTIMATOR)
    sites = stations([50.0], [-10.0], ds["time"], ds["soil_moisture"][:, 0, 0].values + 0.01)
    scores = filled[["soil_moisture"]].sm.validate(sites)
    parts = {"fill": filled, "estimate": estimate, "scores": scores}
    return {
        f"{key} {name}": part[name].values.tobytes()
        for key, part in parts.items()
        for name in part.data_vars
    }


def bits_of_process(seed: int, connection) -> None:
    connection.send(results(seed))
    connection.close()


@pytest.fixture(scope="module")
def expected() -> list[dict[str, bytes]]:
    return [results(seed) for seed in range(8)]


def test_eight_threads_at_once(expected):
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            assert list(pool.map(results, range(8))) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="no fork on this system")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_after_use(expected, method):
    """The kernels have threads by now, which a forked process does not have."""
    context = multiprocessing.get_context(method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork while there are threads
        for seed in (0, 1):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=bits_of_process, args=(seed, theirs))
            process.start()
            theirs.close()
            assert ours.poll(240), "the process hangs"
            assert ours.recv() == expected[seed]
            process.join(60)
            assert process.exitcode == 0


def test_within_a_running_event_loop(expected, tmp_path):
    """As in a cell of a Jupyter notebook, whose kernel runs a loop in the main thread."""
    pytest.importorskip("zarr")
    pytest.importorskip("dask")

    async def cell():
        lazy = gappy(12, seed=0).isel(lat=slice(8), lon=slice(8)).chunk(time=6)
        filled = lazy.sm.gapfill(model=MODEL)
        path = xsm.write_zarr(filled, tmp_path / "filled.zarr", progress=False)
        with xr.open_zarr(path) as ds:
            return results(0), ds.load()

    bits, written = asyncio.run(cell())
    assert bits == expected[0]
    np.testing.assert_array_equal(
        written["soil_moisture_flag"],
        gappy(12, seed=0)
        .isel(lat=slice(8), lon=slice(8))
        .sm.gapfill(model=MODEL)["soil_moisture_flag"],
    )
