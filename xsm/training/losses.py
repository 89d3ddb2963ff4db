"""What training minimises: the error under the land and under the hidden cells, and the spread."""

from __future__ import annotations

from typing import Any

from xsm.networks.gapfilling import LOG_VARIANCE

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
