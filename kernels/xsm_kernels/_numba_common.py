"""What the Numba backends share: compile options, aligned arrays, and convolution of listed cells.

The convolution works on values that lie channels-last in one flat array, a row of channels per
cell; each source (an earlier layer, say) has such rows for every day it holds. The cells to compute
are a list and need not be neighbours: a window finds its rows through a map of the grid. So nothing
is computed for sea or for cells that no output needs, borders and the date line are entries of the
map, and several sources are read in place instead of being concatenated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels._numba_simd import (
    CELLS,
    OUTPUTS,
    accumulate,
    accumulate_listed,
    count_bits,
    nonzero_bits,
    trailing_zeros,
)
from xsm_kernels.compile_cache import compile_loop
from xsm_kernels.dispatch import dtype_name, implementation, is_tensor, needs_gradient
from xsm_kernels.runtime import compile_once

# what is left out serves callers that these functions do not have, and takes time to compile
OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
CONTRACTED = OPTIONS | {"fastmath": {"contract", "nsz"}}  # multiply and add may be fused
INNER = CONTRACTED | {"no_cpython_wrapper": True}  # only compiled code calls these
CACHE_LINE = 16  # floats
DENSE = 0.6  # fraction of channels above which to list them is slower than to take all
NO_ARRAY = (-1, 0, 0)  # layout of a residual or skip that is absent


def unsupported_reason(arrays: Sequence[Any]) -> str | None:
    """Compiled loops take float32 in main memory and give no gradients."""
    if needs_gradient(arrays):
        return "only the reference has gradients; call under torch.no_grad()"
    if is_tensor(arrays[0]) and arrays[0].is_cuda:
        return "the tensor is on a GPU; move it to the CPU"
    names = {dtype_name(a.dtype) for a in arrays if a is not None}
    wrong = names - {"bool", "float32"}
    return f"it works in float32, got {', '.join(sorted(wrong))}; convert" if wrong else None


numba_backend = implementation("numpy", unsupported_reason)


def array_argument(dtype: Any, ndim: int, layout: str = "C", readonly: bool = True) -> types.Array:
    """Numba type of an argument; the read-only type takes writable arrays too."""
    return types.Array(dtype, ndim, layout, readonly=readonly)


def empty_aligned(shape: tuple[int, ...]) -> np.ndarray:
    """An empty contiguous float32 array that begins on a cache line."""
    size = math.prod(shape)
    values = np.empty(size + CACHE_LINE, np.float32)
    first = -values.ctypes.data // values.itemsize % CACHE_LINE
    return values[first : first + size].reshape(shape)


def copy_aligned(values: np.ndarray) -> np.ndarray:
    """A contiguous copy that begins on a cache line."""
    copy = empty_aligned(values.shape)
    copy[...] = values
    return copy


@njit(**CONTRACTED)
def zeros_aligned(size):
    """Within compiled code: flat zeros that begin on a cache line."""
    values = np.zeros(size + CACHE_LINE, np.float32)
    return values[(-values.ctypes.data // 4) % CACHE_LINE :][:size]


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


@njit(**INNER)
def _find_windows(observed, rows, days, channels, width, starts, parts, counts):
    """Where the windows of CELLS cells find their values, and how many observed cells they hold.

    Returns the number of parts: taps at which any of the windows has an observed cell, times
    sources.
    """
    n_parts = 0
    is_observed = np.empty(CELLS, np.bool_)
    counts[:] = 0
    for d in range(days.shape[0]):
        for k in range(len(rows)):
            any_observed = False
            for p in range(CELLS):
                is_observed[p] = observed[np.uint64(days[d, 1] + rows[k, p])]
                counts[p] += is_observed[p]
                any_observed |= is_observed[p]
            if not any_observed:
                continue
            w_start = (days[d, 0] * len(rows) + k) * width * OUTPUTS
            for s in range(channels.size):
                for p in range(CELLS):
                    # the flat array begins with a row of zeros
                    start = days[d, 2 + s] + rows[k, p] * channels[s]
                    starts[n_parts, p] = start if is_observed[p] else 0
                parts[n_parts, 0] = channels[s]
                parts[n_parts, 1] = w_start
                w_start += channels[s] * OUTPUTS
                n_parts += 1
    return n_parts


@njit(**INNER)
def _list_products(nonzero, starts, parts, n_parts, words, products):
    """List the channels of the parts at which the value of any of CELLS cells is not 0.

    Returns their number, or -1 if they are so many that a loop over all channels is faster.
    """
    n_words, total, count = 0, 0, 0
    for part in range(n_parts):
        for first in range(0, parts[part, 0], OUTPUTS):
            size = min(OUTPUTS, parts[part, 0] - first)
            word = np.uint32((np.uint64(1) << np.uint64(size)) - np.uint64(1))
            if parts[part, 0] % OUTPUTS == 0:
                word = np.uint32(0)
                for p in range(CELLS):
                    word |= nonzero[np.uint64(starts[part, p] + first) // np.uint64(OUTPUTS)]
            words[n_words] = word
            n_words += 1
            total += size
            count += count_bits(word)
    if count > DENSE * total:
        return -1
    n_words, count = 0, 0
    for part in range(n_parts):
        for first in range(0, parts[part, 0], OUTPUTS):
            word = words[n_words]
            n_words += 1
            while word:
                channel = first + trailing_zeros(word)
                products[count, 0] = part
                products[count, 1] = channel
                products[count, 2] = parts[part, 1] + channel * OUTPUTS
                word &= word - np.uint32(1)
                count += 1
    return count


@njit(**INNER)
def _store_nonzero(sums, cells, first, nonzero, layout):
    """Write the bits of what :func:`_store` has stored."""
    for p in range(cells.size):
        begin = layout[0] + cells[p] * layout[1] + first
        nonzero[np.uint64(begin) // np.uint64(OUTPUTS)] = nonzero_bits(sums, p)


@njit(**INNER)
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


@njit(**INNER)
def _add(sums, factors, cells, first, outputs, values, layout, limit):
    """Add `values` to the cells whose factor is above the limit: 0 for those with observations."""
    for p in range(cells.size):
        if factors[p] > limit:
            begin = layout[0] + cells[p] * layout[1] + first * layout[2]
            if outputs == OUTPUTS and layout[2] == 1:
                for o in range(OUTPUTS):
                    sums[p, o] += values[begin + o]
            else:
                for o in range(outputs):
                    sums[p, o] += values[begin + o * layout[2]]


@njit(**INNER)
def _store(sums, cells, first, outputs, out, layout):
    start = layout[0] + first * layout[2]
    if layout[2] != 1:
        for o in range(outputs):
            for p in range(cells.size):
                out[start + o * layout[2] + cells[p] * layout[1]] = sums[p, o]
    elif outputs == OUTPUTS:
        for p in range(cells.size):
            begin = start + cells[p] * layout[1]
            for o in range(OUTPUTS):
                out[begin + o] = sums[p, o]
    else:
        for p in range(cells.size):
            begin = start + cells[p] * layout[1]
            for o in range(outputs):
                out[begin + o] = sums[p, o]


@njit(**INNER)
def convolve(
    x, nonzero, observed, row_at, cells, centres, taps, days, channels, weight, bias, ratio,
    activation, residual, residual_layout, skip, skip_layout, out, out_layout, new_mask, new_start,
    start, stop,
):  # fmt: skip
    """Blocks start..stop, of CELLS cells each, of one day.

    x : values of all sources, flat; it begins with zeros, as many as a source has channels
    nonzero : a word for each OUTPUTS values of `x`, with the bits of those that may not be 0. It is
        read and written for sources and results of a multiple of OUTPUTS channels, whose values
        begin at such a multiple. Empty: zeros are multiplied like other values
    observed : bool, flat
    row_at : row of each cell of the grid and its border; where there is no cell, a row that
        `observed` has False
    cells : numbers of the cells to compute
    centres : index into `row_at` of each of them (or of the first cell of its window: `taps` are
        relative to it)
    taps : steps in `row_at` to the cells of the window, of one day
    days : (days, 2 + sources) for each day of the window that is read: its number in the window,
        the start of its `observed`, and of the values of each source
    channels : of each source
    weight, bias, ratio : from `pack`, `pack_bias`, `ratios`
    residual, skip : flat values added before and after the activation
    residual_layout, skip_layout, out_layout : (start, step between cells, step between channels);
        start -1 for an absent array; that of `out` has the number of channels as well
    out, new_mask : results, flat, the latter at new_start + cell
    """
    width = 0
    for s in range(channels.size):  # channels.sum() imports scipy.linalg, also from the cache
        width += channels[s]
    n_taps = days.shape[0] * taps.size
    starts = np.empty((max(n_taps * channels.size, 1), CELLS), np.int64)
    parts = np.empty((max(n_taps * channels.size, 1), 2), np.int64)
    words = np.empty(n_taps * (width // OUTPUTS + channels.size), np.uint32)
    products = np.zeros((n_taps * width + 1, 3), np.int64)  # weights are read one product ahead
    counts = np.empty(CELLS, np.int64)
    rows = np.empty((taps.size, CELLS), np.int64)
    factors = np.empty(CELLS, np.float32)
    sums = np.empty((CELLS, OUTPUTS), np.float32)
    weights = weight.reshape(-1)
    for block in range(start, stop):
        block_cells = cells[block * CELLS : (block + 1) * CELLS]
        for p in range(CELLS):
            centre = centres[block * CELLS + min(p, block_cells.size - 1)]
            for k in range(taps.size):
                rows[k, p] = row_at[np.uint64(centre + taps[k])]
        n_parts = _find_windows(observed, rows, days, channels, width, starts, parts, counts)
        for p in range(CELLS):
            factors[p] = ratio[counts[p]]
        for p in range(block_cells.size):
            new_mask[new_start + block_cells[p]] = counts[p] > 0
        n_products = -1
        if nonzero.size:
            n_products = _list_products(nonzero, starts, parts, n_parts, words, products)
        for first in range(0, bias.size, OUTPUTS):
            outputs = min(OUTPUTS, out_layout[3] - first)
            w_start = first // OUTPUTS * weight.shape[1]
            if n_products < 0:
                accumulate(sums, x, starts, weights, w_start, parts, n_parts, factors, bias, first)
            else:
                accumulate_listed(
                    sums, x, starts, weights, w_start, products, n_products, factors, bias, first
                )
            if residual_layout[0] >= 0:
                _add(sums, factors, block_cells, first, outputs, residual, residual_layout, 0.0)
            _activate(sums.reshape(-1), activation)
            if skip_layout[0] >= 0:
                _add(sums, factors, block_cells, first, outputs, skip, skip_layout, -1.0)
            _store(sums, block_cells, first, outputs, out, out_layout)
            if nonzero.size and out_layout[3] % OUTPUTS == 0:
                _store_nonzero(sums, block_cells, first, nonzero, out_layout)


@compile_once
def convolve_cells() -> Any:
    """:func:`convolve`, compiled on first use for one signature."""
    f4, b1, i4, i8 = types.float32, types.boolean, types.int32, types.int64
    floats, ints, layout = array_argument(f4, 1), array_argument(i4, 1), types.UniTuple(i8, 3)
    # a dispatcher of its own: `convolve` compiles for other loops
    return compile_loop(
        njit(**CONTRACTED)(convolve.py_func),
        types.void(
            floats, array_argument(types.uint32, 1, readonly=False), array_argument(b1, 1), ints,
            ints, ints, array_argument(i8, 1), array_argument(i8, 2), array_argument(i8, 1),
            array_argument(f4, 2), floats, floats, i8, floats, layout, floats, layout,
            array_argument(f4, 1, readonly=False), types.UniTuple(i8, 4),
            array_argument(b1, 1, readonly=False), i8, i8, i8,
        ),
    )  # fmt: skip
