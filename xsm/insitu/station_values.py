"""Values of sensors: codes of missing values, and the period that is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xsm.errors import InputError
from xsm.insitu.station_dataset import GOOD_FLAG, Sensor, has_flag

# No soil moisture, in m3 m-3 or percent, is beyond these; codes of missing values are: -99, -999,
# -9999, -99.9, 9999 and the like.
LOWEST, HIGHEST = -9.0, 999.0
REPEATED = "values at repeated times"  # in the attribute values_removed
SENTINEL_NOTE = "%d codes of missing values, such as -9999, were set to NaN"


def is_sentinel(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where values are codes of missing values, such as -9999.

    Examples
    --------
    >>> is_sentinel(np.array([0.2, -9999.0, np.nan, -0.01, 9999.9])).tolist()
    [False, True, False, False, True]
    """
    return (values < LOWEST) | (values >= HIGHEST)


def remove_sentinels(sensor: Sensor) -> tuple[Sensor, int]:
    """A sensor with NaN for codes of missing values, and their number."""
    codes = is_sentinel(sensor.values)
    count = int(np.count_nonzero(codes))
    if not count:
        return sensor, 0
    return replace(sensor, values=np.where(codes, np.float32(np.nan), sensor.values)), count


def without_repeats(sensor: Sensor) -> tuple[Sensor, int]:
    """A series in order with each time once, and the number of values that are left out.

    Of several values at one time the first good one is taken, else the first that is not missing.
    """
    if (sensor.time[1:] > sensor.time[:-1]).all():
        return sensor, 0
    there = np.isfinite(sensor.values)
    choice = np.where(there, np.where(has_flag(sensor.flags, [GOOD_FLAG]), 0, 1), 2)
    order = np.lexsort((choice, sensor.time))  # stable
    time = sensor.time[order]
    taken = order[np.append(True, time[1:] != time[:-1])[: time.size]]
    count = int(np.count_nonzero(there) - np.count_nonzero(there[taken]))
    series = {name: getattr(sensor, name)[taken] for name in ("time", "values", "flags")}
    return replace(sensor, **series), count


def period_bounds(period: tuple[Any, Any] | None) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last time of a period; both ends are included.

    Parameters
    ----------
    period : (start, end) or None
        Dates or texts such as ``"2015"`` and ``"2018-06"``, of which the whole year or month
        counts; None: open.

    Raises
    ------
    InputError
        If they are no dates, or the end is before the start.

    Examples
    --------
    >>> print(*period_bounds(("2015", "2018-06")))
    2015-01-01 00:00:00 2018-06-30 23:59:59.999999
    """
    try:
        start, end = (None, None) if period is None else period
        first = pd.Timestamp.min if start is None else pd.Period(str(start)).start_time
        last = pd.Timestamp.max if end is None else pd.Period(str(end)).end_time
    except (TypeError, ValueError) as error:
        raise InputError(
            f"period={period!r}: expected (start, end), such as ('2015', '2018-06'), or None "
            f"({error})."
        ) from error
    if not first <= last:
        raise InputError(f"period={period!r}: the end is before the start.")
    return first, last
