"""The mixture of methods that a calibration chose, for whole series of cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.tiling import inner
from xsm.gapfilling.fill_calibration import NETWORK, SPACE_TIME, Calibration
from xsm.gapfilling.gap_classes import days_to_observation, gap_classes, observed_beside
from xsm.gapfilling.own_series import Calendar, own_series_estimates
from xsm.gapfilling.space_time_interpolation import interpolate_in_space_and_time
from xsm.gapfilling.temporal_interpolation import cell_mean

Floats = NDArray[np.float32]


def mixture_of_series(
    series: Floats, vector: NDArray[np.float64], calendar: Calendar, margin: int = 0
) -> NDArray[np.float32]:
    """What :func:`xsm.gapfilling.merge.mix` needs, for whole series.

    Parameters
    ----------
    series : ndarray, shape (N, H + 2 margin, W + 2 margin)
        m3 m-3, NaN where missing.
    vector : ndarray
        :meth:`Calibration.to_vector`.
    calendar : Calendar
    margin : int
        Rows and columns around, for the space-time interpolation.

    Returns
    -------
    ndarray of float32, shape (4, N, H, W)
        Weight of the network; the other estimates times their weights, m3 m-3; the same two for
        the standard deviation. One and zero for observed values and cells without observations.
    """
    around, series = series, inner(series, [margin, margin])
    calibration = Calibration.from_vector(vector)
    plain = np.zeros((4, *series.shape), np.float32)
    plain[[0, 2]] = 1
    if not calibration.changes or not np.isfinite(series).any():
        return plain
    values = calendar.all_positions(around)
    own = inner(values, [margin, margin])
    distance = days_to_observation(own)
    group = gap_classes(distance, observed_beside(values, margin))
    if calibration.weights[:, SPACE_TIME].any():
        return _with_space_time(values, distance, group, margin, calibration, calendar)
    return _of_own_series(own, distance, group, calibration, calendar)


def _of_own_series(
    values: Floats,
    distance: NDArray[np.int32],
    group: NDArray[np.intp],
    calibration: Calibration,
    calendar: Calendar,
) -> NDArray[np.float32]:
    """:func:`mixture_of_series` where space-time interpolation has no weight.

    `values`, with the days to an observation and the class of each, are of all positions (T, H, W),
    the result of the days of the record.
    """
    plain = np.zeros((4, calendar.present.size, *values.shape[1:]), np.float32)
    plain[[0, 2]] = 1
    observed = np.isfinite(values).any(axis=0)
    if not observed.all():
        series, days = values[:, observed][..., None], distance[:, observed][..., None]
        classes = group[:, observed][..., None]
        cells = _of_own_series(series, days, classes, calibration, calendar)
        plain[..., observed] = cells[..., 0]
        return plain
    distance, group = distance[calendar.present], group[calendar.present]
    weights = calibration.weights.astype(np.float32)[group]
    factor = calibration.factor.astype(np.float32)[group]
    network = weights[..., NETWORK]
    mean = std = np.zeros(distance.shape, np.float32)
    if not calibration.network_alone:
        methods = np.flatnonzero(calibration.weights[:, 1:SPACE_TIME].any(axis=0))
        estimates, own_std = own_series_estimates(values, calendar, calibration.about, methods)
        mean = sum((weights[..., 1 + m] * estimates[m] for m in methods), mean)
        std = (1 - network) * own_std
    usable = (distance > 0) & np.isfinite(mean)
    return np.where(usable, np.stack([network, mean, factor * network, factor * std]), plain)


def _with_space_time(
    values: Floats,
    distance: NDArray[np.int32],
    group: NDArray[np.intp],
    margin: int,
    calibration: Calibration,
    calendar: Calendar,
) -> NDArray[np.float32]:
    """:func:`mixture_of_series` where space-time interpolation has a weight."""
    own = inner(values, [margin, margin])
    others = replace(calibration, weights=_without_space_time(calibration.weights))
    mixture = _of_own_series(own, distance, group, others, calendar)
    typical = cell_mean(values)
    weight = calibration.weights.astype(np.float32)[group]
    needed = np.zeros(values.shape, bool)
    present = np.zeros(own.shape, bool)
    present[calendar.present] = True
    inside = (slice(None), *(slice(margin, n - margin) for n in values.shape[1:]))
    gaps = present & (distance > 0) & np.isfinite(typical[inside[1:]])
    needed[inside] = gaps & (weight[..., NETWORK] < 1)
    estimate, std = interpolate_in_space_and_time(
        values - typical, needed, calibration.about[0], calibration.correlation
    )
    share = weight[..., SPACE_TIME]
    added = np.where(share > 0, share * inner(estimate + typical, [margin, margin]), 0)
    factor = calibration.factor.astype(np.float32)[group]
    std = factor * (1 - weight[..., NETWORK]) * inner(std, [margin, margin])
    usable = (gaps & (weight[..., NETWORK] < 1))[calendar.present]
    added, std = added[calendar.present], std[calendar.present]
    network = weight[..., NETWORK][calendar.present]
    parts = [network, mixture[1] + added, factor[calendar.present] * network, std]
    return np.where(usable, np.stack(parts), mixture)


def _without_space_time(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    out = weights.copy()
    out[:, SPACE_TIME] = 0.0
    return out
