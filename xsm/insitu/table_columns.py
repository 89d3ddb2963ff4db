"""Which column of a table is what: time, station, soil moisture, depth, flag, position."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xsm.conventions.units import conversion
from xsm.errors import InputError

# role -> names in the order of preference: lower case, without units in brackets, with underscores
NAMES: dict[str, tuple[str, ...]] = {
    "time": (
        "time", "datetime", "date_time", "timestamp", "timestamp_start", "utc", "utc_time",
        "time_utc", "datetime_utc", "date_time_utc", "utc_datetime", "utc_timestamp",
        "utc_date_time", "timestamp_utc", "measurement_time", "sampling_time", "yyyy_mm_dd_hh_mm",
        "parameter_id", "date", "date_utc", "utc_date", "yyyy_mm_dd", "lst_date", "timestamp_end",
    ),
    "clock": ("hh_mm", "clock", "time_of_day", "hhmm"),
    "year": ("year", "yr"),
    "month": ("month", "mo"),
    "day": ("day", "dd"),
    "doy": ("doy", "day_of_year", "julian_day"),
    "hour": ("hour", "hr"),
    "minute": ("minute", "min"),
    "station": (
        "station", "station_id", "stationid", "site", "site_id", "siteid", "station_name",
        "site_name", "station_code", "location_id", "location", "wbanno", "id", "name", "code",
    ),
    "sensor": ("sensor", "sensor_id", "sensor_name", "instrument", "probe", "probe_id"),
    "network": ("network", "network_name", "network_id"),
    "lat": ("lat", "latitude", "location_lat", "site_latitude", "y_lat"),
    "lon": ("lon", "longitude", "long", "lng", "location_long", "site_longitude", "x_lon"),
    "elevation": ("elevation", "elev", "altitude", "alt", "location_elev", "height_asl"),
    "depth": ("depth", "sensor_depth", "measurement_depth", "soil_depth"),
    "depth_from": ("depth_from", "depth_top", "upper_depth", "from_depth"),
    "depth_to": ("depth_to", "depth_bottom", "lower_depth", "to_depth"),
    "sensing_depth": (
        "d86", "d86_75m", "d86avg", "sensing_depth", "effective_depth", "penetration_depth", "dep",
    ),
    "flag": (
        "flag", "quality_flag", "qc", "qc_flag", "qflag", "flags", "quality", "quality_control",
    ),
    "utc_offset": ("utc_offset", "utcoffset", "time_zone_offset"),
    "land_cover": ("land_cover", "landcover", "igbp"),
    "climate_zone": ("climate_zone", "climate", "climate_koeppen"),
}  # fmt: skip
LENGTH_UNITS = r"cm|mm|m|inches|inch|in"
CENTIMETRES = re.compile(r"d86|^dep$")  # given without a unit
_SUFFIX = re.compile(rf"^(.*depth.*|elev.*|alt.*)_({LENGTH_UNITS})$")

_STEM = (
    r"(?:cosmos_)?(?:soil_moisture(?:_content|_percent)?|surface_soil_moisture|soilmoisture|sm|swc|"
    r"vwc|vsm|theta|soilm|sms|soil_water_content|volumetric_(?:soil_)?water(?:_content)?|"
    r"volumetric_soil_moisture|water_content|tdt\d*_vwc|stp_vwc)"
)
# depths, levels and means; anything else, such as _std or _qc, is another quantity
_TAIL = (
    rf"(?:_(?:f|mds|pi|daily|hourly|avg|mean|percent|pct|at|depth|1day|1hour|i|"
    rf"\d+(?:\.\d+)?|\d+(?:\.\d+)?(?:{LENGTH_UNITS})|{LENGTH_UNITS}|to|a))*"
)
_VALUE = re.compile(rf"^{_STEM}\d*{_TAIL}$")
_FLUXNET = re.compile(r"^swc(?:_f_mds|_pi|_f|_pi_f)?((?:_\d+){1,3})(?:_a)?$")
_PERCENT = re.compile(
    r"percent|pct|^cosmos_vwc|^soilm$|^tdt\d*_vwc|^stp_vwc|^soil_moisture_\d+_cm_pct"
)
_PLAIN_VALUE = ("value", "moisture")
_FLAG_SUFFIXES = ("_flag", "_qc", "_qcflag", "_qc_flag", "_quality_flag", "_quality")

_RANGE = re.compile(
    rf"(\d+(?:\.\d+)?)\s*(?:-|–|_?to_?)\s*(\d+(?:\.\d+)?)[\s_]*({LENGTH_UNITS})(?![a-z])"
)
_FROM_ZERO = re.compile(r"(?<![\d.])(0)_(\d+(?:\.\d+)?)_?(cm|mm|inches|inch|in)(?![a-z])")
_DECIMAL = re.compile(r"(?<![\d.])0_(\d{2,})_?m(?![a-z])")
_SINGLE = re.compile(rf"(?<![\d.])(\d+(?:\.\d+)?)[\s_]*({LENGTH_UNITS})(?![a-z])")
_LEVEL = re.compile(r"_?(\d+)(?:_daily|_hourly)?$")


@dataclass(frozen=True)
class ValueColumn:
    """A column with soil moisture.

    name : in the table
    units : of its header, or None
    percent : whether columns of this name are in percent by convention
    layer : depths (from, to) in m that the name states, or None
    level : number of the level from the top, of names such as SWC_F_MDS_2; or None
    flag : column with its flags, or None
    fluxnet : whether it is named as those of FLUXNET and AmeriFlux
    """

    name: Hashable
    units: str | None
    percent: bool
    layer: tuple[float, float] | None
    level: int | None
    flag: Hashable | None
    fluxnet: bool


@dataclass(frozen=True)
class Columns:
    """The columns of a table: `roles` by the names of `NAMES`, and those with soil moisture."""

    roles: dict[str, Hashable]
    values: list[ValueColumn]
    units: dict[str, str]  # of roles, from the headers


def plain_name(column: Hashable) -> tuple[str, str | None]:
    """A name in lower case with underscores, and the unit in brackets, or None.

    Examples
    --------
    >>> plain_name("Soil Moisture (%)"), plain_name("Depth [cm]"), plain_name("LAT")
    (('soil_moisture', '%'), ('depth', 'cm'), ('lat', None))
    """
    text = str(column).strip()
    match = re.search(r"[\[({]([^\])}]*)[\])}]\s*$", text)
    units = match[1].strip() if match else None
    text = text[: match.start()] if match else text
    return re.sub(r"[^a-z0-9.]+", "_", text.lower()).strip("_."), units or None


def assign_columns(columns: Sequence[Hashable], given: Mapping[str, Any] | None = None) -> Columns:
    """The roles of the columns of a table.

    Parameters
    ----------
    columns : sequence
        Names in the table.
    given : mapping, optional
        Role -> column, for those that the user states; ``soil_moisture`` may be several.

    Raises
    ------
    InputError
        If a role or a column of `given` does not exist.
    """
    given = dict(given or {})
    expected = ("soil_moisture", *NAMES)
    if unknown := [role for role in given if role not in expected]:
        raise InputError(
            f"columns: unknown {', '.join(map(repr, unknown))}: expected some of "
            f"{', '.join(expected)}."
        )
    values = given.pop("soil_moisture", None)
    stated = [values] if isinstance(values, str) or values is None else [*values]
    stated = [column for column in stated if column is not None]
    missing = [c for c in (*given.values(), *stated) if c not in columns]
    if missing:
        raise InputError(
            f"columns: no column {', '.join(map(repr, missing))} in the table, which has "
            f"{', '.join(map(repr, list(columns)[:40]))}."
        )
    plain = {column: plain_name(column) for column in columns}
    roles, units = _roles(plain, given, stated)
    used = {*roles.values()}
    if not stated:
        stated = [c for c, (name, _) in plain.items() if c not in used and _VALUE.match(name)]
        # gap-filled series of a level beside those of its sensors: one of both
        gap_filled = [c for c in stated if plain[c][0].startswith("swc_f_mds")]
        stated = gap_filled or stated
    if not stated:
        stated = [c for c, (name, _) in plain.items() if name in _PLAIN_VALUE and c not in used][:1]
    return Columns(roles, [_value_column(column, plain, roles) for column in stated], units)


def _roles(
    plain: Mapping[Hashable, tuple[str, str | None]],
    given: Mapping[str, Any],
    values: Sequence[Hashable],
) -> tuple[dict[str, Hashable], dict[str, str]]:
    roles: dict[str, Hashable] = dict(given)
    units: dict[str, str] = {}
    by_name: dict[str, Hashable] = {}
    suffixes: dict[Hashable, str] = {}
    for column, (name, _) in plain.items():
        if match := _SUFFIX.match(name):
            name, suffixes[column] = match.groups()
        by_name.setdefault(name, column)
    for role, names in NAMES.items():
        if role not in roles:
            free = [by_name[n] for n in names if n in by_name and by_name[n] not in values]
            free = [column for column in free if column not in roles.values()]
            if free:
                roles[role] = free[0]
        if role in roles:
            name, unit = plain[roles[role]]
            unit = unit or suffixes.get(roles[role])
            if unit is None and CENTIMETRES.search(name):
                unit = "cm"
            if unit is not None:
                units[role] = unit
    # a date beside a time of day
    if "clock" not in roles and "time" in roles and plain[roles["time"]][0] == "time":
        dates = [by_name[n] for n in ("date", "yyyy_mm_dd", "utc_date") if n in by_name]
        if dates:
            roles["clock"], roles["time"] = roles["time"], dates[0]
    if "station" not in roles and "sensor" in roles:
        roles["station"] = roles.pop("sensor")
    return roles, units


def _value_column(
    column: Hashable, plain: Mapping[Hashable, tuple[str, str | None]], roles: dict[str, Hashable]
) -> ValueColumn:
    name, units = plain[column]
    layer = layer_of(str(column))
    if units is not None and layer_of(units) is not None:  # "VWC (5 cm)"
        units = None
    fluxnet = _FLUXNET.match(name)
    level = None
    if fluxnet:
        numbers = fluxnet[1].strip("_").split("_")
        level = int(numbers[1] if len(numbers) == 3 else numbers[0])
    elif layer is None and (match := _LEVEL.search(name)):
        level = int(match[1])
    flags = [c for c, (n, _) in plain.items() if n in {name + suffix for suffix in _FLAG_SUFFIXES}]
    flag = flags[0] if flags else roles.get("flag")
    percent = bool(fluxnet or _PERCENT.search(name))
    return ValueColumn(column, units, percent, layer, level, flag, bool(fluxnet))


def layer_of(name: str) -> tuple[float, float] | None:
    """The depths (from, to) in m that a name states, or None.

    Examples
    --------
    >>> layer_of("SM_5cm"), layer_of("vwc 0-10 cm"), layer_of("Soil Moisture Percent -2in (pct)")
    ((0.05, 0.05), (0.0, 0.1), (0.0508, 0.0508))
    """
    text = name.lower()
    if match := _RANGE.search(text) or _FROM_ZERO.search(text):
        top, bottom, unit = match.groups()
    elif match := _DECIMAL.search(text):
        top = bottom = f"0.{match[1]}"
        unit = "m"
    elif match := _SINGLE.search(text):
        top = bottom = match[1]
        unit = match[2]
    else:
        return None
    factor = conversion(unit, "m", name)[0]
    return round(float(top) * factor, 6), round(float(bottom) * factor, 6)
