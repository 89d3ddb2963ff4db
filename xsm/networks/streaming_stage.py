"""A record through a network, day by day and cell by cell, on CPUs.

Equal to :func:`xsm.networks.partial_conv.partial_conv_network` on the inputs of
:func:`xsm.networks.features.features`, but only cells are computed that a wanted output depends
on, and each layer holds only the days that later ones still read.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from xsm.gapfilling.statistics import COUNT
from xsm.networks.features import scaled_statistics, standardise
from xsm.networks.model import Model
from xsm.networks.partial_conv import reach
from xsm_kernels import masked_mean, update_mask
from xsm_kernels.streaming.ring_buffer import Bools, Cells, Floats, Rings, Window
from xsm_kernels.streaming.schedule import Plan, make_plan

TOGETHER = 4  # days whose features are computed at once, by several threads


@lru_cache(maxsize=4)
def plan_of(model: Model) -> Plan:
    """The plan of a model, made once."""
    return make_plan(model.config, model.params)


def stream(
    values: Floats, stats: Floats, model: Model, need: Bools | None = None, *, wrap: bool = False
) -> tuple[Floats, Bools]:
    """Outputs of the network where they are needed.

    Parameters
    ----------
    values : ndarray, shape (T + 8, H + 2 h, W + 2 h)
        Soil moisture, m3 m-3; NaN where missing. ``h = model.halo[1]``; W without halo if `wrap`.
    stats : ndarray, shape (5, H + 2 h, W + 2 h)
    model : Model
    need : ndarray of bool, shape (T, H, W), optional
        Which outputs are wanted; default all of them.
    wrap : bool
        Whether the last column is the neighbour of the first.

    Returns
    -------
    output : ndarray of float32, shape (O, T, H, W)
        0 where it is not wanted or nothing is in reach.
    mask : ndarray of bool, shape (T, H, W)
        Wanted, and something in reach.
    """
    plan = plan_of(model)
    days, rows, columns = model.halo
    columns = 0 if wrap else columns
    length, height, width = values.shape
    inner = slice(days, length - days), slice(rows, height - rows), slice(columns, width - columns)
    land = stats[COUNT] > 0
    wanted = np.zeros(values.shape, np.bool_)
    wanted[inner] = True if need is None else need
    wanted &= land

    # what lies farther away is seen through the masked means only
    near = _around(np.asarray(wanted.any(axis=0))[None], (1, *_window(model)), wrap)[0]
    cells = Cells(near & (land | np.isfinite(values).any(axis=0)), plan.border, wrap)
    rings = Rings(plan, cells, TOGETHER)
    active = _active(plan, cells, wanted, land, wrap)
    inputs = _Inputs(values, stats, model.config["scales"], wrap)
    inputs.write_statistics(rings)

    last = plan.steps[-1].name
    output = np.zeros((plan.channels[last], *wanted[inner].shape), np.float32)
    mask = np.zeros(output.shape[1:], np.bool_)
    i, j = np.divmod(cells.at, width)
    place = (i - rows) * output.shape[-1] + j - columns
    for newest in range(length):
        if newest % TOGETHER == 0:
            inputs.write_days(rings, newest, min(newest + TOGETHER, length))
        for step in plan.steps:
            day = newest - plan.lag[step.name]
            if day >= 0:
                rings.convolve(step, day, np.flatnonzero(active[step.name][day]))
        done = newest - plan.lag[last]
        if done >= days:
            chosen = np.flatnonzero(active[last][done])
            found, known = rings.rows(last, done)
            for channel, row in zip(output[:, done - days], found[chosen].T, strict=True):
                channel.reshape(-1)[place[chosen]] = row
            mask[done - days].reshape(-1)[place[chosen]] = known[chosen]
    return output, mask


def _window(model: Model) -> tuple[int, int]:
    """Rows and columns of the inputs that an output depends on, but for the masked means."""
    _, rows, columns = reach(model.config)
    return 2 * rows + 1, 2 * columns + 1


def _around(mask: Bools, kernel: Window, wrap: bool) -> Bools:
    """Cells (T, H, W) with any True in the window around them."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return update_mask(mask[None, None], kernel, padding=padding, wrap_longitude=wrap)[0, 0]


def _active(plan: Plan, cells: Cells, wanted: Bools, land: Bools, wrap: bool) -> dict[str, Bools]:
    """Which cells (T, L) of each layer a wanted output depends on."""
    on_land = land.reshape(-1)[cells.at]
    flat = (wanted.shape[0], -1)
    active = {step.name: np.zeros((flat[0], cells.count), np.bool_) for step in plan.steps}
    active[plan.steps[-1].name] |= wanted.reshape(flat)[:, cells.at]
    for step in reversed(plan.steps):
        reads = [(name, kernel) for name, kernel in step.reads() if name in active]
        for name, kernel in reads:
            if kernel == (1, 1, 1):
                active[name] |= active[step.name]
                continue
            whole = np.zeros(wanted.shape, np.bool_)
            whole.reshape(flat)[:, cells.at] = active[step.name]
            active[name] |= _around(whole, kernel, wrap).reshape(flat)[:, cells.at] & on_land
    return active


class _Inputs:
    """The features of :func:`xsm.networks.features.features`, written row by row."""

    def __init__(self, values: Floats, stats: Floats, scales: list[int], wrap: bool) -> None:
        self.values, self.stats = values, stats
        self.scales, self.wrap = scales, wrap

    def write_statistics(self, rings: Rings) -> None:
        """What does not change from day to day, into every slot of the ring."""
        at = rings.cells.at
        first = 2 + 2 * len(self.scales)
        fixed = scaled_statistics(self.stats).reshape(len(self.stats), -1)[:, at].T
        for slot in range(rings.held["features"]):
            rings.rows("features", slot)[0][:, first : first + len(self.stats)] = fixed

    def write_days(self, rings: Rings, start: int, stop: int) -> None:
        """Anomalies, and their means over the squares, of days start..stop."""
        at = rings.cells.at
        anomaly, observed = standardise(self.values[start:stop], self.stats)
        channels = [anomaly, observed]
        for size in self.scales:
            channels += masked_mean(anomaly, observed, size, wrap_longitude=self.wrap)
        land = (self.stats[COUNT] > 0).reshape(-1)[at]
        for day in range(start, stop):
            rows = [c[0, 0, day - start].reshape(-1)[at] for c in channels]
            values, known = rings.rows("anomaly", day)
            values[:, 0], known[:] = rows[0], rows[1]
            values, known = rings.rows("features", day)
            for channel, row in enumerate(rows):
                values[:, channel] = row
            known[:] = (rows[-1] > 0) & land
