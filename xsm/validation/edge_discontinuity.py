"""Discontinuity at the edges of filled patches, from differences between neighbouring cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

POSITIONS = ("edge", "inside", "outside")
LONG_NAME = "difference across the edge of a filled patch, relative to differences beside it"


@dataclass
class EdgeDifferences:
    """Squared differences between neighbouring cells: across edges of patches, inside, outside.

    A perfect filling without the noise of the observations has differences of variance s inside a
    patch and s + 2 n outside, where n is the variance of the noise, and s + n across the edge. The
    differences across the edge are therefore compared with the mean of the other two: the ratio of
    the root mean squares is 1 without a discontinuity.

    sums : name of a record -> position -> sum of squares, number of differences
    """

    sums: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, name: str, values: NDArray[Any], hidden: NDArray[np.bool_]) -> None:
        """Add the differences of a filled record.

        Parameters
        ----------
        name : str
        values : ndarray, (T, H, W)
            m3 m-3.
        hidden : ndarray of bool, (T, H, W)
            The patches that were filled.
        """
        sums = self.sums.setdefault(name, {position: [0.0, 0.0] for position in POSITIONS})
        rim = _has_neighbour_in(hidden) & ~hidden
        for axis in (1, 2):
            hidden_a, hidden_b = _neighbours(hidden, axis)
            rim_a, rim_b = _neighbours(rim, axis)
            first, second = _neighbours(values, axis)
            square = np.square(np.subtract(first, second, dtype=np.float64))
            valid = np.isfinite(square)
            masks = {
                "edge": hidden_a ^ hidden_b,
                "inside": hidden_a & hidden_b,
                "outside": ~hidden_a & ~hidden_b & (rim_a | rim_b),
            }
            for position, mask in masks.items():
                mask = mask & valid
                sums[position][0] += float(square[mask].sum())
                sums[position][1] += float(np.count_nonzero(mask))

    def ratios(self, fill_methods: list[str]) -> dict[str, Any]:
        """Variables ``edge_discontinuity`` (fill_method) and, of the observed values,
        ``edge_discontinuity_original``."""
        attrs = {"long_name": LONG_NAME, "units": "1"}
        of_observed = attrs | {"long_name": f"{LONG_NAME}; of the observed values"}
        return {
            "edge_discontinuity": (
                "fill_method",
                [self._ratio(name) for name in fill_methods],
                attrs,
            ),
            "edge_discontinuity_original": ((), self._ratio("original"), of_observed),
        }

    def _ratio(self, name: str) -> float:
        mean = {p: total / n if n else np.nan for p, (total, n) in self.sums[name].items()}
        beside = 0.5 * (mean["inside"] + mean["outside"])
        return float(np.sqrt(mean["edge"] / beside)) if beside > 0 else float("nan")


def _neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each cell and the next one along an axis."""
    n = array.shape[axis]
    return array.take(range(n - 1), axis), array.take(range(1, n), axis)


def _has_neighbour_in(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells (T, H, W) with a neighbour in the mask, in their row or column."""
    out = np.zeros_like(mask)
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    out[:, :, 1:] |= mask[:, :, :-1]
    out[:, :, :-1] |= mask[:, :, 1:]
    return out
