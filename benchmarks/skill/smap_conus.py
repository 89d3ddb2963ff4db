"""Estimate a year of SMAP from weather alone: ``python -m benchmarks.skill.smap_conus --out FILE``.

Fits ``xsm.fit_estimator`` with default arguments to April 2015 to March 2016 and estimates the year
after, of which no SMAP is given, for 412 cells of the United States, as Fang et al. (2017, doi
10.1002/2017GL075619) did. ``--cross-validate`` leaves months of the first year out, or quarters.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import binary_dilation

import xsm
from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill.evaluation_records import data_folder
from benchmarks.skill.retrieval_noise import attainable_correlation

FILE = "smap_conus/smap_nldas_conus_2015_2018.nc"
TRAIN, TEST = slice("2015-04-01", "2016-03-31"), slice("2016-04-01", "2017-03-31")
UNITS = {
    "APCP_FORA": "mm hour-1", "DLWRF_FORA": "W m-2", "DSWRF_FORA": "W m-2", "TMP_2_FORA": "K",
    "SPFH_2_FORA": "1", "UGRD_10_FORA": "m s-1", "VGRD_10_FORA": "m s-1", "NDVI": "1",
    "Clay": "%", "Sand": "%", "Silt": "%",
}  # fmt: skip
FOLDS = {"months": (1, 7), "quarters": (3, 10)}  # length in months, guard in days
ALONE = {"antecedent": False, "local": False}
VARIANTS: dict[str, dict[str, Any]] = {  # arguments of the fit
    "default": {},
    "ensemble": {"model": "ensemble"},
    "no_local_part": {"local": False},
    "no_antecedent_predictors": {"antecedent": False, "model": "ensemble"},
    "bilstm": {"model": "bilstm"},
    "bilstm_alone": {"model": "bilstm", **ALONE},
    "atlstm": {"model": "atlstm"},
    "atlstm_alone": {"model": "atlstm", **ALONE},
}


def load(path: Path) -> xr.Dataset:
    """Both years, with units; SMAP of the first only."""
    with xr.open_dataset(path) as ds:
        ds = ds.sel(time=slice(TRAIN.start, TEST.stop)).load()
    for name, units in UNITS.items():
        ds[name].attrs["units"] = units
    return ds.assign(SMAP_AM=ds["SMAP_AM"].sel(time=TRAIN).reindex(time=ds["time"]))


def folds(time: xr.DataArray, unit: str) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """Days of the first year to use and to leave out, four times."""
    length, guard = FOLDS[unit]
    first_year = time <= np.datetime64(TRAIN.stop)
    part = (time.dt.month - 4) % 12 // length % 4
    days = [first_year & (part == fold) for fold in range(4)]
    return [(first_year & ~binary_dilation(out, iterations=guard), out) for out in days]


def cross_validate(ds: xr.Dataset, unit: str, variant: str, seed: int) -> dict[str, Any]:
    """Scores of left-out days of the first year."""
    begin, parts = time.process_time(), []
    for used, left_out in folds(ds["time"], unit):
        part = ds.assign(SMAP_AM=ds["SMAP_AM"].where(used))
        model = xsm.fit_estimator(part, "SMAP_AM", seed=seed, **VARIANTS[variant])
        parts.append(xsm.estimate(part, model=model).where(left_out))
    sm = xr.concat(parts, "fold").max("fold", keep_attrs=True)
    row = {"left_out": unit, "estimate": variant, **scores(sm["soil_moisture"], ds["SMAP_AM"])}
    ratio = abs(sm["soil_moisture"] - ds["SMAP_AM"]) / sm["soil_moisture_uncertainty"]
    ratio = ratio.values[np.isfinite(ratio.values)]
    row |= {f"within_{level}": float(np.mean(ratio < w)) for level, w in ((68, 0.9945), (95, 1.96))}
    return row | {"cpu_seconds": round(time.process_time() - begin)}


def scores(estimated: xr.DataArray, observed: xr.DataArray) -> dict[str, float]:
    """Medians over the cells, and the mean of R."""
    names = ("rmsd", "ubrmsd", "pearson_r", "bias")
    cells = xsm.metrics.scores(estimated, observed, dim="time", metrics=names, min_pairs=1)
    middle = cells.assign(bias=abs(cells["bias"])).median()
    result = {"rmse": middle["rmsd"], "ubrmse": middle["ubrmsd"], "r": middle["pearson_r"]}
    result |= {"r_mean": cells["pearson_r"].mean(), "bias": middle["bias"]}
    return {key: float(value) for key, value in result.items()} | {
        "cells": int(cells["rmsd"].count())
    }


def noise(ds: xr.Dataset) -> dict[str, float]:
    """Noise of the retrievals of the first year."""
    cells = ds.sel(time=TRAIN).stack(cell=("lat", "lon"))
    cells = cells.sel(cell=cells["SMAP_AM"].notnull().any("time"))
    rain, celsius = 24 * cells["APCP_FORA"], cells["TMP_2_FORA"] - 273.15
    return attainable_correlation(cells["SMAP_AM"].values, rain.values, celsius.values)


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=data_folder() / FILE)
    parser.add_argument("--out", type=Path, help="NetCDF of the later year")
    parser.add_argument("--cross-validate", nargs="*", choices=sorted(FOLDS), metavar="UNIT")
    parser.add_argument("--variants", nargs="*", choices=[*VARIANTS], default=["default"])
    parser.add_argument("--result", type=Path, default=RESULTS / "smap_conus.json")
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args(arguments)
    if not parsed.data.exists():
        raise SystemExit(f"{parsed.data} is absent; set XSM_DATA, or give --data")
    ds, units = load(parsed.data), parsed.cross_validate
    if units is not None:
        runs = [(unit, variant) for unit in units or FOLDS for variant in parsed.variants]
        rows = [cross_validate(ds, *run, parsed.seed) for run in runs]
        write_result(provenance() | {"retrieval_noise": noise(ds), "rows": rows}, parsed.result)
    if parsed.out is not None:
        model = xsm.fit_estimator(ds, "SMAP_AM", seed=parsed.seed, **VARIANTS["default"])
        sm = xsm.estimate(ds, model=model).sel(time=TEST)
        parsed.out.parent.mkdir(parents=True, exist_ok=True)
        sm[["soil_moisture"]].where(ds["SMAP_AM"].notnull().any("time")).to_netcdf(parsed.out)


if __name__ == "__main__":
    main()
