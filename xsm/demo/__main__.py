"""Gap-fill, estimate and validate the embedded dataset: ``python -m xsm.demo --out DIR``.

Fills the gaps of a retrieval, estimates the same days from other predictors, and scores both
against the truth that a simulated Earth knows and against simulated stations. Writes CF NetCDF
files, a figure and an HTML report, and prints short tables. Needs ``xsm[plot]`` and no torch.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

import xsm
from xsm.baselines import baseline
from xsm.demo.figure import UNIT, draw, typical_cell, typical_day
from xsm.osse.tutorial import open_dataset, open_stations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Bools = NDArray[np.bool_]

NAME = "soil_moisture"
DIMS = ("time", "lat", "lon")
STATIONS = 40
SCORES = ("RMSE", "MAE", "bias", "R", "R anom.")


def scores(est: Floats, truth: Floats, where: Bools) -> list[float]:
    """RMSE, MAE, bias (m3 m-3), R, and R of the departures from each cell's true mean.

    Parameters
    ----------
    est, truth : ndarray, (T, H, W), m3 m-3
    where : ndarray of bool, (T, H, W)
        The cells and days to score.
    """
    mean = np.nanmean(np.where(np.isfinite(truth).any(0), truth, 0.0), axis=0)  # (H, W)
    error = (est - truth)[where].astype(np.float64)
    r = np.corrcoef(est[where], truth[where])[0, 1]
    r_anomaly = np.corrcoef((est - mean)[where], (truth - mean)[where])[0, 1]
    rmse = np.sqrt(np.mean(error**2))
    return [rmse, np.mean(np.abs(error)), np.mean(error), r, r_anomaly]


def table(before: Floats, after: Floats, truth: Floats, seconds: dict[str, float]) -> str:
    """The scores of network and linear interpolation on the same gaps, as text.

    Parameters
    ----------
    before, after, truth : ndarray, (T, H, W), m3 m-3
        The record with its gaps, the filled record, and what it should be.
    seconds : dict of str to float
        Run time; the time of the linear interpolation is added.
    """
    began = time.perf_counter()
    linear = baseline("linear")(before)
    seconds["linear in time"] = time.perf_counter() - began
    gaps = np.isnan(before) & np.isfinite(truth)
    methods = {"network": after, "linear in time": linear}
    both = gaps & np.all([np.isfinite(filled) for filled in methods.values()], axis=0)

    head = ["", "filled %", *SCORES, "seconds"]
    lines = ["{:<24}{:>9}{:>8}{:>8}{:>9}{:>8}{:>9}{:>9}".format(*head)]
    row = "{:<24}{:>9}{:>8.4f}{:>8.4f}{:>+9.4f}{:>8.3f}{:>9.3f}{:>9}"
    for name, filled in methods.items():
        share = f"{100 * np.isfinite(filled[gaps]).mean():.1f}"
        lines.append(row.format(name, share, *scores(filled, truth, both), f"{seconds[name]:.2f}"))
    seen = np.isfinite(before) & np.isfinite(truth)
    lines.append(row.format("(retrieval, where seen)", "-", *scores(before, truth, seen), "-"))
    lines.append(f"scored on {both.sum():,} gaps that both fill, against the truth, in {UNIT}")
    return "\n".join(lines)


def soil_table(maps: dict[str, xr.DataArray], soil: xr.DataArray) -> str:
    """The scores of maps of all days against the soil itself, where all have a value, as text."""
    arrays = {name: each.transpose(*soil.dims).values for name, each in maps.items()}
    truth = soil.values
    both = np.isfinite(truth) & np.all([np.isfinite(each) for each in arrays.values()], axis=0)
    lines = ["{:<24}{:>9}{:>8}{:>8}{:>9}{:>8}{:>9}".format("", "", *SCORES)]
    for name, each in arrays.items():
        figures = scores(each, truth, both)
        lines.append("{:<33}{:>8.4f}{:>8.4f}{:>+9.4f}{:>8.3f}{:>9.3f}".format(name, *figures))
    lines.append(f"scored on {both.sum():,} cells and days against the soil itself, in {UNIT};")
    lines.append("a filled record keeps the lasting bias of its sensor, the estimate was trained")
    lines.append("on the soil of other simulated Earths")
    return "\n".join(lines)


def validations(ds: xr.Dataset, filled: xr.Dataset, estimated: xr.Dataset) -> dict[str, xr.Dataset]:
    """Simulated gaps in what was seen; stations against all three; two of them compared."""
    points = open_stations(ds, STATIONS)
    found = {"Simulated gaps": ds[NAME].sm.validate(draws=1, progress=False)}
    for title, each in (("as retrieved", ds), ("gap-filled", filled), ("estimated", estimated)):
        found[f"Stations, {title}"] = each[NAME].sm.validate(points, keep_pairs=True)
    found["Estimated or gap-filled"] = xsm.compare(
        found["Stations, estimated"],
        found["Stations, gap-filled"],
        metric=["pearson_r", "ubrmsd", "bias"],
        by=None,
        names=["estimated", "gap-filled"],
    )
    return found


def summary(scores: dict[str, xr.Dataset]) -> str:
    """Error of hidden retrievals by kind of gap, and the median scores at stations, as text."""
    gaps, *in_situ, _ = scores.values()
    kinds = gaps["kind"].values.tolist()
    lines = ["{:<24}".format("hidden retrievals, RMSE") + "".join(f"{k:>9}" for k in kinds)]
    for filler in gaps["filler"].values.tolist():
        row = gaps["rmsd"].sel(filler=filler).values
        lines.append(f"{filler:<24}" + "".join(f"{value:>9.4f}" for value in row))
    lines.append("")
    lines.append(
        "{:<24}{:>9}{:>9}{:>9}{:>9}".format("stations, medians", "n", "pairs", "R", "ubRMSE")
    )
    for name, one in zip(list(scores)[1:-1], in_situ, strict=True):
        known = one.where(one["status"] == 0, drop=True)
        r, error = (float(known[key].median()) for key in ("pearson_r", "ubrmsd"))
        pairs = int(known["n_obs"].median())
        lines.append(f"{name:<24}{known.sizes['station']:>9}{pairs:>9}{r:>9.3f}{error:>9.4f}")
    return "\n".join(lines)


def run(out: Path, dataset: str) -> str:
    """Fill, estimate, score, validate, write; the tables as text."""
    out.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    print(f"xsm {xsm.__version__}: simulating {dataset!r}", flush=True)
    ds = open_dataset(dataset)
    land = ds["land"].transpose(*DIMS[1:])
    record = ds[NAME].transpose(*DIMS)
    gaps = float(np.isnan(record.values)[:, land.values].mean())
    size = " x ".join(f"{record.sizes[dim]} {dim}" for dim in DIMS)
    print(f"{size}, {100 * gaps:.0f} % of the land missing; filling with the network", flush=True)

    began = time.perf_counter()
    filled = ds.sm.gapfill(progress=True).load()
    seconds["network"] = time.perf_counter() - began

    began = time.perf_counter()
    estimated = ds.sm.estimate(progress=True)
    seconds["estimate"] = time.perf_counter() - began

    names = {"after": NAME, "sd": f"{NAME}_uncertainty"}
    data = xr.Dataset({key: filled[name].transpose(*DIMS) for key, name in names.items()})
    data = data.assign(before=record, land=land, truth=ds[f"{NAME}_truth"].where(land))
    data = data.assign(
        estimated=estimated[NAME].where(land),
        estimated_sd=estimated[f"{NAME}_uncertainty"].where(land),
    ).transpose(*DIMS, missing_dims="ignore")
    before, after, true = (data[key].values for key in ("before", "after", "truth"))
    text = table(before, after, true, seconds)
    maps = {
        "gap-filled": data["after"],
        f"estimated ({seconds['estimate']:.1f} s)": data["estimated"],
        "reanalysis, one predictor": ds["swvl1"],
    }
    text += "\n\n" + soil_table(maps, ds[f"{NAME}_ground"].transpose(*DIMS).where(land))
    print(f"\n{text}\n\nvalidating: simulated gaps, {STATIONS} simulated stations", flush=True)
    found = validations(ds, filled, estimated)
    told = summary(found)

    stem = out / dataset
    for result, end in ((filled, "filled"), (estimated, "estimated")):
        result.assign_attrs({"Conventions": "CF-1.11"} | result.attrs).to_netcdf(f"{stem}-{end}.nc")
    figure = draw(data, typical_day(before, true), typical_cell(before, after, true))
    figure.savefig(f"{stem}.png", dpi=150)
    page = xsm.report(
        found, out / f"{dataset}-report.html", land=land, title=f"{dataset}: filled and estimated"
    )
    print(f"\n{told}\n\nwritten: {stem}-filled.nc, {stem}-estimated.nc, {stem}.png and {page}")
    return f"{text}\n{told}"


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; 0 when it went well."""
    parser = argparse.ArgumentParser(prog="python -m xsm.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to")
    parser.add_argument("--dataset", default="amsr2-iberia", help="an embedded dataset's name")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    began = time.perf_counter()
    run(options.out, options.dataset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6 / 1.024
    )
    torch = "with torch" if "torch" in sys.modules else "without torch"
    print(f"{time.perf_counter() - began:.0f} s and {peak:.2f} GB at the peak, {torch}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
