"""What a gap-filling network sees of each day: the anomaly and its surroundings at many scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat
import numpy as np

from xsm.gapfilling.statistics import COUNT, MEAN, STATISTICS, STD

LIMIT = 5.0  # standardised anomalies beyond this say no more


def channels(scales: Sequence[int], covariates: Sequence[str] = ()) -> list[str]:
    """Names of the feature channels, in order."""
    pyramid = [f"{kind}_{size}" for size in scales for kind in ("mean", "fraction")]
    return ["anomaly", "observed", *pyramid, *STATISTICS, *covariates]


def features(
    values: Any,
    stats: Any,
    ops: Any,
    *,
    scales: Sequence[int],
    wrap: bool = False,
    covariates: Any = None,
) -> dict[str, tuple[Any, Any]]:
    """Inputs of the network.

    Parameters
    ----------
    values : array, shape (T, H, W)
        Soil moisture, m3 m-3; NaN where missing.
    stats : array, shape (5, H, W)
        From :func:`xsm.gapfilling.statistics.record_statistics`.
    ops : module or namespace
        Supplies ``masked_mean`` for arrays of this kind.
    scales : sequence of int
        Odd sizes, in cells, of the squares over which anomalies are averaged.
    wrap : bool
        Whether the last column is the neighbour of the first.
    covariates : array, shape (V, T, H, W), optional
        Standardised extra channels, static ones repeated over time; NaN counts as 0.

    Returns
    -------
    dict of (array, mask)
        ``anomaly`` (1, 1, T, H, W), known where observed; ``features`` (1, F, T, H, W), known
        ("within reach") on land where anything was observed within the largest square; both
        masks (1, 1, T, H, W).
    """
    xp = array_api_compat.array_namespace(values, stats)
    anomaly, mask = standardised(values, stats)
    land = stats[COUNT] > 0
    days = [anomaly, xp.astype(mask, values.dtype)]
    for size in scales:
        mean, fraction = ops.masked_mean(anomaly, mask, size, wrap_longitude=wrap)
        days += [mean, fraction]
    cell = of_cells(stats)
    days.append(xp.broadcast_to(cell[None, :, None], (1, len(STATISTICS), *values.shape)))
    if covariates is not None:
        days.append(xp.where(xp.isfinite(covariates), covariates, _zero(xp, values))[None])
    reach = (fraction > 0) & land
    return {"anomaly": (anomaly, mask), "features": (xp.concat(days, axis=1), reach)}


def standardised(values: Any, stats: Any) -> tuple[Any, Any]:
    """Anomalies (1, 1, T, H, W) in units of the cell's own spread, 0 where missing; their mask."""
    xp = array_api_compat.array_namespace(values, stats)
    observed = xp.isfinite(values)
    anomaly = xp.clip((values - stats[MEAN]) / _spread(xp, stats), -LIMIT, LIMIT)
    anomaly = xp.where(observed, anomaly, _zero(xp, values))
    return anomaly[None, None], observed[None, None]


def of_cells(stats: Any) -> Any:
    """The statistics (5, H, W), each brought to about -1..1; 0 where nothing was observed."""
    xp = array_api_compat.array_namespace(stats)
    land = stats[COUNT] > 0
    return xp.where(land, _scaled(xp, stats, _spread(xp, stats)), _zero(xp, stats))


def _zero(xp, like):
    # where `like` lies: a GPU must not have to fetch it
    return xp.zeros((), dtype=like.dtype, device=array_api_compat.device(like))


def _spread(xp, stats):
    return xp.where(stats[COUNT] > 0, stats[STD], xp.ones_like(stats[STD]))


def _scaled(xp, stats, std):
    mean, _, count, persistence, coherence = (stats[i] for i in range(len(STATISTICS)))
    return xp.stack(
        [
            3 * mean - 1,
            xp.log(std) + 2.5,
            2 * count / (count + 10) - 1,
            2 * persistence - 0.5,
            2 * coherence - 1,
        ]
    )


def pad_days(inputs: dict[str, tuple[Any, Any]], before: int, after: int):
    """Missing days around NumPy inputs (…, T, H, W): the record's edge."""
    width = ((0, 0), (0, 0), (before, after), (0, 0), (0, 0))
    return {name: (np.pad(x, width), np.pad(m, width)) for name, (x, m) in inputs.items()}
