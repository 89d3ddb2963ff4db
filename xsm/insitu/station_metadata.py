"""Positions, depths and names of stations from a table with a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xsm.conventions.nearest_cells import is_on_earth
from xsm.errors import InputError
from xsm.insitu.sensor_depth import depth_in_metres
from xsm.insitu.station_dataset import Sensor, text_column
from xsm.insitu.station_values import is_sentinel
from xsm.insitu.table_columns import NAMES, assign_columns, plain_name

TEXTS = {
    "station": "station_name", "network": "network", "sensor": "sensor",
    "land_cover": "land_cover", "climate_zone": "climate_zone",
}  # fmt: skip
NUMBERS = ("lat", "lon", "elevation", "utc_offset")
DEPTHS = ("depth", "depth_from", "depth_to")
MISSING_WORDS = (
    "", "-", "--", "---", "na", "n/a", "nan", "null", "none", "nodata", "no data",
    "missing", "<na>",
)  # fmt: skip


class StationMetadata:
    """A table of stations, looked up by any of its columns of identifiers."""

    def __init__(self, table: str | Path | pd.DataFrame) -> None:
        if isinstance(table, pd.DataFrame):
            named = any(name is not None for name in table.index.names)
            frame = table.reset_index() if named else table
        else:
            frame = _read_csv(Path(table))
        self.columns = assign_columns([*frame.columns])
        roles, units = self.columns.roles, self.columns.units
        if not {"lat", "lon"} <= {*roles}:
            raise InputError(
                f"metadata has no columns of latitude and longitude: it has "
                f"{', '.join(map(repr, frame.columns))}; call them lat and lon."
            )
        self.values: dict[str, Any] = {
            name: text_column(frame[roles[role]]) for role, name in TEXTS.items() if role in roles
        }
        for role in NUMBERS:
            if role in roles:
                self.values[role] = as_numbers(frame[roles[role]], f"metadata: {roles[role]}")
        for role in DEPTHS:
            if role in roles:
                numbers = as_numbers(frame[roles[role]], f"metadata: {roles[role]}")
                unit = units.get(role)
                self.values[role] = depth_in_metres(
                    numbers,
                    {"units": unit},
                    str(roles[role]),
                    advice="in the header, '{name} (cm)'",
                )
        names = {*NAMES["station"], *NAMES["sensor"]}
        ids = [column for column in frame.columns if plain_name(column)[0] in names]
        self.ids = {str(c): [_key(text) for text in text_column(frame[c])] for c in ids}

    def names(self) -> set[str]:
        """All identifiers, in lower case."""
        return {key for column in self.ids.values() for key in column}

    def rows(self, stations: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Station -> its row, by the column of identifiers that names most of them.

        Raises
        ------
        InputError
            If none of them is in the table.
        """
        keys = {str(station): _key(station) for station in stations}
        matches = {c: len({*ids} & {*keys.values()}) for c, ids in self.ids.items()}
        best = max(matches, key=lambda column: matches[column], default=None)
        if best is None or matches[best] == 0:
            shown = "; ".join(f"{c}: {', '.join(ids[:4])}" for c, ids in self.ids.items())
            raise InputError(
                f"metadata: none of the stations {', '.join(map(repr, list(keys)[:5]))} is in it. "
                f"Its identifiers are {shown or 'missing: call their column station'}."
            )
        index = {key: i for i, key in reversed([*enumerate(self.ids[best])])}
        return {
            station: {name: column[index[key]] for name, column in self.values.items()}
            for station, key in keys.items()
            if key in index
        }


def _key(text: str) -> str:
    return text.strip().casefold()


def _read_csv(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise InputError(f"metadata={str(path)!r} is not there: expected a CSV file.")
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return pd.read_csv(path, sep=None, engine="python", encoding=encoding)
        except UnicodeDecodeError:
            continue
        except (ValueError, OSError) as error:
            raise InputError(f"metadata={str(path)!r} is no table: {error}.") from error
    raise InputError(f"metadata={str(path)!r} is no text.")


def as_numbers(column: pd.Series, name: str) -> np.ndarray:
    """A column as float64, NaN for words and codes of missing values.

    Raises
    ------
    InputError
        If it holds another text.
    """
    if column.dtype.kind in "fiub" and isinstance(column.dtype, np.dtype):
        numbers = column.to_numpy(np.float64)
    else:
        texts = pd.Series(text_column(column))
        empty = texts.str.lower().isin(MISSING_WORDS)
        numbers = pd.to_numeric(texts.where(~empty), errors="coerce").to_numpy(np.float64)
        wrong = np.isnan(numbers) & ~empty.to_numpy()
        if wrong.any():
            raise InputError(
                f"{name} holds {texts[wrong].iloc[0]!r}: expected numbers. {int(wrong.sum())} of "
                f"{len(texts)} entries are none; correct or remove them, or state another column."
            )
    return numbers


def place(sensors: Sequence[Sensor], lat: float | None, lon: float | None) -> list[Sensor]:
    """Sensors with a position: their own, or `lat` and `lon` for those of a single station.

    Raises
    ------
    InputError
        If a sensor has no position, one is given for several stations, or one is none on Earth.
    """
    if (lat is None) != (lon is None):
        raise InputError(f"lat={lat!r}, lon={lon!r}: expected both or none.")
    names = list(dict.fromkeys(str(s.metadata.get("station_name")) for s in sensors))
    if lat is not None:
        if len(names) > 1:
            raise InputError(
                f"lat={lat!r}, lon={lon!r}: one position for {len(names)} stations "
                f"({', '.join(names[:5])}): give metadata, a table of their positions."
            )
        given = {"lat": float(lat), "lon": float(lon or 0.0)}
        return _on_earth([replace(s, metadata=s.metadata | given) for s in sensors])
    missing = [
        str(s.metadata.get("station_name")) for s in sensors
        if not all(np.isfinite(s.metadata.get(n, np.nan)) for n in ("lat", "lon"))
    ]  # fmt: skip
    if missing:
        shown = ", ".join(dict.fromkeys(missing[:5]))
        raise InputError(
            f"table: no latitude and longitude of {shown}: give lat and lon for one station, or "
            "metadata, a table with the columns station, lat and lon."
        )
    return _on_earth([*sensors])


def _on_earth(sensors: list[Sensor]) -> list[Sensor]:
    """The sensors, if all have a position that is one."""
    for about in (sensor.metadata for sensor in sensors):
        if not is_on_earth(about["lat"], about["lon"]):
            raise InputError(
                f"table: the station {about.get('station_name')!r} has the latitude "
                f"{about['lat']:g} and the longitude {about['lon']:g}: expected degrees, -90 to 90 "
                "and -180 to 360. Check whether the two are exchanged, or projected coordinates."
            )
    return sensors


def position(numbers: np.ndarray, station: str, name: str, tolerance: float) -> float:
    """The latitude or longitude of a station from all its rows.

    Raises
    ------
    InputError
        If they differ by more than `tolerance`.
    """
    numbers = numbers[np.isfinite(numbers) & ~(is_sentinel(numbers) & (np.abs(numbers) > 360))]
    if not numbers.size:
        return np.nan
    if np.ptp(numbers) > tolerance:
        raise InputError(
            f"table: the station {station!r} has several positions: {name} from {numbers.min():g} "
            f"to {numbers.max():g}. Give the stations different names."
        )
    return float(numbers[0])
