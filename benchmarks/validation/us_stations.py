"""A table of daily station means made a Dataset of stations, for the benchmarks only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

COLUMNS = {
    "lat": "lat", "lon": "lon", "elev": "elevation", "network": "network",
    "station": "station_name", "sensor": "sensor", "depth_from": "depth_from",
    "depth_to": "depth_to",
}  # fmt: skip


def us_stations(folder: Path) -> xr.Dataset:
    """The sensors in ``us_stations.csv`` and their values in ``us_stations_daily.csv.gz``.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time), m3 m-3, daily; one entry of station is one sensor.
    """
    about = pd.read_csv(folder / "us_stations.csv").set_index("sensor_id")
    daily = pd.read_csv(folder / "us_stations_daily.csv.gz", parse_dates=["date"])
    table = daily.pivot(index="sensor_id", columns="date", values="value").reindex(about.index)
    time = pd.date_range(table.columns[0], table.columns[-1], unit="ns")
    table = table.reindex(columns=time)
    coords = {
        ours: ("station", about[theirs].astype(str).to_numpy(str))
        if about[theirs].dtype.kind not in "fi"
        else ("station", about[theirs].to_numpy(float))
        for theirs, ours in COLUMNS.items()
    }
    values = table.to_numpy(np.float32)
    return xr.Dataset(
        {"soil_moisture": (("station", "time"), values, {"units": "m3 m-3"})},
        coords | {"time": time},
    )
