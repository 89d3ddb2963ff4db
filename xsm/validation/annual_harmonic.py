"""Annual harmonic of a record before and after filling: amplitude and day of the maximum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.conventions.record import GriddedRecord
from xsm.conventions.variables import UNITS
from xsm.validation.product import area_weights

YEAR = 365.2425  # days
MIN_OBSERVATIONS = 5  # in every quarter of the year, for a cell to have a harmonic


def annual_cycle(
    record: GriddedRecord,
    values: NDArray[np.float32],
    fill_methods: Mapping[str, Callable[[NDArray[np.float32]], Any]],
) -> dict[str, Any]:
    """Amplitude and phase of the annual harmonic of the mean over cells, before and after filling.

    Parameters
    ----------
    record : GriddedRecord
    values : ndarray, (T, H, W)
        The observations, m3 m-3.
    fill_methods : mapping
        Name -> function that fills them; it returns the filled values first.

    Returns
    -------
    dict
        ``annual_amplitude_original``, ``annual_phase_original`` (day of the year of the maximum),
        and ``annual_amplitude_filled``, ``annual_phase_filled`` (fill_method); empty if the record
        is shorter than a year, or no cell has observations in all quarters of it.
    """
    days = record.days[~np.isnat(record.days)]
    if days[-1] - days[0] < np.timedelta64(364, "D"):
        return {}
    # days since a 1 January, so that phases are days of the year
    t = (record.days - np.datetime64("2001-01-01")).astype(np.float64)
    valid = np.isfinite(t) & ~np.isnat(record.days)
    original = harmonic(values[valid], t[valid])
    filled = [harmonic(fill(values)[0][valid], t[valid]) for fill in fill_methods.values()]
    complete = np.isfinite(np.stack([original, *filled])).all(axis=(0, 1))
    if not complete.any():
        return {}
    weight = np.asarray(area_weights(record).values, np.float64)[complete]
    amplitude, phase = _amplitude_and_phase(original[:, complete], weight)
    after = [_amplitude_and_phase(part[:, complete], weight) for part in filled]
    of_amplitude = {
        "long_name": "amplitude of the annual harmonic of the mean over cells",
        "units": UNITS,
    }
    of_phase = {"long_name": "day of the year of its maximum", "units": "day"}
    return {
        "annual_amplitude_original": ((), amplitude, of_amplitude),
        "annual_phase_original": ((), phase, of_phase),
        "annual_amplitude_filled": ("fill_method", [a for a, _ in after], of_amplitude),
        "annual_phase_filled": ("fill_method", [p for _, p in after], of_phase),
    }


def harmonic(values: NDArray[Any], t: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares coefficients (2, H, W) of the cosine and sine with a period of one year.

    Parameters
    ----------
    values : ndarray, (T, H, W)
        NaN = missing; a cell needs observations in every quarter of the year.
    t : ndarray, (T,)
        Days since a 1 January.

    Examples
    --------
    >>> t = np.arange(730.0)
    >>> wave = 0.1 * np.cos(2 * np.pi * (t - 30) / YEAR)
    >>> harmonic(0.2 + wave[:, None, None], t).ravel().round(4).tolist()
    [0.087, 0.0493]
    """
    angle = 2 * np.pi * t / YEAR
    terms = np.stack([np.ones_like(t), np.cos(angle), np.sin(angle)])  # (3, T)
    series = values.reshape(t.size, -1)  # (T, N)
    observed = np.isfinite(series)
    products = (terms[:, None] * terms[None]).reshape(9, -1) @ observed.astype(np.float64)
    right = terms @ np.where(observed, series, 0).astype(np.float64)  # (3, N)
    quarter = np.floor(t / YEAR * 4).astype(int) % 4
    enough = np.all(
        [observed[quarter == q].sum(axis=0) >= MIN_OBSERVATIONS for q in range(4)], axis=0
    )
    coefficients = np.full((2, series.shape[1]), np.nan)
    if enough.any():
        left = products[:, enough].T.reshape(-1, 3, 3)
        solution = np.linalg.solve(left, right[:, enough].T[..., None])
        coefficients[:, enough] = solution[:, 1:, 0].T
    return coefficients.reshape(2, *values.shape[1:])


def _amplitude_and_phase(coefficients: NDArray[Any], weight: NDArray[Any]) -> tuple[float, float]:
    """Amplitude and day of the maximum of the weighted mean of harmonics (2, N)."""
    cosine, sine = np.average(coefficients, axis=1, weights=weight)
    day = np.arctan2(sine, cosine) / (2 * np.pi) * YEAR
    return float(np.hypot(cosine, sine)), float(day % YEAR + 1)
