"""A Gaussian process for every site, with predictors weighed by what all sites have in common.

One site has some 150 retrievals a year: enough for its own response to weather, not for finding
out which of forty predictors matter. That is learnt over all sites, by predicting months left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
GUARD = 8  # days around what is left out that are not learnt from either
BATCH = 24  # sites in a step


def centred(predictors: Array, days: slice) -> Array:
    """Predictors (T, N, F) without each site's mean, in a scale between the site's and all's."""
    part = predictors[days].astype(np.float64)
    scale = np.sqrt(0.3 * part.std(axis=(0, 1)) ** 2 + 0.7 * part.std(axis=0) ** 2)
    return ((predictors - part.mean(axis=0)) / scale).astype(np.float32)


def spreads(y: Array) -> Array:
    """Standard deviation of each site of (T, N), drawn towards that of all."""
    variance = np.nanvar(y, axis=0)
    return np.sqrt(0.7 * variance + 0.3 * variance.mean())


class SiteProcesses:
    """Fit and predict; ``relevance`` holds the logarithms of what the sites share.

    Parameters
    ----------
    predictors : ndarray, (T, N, F)
        From :func:`centred`.
    y : ndarray, (T', N)
        m3 m-3 on the first days; NaN where missing.
    steps, seed : int
        Of the search for the relevance.
    """

    def __init__(self, predictors: Array, y: Array, *, steps: int = 200, seed: int = 0):
        import torch

        self.z, self.y = predictors, y
        self.mean, self.scale = np.nanmean(y, axis=0), spreads(y)
        known = np.isfinite(y)
        longest = int(known.sum(axis=0).max())
        # observed days of each site first, then some that count for nothing
        days = np.argsort(~known, axis=0, kind="stable")[:longest].T  # (N, L)
        sites = np.arange(y.shape[1])[:, None]
        self._days = torch.from_numpy(days)
        self._known = torch.from_numpy(known[days, sites])
        self._z = torch.from_numpy(predictors[days, sites])
        scaled = np.nan_to_num((y - self.mean) / self.scale)
        self._y = torch.from_numpy(scaled[days, sites].astype(np.float32))
        self.relevance = self._search(steps, np.random.default_rng(seed))

    def _search(self, steps: int, rng: np.random.Generator) -> dict[str, Any]:
        import torch

        count = self.z.shape[2]
        start = {
            "curved": np.full(count, np.log(0.9 / np.sqrt(count))),
            "straight": np.full(count, np.log(0.15)),
            "amplitude": 0.0,
            "noise": -1.2,
        }
        found = {k: torch.tensor(v, dtype=torch.float32).requires_grad_() for k, v in start.items()}
        optimiser = torch.optim.Adam(found.values(), lr=0.05)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 0.005)
        for _ in range(steps):
            sites = torch.from_numpy(rng.choice(len(self._y), min(BATCH, len(self._y)), False))
            out, near = _left_out(self.y.shape[0], rng)
            asked = torch.from_numpy(out)[self._days[sites]] & self._known[sites]
            given = ~torch.from_numpy(near)[self._days[sites]] & self._known[sites]
            mean, variance = self._posterior(found, sites, given)
            error = (mean - self._y[sites]) ** 2
            loss = (error / variance + torch.log(variance))[asked].mean()
            if not torch.isfinite(loss):
                continue
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            fall.step()
        return {key: value.detach() for key, value in found.items()}

    def _posterior(self, relevance: Any, sites: Any, given: Any) -> tuple[Any, Any]:
        """Mean and variance (B, L) on all days of some sites from the `given` ones."""
        import torch

        z, noise = self._z[sites], torch.exp(relevance["noise"])
        prior = _covariance(z, z, relevance)
        between = prior * given[:, None, :]
        own = between * given[:, :, None] + torch.diag_embed(torch.where(given, noise, 1e4))
        root = torch.linalg.cholesky(own)
        weight = torch.cholesky_solve((self._y[sites] * given)[..., None], root)
        mean = (between @ weight)[..., 0]
        known = torch.linalg.solve_triangular(root, between.transpose(1, 2), upper=False)
        variance = torch.diagonal(prior, dim1=1, dim2=2) - (known**2).sum(dim=1) + noise
        return mean, variance.clamp(min=1e-4)

    def predict(self) -> Array:
        """All days (T, N), m3 m-3."""
        import torch

        out = np.empty(self.z.shape[:2], np.float32)
        noise = torch.exp(self.relevance["noise"])
        for n in range(out.shape[1]):
            known = self._known[n]
            given = self._z[n, known][None]
            own = _covariance(given, given, self.relevance)[0]
            root = torch.linalg.cholesky(own + noise * torch.eye(len(own)))
            weight = torch.cholesky_solve(self._y[n, known][:, None], root)
            everywhere = torch.from_numpy(np.ascontiguousarray(self.z[:, n]))[None]
            mean = _covariance(everywhere, given, self.relevance)[0] @ weight
            out[:, n] = self.mean[n] + self.scale[n] * mean[:, 0].numpy()
        return out


def _covariance(a: Any, b: Any, relevance: Any) -> Any:
    """Squared-exponential and linear, (B, L, M), of (B, L, F) and (B, M, F)."""
    import torch

    p, q = (x * torch.exp(relevance["curved"]) for x in (a, b))
    far = (p * p).sum(-1)[:, :, None] + (q * q).sum(-1)[:, None, :] - 2 * p @ q.transpose(1, 2)
    curved = torch.exp(relevance["amplitude"] - 0.5 * far.clamp(min=0))
    p, q = (x * torch.exp(relevance["straight"]) for x in (a, b))
    return curved + p @ q.transpose(1, 2)


def _left_out(days: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A quarter of the days in a row, or as three months apart; and those days with a guard."""
    month = days / 12
    spells, length = (1, 3 * month) if rng.random() < 0.5 else (3, month)
    place = (np.arange(days) / days + rng.random()) % 1.0 * spells % 1.0
    out = place < length * spells / days
    near = np.convolve(out, np.ones(2 * GUARD + 1), "same") > 0
    return out, near
