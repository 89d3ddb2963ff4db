"""Estimates of a value from the series of its own cell: what a network must not be worse than."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.baselines import baseline
from xsm.gapfilling.temporal_interpolation import (
    Covariance,
    autocovariance_sums,
    cell_mean,
    climatological_mean,
    fit_covariance,
    interpolate_in_time,
)

OWN_SERIES = ("linear", "climatology", "temporal", "temporal_climatology")
LINEAR, CLIMATOLOGY, TEMPORAL, TEMPORAL_CLIMATOLOGY = range(len(OWN_SERIES))
MIN_YEARS = 400  # days, for departures from the climatology

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Calendar:
    """The days of a record.

    Attributes
    ----------
    dates : ndarray of int, shape (T,)
        Days in the calendar of all positions.
    present : ndarray of int, shape (N,)
        Positions that the record has.
    day_of_year : ndarray of int, shape (N,)
        From 1.
    year_length : int
    """

    dates: NDArray[np.int64]
    present: NDArray[np.int64]
    day_of_year: NDArray[np.int64]
    year_length: int

    @property
    def several_years(self) -> bool:
        """Whether departures from the climatology are of use."""
        return bool(self.dates[-1] - self.dates[0] >= MIN_YEARS)

    def part(self, days: slice) -> Calendar:
        """The calendar of some of the positions."""
        inside = (self.present >= days.start) & (self.present < days.stop)
        return Calendar(
            self.dates[days],
            self.present[inside] - days.start,
            self.day_of_year[inside],
            self.year_length,
        )

    def all_positions(self, series: NDArray[Any]) -> Floats:
        """Values (N, H, W) at all positions (T, H, W), NaN where the record has none."""
        out = np.full((self.dates.size, *series.shape[1:]), np.nan, np.float32)
        out[self.present] = series
        return out


def covariance_sums(values: Floats, calendar: Calendar) -> NDArray[np.float64]:
    """:func:`autocovariance_sums` (2, L + 1, 2) about the mean and about the climatology."""
    sums = [autocovariance_sums(values - cell_mean(values))]
    if calendar.several_years:
        typical = _climatology(values, calendar)
        sums.append(autocovariance_sums(values - calendar.all_positions(typical)))
    return np.stack([sums[0], sums[-1]])


def covariances(sums: NDArray[np.float64]) -> tuple[Covariance, Covariance]:
    """Covariance about the mean and about the climatology."""
    about_mean = fit_covariance(sums[0])
    same = np.array_equal(sums[0], sums[1])
    return about_mean, about_mean if same else fit_covariance(sums[1])


def own_series_estimates(
    values: Floats,
    calendar: Calendar,
    about: tuple[Covariance, Covariance],
    methods: Collection[int] = range(len(OWN_SERIES)),
) -> tuple[Floats, Floats]:
    """Estimates of each method and their uncertainty.

    Parameters
    ----------
    values : ndarray, shape (T, H, W)
        At all positions, m3 m-3; NaN where missing.
    calendar : Calendar
    about : (Covariance, Covariance)
        :func:`covariances`.
    methods : collection of int, optional
        Which of ``OWN_SERIES``; the others are NaN. Default: all.

    Returns
    -------
    estimates : ndarray of float32, shape (4, N, H, W)
        m3 m-3, in the order of ``OWN_SERIES``. NaN in cells without observations.
    std : ndarray of float32, shape (N, H, W)
        Standard deviation of an observation about the temporal interpolation, m3 m-3.
    """
    present = calendar.present
    out = np.full((len(OWN_SERIES), present.size, *values.shape[1:]), np.nan, np.float32)
    mean = cell_mean(values)
    departures = values[present] - mean
    estimate, std = interpolate_in_time(departures, about[0], calendar.dates[present])
    if TEMPORAL in methods:
        out[TEMPORAL] = mean + estimate
    if LINEAR in methods:
        out[LINEAR] = baseline("linear")(values)[present]
    if CLIMATOLOGY in methods or (calendar.several_years and TEMPORAL_CLIMATOLOGY in methods):
        typical = _climatology(values, calendar)
        out[CLIMATOLOGY] = typical
        if calendar.several_years and TEMPORAL_CLIMATOLOGY in methods:
            departures = values[present] - typical
            estimate, _ = interpolate_in_time(departures, about[1], calendar.dates[present])
            out[TEMPORAL_CLIMATOLOGY] = typical + estimate
    return out, std


def _climatology(values: Floats, calendar: Calendar) -> Floats:
    series = values[calendar.present]
    return climatological_mean(series, calendar.day_of_year, calendar.year_length)
