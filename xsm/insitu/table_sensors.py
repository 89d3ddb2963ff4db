"""The series of sensors in a table: groups of rows, units, depths, flags, repeated times."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xsm.conventions.units import to_m3m3_factor
from xsm.errors import InputError, UnitError
from xsm.insitu.sensor_depth import DECIMALS, depth_in_metres
from xsm.insitu.station_dataset import GOOD_FLAG, NO_FLAG, Sensor, text_column
from xsm.insitu.station_metadata import StationMetadata, as_numbers, position
from xsm.insitu.station_values import REPEATED, is_sentinel
from xsm.insitu.table_columns import NAMES, Columns, ValueColumn, assign_columns
from xsm.insitu.table_files import Table
from xsm.insitu.table_times import table_times, zone_of

_log = logging.getLogger(__name__)

DUPLICATES = ("error", "first", "mean")
MAX_MOVE = 0.02  # degrees between the positions that a table gives for a station
MAX_OUTSIDE = 0.1  # fraction of values outside 0..1 m3 m-3, above which the unit is wrong
LARGEST_FRACTION = 1.0  # a series whose largest value is not above is no percentage
FILE_STATION = re.compile(r"^(?:FLX|AMF|ICOSETC|ICOS|EUF)_([A-Z]{2}-[A-Za-z0-9]{2,4})_")
# FLUXNET2015: of half-hours 0 is measured, 1-3 gap-filled; of days the fraction not poorly filled
FILLED = {0: GOOD_FLAG, 1: "filled_good", 2: "filled_medium", 3: "filled_poor"}
LEAST_MEASURED = 0.75


# an hour of local time occurs twice, and another never, where clocks change
WITHOUT_TIME = "values whose time is missing, or occurs twice or never in its time zone"


@dataclass(frozen=True)
class TableOptions:
    """Arguments of :func:`xsm.open_stations` that concern each table."""

    columns: Mapping[str, Any] | None
    units: str | None
    depth: Any
    network: str | None
    zone: Any
    time_format: str | None
    duplicates: str
    good_flags: frozenset[str]


def read_sensors(
    table: Table,
    stations: StationMetadata | None,
    options: TableOptions,
    removed: Counter[str],
) -> list[Sensor]:
    """The sensors of a table; `removed` counts what becomes missing or is left out.

    Raises
    ------
    InputError, UnitError, TimeAxisError
        See :func:`xsm.open_stations`.
    """
    frame = table.frame
    columns = assign_columns([*frame.columns], options.columns)
    if not columns.values and stations is not None:
        frame, columns = _stacked(frame, columns, stations)
    if not columns.values:
        raise InputError(
            f"table: no column of soil moisture among {', '.join(map(repr, frame.columns[:40]))}: "
            "state it, such as columns={'soil_moisture': 'Theta'}."
        )
    values = _select_levels(columns.values, options.depth)
    if frame.empty:
        raise InputError(f"table: {table.name or 'the DataFrame'} has no rows.")
    names = _station_names(table, frame, columns)
    rows = {} if stations is None else stations.rows(list(dict.fromkeys(names)))
    times = table_times(
        frame, columns.roles, zone=_zone(table, values, rows, options),
        time_format=options.time_format,
    )  # fmt: skip
    keys = pd.DataFrame({"station": names})
    for role in ("network", "sensor", "depth", "depth_from", "depth_to"):
        if role in columns.roles:
            keys[role] = frame[columns.roles[role]].to_numpy()
    groups = keys.groupby([*keys.columns], sort=False, dropna=False).indices
    time = times.to_numpy("datetime64[ns]")
    daily = bool((time[~np.isnat(time)] == time[~np.isnat(time)].astype("datetime64[D]")).all())
    above = _stated_above(table)
    sensors = []
    for column in values:
        numbers = _in_m3m3(frame[column.name], column, table, options, removed)
        removed[WITHOUT_TIME] += int((np.isnat(time) & np.isfinite(numbers)).sum())
        flags = _flags(frame, column, daily, options)
        for index in groups.values():
            about = _about(frame.iloc[index], columns, column, str(names[index[0]]), options)
            row = above | rows.get(str(names[index[0]]), {})
            sensor = Sensor(
                _with_row(about, row, options),
                time[index], numbers[index].astype(np.float32), flags[index],
            )  # fmt: skip
            sensors.append(_ordered(sensor, options.duplicates, removed))
    return sensors


def _stacked(
    frame: pd.DataFrame, columns: Columns, stations: StationMetadata
) -> tuple[pd.DataFrame, Columns]:
    """One row for each station and time, from a column for each station."""
    names = stations.names()
    own = [c for c in frame.columns if str(c).strip().casefold() in names]
    dated = [c for c in columns.roles.values() if c not in own]
    if not own or not dated:
        return frame, columns
    long = frame.melt(dated, own, var_name="station", value_name="soil_moisture")
    return long, assign_columns([*long.columns])


def _select_levels(values: Sequence[ValueColumn], depth: Any) -> list[ValueColumn]:
    """Columns with their depths; of levels whose depths are unknown the uppermost only."""
    if isinstance(depth, Mapping):
        names = [column.name for column in values]
        if unknown := [name for name in depth if name not in names]:
            raise InputError(
                f"depth: no column of soil moisture {', '.join(map(repr, unknown))}: expected some "
                f"of {', '.join(map(repr, names))}."
            )
    numbered = [c for c in values if c.layer is None and c.level is not None and not c.fluxnet]
    if numbered and all(c.level and c.level % 5 == 0 for c in numbered):  # USCRN: centimetres
        values = [
            replace(c, layer=(c.level / 100, c.level / 100)) if c in numbered and c.level else c
            for c in values
        ]
    if depth is not None and not isinstance(depth, Mapping):
        return [*values]
    given = depth or {}
    unknown = [c for c in values if c.layer is None and c.level is not None and c.name not in given]
    top = min((c.level for c in unknown if c.level is not None), default=None)
    lower = unknown if given else [c for c in unknown if c.level != top]
    if not lower:
        return [*values]
    _log.warning(
        "%s: depth unknown, left out; depth={%r: metres, ...} reads them",
        ", ".join(str(c.name) for c in lower), lower[0].name,
    )  # fmt: skip
    return [c for c in values if c not in lower]


def _station_names(table: Table, frame: pd.DataFrame, columns: Columns) -> NDArray[Any]:
    """The station of each row: a column, a line above the header, or the name of the file."""
    if "station" in columns.roles:
        names = text_column(frame[columns.roles["station"]])
        if (names == "").any():
            raise InputError(
                f"table: {int((names == '').sum())} rows have no {columns.roles['station']!r}: "
                "name the station of each."
            )
        return names
    above = [table.above[n] for n in NAMES["station"] if table.above.get(n)]
    match = FILE_STATION.match(table.name)
    stem = re.sub(r"(\.(csv|txt|tsv|dat|gz|zip))+$", "", table.name, flags=re.I)
    name = above[0] if above else match[1] if match else stem or "station"
    return np.full(len(frame), name)


def _stated_above(table: Table) -> dict[str, Any]:
    """Position and network in the lines above the header."""
    above: dict[str, Any] = {}
    for role in ("lat", "lon", "elevation", "network"):
        text = next((table.above[n] for n in NAMES[role] if table.above.get(n)), None)
        if text is not None and role == "network":
            above[role] = text
        elif text is not None and re.fullmatch(r"[-+]?\d+(\.\d+)?", text):
            above[role] = float(text)
    return above


def _zone(
    table: Table, values: Sequence[ValueColumn], rows: Mapping[str, Any], options: TableOptions
) -> Any:
    """Zone of times without one: as given, or the offset in the file or the metadata."""
    if options.zone is not None:
        return options.zone
    for name in (*NAMES["utc_offset"], "timezone", "time_zone"):
        if table.above.get(name):
            return zone_of(table.above[name])
    offsets = {
        row["utc_offset"] for row in rows.values() if np.isfinite(row.get("utc_offset", np.nan))
    }
    if len(offsets) == 1:
        return zone_of(float(offsets.pop()))
    if any(column.fluxnet for column in values):
        _log.warning(
            "%s: times are taken as UTC; those of FLUXNET and AmeriFlux are local standard time: "
            "give timezone, such as 'UTC-8', unless the values are daily",
            table.name or "table",
        )
    return None


def _in_m3m3(
    entries: pd.Series, column: ValueColumn, table: Table, options: TableOptions,
    removed: Counter[str],
) -> NDArray[np.float64]:  # fmt: skip
    """A column in m3 m-3, NaN for codes of missing values and values outside 0..1."""
    name = str(column.name)
    numbers = as_numbers(entries, f"table: {name}").copy()
    codes = is_sentinel(numbers)
    if codes.any():
        removed[f"codes of missing values such as {numbers[codes][0]:g}"] += int(codes.sum())
        numbers[codes] = np.nan
    values = numbers[np.isfinite(numbers)]
    units = options.units or column.units or _row_unit(table, column)
    if units is None and column.percent:
        units = "percent"
        if values.size and values.max() <= LARGEST_FRACTION:
            raise UnitError(
                f"table: {name} is in percent by convention, but its largest value is "
                f"{values.max():g}: state the unit, units='m3 m-3' or units='percent'."
            )
    if units is None:
        if values.size and not (values.min() >= 0 and values.max() <= LARGEST_FRACTION):
            raise UnitError(
                f"table: {name} has no unit and values from {values.min():g} to {values.max():g}: "
                "state it, such as units='percent', or in the header, 'soil_moisture (%)'."
            )
        _log.info("%s has no unit: taken as m3 m-3, all values are within 0..1", name)
        units = "m3 m-3"
    factor = to_m3m3_factor(units, name)
    outside = (numbers * factor < 0) | (numbers * factor > 1)
    if outside.sum() > max(1, MAX_OUTSIDE * values.size):
        raise UnitError(
            f"table: {int(outside.sum())} of {values.size} values of {name} in {units!r} are "
            f"outside 0..1 m3 m-3 (from {values.min():g} to {values.max():g}): state another unit, "
            "units=..."
        )
    if outside.any():
        removed["values outside 0..1 m3 m-3"] += int(outside.sum())
        numbers[outside] = np.nan
    return numbers * factor


def _row_unit(table: Table, column: ValueColumn) -> str | None:
    """The unit in a row below the header, if it is one."""
    unit = table.units.get(column.name)
    try:
        to_m3m3_factor(unit, str(column.name))
    except UnitError:
        return None
    return unit


def _flags(
    frame: pd.DataFrame, column: ValueColumn, daily: bool, options: TableOptions
) -> NDArray[Any]:
    """Flags (N,) of a column as texts."""
    if column.flag is None:
        return np.full(len(frame), NO_FLAG)
    entries = frame[column.flag]
    if column.fluxnet and str(column.flag).lower().endswith("_qc"):
        quality = as_numbers(entries, f"table: {column.flag}")
        if daily:
            flags = np.where(quality >= LEAST_MEASURED, GOOD_FLAG, FILLED[3])
        else:
            flags = np.array([FILLED.get(q, NO_FLAG) for q in quality])
        return np.where(np.isfinite(quality) & (quality >= 0), flags, NO_FLAG)
    texts = text_column(entries)
    good = np.isin(texts, [*options.good_flags])
    return np.where(good, GOOD_FLAG, np.where(texts == "", NO_FLAG, texts))


def _about(
    rows: pd.DataFrame, columns: Columns, column: ValueColumn, station: str, options: TableOptions
) -> dict[str, Any]:
    """Metadata of the sensor in some rows of a table; unknown ones are left out."""
    roles: Mapping[str, Hashable] = columns.roles
    about: dict[str, Any] = {"station_name": station}
    for role in ("network", "sensor", "land_cover", "climate_zone"):
        if role in roles and (text := str(text_column(rows[roles[role]].iloc[:1])[0])):
            about[role] = text
    if "sensor" not in about and str(column.name) != "soil_moisture":
        about["sensor"] = str(column.name)
    for role in ("lat", "lon", "elevation"):
        if role in roles:
            numbers = as_numbers(rows[roles[role]], f"table: {roles[role]}")
            tolerance = np.inf if role == "elevation" else MAX_MOVE
            about[role] = position(numbers, station, str(roles[role]), tolerance)

    def depths(role: str) -> float:
        numbers = as_numbers(rows[roles[role]], f"table: {roles[role]}")
        numbers = np.where(is_sentinel(numbers) & (numbers < -99), np.nan, numbers)
        numbers = numbers[np.isfinite(numbers)]
        unit = columns.units.get(role)
        metres = depth_in_metres(
            numbers, {"units": unit}, str(roles[role]), advice="in the header, '{name} (cm)'"
        )
        return round(float(metres.mean()), DECIMALS) if metres.size else np.nan

    given = options.depth
    if isinstance(given, Mapping):
        given = given.get(column.name)
    if given is not None:
        ends = np.ravel(np.asarray(given, np.float64))
        about["depth_from"], about["depth_to"] = float(ends[0]), float(ends[-1])
    elif "depth_from" in roles and "depth_to" in roles:
        about["depth_from"], about["depth_to"] = sorted((depths("depth_from"), depths("depth_to")))
    elif "depth" in roles:
        about["depth_from"] = about["depth_to"] = depths("depth")
    elif column.layer is not None:
        about["depth_from"], about["depth_to"] = column.layer
    elif "sensing_depth" in roles:  # of a cosmic-ray probe: from the surface, changing in time
        about["depth_from"], about["depth_to"] = 0.0, depths("sensing_depth")
    return about


def _with_row(
    about: dict[str, Any], row: Mapping[str, Any], options: TableOptions
) -> dict[str, Any]:
    """Metadata with those of the row of the station; what the table itself says is preferred."""
    row = {k: v for k, v in row.items() if v != "" and v == v and k != "utc_offset"}
    if "depth" in row:
        depth = row.pop("depth")
        row = {"depth_from": depth, "depth_to": depth} | row
    if "depth_from" in about:
        row.pop("depth_from", None)
        row.pop("depth_to", None)
    # the table may name stations by a number, of which the metadata have the name
    out = about | {k: v for k, v in row.items() if k not in about or about[k] != about[k]}
    for name in ("station_name", "sensor"):
        out[name] = row.get(name, out.get(name))
    if out.get("network") is None and options.network is not None:
        out["network"] = options.network
    return {name: value for name, value in out.items() if value is not None}


def _ordered(sensor: Sensor, duplicates: str, removed: Counter[str]) -> Sensor:
    """A series in the order of time, without missing values and repeated times."""
    usable = np.flatnonzero(np.isfinite(sensor.values) & ~np.isnat(sensor.time))
    order = usable[np.argsort(sensor.time[usable], kind="stable")]
    time, values, flags = sensor.time[order], sensor.values[order], sensor.flags[order]
    is_first = np.append(True, time[1:] != time[:-1])[: time.size]
    if not is_first.all():
        first = np.flatnonzero(is_first)
        if (
            duplicates == "error"
            and (values != np.repeat(values[first], _runs(first, time.size))).any()
        ):
            at = int(np.flatnonzero(~is_first & (values != np.append(np.nan, values[:-1])))[0])
            raise InputError(
                f"table: the sensor {_described(sensor)} has {values[at - 1]:g} and {values[at]:g} "
                f"at {str(time[at])[:16]}: expected one value at a time. Name what tells the "
                "sensors apart (columns={'sensor': ..., 'depth': ...}), or use duplicates='first' "
                "or 'mean'."
            )
        removed[REPEATED] += int(time.size - first.size)
        if duplicates == "mean":
            # beside good values those with other flags do not count
            good = flags == GOOD_FLAG
            has_good = np.logical_or.reduceat(good, first)
            counted = good | ~np.repeat(has_good, _runs(first, time.size))
            time, values, flags = time[counted], values[counted], flags[counted]
            first = np.unique(time, return_index=True)[1]
            sums = np.add.reduceat(values.astype(np.float64), first)
            values = np.repeat(sums / _runs(first, time.size), _runs(first, time.size))
        time, values, flags = time[first], values[first].astype(np.float32), flags[first]
    return replace(sensor, time=time, values=values, flags=pd.Categorical(flags))


def _runs(first: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """Lengths of runs that begin at `first`."""
    return np.diff(np.append(first, size))


def _described(sensor: Sensor) -> str:
    about = sensor.metadata
    depth = f" at {about['depth_to']:g} m" if "depth_to" in about else ""
    return f"{about.get('sensor', '')} of {about['station_name']!r}{depth}".strip()
