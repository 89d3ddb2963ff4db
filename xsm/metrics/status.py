"""Why a score is missing, as a flag instead of a crash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

(
    OK,
    NO_OVERLAP_IN_TIME,
    OUTSIDE_THE_GRID,
    TOO_FEW_PAIRS,
    CONSTANT_SERIES,
    ALL_MISSING,
) = range(6)
MEANINGS = (
    "ok",
    "no_overlap_in_time",
    "outside_the_grid",
    "too_few_pairs",
    "constant_series",
    "all_missing",
)
STATUS_ATTRS: dict[str, Any] = {
    "long_name": "status of the scores",
    "standard_name": "status_flag",
    "flag_values": np.arange(len(MEANINGS), dtype=np.int8),
    "flag_meanings": " ".join(MEANINGS),
}


def status_of(
    pairs: NDArray[Any],
    valid: Sequence[NDArray[Any]],
    constant: NDArray[np.bool_],
    *,
    min_pairs: int,
    disjoint: bool = False,
) -> NDArray[np.int8]:
    """Status of every point; all arrays of one shape.

    Parameters
    ----------
    pairs : ndarray
        How many pairs there are.
    valid : sequence of ndarray
        How many values each series has.
    constant : ndarray of bool
        One of the two series, where both are valid, does not vary.
    min_pairs : int
        Fewer are too few.
    disjoint : bool
        The two have no label in common, so that nothing is known of their values.

    Examples
    --------
    >>> n = np.array([90, 0, 0, 2])
    >>> status_of(n, [n + 5, n + [5, 0, 5, 5]], n < 0, min_pairs=3).tolist()
    [0, 5, 1, 3]
    """
    status = np.where(constant, CONSTANT_SERIES, OK)
    status = np.where(pairs < min_pairs, TOO_FEW_PAIRS, status)
    status = np.where(pairs == 0, NO_OVERLAP_IN_TIME, status)
    if not disjoint:
        status = np.where(np.min(valid, axis=0) == 0, ALL_MISSING, status)
    return status.astype(np.int8)
