"""Times of a table: one column or several, texts or numbers, in any zone, to UTC."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from datetime import timedelta, timezone
from typing import Any

import pandas as pd

from xsm.errors import InputError, TimeAxisError

DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
LAST_HOUR = 24
MIDNIGHT = re.compile(r"(?<=[ T])24:00(?=$|:00|Z|[+-])")  # the end of a day
_DAY_AND_MONTH = r"^\s*(\d{1,2})[/.\-](\d{1,2})[/.\-]\d{2,4}"
_OFFSET = re.compile(r"^(?:UTC|GMT)?\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?$", re.I)


def zone_of(name: Any) -> Any:
    """A time zone from its name, an offset such as "UTC-8" or "+01:00", or hours.

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> str(zone_of("+01:00")), str(zone_of(-8)), str(zone_of("UTC"))
    ('UTC+01:00', 'UTC-08:00', 'UTC')
    """
    if isinstance(name, int | float) and not isinstance(name, bool) and abs(name) <= 14:
        return timezone(timedelta(hours=float(name)))
    text = str(name).strip()
    if match := _OFFSET.match(text):
        sign, hours, minutes = match.groups()
        span = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return timezone(-span if sign == "-" else span)
    try:
        return pd.Timestamp("2000-01-01", tz=text).tz
    except (KeyError, ValueError, TypeError, LookupError) as error:
        raise InputError(
            f"timezone={name!r}: expected a name such as 'Europe/London', an offset such as "
            f"'UTC-8' or '+01:00', or hours ({error})."
        ) from error


def table_times(
    frame: pd.DataFrame,
    roles: Mapping[str, Hashable],
    *,
    zone: Any = None,
    time_format: str | None = None,
) -> pd.Series:
    """Times (N,) in UTC, datetime64 without a zone.

    Parameters
    ----------
    frame : DataFrame
    roles : mapping
        Columns of time, clock, or year, month, day or doy, hour and minute.
    zone : tzinfo, optional
        Zone of times that have none; None: UTC. Where all times are midnight the values are daily,
        and keep the date of their zone.
    time_format : str, optional
        As of ``strptime``.

    Raises
    ------
    TimeAxisError
        If there is no column of times, or its entries are no dates.
    """
    times = _local_times(frame, roles, time_format)
    local = times.dt.tz_localize(None) if times.dt.tz is not None else times
    if (local.dt.normalize() == local)[local.notna()].all():
        return local
    if times.dt.tz is None:
        if zone is None:
            return times
        # an hour that occurs twice or never, at a change of the clock, is missing
        times = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    return times.dt.tz_convert("UTC").dt.tz_localize(None)


def _local_times(
    frame: pd.DataFrame, roles: Mapping[str, Hashable], time_format: str | None
) -> pd.Series:
    parts = {name: frame[roles[name]] for name in ("year", "month", "day") if name in roles}
    if "time" in roles:
        column = frame[roles["time"]]
        if "clock" in roles:
            clock, column = frame[roles["clock"]], _digits(column).astype(str)
            if time_format is None:  # 20150401 and 00:30
                column = column.str.replace(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3", regex=True)
                column = column + " " + _clock(clock)
            else:  # 30 minutes after midnight are 0030
                width = 4 if "%H%M" in time_format and clock.dtype.kind in "iuf" else 0
                column = column + " " + _digits(clock).astype(str).str.zfill(width)
        return _parsed(column, str(roles["time"]), time_format)
    if len(parts) == 3 or {"year", "doy"} <= {*roles}:
        numbers = {n: pd.to_numeric(frame[roles[n]]) for n in roles
                   if n in ("year", "month", "day", "doy", "hour", "minute")}  # fmt: skip
        if len(parts) == 3:
            dates = pd.to_datetime({name: numbers[name] for name in parts})
        else:
            start = pd.to_datetime(numbers["year"].astype(int).astype(str), format="%Y")
            dates = start + pd.to_timedelta(numbers["doy"] - 1, unit="D")
        for name, unit in (("hour", "h"), ("minute", "min")):
            if name in numbers:
                dates = dates + pd.to_timedelta(numbers[name], unit=unit)
        return dates
    raise TimeAxisError(
        f"table: no column of times among {', '.join(map(repr, list(frame.columns)[:40]))}: state "
        "it, such as columns={'time': 'Date'}."
    )


def _clock(column: pd.Series) -> pd.Series:
    """Times of day as texts such as "00:30"; numbers are hours up to 24, or hours and minutes.

    Examples
    --------
    >>> _clock(pd.Series([0, 30, 1330])).tolist(), _clock(pd.Series([0, 6, 24])).tolist()
    (['00:00', '00:30', '13:30'], ['00:00', '06:00', '24:00'])
    """
    texts = column.astype(str).str.strip()
    numbers = texts.str.extract(r"^(\d{1,4})(?:\.0)?$")[0]
    if numbers.isna().any() or not len(texts):
        return texts
    if (numbers.str.len() <= 2).all() and (numbers.astype(int) <= LAST_HOUR).all():
        return numbers.str.zfill(2) + ":00"
    numbers = numbers.str.zfill(4)
    return numbers.str[:2] + ":" + numbers.str[2:]


def _digits(column: pd.Series) -> pd.Series:
    """Whole numbers as texts without decimals."""
    if pd.api.types.is_float_dtype(column.dtype) and column.notna().all():
        column = column.astype("int64")
    return column


def _parsed(column: pd.Series, name: str, time_format: str | None) -> pd.Series:
    """Dates of a column, with their zone if they have one."""
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return column
    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    texts = _digits(column).astype(str).str.strip()
    missing = column.isna() | texts.isin(("", "nan", "NaT", "None"))
    texts = texts[~missing]
    midnight = texts.str.contains(MIDNIGHT)
    texts = texts.str.replace(MIDNIGHT, "00:00", regex=True)
    try:
        dates = _from_texts(texts, name, time_format)
    except (ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise TimeAxisError(
            f"table: the column {name!r} holds {texts.iloc[0]!r} and the like, which are no dates "
            f"({error}). State their form, such as time_format='%d.%m.%Y %H:%M'."
        ) from error
    if not midnight.all():  # values that are all of 24:00 are daily, of the day that ends
        dates = dates + pd.to_timedelta(midnight.astype(int), unit="D")
    return dates.reindex(column.index)


def _from_texts(texts: pd.Series, name: str, time_format: str | None) -> pd.Series:
    if time_format is not None:
        return pd.to_datetime(texts, format=time_format)
    if texts.str.fullmatch(r"\d+").all() and len(texts):
        lengths = set(texts.str.len())
        if len(lengths) == 1 and (digits := DIGITS.get(lengths.pop())):
            return pd.to_datetime(texts, format=digits)
        raise ValueError("numbers of another length than YYYYMMDD or YYYYMMDDHHMM")
    if texts.str.match(_DAY_AND_MONTH).any():
        return _from_day_and_month(texts, name)
    zoned = texts.str.contains(r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$", regex=True)
    if zoned.any():
        texts = texts.str.replace(r"\s*(UTC|GMT)$", "+00:00", regex=True)
        offsets = texts.str.extract(r"(Z|[+-]\d{2}:?\d{2})$")[0]
        # one offset: daily values keep the date of their zone
        if offsets.nunique() == 1 and offsets.notna().all():
            return pd.to_datetime(texts, format="ISO8601")
        if not zoned.all():
            raise ValueError("some have a time zone and some have none")
        return pd.to_datetime(texts, format="ISO8601", utc=True)
    try:
        return pd.to_datetime(texts, format="ISO8601")
    except ValueError:
        return pd.to_datetime(texts, format="mixed")


def _from_day_and_month(texts: pd.Series, name: str) -> pd.Series:
    """Dates such as 31/01/2015, whose order of day and month must show."""
    numbers = texts.str.extract(_DAY_AND_MONTH).astype(float)
    day_first, month_first = (numbers[0] > 12).any(), (numbers[1] > 12).any()
    if day_first == month_first:
        raise TimeAxisError(
            f"table: the column {name!r} holds {texts.iloc[0]!r}, whose order of day and "
            "month is ambiguous: state their form, such as time_format='%d/%m/%Y %H:%M'."
        )
    return pd.to_datetime(texts, format="mixed", dayfirst=bool(day_first))
