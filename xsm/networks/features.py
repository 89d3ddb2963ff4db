"""Inputs of a gap-filling network: anomalies, their means at many scales, and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat
import numpy as np

from xsm.gapfilling.statistics import COUNT, MEAN, STATISTICS, STD

LIMIT = 5.0  # standardised anomalies are clipped to +- this


def channels(scales: Sequence[int]) -> list[str]:
    """Names of the feature channels, in order."""
    pyramid = [f"{quantity}_{size}" for size in scales for quantity in ("mean", "fraction")]
    return ["anomaly", "observed", *pyramid, *STATISTICS]


def features(
    values: Any, stats: Any, ops: Any, *, scales: Sequence[int]
) -> dict[str, tuple[Any, Any]]:
    """Inputs of the network.

    Parameters
    ----------
    values : array, shape (T, H, W)
        Departures from the seasonal cycle, m3 m-3; NaN where missing. Infinite where missing and
        ``features`` are to be valid nevertheless.
    stats : array, shape (5, H, W)
        From :func:`xsm.gapfilling.statistics.record_statistics`.
    ops : namespace
        Supplies ``masked_mean`` for arrays of this kind.
    scales : sequence of int
        Odd sizes, in cells, of the squares over which anomalies are averaged.

    Returns
    -------
    dict of (array, mask)
        ``anomaly`` (1, 1, T, H, W), valid where observed; ``features`` (1, F, T, H, W), valid on
        land where anything was observed within the largest square, or `values` are infinite; both
        masks (1, 1, T, H, W).
    """
    xp = array_api_compat.array_namespace(values, stats)
    anomaly, mask = standardise(values, stats)
    land = stats[COUNT] > 0
    layers = [anomaly, xp.astype(mask, values.dtype)]
    for size in scales:
        mean, fraction = ops.masked_mean(anomaly, mask, size)
        layers += [mean, fraction]
    static = scaled_statistics(stats)
    layers.append(xp.broadcast_to(static[None, :, None], (1, len(STATISTICS), *values.shape)))
    valid = ((fraction > 0) | xp.isinf(values)) & land
    return {"anomaly": (anomaly, mask), "features": (xp.concat(layers, axis=1), valid)}


def standardise(values: Any, stats: Any) -> tuple[Any, Any]:
    """Anomalies (1, 1, T, H, W) in standard deviations of the cell, 0 where missing; their mask."""
    xp = array_api_compat.array_namespace(values, stats)
    observed = xp.isfinite(values)
    anomaly = xp.clip((values - stats[MEAN]) / _std(xp, stats), -LIMIT, LIMIT)
    anomaly = xp.where(observed, anomaly, _zero(xp, values))
    return anomaly[None, None], observed[None, None]


def scaled_statistics(stats: Any) -> Any:
    """The statistics (5, H, W), each scaled to about -1..1; 0 where nothing was observed."""
    xp = array_api_compat.array_namespace(stats)
    land = stats[COUNT] > 0
    mean, _, count, persistence, coherence = (stats[i] for i in range(len(STATISTICS)))
    scaled = xp.stack(
        [
            3 * mean - 1,
            xp.log(_std(xp, stats)) + 2.5,
            2 * count / (count + 10) - 1,
            2 * persistence - 0.5,
            2 * coherence - 1,
        ]
    )
    return xp.where(land, scaled, _zero(xp, stats))


def _zero(xp: Any, like: Any) -> Any:
    # on the device of `like`, so that a GPU does not have to fetch it
    return xp.zeros((), dtype=like.dtype, device=array_api_compat.device(like))


def _std(xp: Any, stats: Any) -> Any:
    """Standard deviation; 1 where nothing was observed."""
    return xp.where(stats[COUNT] > 0, stats[STD], xp.ones_like(stats[STD]))


def pad_days(
    inputs: dict[str, tuple[Any, Any]], before: int, after: int
) -> dict[str, tuple[Any, Any]]:
    """Add missing days before and after NumPy inputs (..., T, H, W), at the ends of a record."""
    width = ((0, 0), (0, 0), (before, after), (0, 0), (0, 0))
    return {name: (np.pad(x, width), np.pad(m, width)) for name, (x, m) in inputs.items()}
