"""Small records and stations with known answers."""

import numpy as np
import pandas as pd
import xarray as xr

UNITS = {"units": "m3 m-3"}
NO_NETWORK = {"model": None, "n_realizations": 1}


def grid(days=60, start="2015-04-01", lat=None, lon=None, seed=0, name="soil_moisture"):
    """A gridded record: (time, lat, lon) float32, season and noise of its own in each cell."""
    rng = np.random.default_rng(seed)
    lat = np.arange(44.0, 40.0, -0.5) if lat is None else np.asarray(lat, float)
    lon = np.arange(-5.0, 0.0, 0.5) if lon is None else np.asarray(lon, float)
    time = pd.date_range(start, periods=days, unit="ns")
    wave = 0.25 + 0.08 * np.sin(np.arange(days) / 7.0)[:, None, None]
    values = wave + 0.02 * rng.standard_normal((days, lat.size, lon.size))
    return xr.Dataset(
        {name: (("time", "lat", "lon"), values.astype(np.float32), dict(UNITS))},
        coords={
            "time": time,
            "lat": ("lat", lat, {"units": "degrees_north"}),
            "lon": ("lon", lon, {"units": "degrees_east"}),
        },
    )


def stations(lat, lon, time, values, **about):
    """Stations: values (station, time)."""
    values = np.atleast_2d(np.asarray(values, np.float32))
    coords = {"lat": ("station", np.atleast_1d(lat)), "lon": ("station", np.atleast_1d(lon))}
    coords |= {name: ("station", np.atleast_1d(column)) for name, column in about.items()}
    return xr.Dataset(
        {"soil_moisture": (("station", "time"), values, dict(UNITS))}, coords | {"time": time}
    )


def cell(ds, row, column, add=0.0):
    """The series of a cell, plus a number."""
    return ds.soil_moisture.values[:, row, column] + np.float32(add)


def gappy(days=30, share=0.3, seed=2, **kw):
    """A record with single cells missing."""
    ds = grid(days, lat=np.arange(50.0, 35, -0.5), lon=np.arange(-10.0, 5, 0.5), **kw)
    lost = np.random.default_rng(seed).random(ds.soil_moisture.shape) < share
    return ds.assign(soil_moisture=ds.soil_moisture.where(~lost))
