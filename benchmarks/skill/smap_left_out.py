"""Scores of estimates of SMAP left out of the fit: ``python -m benchmarks.skill.smap_left_out``.

Months of the first year of :mod:`benchmarks.skill.smap_conus` are left out of the fit in turn, or
whole quarters; or cells, in boxes of five degrees. Rows of the result file that a run does not
measure stay.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import binary_dilation

import xsm
from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill.evaluation_records import data_folder
from benchmarks.skill.retrieval_noise import attainable_correlation
from benchmarks.skill.smap_conus import FILE, TRAIN, load
from xsm.training.splits import split_cells

FOLDS = {"months": (1, 7), "quarters": (3, 10)}  # length in months, guard in days
CELLS = "cells"
SEEDS_OF_CELLS = 3  # each leaves out other cells
ALONE = {"antecedent": False, "local": False}
# departures from the mean of the cell
DEPARTURES = {"location": "cell_mean", "scale": "cell_std"}
TOWARDS_ALL = 0.3  # part of the mean variance of all cells in the variance of a cell
VARIANTS: dict[str, dict[str, Any]] = {  # arguments of the fit
    "default": {},
    "dense": {"model": "dense"},
    "no_local_part": {"local": False},
    "no_antecedent_predictors": {"antecedent": False},
    "bilstm": {"model": "bilstm"},
    "bilstm_alone": {"model": "bilstm", **ALONE},
    "bilstm_departures": {"model": "bilstm", **ALONE, **DEPARTURES},
    "atlstm": {"model": "atlstm"},
    "atlstm_alone": {"model": "atlstm", **ALONE},
    "atlstm_departures": {"model": "atlstm", **ALONE, **DEPARTURES},
    "lstm": {"model": "lstm"},
    "lstm_alone": {"model": "lstm", **ALONE},
    "xgboost": {"model": "xgboost"},
}


def folds(time: xr.DataArray, unit: str) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """Days of the first year to use and to leave out, four times."""
    length, guard = FOLDS[unit]
    first_year = time <= np.datetime64(TRAIN.stop)
    part = (time.dt.month - 4) % 12 // length % 4
    days = [first_year & (part == fold) for fold in range(4)]
    return [(first_year & ~binary_dilation(out, iterations=guard), out) for out in days]


def cross_validate(
    ds: xr.Dataset, unit: str, variant: str, seed: int, networks: int | None
) -> dict[str, Any]:
    """Scores of left-out days of the first year."""
    begin, parts = time.process_time(), []
    options = {"seed": seed, **_size(networks), **VARIANTS[variant]}
    for used, left_out in folds(ds["time"], unit):
        part = ds.assign(SMAP_AM=ds["SMAP_AM"].where(used))
        if "location" in options:
            part = with_cell_statistics(part)
        model = xsm.fit_estimator(part, "SMAP_AM", **options)
        parts.append(xsm.estimate(part, model=model).where(left_out))
    row = {"left_out": unit, "estimate": variant, "networks": networks}
    row |= scores(parts, ds["SMAP_AM"])
    return row | {"cpu_seconds": round(time.process_time() - begin)}


def _size(networks: int | None) -> dict[str, int]:
    """The number of networks as an argument of the fit, if it is given."""
    return {} if networks is None else {"ensemble_size": networks}


def with_cell_statistics(ds: xr.Dataset) -> xr.Dataset:
    """With the mean of each cell, and its standard deviation, drawn towards that of all cells."""
    mean, variance = ds["SMAP_AM"].mean("time"), ds["SMAP_AM"].var("time")
    std = np.sqrt((1 - TOWARDS_ALL) * variance + TOWARDS_ALL * variance.mean())
    fields = {"cell_mean": mean, "cell_std": std}
    return ds.assign({name: f.assign_attrs(units="m3 m-3") for name, f in fields.items()})


def leave_out_cells(
    ds: xr.Dataset, variant: str, seed: int, networks: int | None
) -> dict[str, Any]:
    """Scores of cells that no fit has used, on the days of the first year: means over seeds."""
    begin, rows = time.process_time(), []
    has_target = ds["SMAP_AM"].notnull().any("time")
    lat, lon = (grid.values[has_target.values] for grid in xr.broadcast(ds["lat"], ds["lon"]))
    for split_seed in range(seed, seed + SEEDS_OF_CELLS):
        options = {"split": "blocked", "seed": split_seed, **_size(networks), **VARIANTS[variant]}
        model = xsm.fit_estimator(ds, "SMAP_AM", **options)
        part = split_cells(lat, lon, "blocked", split_seed)
        assert np.bincount(part).tolist() == model.card["split"]["cells"]
        left_out = has_target.copy()
        left_out.values[has_target.values] = part == 2
        sm = xsm.estimate(ds, model=model).where(left_out)
        rows.append(scores([sm], ds["SMAP_AM"]))
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    mean["cells"] = sum(row["cells"] for row in rows)
    row = {"left_out": CELLS, "estimate": variant, "networks": networks, **mean}
    return row | {"cpu_seconds": round(time.process_time() - begin)}


def scores(parts: list[xr.Dataset], observed: xr.DataArray) -> dict[str, float]:
    """Medians over the cells, the mean of R, and how often the intervals hold."""
    sm = xr.concat(parts, "fold").max("fold", keep_attrs=True)
    estimated, std = sm["soil_moisture"], sm["soil_moisture_uncertainty"]
    names = ("rmsd", "ubrmsd", "pearson_r", "bias")
    cells = xsm.metrics.scores(estimated, observed, dim="time", metrics=names, min_pairs=1)
    middle = cells.assign(bias=abs(cells["bias"])).median()
    result = {"rmse": middle["rmsd"], "ubrmse": middle["ubrmsd"], "r": middle["pearson_r"]}
    result |= {"r_mean": cells["pearson_r"].mean(), "bias": middle["bias"]}
    result = {key: float(value) for key, value in result.items()}
    result["cells"] = int(cells["rmsd"].count())
    ratio = (abs(estimated - observed) / std).values
    ratio = ratio[np.isfinite(ratio)]
    widths = (("within_68", 0.9945), ("within_95", 1.96))
    return result | {name: float(np.mean(ratio < width)) for name, width in widths}


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
    parser.add_argument("--units", nargs="+", choices=[*FOLDS, CELLS], default=["months"])
    parser.add_argument("--variants", nargs="+", choices=[*VARIANTS], default=["default"])
    parser.add_argument("--result", type=Path, default=RESULTS / "smap_conus.json")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--networks", type=int, help="ensemble_size of the fits; default theirs")
    parsed = parser.parse_args(arguments)
    ds = load(parsed.data)
    before = json.loads(parsed.result.read_text())["rows"] if parsed.result.exists() else []
    rows = {_key(row): row for row in before}
    for unit in parsed.units:
        for variant in parsed.variants:
            measure = leave_out_cells if unit == CELLS else partial(cross_validate, unit=unit)
            row = measure(ds, variant=variant, seed=parsed.seed, networks=parsed.networks)
            rows[_key(row)] = row
            result = provenance() | {"retrieval_noise": noise(ds), "rows": list(rows.values())}
            write_result(result, parsed.result)


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(key) for key in ("left_out", "estimate", "networks"))


if __name__ == "__main__":
    main()
