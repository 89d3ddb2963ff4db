"""Correlated random fields on the sphere, independent of grid and period.

A field of correlation length L is white noise on latitude rows L apart and on the zonal wave
numbers that L can carry, smoothed with a Gaussian along both. The noise depends only on seed, name
and day, not on the grid: a region is a subset of the global field, and a day is the same in every
run that includes it. Correlation at distance r: exp(-r^2 / (2 L^2)).
"""

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from xsm.argument_checks import check_whole
from xsm.osse.earth_grid import EARTH_RADIUS_KM, KM_PER_DEGREE, Grid

_DAY_OFFSET = 4_000_000  # keeps seeds positive back to the year -9000
_TAPS = 6  # latitude nodes that contribute to a row
_MAX_WAVE = 3.4  # higher wave numbers carry < 0.4 % of the variance


def check_seed(seed) -> int:
    """Return the seed as int, or raise `InputError`."""
    check_whole({"seed": (seed, 0)})
    return int(seed)


def random_generator(seed: int, name: str, day: int = 0) -> np.random.Generator:
    """Random generator for one named field on one day, the same on every machine."""
    key = [int(seed), zlib.crc32(name.encode()), int(day) + _DAY_OFFSET]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


class CorrelationScale:
    """Latitude nodes, wave numbers and smoothing of one correlation length on a grid.

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
        self.waves = int(_MAX_WAVE * EARTH_RADIUS_KM / (stretch * length_km)) + 1
        first = np.searchsorted(self.nodes, grid.lat) - _TAPS // 2
        self.near = np.clip(first, 0, self.nodes.size - _TAPS)[:, None] + np.arange(_TAPS)
        weight = np.exp(-0.5 * ((grid.lat[:, None] - self.nodes[self.near]) / smooth) ** 2)
        self.weight = (weight / np.sqrt((weight**2).sum(1, keepdims=True))).astype(np.float32)
        cosine = np.maximum(np.cos(np.deg2rad(grid.lat)), 0.02)[:, None]
        k = np.arange(self.waves)[None, :] * (stretch * length_km / EARTH_RADIUS_KM) / cosine
        amplitude = np.exp(-0.25 * k**2)
        amplitude /= np.sqrt((amplitude**2).sum(1, keepdims=True))
        self.amplitude = amplitude.astype(np.float32)  # (H, M)

    def white_noise(self, rng: np.random.Generator) -> np.ndarray:
        """White noise (n nodes, M), complex64; all nodes are drawn so that all grids agree."""
        noise = rng.standard_normal((self.count, self.waves, 2), dtype=np.float32)
        return np.ascontiguousarray(noise[self.rows]).view(np.complex64)[..., 0]

    def spectrum(self, noise: np.ndarray) -> np.ndarray:
        """Smoothed zonal spectrum on the rows of the grid, (H, M), complex64."""
        total = np.zeros(self.amplitude.shape, np.complex64)
        for tap in range(_TAPS):
            total += self.weight[:, tap, None] * noise[self.near[:, tap]]
        return total * self.amplitude


class ZonalSynthesis:
    """Transform of zonal spectra into maps on one grid."""

    def __init__(self, grid: Grid):
        self.grid = grid
        self._basis: tuple[np.ndarray, np.ndarray] | None = None

    def to_map(self, spectra: Sequence[np.ndarray]) -> np.ndarray:
        """Sum zonal spectra (H, M_i) into one map (H, W), float32."""
        height, width = self.grid.shape
        waves = max(s.shape[1] for s in spectra)
        total = np.zeros((height, waves), np.complex64)
        for spectrum in spectra:
            total[:, : spectrum.shape[1]] += spectrum
        return self._global_map(total) if self.grid.is_global else self._regional_map(total)

    def _global_map(self, total: np.ndarray) -> np.ndarray:
        width = self.grid.shape[1]
        n_waves = min(total.shape[1], width // 2)  # waves finer than the grid average out
        phase = np.exp(1j * np.arange(n_waves) * np.deg2rad(self.grid.lon[0]))
        half = np.zeros((total.shape[0], width // 2 + 1), np.complex64)
        half[:, :n_waves] = total[:, :n_waves] * (phase * width / 2).astype(np.complex64)
        half[:, 0] *= 2
        return np.fft.irfft(half, width, axis=1).astype(np.float32, copy=False)

    def _regional_map(self, total: np.ndarray) -> np.ndarray:
        waves = total.shape[1]
        if self._basis is None or self._basis[0].shape[0] < waves:
            angle = np.arange(waves)[:, None] * np.deg2rad(self.grid.lon)[None, :]
            self._basis = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        cosine, sine = (basis[:waves] for basis in self._basis)
        return np.ascontiguousarray(total.real) @ cosine - np.ascontiguousarray(total.imag) @ sine


class RandomField:
    """A unit-variance field of several correlation lengths, independent from day to day.

    Parameters
    ----------
    synthesis : ZonalSynthesis
    seed : int
    name : str
        Name of the field; fields of different names are independent.
    lengths_km : sequence of float
    variance_fractions : sequence of float
        Fraction of the variance of each length; normalised.
    stretch : float, default 1
        East-west length over north-south length, for lengths of 300 km and more.
    """

    def __init__(
        self,
        synthesis: ZonalSynthesis,
        seed: int,
        name: str,
        lengths_km: Sequence[float],
        variance_fractions: Sequence[float],
        stretch: float = 1.0,
    ):
        self.synthesis, self.seed, self.name = synthesis, seed, name
        self.scales = [
            CorrelationScale(synthesis.grid, length, stretch if length >= 300 else 1.0)
            for length in lengths_km
        ]
        fractions = np.asarray(variance_fractions, float) / np.sum(variance_fractions)
        self.amplitudes = np.sqrt(fractions).astype(np.float32)

    def _noise(self, day: int) -> list[np.ndarray]:
        return [
            scale.white_noise(random_generator(self.seed, f"{self.name}/{i}", day))
            for i, scale in enumerate(self.scales)
        ]

    def _to_map(self, noise: Sequence[np.ndarray]) -> np.ndarray:
        spectra = [
            scale.spectrum(values) * amplitude
            for scale, values, amplitude in zip(self.scales, noise, self.amplitudes, strict=True)
        ]
        return self.synthesis.to_map(spectra)

    def draw(self, day: int = 0) -> np.ndarray:
        """The field of one day, (H, W), float32, independent of all other days."""
        return self._to_map(self._noise(day))


class AdvectedField(RandomField):
    """A field that drifts with a zonal wind and is AR(1) in time in the drifting frame.

    Parameters
    ----------
    daily_correlation : sequence of float
        Correlation from day to day of each length, in the drifting frame.
    wind : callable
        Latitude in degrees (n,) -> eastward drift in m s-1 (n,).
    """

    def __init__(
        self,
        synthesis: ZonalSynthesis,
        seed: int,
        name: str,
        lengths_km: Sequence[float],
        variance_fractions: Sequence[float],
        daily_correlation: Sequence[float],
        wind: Callable[[np.ndarray], np.ndarray],
        stretch: float = 1.0,
    ):
        super().__init__(synthesis, seed, name, lengths_km, variance_fractions, stretch)
        self.daily_correlation = [np.float32(correlation) for correlation in daily_correlation]
        self._states: list[np.ndarray] | None = None
        self._drift = []
        for scale in self.scales:
            radius = EARTH_RADIUS_KM * np.maximum(np.cos(np.deg2rad(scale.nodes)), 0.25)
            angle = wind(scale.nodes) * 86.4 / radius  # radians a day
            phase = -1j * angle[:, None] * np.arange(scale.waves)[None, :]
            self._drift.append(np.exp(phase).astype(np.complex64))

    def advance(self, day: int) -> np.ndarray:
        """Step to the next day and return its map (H, W). Days must be consecutive."""
        innovation = self._noise(day)
        if self._states is None:
            self._states = innovation
        else:
            for i, rho in enumerate(self.daily_correlation):
                drifted = self._states[i] * self._drift[i]
                self._states[i] = rho * drifted + np.sqrt(1 - rho**2) * innovation[i]
        return self._to_map(self._states)
