"""Records that the methods are scored on: a real month of AMSR2, and a simulated one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.provenance import ROOT

AMSR2 = "amsr2_lprm/lprm_amsr2_x_descending_201504_partial.nc"
STATIC = "static/static_025deg.nc"
STATIC_GRIDS = ("elevation", "elevation_sd", "slope", "land_fraction", "igbp", "koppen_geiger")
OSSE_GRIDS = ("elevation", "slope", "sand", "clay")


@dataclass(frozen=True)
class EvaluationRecord:
    """A daily record, north or south first.

    values : (T, H, W) float32, m3 m-3, NaN = missing
    lat, lon : (H,), (W,) degrees
    time : (T,)
    static : grids (H, W) for the methods that use them
    truth : (T, H, W), soil moisture of the simulated Earth; None for real data
    wrap : whether the last column is the neighbour of the first
    """

    name: str
    values: NDArray[np.float32]
    lat: NDArray[np.floating]
    lon: NDArray[np.floating]
    time: NDArray[np.datetime64]
    static: tuple[NDArray[np.float32], ...] = ()
    truth: NDArray[np.float32] | None = None
    wrap: bool = True


def data_folder() -> Path:
    """Folder of the real data: ``XSM_DATA``, or ``../shared/data`` beside the repository."""
    return Path(os.environ.get("XSM_DATA", ROOT.parent / "shared" / "data"))


def load(name: str) -> EvaluationRecord:
    """The record called ``amsr2`` or ``osse``."""
    return {"amsr2": _amsr2, "osse": _osse}[name]()


def _amsr2() -> EvaluationRecord:
    path = data_folder() / AMSR2
    if not path.exists():
        raise FileNotFoundError(f"{path} is absent; set XSM_DATA to the folder that holds {AMSR2}")
    with xr.open_dataset(path) as ds, xr.open_dataset(data_folder() / STATIC) as grids:
        values = (ds["soil_moisture_x"].values / np.float32(100)).astype(np.float32)
        static = tuple(grids[name].values.astype(np.float32) for name in STATIC_GRIDS)
        return EvaluationRecord("amsr2", values, *_axes(ds), static)


def _osse() -> EvaluationRecord:
    from xsm import tutorial

    ds = tutorial.open_dataset("global-month", covariates=list(OSSE_GRIDS))
    values, truth = (
        ds[name].transpose("time", "lat", "lon").values.astype(np.float32)
        for name in ("soil_moisture", "soil_moisture_truth")
    )
    static = tuple(
        ds[name].transpose("lat", "lon").values.astype(np.float32) for name in OSSE_GRIDS
    )
    return EvaluationRecord("osse", values, *_axes(ds), static, truth)


def _axes(ds: xr.Dataset) -> tuple[NDArray[Any], ...]:
    return ds["lat"].values, ds["lon"].values, ds["time"].values
