"""Fit the local part: which inputs matter over all cells, and the response of each cell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm._lazy import optional_import
from xsm.estimation.local import (
    N_FREQUENCIES,
    ResponseSettings,
    response_features,
)
from xsm.training.splits import with_guard

GUARD_DAYS = 8  # around left-out days
CELLS_PER_STEP = 24
MAX_DAYS = 400  # of a cell: an even subsample of more
MIN_VARIANCE = 1e-4  # lower bound of the noise, for the Cholesky factor
LEARNING_RATE, LAST_LEARNING_RATE = 0.05, 0.005


class ResidualDays:
    """Residuals of P cells on L of their days, scaled by cell, and the inputs there.

    Parameters
    ----------
    residual : ndarray, (P, T)
        m3 m-3; NaN where missing.
    """

    def __init__(self, residual: NDArray[np.floating]) -> None:
        observed = np.isfinite(residual)
        variance = np.nanvar(np.where(observed.any(1)[:, None], residual, 0.0), axis=1)
        everywhere = float(np.nanmean(residual**2))
        self.scale = np.sqrt(0.5 * variance + 0.5 * everywhere)
        for row in np.flatnonzero(observed.sum(axis=1) > MAX_DAYS):
            days = np.flatnonzero(observed[row])
            chosen = days[np.linspace(0, days.size - 1, MAX_DAYS).astype(int)]
            observed[row] = False
            observed[row, chosen] = True
        length = max(int(observed.sum(axis=1).max()), 1)
        # observed days of each cell first, then padding
        self.days = np.argsort(~observed, axis=1, kind="stable")[:, :length]
        self.observed = np.take_along_axis(observed, self.days, axis=1)
        values = np.take_along_axis(np.where(observed, residual, 0.0), self.days, axis=1)
        self.values = (values / self.scale[:, None]).astype(np.float32)

    def at(self, z: NDArray[np.floating]) -> NDArray[np.floating]:
        """Inputs (P, T, G) on the days of each cell, (P, L, G)."""
        return np.take_along_axis(z, self.days[:, :, None], axis=1)


def fit_response(
    z: NDArray[np.floating],
    residuals: ResidualDays,
    n_days: int,
    first_day: int,
    repeat_cycle: int,
    *,
    steps: int,
    seed: int,
) -> ResponseSettings:
    """Hyperparameters of the process that predict left-out months best, over all cells.

    Minimises the negative log-likelihood of days left out in one block or as three months of the
    record, given the other days of the same cell, by Adam on a few cells at a time.

    Parameters
    ----------
    z : ndarray, (P, L, G)
        Departures of the inputs from their mean in the cell, on the days of `residuals`.
    residuals : ResidualDays
    n_days : int
        Of the record.
    first_day : int
        Since 1970-01-01.
    repeat_cycle : int
        Days; 0 for no offsets of the days of a cycle.
    steps, seed : int
    """
    torch = optional_import("torch", "a fit of the local part", "torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices of one cell are too small to share
    try:
        return _fit_response(z, residuals, n_days, first_day, repeat_cycle, steps, seed)
    finally:
        torch.set_num_threads(threads)


def _fit_response(
    z: NDArray[np.floating],
    residuals: ResidualDays,
    n_days: int,
    first_day: int,
    repeat_cycle: int,
    steps: int,
    seed: int,
) -> ResponseSettings:
    import torch

    rng = np.random.default_rng(seed)
    count = z.shape[2]
    start = {
        "linear": np.full(count, np.log(0.05)),
        "nonlinear": np.full(count, np.log(0.9 / np.sqrt(count))),
        "amplitude": np.log(0.05),
        "constant": np.log(0.02),
        "track": np.log(0.03),
        "autocorrelated": np.log(0.1),
        "days": np.log(5.0),
        "noise": np.log(0.1),
    }
    params = {k: torch.tensor(v, dtype=torch.float32).requires_grad_() for k, v in start.items()}
    optimiser = torch.optim.Adam(params.values(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, LAST_LEARNING_RATE)
    for _ in range(steps):
        cells = rng.choice(len(z), min(CELLS_PER_STEP, len(z)), replace=False)
        left_out, excluded = _left_out_days(n_days, rng)
        days, observed = residuals.days[cells], residuals.observed[cells]
        scored = torch.from_numpy(left_out[days] & observed)
        used = torch.from_numpy(~excluded[days] & observed)
        if not (scored.any() and used.any()):
            continue
        mean, variance = _posterior(
            params,
            torch.from_numpy(z[cells]),
            torch.from_numpy(days + first_day),
            torch.from_numpy(residuals.values[cells]),
            used,
            repeat_cycle,
        )
        error = (mean - torch.from_numpy(residuals.values[cells])) ** 2
        loss = (error / variance + torch.log(variance))[scored].mean()
        if not torch.isfinite(loss):
            continue
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    values = {name: np.exp(value.detach().numpy()) for name, value in params.items()}
    vectors = ("linear", "nonlinear")
    return ResponseSettings(
        **{k: v if k in vectors else float(v) for k, v in values.items()}  # type: ignore[arg-type]
    )


def _posterior(
    params: dict[str, Any], z: Any, days: Any, values: Any, used: Any, repeat_cycle: int
) -> tuple[Any, Any]:
    """Mean and variance (B, L) on all days of some cells from the `used` days."""
    import torch

    signal = _covariance(params, z, days, repeat_cycle)
    lag = (days[:, :, None] - days[:, None, :]).abs()
    autocorrelated = torch.exp(params["autocorrelated"] - lag / torch.exp(params["days"]))
    noise = torch.where(used, torch.exp(params["noise"]) + MIN_VARIANCE, 1.0)
    both = used[:, :, None] & used[:, None, :]
    root = torch.linalg.cholesky((signal + autocorrelated) * both + torch.diag_embed(noise))
    cross = signal * used[:, None, :]
    weight = torch.cholesky_solve((values * used)[..., None], root)
    whitened = torch.linalg.solve_triangular(root, cross.transpose(1, 2), upper=False)
    unexplained = torch.exp(params["noise"]) + torch.exp(params["autocorrelated"])
    variance = torch.diagonal(signal, dim1=1, dim2=2) - (whitened**2).sum(dim=1) + unexplained
    return (cross @ weight)[..., 0], variance.clamp(min=MIN_VARIANCE)


def _covariance(params: dict[str, Any], z: Any, days: Any, repeat_cycle: int) -> Any:
    """Of the signal, (B, L, L): inputs (B, L, G), days (B, L)."""
    import torch

    p = z * torch.exp(params["nonlinear"])
    square = (p * p).sum(-1)
    distance = square[:, :, None] + square[:, None, :] - 2 * p @ p.transpose(1, 2)
    signal = torch.exp(params["amplitude"] - 0.5 * distance.clamp(min=0))
    p = z * torch.exp(params["linear"])
    signal = signal + p @ p.transpose(1, 2) + torch.exp(params["constant"])
    if repeat_cycle:
        same_track = (days[:, :, None] - days[:, None, :]) % repeat_cycle == 0
        signal = signal + torch.exp(params["track"]) * same_track
    return signal


def random_frequencies(nonlinear: NDArray[np.floating], seed: int) -> NDArray[np.float32]:
    """Frequencies (G, M') of the features of a Gaussian covariance with these inverse lengths.

    Blocks of G frequencies have orthogonal directions and the lengths of Gaussian vectors, so that
    fewer of them approximate the covariance as well as independent ones (Yu et al., 2016, Advances
    in Neural Information Processing Systems 29).
    """
    rng = np.random.default_rng(seed)
    count = len(nonlinear)
    blocks = []
    for _ in range(math.ceil(N_FREQUENCIES / count)):
        directions, _ = np.linalg.qr(rng.standard_normal((count, count)))
        blocks.append(directions * np.sqrt(rng.chisquare(count, count)))
    draws = np.concatenate(blocks, axis=1)[:, :N_FREQUENCIES]
    return (draws * np.asarray(nonlinear)[:, None]).astype(np.float32)


def response_weights(
    z: NDArray[np.floating],
    residuals: ResidualDays,
    settings: ResponseSettings,
    frequencies: NDArray[np.floating],
    first_day: int,
    repeat_cycle: int,
) -> NDArray[np.float32]:
    """Weights of the features for each cell, (P, M): the mean of the process given its residuals.

    ``w = phi' (phi phi' + A + s I)^-1 r`` with the autocorrelated errors A and the noise s.
    """
    out = []
    for n in range(len(z)):
        used = residuals.observed[n]
        days = residuals.days[n, used]
        phi = response_features(
            z[n, used], days + first_day, settings.linear, frequencies, settings.amplitude,
            settings.constant, settings.track, repeat_cycle,
        ).astype(np.float64)  # fmt: skip
        lag = abs(days[:, None] - days[None, :])
        covariance = phi @ phi.T + settings.autocorrelated * np.exp(-lag / settings.days)
        covariance += (settings.noise + MIN_VARIANCE) * np.eye(len(days))
        alpha = np.linalg.solve(covariance, residuals.values[n, used].astype(np.float64))
        out.append(residuals.scale[n] * (phi.T @ alpha))
    return np.asarray(out, np.float32)


def _left_out_days(
    days: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A quarter of the days, in one block or as three months; and the same with a guard."""
    month = days / 12
    blocks, length = (1, 3 * month) if rng.random() < 0.5 else (3, month)
    position = (np.arange(days) / days + rng.random()) % 1.0 * blocks % 1.0
    left_out = position < length * blocks / days
    return left_out, with_guard(left_out, GUARD_DAYS)
