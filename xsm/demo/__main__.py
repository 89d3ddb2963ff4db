"""Gap-fill, estimate and validate a tutorial dataset: ``python -m xsm.demo --out DIR``.

Fills the gaps of a retrieval, estimates the same days from other predictors, and scores both
against the truth of a simulated Earth and against simulated stations. Writes CF NetCDF
files, a figure and an HTML report, and prints short tables. Needs ``xsm[plot]`` and no torch.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import xarray as xr

from xsm._version import __version__
from xsm.baselines import baseline
from xsm.compare import compare
from xsm.demo.overview_figure import draw, half_observed_day, median_error_cell
from xsm.demo.text_tables import gap_table, ground_table, validation_table
from xsm.report import report
from xsm.tutorial import open_dataset, open_stations

NAME = "soil_moisture"
DIMS = ("time", "lat", "lon")
N_STATIONS = 40


def run(out: Path, dataset: str) -> str:
    """Fill, estimate, score, validate and write; return the printed tables."""
    out.mkdir(parents=True, exist_ok=True)
    seconds: dict[str, float] = {}
    print(f"xsm {__version__}: simulating {dataset!r}", flush=True)
    ds = open_dataset(dataset)
    land = ds["land"].transpose(*DIMS[1:])
    record = ds[NAME].transpose(*DIMS)
    missing = float(np.isnan(record.values)[:, land.values].mean())
    size = " x ".join(f"{record.sizes[dim]} {dim}" for dim in DIMS)
    print(
        f"{size}, {100 * missing:.0f} % of the land missing; filling with the network", flush=True
    )

    start = time.perf_counter()
    filled = ds.sm.gapfill(progress=True).load()
    seconds["network"] = time.perf_counter() - start

    start = time.perf_counter()
    estimated = ds.sm.estimate(progress=True)
    seconds["estimate"] = time.perf_counter() - start

    start = time.perf_counter()
    linear = baseline("linear")(record.values)
    seconds["linear in time"] = time.perf_counter() - start

    data = xr.Dataset(
        {
            "before": record,
            "after": filled[NAME],
            "after_std": filled[f"{NAME}_uncertainty"],
            "truth": ds[f"{NAME}_truth"].where(land),
            "estimated": estimated[NAME].where(land),
            "estimated_std": estimated[f"{NAME}_uncertainty"].where(land),
            "land": land,
        }
    ).transpose(*DIMS, missing_dims="ignore")
    before, after, truth = (data[key].values for key in ("before", "after", "truth"))
    text = gap_table(before, {"network": after, "linear in time": linear}, truth, seconds)
    maps = {
        "gap-filled": data["after"],
        f"estimated ({seconds['estimate']:.1f} s)": data["estimated"],
        "reanalysis, one predictor": ds["swvl1"],
    }
    text += "\n\n" + ground_table(maps, ds[f"{NAME}_ground"].transpose(*DIMS).where(land))
    print(f"\n{text}\n\nvalidating: simulated gaps, {N_STATIONS} simulated stations", flush=True)
    validations = _validate(ds, filled, estimated)
    names = ["Stations, estimated", "Stations, gap-filled"]
    comparison = compare(
        *(validations[name] for name in names),
        metric=["pearson_r", "ubrmsd", "bias"],
        by=None,
        names=["estimated", "gap-filled"],
    )

    stem = out / dataset
    for result, suffix in ((filled, "filled"), (estimated, "estimated")):
        attrs = {"Conventions": "CF-1.11"} | result.attrs
        result.assign_attrs(attrs).to_netcdf(f"{stem}-{suffix}.nc")
    figure = draw(data, half_observed_day(before, truth), median_error_cell(before, after, truth))
    figure.savefig(f"{stem}.png", dpi=150)
    page = report(
        {**validations, "Estimated or gap-filled": comparison},
        out / f"{dataset}-report.html",
        land=land,
        title=f"{dataset}: filled and estimated",
    )
    table = validation_table(validations)
    print(f"\n{table}\n\nwritten: {stem}-filled.nc, {stem}-estimated.nc, {stem}.png and {page}")
    return f"{text}\n{table}"


def _validate(ds: xr.Dataset, filled: xr.Dataset, estimated: xr.Dataset) -> dict[str, xr.Dataset]:
    """Scores of simulated gaps in the retrievals, and of three records at simulated stations."""
    stations = open_stations(ds, N_STATIONS)
    records = {"as retrieved": ds, "gap-filled": filled, "estimated": estimated}
    return {
        "Simulated gaps": ds[NAME].sm.validate(gaps={"n_realizations": 1}, progress=False),
        **{
            f"Stations, {name}": record[NAME].sm.validate(stations, keep_pairs=True)
            for name, record in records.items()
        },
    }


def peak_memory() -> float | None:
    """Peak memory of this process, GB; None where the system does not report it (Windows)."""
    if find_spec("resource") is None:
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, else KiB
    return peak / (1e9 if sys.platform == "darwin" else 1e6 / 1.024)


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; return 0."""
    parser = argparse.ArgumentParser(prog="python -m xsm.demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to")
    parser.add_argument("--dataset", default="amsr2-iberia", help="name of a tutorial dataset")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    start = time.perf_counter()
    run(options.out, options.dataset)
    peak = peak_memory()
    memory = "" if peak is None else f", {peak:.2f} GB at the peak"
    torch = "with torch" if "torch" in sys.modules else "without torch"
    print(f"{time.perf_counter() - start:.0f} s{memory}, {torch}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
