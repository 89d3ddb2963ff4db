"""Read a table of daily station means as a Dataset of stations."""

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
    """Read the sensors in ``us_stations.csv`` and their values in ``us_stations_daily.csv.gz``.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time), m3 m-3, daily; one entry of station is one sensor.
    """
    metadata = pd.read_csv(folder / "us_stations.csv").set_index("sensor_id")
    daily = pd.read_csv(folder / "us_stations_daily.csv.gz", parse_dates=["date"])
    table = daily.pivot(index="sensor_id", columns="date", values="value").reindex(metadata.index)
    time = pd.date_range(table.columns[0], table.columns[-1], unit="ns")
    table = table.reindex(columns=time)
    coords = {
        name: ("station", metadata[column].astype(str).to_numpy(str))
        if metadata[column].dtype.kind not in "fi"
        else ("station", metadata[column].to_numpy(float))
        for column, name in COLUMNS.items()
    }
    values = table.to_numpy(np.float32)
    return xr.Dataset(
        {"soil_moisture": (("station", "time"), values, {"units": "m3 m-3"})},
        coords | {"time": time},
    )
