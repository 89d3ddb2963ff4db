"""What the network of all cells leaves unexplained at each cell, by Gaussian processes.

A cell has some 150 retrievals a year: enough to estimate its own response to weather, but not to
select among forty predictors. The selection is learnt over all cells. The satellite repeats its
ground track after eight days, so each day of the cycle has an offset of its own in every cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
GUARD_DAYS = 8  # days around the left-out days that are not used for fitting
REPEAT_CYCLE = 8  # days until SMAP repeats its ground track
BATCH_SIZE = 24  # cells in a step
MIN_VARIANCE = 1e-4  # lower bound of the noise, for the Cholesky factor


def local_anomalies(predictors: Array, days: slice) -> Array:
    """Predictors (T, N, F) minus each cell's mean, scaled between the cell's and the global std."""
    part = predictors[days].astype(np.float64)
    scale = np.sqrt(0.3 * part.std(axis=(0, 1)) ** 2 + 0.7 * part.std(axis=0) ** 2)
    return ((predictors - part.mean(axis=0)) / scale).astype(np.float32)


def shrunk_std(y: Array) -> Array:
    """Standard deviation of each cell of (T, N), shrunk towards that of all cells."""
    variance = np.nanvar(y, axis=0)
    return np.sqrt(0.7 * variance + 0.3 * variance.mean())


class LocalGaussianProcess:
    """Fit and predict the residuals of each cell.

    A residual is the sum of a constant, one offset for each day of the repeat cycle, a linear and
    a non-linear response to the predictors, an autocorrelated term, and noise. The cells share all
    variances and scales: those that best predict left-out months over all cells.
    ``hyperparameters`` holds their logarithms.

    Parameters
    ----------
    predictors : ndarray, (T, N, F)
        From :func:`local_anomalies`.
    residual : ndarray, (T', N)
        m3 m-3 on the first T' days; NaN where missing. From estimates whose fit has not used the
        day.
    steps, seed : int
        Of the optimisation of the hyperparameters.
    """

    def __init__(self, predictors: Array, residual: Array, *, steps: int = 100, seed: int = 0):
        import torch

        self.z, self._n_fitted = predictors, len(residual)
        variance = np.nanvar(residual, axis=0)
        self.scale = np.sqrt(0.5 * variance + 0.5 * np.nanmean(residual**2))
        observed = np.isfinite(residual)
        n_days = int(observed.sum(axis=0).max())
        # observed days of each cell first, then padding without weight
        days = np.argsort(~observed, axis=0, kind="stable")[:n_days].T  # (N, L)
        cells = np.arange(residual.shape[1])[:, None]
        self._days = torch.from_numpy(days)
        self._observed = torch.from_numpy(observed[days, cells])
        self._z = torch.from_numpy(predictors[days, cells])
        scaled = np.nan_to_num(residual / self.scale)
        self._r = torch.from_numpy(scaled[days, cells].astype(np.float32))
        self.hyperparameters = self._optimise(steps, np.random.default_rng(seed))

    def _optimise(self, steps: int, rng: np.random.Generator) -> dict[str, Any]:
        import torch

        count = self.z.shape[2]
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
        params = {
            k: torch.tensor(v, dtype=torch.float32).requires_grad_() for k, v in start.items()
        }
        optimiser = torch.optim.Adam(params.values(), lr=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 0.005)
        for _ in range(steps):
            size = min(BATCH_SIZE, len(self._r))
            cells = torch.from_numpy(rng.choice(len(self._r), size, False))
            left_out, excluded = _left_out_days(self._n_fitted, rng)
            scored = torch.from_numpy(left_out)[self._days[cells]] & self._observed[cells]
            used = ~torch.from_numpy(excluded)[self._days[cells]] & self._observed[cells]
            mean, variance = self._posterior(params, cells, used)
            error = (mean - self._r[cells]) ** 2
            loss = (error / variance + torch.log(variance))[scored].mean()
            if not torch.isfinite(loss):
                continue
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        return {key: value.detach() for key, value in params.items()}

    def _factor(self, params: dict[str, Any], cells: Any, used: Any) -> tuple[Any, Any]:
        """Covariance of the signal, and Cholesky factor of the `used` days, both (B, L, L)."""
        import torch

        z, days = self._z[cells], self._days[cells]
        signal = _covariance(z, z, days, days, params)
        lag = (days[:, :, None] - days[:, None, :]).abs()
        autocorrelated = torch.exp(params["autocorrelated"] - lag / torch.exp(params["days"]))
        noise = torch.where(used, torch.exp(params["noise"]) + MIN_VARIANCE, 1.0)
        covariance = (signal + autocorrelated) * (used[:, :, None] & used[:, None, :])
        return signal, torch.linalg.cholesky(covariance + torch.diag_embed(noise))

    def _posterior(self, params: dict[str, Any], cells: Any, used: Any) -> tuple[Any, Any]:
        """Mean and variance (B, L) on all days of some cells from the `used` days."""
        import torch

        signal, root = self._factor(params, cells, used)
        cross = signal * used[:, None, :]
        weight = torch.cholesky_solve((self._r[cells] * used)[..., None], root)
        whitened = torch.linalg.solve_triangular(root, cross.transpose(1, 2), upper=False)
        unexplained = torch.exp(params["noise"]) + torch.exp(params["autocorrelated"])
        variance = torch.diagonal(signal, dim1=1, dim2=2) - (whitened**2).sum(dim=1) + unexplained
        return (cross @ weight)[..., 0], variance.clamp(min=MIN_VARIANCE)

    def predict(self) -> Array:
        """Expected residuals on all days (T, N), m3 m-3, without the autocorrelated term."""
        import torch

        out = np.empty(self.z.shape[:2], np.float32)
        all_days = torch.arange(len(out))[None]
        for n in range(out.shape[1]):
            observed = self._observed[[n]]
            _, root = self._factor(self.hyperparameters, [n], observed)
            weight = torch.cholesky_solve(self._r[[n]][..., None], root)
            z = torch.from_numpy(np.ascontiguousarray(self.z[:, n]))[None]
            cross = _covariance(z, self._z[[n]], all_days, self._days[[n]], self.hyperparameters)
            mean = (cross * observed[:, None, :]) @ weight
            out[:, n] = self.scale[n] * mean[0, :, 0].numpy()
        return out


def _covariance(a: Any, b: Any, days_a: Any, days_b: Any, params: dict[str, Any]) -> Any:
    """Of the signal, (B, L, M): predictors (B, L, F) and (B, M, F), days (B, L) and (B, M)."""
    import torch

    p, q = (x * torch.exp(params["nonlinear"]) for x in (a, b))
    distance = (p * p).sum(-1)[:, :, None] + (q * q).sum(-1)[:, None, :] - 2 * p @ q.transpose(1, 2)
    nonlinear = torch.exp(params["amplitude"] - 0.5 * distance.clamp(min=0))
    p, q = (x * torch.exp(params["linear"]) for x in (a, b))
    same_track = (days_a[:, :, None] - days_b[:, None, :]) % REPEAT_CYCLE == 0
    track = torch.exp(params["track"]) * same_track
    return nonlinear + p @ q.transpose(1, 2) + track + torch.exp(params["constant"])


def _left_out_days(
    days: int, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A quarter of the days, in one block or as three months; and the same with a guard."""
    month = days / 12
    blocks, length = (1, 3 * month) if rng.random() < 0.5 else (3, month)
    position = (np.arange(days) / days + rng.random()) % 1.0 * blocks % 1.0
    left_out = position < length * blocks / days
    return left_out, with_guard(left_out, GUARD_DAYS)


def with_guard(left_out: NDArray[np.bool_], days: int) -> NDArray[np.bool_]:
    """The left-out days and those within a number of days of them."""
    return np.convolve(left_out, np.ones(2 * days + 1), "same") > 0
