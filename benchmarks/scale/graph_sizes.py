"""Tasks of a lazy call: how many, how long they take to build, how large they are when sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
import xarray as xr

import xsm  # noqa: F401  (registers the accessor)

DECADE = (3653, 720, 1440)
CHUNKS = ((30, 720, 1440), (1, 720, 1440), (365, 90, 90))
YEAR_005 = (365, 3600, 7200)
YEAR_CHUNKS = (365, 100, 100)


def lazy_record(shape: tuple[int, int, int], chunks: tuple[int, int, int]) -> xr.Dataset:
    """A record of zeros on the globe."""
    import dask.array as da

    days, rows, columns = shape
    time_axis = np.datetime64("2010-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")
    return xr.Dataset(
        {"soil_moisture": (("time", "lat", "lon"), da.zeros(shape, np.float32, chunks=chunks))},
        {
            "time": time_axis,
            "lat": 90 - (np.arange(rows) + 0.5) * 180 / rows,
            "lon": -180 + (np.arange(columns) + 0.5) * 360 / columns,
        },
    ).assign_attrs(title="zeros")


def lazy_predictors(shape: tuple[int, int, int], chunks: tuple[int, int, int]) -> xr.Dataset:
    """Predictors of the shipped estimator, zeros."""
    import dask.array as da

    from xsm.networks.model import load_model

    ds = lazy_record(shape, chunks).drop_vars("soil_moisture")
    for row in load_model("default", "estimate").card["predictors"]:
        if row["name"] in ("day_of_year_sin", "day_of_year_cos", "latitude", "longitude"):
            continue
        static = bool(row.get("static"))
        dims = ("lat", "lon") if static else ("time", "lat", "lon")
        size, parts = (shape[1:], chunks[1:]) if static else (shape, chunks)
        values = da.zeros(size, np.float32, chunks=parts)
        ds[row["name"]] = (dims, values, {"units": row["units"]})
    return ds


def graph_size(call: Callable[[], xr.Dataset], names: int = 3) -> dict[str, Any]:
    """Tasks after culling, CPU seconds to build and to optimise, and pickled megabytes."""
    import dask

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("the call computed something")

    start = time.process_time()
    with dask.config.set(scheduler=refuse):
        result = call()
    built = time.process_time() - start
    arrays = [v.data for v in result.data_vars.values() if v.chunks is not None][-names:]
    start = time.process_time()
    graph: dict[Any, Any] = {}
    for array in dask.optimize(*arrays):
        graph.update(dict(array.__dask_graph__()))
    chunks = sum(array.npartitions for array in arrays)
    return {
        "tasks": len(graph),
        "chunks": chunks,
        "tasks_per_chunk": len(graph) / chunks,
        "build_cpu_s": built,
        "optimise_cpu_s": time.process_time() - start,
        "pickled_mb": len(cloudpickle.dumps(graph)) / 1e6,
    }


def measure() -> dict[str, Any]:
    """All graphs."""
    out = {}
    for chunks in CHUNKS:
        ds = lazy_record(DECADE, chunks)
        ds["soil_moisture"].attrs["units"] = "m3 m-3"
        out[f"gapfill {DECADE} in {chunks}"] = graph_size(ds.sm.gapfill)
    ds = lazy_predictors(YEAR_005, YEAR_CHUNKS)
    out[f"estimate {YEAR_005} in {YEAR_CHUNKS}"] = graph_size(ds.sm.estimate)
    return out
