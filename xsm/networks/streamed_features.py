"""A gap-filling network on a CPU, streamed day by day by :func:`xsm_kernels.stream_network`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xsm.gapfilling.statistics import COUNT
from xsm.networks.features import of_cells, standardised
from xsm.networks.model import Model
from xsm_kernels import make_schedule, masked_mean, stream_network

if TYPE_CHECKING:
    from xsm_kernels import RingBuffer, Schedule

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


def stream(
    values: Floats, stats: Floats, model: Model, need: Bools | None = None, *, wrap: bool = False
) -> tuple[Floats, Bools]:
    """Outputs of the network where they are needed.

    Equal to :func:`xsm.networks.partial_conv.partial_conv_network` on the inputs of
    :func:`xsm.networks.features.features`.

    Parameters
    ----------
    values : ndarray, shape (T + 8, H + 2 h, W + 2 h)
        Soil moisture, m3 m-3; NaN where missing. ``h = model.halo[1]``; W without halo if `wrap`.
    stats : ndarray, shape (5, H + 2 h, W + 2 h)
    model : Model
    need : ndarray of bool, shape (T, H, W), optional
        Outputs to compute; default all of them.
    wrap : bool
        Whether the last column is the neighbour of the first.

    Returns
    -------
    output : ndarray of float32, shape (O, T, H, W)
        0 where it is not needed or nothing is within reach.
    mask : ndarray of bool, shape (T, H, W)
        Needed, and with an observation within reach.
    """
    days, rows, columns = model.halo
    halo = days, rows, 0 if wrap else columns
    if need is None:
        need = np.ones([n - 2 * h for n, h in zip(values.shape, halo, strict=True)], np.bool_)
    land = stats[COUNT] > 0
    return stream_network(
        model_schedule(model),
        FeatureWriter(values, stats, model.config["scales"], wrap),
        need,
        active=land,
        available=land | np.isfinite(values).any(axis=0),
        halo=halo,
        wrap_longitude=wrap,
    )


@lru_cache(maxsize=4)
def model_schedule(model: Model) -> Schedule:
    """The schedule of a model's layers, made once."""
    inputs = {"anomaly": 1, "features": len(model.config["features"])}
    return make_schedule(model.config["layers"], model.params, inputs)


class FeatureWriter:
    """Writes the inputs of :func:`xsm.networks.features.features` into a ring buffer, by day."""

    def __init__(self, values: Floats, stats: Floats, scales: Sequence[int], wrap: bool) -> None:
        self._values, self._stats = values, stats
        self._scales, self._wrap = scales, wrap

    def write_static(self, buffer: RingBuffer) -> None:
        """Write the statistics into each slot."""
        first = 2 + 2 * len(self._scales)
        last = first + len(self._stats)
        static = of_cells(self._stats).reshape(len(self._stats), -1)[:, buffer.cells.flat].T
        for slot in range(buffer.slots["features"]):
            buffer.rows("features", slot)[0][:, first:last] = static

    def write_days(self, buffer: RingBuffer, start: int, stop: int) -> None:
        """Write the anomalies, and their means over squares, of days start..stop."""
        cells = buffer.cells.flat
        anomaly, observed = standardised(self._values[start:stop], self._stats)
        channels = [anomaly, observed]
        for size in self._scales:
            channels += masked_mean(anomaly, observed, size, wrap_longitude=self._wrap)
        land = (self._stats[COUNT] > 0).reshape(-1)[cells]
        for day in range(start, stop):
            rows = [c[0, 0, day - start].reshape(-1)[cells] for c in channels]
            values, mask = buffer.rows("anomaly", day)
            values[:, 0], mask[:] = rows[0], rows[1]
            values, mask = buffer.rows("features", day)
            for channel, row in enumerate(rows):
                values[:, channel] = row
            mask[:] = (rows[-1] > 0) & land
