"""Small files in the form of further models, and of CYGNSS."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np

from tests.opening.made_parts import (
    H,
    Made,
    W,
    axes,
    daily_mean,
    days,
    put,
    put_axes,
    some_values,
    with_sea,
)
from xsm.opening.ease_grid import ease2_axes

FILL = np.float32(-9999)


def stretch(kilometres, row, column):
    """Axes of a part of the EASE-Grid 2.0."""
    lat, lon = ease2_axes(kilometres)
    return lat[row : row + H], lon[column : column + W]


def put_fields(group, names, dims, lat, lon, **attrs):
    """Write 2-D latitudes and longitudes."""
    for name, degrees in zip(names, np.meshgrid(lat, lon, indexing="ij"), strict=True):
        put(group, name, dims, degrees.astype(np.float32), fill=FILL, **attrs)


def smap_l4(folder):
    """SMAP L4: data in a group, places and time in the root, 3-hourly, J2000 seconds."""
    lat, lon = stretch(9.0, 700, 2000)
    values = with_sea(some_values(16, seed=21))
    paths = []
    for k in range(16):
        day, clock = days()[k // 8], f"{3 * (k % 8) + 1:02d}3000"
        path = Path(folder) / f"SMAP_L4_SM_gph_{day.replace('-', '')}T{clock}_Vv7032_001.h5"
        when = np.datetime64(f"{day}T{clock[:2]}:30") - np.datetime64("2000-01-01T12:00")
        with netCDF4.Dataset(path, "w") as root:
            root.Title = "SMAP L4_SM Geophysical (GPH) Data Granule"
            units = "seconds since 2000-01-01 11:58:55.816"
            put(root, "time", ("time",), [when.astype(int) * 60 + 64.184], units=units)
            for dim, size, step in (("y", H, -9000.0), ("x", W, 9000.0)):
                metres = {"units": "m", "standard_name": f"projection_{dim}_coordinate"}
                put(root, dim, (dim,), step * np.arange(size), **metres)
            put_fields(root, ("cell_lat", "cell_lon"), ("y", "x"), lat, lon, units="degrees")
            group = root.createGroup("Geophysical_Data")
            attrs = {"valid_min": np.float32(0), "valid_max": np.float32(0.9), "fill": FILL}
            attrs |= {"coordinates": "cell_lat cell_lon", "missing_value": FILL}
            for name in ("sm_surface", "sm_rootzone"):
                variable = group.createVariable(name, "f4", ("y", "x"), fill_value=attrs["fill"])
                variable.setncatts(
                    {"units": "m3 m-3"} | {k: attrs[k] for k in attrs if k != "fill"}
                )
                variable[...] = np.ma.masked_invalid(values[k] / (1 + (name != "sm_surface")))
        paths.append(path)
    return Made(paths, daily_mean(values, 8), lat, lon, days(), "sm_surface")


def cygnss(folder):
    """CYGNSS: 2-D places, parts of the day beside the day, day of the year in the name."""
    lat, lon = stretch(36.0, 100, 400)
    values, paths = some_values(2, seed=22), []
    for k, number in enumerate((30, 31)):
        path = Path(folder) / f"ucar_cu_cygnss_sm_v1_2016_0{number}.nc"
        with netCDF4.Dataset(path, "w") as root:
            put_fields(root, ("latitude", "longitude"), ("lat", "lon"), lat, lon)
            put(root, "timeintervals", ("timeslices", "startstop"), np.arange(8.0).reshape(4, 2))
            put(root, "SM_daily", ("lat", "lon"), values[k], fill=FILL, units="cm3 cm-3")
            put(root, "SIGMA_daily", ("lat", "lon"), values[k] / 10, fill=FILL, units="cm3 cm-3")
            parts = np.stack(4 * [values[k]])
            put(root, "SM_subdaily", ("timeslices", "lat", "lon"), parts, fill=FILL)
        paths.append(path)
    return Made(paths, values, lat, lon, days(), "SM_daily")


def gleam(folder):
    """GLEAM v3: a year in a file, longitude before latitude."""
    lat, lon = axes()
    values, path = with_sea(some_values(3, seed=23)), Path(folder) / "SMsurf_2016_GLEAM_v3.6a.nc"
    with netCDF4.Dataset(path, "w") as root:
        put(root, "time", ("time",), 16830.0 + np.arange(3), units="days since 1970-01-01")
        put_axes(root, lat.astype(np.float32), lon.astype(np.float32))
        stored = values.transpose(0, 2, 1)
        put(root, "SMsurf", ("time", "lon", "lat"), stored, fill=np.float32(-999), units="m3/m3")
    return Made([path], values, lat, lon, days(3), "SMsurf")


def nldas(folder):
    """NLDAS-2 Noah in NetCDF: hourly, kg m-2 of 0-10 cm, south first."""
    lat, lon = 30.0625 + 0.125 * np.arange(H), -100.0625 + 0.125 * np.arange(W)
    values, paths = with_sea(some_values(24, seed=24)), []
    for hour in range(24):
        path = Path(folder) / f"NLDAS_NOAH0125_H.A20160130.{hour:02d}00.020.nc"
        with netCDF4.Dataset(path, "w") as root:
            put_axes(root, lat, lon)
            put(root, "time", ("time",), [float(hour)], units="hours since 2016-01-30")
            attrs = {"units": "kg m-2", "cell_methods": "time: point", "missing_value": FILL}
            for name in ("SoilM_0_10cm", "SoilM_10_40cm", "SoilM_0_100cm"):
                mass = 100 * values[hour : hour + 1]
                put(root, name, ("time", "lat", "lon"), mass, fill=FILL, **attrs)
        paths.append(path)
    return Made(paths, daily_mean(values, 24), lat, lon, days(1), "SoilM_0_10cm")


def merra2(folder):
    """MERRA-2: hourly means, fill values of 1e15, the unit misspelt, a range that says nothing."""
    lat, lon = 40.0 + 0.5 * np.arange(H), -180.0 + 0.625 * np.arange(W)
    values = with_sea(some_values(24, seed=25))
    path = Path(folder) / "MERRA2_400.tavg1_2d_lnd_Nx.20160130.nc4"
    with netCDF4.Dataset(path, "w") as root:
        root.Title = "MERRA2 tavg1_2d_lnd_Nx: 2d,1-Hourly,Time-Averaged,Single-Level"
        put_axes(root, lat, lon)
        units = "minutes since 2016-01-30 00:30:00"
        put(root, "time", ("time",), 60 * np.arange(24, dtype=np.int32), units=units)
        fill = np.float32(1e15)
        attrs = {"missing_value": fill, "valid_range": np.array([-1e15, 1e15], np.float32)}
        attrs |= {"scale_factor": np.float32(1), "add_offset": np.float32(0)}
        for name, unit in (("SFMC", "m-3 m-3"), ("RZMC", "m-3 m-3"), ("GWETTOP", "1")):
            dims = ("time", "lat", "lon")
            put(root, name, dims, values, fill=fill, units=unit, **attrs)
    return Made([path], daily_mean(values, 24), lat, lon, days(1), "SFMC")
