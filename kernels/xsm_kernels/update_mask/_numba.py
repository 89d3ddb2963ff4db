"""Mask update on CPUs: rows packed to bits, 64 cells in a word, and an OR of shifted words.

NumPy packs and shifts fast enough, so nothing has to be compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from xsm_kernels._numba_common import numba_backend
from xsm_kernels.arguments import Triple, output_shape
from xsm_kernels.runtime import run_in_threads

WORD = 64
Words = NDArray[np.uint64]


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
    _, _, days, height, width = mask.shape
    wide = width + 2 * padding[2]
    border = [(0, 0), (0, 0), (padding[2], padding[2])]
    # one word more than a row has: shifts read the word to the right
    packed = np.zeros((days, height, wide // WORD + 2), "<u8")
    new_mask = np.empty((len(mask), *shape), np.bool_)

    def pack(cells: np.ndarray, start: int, stop: int) -> None:
        """Bits of the rows with their border columns, days start..stop."""
        part = cells[start:stop]
        if padding[2]:
            part = np.pad(part, border, mode="wrap" if wrap_longitude else "constant")
        bits = np.packbits(part, axis=-1, bitorder="little")
        packed[start:stop].view(np.uint8)[..., : bits.shape[-1]] = bits

    def update(out: np.ndarray, start: int, stop: int) -> None:
        """Days start..stop of the output."""
        words = np.zeros((stop - start, height + 2 * padding[1], packed.shape[2]), "<u8")
        inner = words[:, padding[1] : padding[1] + height]
        for tap in range(kernel_size[0]):
            first = start + tap * dilation[0] - padding[0]
            low, high = max(first, 0), min(first + stop - start, days)
            if low < high:
                inner[low - first : high - first] |= packed[low:high]
        _spread(words, kernel_size[1], dilation[1], _rows_below)
        words = np.ascontiguousarray(words[:, : shape[1]])
        _spread(words, kernel_size[2], dilation[2], _bits_right)
        bits = words.view(np.uint8)
        cells = np.unpackbits(bits, axis=-1, count=shape[2], bitorder="little")
        out[start:stop] = cells.view(np.bool_)

    for cells, out in zip(mask[:, 0], new_mask, strict=True):
        run_in_threads(pack, days, cells)
        run_in_threads(update, shape[0], out)
    if active is not None:
        new_mask &= active
    return new_mask[:, None]


def _spread(
    words: Words, size: int, step: int, shifted: Callable[[Words, int], Iterator[tuple]]
) -> None:
    """OR `size` shifts, `step` apart, into `words`: twice as many at a time."""
    covered = 1
    while covered < size:
        more = min(covered, size - covered)
        for target, source in list(shifted(words, more * step)):
            target |= source
        covered += more


def _rows_below(words: Words, step: int) -> Iterator[tuple[Words, Words]]:
    """Rows, and those `step` below them."""
    yield words[:, :-step], words[:, step:]


def _bits_right(words: Words, step: int) -> Iterator[tuple[Words, Words]]:
    """Words, and the bits `step` to the right of theirs."""
    far, near = divmod(step, WORD)
    count = words.shape[-1] - far
    source = words[..., far:] >> np.uint64(near)
    if near:
        source[..., :-1] |= words[..., far + 1 :] << np.uint64(WORD - near)
    yield words[..., :count], source
