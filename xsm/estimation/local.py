"""The local part of an estimate: what a cell's own target adds to the network of all cells.

A fitted cell has a mean and a standard deviation of its own, which the network takes as inputs and
as location and scale of its output, and a Gaussian process of what the network leaves unexplained
there. The process is the sum of a constant, an offset for each day of the satellite's repeat cycle,
and a linear and a non-linear response to the inputs of the network. Its covariance is a product of
features, so that a cell needs only the weights w of them::

    k(a, b) = phi(a) . phi(b)        f(a) = w . phi(a)

The non-linear part has random Fourier features (Rahimi and Recht, 2007, Advances in Neural
Information Processing Systems 20), in orthogonal directions. The cells share the features: which
inputs matter is learnt over all of them, by :func:`xsm.training.local_fit.fit_response`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xsm.conventions.nearest_cells import unit_vectors

PREFIX = "local/"  # of the parameters in a model file
N_FREQUENCIES = 512
CELL_MEAN, CELL_STD, CELL_FITTED = CELL = ("cell_mean", "cell_std", "cell_fitted")
CLIMATE_SHRINKAGE = 0.3  # of the variance of an input in a cell towards that over all cells
SAME_CELL = 0.05  # fraction of the distance between cells within which two positions are one cell


class ResponseSettings(NamedTuple):
    """Hyperparameters of the process, shared by all cells; variances in those of a residual."""

    linear: NDArray[np.floating]  # (G,), standard deviation of the linear response to each input
    nonlinear: NDArray[np.floating]  # (G,), inverse length scale of each input
    amplitude: float  # variance of the non-linear response
    constant: float  # variance of the constant
    track: float  # variance of the offsets of the repeat cycle
    autocorrelated: float  # variance of errors that persist for some days
    days: float  # their e-folding time
    noise: float  # variance of all other errors


@dataclass(frozen=True, eq=False)
class LocalPart:
    """What the fitted cells add; P cells, G inputs of the process, M features."""

    position: NDArray[np.float64]  # (P, 3), on the unit sphere
    tolerance: float  # distance on the unit sphere within which two positions are one cell
    mean: NDArray[np.float32]  # (P,), of the target, m3 m-3
    std: NDArray[np.float32]  # (P,)
    input_mean: NDArray[np.float32]  # (P, G), of the inputs
    input_scale: NDArray[np.float32]  # (P, G)
    weights: NDArray[np.float32]  # (P, M), m3 m-3
    linear: NDArray[np.float32]  # (G,)
    frequencies: NDArray[np.float32]  # (G, M')
    global_std: NDArray[np.float32]  # (G,), of the inputs over all cells
    error: NDArray[np.float32]  # (P,), factor of the standard deviation of the networks
    regional_error: float  # the same for cells that were not fitted
    amplitude: float
    constant: float
    track: float
    repeat_cycle: int  # days; 0: none
    inputs: tuple[int, ...]  # numbers of the inputs of the network that the process takes

    def index(self, lat: NDArray[np.floating], lon: NDArray[np.floating]) -> NDArray[np.intp]:
        """Index of the fitted cell at each position (B,), degrees; -1 where there is none."""
        valid = np.isfinite(lat) & np.isfinite(lon)
        index = np.full(lat.shape, -1, np.intp)
        if valid.any():
            points = unit_vectors(lat[valid], lon[valid])
            _, nearest = self._tree.query(points, distance_upper_bound=self.tolerance)
            index[valid] = np.where(nearest < len(self.position), nearest, -1)
        return index

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree

        return KDTree(self.position)

    def add_inputs(
        self, inputs: NDArray[np.floating], cells: NDArray[np.intp]
    ) -> NDArray[np.float32]:
        """Inputs (B, T, G) with those that the local part adds, see :func:`local_rows`.

        The mean and standard deviation of the target are missing in cells that were not fitted;
        the climate of such a cell is that of the days at hand.
        """
        return add_local_inputs(
            inputs, self.inputs, *self._climate(inputs, cells), *self._target_climate(cells)
        )

    def _target_climate(
        self, cells: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation (B,) of the target, NaN where the index is -1."""
        fitted, nan = cells >= 0, np.float32(np.nan)
        return np.where(fitted, self.mean[cells], nan), np.where(fitted, self.std[cells], nan)

    def _climate(
        self, inputs: NDArray[np.floating], cells: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and scale (B, G) of the inputs."""
        mean, scale = self.input_mean[cells], self.input_scale[cells]
        if (other := cells < 0).any():
            mean[other], scale[other] = climate_of(
                inputs[other][:, :, list(self.inputs)], self.global_std
            )
        return mean, scale

    def predict(
        self, inputs: NDArray[np.floating], cells: NDArray[np.intp], first_day: int
    ) -> NDArray[np.float32]:
        """What the networks leave unexplained, (B, T), m3 m-3; 0 where the index is -1.

        Parameters
        ----------
        inputs : ndarray, (B, T, G)
            Of the network, without those of the local part.
        cells : ndarray of int, (B,)
            From :meth:`index`.
        first_day : int
            Number of the first day since 1970-01-01.
        """
        out = np.zeros(inputs.shape[:2], np.float32)
        days = first_day + np.arange(inputs.shape[1])
        columns = list(self.inputs)
        for b in np.flatnonzero(cells >= 0):
            n = cells[b]
            z = anomalies(inputs[b][:, columns], self.input_mean[n], self.input_scale[n])
            out[b] = self.features(z, days) @ self.weights[n]
        return out

    def error_factor(self, cells: NDArray[np.intp]) -> NDArray[np.float32]:
        """Factor (B,) of the standard deviation of the networks."""
        return np.where(cells >= 0, self.error[cells], np.float32(self.regional_error))

    def features(self, z: NDArray[np.floating], days: NDArray[np.integer]) -> NDArray[np.float32]:
        """phi (T, M) of inputs (T, G) on days counted from 1970-01-01, (T,)."""
        return response_features(
            z, days, self.linear, self.frequencies, self.amplitude, self.constant, self.track,
            self.repeat_cycle,
        )  # fmt: skip

    def params(self) -> dict[str, NDArray[Any]]:
        """Arrays for the file of the model."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        # float32 holds degrees exactly enough, but not positions on the sphere
        arrays["position"] = np.rad2deg(_lat_lon(self.position)).astype(np.float32)
        return {PREFIX + name: value for name, value in arrays.items()}

    def entry(self) -> dict[str, Any]:
        """Entry ``local`` of the card."""
        numbers = {name: float(getattr(self, name)) for name in NUMBERS}
        return numbers | {
            "cells": len(self.mean),
            "repeat_cycle": self.repeat_cycle,
            "inputs": list(self.inputs),
        }


ARRAYS = (
    "position", "mean", "std", "input_mean", "input_scale", "weights", "linear", "frequencies",
    "global_std", "error",
)  # fmt: skip
NUMBERS = ("regional_error", "tolerance", "amplitude", "constant", "track")


def read_local_part(
    card: Mapping[str, Any], params: Mapping[str, NDArray[Any]]
) -> LocalPart | None:
    """The local part of a model; None if it has none."""
    entry = card.get("local")
    if entry is None:
        return None
    arrays: dict[str, Any] = {name: params[PREFIX + name] for name in ARRAYS}
    arrays["position"] = unit_vectors(*arrays["position"].T)
    numbers: dict[str, Any] = {name: float(entry[name]) for name in NUMBERS}
    return LocalPart(
        **arrays,
        **numbers,
        repeat_cycle=int(entry["repeat_cycle"]),
        inputs=tuple(entry["inputs"]),
    )


def response_features(
    z: NDArray[np.floating],
    days: NDArray[np.integer],
    linear: NDArray[np.floating],
    frequencies: NDArray[np.floating],
    amplitude: float,
    constant: float,
    track: float,
    repeat_cycle: int,
) -> NDArray[np.float32]:
    """Features phi (T, M) whose products are the covariance; see :class:`ResponseSettings`.

    Columns: the constant, the linear responses (G), cosines and sines (2 M'), and an indicator of
    each day of the repeat cycle.
    """
    phase = z @ frequencies
    scale = np.sqrt(amplitude / frequencies.shape[1])
    parts = [
        np.full((len(z), 1), np.sqrt(constant)),
        z * linear,
        scale * np.cos(phase),
        scale * np.sin(phase),
    ]
    if repeat_cycle:
        of_cycle = days[:, None] % repeat_cycle == np.arange(repeat_cycle)
        parts.append(np.sqrt(track) * of_cycle)
    return np.concatenate(parts, axis=1).astype(np.float32)


def anomalies(
    inputs: NDArray[np.floating], mean: NDArray[np.floating], scale: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Inputs (..., G) as departures from the mean of their cell; 0 where missing."""
    z = np.clip((inputs - mean) / scale, -8.0, 8.0)
    return np.where(np.isfinite(z), z, 0.0).astype(np.float32)


def local_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries ``inputs`` of a card that the local part adds to the given ones.

    The departure of each daily input from the climate of its cell; mean and standard deviation of
    the cell's own target, and whether it has any.
    """
    departures = [f"{row['name']} departure" for row in rows if not row["static"]]
    return [{"name": name, "local": True, "static": False} for name in departures] + [
        {"name": name, "local": True, "static": True} for name in CELL
    ]


def add_local_inputs(
    inputs: NDArray[np.floating],
    columns: Sequence[int],
    climate_mean: NDArray[np.floating],
    climate_scale: NDArray[np.floating],
    mean: NDArray[np.floating],
    std: NDArray[np.floating],
) -> NDArray[np.float32]:
    """Inputs (B, T, G) and those of :func:`local_rows`.

    Parameters
    ----------
    inputs : ndarray, (B, T, G)
    columns : sequence of int
        The daily ones.
    climate_mean, climate_scale : ndarray, (B, daily ones)
    mean, std : ndarray, (B,)
        Of the target; NaN where a cell has none.
    """
    departures = anomalies(
        inputs[:, :, list(columns)], climate_mean[:, None], climate_scale[:, None]
    )
    cell = np.stack([mean, std, np.isfinite(mean)], axis=-1).astype(np.float32)
    cell = np.broadcast_to(cell[:, None], (*inputs.shape[:2], len(CELL)))
    return np.concatenate([inputs, departures, cell], axis=-1, dtype=np.float32)


def climate_of(
    inputs: NDArray[np.floating], global_std: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and scale (B, G) of inputs (B, T, G); the variance is shrunk to that of all cells."""
    observed = np.isfinite(inputs)
    count = np.maximum(observed.sum(axis=1), 1)
    mean = np.where(observed, inputs, 0.0).sum(axis=1, dtype=np.float64) / count
    square = np.where(observed, inputs - mean[:, None], 0.0) ** 2
    variance = square.sum(axis=1) / count
    scale = np.sqrt((1 - CLIMATE_SHRINKAGE) * variance + CLIMATE_SHRINKAGE * global_std**2)
    return mean.astype(np.float32), np.maximum(scale, 1e-12).astype(np.float32)


def _lat_lon(position: NDArray[np.floating]) -> NDArray[np.float64]:
    x, y, z = position.T
    return np.stack([np.arcsin(np.clip(z, -1, 1)), np.arctan2(y, x)], axis=-1)


def same_cell_tolerance(position: NDArray[np.floating]) -> float:
    """Distance within which two positions are one cell, from the spacing of (P, 3)."""
    from scipy.spatial import KDTree

    if len(position) < 2:
        return 1e-4  # 600 m on the Earth
    distance = KDTree(position).query(position, k=2)[0][:, 1]
    spacing = distance[distance > 0]
    return float(SAME_CELL * np.median(spacing)) if spacing.size else 1e-4


def shrunk_variance(y: NDArray[np.floating], towards_all: float) -> NDArray[np.float64]:
    """Variance of each cell of (P, T), NaN where missing, shrunk towards the mean of all cells."""
    own = np.nanvar(y.astype(np.float64), axis=1)
    return (1 - towards_all) * own + towards_all * own.mean()
