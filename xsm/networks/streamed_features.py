"""A partial-convolution network on a CPU, streamed by :func:`xsm_kernels.stream_network`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import xsm_kernels
from xsm.gapfilling.statistics import COUNT
from xsm.networks.features import scaled_statistics, standardise
from xsm.networks.model import Model

if TYPE_CHECKING:
    from xsm_kernels import RingBuffer, Schedule

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


def stream(
    values: Floats, stats: Floats, model: Model, need: Bools | None = None
) -> tuple[Floats, Bools]:
    """Outputs of the network where they are needed.

    Equal to :func:`xsm.networks.block_inference.run_network`.

    Parameters
    ----------
    values : ndarray, shape (T + 2 d, H + 2 h, W + 2 w)
        Departures from the seasonal cycle, m3 m-3; NaN where missing. ``d, h, w = model.halo``.
    stats : ndarray, shape (5, H + 2 h, W + 2 w)
    model : Model
    need : ndarray of bool, shape (T, H, W), optional
        Outputs to compute; default all of them.

    Returns
    -------
    output : ndarray of float32, shape (O, T, H, W)
        0 where it is not needed or nothing is within reach.
    mask : ndarray of bool, shape (T, H, W)
        Needed, and with an observation within reach.
    """
    if need is None:
        need = np.ones([n - 2 * h for n, h in zip(values.shape, model.halo, strict=True)], np.bool_)
    land = stats[COUNT] > 0
    return xsm_kernels.stream_network(
        model_schedule(model),
        FeatureWriter(values, stats, model.config["scales"]),
        need,
        active=land,
        available=land | np.isfinite(values).any(axis=0),
        halo=model.halo,
    )


@lru_cache(maxsize=4)
def model_schedule(model: Model) -> Schedule:
    """The schedule of a model's layers, made once."""
    inputs = {"anomaly": 1, "features": len(model.config["features"])}
    return xsm_kernels.make_schedule(model.config["layers"], model.params, inputs)


class FeatureWriter:
    """Writes the inputs of :func:`xsm.networks.features.features` into a ring buffer, by day."""

    def __init__(self, values: Floats, stats: Floats, scales: Sequence[int]) -> None:
        self._values, self._stats, self._scales = values, stats, scales

    def write_static(self, buffer: RingBuffer) -> None:
        """Write the statistics into each slot."""
        first = 2 + 2 * len(self._scales)
        last = first + len(self._stats)
        static = scaled_statistics(self._stats)
        static = static.reshape(len(self._stats), -1)[:, buffer.cells.flat].T
        for slot in range(buffer.slots["features"]):
            buffer.rows("features", slot)[0][:, first:last] = static

    def write_days(self, buffer: RingBuffer, start: int, stop: int) -> None:
        """Write the anomalies, and their means over squares, of days start..stop."""
        cells = buffer.cells.flat
        anomaly, observed = standardise(self._values[start:stop], self._stats)
        channels = [anomaly, observed]
        for size in self._scales:
            channels += xsm_kernels.masked_mean(anomaly, observed, size)
        land = (self._stats[COUNT] > 0).reshape(-1)[cells]
        for day in range(start, stop):
            valid = np.isinf(self._values[day]).reshape(-1)[cells]
            rows = [c[0, 0, day - start].reshape(-1)[cells] for c in channels]
            values, mask = buffer.rows("anomaly", day)
            values[:, 0], mask[:] = rows[0], rows[1]
            values, mask = buffer.rows("features", day)
            for channel, row in enumerate(rows):
                values[:, channel] = row
            mask[:] = ((rows[-1] > 0) | valid) & land
