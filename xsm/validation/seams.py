"""The seam test: does the edge of a filled patch show?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLACES = ("edge", "inside", "outside")


@dataclass
class Jumps:
    """Squared differences between neighbouring cells: across edges of patches, within, around.

    A perfect filling without the noise of the observations has jumps of variance s inside and
    s + 2 n outside a patch, and s + n across its edge. So the jumps across are compared with the
    mean of the two: the ratio of the root mean squares is 1 where no seam is.
    """

    sums: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, name: str, values: NDArray[Any], hidden: NDArray[np.bool_]) -> None:
        """Count the jumps of a filled record.

        Parameters
        ----------
        name : str
        values : ndarray, (T, H, W)
            m3 m-3.
        hidden : ndarray of bool, (T, H, W)
            The patches that were filled.
        """
        own = self.sums.setdefault(name, {place: [0.0, 0.0] for place in PLACES})
        rim = _beside(hidden) & ~hidden
        for axis in (1, 2):
            a, b = _neighbours(hidden, axis)
            rim_a, rim_b = _neighbours(rim, axis)
            first, second = _neighbours(values, axis)
            square = np.square(np.subtract(first, second, dtype=np.float64))
            known = np.isfinite(square)
            where = {"edge": a ^ b, "inside": a & b, "outside": ~a & ~b & (rim_a | rim_b)}
            for place, mask in where.items():
                mask = mask & known
                own[place][0] += float(square[mask].sum())
                own[place][1] += float(np.count_nonzero(mask))

    def ratios(self, methods: list[str]) -> dict[str, Any]:
        """``seam_ratio`` (filler), and ``seam_ratio_original`` of the observed values there."""
        about = "jump across the edge of a patch against jumps beside it; 1: no seam"
        attrs = {"long_name": about, "units": "1"}
        return {
            "seam_ratio": ("filler", [self._ratio(name) for name in methods], attrs),
            "seam_ratio_original": (
                (),
                self._ratio("original"),
                attrs | {"long_name": f"{about}; of the values that were hidden"},
            ),
        }

    def _ratio(self, name: str) -> float:
        mean = {p: s / n if n else np.nan for p, (s, n) in self.sums[name].items()}
        beside = 0.5 * (mean["inside"] + mean["outside"])
        return float(np.sqrt(mean["edge"] / beside)) if beside > 0 else float("nan")


def _neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each cell and the next one along an axis."""
    n = array.shape[axis]
    return array.take(range(n - 1), axis), array.take(range(1, n), axis)


def _beside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells with a neighbour in the mask."""
    out = np.zeros_like(mask)
    out[:, 1:] |= mask[:, :-1]
    out[:, :-1] |= mask[:, 1:]
    out[:, :, 1:] |= mask[:, :, :-1]
    out[:, :, :-1] |= mask[:, :, 1:]
    return out
