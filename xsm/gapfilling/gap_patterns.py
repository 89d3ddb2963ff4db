"""Simulated gaps in the forms that real gaps have.

A pattern chooses among the observed cells without regard to their values. Used to validate a fill
against hidden values and to train networks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xsm.errors import InputError

WINDOW = 40  # cells, the patch of SGD-SM (Zhang et al., 2021)
MAX_EMPTY_DRAWS = 30  # windows in a row without a new cell: stop


def sample_gaps(
    valid: np.ndarray, kind: str, fraction: float, rng: np.random.Generator | int
) -> np.ndarray:
    """Choose observed cells to hide.

    Parameters
    ----------
    valid : ndarray of bool, shape (T, H, W)
        True where there is a retrieval.
    kind : {"block", "swath", "cell", "long"}
        ``block``: an ellipse or a rectangle inside a 40 x 40 window of one day. ``swath``: the
        cells that the next (or previous) day misses, inside a window of one day. ``cell``: single
        cells. ``long``: the same small region on 5 to 14 consecutive days.
    fraction : float
        Fraction of the observed cells to hide, between 0 and 1.
    rng : numpy.random.Generator or int
        Source of randomness, or its seed.

    Returns
    -------
    ndarray of bool, shape (T, H, W)
        Hidden cells, a subset of `valid`.

    Raises
    ------
    InputError
        If `kind` is unknown or `fraction` is outside 0..1.

    Examples
    --------
    >>> valid = np.ones((5, 30, 30), bool)
    >>> float(sample_gaps(valid, "cell", 0.1, 0).mean().round(1))
    0.1
    """
    if kind not in GAP_PATTERNS:
        raise InputError(
            f"kind={kind!r} is not a pattern of gaps: expected one of {sorted(GAP_PATTERNS)}."
        )
    if not 0 <= fraction < 1:
        raise InputError(
            f"fraction={fraction!r}: expected a fraction of the observed cells in [0, 1)."
        )
    rng = np.random.default_rng(rng)
    pattern = GAP_PATTERNS[kind]
    if pattern is None:
        return valid & (rng.random(valid.shape) < fraction)
    hidden = np.zeros_like(valid, dtype=bool)
    wanted = fraction * np.count_nonzero(valid)
    centres = np.flatnonzero(valid)
    hidden_cells, empty_draws = 0, 0
    while hidden_cells < wanted and empty_draws < MAX_EMPTY_DRAWS:
        t, y, x = np.unravel_index(rng.choice(centres), valid.shape)
        window, shape = pattern(valid, int(t), int(y), int(x), rng)
        new = valid[window] & shape & ~hidden[window]
        hidden[window] |= new
        hidden_cells += int(np.count_nonzero(new))
        empty_draws = 0 if new.any() else empty_draws + 1
    return hidden


def _window(shape, t0, t1, y, x, size):
    """Slices of a `size` x `size` window about (y, x), cut at the edges."""
    y0, x0 = max(0, y - size // 2), max(0, x - size // 2)
    y1, x1 = min(shape[1], y0 + size), min(shape[2], x0 + size)
    return slice(t0, t1), slice(y0, y1), slice(x0, x1)


def _blob(shape, low, high, rng):
    """Bool (H, W): an ellipse or a rectangle of `low` to `high` cells across."""
    height, width = rng.uniform(low, high, 2)
    cy = rng.uniform(0.3, 0.7) * shape[0]
    cx = rng.uniform(0.3, 0.7) * shape[1]
    dy = np.abs(np.arange(shape[0])[:, None] + 0.5 - cy) / (height / 2)
    dx = np.abs(np.arange(shape[1])[None, :] + 0.5 - cx) / (width / 2)
    if rng.random() < 0.5:
        return np.maximum(dy, dx) <= 1
    return dy**2 + dx**2 <= 1


def _block(valid, t, y, x, rng):
    window = _window(valid.shape, t, t + 1, y, x, WINDOW)
    return window, _blob(valid[window].shape[1:], 6, 36, rng)[None]


def _swath(valid, t, y, x, rng):
    n = valid.shape[0]
    step = 1 if rng.random() < 0.7 else -1
    other = t + step if 0 <= t + step < n else t - step
    size = int(rng.integers(WINDOW, 2 * WINDOW + 1))
    time, rows, cols = _window(valid.shape, t, t + 1, y, x, size)
    if not 0 <= other < n:  # a record of one day has no neighbour
        return (time, rows, cols), np.zeros((1, 1, 1), bool)
    return (time, rows, cols), ~valid[other : other + 1, rows, cols]


def _long(valid, t, y, x, rng):
    days = int(rng.integers(5, 15))
    t0 = max(0, t - days // 2)
    window = _window(valid.shape, t0, min(valid.shape[0], t0 + days), y, x, WINDOW)
    return window, _blob(valid[window].shape[1:], 4, 24, rng)[None]


GAP_PATTERNS: dict[str, Callable[..., Any] | None] = {
    "block": _block,
    "swath": _swath,
    "cell": None,
    "long": _long,
}
