"""The annual-cycle test: is the season of the filled record that of the observed one?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.validation.records import UNITS, Record

YEAR = 365.2425  # days
LEAST = 5  # observations in every quarter of the year, for a cell to have a harmonic


def annual_cycle(record: Record, values: NDArray[np.float32], methods: Mapping[str, Any]) -> dict:
    """Amplitude and phase of the annual harmonic of the mean over the cells, before and after.

    Parameters
    ----------
    record : Record
    values : ndarray, (T, H, W)
        What was observed, m3 m-3.
    methods : mapping
        Name -> function that fills it.

    Returns
    -------
    dict
        ``annual_amplitude_original``, ``annual_phase_original`` (day of the year of the maximum),
        and ``annual_amplitude_filled``, ``annual_phase_filled`` (filler); empty if the record is
        shorter than a year or no cell is seen in all quarters of it.
    """
    days = record.days[~np.isnat(record.days)]
    if days[-1] - days[0] < np.timedelta64(364, "D"):
        return {}
    # days since 1 January of some year: phases are days of the year
    t = (record.days - np.datetime64("2001-01-01")).astype(np.float64)
    known = np.isfinite(t) & ~np.isnat(record.days)
    original = harmonic(values[known], t[known])
    filled = {name: harmonic(fill(values)[0][known], t[known]) for name, fill in methods.items()}
    both = np.isfinite(np.stack([original, *filled.values()])).all(axis=(0, 1))
    if not both.any():
        return {}
    weight = _weights(record)[both]
    amplitude, phase = _of_mean(original[:, both], weight)
    after = [_of_mean(part[:, both], weight) for part in filled.values()]
    size = {"long_name": "amplitude of the annual harmonic of the mean over cells", "units": UNITS}
    when = {"long_name": "day of the year of its maximum", "units": "day"}
    return {
        "annual_amplitude_original": ((), amplitude, size),
        "annual_phase_original": ((), phase, when),
        "annual_amplitude_filled": ("filler", [a for a, _ in after], size),
        "annual_phase_filled": ("filler", [p for _, p in after], when),
    }


def harmonic(values: NDArray[Any], t: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares coefficients (2, H, W) of cosine and sine of the year.

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
    flat = values.reshape(t.size, -1)
    seen = np.isfinite(flat)
    products = (terms[:, None] * terms[None]).reshape(9, -1) @ seen.astype(np.float64)  # (9, N)
    right = terms @ np.where(seen, flat, 0).astype(np.float64)  # (3, N)
    quarter = np.floor(t / YEAR * 4).astype(int) % 4
    enough = np.all([seen[quarter == q].sum(axis=0) >= LEAST for q in range(4)], axis=0)
    found = np.full((2, flat.shape[1]), np.nan)
    if enough.any():
        left = products[:, enough].T.reshape(-1, 3, 3)
        found[:, enough] = np.linalg.solve(left, right[:, enough].T[..., None])[:, 1:, 0].T
    return found.reshape(2, *values.shape[1:])


def _of_mean(coefficients: NDArray[Any], weight: NDArray[Any]) -> tuple[float, float]:
    """Amplitude and day of the maximum of the weighted mean of harmonics (2, N)."""
    cosine, sine = np.average(coefficients, axis=1, weights=weight)
    day = np.arctan2(sine, cosine) / (2 * np.pi) * YEAR
    return float(np.hypot(cosine, sine)), float(day % YEAR + 1)


def _weights(record: Record) -> NDArray[np.float64]:
    """Weights (H, W) in proportion to the area of cells."""
    from xsm.validation.product import areas

    return np.asarray(areas(record).values, np.float64)
