"""Weights that make rare targets count: few very wet (or dry) samples among very many others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BINS, SMOOTH = 64, 1.5  # of the range of the targets; width of the smoothing in bins
MOST = 10.0  # times the mean weight: one odd target must not lead
Weigh = Callable[[NDArray[np.floating]], NDArray[np.float32]]


def rarity(targets: NDArray[np.floating], power: float) -> Weigh:
    """Weights by the density of the targets to the power of minus `power`.

    The density is a histogram smoothed by a Gaussian, so that neighbouring values share what is
    known of them: label distribution smoothing (Yang et al., 2021, arXiv 2102.09554, Sect. 3.1).

    Parameters
    ----------
    targets : ndarray
        All training targets; NaN is none.
    power : float
        0: all alike; 0.5: the square root, as in the paper; 1: every value of the target counts
        alike, however rare.

    Returns
    -------
    callable
        From targets, any shape, to their weights (0 for NaN), 1 in the mean over `targets`.
    """
    from scipy.ndimage import gaussian_filter1d

    known = targets[np.isfinite(targets)]
    count, edges = np.histogram(known, BINS)
    density = gaussian_filter1d(count.astype(float), SMOOTH, mode="nearest")
    centre = (edges[1:] + edges[:-1]) / 2
    weight = np.maximum(density, 1.0) ** -power
    weight = np.minimum(weight / np.average(weight, weights=count), MOST)
    weight /= np.interp(known, centre, weight).mean()

    def weigh(values: NDArray[np.floating]) -> NDArray[np.float32]:
        found = np.interp(values, centre, weight)
        return np.where(np.isfinite(values), found, 0.0).astype(np.float32)

    return weigh
