"""A small made-up record for the parts of the demonstration; `make demo` runs the whole."""

import numpy as np
import pytest
import xarray as xr

T, H, W = 12, 9, 11


@pytest.fixture
def data() -> xr.Dataset:
    """A smooth wave in time and space over land, a third of it not seen; sea in the west."""
    rng = np.random.default_rng(2)
    day, lat, lon = np.meshgrid(np.arange(T), np.arange(H), np.arange(W), indexing="ij")
    truth = 0.25 + 0.1 * np.sin(day / 3 + lat / 4 + lon / 5)
    land = np.broadcast_to(np.arange(W) > 1, (H, W))
    truth = np.where(land, truth, np.nan).astype(np.float32)
    before = np.where(rng.random((T, H, W)) < 1 / 3, np.nan, truth)
    after = np.where(np.isnan(before), truth + 0.01, before)
    dims = ("time", "lat", "lon")
    return xr.Dataset(
        {
            "before": (dims, before),
            "after": (dims, after),
            "after_std": (dims, np.where(land, 0.02, np.nan) * np.ones((T, 1, 1))),
            "truth": (dims, truth),
            "estimated": (dims, truth - 0.02),
            "estimated_std": (dims, np.where(land, 0.03, np.nan) * np.ones((T, 1, 1))),
            "land": (dims[1:], land),
        },
        coords={
            "time": np.datetime64("2015-04-01", "ns") + np.arange(T) * np.timedelta64(1, "D"),
            "lat": 44 - 0.25 * np.arange(H),
            "lon": -10 + 0.25 * np.arange(W),
        },
    )
