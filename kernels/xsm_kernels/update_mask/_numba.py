"""Mask update on CPUs: rows packed to bits, 64 cells in a word, and an OR of shifted words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from xsm_kernels._numba_common import OPTIONS, array_argument, numba_backend
from xsm_kernels.arguments import Triple, output_shape
from xsm_kernels.runtime import compile_once, run_in_threads

# multipliers and masks that pack eight bools (bytes, the first one lowest) into eight bits and back
GATHER = np.uint64(0x0102040810204080)
SPREAD = np.uint64(0x0101010101010101)
PICK = np.uint64(0x8040201008040201)
CARRY = np.uint64(0x7F7F7F7F7F7F7F7F)
TOP, SEVEN, ONE = np.uint64(56), np.uint64(7), np.uint64(1)


@njit(**OPTIONS)
def _pack_rows(mask, packed, start, stop):
    """Rows start..stop of bools (R, W) to bits: bytes (R, at least W / 8), zeros beyond W."""
    width = mask.shape[1]
    n_bytes = width // 8
    for row in range(start, stop):
        eights = mask[row, : 8 * n_bytes].view(np.uint64)
        for k in range(n_bytes):
            packed[row, k] = np.uint8((eights[k] * GATHER) >> TOP)
        packed[row, n_bytes:] = 0
        for c in range(8 * n_bytes, width):
            packed[row, n_bytes] |= np.uint8(mask[row, c]) << np.uint8(c % 8)


@njit(**OPTIONS)
def _or_shifted(words, step):
    """``words |= words >> step``, with all words as one long number."""
    far, near = step // 64, np.uint64(step % 64)
    for k in range(words.size - far):
        value = words[k + far] >> near
        if near > 0 and k + far + 1 < words.size:
            value |= words[k + far + 1] << (np.uint64(64) - near)
        words[k] |= value


@njit(**OPTIONS)
def _embed(inner, line, first, width, wrap):
    """Copy the `width` bits of `inner` to `line` from bit `first` on, and pad it on both sides."""
    line[:] = 0
    far, near = first // 64, np.uint64(first % 64)
    for k in range(inner.size):
        line[k + far] |= inner[k] << near
        if near > 0 and k + far + 1 < line.size:
            line[k + far + 1] |= inner[k] >> (np.uint64(64) - near)
    if wrap:
        for q in range(first):
            for to, source in ((q, (q - first) % width), (first + width + q, q % width)):
                bit = (inner[source // 64] >> np.uint64(source % 64)) & ONE
                line[to // 64] |= bit << np.uint64(to % 64)


@njit(**OPTIONS)
def _unpack(bits, out):
    """The first W bits, given as bytes, to bools (W,)."""
    n_bytes = out.size // 8
    eights = out[: 8 * n_bytes].view(np.uint64)
    for k in range(n_bytes):
        bits_apart = (np.uint64(bits[k]) * SPREAD) & PICK
        eights[k] = ((bits_apart + CARRY) >> SEVEN) & SPREAD
    for c in range(8 * n_bytes, out.size):
        out[c] = (bits[c // 8] >> np.uint8(c % 8)) & np.uint8(1)


@njit(**OPTIONS)
def _update_days(packed, new_mask, width, kernel, padding, dilation, wrap, start, stop):
    """Days start..stop of the output (B * T'), from bits (B, T, H, words)."""
    days_in, height, words = packed.shape[1:]
    days = new_mask.shape[1]
    inner = np.empty(words, np.uint64)
    line = np.empty((width + 2 * padding[2]) // 64 + 1, np.uint64)
    for day in range(start, stop):
        b, t = day // days, day % days
        for i in range(new_mask.shape[2]):
            inner[:] = 0
            for a in range(kernel[0]):
                u = t + a * dilation[0] - padding[0]
                if u < 0 or u >= days_in:
                    continue
                for p in range(kernel[1]):
                    r = i + p * dilation[1] - padding[1]
                    if 0 <= r < height:
                        row = packed[b, u, r]
                        for k in range(words):
                            inner[k] |= row[k]
            _embed(inner, line, padding[2], width, wrap)
            covered = 1
            while covered < kernel[2]:  # twice as many columns bits_apart time
                step = min(covered, kernel[2] - covered)
                _or_shifted(line, step * dilation[2])
                covered += step
            _unpack(line.view(np.uint8), new_mask[b, t, i])


@compile_once
def _compiled() -> tuple[Any, Any]:
    b1, i8, triple = types.boolean, types.int64, types.UniTuple(types.int64, 3)
    packed = array_argument(types.uint8, 2, readonly=False)
    _pack_rows.compile(types.void(array_argument(b1, 2), packed, i8, i8))
    _update_days.compile(
        types.void(
            array_argument(types.uint64, 4, readonly=False), array_argument(b1, 4, readonly=False),
            i8, triple, triple, triple, b1, i8, i8,
        )
    )  # fmt: skip
    for function in (_pack_rows, _update_days):
        function.disable_compile()
    return _pack_rows, _update_days


@numba_backend
def update_mask(
    mask: np.ndarray,
    active: np.ndarray | None = None,
    *,
    kernel_size: Triple,
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    wrap_longitude: bool = False,
) -> np.ndarray:
    """Definition: :func:`xsm_kernels.update_mask.reference.update_mask`."""
    shape = output_shape(mask.shape, kernel_size, padding, dilation)
    batch, _, days, height, width = mask.shape
    new_mask = np.empty((batch, *shape), np.bool_)
    words = width // 64 + 1
    packed = np.empty((batch * days * height, 8 * words), np.uint8)
    pack, update = _compiled()
    rows = np.ascontiguousarray(mask[:, 0]).reshape(-1, width)
    run_in_threads(pack, len(rows), rows, packed)
    run_in_threads(
        update,
        batch * shape[0],
        packed.view(np.uint64).reshape(batch, days, height, words),
        new_mask,
        width,
        kernel_size,
        padding,
        dilation,
        wrap_longitude,
    )
    if active is not None:
        new_mask &= active
    return new_mask[:, None]
