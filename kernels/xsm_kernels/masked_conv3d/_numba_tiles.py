"""The compiled loop over tiles: gather channels-last, then convolve the list of active cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels.cells import ABSENT, OPTIONS, convolve
from xsm_kernels.runtime import compile_once
from xsm_kernels.simd import CELLS

TILE_ROWS = 16
TILE_COLUMNS = 48


@njit(**OPTIONS)
def _gather_mask(mask, b, u, top, left, wrap, patch):
    """Mask of the cells around a tile; False outside the array. Returns whether any is True."""
    height, width = mask.shape[2], mask.shape[3]
    found = False
    for r in range(patch.shape[0]):
        i = top + r
        if i < 0 or i >= height:
            patch[r, :] = False
            continue
        for q in range(patch.shape[1]):
            j = left + q
            if wrap:
                j %= width
            seen = 0 <= j < width and mask[b, u, i, j]
            patch[r, q] = seen
            found |= seen
    return found


@njit(**OPTIONS)
def _gather_values(x, b, u, top, left, patch, cells):
    """Observed values around a tile; cells is (R, Q, C)."""
    channels, days, height, width = x.shape[1:]
    flat, step = x.reshape(-1), days * height * width
    for r in range(patch.shape[0]):
        start = ((b * channels * days + u) * height + top + r) * width
        for q in range(patch.shape[1]):
            if patch[r, q]:
                # cell by cell: many channels are fetched from memory at once
                here, cell = start + (left + q) % width, cells[r, q]
                for c in range(channels):
                    cell[c] = flat[here + c * step]


@njit(**OPTIONS)
def _convolve_tiles(
    x, mask, weight, bias, residual, has_residual, active, has_active, y, new_mask,
    tiles, kernel, padding, dilation, ratio, wrap, activation, start, stop,
):  # fmt: skip
    """Tiles start..stop of the list, each through all its days, oldest first.

    A day's patch (R, Q, C) is gathered once and stays in a ring of the days that windows need.
    """
    channels, days_in = x.shape[1], x.shape[2]
    days, height, width = y.shape[2], y.shape[3], y.shape[4]
    ring = (kernel[0] - 1) * dilation[0] + 1
    patch_rows = TILE_ROWS + (kernel[1] - 1) * dilation[1]
    patch_columns = TILE_COLUMNS + (kernel[2] - 1) * dilation[2]
    plane = patch_rows * patch_columns

    flat = np.zeros((1 + ring * plane) * channels, np.float32)
    values = flat[channels:].reshape(ring, patch_rows, patch_columns, channels)
    known = np.zeros((ring, patch_rows, patch_columns), np.bool_)
    held = np.zeros(ring, np.bool_)
    row_at = np.arange(plane).astype(np.int32)
    widths = np.full(1, channels)
    taps = np.empty(kernel[1] * kernel[2], np.int64)
    for k in range(taps.size):
        p, q = k // kernel[2], k % kernel[2]
        taps[k] = p * dilation[1] * patch_columns + q * dilation[2]
    near = np.empty((kernel[0], 3), np.int64)
    cells = np.empty(TILE_ROWS * TILE_COLUMNS, np.int32)
    places = np.empty(TILE_ROWS * TILE_COLUMNS, np.int32)

    for tile in range(start, stop):
        b, i0, j0 = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2]
        top, left = i0 - padding[1], j0 - padding[2]
        for t in range(1 - ring, days):
            # the newest day of the window of t
            newest = t + ring - 1
            slot, u = newest % ring, newest - padding[0]
            held[slot] = False
            if 0 <= u < days_in:
                held[slot] = _gather_mask(mask, b, u, top, left, wrap, known[slot])
            if held[slot]:
                _gather_values(x, b, u, top, left, known[slot], values[slot])
            if t < 0:
                continue

            # days with anything observed near this tile
            reached = 0
            for a in range(kernel[0]):
                slot = (t + a * dilation[0]) % ring
                if held[slot]:
                    near[reached, 0] = a
                    near[reached, 1] = slot * plane
                    near[reached, 2] = (1 + slot * plane) * channels
                    reached += 1
            if reached == 0:
                continue
            count = 0
            for i in range(i0, min(i0 + TILE_ROWS, height)):
                for j in range(j0, min(j0 + TILE_COLUMNS, width)):
                    if not has_active or active[t % active.shape[0], i, j]:
                        cells[count] = i * width + j
                        places[count] = (i - i0) * patch_columns + j - j0
                        count += 1
            area = height * width
            here = (b * y.shape[1] * days + t) * area
            at = (here, 1, days * area)
            convolve(
                flat, known.reshape(-1), row_at, cells[:count], places[:count], taps,
                near[:reached], widths, weight, bias, ratio, activation,
                residual.reshape(-1), at if has_residual else ABSENT, flat, ABSENT,
                y.reshape(-1), (*at, y.shape[1]), new_mask.reshape(-1), (b * days + t) * area,
                0, -(-count // CELLS),
            )  # fmt: skip


@compile_once
def convolve_tiles() -> Any:
    """The loop, compiled on first use for one signature (read-only arrays are taken too)."""

    def array(dtype: Any, ndim: int, readonly: bool = True) -> types.Array:
        return types.Array(dtype, ndim, "C", readonly=readonly)

    f4, triple = types.float32, types.UniTuple(types.int64, 3)
    _convolve_tiles.compile(
        types.void(
            array(f4, 5), array(types.boolean, 4), array(f4, 2), array(f4, 1), array(f4, 5),
            types.boolean, array(types.boolean, 3), types.boolean,
            array(f4, 5, False), array(types.boolean, 4, False),
            array(types.int64, 2), triple, triple, triple, array(f4, 1),
            types.boolean, types.int64, types.int64, types.int64,
        )
    )  # fmt: skip
    _convolve_tiles.disable_compile()
    return _convolve_tiles
