"""Which regions, days and cells are held out from training.

The split by region and day is one fixed rule, used by the training of the shipped networks and by
the skill benchmarks, so that no benchmark scores data that were used in training. Space is divided
into boxes of 20 x 20 degrees. In each of the nine rows of eighteen boxes, three are "test", two are
"val" and the other thirteen "train" (17, 11 and 72 %). An integer hash of the box decides which,
not the random generator of a library, so that the split is the same on every machine and grid, and
in every version. The last sixth of the days of a record is "test" (5 of 30), the fifteenth before
it "val" (2 of 30).

The seed was chosen once, before any model was scored, from the numbers of retrievals alone: it is
the smallest that puts 15 +- 1 % of the AMSR2 retrievals of April 2015 in "test" and 10 +- 1 % in
"val", and at least 6 and 2 % of every row of boxes that holds more than a twentieth of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsm.argument_checks import check_choice
from xsm.errors import InputError
from xsm.estimation.samples import from_180_west, north_to_south

Part = Literal["train", "val", "test"]

SEED = 1294
BOX_DEGREES = 20
ROWS, COLUMNS = 180 // BOX_DEGREES, 360 // BOX_DEGREES
TEST_PER_ROW, VAL_PER_ROW = 3, 2
_CODES = {"train": 0, "val": 1, "test": 2}
_MASK_64_BIT = 2**64 - 1


def _splitmix64(key: int) -> int:
    """One step of SplitMix64 (Steele et al., 2014, doi 10.1145/2660193.2660195)."""
    z = (key + 0x9E3779B97F4A7C15) & _MASK_64_BIT
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64_BIT
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK_64_BIT
    return z ^ (z >> 31)


def _box_parts() -> NDArray[np.int8]:
    """Part of every box, (9, 18), from the south and from 180 W: 0 train, 1 val, 2 test."""
    parts = np.zeros((ROWS, COLUMNS), dtype=np.int8)
    for row in range(ROWS):
        keys = [_splitmix64((SEED << 32) ^ (row << 16) ^ column) for column in range(COLUMNS)]
        order = sorted(range(COLUMNS), key=keys.__getitem__)
        parts[row, order[:TEST_PER_ROW]] = _CODES["test"]
        parts[row, order[TEST_PER_ROW : TEST_PER_ROW + VAL_PER_ROW]] = _CODES["val"]
    return parts


def _code(part: str) -> int:
    if part not in _CODES:
        raise InputError(f"part={part!r} is not a part of the split; use one of {list(_CODES)}")
    return _CODES[part]


def region_mask(lat: ArrayLike, lon: ArrayLike, part: Part) -> NDArray[np.bool_]:
    """Cells that belong to one part of the split by region.

    Parameters
    ----------
    lat, lon : array_like
        Degrees north and east. Either 1-D, (H,) and (W,), or both 2-D, (H, W), as on projected
        grids. Any order; longitudes in -180..180 or 0..360.
    part : {"train", "val", "test"}

    Returns
    -------
    ndarray of bool, (H, W)
        The three parts are disjoint and together cover every cell.

    Raises
    ------
    InputError
        If `part` is unknown, the shapes do not fit, or a latitude is outside -90..90 (or NaN).

    Examples
    --------
    >>> import numpy as np
    >>> lat, lon = np.arange(-80, 90, 20), np.arange(-170, 180, 20)
    >>> [int(region_mask(lat, lon, part).sum()) for part in ("train", "val", "test")]
    [117, 18, 27]
    """
    code = _code(part)
    north = np.asarray(lat, dtype=np.float64)
    east = np.asarray(lon, dtype=np.float64)
    if north.ndim == 1 and east.ndim == 1:
        north, east = np.meshgrid(north, east, indexing="ij")
    if north.ndim != 2 or north.shape != east.shape:
        raise InputError(
            f"lat has shape {north.shape} and lon {east.shape}; "
            "give two 1-D axes or two 2-D arrays of one shape"
        )
    if not (np.isfinite(east).all() and (np.abs(north) <= 90).all()):
        raise InputError(
            "lat must lie in -90..90 degrees and lon be finite; drop other cells first"
        )
    row = np.minimum(np.floor((north + 90) / BOX_DEGREES).astype(np.intp), ROWS - 1)
    column = np.floor((east + 180) % 360 / BOX_DEGREES).astype(np.intp) % COLUMNS
    return cast(NDArray[np.bool_], _box_parts()[row, column] == code)


def day_mask(n_days: int, part: Part) -> NDArray[np.bool_]:
    """Days of a record that belong to one part of the split by day.

    Parameters
    ----------
    n_days : int
        Length of the record, at least 3.
    part : {"train", "val", "test"}

    Returns
    -------
    ndarray of bool, (T,)
        The last sixth (rounded, at least one day) for "test", the fifteenth before it (rounded,
        at least one day) for "val", the rest for "train".

    Raises
    ------
    InputError
        If `part` is unknown or the record has fewer than three days.

    Examples
    --------
    >>> [int(day_mask(30, part).sum()) for part in ("train", "val", "test")]
    [23, 2, 5]
    """
    code = _code(part)
    if n_days < 3:
        raise InputError(
            f"n_days={n_days} is too short to split; a record of 3 days or more is needed"
        )
    n_test = max(1, round(n_days / 6))
    n_val = max(1, round(n_days / 15))
    codes = np.full(n_days, _CODES["train"])
    codes[n_days - n_test :] = _CODES["test"]
    codes[n_days - n_test - n_val : n_days - n_test] = _CODES["val"]
    return cast(NDArray[np.bool_], codes == code)


SPLITS = ("months", "random", "blocked", "none")
FRACTIONS = (0.7, 0.2, 0.1)  # training, held out, test


def split_cells(
    lat: NDArray[np.floating], lon: NDArray[np.floating], split: str, seed: int, *, box: float = 5.0
) -> NDArray[np.int8]:
    """Part of each cell: 0 training, 1 held out (early stopping), 2 test.

    Parameters
    ----------
    lat, lon : ndarray, (P,)
        Degrees, or numbers of rows and columns if the cells have no coordinates.
    split : {"months", "random", "blocked", "none"}
        ``random`` draws cells 7:2:1, so that test cells have training cells as neighbours.
        ``blocked`` draws boxes of `box` degrees in about the same proportions, which separates
        regions. ``months`` and ``none`` train on all cells. The part of a cell does not depend on
        the order of the cells, nor on where longitudes begin.
    seed : int
    box : float

    Raises
    ------
    InputError
        If the split is unknown, or leaves a part empty.
    """
    check_choice("split", split, SPLITS)
    count = lat.size
    if split in ("months", "none"):
        return np.zeros(count, np.int8)
    rng = np.random.default_rng(seed)
    lat, east = np.asarray(lat, np.float64), from_180_west(lon)
    groups = np.empty(count, np.intp)
    groups[north_to_south(lat, lon)] = np.arange(count)
    if split == "blocked":
        keys = np.stack([np.floor(lat / box), np.floor(east / box)], axis=-1)
        groups = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(groups)
    order = rng.permutation(sizes.size)
    # fraction of all cells up to the middle of each group, which decides its part
    middle = (np.cumsum(sizes[order]) - 0.5 * sizes[order]) / count
    group_part = np.empty(sizes.size, np.int8)
    group_part[order] = np.searchsorted(np.cumsum(FRACTIONS)[:2], middle)
    part = group_part[groups]
    if empty := [name for n, name in enumerate(("training", "held-out", "test")) if n not in part]:
        raise InputError(
            f"split={split!r} leaves no {' and no '.join(empty)} cell of {count} in {sizes.size} "
            "groups: use more cells (stride=1), split='random', or split='none'."
        )
    return part


LISTED_CELLS = 1000  # of the test cells, in a card
NEAR = 2e-3  # degrees, or rows and columns: coordinates of one cell in other precision


def card_of_test_cells(
    lat: NDArray[np.floating], lon: NDArray[np.floating], part: NDArray[np.int8]
) -> dict[str, list[float]]:
    """Coordinates of test cells, from north to south, by which :func:`are_test_cells` knows them.

    Parameters
    ----------
    lat, lon, part : ndarray, (P,)
        Of :func:`split_cells`. At most 1,000 cells, evenly spaced, are listed.
    """
    lat, east = _in_order(lat[part == 2], lon[part == 2])
    listed = np.unique(np.linspace(0, lat.size - 1, min(lat.size, LISTED_CELLS)).astype(int))
    names = ("latitude", "longitude")
    return {n: v[listed].round(4).tolist() for n, v in zip(names, (lat, east), strict=True)}


def are_test_cells(
    listed: Mapping[str, Sequence[float]], lat: NDArray[np.floating], lon: NDArray[np.floating]
) -> bool:
    """Whether cells (P,) are those that :func:`card_of_test_cells` lists."""
    here = card_of_test_cells(lat, lon, np.full(lat.size, 2, np.int8))
    pairs = [(np.asarray(listed[name]), np.asarray(here[name])) for name in here]
    if any(one.shape != other.shape for one, other in pairs):
        return False
    apart = [np.abs(one - other) for one, other in pairs]
    apart[1] = np.minimum(apart[1], np.abs(apart[1] - 360))  # across the date line
    return all(bool((distance < NEAR).all()) for distance in apart)


def _in_order(
    lat: NDArray[np.floating], lon: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = north_to_south(lat, lon)
    return np.asarray(lat, np.float64)[order], from_180_west(lon)[order]


FOLD_DAYS, FOLD_GUARD = 30, 4  # days left out in a row; days beside them that are not used either


def with_guard(left_out: NDArray[np.bool_], days: int) -> NDArray[np.bool_]:
    """The left-out days (T,) and those within a number of days of them."""
    return np.convolve(left_out, np.ones(2 * days + 1), "same")[: left_out.size] > 0.5


def month_folds(
    observed: NDArray[np.bool_], n_folds: int, block_days: int = FOLD_DAYS
) -> NDArray[np.int8]:
    """Fold 0, 1, ... of each day of a record, in blocks of days; -1 outside the target's days.

    Parameters
    ----------
    observed : ndarray of bool, (T,)
        Days on which any cell has a target.
    n_folds : int
    block_days : int
        Days in a row of one fold.

    Returns
    -------
    ndarray of int8, (T,)
        Every fold leaves out one block in `n_folds`. All -1 if there are fewer blocks than folds.
    """
    fold = np.full(observed.size, -1, np.int8)
    days = np.flatnonzero(observed)
    if days.size:
        first, last = days[0], days[-1]
        if (last + 1 - first) // block_days >= n_folds:
            fold[first : last + 1] = np.arange(last + 1 - first) // block_days % n_folds
    return fold
