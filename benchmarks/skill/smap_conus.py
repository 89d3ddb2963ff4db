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

import xsm
from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill.evaluation_records import data_folder
from benchmarks.skill.retrieval_noise import attainable_correlation
from xsm.metrics import scores as metric_scores
from xsm.training.splits import with_guard

FILE = "smap_conus/smap_nldas_conus_2015_2018.nc"
TRAIN, TEST = slice("2015-04-01", "2016-03-31"), slice("2016-04-01", "2017-03-31")
RESULT = RESULTS / "smap_conus.json"
UNITS = {
    "APCP_FORA": "mm hour-1", "DLWRF_FORA": "W m-2", "DSWRF_FORA": "W m-2", "TMP_2_FORA": "K",
    "SPFH_2_FORA": "1", "UGRD_10_FORA": "m s-1", "VGRD_10_FORA": "m s-1", "NDVI": "1",
    "Clay": "%", "Sand": "%", "Silt": "%",
}  # fmt: skip
FOLDS = {"months": (1, 7), "quarters": (3, 10)}  # length in months, guard in days
VARIANTS: dict[str, dict[str, Any]] = {  # arguments of the fit
    "default": {},
    "no_local_part": {"local": False},
    "no_antecedent_predictors": {"antecedent": False, "model": "dense"},
    "bilstm": {"model": "bilstm"},
    "bilstm_alone": {"model": "bilstm", "antecedent": False, "local": False},
    "atlstm": {"model": "atlstm"},
    "atlstm_alone": {"model": "atlstm", "antecedent": False, "local": False},
}


def load(path: Path) -> xr.Dataset:
    """Both years, with units; SMAP of the first only."""
    with xr.open_dataset(path) as ds:
        ds = ds.sel(time=slice(TRAIN.start, TEST.stop)).load()
    for name, units in UNITS.items():
        ds[name].attrs["units"] = units
    first_year = ds["time"] <= np.datetime64(TRAIN.stop)
    return ds.assign(SMAP_AM=ds["SMAP_AM"].where(first_year))


def folds(time: xr.DataArray, unit: str) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """Days of the first year to use and to leave out, four times."""
    length, guard = FOLDS[unit]
    first_year = time.values <= np.datetime64(TRAIN.stop)
    month = (time.values.astype("datetime64[M]") - np.datetime64("2015-04")).astype(int)
    parts = []
    for fold in range(4):
        left_out = first_year & (month // length % 4 == fold)
        used = first_year & ~with_guard(left_out, guard)
        parts.append((time.copy(data=used), time.copy(data=left_out)))
    return parts


def cross_validate(ds: xr.Dataset, unit: str, variant: str, seed: int) -> dict[str, Any]:
    """Scores of left-out days of the first year."""
    smap, begin = ds["SMAP_AM"], time.process_time()
    estimated, std = xr.full_like(smap, np.nan), xr.full_like(smap, np.nan)
    for used, left_out in folds(ds["time"], unit):
        part = ds.assign(SMAP_AM=smap.where(used))
        model = xsm.fit_estimator(part, "SMAP_AM", seed=seed, **VARIANTS[variant])
        sm = part.sm.estimate(model=model)
        estimated = xr.where(left_out, sm["soil_moisture"], estimated)
        std = xr.where(left_out, sm["soil_moisture_uncertainty"], std)
    row = {"left_out": unit, "estimate": variant, **scores(estimated, smap)}
    ratio = (abs(estimated - smap) / std).values
    ratio = ratio[np.isfinite(ratio)]
    row |= {f"within_{level}": float(np.mean(ratio < w)) for level, w in ((68, 0.9945), (95, 1.96))}
    return row | {"cpu_seconds": round(time.process_time() - begin)}


def scores(estimated: xr.DataArray, observed: xr.DataArray) -> dict[str, float]:
    """Medians over the cells, and the mean of R."""
    names = ("rmsd", "ubrmsd", "pearson_r", "bias")
    cells = metric_scores(estimated, observed, dim="time", metrics=names, min_pairs=1)
    return {
        "rmse": float(cells["rmsd"].median()),
        "ubrmse": float(cells["ubrmsd"].median()),
        "r": float(cells["pearson_r"].median()),
        "r_mean": float(cells["pearson_r"].mean()),
        "bias": float(abs(cells["bias"]).median()),
        "cells": int(cells["rmsd"].notnull().sum()),
    }


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=data_folder() / FILE)
    parser.add_argument("--out", type=Path, help="NetCDF of the later year")
    parser.add_argument("--cross-validate", nargs="*", choices=sorted(FOLDS), metavar="UNIT")
    parser.add_argument("--variants", nargs="*", choices=[*VARIANTS], default=["default"])
    parser.add_argument("--result", type=Path, default=RESULT, help="JSON of the cross-validation")
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args(arguments)
    if not parsed.data.exists():
        raise SystemExit(f"{parsed.data} is absent; set XSM_DATA, or give --data")
    ds = load(parsed.data)
    if parsed.cross_validate is not None:
        rows = []
        for unit in parsed.cross_validate or FOLDS:
            for variant in parsed.variants:
                rows.append(cross_validate(ds, unit, variant, parsed.seed))
                print(rows[-1], flush=True)
        smap, rain, warm = (
            ds[name].sel(time=TRAIN).stack(cell=("lat", "lon")).values
            for name in ("SMAP_AM", "APCP_FORA", "TMP_2_FORA")
        )
        observed = np.isfinite(smap).any(axis=0)
        limit = attainable_correlation(
            smap[:, observed], 24 * rain[:, observed], warm[:, observed] - 273.15
        )
        write_result(provenance() | {"retrieval_noise": limit, "rows": rows}, parsed.result)
    if parsed.out is not None:
        model = xsm.fit_estimator(ds, "SMAP_AM", seed=parsed.seed, **VARIANTS["default"])
        sm = ds.sm.estimate(model=model).sel(time=TEST)
        observed = ds["SMAP_AM"].notnull().any("time")
        parsed.out.parent.mkdir(parents=True, exist_ok=True)
        sm[["soil_moisture"]].where(observed).to_netcdf(parsed.out)


if __name__ == "__main__":
    main()
