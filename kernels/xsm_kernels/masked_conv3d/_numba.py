"""Masked 3-D convolution on CPUs, float32, without PyTorch.

The grid is cut into tiles. Of each tile the values are gathered channels-last, day by day, into a
ring buffer that fits in the L2 cache; then the active cells are convolved as a list.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels._numba_common import (
    CONTRACTED,
    INNER,
    NO_ARRAY,
    array_argument,
    convolve,
    numba_backend,
    pack,
    pack_bias,
    ratios,
)
from xsm_kernels._numba_simd import CELLS
from xsm_kernels.arguments import ACTIVATIONS, Triple, output_shape
from xsm_kernels.compile_cache import compile_loop
from xsm_kernels.runtime import compile_once, run_in_threads

TILE_ROWS = 16
TILE_COLUMNS = 48


@numba_backend
def masked_conv3d(
    x: np.ndarray,
    mask: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    active: np.ndarray | None = None,
    *,
    activation: str | None = None,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Definition: :func:`xsm_kernels.masked_conv3d.reference.masked_conv3d`.

    Tiles without active cells are left out of the list. Tiles without an observed cell in reach
    keep the zeros with which the output is allocated.
    """
    kernel: Triple = weight.shape[2:]  # type: ignore[assignment]
    shape = output_shape(x.shape, kernel, padding, dilation)
    y = np.zeros((x.shape[0], weight.shape[0], *shape), np.float32)
    new_mask = np.zeros((x.shape[0], *shape), np.bool_)
    tiles = active_tiles(active, x.shape[0], shape)
    run_in_threads(
        convolve_tiles(),
        len(tiles),
        np.ascontiguousarray(x),
        np.ascontiguousarray(mask[:, 0]),
        pack(weight),
        pack_bias(bias, weight.shape[0]),
        np.empty((0,) * 5, np.float32) if residual is None else np.ascontiguousarray(residual),
        residual is not None,
        np.empty((1, 0, 0), np.bool_) if active is None else np.ascontiguousarray(active),
        active is not None,
        y,
        new_mask,
        tiles,
        kernel,
        padding,
        dilation,
        ratios(math.prod(kernel)),
        wrap_longitude,
        ACTIVATIONS.index(activation),
    )
    return y, new_mask[:, None]


def active_tiles(active: np.ndarray | None, batch: int, shape: Triple) -> Any:
    """Tiles to compute, int64 (n, 3): batch, first row, first column."""
    _, height, width = shape
    rows, columns = np.arange(0, height, TILE_ROWS), np.arange(0, width, TILE_COLUMNS)
    is_active = np.ones((batch, len(rows), len(columns)), np.bool_)
    if active is not None:
        by_row = np.logical_or.reduceat(active.any(axis=0), rows, axis=0)
        is_active &= np.logical_or.reduceat(by_row, columns, axis=1)
    b, i, j = np.nonzero(is_active)
    return np.stack([b, rows[i], columns[j]], axis=1)


@njit(**INNER)
def _gather_mask(mask, b, u, top, left, wrap, patch):
    """Mask of the cells around a tile; False outside the array. Returns whether any is True."""
    height, width = mask.shape[2], mask.shape[3]
    any_observed = False
    for r in range(patch.shape[0]):
        i = top + r
        if i < 0 or i >= height:
            patch[r, :] = False
            continue
        for q in range(patch.shape[1]):
            j = left + q
            if wrap:
                j %= width
            is_observed = 0 <= j < width and mask[b, u, i, j]
            patch[r, q] = is_observed
            any_observed |= is_observed
    return any_observed


@njit(**INNER)
def _gather_values(x, b, u, top, left, observed, values):
    """Observed values around a tile; `values` is (R, Q, C)."""
    channels, days, height, width = x.shape[1:]
    flat, step = x.reshape(-1), days * height * width
    for r in range(observed.shape[0]):
        start = ((b * channels * days + u) * height + top + r) * width
        for q in range(observed.shape[1]):
            if observed[r, q]:
                # cell by cell: many channels are fetched from memory at once
                first_channel, cell = start + (left + q) % width, values[r, q]
                for c in range(channels):
                    cell[c] = flat[first_channel + c * step]


@njit(**CONTRACTED)
def _convolve_tiles(
    x, mask, weight, bias, residual, has_residual, active, has_active, y, new_mask,
    tiles, kernel, padding, dilation, ratio, wrap, activation, start, stop,
):  # fmt: skip
    """Tiles start..stop of the list, each through all its days, oldest first.

    The patch (R, Q, C) of a day is gathered once and stays in a ring buffer as long as windows
    need it.
    """
    channels, days_in = x.shape[1], x.shape[2]
    days, height, width = y.shape[2], y.shape[3], y.shape[4]
    n_slots = (kernel[0] - 1) * dilation[0] + 1
    patch_rows = TILE_ROWS + (kernel[1] - 1) * dilation[1]
    patch_columns = TILE_COLUMNS + (kernel[2] - 1) * dilation[2]
    plane = patch_rows * patch_columns

    flat = np.zeros((1 + n_slots * plane) * channels, np.float32)
    values = flat[channels:].reshape(n_slots, patch_rows, patch_columns, channels)
    observed = np.zeros((n_slots, patch_rows, patch_columns), np.bool_)
    nonzero = np.empty(0, np.uint32)
    any_observed = np.zeros(n_slots, np.bool_)
    row_at = np.arange(plane).astype(np.int32)
    widths = np.full(1, channels)
    taps = np.empty(kernel[1] * kernel[2], np.int64)
    for k in range(taps.size):
        p, q = k // kernel[2], k % kernel[2]
        taps[k] = p * dilation[1] * patch_columns + q * dilation[2]
    window_days = np.empty((kernel[0], 3), np.int64)
    cells = np.empty(TILE_ROWS * TILE_COLUMNS, np.int32)
    corners = np.empty(TILE_ROWS * TILE_COLUMNS, np.int32)

    for tile in range(start, stop):
        b, i0, j0 = tiles[tile, 0], tiles[tile, 1], tiles[tile, 2]
        top, left = i0 - padding[1], j0 - padding[2]
        for t in range(1 - n_slots, days):
            # the newest day of the window of t
            newest = t + n_slots - 1
            slot, u = newest % n_slots, newest - padding[0]
            any_observed[slot] = False
            if 0 <= u < days_in:
                any_observed[slot] = _gather_mask(mask, b, u, top, left, wrap, observed[slot])
            if any_observed[slot]:
                _gather_values(x, b, u, top, left, observed[slot], values[slot])
            if t < 0:
                continue

            # days with an observed cell near this tile
            n_days = 0
            for a in range(kernel[0]):
                slot = (t + a * dilation[0]) % n_slots
                if any_observed[slot]:
                    window_days[n_days, 0] = a
                    window_days[n_days, 1] = slot * plane
                    window_days[n_days, 2] = (1 + slot * plane) * channels
                    n_days += 1
            if n_days == 0:
                continue
            count = 0
            for i in range(i0, min(i0 + TILE_ROWS, height)):
                for j in range(j0, min(j0 + TILE_COLUMNS, width)):
                    if not has_active or active[t % active.shape[0], i, j]:
                        cells[count] = i * width + j
                        corners[count] = (i - i0) * patch_columns + j - j0
                        count += 1
            area = height * width
            layout = ((b * y.shape[1] * days + t) * area, 1, days * area)
            convolve(
                flat, nonzero, observed.reshape(-1), row_at, cells[:count], corners[:count], taps,
                window_days[:n_days], widths, weight, bias, ratio, activation,
                residual.reshape(-1), layout if has_residual else NO_ARRAY, flat, NO_ARRAY,
                y.reshape(-1), (*layout, y.shape[1]), new_mask.reshape(-1), (b * days + t) * area,
                0, -(-count // CELLS),
            )  # fmt: skip


@compile_once
def convolve_tiles() -> Any:
    """The loop over tiles, compiled on first use for one signature."""
    f4, b1, triple = types.float32, types.boolean, types.UniTuple(types.int64, 3)
    return compile_loop(
        _convolve_tiles,
        types.void(
            array_argument(f4, 5), array_argument(b1, 4), array_argument(f4, 2),
            array_argument(f4, 1), array_argument(f4, 5), b1, array_argument(b1, 3), b1,
            array_argument(f4, 5, readonly=False), array_argument(b1, 4, readonly=False),
            array_argument(types.int64, 2), triple, triple, triple, array_argument(f4, 1),
            b1, types.int64, types.int64, types.int64,
        ),
    )  # fmt: skip
