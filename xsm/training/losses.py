"""What training minimises: the error under the land and under the hidden cells, and the spread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.networks.block_inference import LOG_VARIANCE

SCALE = 0.08  # m3 m-3, a typical error; makes the terms about 1
FLOOR = 0.03  # m3 m-3, added to the predicted spread before it weighs an error
GLOBAL = 0.1  # weight of all observed land cells against the hidden ones
SPREAD = 0.1  # weight of the likelihood of the variance


def gapfill_loss(
    output: Any, mean: Any, std: Any, target: Any, hidden: Any
) -> tuple[Any, dict[str, float]]:
    """Loss of a batch.

    The mean is fitted by squared error with a local term (the hidden cells) and a global one (all
    observed land, the hidden included), as SGD-SM does (Zhang et al., 2021, Sect. 3.3; the paper
    does not give the weights). Each error is weighed by one over the spread predicted for it,
    half-way between least squares and full likelihood (Seitzer et al., 2022, arXiv 2203.09168,
    beta = 0.5), so that noisy forests do not drown the rest. The log-variance is fitted by the
    Gaussian likelihood of the hidden cells with the mean held fixed: it cannot excuse errors of
    the mean.

    Parameters
    ----------
    output : tensor (B, 2, T, H, W)
        Standardised anomaly and its log-variance.
    mean, std : tensor (B, H, W), m3 m-3
    target : tensor (B, T, H, W), m3 m-3, NaN where unknown
    hidden : bool tensor (B, T, H, W)

    Returns
    -------
    loss : scalar tensor
    parts : dict
        ``squared_error`` and ``n``, summed over the hidden cells, and ``likelihood``.
    """
    import torch

    output = output.float()
    std, mean = std[:, None], mean[:, None]
    known = torch.isfinite(target)
    squared = torch.where(known, mean + std * output[:, 0] - target, 0.0).square()
    log_variance = output[:, 1].clamp(*LOG_VARIANCE)
    n_hidden, n_known = hidden.sum().clamp(min=1), known.sum().clamp(min=1)

    weight = 1 / (FLOOR + std * torch.exp(0.5 * log_variance.detach()))
    weight = weight * n_hidden / (weight * hidden).sum().clamp(min=1e-6)
    weighed = weight * squared
    total = (weighed * hidden).sum() / n_hidden + GLOBAL * (weighed * known).sum() / n_known

    scaled = (squared.detach() / std.square()) * torch.exp(-log_variance)
    likelihood = ((log_variance + scaled) * hidden).sum() / n_hidden
    parts = {
        "squared_error": float((squared.detach() * hidden).sum()),
        "n": int(n_hidden),
        "likelihood": float(likelihood.detach()),
    }
    return total / SCALE**2 + SPREAD * likelihood, parts


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
