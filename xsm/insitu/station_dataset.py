"""From the series of single sensors, which a reader returns, to one Dataset."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError

logger = logging.getLogger(__name__)

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
GOOD_FLAG = "G"  # of valid values, as the ISMN writes it
LARGE = 2 * 2**30  # bytes of a Dataset whose size is warned of
FILES_LISTED = 50  # in the attribute skipped_files


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
    flags : ndarray of str, or Categorical, (N,)
        As the network writes them. A Categorical takes one byte a value. Blanks within a flag
        become underscores.
    """

    metadata: dict[str, Any]
    time: NDArray[np.datetime64]
    values: NDArray[np.float32]
    flags: Any


def has_flag(flags: Any, names: Sequence[str] | None) -> NDArray[np.bool_]:
    """Where a flag is one of `names`; None: everywhere."""
    flags = pd.Categorical(flags)
    if names is None:
        return np.ones(len(flags), bool)
    return np.isin(flags.codes, np.flatnonzero(np.isin(flags.categories.astype(str), [*names])))


def daily_mean(sensor: Sensor, flags: Sequence[str] | None) -> Sensor:
    """Means of UTC days over the values with one of `flags` (None: all); days without are left out.

    The flags of the result are all `NO_FLAG`.
    """
    valid = np.isfinite(sensor.values) & has_flag(sensor.flags, flags)
    days = sensor.time[valid].astype("datetime64[D]")
    day, first = np.unique(days, return_index=True)
    number = np.diff(np.append(first, days.size))
    sums = np.add.reduceat(sensor.values[valid].astype(np.float64), first) if day.size else number
    return replace(
        sensor,
        time=day.astype("datetime64[ns]"),
        values=(sums / number).astype(np.float32),
        flags=pd.Categorical.from_codes(np.zeros(day.size, np.int8), [NO_FLAG]),
    )


def station_dataset(
    sensors: Sequence[Sensor], *, source: str, has_flags: bool = True, daily: bool = False
) -> xr.Dataset:
    """Align the series of sensors on one time axis.

    Parameters
    ----------
    sensors : sequence of Sensor
        One or more sensors.
    source : str
        Origin of the data, for the attributes.
    has_flags : bool
        Whether the Dataset has the variable ``flag``.
    daily : bool
        Whether the values are daily means, for the attributes.

    Returns
    -------
    Dataset
        ``soil_moisture`` (station, time) float32 in m3 m-3 and ``flag`` (station, time) int16,
        whose meanings are in its attribute ``flag_meanings``. A station is one sensor, described by
        the coordinates of `COORDINATES`.
    """
    time = _common_times([sensor.time for sensor in sensors])
    size = len(sensors) * time.size * (6 if has_flags else 4)
    if size > LARGE:
        logger.warning(
            "%d sensors at %d times take %.1f GiB in memory: select networks, depth or period, or "
            "read daily means, to take less",
            len(sensors), time.size, size / 2**30,
        )  # fmt: skip
    values = np.full((len(sensors), time.size), np.nan, np.float32)
    for i, sensor in enumerate(sensors):
        values[i, np.searchsorted(time, sensor.time)] = sensor.values
    attrs = {
        "standard_name": "volume_fraction_of_condensed_water_in_soil",
        "long_name": "soil moisture in situ",
        "units": "m3 m-3",
    }
    if daily:
        attrs["cell_methods"] = "time: mean"
    if has_flags:
        attrs["ancillary_variables"] = "flag"
    ds = xr.Dataset(
        {"soil_moisture": (("station", "time"), values, attrs)},
        coords={
            "time": ("time", time.astype("datetime64[ns]"), {"standard_name": "time"}),
            **_coordinates(sensors),
        },
        attrs={"Conventions": "CF-1.11", "featureType": "timeSeries", "source": source},
    )
    return ds.assign(flag=_flag_variable(sensors, time)) if has_flags else ds


def join_series(sensors: Sequence[Sensor]) -> list[Sensor]:
    """Series of the same sensor as one, unless they differ where they overlap."""
    joined: dict[Any, list[Sensor]] = {}
    for sensor in sensors:
        key = tuple(sorted((name, str(value)) for name, value in sensor.metadata.items()))
        parts = joined.setdefault(key, [])
        if parts and (both := _concatenated(parts[-1], sensor)):
            parts[-1] = both
        else:
            parts.append(sensor)
    return [sensor for parts in joined.values() for sensor in parts]


def _concatenated(first: Sensor, second: Sensor) -> Sensor | None:
    """Two series of a sensor in one; None if they differ at a common time."""
    _, one, other = np.intersect1d(first.time, second.time, return_indices=True)
    if not np.array_equal(first.values[one], second.values[other], equal_nan=True):
        return None
    time, index = np.unique(np.concatenate([first.time, second.time]), return_index=True)
    flags = pd.api.types.union_categoricals(
        [pd.Categorical(first.flags), pd.Categorical(second.flags)]
    )
    values = np.concatenate([first.values, second.values])[index]
    return replace(first, time=time, values=values, flags=flags[index])


class SkippedFiles:
    """Files that cannot be read, with the reasons.

    Attributes
    ----------
    reasons : list of (name, reason)
    """

    def __init__(self) -> None:
        self.reasons: list[tuple[str, str]] = []
        self._first: InputError | None = None

    def add(self, name: str, error: Exception) -> None:
        """Skip a file."""
        self.reasons.append((name, str(error)))
        named = error if isinstance(error, InputError) else InputError(f"{name}: {error}")
        self._first = self._first or named

    def check_read(self, sensors: Sequence[Sensor]) -> None:
        """Raise the first of the errors if no file has a sensor."""
        if self._first is not None and not sensors:
            raise self._first


def report_removed(ds: xr.Dataset, source: Any, removed: str, how: str = "left out") -> None:
    """Give `ds` the attribute ``values_removed``, and warn in the log."""
    ds.attrs["values_removed"] = removed
    logger.warning("%s: %s: %s", source, how, removed)


def report_skipped(ds: xr.Dataset, skipped: Sequence[tuple[str, str]], total: int) -> xr.Dataset:
    """`ds` with the attribute ``skipped_files``, and one warning in the log.

    Parameters
    ----------
    ds : Dataset
    skipped : sequence of (name, reason)
        Files that could not be read; without any, `ds` is returned as it is.
    total : int
        Number of files that were to be read.
    """
    if not skipped:
        return ds
    lines = [f"{name} {reason}" for name, reason in skipped]
    logger.warning(
        "%d of %d files could not be read and were left out (see the attribute skipped_files): %s",
        len(skipped), total, "; ".join(lines[:3]) + ("; ..." if len(lines) > 3 else ""),
    )  # fmt: skip
    more = [f"and {len(lines) - FILES_LISTED} more"] if len(lines) > FILES_LISTED else []
    text = "\n".join([f"{len(skipped)} of {total} files", *lines[:FILES_LISTED], *more])
    return ds.assign_attrs(skipped_files=text)


def text_column(values: Any) -> NDArray[Any]:
    """Texts (N,) of names or numbers of any dtype, as a NumPy array of str.

    Whole numbers have no decimals, bytes are decoded, missing values are empty.

    Examples
    --------
    >>> text_column([2001.0, b"Yanco", None, 3]).tolist()
    ['2001', 'Yanco', '', '3']
    """
    codes, unique = pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=False)
    return np.array([_text(value) for value in unique], dtype=np.str_)[codes]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip("\0 ")
    if isinstance(value, tuple):  # of a MultiIndex
        return "/".join(map(_text, value))
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _common_times(times: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """All times, sorted; memory of the result only, not of all series together."""
    union: NDArray[Any] = times[0]
    for time in times[1:]:
        index = np.searchsorted(union, time)
        if time.size and (index[-1] == union.size or not np.array_equal(union[index], time)):
            union = np.union1d(union, time)
    return union


def _flag_variable(sensors: Sequence[Sensor], time: NDArray[Any]) -> xr.Variable:
    """Flags (station, time) as numbers with meanings; 0 is `NO_FLAG`."""
    columns = [pd.Categorical(sensor.flags) for sensor in sensors]
    words = [[_word(text) for text in column.categories] for column in columns]
    meanings = [NO_FLAG, *sorted({word for texts in words for word in texts} - {NO_FLAG})]
    number = {word: code for code, word in enumerate(meanings)}
    flags = np.zeros((len(sensors), time.size), np.int16)
    for i, (sensor, column, texts) in enumerate(zip(sensors, columns, words, strict=True)):
        # the last: code -1, a missing flag
        codes = np.array([*(number[word] for word in texts), 0], np.int16)
        flags[i, np.searchsorted(time, sensor.time)] = codes[column.codes]
    attrs = {
        "standard_name": "status_flag",
        "long_name": "quality flag of the network",
        "flag_values": np.arange(len(meanings), dtype=np.int16),
        "flag_meanings": " ".join(meanings),
    }
    return xr.Variable(("station", "time"), flags, attrs)


def _word(flag: Any) -> str:
    """A flag as one word, as flag_meanings needs it."""
    return "_".join(_text(flag).split()) or NO_FLAG


def _coordinates(sensors: Sequence[Sensor]) -> dict[str, Any]:
    """Coordinates along station: those given for any sensor."""
    coords = {}
    for name, attrs in COORDINATES.items():
        column = [sensor.metadata.get(name) for sensor in sensors]
        if all(value is None for value in column):
            continue
        if name in TEXT_COORDINATES:
            array = text_column(column)
        else:
            array = np.array([np.nan if value is None else value for value in column], np.float64)
        coords[name] = ("station", array, attrs)
    return coords
