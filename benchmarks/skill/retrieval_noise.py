"""Noise of the retrievals, estimated in dry spells, and the correlation it leaves attainable.

Without rain or frost soil moisture falls smoothly. Of three retrievals in a row the middle one then
differs from the line between the other two by little but noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
MAX_SPAN = 8  # days from the first to the last of the three
DRY = 0.5  # mm d-1
WARM = 3.0  # degC
MIN_TRIPLES = 8


def retrieval_noise(y: Array, precipitation: Array, temperature: Array) -> Array:
    """Standard deviation of the noise of each cell, m3 m-3; NaN with too few dry spells.

    Parameters
    ----------
    y : ndarray, (T, N)
        m3 m-3; NaN where missing.
    precipitation, temperature : ndarray, (T, N)
        mm d-1 and degC.

    Returns
    -------
    ndarray, (N,)
    """
    out = np.full(y.shape[1], np.nan)
    wet_or_cold = np.cumsum((precipitation >= DRY) | (temperature <= WARM), axis=0)
    for n in range(y.shape[1]):
        days = np.flatnonzero(np.isfinite(y[:, n]))
        first, middle, last = days[:-2], days[1:-1], days[2:]
        # the day before counts too: its rain may fall after the overpass
        before = np.where(first > 1, wet_or_cold[np.maximum(first - 2, 0), n], 0)
        dry = (last - first <= MAX_SPAN) & (wet_or_cold[last, n] == before)
        first, middle, last = first[dry], middle[dry], last[dry]
        if len(first) < MIN_TRIPLES:
            continue
        weight = (last - middle) / (last - first)
        deviation = y[middle, n] - weight * y[first, n] - (1 - weight) * y[last, n]
        out[n] = np.sqrt(np.mean(deviation**2 / (1 + weight**2 + (1 - weight) ** 2)))
    return out


def attainable_correlation(
    y: Array, precipitation: Array, temperature: Array
) -> dict[str, float | int]:
    """Median noise ``std``, m3 m-3, and the median ``r`` of a perfect estimate against `y`."""
    std = retrieval_noise(y, precipitation, temperature)
    valid = np.isfinite(std)
    explained = 1 - std[valid] ** 2 / np.nanvar(y[:, valid], axis=0)
    return {
        "std": float(np.median(std[valid])),
        "r": float(np.median(np.sqrt(np.maximum(explained, 0)))),
        "cells": int(valid.sum()),
    }
