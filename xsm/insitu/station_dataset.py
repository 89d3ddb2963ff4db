"""From the series of single sensors, which a reader returns, to one Dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

COORDINATES: dict[str, dict[str, str]] = {
    "lat": {"standard_name": "latitude", "units": "degrees_north"},
    "lon": {"standard_name": "longitude", "units": "degrees_east"},
    "elevation": {"standard_name": "surface_altitude", "units": "m"},
    "depth_from": {"long_name": "upper end of the sensed layer", "units": "m", "positive": "down"},
    "depth_to": {"long_name": "lower end of the sensed layer", "units": "m", "positive": "down"},
    "network": {"long_name": "station network"},
    "station_name": {"long_name": "station", "cf_role": "timeseries_id"},
    "sensor": {"long_name": "instrument"},
    "land_cover": {"long_name": "land cover class given with the station"},
    "climate_zone": {"long_name": "climate class given with the station"},
}
TEXT_COORDINATES = ("network", "station_name", "sensor", "land_cover", "climate_zone")
NO_FLAG = "none"


@dataclass(frozen=True)
class Sensor:
    """The series of one sensor.

    Attributes
    ----------
    metadata : dict
        Values of `COORDINATES`; unknown ones may be left out.
    time : ndarray of datetime64 (N,)
        UTC, increasing, without repetition.
    values : ndarray of float32 (N,)
        m3 m-3, NaN = missing.
    flags : ndarray of str (N,)
        As the network writes them.
    """

    metadata: dict[str, Any]
    time: NDArray[np.datetime64]
    values: NDArray[np.float32]
    flags: NDArray[Any]


def station_dataset(sensors: Sequence[Sensor], *, source: str) -> xr.Dataset:
    """Align the series of sensors on one time axis.

    Parameters
    ----------
    sensors : sequence of Sensor
        One or more sensors.
    source : str
        Origin of the data, for the attributes.

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time) float32 in m3 m-3 and ``flag`` (station, time) int16,
        whose meanings are in its attribute ``flag_meanings``. A station is one sensor, described by
        the coordinates of `COORDINATES`.
    """
    time = np.unique(np.concatenate([sensor.time for sensor in sensors]))
    meanings = np.unique(np.concatenate([np.unique(sensor.flags) for sensor in sensors])).tolist()
    meanings = [NO_FLAG, *(text for text in meanings if text != NO_FLAG)]
    values = np.full((len(sensors), time.size), np.nan, np.float32)
    flags = np.zeros(values.shape, np.int16)
    for i, sensor in enumerate(sensors):
        index = np.searchsorted(time, sensor.time)
        values[i, index] = sensor.values
        texts, codes = np.unique(sensor.flags, return_inverse=True)
        flags[i, index] = np.array([meanings.index(text) for text in texts], np.int16)[codes]
    return xr.Dataset(
        {
            "soil_moisture": (
                ("station", "time"),
                values,
                {
                    "standard_name": "volume_fraction_of_condensed_water_in_soil",
                    "long_name": "soil moisture in situ",
                    "units": "m3 m-3",
                    "ancillary_variables": "flag",
                },
            ),
            "flag": (
                ("station", "time"),
                flags,
                {
                    "standard_name": "status_flag",
                    "long_name": "quality flag of the network",
                    "flag_values": np.arange(len(meanings), dtype=np.int16),
                    "flag_meanings": " ".join(meanings),
                },
            ),
        },
        coords={
            "time": ("time", time.astype("datetime64[ns]"), {"standard_name": "time"}),
            **_coordinates(sensors),
        },
        attrs={"Conventions": "CF-1.11", "featureType": "timeSeries", "source": source},
    )


def _coordinates(sensors: Sequence[Sensor]) -> dict[str, Any]:
    """Coordinates along station: those given for any sensor."""
    coords = {}
    for name, attrs in COORDINATES.items():
        column = [sensor.metadata.get(name) for sensor in sensors]
        if all(value is None for value in column):
            continue
        if name in TEXT_COORDINATES:
            array = np.array(["" if value is None else str(value) for value in column])
        else:
            array = np.array([np.nan if value is None else value for value in column], np.float64)
        coords[name] = ("station", array, attrs)
    return coords
