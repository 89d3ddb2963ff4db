"""Why a score is missing: a CF flag instead of an error."""

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
    NEGATIVE_ERROR_VARIANCE,
    NEGATIVE_SIGNAL_VARIANCE,
    NOT_IN_THE_TRIPLE,
) = range(9)
MEANINGS = (
    "ok",
    "no_overlap_in_time",
    "outside_the_grid",
    "too_few_pairs",
    "constant_series",
    "all_missing",
    "negative_error_variance",
    "negative_signal_variance",
    "not_in_the_triple",
)
STATUS_ATTRS: dict[str, Any] = {
    "long_name": "status of the scores",
    "standard_name": "status_flag",
    "flag_values": np.arange(len(MEANINGS), dtype=np.int8),
    "flag_meanings": " ".join(MEANINGS),
}


def pair_status(
    n_pairs: NDArray[Any],
    n_valid: Sequence[NDArray[Any]],
    constant: NDArray[np.bool_],
    *,
    min_pairs: int,
    disjoint: bool = False,
) -> NDArray[np.int8]:
    """Status of every point; all arrays have one shape.

    Parameters
    ----------
    n_pairs : ndarray
        Number of pairs.
    n_valid : sequence of ndarray
        Number of finite values of each series.
    constant : ndarray of bool
        Whether one of the series does not vary over the pairs.
    min_pairs : int
        Fewer pairs are too few.
    disjoint : bool
        The series have no label in common; whether they hold values is then not known.

    Examples
    --------
    >>> n = np.array([90, 0, 0, 2])
    >>> pair_status(n, [n + 5, n + [5, 0, 5, 5]], n < 0, min_pairs=3).tolist()
    [0, 5, 1, 3]
    """
    status = np.where(constant, CONSTANT_SERIES, OK)
    status = np.where(n_pairs < min_pairs, TOO_FEW_PAIRS, status)
    status = np.where(n_pairs == 0, NO_OVERLAP_IN_TIME, status)
    if not disjoint:
        status = np.where(np.min(n_valid, axis=0) == 0, ALL_MISSING, status)
    return status.astype(np.int8)
