"""Masked 3-D convolution on CPUs, float32, without PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xsm_kernels.arguments import ACTIVATIONS, Triple, output_shape
from xsm_kernels.cells import pack, pack_bias, ratios
from xsm_kernels.masked_conv3d._numba_tiles import TILE_COLUMNS, TILE_ROWS, convolve_tiles
from xsm_kernels.runtime import run_in_threads


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

    Tiles with nothing active are left out of the list; those with nothing observed in reach are
    left at the zeros the output is born with.
    """
    kernel: Triple = weight.shape[2:]  # type: ignore[assignment]
    cells = output_shape(x.shape, kernel, padding, dilation)
    y = np.zeros((x.shape[0], weight.shape[0], *cells), np.float32)
    new_mask = np.zeros((x.shape[0], *cells), np.bool_)
    tiles = active_tiles(active, x.shape[0], cells)
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


def active_tiles(active: np.ndarray | None, batch: int, cells: Triple) -> Any:
    """Tiles to compute, int64 (n, 3): batch, first row, first column."""
    _, height, width = cells
    rows, columns = np.arange(0, height, TILE_ROWS), np.arange(0, width, TILE_COLUMNS)
    chosen = np.ones((batch, len(rows), len(columns)), np.bool_)
    if active is not None:
        by_row = np.logical_or.reduceat(active.any(axis=0), rows, axis=0)
        chosen &= np.logical_or.reduceat(by_row, columns, axis=1)
    b, i, j = np.nonzero(chosen)
    return np.stack([b, rows[i], columns[j]], axis=1)
