"""Samples of a filled record: what it may have been, with errors that are correlated.

A sample is ``x = m + s z`` where a value was filled, with its mean m, its standard deviation s and
standard normal errors z of the correlation of the errors of the fill
(:mod:`xsm.gapfilling.error_correlation`, :mod:`xsm.gapfilling.correlated_errors`). Observed values
are those of the record in each sample. Near the limits of valid values x is a rectified normal
variable, ``x = max(low, a + b z)``, whose a and b are such that its mean and standard deviation
are m and s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from xsm.blockwise import dask_engine as engine
from xsm.blockwise.parallel import in_parallel
from xsm.blockwise.tiling import DailyArray, bounding_box
from xsm.blockwise.worker_slots import network_slot
from xsm.conventions.cf import FILLED
from xsm.conventions.windows import Window, pad_cells, windows
from xsm.gapfilling.correlated_errors import FIELDS, CellGrid, Stream, correlated_errors
from xsm.gapfilling.error_correlation import fit_error_correlation
from xsm.gapfilling.fill import calibrates, predict_hidden, read_sample
from xsm.gapfilling.fill_calibration import Calibration, network_alone
from xsm.gapfilling.hidden_values import Sample, samples
from xsm.gapfilling.lazy_fill import lazy_calibration, lazy_samples
from xsm.gapfilling.lazy_statistics import part_margin
from xsm.gapfilling.merge import Filled
from xsm.gapfilling.task import GapfillTask
from xsm.progress import bar

BLOCK = (32, 128, 128)  # days, rows and columns of errors that are drawn at once
# of the distance of the mean from a limit, in standard deviations: beyond it, the limit is ignored;
# below it, the mean of the samples is moved away from the limit
FAR, NEAR = 5.0, 0.4


@dataclass(frozen=True)
class SampleTask:
    """Which samples to draw.

    Attributes
    ----------
    number : int
        Of samples.
    seed : int
    days : ndarray of int, shape (N,)
        Days of the record since a fixed date.
    grid : CellGrid
    """

    number: int
    seed: int
    days: NDArray[np.int64]
    grid: CellGrid


# the correlation of a record


def error_correlations(
    data: Any, task: GapfillTask, calibrations: list[Calibration] | None, of: SampleTask
) -> Any:
    """Weights (..., FIELDS) of the correlation of the errors of each record, NumPy or Dask.

    Parameters
    ----------
    data : NumPy or Dask array, shape (..., N, H, W)
        What was filled: the record, or its departures from a background.
    task : GapfillTask
    calibrations : list of Calibration, or None
        As :func:`xsm.gapfilling.fill.fill` returned them.
    of : SampleTask
    """
    lazy = hasattr(data, "chunks")
    if data.ndim > 3:
        each, of_records = int(np.prod(data.shape[1:-3])), calibrations or []
        parts = [
            error_correlations(record, task, of_records[n * each :][:each], of)
            for n, record in enumerate(data)
        ]
        return engine.stack(parts) if lazy else np.stack(parts)
    if lazy:
        return _lazy_correlation(data, task, of)
    record = DailyArray(data, task.to_m3m3_factor, task.positions, task.wrap)
    chosen = samples(record.shape, part_margin(task), task.wrap, task.first_column)
    parts = [read_sample(record, sample) for sample in chosen]
    calibration = calibrations[0] if calibrations else network_alone()
    return _fit(parts, chosen, calibration, task, of.grid)


def _fit(
    parts: list[Any],
    chosen: list[Sample],
    calibration: Calibration,
    task: GapfillTask,
    grid: CellGrid,
) -> NDArray[np.float64]:
    predict = partial(predict_hidden, task=task)
    return fit_error_correlation(parts, chosen, task.calendar, predict, calibration, grid.width)


def _lazy_correlation(data: Any, task: GapfillTask, of: SampleTask) -> Any:
    parts, margins, chosen = lazy_samples(data, task)
    calibrated = calibrates(data.shape, task)
    if calibrated:
        parts = [*parts, lazy_calibration(data, task)]
    function = partial(
        _correlation_of_blocks,
        margins=margins,
        chosen=chosen,
        calibrated=calibrated,
        task=task,
        grid=of.grid,
    )
    return engine.shared(engine.combine_arrays(function, parts, (FIELDS,)))


def _correlation_of_blocks(
    parts: list[Any], *, margins: list[Any], chosen: list[Sample], calibrated: bool, **options: Any
) -> NDArray[np.float64]:
    calibration = Calibration.from_vector(parts[-1]) if calibrated else network_alone()
    parts = parts[: len(chosen)]
    values = [pad_cells(part, margin) for part, margin in zip(parts, margins, strict=True)]
    with network_slot():
        return _fit(values, chosen, calibration, **options)


# samples


def draw_samples(
    filled: Filled, correlations: Any, task: GapfillTask, of: SampleTask
) -> NDArray[Any] | Any:
    """Samples (number, ..., N, H, W) of a filled record, NumPy or Dask, of its dtype.

    Parameters
    ----------
    filled : (filled, uncertainty, flag)
        Arrays of shape (..., N, H, W).
    correlations : array, shape (..., FIELDS)
        :func:`error_correlations`.
    task : GapfillTask
        With the limits of valid values.
    of : SampleTask
    """
    values = filled[0]
    if hasattr(values, "chunks"):
        return _lazily(filled, correlations, task, of, 0)
    out = np.empty((of.number, *values.shape), task.dtype)
    records = list(np.ndindex(values.shape[:-3]))
    tiles = list(windows(values.shape[-3:], BLOCK))
    with bar(f"samples {task.name}", len(records) * len(tiles), task.progress) as progress:
        for number, index in enumerate(records):
            record = tuple(array[index] for array in filled)
            into = out[(slice(None), *index)]
            draw = partial(
                _draw_window, record, correlations[index], task=task, of=of, record=number, out=into
            )
            for _ in in_parallel(draw, tiles):
                progress.update(1)
    return out


def _draw_window(
    filled: Filled,
    weights: NDArray[np.float64],
    window: Window,
    *,
    task: GapfillTask,
    of: SampleTask,
    record: int,
    out: NDArray[Any],
) -> None:
    block = filled[0][window], filled[1][window], filled[2][window]
    streams = [Stream(of.seed, record, sample) for sample in range(of.number)]
    _draw(block, task.valid_range, weights, of, window, streams, out[(slice(None), *window)])


def _draw(
    block: Filled,
    limits: tuple[float, float],
    weights: NDArray[np.float64],
    of: SampleTask,
    window: Window,
    streams: Sequence[Stream],
    out: NDArray[Any],
) -> None:
    """One sample for each stream of a block that lies in `window` of the record, into `out`."""
    normal = RectifiedNormal.of_fill(block, limits)
    for sample, stream in zip(out, streams, strict=True):
        sample[...] = normal.sample(weights, of, window, stream)


def _lazily(
    filled: Filled, correlations: Any, task: GapfillTask, of: SampleTask, record: int
) -> Any:
    values = filled[0]
    if values.ndim > 3:
        each = int(np.prod(values.shape[1:-3]))
        parts = [
            _lazily(tuple(a[n] for a in filled), correlations[n], task, of, record + n * each)  # type: ignore[arg-type]
            for n in range(len(values))
        ]
        out = engine.stack(parts, axis=1)
        return out.rechunk((1, *values.chunks))
    function = partial(_draw_block, task_range=task.valid_range, of=of, record=record)
    rows, columns = (np.arange(n) for n in values.shape[1:])
    positions = np.arange(values.shape[0]), rows, columns
    return engine.map_realizations(
        function, filled, positions, of.number, correlations, values.dtype
    )


def _draw_block(
    filled: NDArray[Any],
    std: NDArray[Any],
    flag: NDArray[Any],
    days: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    numbers: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    task_range: tuple[float, float],
    of: SampleTask,
    record: int,
) -> NDArray[Any]:
    out = np.empty((numbers.size, *filled.shape), filled.dtype)
    streams = [Stream(of.seed, record, sample) for sample in numbers.tolist()]
    for tile in windows(filled.shape, BLOCK):  # type: ignore[arg-type]
        days_of, rows_of, columns_of = (
            slice(int(axis[0]) + part.start, int(axis[0]) + part.stop)
            for axis, part in zip((days, rows, columns), tile, strict=True)
        )
        window = days_of, rows_of, columns_of
        block = filled[tile], std[tile], flag[tile]
        _draw(block, task_range, weights, of, window, streams, out[(slice(None), *tile)])
    return out


@dataclass(frozen=True)
class RectifiedNormal:
    """The distribution of the values of a block: ``sign max(0, shift + scale z) + limit``.

    Attributes
    ----------
    filled : ndarray, shape (T, H, W)
    where : ndarray of bool, shape (T, H, W)
        Filled values.
    box : slices of days, rows and columns, or None
        The smallest that holds them.
    shift, scale, limit, sign : ndarray, shape (n,)
        Of the filled values.
    limits : (float, float)
    """

    filled: NDArray[Any]
    where: NDArray[np.bool_]
    box: Window | None
    shift: NDArray[np.float64]
    scale: NDArray[np.float64]
    limit: NDArray[np.float64]
    sign: NDArray[np.float64]
    limits: tuple[float, float]

    @classmethod
    def of_fill(cls, block: Filled, limits: tuple[float, float]) -> RectifiedNormal:
        """The distribution whose mean and standard deviation are those of a fill."""
        filled, std, flag = block
        where = np.isin(flag, FILLED) & np.isfinite(std) & np.isfinite(filled)
        mean, deviation = filled[where].astype(np.float64), std[where].astype(np.float64)
        low, high = limits
        lower = mean - low <= high - mean
        limit = np.where(lower, low, high)
        sign = np.where(lower, 1.0, -1.0)
        distance = np.abs(mean - limit)
        shift, scale = rectified(distance, deviation)
        return cls(filled, where, bounding_box(where), shift, scale, limit, sign, limits)

    def sample(
        self, weights: NDArray[np.float64], of: SampleTask, window: Window, stream: Stream
    ) -> NDArray[Any]:
        """One sample of the block, which lies in `window` of the record."""
        out = self.filled.copy()
        if self.box is None:
            return out
        days, rows, columns = (
            slice(outer.start + part.start, outer.start + part.stop)
            for outer, part in zip(window, self.box, strict=True)
        )
        errors = correlated_errors(weights, of.days[days], rows, columns, of.grid, stream)
        z = self.sign * errors[self.where[self.box]]  # a large error is a large value everywhere
        values = self.limit + self.sign * np.maximum(self.shift + self.scale * z, 0.0)
        out[self.where] = np.clip(values, *self.limits)
        return out


def rectified(
    mean: NDArray[np.float64], std: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean a and standard deviation b of z such that ``max(0, z)`` has those that are given.

    With ``h = a / b``, ``E = b (h Phi(h) + phi(h))`` and ``E2 = b^2 ((h^2 + 1) Phi(h) + h phi(h))``
    are the first two moments of ``max(0, z)`` (the censored normal variable; Greene, *Econometric
    Analysis*, chapter on limited dependent variables). A mean below 0.4 standard deviations is
    taken as that, so that samples differ.

    Examples
    --------
    >>> a, b = rectified(np.array([0.1, 0.02]), np.array([0.02, 0.02]))
    >>> a.round(4), b.round(4)
    (array([0.1   , 0.0157]), array([0.02  , 0.0258]))
    """
    ratio = mean / np.maximum(std, np.finfo(np.float64).tiny)
    known_ratio, ratio_a, ratio_b = _rectified_table()
    near = ratio < FAR
    at = np.maximum(ratio[near], NEAR)
    a, b = mean.copy(), std.copy()
    a[near] = std[near] * np.interp(at, known_ratio, ratio_a)
    b[near] = std[near] * np.interp(at, known_ratio, ratio_b)
    return a, b


@cache
def _rectified_table() -> tuple[NDArray[np.float64], ...]:
    """Mean over standard deviation of max(0, z), and both parameters over the latter."""
    h = np.linspace(-1.5, FAR + 1, 3000)
    density = np.exp(-0.5 * h * h) / np.sqrt(2 * np.pi)
    first = h * ndtr(h) + density
    second = (h * h + 1) * ndtr(h) + h * density
    std = np.sqrt(second - first**2)
    return first / std, h / std, 1 / std
