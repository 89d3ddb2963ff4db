"""How a record is filled: the weights of the methods by class of gaps, found on hidden values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling.gap_classes import CLASSES, classes_in_words
from xsm.gapfilling.own_series import OWN_SERIES
from xsm.gapfilling.space_time_interpolation import SpatialCorrelation
from xsm.gapfilling.temporal_interpolation import Covariance

METHODS = ("network", *OWN_SERIES, "space_time")
NETWORK, SPACE_TIME = 0, len(OWN_SERIES) + 1


@dataclass(frozen=True)
class Calibration:
    """How a record is filled, and the errors of the methods at hidden values.

    Attributes
    ----------
    weights : ndarray, shape (CLASSES, M)
        Of each method of ``METHODS``, by class of gaps.
    factor : ndarray, shape (CLASSES,)
        Of the standard deviation.
    about : (Covariance, Covariance)
        For the temporal interpolation.
    correlation : SpatialCorrelation
        For the space-time interpolation.
    rmse : ndarray, shape (M + 1,)
        Of each method and of what is used, m3 m-3; NaN where unknown.
    number : int
        Hidden values.
    """

    weights: NDArray[np.float64]
    factor: NDArray[np.float64]
    about: tuple[Covariance, Covariance]
    correlation: SpatialCorrelation
    rmse: NDArray[np.float64]
    number: int

    def to_vector(self) -> NDArray[np.float64]:
        """All numbers in one array of ``VECTOR`` values."""
        covariances = (*self.about, self.correlation)
        parts = (self.weights.ravel(), self.factor, *covariances, self.rmse, [self.number])
        return np.concatenate([np.asarray(part, np.float64) for part in parts])

    @classmethod
    def from_vector(cls, vector: NDArray[np.float64]) -> Calibration:
        """The inverse of :meth:`to_vector`."""
        size = len(METHODS)
        ends = np.cumsum([CLASSES * size, CLASSES, *FIELDS, size + 1])
        weights, factor, first, second, between, rmse, number = np.split(np.asarray(vector), ends)
        about = Covariance(*map(float, first)), Covariance(*map(float, second))
        correlation = SpatialCorrelation(*map(float, between))
        weights = weights.reshape(CLASSES, size)
        return cls(weights, factor, about, correlation, rmse, int(number[0]))

    @property
    def network_alone(self) -> bool:
        """Whether all estimates are those of the network."""
        return bool((self.weights[:, NETWORK] == 1).all())

    @property
    def changes(self) -> bool:
        """Whether anything differs from the estimates of the network."""
        return not self.network_alone or bool((self.factor != 1).any())

    def text(self) -> str:
        """The errors in words, for the attributes of the filled variable."""
        if not self.number:
            how = "the network alone" if self.network_alone else "linear interpolation"
            return f"too few observations to hide any: filled by {how}"
        named = [
            f"{NAMES.get(name, name)} {e:.4f}"
            for name, e in zip((*METHODS, "used"), self.rmse, strict=True)
            if np.isfinite(e)
        ]
        text = f"{', '.join(named)} (m3 m-3, {self.number} hidden values)"
        network = self.weights[:, NETWORK]
        if (network < 0.5).any():
            where = classes_in_words(network < 0.5)
            where_text = f" {where}" if where else ""
            text += f". The network was replaced{where_text}, because it does worse on this record"
        return text


NAMES = {"temporal_climatology": "temporal on climatology", "space_time": "space-time"}
FIELDS = [len(kind._fields) for kind in (Covariance, Covariance, SpatialCorrelation)]
VECTOR = CLASSES * len(METHODS) + CLASSES + sum(FIELDS) + len(METHODS) + 2


def uncalibrated(
    method: int, about: tuple[Covariance, Covariance], correlation: SpatialCorrelation
) -> Calibration:
    """All values by one method, of a record without hidden values."""
    weights = np.zeros((CLASSES, len(METHODS)))
    weights[:, method] = 1.0
    rmse = np.full(len(METHODS) + 1, np.nan)
    return Calibration(weights, np.ones(CLASSES), about, correlation, rmse, 0)


def network_alone() -> Calibration:
    """The calibration of a record that was filled by the network without one."""
    none = Covariance(0.0, 0.0, 0.0, 0.0, 0.0)
    return uncalibrated(NETWORK, (none, none), SpatialCorrelation())
