"""What a fill needs to know: one description for arrays in memory and on Dask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling.own_series import Calendar
from xsm.gapfilling.stretches import positions_and_dates

Predict = Callable[..., NDArray[np.float32]]


@dataclass(frozen=True)
class GapfillTask:
    """How to fill a record.

    Attributes
    ----------
    predict : callable
        The network: ``predict(values, stats, need=..., first=...)`` returns mean and standard
        deviation (2, T, H, W), m3 m-3; see :func:`xsm.networks.block_inference.fill_block`.
    halo : tuple of int
        Days, rows and columns around a cell that `predict` depends on.
    to_m3m3_factor : float
        m3 m-3 per unit of the variable.
    valid_range : tuple of float
        Limits of filled values, in that unit.
    dtype : numpy.dtype
        Of the filled variable.
    days : ndarray of int, shape (N,)
        Days since the first, increasing; the others of ``0 .. days[-1]`` are absent.
    day_of_year : ndarray of int, shape (N,)
        From 1.
    year_length : int
        Days in the longest year of the calendar.
    wrap : bool
        Whether the last column is the neighbour of the first.
    first_column : int
        The westernmost column of a record that closes around the globe, else 0.
    land : array of bool, shape (H, W), or None
        Where values may be filled in; None: where one was ever observed.
    coordinates : (lat, lon) or None
        Arrays, (H,) and (W,) or both (H, W), where the record has them and `land` is None: there
        the land of GLOBE tells cells never observed from the sea.
    fill_globe : bool
        With `land` None: values may also be filled in on the land of GLOBE.
    max_gap : int or None
        Longest gap to fill, days.
    keep_observed : bool
        Keep observed values; otherwise they are predicted too.
    climatology : bool
        Fill what the network cannot with the climatology of the cell.
    calibrate : bool
        Hide some observations to compare the network with the baselines.
    tile : tuple of int
        Days, rows and columns worked on at once.
    progress : bool or None
        See :func:`xsm.progress.bar`.
    name : str
        Of the variable.
    on_device : bool
        Whether `predict` computes on a GPU, so that a processor is free for other tiles meanwhile.
    statistics : (planes (7, H, W), seasonal cycle (K, H, W), position of the first day) or None
        Of :func:`xsm.gapfilling.given_statistics.planes_and_cycle`; None: those of the record.
    positions, dates : ndarray of int
        Of :func:`xsm.gapfilling.stretches.positions_and_dates`: where the days are worked on, and
        the days of all positions.
    """

    predict: Predict
    halo: tuple[int, int, int]
    to_m3m3_factor: float
    valid_range: tuple[float, float]
    dtype: np.dtype[Any]
    days: NDArray[np.int64]
    day_of_year: NDArray[np.int64]
    year_length: int
    wrap: bool
    first_column: int
    land: Any
    coordinates: tuple[Any, Any] | None
    fill_globe: bool
    max_gap: int | None
    keep_observed: bool
    climatology: bool
    calibrate: bool
    tile: tuple[int, int, int]
    progress: bool | None
    name: str
    on_device: bool = False
    statistics: tuple[NDArray[np.float32], NDArray[np.float32], int] | None = None
    positions: NDArray[np.int64] = field(init=False)
    dates: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        positions, dates = positions_and_dates(self.days)
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "dates", dates)

    @property
    def first_position(self) -> int:
        """Days from the first knot of the seasonal cycle to the first day."""
        return 0 if self.statistics is None else self.statistics[2]

    @property
    def calendar(self) -> Calendar:
        """The days as the estimates from the series of a cell need them."""
        return Calendar(self.dates, self.positions, self.day_of_year, self.year_length)
