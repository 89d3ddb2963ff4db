"""What networks of all sites leave unexplained at each, by Gaussian processes.

One site has some 150 retrievals a year: enough for its own response to weather, not for finding
out which of forty predictors matter. That is learnt over all sites. The satellite comes back to
the same ground track after eight days, so each of these days looks at a site in a way of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
GUARD = 8  # days around what is left out that are not learnt from either
TRACKS = 8  # days until SMAP repeats its ground track
BATCH = 24  # sites in a step
LEAST = 1e-4  # variance that the noise cannot fall below, for the Cholesky factor


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
    """Fit and predict; ``shared`` holds the logarithms of what the sites share.

    A residual is the sum of a constant, one value for each day of the repeat cycle, a linear and
    a curved response to the predictors, what lasts some days for no known reason, and noise. All
    variances and scales are those that predict months left out best, over all sites.

    Parameters
    ----------
    predictors : ndarray, (T, N, F)
        From :func:`centred`.
    residual : ndarray, (T', N)
        m3 m-3 on the first days; NaN where missing. Of estimates that have not seen the day.
    steps, seed : int
        Of the search for what is shared.
    """

    def __init__(self, predictors: Array, residual: Array, *, steps: int = 100, seed: int = 0):
        import torch

        self.z, self._days_learnt = predictors, len(residual)
        variance = np.nanvar(residual, axis=0)
        self.scale = np.sqrt(0.5 * variance + 0.5 * np.nanmean(residual**2))
        known = np.isfinite(residual)
        longest = int(known.sum(axis=0).max())
        # observed days of each site first, then some that count for nothing
        days = np.argsort(~known, axis=0, kind="stable")[:longest].T  # (N, L)
        sites = np.arange(residual.shape[1])[:, None]
        self._days = torch.from_numpy(days)
        self._known = torch.from_numpy(known[days, sites])
        self._z = torch.from_numpy(predictors[days, sites])
        scaled = np.nan_to_num(residual / self.scale)
        self._r = torch.from_numpy(scaled[days, sites].astype(np.float32))
        self.shared = self._search(steps, np.random.default_rng(seed))

    def _search(self, steps: int, rng: np.random.Generator) -> dict[str, Any]:
        import torch

        count = self.z.shape[2]
        start = {
            "straight": np.full(count, np.log(0.05)),
            "curved": np.full(count, np.log(0.9 / np.sqrt(count))),
            "amplitude": np.log(0.05),
            "constant": np.log(0.02),
            "track": np.log(0.03),
            "lasting": np.log(0.1),
            "days": np.log(5.0),
            "noise": np.log(0.1),
        }
        found = {k: torch.tensor(v, dtype=torch.float32).requires_grad_() for k, v in start.items()}
        optimiser = torch.optim.Adam(found.values(), lr=0.05)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 0.005)
        for _ in range(steps):
            sites = torch.from_numpy(rng.choice(len(self._r), min(BATCH, len(self._r)), False))
            out, near = _left_out(self._days_learnt, rng)
            asked = torch.from_numpy(out)[self._days[sites]] & self._known[sites]
            given = ~torch.from_numpy(near)[self._days[sites]] & self._known[sites]
            mean, variance = self._posterior(found, sites, given)
            error = (mean - self._r[sites]) ** 2
            loss = (error / variance + torch.log(variance))[asked].mean()
            if not torch.isfinite(loss):
                continue
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            fall.step()
        return {key: value.detach() for key, value in found.items()}

    def _observed(self, shared: dict[str, Any], sites: Any, given: Any) -> tuple[Any, Any]:
        """What comes back, and the Cholesky factor of what is given, both (B, L, L)."""
        import torch

        z, days = self._z[sites], self._days[sites]
        signal = _covariance(z, z, days, days, shared)
        apart = (days[:, :, None] - days[:, None, :]).abs()
        lasting = torch.exp(shared["lasting"] - apart / torch.exp(shared["days"]))
        noise = torch.where(given, torch.exp(shared["noise"]) + LEAST, 1.0)
        own = (signal + lasting) * (given[:, :, None] & given[:, None, :])
        return signal, torch.linalg.cholesky(own + torch.diag_embed(noise))

    def _posterior(self, shared: dict[str, Any], sites: Any, given: Any) -> tuple[Any, Any]:
        """Mean and variance (B, L) on all days of some sites from the `given` ones."""
        import torch

        signal, root = self._observed(shared, sites, given)
        between = signal * given[:, None, :]
        weight = torch.cholesky_solve((self._r[sites] * given)[..., None], root)
        known = torch.linalg.solve_triangular(root, between.transpose(1, 2), upper=False)
        rest = torch.exp(shared["noise"]) + torch.exp(shared["lasting"])
        variance = torch.diagonal(signal, dim1=1, dim2=2) - (known**2).sum(dim=1) + rest
        return (between @ weight)[..., 0], variance.clamp(min=LEAST)

    def predict(self) -> Array:
        """Residuals to expect on all days (T, N), m3 m-3, but for what lasts some days only."""
        import torch

        out = np.empty(self.z.shape[:2], np.float32)
        everyday = torch.arange(len(out))[None]
        for n in range(out.shape[1]):
            known = self._known[[n]]
            _, root = self._observed(self.shared, [n], known)
            weight = torch.cholesky_solve(self._r[[n]][..., None], root)
            z = torch.from_numpy(np.ascontiguousarray(self.z[:, n]))[None]
            between = _covariance(z, self._z[[n]], everyday, self._days[[n]], self.shared)
            found = (between * known[:, None, :]) @ weight
            out[:, n] = self.scale[n] * found[0, :, 0].numpy()
        return out


def _covariance(a: Any, b: Any, days_a: Any, days_b: Any, shared: dict[str, Any]) -> Any:
    """Of what comes back, (B, L, M): predictors (B, L, F) and (B, M, F), days (B, L) and (B, M)."""
    import torch

    p, q = (x * torch.exp(shared["curved"]) for x in (a, b))
    far = (p * p).sum(-1)[:, :, None] + (q * q).sum(-1)[:, None, :] - 2 * p @ q.transpose(1, 2)
    curved = torch.exp(shared["amplitude"] - 0.5 * far.clamp(min=0))
    p, q = (x * torch.exp(shared["straight"]) for x in (a, b))
    same = (days_a[:, :, None] - days_b[:, None, :]) % TRACKS == 0
    track = torch.exp(shared["track"]) * same
    return curved + p @ q.transpose(1, 2) + track + torch.exp(shared["constant"])


def _left_out(days: int, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A quarter of the days in a row, or as three months apart; and those days with a guard."""
    month = days / 12
    spells, length = (1, 3 * month) if rng.random() < 0.5 else (3, month)
    place = (np.arange(days) / days + rng.random()) % 1.0 * spells % 1.0
    out = place < length * spells / days
    return out, near(out, GUARD)


def near(out: NDArray[np.bool_], days: int) -> NDArray[np.bool_]:
    """What lies within so many days of what is left out."""
    return np.convolve(out, np.ones(2 * days + 1), "same") > 0
