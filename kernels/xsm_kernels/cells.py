"""Masked convolution over a list of cells: what the CPU path is made of.

Values lie channels-last in one flat array, a row of channels per cell; each source (an earlier
layer, say) has such rows for every day it holds. The cells of a list need not be neighbours:
a window is found through a map of the grid, so nothing is computed for sea or for cells that
nobody asks for, borders and the date line are entries of the map, and sources are read where they
lie instead of being joined.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels.runtime import compile_once
from xsm_kernels.simd import CELLS, OUTPUTS, accumulate

OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz"}}
ABSENT = (-1, 0, 0)  # of a residual or skip that is not there


def pack(weight: np.ndarray) -> np.ndarray:
    """Weights (O, C, kt, kh, kw) as (blocks, taps * C * OUTPUTS), zeros beyond O."""
    outputs, channels = weight.shape[:2]
    blocks = -(-outputs // OUTPUTS)
    packed = np.zeros((blocks * OUTPUTS, channels, math.prod(weight.shape[2:])), np.float32)
    packed[:outputs] = weight.reshape(outputs, channels, -1)
    # (blocks, OUTPUTS, C, taps) -> (blocks, taps, C, OUTPUTS)
    packed = packed.reshape(blocks, OUTPUTS, channels, -1).transpose(0, 3, 2, 1)
    return np.ascontiguousarray(packed).reshape(blocks, -1)


def pack_bias(bias: np.ndarray | None, outputs: int) -> np.ndarray:
    """Bias (O,) with zeros up to whole blocks of OUTPUTS."""
    packed = np.zeros(-(-outputs // OUTPUTS) * OUTPUTS, np.float32)
    if bias is not None:
        packed[:outputs] = bias
    return packed


def ratios(volume: int) -> np.ndarray:
    """K / s by the number of observed cells s; 0 marks the empty window."""
    ratio = np.zeros(volume + 1, np.float32)
    ratio[1:] = volume / np.arange(1, volume + 1)
    return ratio


@njit(**OPTIONS)
def _windows(known, row_at, places, taps, days, channels, starts, parts, counts):
    """Where the windows of CELLS cells find their values, and how many cells they hold.

    Returns the number of parts: taps at which any of the cells has an observed neighbour.
    """
    count = 0
    width = channels.sum()
    rows = np.empty(CELLS, np.int64)
    counts[:] = 0
    for d in range(days.shape[0]):
        for k in range(taps.size):
            found = False
            for p in range(CELLS):
                row = row_at[places[p] + taps[k]]
                seen = known[days[d, 1] + row]
                counts[p] += seen
                found |= seen
                rows[p] = row if seen else -1
            if not found:
                continue
            w_start = (days[d, 0] * taps.size + k) * width * OUTPUTS
            for s in range(channels.size):
                for p in range(CELLS):
                    # the flat array begins with a row of zeros
                    start = days[d, 2 + s] + rows[p] * channels[s]
                    starts[count, p] = start if rows[p] >= 0 else 0
                parts[count, 0] = channels[s]
                parts[count, 1] = w_start
                w_start += channels[s] * OUTPUTS
                count += 1
    return count


@njit(**OPTIONS)
def _activate(values, activation):
    zero = np.float32(0)
    if activation == 1:
        for n in range(CELLS * OUTPUTS):
            values[n] = zero if values[n] < zero else values[n]
    elif activation == 2:
        for n in range(CELLS * OUTPUTS):
            values[n] *= np.float32(1) if values[n] > zero else np.float32(0.01)
    elif activation == 3:
        for n in range(CELLS * OUTPUTS):
            values[n] /= np.float32(1) + np.exp(-values[n])
    elif activation == 4:
        for n in range(CELLS * OUTPUTS):
            values[n] = np.tanh(values[n])


@njit(**OPTIONS)
def _add(sums, factors, cells, first, outputs, values, at, everywhere):
    """Add `values` to the cells that have an observed neighbour, or `everywhere`."""
    for p in range(cells.size):
        if everywhere or factors[p] > 0:
            begin = at[0] + cells[p] * at[1] + first * at[2]
            if outputs == OUTPUTS and at[2] == 1:
                for o in range(OUTPUTS):
                    sums[p, o] += values[begin + o]
            else:
                for o in range(outputs):
                    sums[p, o] += values[begin + o * at[2]]


@njit(**OPTIONS)
def _store(sums, cells, first, outputs, out, at):
    start = at[0] + first * at[2]
    if at[2] != 1:
        for o in range(outputs):
            for p in range(cells.size):
                out[start + o * at[2] + cells[p] * at[1]] = sums[p, o]
    elif outputs == OUTPUTS:
        for p in range(cells.size):
            begin = start + cells[p] * at[1]
            for o in range(OUTPUTS):
                out[begin + o] = sums[p, o]
    else:
        for p in range(cells.size):
            begin = start + cells[p] * at[1]
            for o in range(outputs):
                out[begin + o] = sums[p, o]


@njit(**OPTIONS)
def convolve(
    x, known, row_at, cells, places, taps, days, channels, weight, bias, ratio, activation,
    residual, residual_at, skip, skip_at, out, out_at, new_known, new_start, start, stop,
):  # fmt: skip
    """Blocks start..stop, of CELLS cells each, of one day.

    x : values of all sources, flat; it begins with zeros, as many as a source has channels
    known : bool, flat
    row_at : row of each cell of the grid and its border; rows that `known` has False where absent
    cells : numbers of the cells to compute
    places : where in `row_at` the window of each begins (or is centred, as `taps` have it)
    taps : steps in `row_at` to the cells of the window, of one day
    days : (days, 2 + sources) which day of the window, start of its `known`, and of its values
    channels : of each source
    weight, bias, ratio : from `pack`, `pack_bias`, `ratios`
    residual, skip : flat values added before and after the activation; `*_at` and `out_at` are
        (start, step between cells, step between channels); start -1 for none; `out_at` has the
        number of channels, too
    out, new_known : results, flat, the latter at new_start + cell
    """
    most = max(days.shape[0] * taps.size * channels.size, 1)
    starts = np.empty((most, CELLS), np.int64)
    parts = np.empty((most, 2), np.int64)
    counts = np.empty(CELLS, np.int64)
    centres = np.empty(CELLS, np.int64)
    factors = np.empty(CELLS, np.float32)
    sums = np.empty((CELLS, OUTPUTS), np.float32)
    weights = weight.reshape(-1)
    for block in range(start, stop):
        here = cells[block * CELLS : (block + 1) * CELLS]
        for p in range(CELLS):
            centres[p] = places[block * CELLS + min(p, here.size - 1)]
        count = _windows(known, row_at, centres, taps, days, channels, starts, parts, counts)
        for p in range(CELLS):
            factors[p] = ratio[counts[p]]
        for p in range(here.size):
            new_known[new_start + here[p]] = counts[p] > 0
        for first in range(0, bias.size, OUTPUTS):
            outputs = min(OUTPUTS, out_at[3] - first)
            accumulate(
                sums, x, starts, weights, first // OUTPUTS * weight.shape[1], parts, count,
                factors, bias, first,
            )  # fmt: skip
            if residual_at[0] >= 0:
                _add(sums, factors, here, first, outputs, residual, residual_at, False)
            _activate(sums.reshape(-1), activation)
            if skip_at[0] >= 0:
                _add(sums, factors, here, first, outputs, skip, skip_at, True)
            _store(sums, here, first, outputs, out, out_at)


@njit(**OPTIONS)
def _convolve_cells(
    x, known, row_at, cells, places, taps, days, channels, weight, bias, ratio, activation,
    residual, residual_at, skip, skip_at, out, out_at, new_known, new_start, start, stop,
):  # fmt: skip
    convolve(
        x, known, row_at, cells, places, taps, days, channels, weight, bias, ratio, activation,
        residual, residual_at, skip, skip_at, out, out_at, new_known, new_start, start, stop,
    )  # fmt: skip


@compile_once
def convolve_cells() -> Any:
    """:func:`convolve`, compiled on first use for one signature (it takes read-only arrays)."""

    def array(dtype: Any, ndim: int = 1, readonly: bool = True) -> types.Array:
        return types.Array(dtype, ndim, "C", readonly=readonly)

    f4, b1, i4, i8 = types.float32, types.boolean, types.int32, types.int64
    at = types.UniTuple(i8, 3)
    _convolve_cells.compile(
        types.void(
            array(f4), array(b1), array(i4), array(i4), array(i4), array(i8), array(i8, 2),
            array(i8), array(f4, 2), array(f4), array(f4), i8, array(f4), at, array(f4), at,
            array(f4, 1, False), types.UniTuple(i8, 4), array(b1, 1, False), i8, i8, i8,
        )
    )  # fmt: skip
    _convolve_cells.disable_compile()
    return _convolve_cells
