"""Time ``xsm.gapfill`` on a month: xarray in, xarray out, on each available backend."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

import xsm
from benchmarks.speed import timing
from benchmarks.speed.network_timing import ALLOWED, difference
from benchmarks.speed.operation_samples import plain_dtype, torch_dtype
from benchmarks.speed.parity_gate import Row, verified_calls
from benchmarks.speed.synthetic_masks import FIRST_DAY
from xsm_kernels.dispatch import backends, unsupported_reason


def labelled(record: NDArray[np.float32], step: float) -> xr.DataArray:
    """A global record with its days and coordinates."""
    days, height, width = record.shape
    coords = {
        "time": (FIRST_DAY + np.arange(days)).astype("datetime64[ns]"),
        "lat": 90 - step * (np.arange(height) + 0.5),
        "lon": -180 + step * (np.arange(width) + 0.5),
    }
    attrs = {"units": "m3 m-3"}
    return xr.DataArray(record, coords, ("time", "lat", "lon"), "soil_moisture", attrs)


def measure(
    data: xr.DataArray,
    *,
    model: Any,
    device: str,
    dtype: str = "float32",
    tile: tuple[int, int, int] | None = None,
    keep_going: bool = False,
    **limits: Any,
) -> list[Row]:
    """Verify and time the call. All backends must equal the first one, the reference."""
    common = {"group": "end to end", "case": "land", "dtype": dtype, "shape": list(data.shape)}
    probe = [torch.zeros((1, 1, 1, 1, 1), dtype=torch_dtype(dtype), device=device)]
    names = [
        name
        for name in backends("masked_conv3d")
        if unsupported_reason("masked_conv3d", name, probe) is None
    ]
    reference: list[NDArray[np.floating]] = []

    def judge(name: str, filled: NDArray[np.floating]) -> tuple[Row, float]:
        if not reference:
            reference.append(filled)
        error = difference(filled, reference[0])
        return {"difference": error}, error / ALLOWED if dtype == "float32" else 0.0

    variants = {name: partial(_call, data, name, model, device, dtype, tile) for name in names}
    rows, calls = verified_calls(common, variants, judge, keep_going=keep_going)
    times = timing.interleaved(calls, device="cpu", **limits)  # data begin and end on the CPU
    for row in rows:
        row |= times.get(row["variant"], {})
    return rows


def measure_once(
    data: xr.DataArray,
    *,
    model: Any,
    device: str,
    dtype: str,
    tile: tuple[int, int, int] | None = None,
) -> list[Row]:
    """Time one run on the GPU kernels that :func:`measure` has verified.

    For a year, which takes too long to be filled twice or by the reference.
    """
    row: Row = {"group": "end to end", "case": "land", "dtype": dtype, "shape": list(data.shape)}
    row |= {"variant": "triton", "backend": "triton"}
    begin = time.perf_counter()
    filled = _call(data, "triton", model, device, dtype, tile)()
    seconds = time.perf_counter() - begin
    row["unfilled_fraction"] = float(
        (np.isfinite(data.values).any(axis=0) & np.isnan(filled)).mean()
    )
    return [row | timing.summary([seconds]) | {"peak_mb": None}]


def _call(data: xr.DataArray, backend: str, model: Any, device: str, dtype: str, tile: Any) -> Any:
    options: Row = {"backend": backend, "model": model, "progress": False}
    if device != "cpu" or backend == "triton":
        options |= {"device": device, "dtype": plain_dtype(dtype)}

    def call() -> NDArray[np.floating]:
        with xsm.set_options(**({} if tile is None else {"tile": tile})):
            return xsm.gapfill(data, **options)[data.name].values

    return call
