"""Samples of a filled record, for :func:`xsm.gapfill`: arguments, cells and attributes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xsm.conventions.cf import SAMPLE, samples_name
from xsm.conventions.record import GriddedRecord
from xsm.conventions.time_axis import day_numbers
from xsm.errors import InputError

MEMORY = Path("/proc/meminfo")
MOST = 2**31  # samples
COMMENT = (
    "filled values with random errors, correlated in space and time; observed values are the same "
    "in all samples"
)


def check_samples(obj: Any, record: GriddedRecord, samples: Any, seed: Any) -> None:
    """Raise an InputError for samples that cannot be drawn.

    Parameters
    ----------
    obj : Dataset or DataArray
        The record as it came.
    record : GriddedRecord
    samples, seed
        Of :func:`xsm.gapfill`.
    """
    for name, value, least, most in (("samples", samples, 1, MOST), ("seed", seed, 0, 2**63)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InputError(
                f"{name}={value!r}: expected a whole number of {least} or more, such as {name}=20."
            )
        if not least <= value < most:
            raise InputError(
                f"{name}={value!r}: expected a whole number from {least} to {most - 1}."
            )
    name = samples_name(record.name)
    if SAMPLE in obj.dims or (isinstance(obj, xr.Dataset) and name in obj.variables):
        what = f"a variable {name!r}" if SAMPLE not in obj.dims else f"a dimension {SAMPLE!r}"
        raise InputError(
            f"samples={samples}: obj already has {what}, which gapfill writes. Rename it first, "
            "with .rename()."
        )
    if record.da.chunks is None:
        dtype = record.da.dtype if record.da.dtype.kind == "f" else np.dtype(np.float32)
        needed, free = samples * record.da.size * dtype.itemsize, free_memory()
        if free is not None and needed > free:
            raise InputError(
                f"samples={samples} of {record.name} {record.da.shape} take {needed / 1e9:.1f} GB, "
                f"and {free / 1e9:.1f} GB of memory are free: ask for fewer, select a region, or "
                "open the record with chunks (Dask) and write the result with xsm.write_zarr."
            )


def free_memory() -> int | None:
    """Free memory in bytes; None where the system does not tell."""
    if not MEMORY.exists():
        return None
    for line in MEMORY.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def samples_of_fill(
    arrays: Any,
    calibrations: Any,
    fitted_to: tuple[Any, Any],
    task: Any,
    record: GriddedRecord,
    number_and_seed: tuple[int, int],
) -> tuple[Any, dict[str, Any]]:
    """Samples (number, ...) in stored order, NumPy or Dask, and their attributes.

    Parameters
    ----------
    arrays : (filled, uncertainty, flag)
        In working order.
    calibrations : list of Calibration, or None
        As :func:`xsm.gapfilling.fill.fill` returned them.
    fitted_to : (array, GapfillTask)
        What was filled: the record, or its departures from a background.
    task : GapfillTask
        Of the record.
    record : GriddedRecord
    number_and_seed : (int, int)
    """
    from xsm.gapfilling.correlated_errors import CellGrid, cell_width
    from xsm.gapfilling.error_samples import SampleTask, draw_samples, error_correlations

    width = np.ones(record.shape[0])
    if record.lat is not None and record.lon is not None and record.lat.ndim == 1:
        axes = (getattr(c.data, "magnitude", c.data) for c in (record.lat, record.lon))
        width = cell_width(*(np.asarray(axis, np.float64) for axis in axes))
    grid = CellGrid(record.shape, task.wrap, task.first_column, width)
    number, seed = map(int, number_and_seed)
    of = SampleTask(number, seed, day_numbers(record.time.values, "time"), grid)
    correlations = error_correlations(*fitted_to, calibrations, of)
    drawn = draw_samples(arrays, correlations, task, of)
    return _to_stored_order(drawn, record), {"comment": COMMENT} | _described(correlations)


def _to_stored_order(samples: Any, record: GriddedRecord) -> Any:
    """Samples in the dimensions of the variable, after their own."""
    array = record.layout.array_to_stored_order(samples)
    axes = [1 + record.layout.order.index(str(dim)) for dim in record.variable.da.dims]
    return array if axes == sorted(axes) else np.transpose(array, [0, *axes])


def _described(correlations: Any) -> dict[str, str]:
    """The correlation of the errors in words, where it is known."""
    from xsm.gapfilling.correlated_errors import correlation_at

    if hasattr(correlations, "chunks"):
        return {}
    texts = []
    for weights in correlations.reshape(-1, correlations.shape[-1]):
        cells, days = np.array([1.0, 4.0, 16.0]), np.array([1.0, 5.0, 10.0])
        in_space = correlation_at(weights, cells, np.zeros(3))
        in_time = correlation_at(weights, np.zeros(3), days)
        parts = (
            f"{', '.join(f'{value:.2f}' for value in values)} at {', '.join(f'{n:g}' for n in at)}"
            for values, at in ((in_space, cells), (in_time, days))
        )
        texts.append("{} cells; {} days".format(*parts))
    return {"error_correlation": "\n".join(dict.fromkeys(texts))}
