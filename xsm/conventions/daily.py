"""Several values a day become one: means of states and rates, sums of amounts."""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.conventions.time_axis import calendar_dates, day_numbers, is_cftime, standard_dates
from xsm.conventions.valid_values import apply_declared_range
from xsm.conventions.variables import is_file_backed
from xsm.errors import InputError
from xsm.warn_once import warn_once

logger = logging.getLogger(__name__)

FULL_DAY = 0.75  # of the steps of a day have to be there
DIURNAL = 0.35  # of the amplitude of a daily cycle may be in a mean of the times of a day
LISTED_DAYS = 4  # in a warning
STEPS_OF_MODEL = 4  # a day, or more
SAMPLED_CELLS = 64  # whose series tell amounts of a step from amounts since midnight
GROWING = 0.98  # of the changes within days, where amounts are accumulated
DAY = np.timedelta64(1, "D")


class TimesOfDays(NamedTuple):
    """Times (T,) in order, and the D days that they are of."""

    values: NDArray[Any]  # (T,)
    day: NDArray[np.intp]  # (T,), number of the day of each
    first: NDArray[np.intp]  # (D,), position of the first time of each day
    number: NDArray[np.intp]  # (D,), of times of each day

    @property
    def dates(self) -> NDArray[Any]:
        """Midnight at the start of each day, (D,)."""
        return day_start(self.values[self.first])

    @property
    def most(self) -> int:
        """Times of the day that has the most."""
        return int(self.number.max())


def daily_values(
    da: xr.DataArray, dim: str, *, amount: bool = False, steady: bool = False
) -> xr.DataArray:
    """`da` with one value a day along `dim`; itself if it has one already.

    Parameters
    ----------
    da : DataArray
        With dates along `dim`, in order.
    dim : str
    amount : bool
        The values are amounts of a step (mm, J m-2) and not states or rates (K, mm day-1, W m-2).
    steady : bool
        The values hardly have a daily cycle, as those of soil moisture: a mean of the times that
        all days have is one of the day, with a warning where they are in a part of it.

    Returns
    -------
    DataArray
        Of a state or rate the mean of each day in UTC. Of an amount its sum; where amounts are
        accumulated since midnight (ERA5-Land), the last one. Amounts are stamped at the end of
        their step where they are those of GRIB (attribute ``GRIB_stepType``). Days with less than
        three quarters of the steps of a day are missing; so are means of times that a daily cycle
        would not average out of, such as two at night, with a warning. Values outside the declared
        valid range are no part of a mean or sum. Lazy for Dask arrays.

    Raises
    ------
    InputError
        If amounts are on Dask and no attribute says what they are amounts of.
    """
    coord = da[dim]
    values = standard_dates(coord)
    if not (is_cftime(values) or np.issubdtype(values.dtype, np.datetime64)):
        return da  # the check of the axis says what is wrong
    if values.dtype != coord.dtype:
        da = da.assign_coords({dim: (dim, values, coord.attrs)})
    times = _by_day(values, dim)
    repeated = times.first.size < values.size
    if not repeated or not all(later > earlier for earlier, later in pairwise(values)):
        return da  # daily, or repeated and unsorted times, which the check of the axis refuses
    da = apply_declared_range(da)
    if not amount:
        logger.info("%s: means of its %d times a day", da.name, times.most)
        complete = times.number >= FULL_DAY * times.most
        whole = _whole_cycle(times)
        if not steady:
            complete &= whole
        elif not (whole | ~complete).all():
            _report_part(da, times, ~whole & complete)
        return _of_days(da, dim, times, complete, times.most, "mean")
    if _accumulated_since_midnight(da, dim, times):
        logger.info("%s: accumulated since midnight, the last value of each day", da.name)
        return _last_of_days(da, dim, values)
    logger.info("%s: sums of its %d amounts a day", da.name, times.most)
    steps = max(times.most, round(_one_day(values) / _usual_step(times)))
    if "GRIB_stepType" in da.attrs:  # at midnight ends the last step of the day before
        values = values - np.diff(values).min()
        times = _by_day(values, dim)
        da = da.assign_coords({dim: (dim, values, da[dim].attrs)})
    return _of_days(da, dim, times, times.number >= FULL_DAY * steps, steps, "sum")


def has_steps(values: NDArray[Any]) -> bool:
    """Whether dates (T,) are at equal steps of several a day, as those of a model."""
    steps = np.diff(values)
    if steps.size == 0 or not (shortest := steps.min()) > 0 * shortest:
        return False
    multiples = np.asarray(steps / shortest, np.float64)
    regular = np.abs(multiples - np.rint(multiples)).max() < 0.01
    return bool(regular and STEPS_OF_MODEL * shortest <= _one_day(values))


def days_as_labels(da: xr.DataArray, dim: str, *, standard: bool) -> NDArray[Any]:
    """The days (T,) along `dim`: datetime64[D], or numbers in the calendar of `da`.

    `standard` asks for datetime64, for arrays whose calendars differ.
    """
    values = standard_dates(da[dim])
    return calendar_dates(values) if standard else day_numbers(values, str(dim))


def _by_day(values: NDArray[Any], dim: str) -> TimesOfDays:
    _, first, day, number = np.unique(
        day_numbers(values, str(dim)), return_index=True, return_inverse=True, return_counts=True
    )
    return TimesOfDays(values, day, first, number)


def _usual_step(times: TimesOfDays) -> Any:
    """Median time between two values of a day."""
    within = np.diff(times.values)[np.diff(times.day) == 0]
    return np.sort(within)[within.size // 2]


def _one_day(values: NDArray[Any]) -> Any:
    return timedelta(days=1) if is_cftime(values) else DAY


def _whole_cycle(times: TimesOfDays) -> NDArray[np.bool_]:
    """Which days have times whose mean leaves out a daily cycle.

    The mean over a cosine of the period of a day has the amplitude |mean of exp(2 pi i t)|, with t
    the time of day in days: 0 for equal steps, 0.3 without a quarter of them, 1 for one time.
    """
    values = times.values
    time = ((values - day_start(values)) / _one_day(values)).astype(np.float64)
    cosine, sine = (np.bincount(times.day, f(2 * np.pi * time)) for f in (np.cos, np.sin))
    return np.hypot(cosine, sine) <= DIURNAL * times.number


def _of_days(
    da: xr.DataArray,
    dim: str,
    times: TimesOfDays,
    complete: NDArray[np.bool_],
    steps: int,
    how: str,
) -> xr.DataArray:
    """Mean or sum of each complete day, where it has enough of the steps, stamped at its start."""
    dates, counts = times.dates, times.number
    if (counts == counts[0]).all():  # blocks of equal length
        blocks = da.coarsen({dim: int(counts[0])}, coord_func="min")
        mean, number = blocks.mean(), blocks.count()
        mean, number = (x.assign_coords({dim: dates}) for x in (mean, number))
    else:
        groups = da.assign_coords({dim: times.day}).groupby(dim)
        mean, number = groups.mean(dim), groups.count(dim)
        mean, number = (x.assign_coords({dim: dates}).transpose(*da.dims) for x in (mean, number))
    enough = number >= FULL_DAY * steps
    if not complete.all():
        _report(
            f"{da.name}, and what has the same times",
            f"no daily {how} of {_listed(times, ~complete)}. These days are missing. Add "
            "the absent times (open the files of whole days); or, if these times are meant, "
            f'da.resample({dim}="1D").{how}() before.',
        )
        enough = enough & xr.DataArray(complete, {dim: dates}, dim)
    # a missing step of an amount counts as the mean of the others
    out = (mean * steps if how == "sum" else mean).where(enough)
    return out.astype(np.result_type(da.dtype, np.float32)).assign_attrs(da.attrs)


def _report_part(da: xr.DataArray, times: TimesOfDays, part: NDArray[np.bool_]) -> None:
    """Warn of means of soil moisture that are of a part of the day."""
    _report(
        str(da.name),
        f"the means of {_listed(times, part)}. Open the files of whole days if they are to be "
        "daily means.",
    )


def _listed(times: TimesOfDays, part: NDArray[np.bool_]) -> str:
    """Days with a part of their times, and how many these are."""
    dates, indices = times.dates, np.flatnonzero(part)
    days = ", ".join(f"{str(dates[k])[:10]} ({times.number[k]})" for k in indices[:LISTED_DAYS])
    days += f" and {indices.size - LISTED_DAYS} more" if indices.size > LISTED_DAYS else ""
    return f"{indices.size} of {dates.size} days, which have times in a part of the day: {days}"


def _report(name: str, text: str) -> None:
    """Warn of partial days; once for variables with the same times."""
    warn_once(logger, text, "%s: %s", name, text)


def day_start(values: NDArray[Any]) -> NDArray[Any]:
    """Midnight before each date."""
    if not is_cftime(values):
        return values.astype("datetime64[D]").astype("datetime64[ns]")
    return np.array([v.replace(hour=0, minute=0, second=0, microsecond=0) for v in values])


def _last_of_days(da: xr.DataArray, dim: str, values: NDArray[Any]) -> xr.DataArray:
    """What is accumulated at midnight, as the amount of the day before."""
    at_midnight = np.flatnonzero(values == day_start(values))
    out = da.isel({dim: at_midnight[at_midnight > 0]})
    return out.assign_coords({dim: out[dim].values - DAY})


def _accumulated_since_midnight(da: xr.DataArray, dim: str, times: TimesOfDays) -> bool:
    """Whether amounts grow from step to step and begin anew each day."""
    if "sum" in str(da.attrs.get("cell_methods", "")):
        return False
    if da.chunks is not None:
        raise InputError(
            f"{da.name} holds amounts ({da.attrs.get('units')!r}) at {times.most} times a "
            "day, and on Dask their values cannot be looked at: if each is that of a step, say "
            f'so with ds["{da.name}"].attrs["cell_methods"] = "{dim}: sum"; if they are '
            "accumulated since midnight (ERA5-Land), take those at 00 UTC as the days before: "
            f"da = da[da.{dim}.dt.hour == 0]; da[{dim!r}] = da.{dim} - np.timedelta64(1, 'D')."
        )
    others = [str(d) for d in da.dims if d != dim]
    cells = int(np.prod([da.sizes[d] for d in others]))
    stride = max(int((cells / SAMPLED_CELLS) ** (1 / max(len(others), 1))), 1)
    sample = da.isel({d: slice(None, None, stride) for d in others})
    if is_file_backed(sample):
        sample = sample.isel({dim: slice(0, 31 * times.most)})
    series = sample.transpose(dim, ...).values.reshape(sample.sizes[dim], -1).astype(np.float64)
    # the first value of a day, at midnight, belongs to the day before
    begins = np.concatenate([[True], np.diff(times.day[: series.shape[0]]) > 0])[:-1]
    change = np.diff(series, axis=0)[~begins]
    change = change[np.abs(change) > 1e-6 * np.nanmax(np.abs(series), initial=0.0)]
    return bool(change.size and (change > 0).mean() > GROWING)
