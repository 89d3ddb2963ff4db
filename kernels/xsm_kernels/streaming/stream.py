"""A network of masked convolutions on a CPU, day by day and cell by cell.

Only cells that a requested output depends on are computed, each once, and each layer holds only
the days that later layers still read. The result equals that of running the layers one after the
other with :func:`xsm_kernels.masked_conv3d` over the whole record.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from xsm_kernels.arguments import Triple, flags, switch, triple
from xsm_kernels.errors import ArgumentError
from xsm_kernels.streaming.ring_buffer import Bools, CellIndex, Floats, RingBuffer
from xsm_kernels.streaming.schedule import Schedule
from xsm_kernels.update_mask import update_mask

DAYS_AT_ONCE = 4  # days whose inputs are written together, so that several threads can work


class NetworkInputs(Protocol):
    """Writes the inputs of a network into a ring buffer."""

    def write_static(self, buffer: RingBuffer) -> None:
        """Write channels that do not change over time, into each slot (``buffer.slots``)."""

    def write_days(self, buffer: RingBuffer, start: int, stop: int) -> None:
        """Write values and masks of days start..stop (``buffer.rows(name, day)``).

        Row L of the buffer is cell ``buffer.cells.flat[L]`` of the flat grid.
        """


def stream_network(
    schedule: Schedule,
    inputs: NetworkInputs,
    wanted: Bools,
    *,
    active: Bools,
    available: Bools,
    halo: Triple,
    wrap_longitude: bool = False,
) -> tuple[Floats, Bools]:
    """Outputs of a network where they are wanted.

    Parameters
    ----------
    schedule : Schedule
        From :func:`xsm_kernels.make_schedule`.
    inputs : NetworkInputs
        Supplies the inputs on the grid (T, H, W), which includes the halo.
    wanted : ndarray of bool, shape (T - 2 days, H - 2 rows, W - 2 columns)
        Outputs to compute. Those outside `active` are not computed.
    active : ndarray of bool, shape (H, W)
        Cells at which layers have values; elsewhere they are missing.
    available : ndarray of bool, shape (H, W)
        Cells at which the inputs may have values.
    halo : (days, rows, columns)
        Input beyond the outputs on each side. At least as many days as the layers look ahead: the
        lag of the last layer of the schedule. Cells beyond the grid are missing.
    wrap_longitude : bool
        Whether the last column is the neighbour of the first; the halo then has no columns.

    Returns
    -------
    output : ndarray of float32, shape `wanted.shape` with O channels before it
        Of the last layer; 0 where it is not wanted or its mask is False.
    mask : ndarray of bool, shape of `wanted`
        Wanted, and with an observed cell in the window.

    Raises
    ------
    ArgumentError
        Masks are not bool, or shapes do not match.
    """
    days, rows, columns = triple("halo", halo, 0)
    wanted = flags("wanted", wanted, None, "(T, H, W)")
    active = flags("active", active, None, "(H, W)")
    available = flags("available", available, None, "(H, W)")
    height, width = active.shape if active.ndim == 2 else (-1, -1)
    grid = height - 2 * rows, width - 2 * columns
    if wanted.ndim != 3 or wanted.shape[1:] != grid or available.shape != active.shape:
        raise ArgumentError(
            f"wanted, active, available: shapes {wanted.shape}, {active.shape}, "
            f"{available.shape}; expected (T, *{grid}) and twice (H, W), which includes "
            f"the halo of {rows} rows and {columns} columns on each side."
        )
    if switch("wrap_longitude", wrap_longitude) and columns:
        raise ArgumentError(f"halo={halo}: expected no columns where the longitude wraps.")
    length = wanted.shape[0] + 2 * days
    last = schedule.steps[-1].name
    if days < schedule.lag[last]:
        raise ArgumentError(
            f"halo={halo}: {days} days; the layers look {schedule.lag[last]} days ahead. Give a "
            "halo of so many days; the inputs may be missing there."
        )
    output = np.zeros((schedule.channels[last], *wanted.shape), np.float32)
    mask = np.zeros(wanted.shape, np.bool_)
    if wanted.size == 0:
        return output, mask
    computed = np.zeros((length, height, width), np.bool_)
    computed[days : length - days, rows : height - rows, columns : width - columns] = wanted
    computed &= active

    window = 1, 2 * schedule.reach[0] + 1, 2 * schedule.reach[1] + 1
    near = _dilate(np.asarray(computed.any(axis=0))[None], window, wrap_longitude)[0]
    cells = CellIndex(near & available, schedule.border, wrap_longitude)
    buffer = RingBuffer(schedule, cells, DAYS_AT_ONCE)
    needed = _needed_rows(schedule, cells, computed, active, wrap_longitude)
    inputs.write_static(buffer)

    i, j = np.divmod(cells.flat, width)
    output_cell = (i - rows) * wanted.shape[2] + j - columns
    for newest in range(length):
        if newest % DAYS_AT_ONCE == 0:
            inputs.write_days(buffer, newest, min(newest + DAYS_AT_ONCE, length))
        for step in schedule.steps:
            day = newest - schedule.lag[step.name]
            if day >= 0:
                buffer.convolve(step, day, np.flatnonzero(needed[step.name][day]))
        done = newest - schedule.lag[last]
        if days <= done < length - days:
            values, observed = buffer.rows(last, done)
            # a skip is added to cells without an observed one as well
            finished = np.flatnonzero(needed[last][done] & observed)
            for channel, row in zip(output[:, done - days], values[finished].T, strict=True):
                channel.reshape(-1)[output_cell[finished]] = row
            mask[done - days].reshape(-1)[output_cell[finished]] = True
    return output, mask


def _dilate(mask: Bools, kernel: Triple, wrap_longitude: bool) -> Bools:
    """Cells (T, H, W) with any True in the window around them."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    dilated = update_mask(mask[None, None], kernel, padding=padding, wrap_longitude=wrap_longitude)
    return dilated[0, 0]


def _needed_rows(
    schedule: Schedule, cells: CellIndex, computed: Bools, active: Bools, wrap_longitude: bool
) -> dict[str, Bools]:
    """Rows (T, L) of each layer that an output depends on."""
    is_active = active.reshape(-1)[cells.flat]
    flat = (computed.shape[0], -1)
    needed = {step.name: np.zeros((flat[0], cells.count), np.bool_) for step in schedule.steps}
    needed[schedule.steps[-1].name] |= computed.reshape(flat)[:, cells.flat]
    for step in reversed(schedule.steps):
        reads = [(name, kernel) for name, kernel in step.reads() if name in needed]
        for name, kernel in reads:
            if kernel == (1, 1, 1):
                needed[name] |= needed[step.name]
                continue
            grid = np.zeros(computed.shape, np.bool_)
            grid.reshape(flat)[:, cells.flat] = needed[step.name]
            around = _dilate(grid, kernel, wrap_longitude).reshape(flat)[:, cells.flat]
            needed[name] |= around & is_active
    return needed
