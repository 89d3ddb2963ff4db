"""The tables of two papers on a simulated Earth.

The three validations of SGD-SM (Zhang et al., 2021, doi 10.5194/essd-13-1385-2021) and the station
tables of GLASS-AVHRR (Zhang et al., 2025, doi 10.5194/essd-17-5181-2025), with simulated stations:
the form of the tables is the papers', the numbers are of a simulation.

``python -m benchmarks.validation.worked_example`` measures and writes
``benchmarks/results/validation_example.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.provenance import RESULTS, finite, provenance, write_result
from benchmarks.validation.worked_example_tables import TABLES, Result
from xsm.baselines import baseline
from xsm.compare import compare
from xsm.gapfill import gapfill
from xsm.osse import nature_run, observe
from xsm.osse.simulated_stations import simulate_stations
from xsm.validate import validate
from xsm.validation import representative

RESULT = RESULTS / "validation_example.json"
# south, north, west, east: a region with wet soils and a mild winter
REGION, STEP, START, DAYS, SENSOR = (46.0, 54.0, -5.0, 10.0), 0.25, "2014-01-01", 800, "amsr2"
STATIONS, SEED, N_REALIZATIONS, WET_PAIRS = 150, 0, 2, 20
SCORES = ("pearson_r", "rmsd", "mae", "bias", "ubrmsd")


def measure(days: int, n_realizations: int, model: Any = "default") -> Result:
    """The numbers of all tables."""
    ds = _simulated_earth(days)
    sites = simulate_stations(ds, STATIONS, seed=SEED)
    record = ds[["soil_moisture"]]
    linear = baseline("linear")(record.soil_moisture.values)
    records = {
        "original": record,
        "default": gapfill(record, model=model, progress=False)[["soil_moisture"]],
        "linear": record.assign(soil_moisture=record.soil_moisture.copy(data=linear)),
    }
    plain = {k: validate(one, sites, metrics=SCORES) for k, one in records.items()}
    winter = {k: validate(one, sites, metrics=SCORES, by="winter") for k, one in records.items()}
    wet = {
        k: validate(one, sites, metrics=SCORES, by="wetness", min_pairs=WET_PAIRS)
        for k, one in records.items()
    }
    gap_options = {"model": model, "n_realizations": n_realizations}
    gaps = validate(record, gaps=gap_options, seed=SEED, metrics=SCORES)
    triple = validate(records["default"], (ds["swvl1"], sites))
    good = representative(triple)
    return {
        **provenance([str(model)]),
        "settings": {
            "region": REGION,
            "step": STEP,
            "start": START,
            "days": days,
            "sensor": SENSOR,
            "stations": STATIONS,
            "seed": SEED,
            "n_realizations": n_realizations,
        },
        "in_situ": {k: _over(one, one.status == 0, "mean") for k, one in plain.items()},
        "networks": _networks(plain),
        "winter": _strata(winter, "winter"),
        "wetness": _strata(wet, "wetness"),
        "representative": {
            "criterion": good.attrs["criterion"],
            **{k: _over(one, good & (one.status == 0), "median") for k, one in plain.items()},
        },
        "simulated": _simulated(gaps),
        "annual": {
            "original": [float(gaps[f"annual_{what}_original"]) for what in ("amplitude", "phase")],
            **{
                str(name): [
                    float(gaps[f"annual_{what}_filled"].isel(fill_method=i))
                    for what in ("amplitude", "phase")
                ]
                for i, name in enumerate(gaps.fill_method.values)
            },
        }
        if "annual_phase_original" in gaps
        else {},
    }


def _simulated_earth(days: int) -> xr.Dataset:
    """A product, the true soil moisture below it, and a reanalysis."""
    south, north, west, east = REGION
    lat = np.arange(north - STEP / 2, south, -STEP)
    lon = np.arange(west + STEP / 2, east, STEP)
    nature = nature_run(lat, lon, np.datetime64(START) + np.arange(days), seed=SEED)
    ds = observe(nature, SENSOR)
    return ds.assign(soil_moisture_ground=nature["soil_moisture"], swvl1=nature["swvl1"])


def _over(scores: xr.Dataset, where: xr.DataArray, how: str) -> Result:
    """Mean or median of the scores over the stations for which `where` holds."""
    selected = where.values
    reduce = getattr(np, how)
    out = {k: float(reduce(scores[k].values[selected])) if selected.any() else None for k in SCORES}
    return out | {
        "stations": int(selected.sum()),
        "pairs": int(scores.n_obs.values[selected].sum()),
    }


def _networks(plain: dict[str, xr.Dataset]) -> list[Result]:
    """By network and for all: medians, and the significance of the difference."""
    a, b = plain["default"], plain["linear"]
    tested = compare(a, b, metric=["pearson_r", "ubrmsd", "bias"])
    rows = []
    for group in tested.group.values.tolist():
        members = a.network.values == group if group != "all" else np.ones(a.sizes["station"], bool)
        both = xr.DataArray(members, dims="station") & (a.status == 0) & (b.status == 0)
        row: Result = {"network": group}
        for name, one in (("default", a), ("linear", b)):
            row[name] = _over(one, both, "median")
        row["p"] = {
            str(m): float(tested.p_wilcoxon_corrected.sel(metric=m, group=group))
            for m in tested.metric.values
        }
        row["fraction_better"] = {
            str(m): float(tested.fraction_won.sel(metric=m, group=group))
            for m in tested.metric.values
        }
        rows.append(row)
    return rows


def _strata(scored: dict[str, xr.Dataset], name: str) -> Result:
    """Medians by stratum, over the stations that have a score in it."""
    return {
        k: {
            str(label): _over(one.sel({name: label}), one.sel({name: label}).status == 0, "median")
            for label in one[name].values
        }
        for k, one in scored.items()
    }


def _simulated(gaps: xr.Dataset) -> Result:
    keys = ("rmsd", "mae", "pearson_r", "anomaly_r", "n_obs", "coverage_68", "coverage_95")
    return {
        str(method): {
            "edge_discontinuity": float(gaps.edge_discontinuity.isel(fill_method=i)),
            **{
                str(kind): {
                    k: float(gaps[k].isel(fill_method=i, gap_pattern=j)) for k in keys if k in gaps
                }
                for j, kind in enumerate(gaps.gap_pattern.values)
            },
        }
        for i, method in enumerate(gaps.fill_method.values)
    } | {"original": {"edge_discontinuity": float(gaps.edge_discontinuity_original)}}


def main(arguments: list[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--n-realizations", type=int, default=N_REALIZATIONS)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    result = finite(measure(options.days, options.n_realizations))
    write_result(result, options.out)
    for write in TABLES.values():
        print(write(result), end="\n\n")


if __name__ == "__main__":
    main()
