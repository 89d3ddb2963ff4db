"""The networks of xsm, as the skill benchmarks call them: a record in, mean and deviation out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsm.baselines.dctpls import tiles


def network(
    values: NDArray[np.float32],
    *,
    model: str | Path | Any = "default",
    where: NDArray[np.bool_] | None = None,
    wrap: bool = False,
    tile: int = 80,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate a record with a gap-filling network.

    Parameters
    ----------
    values : ndarray of float32, (T, H, W)
        Daily record, m3 m-3, NaN = missing.
    model : str, Path or Model
        As for ``xsm.networks.block_inference.load_model``.
    where : ndarray of bool, (T, H, W), optional
        Cells wanted; windows without any are skipped and stay NaN.
    wrap : bool
        Whether the last column neighbours the first.
    tile : int
        Windows of `tile` x `tile` cells, with the halo the model asks for.

    Returns
    -------
    mean, deviation : ndarray of float32, (T, H, W)
        m3 m-3, of every cell of the windows done, observed or not; NaN where there is no estimate.
    """
    from xsm.networks.block_inference import fill_block, load_model, record_statistics

    loaded = load_model(model)
    days, rows, columns = loaded.halo
    rim = (0 if wrap else columns, 0 if wrap else columns)
    padded = np.pad(values, ((days, days), (rows, rows), rim), constant_values=np.nan)
    stats = record_statistics(padded[days:-days], wrap=wrap)
    out = np.full((2, *values.shape), np.nan, dtype=np.float32)
    for piece in tiles(values.shape[1], values.shape[2], tile, 0):
        inside = (slice(None), piece.rows, piece.columns)
        if where is not None and not where[inside].any():
            continue
        y = np.arange(piece.rows.start, piece.rows.stop + 2 * rows)[:, None]
        x = np.arange(piece.columns.start, piece.columns.stop + 2 * columns) - columns + rim[0]
        x %= padded.shape[2]
        out[(slice(None), *inside)] = fill_block(padded[:, y, x], stats[:, y, x], loaded)
    return out[0], out[1]
