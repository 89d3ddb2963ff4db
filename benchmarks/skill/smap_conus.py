"""Estimate a year of SMAP from weather alone: ``python -m benchmarks.skill.smap_conus --out FILE``.

Fits on April 2015 to March 2016 and estimates April 2016 to March 2017, of which no SMAP is given,
for 412 cells of the United States, as Fang et al. (2017, doi 10.1002/2017GL075619) did. All
settings were chosen by ``--cross-validate`` within the first year: months left out, each with a
guard of a week, or whole quarters. An ensemble of networks of ``xsm.fit_estimator`` gives the
estimate. Further networks, each fitted without some of the days, give residuals on those days. A
Gaussian process for each cell is fitted to these residuals
(:mod:`benchmarks.skill.local_gaussian_process`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

if not __package__:  # run by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill.antecedent_predictors import antecedent_predictors
from benchmarks.skill.evaluation_records import data_folder
from benchmarks.skill.local_gaussian_process import (
    LocalGaussianProcess,
    local_anomalies,
    shrunk_std,
    with_guard,
)
from benchmarks.skill.retrieval_noise import attainable_correlation
from xsm.metrics import scores as metric_scores

FILE = "smap_conus/smap_nldas_conus_2015_2018.nc"
TRAIN, TEST = slice("2015-04-01", "2016-03-31"), slice("2016-04-01", "2017-03-31")
RESULT = RESULTS / "smap_conus.json"
STATIC = (
    "flag_roughness", "Bulk", "flag_waterbody", "Clay", "Silt", "Capa", "flag_albedo", "Sand",
    "NDVI", "flag_vegDense", "flag_extraOrd",
)  # fmt: skip
VALID_RANGE = (0.02, 0.5)  # m3 m-3, of the retrieval
NETWORK = {
    "model": "dense", "hidden_size": 192, "epochs": 20, "batch_size": 512, "learning_rate": 4e-3,
    "weight_decay": 1e-2, "dropout": 0.4,
}  # fmt: skip
FOLDS = {"months": (1, 7), "quarters": (3, 10)}  # length in months, guard in days
RESIDUAL_FOLD = (30, 4)  # days left out by a network for the residuals, guard in days


def load(path: Path) -> tuple[xr.Dataset, xr.DataArray]:
    """Predictors (time, cell) of both years and SMAP (time, cell) of the first."""
    with xr.open_dataset(path) as ds:
        ds = ds.sel(time=slice(TRAIN.start, TEST.stop)).load()
    smap = ds["SMAP_AM"].sel(time=TRAIN).stack(cell=("lat", "lon"))
    observed = smap.notnull().any("time").values
    ds = ds.stack(cell=("lat", "lon")).isel(cell=observed)
    forcing = {
        "precipitation": 24 * ds["APCP_FORA"],
        "temperature": ds["TMP_2_FORA"] - 273.15,
        "shortwave": ds["DSWRF_FORA"],
        "longwave": ds["DLWRF_FORA"],
        "humidity": ds["SPFH_2_FORA"],
        "wind": np.hypot(ds["UGRD_10_FORA"], ds["VGRD_10_FORA"]),
    }
    arrays = {k: v.transpose("time", "cell").values for k, v in forcing.items()}
    daily = antecedent_predictors(arrays, ds["time"].dt.dayofyear.values)
    dims = ("time", "cell")
    out = xr.Dataset({name: (dims, values) for name, values in daily.items()}, {"time": ds["time"]})
    local = local_anomalies(np.stack(list(daily.values()), axis=-1), slice(0, smap.sizes["time"]))
    out["local"] = ((*dims, "predictor"), local)
    for name in STATIC:
        values = ds[name].values
        out[name] = "cell", np.where(np.isfinite(values), values, np.nanmedian(values))
    classes = ds["flag_landcover"].values
    for land_cover in np.unique(classes):
        cover = (classes == land_cover).astype(np.float32)
        out[f"cover_{land_cover:g}"] = "cell", cover
    index = ds["cell"].to_index()
    for level in ("lat", "lon"):
        out.coords[level] = "cell", index.get_level_values(level).to_numpy()
    return out, smap.isel(cell=observed).transpose(*dims).drop_vars(("cell", "lat", "lon"))


def estimate(
    predictors: xr.Dataset, smap: xr.DataArray, *, ensemble_size: int, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Estimates of all days (T, N), m3 m-3: networks alone, and with local residuals."""
    import xsm
    from xsm.estimate import estimate as run
    from xsm.training.fit_estimator import fit_estimator

    local, y = predictors["local"], smap.values
    ds = predictors.drop_vars("local").assign(
        {f"local_{n}": local[..., n] for n in range(local.sizes["predictor"])}
    )
    ds["cell_mean"] = "cell", np.nanmean(y, axis=0).astype(np.float32)
    ds["cell_std"] = "cell", shrunk_std(y).astype(np.float32)

    def fitted(used: NDArray[np.bool_], ensemble_size: int, seed: int) -> NDArray[np.float32]:
        with xsm.set_options(progress=False):
            model = fit_estimator(
                ds.isel(time=slice(0, len(y))),
                smap.where(xr.DataArray(used, dims="time")),
                features=[*map(str, ds.data_vars), "latitude", "longitude"],
                location="cell_mean",
                scale="cell_std",
                split="none",
                ensemble_size=ensemble_size,
                seed=seed,
                **NETWORK,
            )
            return run(ds, model=model, uncertainty=False)["soil_moisture"].values

    unseen = np.full_like(y, np.nan)
    for fold, (used, left_out) in enumerate(residual_folds(len(y), ensemble_size)):
        unseen[left_out] = fitted(used, 1, seed + fold)[: len(y)][left_out]
    networks = fitted(np.ones(len(y), bool), ensemble_size, seed + ensemble_size)
    residuals = LocalGaussianProcess(local.values, y - unseen, seed=seed).predict()
    estimates = {"networks": networks, "networks_and_local": networks + residuals}
    return {name: np.clip(values, *VALID_RANGE) for name, values in estimates.items()}


def residual_folds(
    days: int, n_folds: int
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Days used for a fit, and days left out for its residuals; each day is left out once."""
    length, guard = RESIDUAL_FOLD
    for fold in range(n_folds):
        left_out = np.arange(days) // length % n_folds == fold
        yield ~with_guard(left_out, guard), left_out


def folds(time: NDArray[Any], unit: str) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Days used for the fits and days left out, four times."""
    length, guard = FOLDS[unit]
    month = np.minimum(
        (time.astype("datetime64[M]") - time[0].astype("datetime64[M]")).astype(int), 11
    )
    for fold in range(4):
        left_out = month // length % 4 == fold
        yield ~with_guard(left_out, guard), left_out


def scores(estimated: NDArray[np.floating], observed: NDArray[np.floating]) -> dict[str, float]:
    """Medians over the cells, and the mean of R, of (T, N) against (T, N)."""
    pair = (xr.DataArray(values, dims=("time", "cell")) for values in (estimated, observed))
    names = ("rmsd", "ubrmsd", "pearson_r", "bias")
    cells = metric_scores(*pair, dim="time", metrics=names, min_pairs=1)
    return {
        "rmse": float(np.median(cells["rmsd"])),
        "ubrmse": float(np.median(cells["ubrmsd"])),
        "r": float(np.nanmedian(cells["pearson_r"])),
        "r_mean": float(np.nanmean(cells["pearson_r"])),
        "bias": float(np.median(abs(cells["bias"]))),
        "cells": cells.sizes["cell"],
    }


def cross_validate(
    predictors: xr.Dataset, smap: xr.DataArray, units: list[str], *, ensemble_size: int, seed: int
) -> list[dict[str, Any]]:
    """Scores of left-out days of the first year, one row per estimate."""
    rows = []
    for unit in units:
        estimates: dict[str, NDArray[np.float32]] = {}
        for used, left_out in folds(smap["time"].values, unit):
            target = smap.where(xr.DataArray(used, dims="time"))
            for name, values in estimate(
                predictors, target, ensemble_size=ensemble_size, seed=seed
            ).items():
                estimates.setdefault(name, np.full(smap.shape, np.nan, np.float32))
                estimates[name][left_out] = values[: len(left_out)][left_out]
        for name, values in estimates.items():
            rows.append({"left_out": unit, "estimate": name, **scores(values, smap.values)})
            print(rows[-1], flush=True)
    return rows


def write_netcdf(
    estimated: NDArray[np.float32], predictors: xr.Dataset, grid: xr.Dataset, out: Path
) -> None:
    """Save the later year on the grid of the data."""
    ds = xr.Dataset(
        {"soil_moisture": (("time", "cell"), estimated, {"units": "m3 m-3"})},
        {"time": predictors["time"]},
    ).sel(time=TEST)
    full = np.full((ds.sizes["time"], grid.sizes["lat"], grid.sizes["lon"]), np.nan, np.float32)
    rows = np.searchsorted(-grid["lat"].values, -predictors["lat"].values)
    columns = np.searchsorted(grid["lon"].values, predictors["lon"].values)
    full[:, rows, columns] = ds["soil_moisture"].values
    attrs = {
        "standard_name": "volume_fraction_of_condensed_water_in_soil",
        "long_name": "soil moisture estimated from weather, trained on SMAP of the year before",
        "units": "m3 m-3",
    }
    result = xr.Dataset(
        {"soil_moisture": (("time", "lat", "lon"), full, attrs)},
        {"time": ds["time"], "lat": grid["lat"], "lon": grid["lon"]},
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    result.to_netcdf(out, encoding={"soil_moisture": {"zlib": True}})


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=data_folder() / FILE)
    parser.add_argument("--out", type=Path, help="NetCDF of the later year")
    parser.add_argument("--cross-validate", nargs="*", choices=sorted(FOLDS), metavar="UNIT")
    parser.add_argument("--result", type=Path, default=RESULT, help="JSON of the cross-validation")
    parser.add_argument("--ensemble-size", type=int, default=6, help="networks, 2 or more")
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args(arguments)
    if not parsed.data.exists():
        raise SystemExit(f"{parsed.data} is absent; set XSM_DATA, or give --data")
    predictors, smap = load(parsed.data)
    options = {"ensemble_size": parsed.ensemble_size, "seed": parsed.seed}
    if parsed.cross_validate is not None:
        rows = cross_validate(predictors, smap, parsed.cross_validate or list(FOLDS), **options)
        year = predictors.sel(time=smap["time"])
        limit = attainable_correlation(
            smap.values, year["precipitation_+0"].values ** 2, year["temperature_1"].values
        )
        settings = {"settings": NETWORK | options, "retrieval_noise": limit}
        write_result(provenance() | settings | {"rows": rows}, parsed.result)
    if parsed.out is not None:
        begin = time.perf_counter()
        estimated = estimate(predictors, smap, **options)["networks_and_local"]
        with xr.open_dataset(parsed.data) as grid:
            write_netcdf(estimated, predictors, grid[["lat", "lon"]], parsed.out)
        print(f"{parsed.out}: {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
