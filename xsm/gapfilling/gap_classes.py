"""Classes of gaps that are alike for the methods: how near the observations are.

A value that is missing alone, in a day that is observed around it, is estimated best from that day;
one on a day without observations from the days before and after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm.blockwise.tiling import inner
from xsm.gapfilling.space_time_interpolation import REACH_CELLS

LAST_DAYS = (1, 3, 6)  # of the classes of days to the nearest observation; then all others
BY_DAYS = len(LAST_DAYS) + 1
CLASSES = 2 * BY_DAYS  # without, then with observations of the same day beside
FAR = BY_DAYS - 1  # the class of gaps that no observation is near to
DAYS = ("1 day", "2 to 3 days", "4 to 6 days", "more than 6 days")

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def days_to_observation(values: Floats) -> NDArray[np.int32]:
    """Days from each value (T, ...) to the nearest observation of its cell; T where none is."""
    observed = np.isfinite(values)
    length = len(values)
    out = np.full(values.shape, length, np.int32)
    for days in (range(length), range(length - 1, -1, -1)):
        distance = np.full(values.shape[1:], length, np.int32)
        for t in days:
            distance = np.where(observed[t], 0, np.minimum(distance + 1, length))
            np.minimum(out[t], distance, out=out[t])
    return out


def observed_beside(values: Floats, margin: int = 0) -> Bools:
    """Whether a cell within two rows and columns is observed on the same day.

    Parameters
    ----------
    values : ndarray, shape (T, H + 2 margin, W + 2 margin)
        NaN where missing. Values of the cell itself count.
    margin : int

    Returns
    -------
    ndarray of bool, shape (T, H, W)
    """
    reach = REACH_CELLS
    near = np.isfinite(inner(values, [max(margin - reach, 0)] * 2))
    lacking = max(reach - margin, 0)
    near = np.pad(near, ((0, 0), (lacking, lacking), (lacking, lacking)))
    rows, columns = (n - 2 * reach for n in near.shape[1:])
    near = np.logical_or.reduce([near[:, n : n + rows] for n in range(2 * reach + 1)])
    return np.logical_or.reduce([near[:, :, n : n + columns] for n in range(2 * reach + 1)])


def gap_classes(days: NDArray[np.int32], beside: Bools) -> NDArray[np.intp]:
    """Class of each value, of ``CLASSES``.

    Parameters
    ----------
    days : ndarray of int
        :func:`days_to_observation`.
    beside : ndarray of bool, of the same shape
        :func:`observed_beside`.
    """
    return np.searchsorted(LAST_DAYS, days) + BY_DAYS * beside


def classes_in_words(chosen: NDArray[np.bool_]) -> str:
    """Where the gaps of these classes (CLASSES,) are; "" for all of them.

    Examples
    --------
    >>> classes_in_words(np.arange(8) % 4 == 0)
    '1 day from an observation'
    >>> classes_in_words(np.arange(8) < 2)
    '1 day, 2 to 3 days from an observation where no cell beside is observed'
    """
    alone, beside = chosen[:BY_DAYS], chosen[BY_DAYS:]
    if chosen.all():
        return ""
    texts = []
    for of_class, where in (
        (alone & beside, ""),
        (alone & ~beside, " where no cell beside is observed"),
        (beside & ~alone, " where a cell beside is observed"),
    ):
        if of_class.any():
            days = ", ".join(name for name, c in zip(DAYS, of_class, strict=True) if c)
            texts.append(f"{days} from an observation{where}")
    return " and ".join(texts)
