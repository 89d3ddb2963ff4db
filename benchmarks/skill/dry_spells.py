"""How exact the retrievals themselves are, and which R that leaves within reach.

Without rain or frost soil moisture falls smoothly, so that of three retrievals in a row the middle
one differs from a line between the others by little but noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
LONGEST = 8  # days from the first to the last of the three
DRY = 0.5  # mm d-1
WARM = 3.0  # degC
LEAST = 8  # triples that are worth a figure


def noise(y: Array, rain: Array, warm: Array) -> Array:
    """Standard deviation of the noise of each site, m3 m-3; NaN where dry spells are too few.

    Parameters
    ----------
    y : ndarray, (T, N)
        m3 m-3; NaN where missing.
    rain, warm : ndarray, (T, N)
        mm d-1 and degC.

    Returns
    -------
    ndarray, (N,)
    """
    out = np.full(y.shape[1], np.nan)
    fair = np.cumsum((rain >= DRY) | (warm <= WARM), axis=0)
    for n in range(y.shape[1]):
        days = np.flatnonzero(np.isfinite(y[:, n]))
        first, middle, last = days[:-2], days[1:-1], days[2:]
        # the day before counts too: its rain may fall after the satellite has passed
        before = np.where(first > 1, fair[np.maximum(first - 2, 0), n], 0)
        good = (last - first <= LONGEST) & (fair[last, n] == before)
        first, middle, last = first[good], middle[good], last[good]
        if len(first) < LEAST:
            continue
        weight = (last - middle) / (last - first)
        bend = y[middle, n] - weight * y[first, n] - (1 - weight) * y[last, n]
        out[n] = np.sqrt(np.mean(bend**2 / (1 + weight**2 + (1 - weight) ** 2)))
    return out


def ceiling(y: Array, rain: Array, warm: Array) -> dict[str, float | int]:
    """Median noise, m3 m-3, and the median R that perfect estimates would reach against it."""
    found = noise(y, rain, warm)
    known = np.isfinite(found)
    rest = 1 - found[known] ** 2 / np.nanvar(y[:, known], axis=0)
    return {
        "noise": float(np.median(found[known])),
        "r": float(np.median(np.sqrt(np.maximum(rest, 0)))),
        "cells": int(known.sum()),
    }
