"""Losses of the gap-filling networks, and weights of errors by the density of their targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.networks.block_inference import LOG_VARIANCE

ERROR_SCALE = 0.08  # m3 m-3, a typical error; brings the terms to about 1
STD_FLOOR = 0.03  # m3 m-3, added to the predicted standard deviation before it weights an error
GLOBAL_WEIGHT = 0.1  # of all observed land cells, relative to the hidden ones
VARIANCE_WEIGHT = 0.1  # of the likelihood of the variance


def gapfill_loss(
    output: Any, mean: Any, std: Any, target: Any, hidden: Any
) -> tuple[Any, dict[str, float]]:
    """Loss of a batch.

    The mean is fitted by squared error with a local term (the hidden cells) and a global one (all
    observed land, the hidden cells included), as in SGD-SM (Zhang et al., 2021, Sect. 3.3; the
    paper does not give the weights). Each error is weighted by the inverse of its predicted
    standard deviation, half-way between least squares and full likelihood (Seitzer et al., 2022,
    arXiv 2203.09168, beta = 0.5), so that noisy forests do not dominate. The log-variance is
    fitted by the Gaussian likelihood of the hidden cells with the mean held fixed, so that a large
    variance does not excuse an error of the mean.

    Parameters
    ----------
    output : tensor (B, 2, T, H, W)
        Standardised anomaly and its log-variance.
    mean, std : tensor (B, H, W), m3 m-3
    target : tensor (B, T, H, W), m3 m-3, NaN where not observed
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
    observed = torch.isfinite(target)
    squared = torch.where(observed, mean + std * output[:, 0] - target, 0.0).square()
    log_variance = output[:, 1].clamp(*LOG_VARIANCE)
    n_hidden, n_observed = hidden.sum().clamp(min=1), observed.sum().clamp(min=1)

    weight = 1 / (STD_FLOOR + std * torch.exp(0.5 * log_variance.detach()))
    weight = weight * n_hidden / (weight * hidden).sum().clamp(min=1e-6)
    weighted = weight * squared
    local_term = (weighted * hidden).sum() / n_hidden
    global_term = GLOBAL_WEIGHT * (weighted * observed).sum() / n_observed

    scaled = (squared.detach() / std.square()) * torch.exp(-log_variance)
    likelihood = ((log_variance + scaled) * hidden).sum() / n_hidden
    parts = {
        "squared_error": float((squared.detach() * hidden).sum()),
        "n": int(n_hidden),
        "likelihood": float(likelihood.detach()),
    }
    return (local_term + global_term) / ERROR_SCALE**2 + VARIANCE_WEIGHT * likelihood, parts


BINS = 64  # of the histogram of the targets
SMOOTHING = 1.5  # standard deviation of the filter, in bins
MAX_WEIGHT = 10.0  # times the mean weight: a single outlier must not dominate
DensityWeights = Callable[[NDArray[np.floating]], NDArray[np.float32]]


def density_weights(targets: NDArray[np.floating], power: float) -> DensityWeights:
    """Weights of errors: the density of the targets to the power of minus `power`.

    The density is a histogram smoothed by a Gaussian, so that neighbouring values share their
    counts: label distribution smoothing (Yang et al., 2021, arXiv 2102.09554, Sect. 3.1).

    Parameters
    ----------
    targets : ndarray
        All training targets; NaN where missing.
    power : float
        0: equal weights; 0.5: the inverse square root of the density, as in the paper; 1: all
        values of the target have the same total weight, however rare they are.

    Returns
    -------
    callable
        From targets, any shape, to their weights: 0 for NaN, with a mean of 1 over `targets`.
    """
    from scipy.ndimage import gaussian_filter1d

    valid = targets[np.isfinite(targets)]
    count, edges = np.histogram(valid, BINS)
    density = gaussian_filter1d(count.astype(float), SMOOTHING, mode="nearest")
    centre = (edges[1:] + edges[:-1]) / 2
    weight = np.maximum(density, 1.0) ** -power
    weight = np.minimum(weight / np.average(weight, weights=count), MAX_WEIGHT)
    weight /= np.interp(valid, centre, weight).mean()

    def weights_of(values: NDArray[np.floating]) -> NDArray[np.float32]:
        interpolated = np.interp(values, centre, weight)
        return np.where(np.isfinite(values), interpolated, 0.0).astype(np.float32)

    return weights_of
