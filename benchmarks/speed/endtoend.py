"""``xsm.gapfill`` on a month: xarray in, xarray out, by each backend that can run here."""

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
from benchmarks.speed.networks import ALLOWED, difference
from benchmarks.speed.operations import plain_dtype, torch_dtype
from benchmarks.speed.scenes import FIRST_DAY
from benchmarks.speed.verified import Row, verified
from xsm_kernels.dispatch import backends, unsupported_reason


def labelled(record: NDArray[np.float32], step: float) -> xr.DataArray:
    """A record of the globe with its days and coordinates."""
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
    """Verify and time the call; the first backend, the reference, is what the others must equal."""
    about = {"group": "end to end", "case": "land", "dtype": dtype, "shape": list(data.shape)}
    probe = [torch.zeros((1, 1, 1, 1, 1), dtype=torch_dtype(dtype), device=device)]
    names = [
        name
        for name in backends("masked_conv3d")
        if unsupported_reason("masked_conv3d", name, probe) is None
    ]
    right: list[NDArray[np.floating]] = []

    def judge(name: str, filled: NDArray[np.floating]) -> tuple[Row, float]:
        if not right:
            right.append(filled)
        off = difference(filled, right[0])
        return {"difference": off}, off / ALLOWED if dtype == "float32" else 0.0

    variants = {name: partial(_call, data, name, model, device, dtype, tile) for name in names}
    rows, calls = verified(about, variants, judge, keep_going=keep_going)
    found = timing.interleaved(calls, device="cpu", **limits)  # it begins and ends on the CPU
    for row in rows:
        row |= found.get(row["variant"], {})
    return rows


def once(
    data: xr.DataArray,
    *,
    model: Any,
    device: str,
    dtype: str,
    tile: tuple[int, int, int] | None = None,
) -> list[Row]:
    """One run by the kernels of the GPU, after such as :func:`measure` has verified.

    A year is too long to be filled twice or by the reference.
    """
    row: Row = {"group": "end to end", "case": "land", "dtype": dtype, "shape": list(data.shape)}
    row |= {"variant": "triton", "backend": "triton"}
    begin = time.perf_counter()
    filled = _call(data, "triton", model, device, dtype, tile)()
    seconds = time.perf_counter() - begin
    row["left"] = float((np.isfinite(data.values).any(axis=0) & np.isnan(filled)).mean())
    return [row | timing.summary([seconds]) | {"peak_mb": None}]


def _call(data: xr.DataArray, backend: str, model: Any, device: str, dtype: str, tile: Any) -> Any:
    options: Row = {"backend": backend, "model": model, "progress": False}
    if device != "cpu" or backend == "triton":
        options |= {"device": device, "dtype": plain_dtype(dtype)}

    def call() -> NDArray[np.floating]:
        with xsm.set_options(**({} if tile is None else {"tile": tile})):
            return xsm.gapfill(data, **options)[data.name].values

    return call
