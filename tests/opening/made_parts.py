"""Values, axes and variables of the small files that tests make."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

H, W = 5, 7


@dataclass
class Made:
    """Files, their soil moisture, axes and days."""

    paths: list[Path]
    values: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    days: list[str]
    variable: str
    open: dict = field(default_factory=dict)


def some_values(n=2, h=H, w=W, seed=0, top=0.45):
    """Soil moisture (n, h, w) in float32 with a third missing."""
    rng = np.random.default_rng(seed)
    values = (0.03 + (top - 0.03) * rng.random((n, h, w))).astype(np.float32)
    return np.where(rng.random(values.shape) < 0.33, np.float32(np.nan), values)


def days(n=2, first="2016-01-30"):
    return [str(np.datetime64(first) + k) for k in range(n)]


def axes(step=0.25, north=50.125, west=3.125):
    return north - step * np.arange(H), west + step * np.arange(W)


def put(group, name, dims, values, *, fill=None, dtype=None, **attrs):
    """Write a variable as stored, without packing by netCDF4."""
    values = np.asarray(values)
    for dim, size in zip(dims, values.shape, strict=True):
        if dim not in group.dimensions:
            group.createDimension(dim, size)
    kind = dtype or (str if values.dtype.kind in "U" else values.dtype)
    variable = group.createVariable(name, kind, dims, fill_value=fill)
    variable.set_auto_maskandscale(False)
    if fill is not None and values.dtype.kind == "f":
        values = np.where(np.isnan(values), fill, values)
    variable.setncatts(attrs)
    variable[...] = values
    return variable


def with_sentinel(values, sentinel=-9999.0):
    return np.where(np.isnan(values), np.float32(sentinel), values).astype(np.float32)


def put_axes(group, lat, lon, names=("lat", "lon")):
    put(group, names[0], names[:1], lat, units="degrees_north", standard_name="latitude")
    put(group, names[1], names[1:], lon, units="degrees_east", standard_name="longitude")


def with_sea(values):
    """Values of a model: missing over the sea only."""
    values = np.nan_to_num(values, nan=0.2)
    values[:, 0, 0] = np.nan
    return values


def daily_mean(values, n):
    parts = values.reshape(-1, n, *values.shape[1:])
    count = np.isfinite(parts).sum(1)
    total = np.nansum(parts.astype(np.float64), 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
