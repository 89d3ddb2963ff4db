"""Correlated random fields on the sphere, the same Earth for every grid and period.

A field of correlation length L is white noise on latitude rows L apart and on the zonal wave
numbers that L can carry, smoothed with a Gaussian along both. The noise depends only on seed, name
and day, never on the grid, so a region is a cut of the global field and a day is the same day
in every run that holds it. Correlation at distance r: exp(-r^2 / (2 L^2)).
"""

import zlib
from collections.abc import Sequence

import numpy as np

from xsm.osse.earth_grid import EARTH_RADIUS_KM, KM_PER_DEGREE, Grid

_DAY_OFFSET = 4_000_000  # keeps seeds positive back to the year -9000
_TAPS = 6  # latitude nodes that reach a row
_CUT = 3.4  # wave numbers beyond carry < 0.4 % of the variance


def generator(seed: int, name: str, day: int = 0) -> np.random.Generator:
    """Random generator of one named draw on one day, the same on every machine."""
    key = [int(seed), zlib.crc32(name.encode()), int(day) + _DAY_OFFSET]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


class Scale:
    """One correlation length: its latitude nodes, wave numbers and smoothing on a grid.

    Along longitude the length is `stretch` times that along latitude.
    """

    def __init__(self, grid: Grid, length_km: float, stretch: float = 1.0):
        step = length_km / KM_PER_DEGREE
        count = int(np.ceil(180.0 / step)) + 7
        nodes = (np.arange(count) - (count - 1) / 2) * step
        smooth = step / np.sqrt(2.0)  # Gaussian of L / sqrt 2 correlates over L
        inside = (nodes >= grid.lat[0] - 3.2 * step) & (nodes <= grid.lat[-1] + 3.2 * step)
        self.rows = slice(int(np.argmax(inside)), int(count - np.argmax(inside[::-1])))
        self.nodes = nodes[self.rows]
        self.count = count
        self.waves = int(_CUT * EARTH_RADIUS_KM / (stretch * length_km)) + 1
        first = np.searchsorted(self.nodes, grid.lat) - _TAPS // 2
        self.near = np.clip(first, 0, self.nodes.size - _TAPS)[:, None] + np.arange(_TAPS)
        weight = np.exp(-0.5 * ((grid.lat[:, None] - self.nodes[self.near]) / smooth) ** 2)
        self.weight = (weight / np.sqrt((weight**2).sum(1, keepdims=True))).astype(np.float32)
        cosine = np.maximum(np.cos(np.deg2rad(grid.lat)), 0.02)[:, None]
        k = np.arange(self.waves)[None, :] * (stretch * length_km / EARTH_RADIUS_KM) / cosine
        amplitude = np.exp(-0.25 * k**2)
        amplitude /= np.sqrt((amplitude**2).sum(1, keepdims=True))
        self.amplitude = amplitude.astype(np.float32)  # (H, M)

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """White noise (n nodes, M), complex64; all nodes are drawn so that grids agree."""
        noise = rng.standard_normal((self.count, self.waves, 2), dtype=np.float32)
        return np.ascontiguousarray(noise[self.rows]).view(np.complex64)[..., 0]

    def spectrum(self, noise: np.ndarray) -> np.ndarray:
        """Smoothed zonal spectrum on the rows of the grid, (H, M), complex64."""
        total = np.zeros(self.amplitude.shape, np.complex64)
        for tap in range(_TAPS):
            total += self.weight[:, tap, None] * noise[self.near[:, tap]]
        return total * self.amplitude


class Canvas:
    """Turns zonal spectra into maps on one grid."""

    def __init__(self, grid: Grid):
        self.grid = grid
        self._basis: tuple[np.ndarray, np.ndarray] | None = None

    def paint(self, spectra: Sequence[np.ndarray]) -> np.ndarray:
        """Sum zonal spectra (H, M_i) into one map (H, W), float32."""
        height, width = self.grid.shape
        waves = max(s.shape[1] for s in spectra)
        total = np.zeros((height, waves), np.complex64)
        for spectrum in spectra:
            total[:, : spectrum.shape[1]] += spectrum
        return self._around(total) if self.grid.wrap else self._section(total)

    def _around(self, total: np.ndarray) -> np.ndarray:
        width = self.grid.shape[1]
        keep = min(total.shape[1], width // 2)  # finer waves than the grid average out
        phase = np.exp(1j * np.arange(keep) * np.deg2rad(self.grid.lon[0]))
        half = np.zeros((total.shape[0], width // 2 + 1), np.complex64)
        half[:, :keep] = total[:, :keep] * (phase * width / 2).astype(np.complex64)
        half[:, 0] *= 2
        return np.fft.irfft(half, width, axis=1).astype(np.float32, copy=False)

    def _section(self, total: np.ndarray) -> np.ndarray:
        waves = total.shape[1]
        if self._basis is None or self._basis[0].shape[0] < waves:
            angle = np.arange(waves)[:, None] * np.deg2rad(self.grid.lon)[None, :]
            self._basis = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        cosine, sine = (basis[:waves] for basis in self._basis)
        return np.ascontiguousarray(total.real) @ cosine - np.ascontiguousarray(total.imag) @ sine


class Field:
    """A unit-variance field of several correlation lengths, new on every draw.

    Parameters
    ----------
    canvas : Canvas
    seed : int
    name : str
        Names the draw; two names are independent.
    lengths_km : sequence of float
    shares : sequence of float
        Share of the variance of each length; normalised.
    stretch : float, default 1
        East-west length over north-south length, for lengths of 300 km and more.
    """

    def __init__(self, canvas: Canvas, seed: int, name: str, lengths_km, shares, stretch=1.0):
        self.canvas, self.seed, self.name = canvas, seed, name
        self.scales = [
            Scale(canvas.grid, length, stretch if length >= 300 else 1.0) for length in lengths_km
        ]
        self.roots = np.sqrt(np.asarray(shares, float) / np.sum(shares)).astype(np.float32)

    def _noise(self, day: int) -> list[np.ndarray]:
        return [
            scale.draw(generator(self.seed, f"{self.name}/{i}", day))
            for i, scale in enumerate(self.scales)
        ]

    def _paint(self, states: Sequence[np.ndarray]) -> np.ndarray:
        spectra = [
            s.spectrum(a) * r for s, a, r in zip(self.scales, states, self.roots, strict=True)
        ]
        return self.canvas.paint(spectra)

    def draw(self, day: int = 0) -> np.ndarray:
        """The field of one day, (H, W), float32, independent of all other days."""
        return self._paint(self._noise(day))


class MovingField(Field):
    """A field with memory that drifts with a zonal wind: AR(1) in the frame that moves along.

    Parameters
    ----------
    memory : sequence of float
        Correlation from day to day of each length, in the moving frame.
    wind : callable
        Latitude in degrees (n,) -> eastward drift in m s-1 (n,).
    """

    def __init__(self, canvas, seed, name, lengths_km, shares, memory, wind, stretch=1.0):
        super().__init__(canvas, seed, name, lengths_km, shares, stretch)
        self.memory = [np.float32(m) for m in memory]
        self._states: list[np.ndarray] | None = None
        self._day = 0
        self._drift = []
        for scale in self.scales:
            radius = EARTH_RADIUS_KM * np.maximum(np.cos(np.deg2rad(scale.nodes)), 0.25)
            angle = wind(scale.nodes) * 86.4 / radius  # radians a day
            phase = -1j * angle[:, None] * np.arange(scale.waves)[None, :]
            self._drift.append(np.exp(phase).astype(np.complex64))

    def advance(self, day: int) -> np.ndarray:
        """Step to the given day (days must follow one another) and return its map (H, W)."""
        fresh = self._noise(day)
        if self._states is None:
            self._states = fresh
        else:
            for i, rho in enumerate(self.memory):
                kept = self._states[i] * self._drift[i]
                self._states[i] = rho * kept + np.sqrt(1 - rho**2) * fresh[i]
        self._day = day
        return self._paint(self._states)
