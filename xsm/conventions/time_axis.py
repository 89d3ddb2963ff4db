"""The time axis: the one check for daily data, calendars, gaps in days."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.errors import InputError, TimeAxisError

YEAR_LENGTHS = {"360_day": 360, "noleap": 365, "365_day": 365}
# Dates decoded from numbers with fractions miss midnight by up to this much.
ROUNDING = np.timedelta64(500, "ms")
# Before midnight: the last instant of a pandas period, by its resolution.
PERIOD_ENDS = (np.timedelta64(1, "ns"), np.timedelta64(1, "us"))


class DailyAxis(NamedTuple):
    """The days of a record, each once and in order.

    time : (T,) the dates as they came, datetime64 or cftime
    numbers : (T,) int64, days since the first one in the record's own calendar
    dates : (T,) datetime64[D]; NaT for a day that the standard calendar lacks (30 February)
    """

    time: xr.DataArray
    numbers: NDArray[np.int64]
    dates: NDArray[np.datetime64]


def daily_axis(
    time: xr.DataArray, *, argument: str | None = None, consecutive: bool = False
) -> DailyAxis:
    """Check that dates are daily and count them; times of day do not count.

    Parameters
    ----------
    time : DataArray, (T,)
        datetime64 or cftime, any calendar.
    argument : str, optional
        Argument that `time` belongs to, for messages.
    consecutive : bool
        Refuse a record without two days in a row: composites of several days.

    Raises
    ------
    TimeAxisError
        If these are no dates, or if days are missing (NaT), repeated, unsorted or not daily.
    """
    name = f"{argument}: {time.name}" if argument else str(time.name)
    values = standard_dates(time)
    numbers = day_numbers(values, name)
    _check_daily(numbers, values, name, str(time.name), consecutive)
    if values.dtype != time.dtype:
        time = xr.DataArray(values, {time.dims[0]: values}, time.dims, time.name, time.attrs)
    return DailyAxis(time, numbers - numbers[0], calendar_dates(values))


def standard_dates(time: xr.DataArray) -> NDArray[Any]:
    """Dates of any dtype as datetime64 without a zone (UTC), or cftime.

    Parameters
    ----------
    time : DataArray, (T,)
        datetime64, cftime, pandas dates with a zone, pandas periods (their first instant), or
        Python datetimes.

    Returns
    -------
    ndarray, (T,)
        What is no date comes back as it is.
    """
    if isinstance(time.dtype, np.dtype):
        values = np.asarray(time.values)
        if values.dtype != object or is_cftime(values):
            return values
    import pandas as pd

    index = time.to_index().infer_objects()
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if not isinstance(index, pd.DatetimeIndex):
        return np.asarray(index)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy()


def is_date(variable: xr.Variable) -> bool:
    """Whether a variable holds dates of any dtype: datetime64, cftime, pandas, Python."""
    if not isinstance(variable.dtype, np.dtype):  # of pandas: with a zone, periods, categories
        return hasattr(variable.dtype, "tz") or hasattr(variable.dtype, "freq")
    if variable.dtype.kind == "M":
        return True
    if variable.dtype != object or variable.size == 0:
        return False
    first = variable[(0,) * variable.ndim].values.item()
    return hasattr(first, "calendar") or isinstance(first, datetime)


def is_cftime(values: NDArray[Any]) -> bool:
    """Whether an array holds cftime dates."""
    return values.dtype == object and values.size > 0 and hasattr(values.flat[0], "calendar")


def day_numbers(values: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Days (T,) since a fixed date in the calendar of `values`; `name` is for the message."""
    if is_cftime(values):
        import cftime

        calendar = values.flat[0].calendar
        numbers = cftime.date2num(values, "days since 1800-01-01", calendar)
        rounding = ROUNDING / np.timedelta64(1, "D")
        return np.floor(np.asarray(numbers, np.float64) + rounding).astype(np.int64)
    if not np.issubdtype(values.dtype, np.datetime64):
        coordinate = name.rpartition(": ")[2]
        raise TimeAxisError(
            f"{name} holds {values.dtype} such as {values[:1].tolist()}: expected dates. Decode "
            f"them with xr.decode_cf(ds), or set them: "
            f"ds.assign_coords({coordinate}=pd.date_range(...))."
        )
    if np.isnat(values).any():
        raise TimeAxisError(
            f"{name} holds {int(np.isnat(values).sum())} missing dates (NaT): drop those days."
        )
    return days_of(values).astype(np.int64)


def days_of(values: NDArray[Any]) -> NDArray[np.datetime64]:
    """Days (T,) as datetime64[D] that dates (datetime64) mean.

    A date within half a second before midnight is the next day, missed by the rounding of a number
    with a fraction. Where all dates are the last instants of days, as pandas ends its periods, they
    are those days.

    Examples
    --------
    >>> days_of(np.array(["2015-04-01T23:59:59.999960", "2015-04-01T23:59:59"], "datetime64[us]"))
    array(['2015-04-02', '2015-04-01'], dtype='datetime64[D]')
    """
    midnights = [values + end for end in PERIOD_ENDS]
    if values.size > 1 and any((m == m.astype("datetime64[D]")).all() for m in midnights):
        return values.astype("datetime64[D]")
    return (values + ROUNDING).astype("datetime64[D]")


def calendar_dates(values: NDArray[Any]) -> NDArray[np.datetime64]:
    """Dates (T,) as datetime64[D]; NaT for days that the standard calendar lacks."""
    if not is_cftime(values):
        return days_of(values)
    import cftime

    calendar = values.flat[0].calendar
    numbers = day_numbers(values, "time")
    values = cftime.num2date(numbers, "days since 1800-01-01", calendar)
    return np.array([_standard_date(date) for date in values], "datetime64[D]")


def _standard_date(date: Any) -> str:
    text = f"{date.year:04d}-{date.month:02d}-{date.day:02d}"
    try:
        np.datetime64(text, "D")
    except ValueError:
        return "NaT"
    return text


def _check_daily(
    days: NDArray[np.int64], values: NDArray[Any], name: str, dim: str, consecutive: bool
) -> None:
    unique, counts = np.unique(days, return_counts=True)
    if (counts > 1).any():
        repeated = unique[counts > 1]
        examples = "; ".join(_written(values[days == day][:3]) for day in repeated[:3])
        more = "; ..." if repeated.size > 3 else ""
        raise TimeAxisError(
            f"{name} has {repeated.size} repeated days ({examples}{more}): "
            "expected one time a day. Average them first, such as ds.resample"
            f'({dim}="1D").mean(keep_attrs=True), or put the orbits on a dimension of their own.'
        )
    steps = np.diff(days)
    if (steps < 0).any():
        at = np.flatnonzero(steps < 0)
        examples = "; ".join(_written(values[i : i + 2], " before ") for i in at[:3])
        raise TimeAxisError(
            f"{name} is not sorted ({examples}{'; ...' if at.size > 3 else ''}): "
            f'sort it with ds.sortby("{dim}").'
        )
    if consecutive and steps.size > 1 and steps.min() > 1:
        raise TimeAxisError(
            f"{name} has steps of {steps.min()} to {steps.max()} days and no two days in a row "
            f"({_written(values[:3])}, ...): expected daily data. If they are single days of a "
            f'daily record, insert the others: ds.resample({dim}="1D").asfreq(); composites '
            "of several days cannot be filled by a network of days."
        )


def _written(values: NDArray[Any], between: str = ", ") -> str:
    return between.join(str(v)[:19].removesuffix("T00:00:00") for v in values)


def year_length(time: xr.DataArray) -> int:
    """Days in the longest year of the calendar of `time`."""
    return YEAR_LENGTHS.get(time.dt.calendar, 366)


def gap_days(max_gap: Any) -> int | None:
    """A longest gap in whole days.

    Parameters
    ----------
    max_gap : None, int, str, timedelta, numpy.timedelta64 or pandas.Timedelta
        A number is days; a string is read by pandas (``"5D"``).

    Raises
    ------
    InputError
        If it is no span of time, or shorter than a day.

    Examples
    --------
    >>> gap_days("5D"), gap_days(5), gap_days(None)
    (5, 5, None)
    """
    if max_gap is None:
        return None
    import pandas as pd

    try:
        if isinstance(max_gap, bool | np.bool_ | float):
            raise TypeError("a bool or a float")
        # numpy.timedelta64 is an integer to NumPy
        if isinstance(max_gap, int | np.integer) and not isinstance(max_gap, np.timedelta64):
            days = int(max_gap)
        else:
            days = int(pd.Timedelta(max_gap) // pd.Timedelta(1, "D"))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"max_gap={max_gap!r}: expected a span of time such as '5D', 5 (days) or "
            f"numpy.timedelta64(5, 'D') ({error})."
        ) from error
    if days < 1:
        raise InputError(f"max_gap={max_gap!r}: expected a day or more, such as '5D' or 5 (days).")
    return days
