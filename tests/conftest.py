"""Fixtures that several tests share: real data, a small record, and a stand-in for the network."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from xsm import options, warn_once
from xsm.gapfilling import statistics
from xsm.gapfilling.seasonal_cycle import cycle_of_day
from xsm.networks import registry

ROOT = Path(__file__).resolve().parents[1]
if "PYTEST_XDIST_WORKER" in os.environ:  # processes of tests share the processors
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# compiled loops are shared by all tests, their processes and later runs
os.environ.setdefault("XSM_CACHE_DIR", str(ROOT / "build" / "cache"))


@pytest.fixture(autouse=True)
def nothing_warned(monkeypatch):
    """Warnings that a process logs once are logged in each test."""
    monkeypatch.setattr(warn_once, "_given", set())


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets (XSM_DATA); skips without them."""
    folder = Path(os.environ.get("XSM_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set XSM_DATA")
    return folder


@pytest.fixture
def record() -> xr.Dataset:
    """Twelve days of 9 x 16 cells around the globe, half of them missing; sea in one corner."""
    rng = np.random.default_rng(7)
    day, lat, lon = np.meshgrid(np.arange(12), np.arange(9), np.arange(16), indexing="ij")
    values = 0.25 + 0.1 * np.sin(day / 2 + lat / 3) + 0.05 * np.cos(2 * np.pi * lon / 16)
    values = np.where(rng.random(values.shape) < 0.5, np.nan, values).astype(np.float32)
    values[:, :3, :4] = np.nan
    return xr.Dataset(
        {"soil_moisture": (("time", "lat", "lon"), values, {"units": "m3 m-3"})},
        coords={
            "time": np.datetime64("2015-04-01", "ns") + np.arange(12) * np.timedelta64(1, "D"),
            "lat": ("lat", 60.0 - 5 * np.arange(9), {"units": "degrees_north"}),
            "lon": ("lon", -168.75 + 22.5 * np.arange(16), {"units": "degrees_east"}),
        },
    )


class WindowMean:
    """Stands in for a model: half the cell's mean, half the mean of 9 days x 5 x 5 cells."""

    halo = (4, 2, 2)
    network = registry.network("partial_conv", "gapfill")
    name = "window-mean"
    identity = "window-mean (test)"
    card: dict = {}


@pytest.fixture
def long_record(record) -> xr.Dataset:
    """36 days of 9 x 16 cells, with gaps."""
    later = [record["time"] + np.timedelta64(12 * n, "D") for n in range(3)]
    return xr.concat([record.assign_coords(time=time) for time in later], "time")


def _window_sum(x: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, size).sum(axis=(-3, -2, -1))


def _fill_block(
    values, stats, model, *, first=0, wrap=False, backend="auto", device=None, dtype=None
):
    assert not wrap and values.shape[1:] == stats.shape[1:]
    assert np.isfinite(stats).all()
    _, rows, columns = model.halo
    size = tuple(2 * h + 1 for h in model.halo)
    seen = np.isfinite(values)
    number = _window_sum(seen.astype(np.float64), size)
    total = _window_sum(np.where(seen, values, 0).astype(np.float64), size)
    mean = total / np.maximum(number, 1)
    inner = stats[:, rows:-rows, columns:-columns]
    # a window that is told a wrong day has another course
    course = np.stack([cycle_of_day(inner[5:], first + day) for day in range(len(mean))])
    mean = 0.5 * mean + 0.5 * (inner[0] + course)
    spread = (0.1 + 0.001 * inner[2] + 0.1 * inner[1:5].sum(axis=0)) / np.maximum(number, 1)
    return np.where(number > 0, np.stack([mean, spread]), np.nan).astype(np.float32)


@pytest.fixture
def network(monkeypatch) -> SimpleNamespace:
    """Replace the network by :class:`WindowMean`, without calibration; counts the calls."""
    monkeypatch.setitem(options._DEFAULTS, "calibrate", False)
    calls = SimpleNamespace(fill_block=0, record_statistics=0, settings=[], values=[])
    module = ModuleType("xsm.networks.block_inference")

    def fill_block(values, stats, model, *, need=None, **settings):
        calls.fill_block += 1
        calls.settings.append({k: v for k, v in settings.items() if k != "first"})
        calls.values.append(values.size)
        return _fill_block(values, stats, model, **settings)

    def record_statistics(values, **dates):
        calls.record_statistics += 1
        calls.values.append(values.size)
        return statistics.record_statistics(values, **dates)

    module.fill_block = fill_block
    module.load_model = lambda model="default": WindowMean()
    monkeypatch.setitem(sys.modules, "xsm.networks.block_inference", module)
    monkeypatch.setattr("xsm.gapfilling.fill.record_statistics", record_statistics)
    return calls
