"""Which cells train, which are held out, and which test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsm.errors import InputError

SPLITS = ("random", "blocked", "none")
SHARES = (0.7, 0.2, 0.1)  # train, held out, test


def split_cells(
    lat: NDArray[np.floating], lon: NDArray[np.floating], split: str, seed: int, *, box: float = 5.0
) -> NDArray[np.int8]:
    """Part of each cell: 0 train, 1 held out (early stopping), 2 test.

    Parameters
    ----------
    lat, lon : ndarray, (P,)
        Degrees, or rows and columns where there are none.
    split : {"random", "blocked", "none"}
        ``random`` draws cells 7:2:1, so that a test cell has training cells beside it. ``blocked``
        draws boxes of `box` degrees in the same shares, nearly: it separates regions. ``none``
        trains on all.
    seed : int
    box : float

    Raises
    ------
    InputError
        If the split is unknown, or leaves a part empty.
    """
    if split not in SPLITS:
        raise InputError(f"split={split!r}: expected one of {', '.join(map(repr, SPLITS))}.")
    count = lat.size
    if split == "none":
        return np.zeros(count, np.int8)
    rng = np.random.default_rng(seed)
    groups = np.arange(count)
    if split == "blocked":
        keys = np.stack([np.floor(lat / box), np.floor(lon / box)], axis=-1)
        groups = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(groups)
    order = rng.permutation(sizes.size)
    # middle of each group in the row of all cells, by which it falls into a part
    middle = (np.cumsum(sizes[order]) - 0.5 * sizes[order]) / count
    part = np.empty(sizes.size, np.int8)
    part[order] = np.searchsorted(np.cumsum(SHARES)[:2], middle)
    found = part[groups]
    if empty := [name for n, name in enumerate(("train", "held-out", "test")) if n not in found]:
        raise InputError(
            f"split={split!r} leaves no {' and no '.join(empty)} cell of {count} in {sizes.size} "
            "groups: use more cells (every=1), split='random', or split='none'."
        )
    return found
