"""The compiled loop over tiles: gather, convolve, renormalise, activate, update the mask."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels.simd import LANES, OUTPUTS, ROWS, accumulate

TILE_ROWS = 4 * ROWS
TILE_COLUMNS = 32

_options = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}


@njit(**_options)
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


@njit(**_options)
def _gather_values(x, b, u, top, left, wrap, patch, cells):
    """Values around a tile, 0 where the patch of the mask is False; cells is (C, R, Q)."""
    height, width = x.shape[3], x.shape[4]
    columns = patch.shape[1]
    # inner columns need no index arithmetic
    first = min(max(-left, 0), columns)
    last = max(min(width - left, columns), first)
    for c in range(x.shape[1]):
        for r in range(patch.shape[0]):
            i = top + r
            if i < 0 or i >= height:
                cells[c, r, :] = np.float32(0)
                continue
            line = x[b, c, u, i]
            # whole vectors: trip counts the compiler knows
            whole = first + (last - first) // LANES * LANES
            for start in range(first, whole, LANES):
                for q in range(LANES):
                    value = line[left + start + q]
                    cells[c, r, start + q] = value if patch[r, start + q] else np.float32(0)
            for q in range(whole, last):
                cells[c, r, q] = line[left + q] if patch[r, q] else np.float32(0)
            for q in range(first):
                seen = wrap and patch[r, q]
                cells[c, r, q] = line[(left + q) % width] if seen else np.float32(0)
            for q in range(last, columns):
                seen = wrap and patch[r, q]
                cells[c, r, q] = line[(left + q) % width] if seen else np.float32(0)


@njit(**_options)
def _count(patch, kernel, dilation, counts):
    """Observed cells per window of one day, int32 (TILE_ROWS, TILE_COLUMNS)."""
    counts[:] = 0
    for p in range(kernel[1]):
        for q in range(kernel[2]):
            for r in range(TILE_ROWS):
                for col in range(TILE_COLUMNS):
                    counts[r, col] += patch[r + p * dilation[1], col + q * dilation[2]]


@njit(**_options)
def _finish(sums, scale, bias, residual, has_residual, activation, b, o0, t, i, j, ri, rj, y):
    """Renormalise, add, activate and store ROWS x LANES cells of OUTPUTS channels."""
    outputs = min(OUTPUTS, y.shape[1] - o0)
    rows = min(ROWS, y.shape[3] - i)
    columns = min(LANES, y.shape[4] - j)
    for o in range(outputs):
        for r in range(rows):
            # lanes beyond the edge are computed and not stored: trip counts the compiler knows
            line, factors = sums[o, r], scale[ri + r, rj : rj + LANES]
            if has_residual:
                add = residual[b, o0 + o, t, i + r]
                for q in range(LANES):
                    line[q] = line[q] * factors[q] + bias[o0 + o]
                for q in range(columns):
                    line[q] += add[j + q]
            else:
                for q in range(LANES):
                    line[q] = line[q] * factors[q] + bias[o0 + o]
            if activation == 1:
                for q in range(LANES):
                    line[q] = max(line[q], np.float32(0))
            elif activation == 2:
                for q in range(LANES):
                    line[q] *= np.float32(1) if line[q] > 0 else np.float32(0.01)
            elif activation == 3:
                for q in range(LANES):
                    line[q] /= np.float32(1) + np.exp(-line[q])
            elif activation == 4:
                for q in range(LANES):
                    line[q] = np.tanh(line[q])
            for q in range(LANES):
                line[q] = line[q] if factors[q] > 0 else np.float32(0)
            out = y[b, o0 + o, t, i + r]
            if columns == LANES:
                for q in range(LANES):
                    out[j + q] = line[q]
            else:
                for q in range(columns):
                    out[j + q] = line[q]


@njit(**_options)
def _convolve_tiles(
    x, mask, weight, bias, residual, has_residual, active, has_active, y, new_mask,
    tiles, kernel, padding, dilation, ratio, wrap, activation, start, stop,
):  # fmt: skip
    """Tiles start..stop of the list, each through all its days, oldest first.

    A day's patch (C, R, Q) is gathered once and stays in a ring of the days that windows need.
    """
    channels, days_in = x.shape[1], x.shape[2]
    days, height, width = y.shape[2], y.shape[3], y.shape[4]
    ring = (kernel[0] - 1) * dilation[0] + 1
    patch_rows = TILE_ROWS + (kernel[1] - 1) * dilation[1]
    patch_columns = TILE_COLUMNS + (kernel[2] - 1) * dilation[2]
    plane = patch_rows * patch_columns
    slot_size = channels * plane
    taps_space = kernel[1] * kernel[2]

    cells = np.empty((ring, channels, patch_rows, patch_columns), np.float32)
    flat = cells.reshape(-1)
    patch = np.empty((patch_rows, patch_columns), np.bool_)
    counts = np.empty((ring, TILE_ROWS, TILE_COLUMNS), np.int32)
    held = np.zeros(ring, np.bool_)
    scale = np.empty((TILE_ROWS, TILE_COLUMNS), np.float32)
    sums = np.empty((OUTPUTS, ROWS, LANES), np.float32)
    x_taps = np.empty(kernel[0] * taps_space, np.int64)
    w_taps = np.empty(kernel[0] * taps_space, np.int64)

    for tile in range(start, stop):
        b, i0, j0 = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2]
        top, left = i0 - padding[1], j0 - padding[2]
        for t in range(1 - ring, days):
            # the newest day of the window of t
            newest = t + ring - 1
            slot, u = newest % ring, newest - padding[0]
            held[slot] = False
            if 0 <= u < days_in:
                held[slot] = _gather_mask(mask, b, u, top, left, wrap, patch)
            if held[slot]:
                _gather_values(x, b, u, top, left, wrap, patch, cells[slot])
                _count(patch, kernel, dilation, counts[slot])
            if t < 0:
                continue

            # taps of days with anything observed near this tile
            taps = 0
            scale[:] = np.float32(0)
            for a in range(kernel[0]):
                slot = (t + a * dilation[0]) % ring
                if not held[slot]:
                    continue
                for r in range(TILE_ROWS):
                    for q in range(TILE_COLUMNS):
                        scale[r, q] += np.float32(counts[slot, r, q])
                for k in range(taps_space):
                    p, q = k // kernel[2], k % kernel[2]
                    x_taps[taps] = (
                        slot * slot_size + p * dilation[1] * patch_columns + q * dilation[2]
                    )
                    w_taps[taps] = (a * taps_space + k) * channels * OUTPUTS
                    taps += 1
            if taps == 0:
                continue
            for r in range(min(TILE_ROWS, height - i0)):
                for q in range(min(TILE_COLUMNS, width - j0)):
                    if has_active and not active[t % active.shape[0], i0 + r, j0 + q]:
                        scale[r, q] = np.float32(0)
                    # from count to K / s
                    scale[r, q] = ratio[np.int64(scale[r, q])]
                    new_mask[b, t, i0 + r, j0 + q] = scale[r, q] > 0

            for r in range(0, min(TILE_ROWS, height - i0), ROWS):
                for q in range(0, min(TILE_COLUMNS, width - j0), LANES):
                    matters = False
                    for rr in range(r, min(r + ROWS, height - i0)):
                        for qq in range(q, min(q + LANES, width - j0)):
                            matters |= scale[rr, qq] > 0
                    if not matters:
                        continue
                    for block in range(weight.shape[0]):
                        accumulate(
                            sums, flat, r * patch_columns + q, x_taps, weight.reshape(-1),
                            block * weight.shape[1], w_taps, taps, channels, plane, patch_columns,
                        )  # fmt: skip
                        _finish(
                            sums, scale, bias, residual, has_residual, activation,
                            b, block * OUTPUTS, t, i0 + r, j0 + q, r, q, y,
                        )  # fmt: skip


@cache
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
