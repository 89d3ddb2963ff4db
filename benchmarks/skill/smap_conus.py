"""Estimate a year of SMAP from weather alone: ``python -m benchmarks.skill.smap_conus --out FILE``.

Fits on April 2015 to March 2016 and estimates April 2016 to March 2017, of which no SMAP is given,
for 412 cells of the United States, as Fang et al. (2017, doi 10.1002/2017GL075619) did. All
choices were made by ``--cross-validate`` within the first year: months left out, each with a week
on both sides, or whole quarters. An ensemble of networks of ``xsm.fit_estimator`` gives the
estimate. Others, each without some months of the year, leave residuals in them that no fit has
seen; a Gaussian process for every site learns these (:mod:`benchmarks.skill.sites`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

if not __package__:  # called by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.skill.dry_spells import ceiling
from benchmarks.skill.memory import remembering
from benchmarks.skill.provenance import finite, provenance
from benchmarks.skill.records import ROOT, data_folder
from benchmarks.skill.sites import SiteProcesses, centred, near, spreads

FILE = "smap_conus/smap_nldas_conus_2015_2018.nc"
TRAIN, TEST = slice("2015-04-01", "2016-03-31"), slice("2016-04-01", "2017-03-31")
RESULT = ROOT / "benchmarks" / "results" / "smap_conus.json"
STATIC = (
    "flag_roughness", "Bulk", "flag_waterbody", "Clay", "Silt", "Capa", "flag_albedo", "Sand",
    "NDVI", "flag_vegDense", "flag_extraOrd",
)  # fmt: skip
RETRIEVED = (0.02, 0.5)  # m3 m-3, what the retrieval can give
NETWORK = {
    "model": "dense", "hidden_size": 192, "epochs": 20, "batch_size": 512, "learning_rate": 4e-3,
    "weight_decay": 1e-2, "dropout": 0.4,
}  # fmt: skip
FOLDS = {"months": (1, 7), "quarters": (3, 10)}  # length in months, guard in days
TURN = (30, 4)  # days that a network of the residuals does not see, and days around them


def load(path: Path) -> tuple[xr.Dataset, xr.DataArray]:
    """Predictors (time, cell) of both years and SMAP (time, cell) of the first."""
    with xr.open_dataset(path) as ds:
        ds = ds.sel(time=slice(TRAIN.start, TEST.stop)).load()
    smap = ds["SMAP_AM"].sel(time=TRAIN).stack(cell=("lat", "lon"))
    seen = smap.notnull().any("time").values
    ds = ds.stack(cell=("lat", "lon")).isel(cell=seen)
    forcing = {
        "rain": 24 * ds["APCP_FORA"],
        "warm": ds["TMP_2_FORA"] - 273.15,
        "sun": ds["DSWRF_FORA"],
        "sky": ds["DLWRF_FORA"],
        "humidity": ds["SPFH_2_FORA"],
        "wind": np.hypot(ds["UGRD_10_FORA"], ds["VGRD_10_FORA"]),
    }
    arrays = {k: v.transpose("time", "cell").values for k, v in forcing.items()}
    daily = remembering(arrays, ds["time"].dt.dayofyear.values)
    dims = ("time", "cell")
    out = xr.Dataset({name: (dims, values) for name, values in daily.items()}, {"time": ds["time"]})
    local = centred(np.stack(list(daily.values()), axis=-1), slice(0, smap.sizes["time"]))
    out["local"] = ((*dims, "predictor"), local)
    for name in STATIC:
        values = ds[name].values
        out[name] = "cell", np.where(np.isfinite(values), values, np.nanmedian(values))
    classes = ds["flag_landcover"].values
    for kind in np.unique(classes):
        out[f"cover_{kind:g}"] = "cell", (classes == kind).astype(np.float32)
    places = ds["cell"].to_index()
    for level in ("lat", "lon"):
        out.coords[level] = "cell", places.get_level_values(level).to_numpy()
    return out, smap.isel(cell=seen).transpose(*dims).drop_vars(("cell", "lat", "lon"))


def estimate(
    predictors: xr.Dataset, smap: xr.DataArray, *, members: int, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Estimates of all days (T, N), m3 m-3, of the networks alone and with the sites' residuals."""
    import xsm
    from xsm.estimate import estimate as run
    from xsm.training.fit_estimator import fit_estimator

    local, y = predictors["local"], smap.values
    ds = predictors.drop_vars("local").assign(
        {f"local_{n}": local[..., n] for n in range(local.sizes["predictor"])}
    )
    ds["usual"] = "cell", np.nanmean(y, axis=0).astype(np.float32)
    ds["spread"] = "cell", spreads(y).astype(np.float32)

    def fitted(learn: NDArray[np.bool_], members: int, seed: int) -> NDArray[np.float32]:
        with xsm.set_options(progress=False):
            model = fit_estimator(
                ds.isel(time=slice(0, len(y))),
                smap.where(xr.DataArray(learn, dims="time")),
                features=[*map(str, ds.data_vars), "latitude", "longitude"],
                location="usual",
                scale="spread",
                split="none",
                ensemble_size=members,
                seed=seed,
                **NETWORK,
            )
            return run(ds, model=model, uncertainty=False)["soil_moisture"].values

    unseen = np.full_like(y, np.nan)
    for turn, (learn, out) in enumerate(turns(len(y), members)):
        unseen[out] = fitted(learn, 1, seed + turn)[: len(y)][out]
    networks = fitted(np.ones(len(y), bool), members, seed + members)
    sites = SiteProcesses(local.values, y - unseen, seed=seed).predict()
    parts = {"networks": networks, "together": networks + sites}
    return {name: np.clip(values, *RETRIEVED) for name, values in parts.items()}


def turns(days: int, members: int) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Days that a network learns from, and days to judge it by, which take turns."""
    length, guard = TURN
    for member in range(members):
        out = np.arange(days) // length % members == member
        yield ~near(out, guard), out


def folds(time: NDArray[Any], kind: str) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Days to learn from and days left out, four times."""
    length, guard = FOLDS[kind]
    month = np.minimum(
        (time.astype("datetime64[M]") - time[0].astype("datetime64[M]")).astype(int), 11
    )
    for fold in range(4):
        out = month // length % 4 == fold
        yield ~near(out, guard), out


def scores(estimated: NDArray[np.floating], observed: NDArray[np.floating]) -> dict[str, float]:
    """Medians over the cells, and the mean of R, of (T, N) against (T, N)."""
    known = np.isfinite(observed) & np.isfinite(estimated)
    rows = []
    for e, o, k in zip(estimated.T, observed.T, known.T, strict=True):
        error = (e - o)[k]
        r = np.corrcoef(e[k], o[k])[0, 1] if e[k].std() > 0 and o[k].std() > 0 else np.nan
        rows.append((np.sqrt(np.mean(error**2)), error.std(), r, error.mean()))
    rmse, ubrmse, r, bias = np.array(rows).T
    return {
        "rmse": float(np.median(rmse)),
        "ubrmse": float(np.median(ubrmse)),
        "r": float(np.nanmedian(r)),
        "r_mean": float(np.nanmean(r)),
        "bias": float(np.median(abs(bias))),
        "cells": len(rows),
    }


def cross_validate(
    predictors: xr.Dataset, smap: xr.DataArray, kinds: list[str], *, members: int, seed: int
) -> list[dict[str, Any]]:
    """Scores of left-out days of the first year, one row a part."""
    rows = []
    for kind in kinds:
        found: dict[str, NDArray[np.float32]] = {}
        for learn, out in folds(smap["time"].values, kind):
            kept = smap.where(xr.DataArray(learn, dims="time"))
            for name, values in estimate(predictors, kept, members=members, seed=seed).items():
                found.setdefault(name, np.full(smap.shape, np.nan, np.float32))
                found[name][out] = values[: len(out)][out]
        for name, values in found.items():
            rows.append({"left_out": kind, "part": name, **scores(values, smap.values)})
            print(rows[-1], flush=True)
    return rows


def write(
    together: NDArray[np.float32], predictors: xr.Dataset, grid: xr.Dataset, out: Path
) -> None:
    """Save the later year on the grid of the data."""
    ds = xr.Dataset(
        {"soil_moisture": (("time", "cell"), together, {"units": "m3 m-3"})},
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
    parser.add_argument("--cross-validate", nargs="*", choices=sorted(FOLDS), metavar="KIND")
    parser.add_argument("--result", type=Path, default=RESULT, help="JSON of the cross-validation")
    parser.add_argument("--members", type=int, default=6, help="networks, 2 or more")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    if not given.data.exists():
        raise SystemExit(f"{given.data} is absent; set XSM_DATA, or give --data")
    predictors, smap = load(given.data)
    options = {"members": given.members, "seed": given.seed}
    if given.cross_validate is not None:
        rows = cross_validate(predictors, smap, given.cross_validate or list(FOLDS), **options)
        given.result.parent.mkdir(parents=True, exist_ok=True)
        year = predictors.sel(time=smap["time"])
        reach = ceiling(smap.values, year["rain_+0"].values ** 2, year["warm_1"].values)
        settings = {"settings": NETWORK | options, "ceiling": reach}
        result = provenance() | settings | {"rows": rows}
        given.result.write_text(json.dumps(finite(result), indent=1) + "\n")
    if given.out is not None:
        started = time.perf_counter()
        together = estimate(predictors, smap, **options)["together"]
        with xr.open_dataset(given.data) as grid:
            write(together, predictors, grid[["lat", "lon"]], given.out)
        print(f"{given.out}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
