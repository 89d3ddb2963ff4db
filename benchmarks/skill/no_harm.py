"""No harm: ``python -m benchmarks.skill.no_harm [NAME ...]`` on records of every sort.

Hides observations of each record, fills them with ``gapfill()`` and compares the errors with those
of linear interpolation and climatology. A fill must not have more than 1.02 times the RMSE of the
better of the two. Records with a background have one of noise, which explains nothing. Also
measures what the calibration costs. Writes ``benchmarks/results/no_harm.json``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

import xsm
from benchmarks.provenance import RESULTS, provenance, write_result
from benchmarks.skill.evaluation_records import AMSR2, data_folder
from benchmarks.skill.smap_conus import FILE, TRAIN
from benchmarks.tables import GAP_PATTERNS, markdown
from xsm.baselines import baseline
from xsm.gapfilling.climatology import climatology
from xsm.gapfilling.gap_patterns import sample_gaps

RESULT = RESULTS / "no_harm.json"
LIMIT = 1.02
FRACTIONS = {"cell": 0.05, "long": 0.05, "swath": 0.02}
ENOUGH, LEAST_SEEDS, MOST_SEEDS = 400, 2, 40  # hidden values of a gap pattern, and draws of them
Records = dict[str, Callable[[], xr.DataArray]]


class Process(NamedTuple):
    """A made-up record: autoregressive soil moisture, noise of the retrieval, season and gaps."""

    shape: tuple[int, int, int]
    phi: float = 0.9  # autocorrelation at one day
    smooth: float = 2.0  # correlation in space, cells
    signal: float = 0.07  # standard deviation, m3 m-3
    noise: float = 0.02
    season: float = 0.0  # amplitude
    missing: float = 0.4  # fraction


PROCESSES = {
    "noise": Process((120, 12, 12), signal=0.0, noise=0.06),
    "one cell": Process((400, 1, 1), missing=0.5),
    "two cells": Process((400, 1, 2), smooth=0.0, missing=0.5),
    "two years, two cells": Process((730, 1, 2), 0.8, 0.0, 0.05, 0.03, 0.05, 0.5),
    "one latitude row": Process((200, 1, 40)),
    "five days": Process((5, 20, 20)),
    "90 % missing": Process((365, 16, 16), missing=0.9),
    "season and noise": Process((800, 6, 6), signal=0.0, noise=0.03, season=0.1, missing=0.5),
    "slow drying": Process((200, 12, 12), 0.99, 0.0, noise=0.002),
    "ten years": Process((3650, 5, 5), season=0.05),
    "ordinary": Process((120, 24, 24)),
}


def made(process: Process, seed: int = 0) -> xr.DataArray:
    """A record of a process."""
    return made_with_truth(process, seed)[0]


def made_with_truth(process: Process, seed: int = 0) -> tuple[xr.DataArray, NDArray[Any]]:
    """A record of a process, and what it was before noise and gaps."""
    rng = np.random.default_rng(seed)
    days = np.arange(process.shape[0])
    noise = rng.standard_normal(process.shape)
    if process.smooth:
        noise = gaussian_filter(noise, (0, process.smooth, process.smooth))
        noise /= noise.std()
    signal = noise.copy()
    for t in days[1:]:
        signal[t] = process.phi * signal[t - 1] + (1 - process.phi**2) ** 0.5 * noise[t]
    values = 0.25 + process.season * np.sin(2 * np.pi * days / 365)[:, None, None]
    truth = values + process.signal * signal
    values = truth + process.noise * rng.standard_normal(process.shape)
    values = np.clip(values, 0, 0.6)
    values[rng.random(process.shape) < process.missing] = np.nan
    coords = {
        "time": np.datetime64("2005-01-01", "ns") + days * np.timedelta64(1, "D"),
        "lat": 40.0 - np.arange(process.shape[1]) / 4,
        "lon": np.arange(process.shape[2]) / 4,
    }
    da = xr.DataArray(values.astype(np.float32), coords, ("time", "lat", "lon"), name="sm")
    return da.assign_attrs(units="m3 m-3"), np.broadcast_to(truth, process.shape)


def simulated(name: str, **options: Any) -> xr.DataArray:
    """A tutorial record."""
    da = xsm.tutorial.open_dataset(name, covariates=False, **options)["soil_moisture"]
    return da.transpose("time", "lat", "lon").rename("sm")


def smap() -> xr.DataArray:
    """The first year of SMAP at 412 cells."""
    with xr.open_dataset(data_folder() / FILE) as ds:
        da = ds["SMAP_AM"].sel(time=TRAIN).transpose("time", "lat", "lon").load()
    return da.rename("sm").assign_attrs(units="m3 m-3")


def amsr2() -> xr.DataArray:
    """A month of AMSR2 over Africa and Europe."""
    with xr.open_dataset(data_folder() / AMSR2) as ds:
        da = ds["soil_moisture_x"].sel(lon=slice(-20, 50)).sel(lat=slice(70, -35)).load() / 100
    return da.transpose("time", "lat", "lon").rename("sm").assign_attrs(units="m3 m-3")


def c3s() -> xr.DataArray:
    """Two years of C3S at two cells that are laid side by side."""
    with xr.open_dataset(data_folder() / "forms" / "c3s_cell" / "0166.nc") as ds:
        sm = ds["sm"].transpose("time", "locations").sel(time=slice("2016", "2017")).load()
    sm = sm.where(sm >= 0)
    number = sm.notnull().sum("time").values
    best = np.argsort(-number)[:2]
    coords = {"time": sm["time"].values, "lat": [21.0], "lon": [-157.0, -156.75]}
    values = sm.values[:, best].astype(np.float32)[:, None]
    da = xr.DataArray(values, coords, ("time", "lat", "lon"), name="sm")
    return da.assign_attrs(units="m3 m-3")


RECORDS: Records = {
    **{name: (lambda process=process: made(process)) for name, process in PROCESSES.items()},
    "simulated AMSR2, Iberia": lambda: simulated("amsr2-iberia"),
    "simulated CCI, Europe": lambda: simulated("cci-europe"),
    "simulated SMAP, United States": lambda: simulated(
        "smap-conus", start="2015-05-15", days=120, resolution=1.0
    ),
    "C3S, two cells": c3s,
    "SMAP, 412 cells": smap,
    "AMSR2, a month": amsr2,
}
WITH_BACKGROUND = ("noise", "one latitude row", "slow drying", "ordinary")


def score(name: str, da: xr.DataArray, *, background: bool) -> list[dict[str, Any]]:
    """RMSE at hidden values by gap pattern, of all draws together.

    Small records are drawn from again and again, for a ratio of two errors needs hundreds of them.
    """
    values = da.values
    large = da.size > 2_000_000
    rows = []
    field = None
    if background:
        rng = np.random.default_rng(9)
        field = da.copy(data=(0.25 + 0.05 * rng.standard_normal(da.shape)).astype(np.float32))
    for pattern, fraction in FRACTIONS.items():
        errors: dict[str, list[NDArray[Any]]] = {}
        ratio: list[NDArray[Any]] = []
        if (pattern == "long" and len(da) < 15) or (pattern == "swath" and min(da.shape) < 24):
            continue
        for seed in range(1, 1 + MOST_SEEDS):
            enough = sum(e.size for e in errors.get("used", [])) >= ENOUGH
            if enough and (large or seed > LEAST_SEEDS):
                break
            hidden = sample_gaps(np.isfinite(values), pattern, fraction, 100 + seed)
            left = np.where(hidden, np.float32(np.nan), values)
            filled = da.copy(data=left).sm.gapfill(background=field)
            estimates = _baselines(left, da) | {"used": filled["sm"].values}
            usable = hidden & np.logical_and.reduce([np.isfinite(e) for e in estimates.values()])
            for method, estimate in estimates.items():
                errors.setdefault(method, []).append((estimate - values)[usable])
            std = filled["sm_uncertainty"].values
            ratio.append((abs(filled["sm"].values - values) / std)[usable])
        rmse = {m: float(np.sqrt(np.mean(np.concatenate(e) ** 2))) for m, e in errors.items()}
        best = min(rmse[m] for m in rmse if m != "used")
        row = {"record": name, "background": background, "gap_pattern": pattern, **rmse}
        row["n"] = int(sum(e.size for e in errors["used"]))
        row["ratio"] = rmse["used"] / best
        row["within_68"] = float(np.mean(np.concatenate(ratio) < 1))
        rows.append(row)
        print(rows[-1], flush=True)
    return rows


def _baselines(left: NDArray[Any], da: xr.DataArray) -> dict[str, NDArray[Any]]:
    """Linear interpolation, and both climatologies: of all years, and within 15 days."""
    day = np.asarray(da["time"].dt.dayofyear.values)
    options = {"day_of_year": day} if len(da) > 366 else {}
    plain = baseline("climatology")(left, **options)
    near = climatology(left, day, 366)[0]
    return {
        "linear": baseline("linear")(left),
        "climatology": plain,
        "climatology_15_days": np.where(np.isfinite(near), near, plain),
    }


def cost(name: str, da: xr.DataArray) -> dict[str, Any]:
    """CPU seconds of a call without and with calibration, the fastest of three."""
    seconds = {}
    for calibrated in (False, True):
        times = []
        for _ in range(3):
            begin = time.process_time()
            da.sm.gapfill(calibrate=calibrated)
            times.append(time.process_time() - begin)
        seconds["with" if calibrated else "without"] = min(times)
    row = {"record": name, "shape": list(da.shape), **seconds}
    row["ratio"] = seconds["with"] / seconds["without"]
    print(row, flush=True)
    return row


def table(result: dict[str, Any]) -> str:
    """RMSE of the fill and of the baselines, and their ratio."""
    head = ["record", "gaps", "n", "fill", "linear", "climatology", "ratio", "within 68 %"]
    body = []
    for row in result["rows"]:
        name = f"{row['record']}, background of noise" if row["background"] else row["record"]
        typical = min(row["climatology"], row["climatology_15_days"])
        numbers = [f"{value:.4f}" for value in (row["used"], row["linear"], typical)]
        ratio = f"{row['ratio']:.3f}" if row["ratio"] <= LIMIT else f"**{row['ratio']:.3f}**"
        pattern, held = GAP_PATTERNS[row["gap_pattern"]], f"{100 * row['within_68']:.0f}"
        body.append([name, pattern, f"{row['n']:,}", *numbers, ratio, held])
    calls = "; ".join(
        f"{row['record']} {row['without']:.1f} s without and {row['with']:.1f} s with"
        for row in result["cost"]
    )
    cost = f" CPU time of a call, by calibration: {calls}." if calls else ""
    note = f"RMSE in m3 m-3.{cost} Measured {result['date']}."
    return markdown(head, body) + f"\n\n{note}"


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--no-cost", action="store_true", help="do not measure times")
    parsed = parser.parse_args(arguments)
    if unknown := [name for name in parsed.records if name not in RECORDS]:
        raise SystemExit(f"unknown records {unknown}; there are {list(RECORDS)}")
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    rows = {name: _rows_of(before, name) for name in RECORDS}
    times = before.get("cost", [])
    for name in parsed.records or RECORDS:
        try:
            da = RECORDS[name]()
        except FileNotFoundError as error:
            print(f"skipped {name}: {error}")
            continue
        rows[name] = score(name, da, background=False)
        if name in WITH_BACKGROUND:
            rows[name] += score(name, da, background=True)
        _write(rows, times)
    if not parsed.no_cost:
        times = [cost(name, RECORDS[name]()) for name in ("simulated AMSR2, Iberia", "ordinary")]
    _write(rows, times)


def _rows_of(result: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [row for row in result.get("rows", []) if row["record"] == name]


def _write(rows: dict[str, list[dict[str, Any]]], times: list[dict[str, Any]]) -> None:
    result = {"rows": [row for of_record in rows.values() for row in of_record], "cost": times}
    write_result(provenance(["default"]) | result, RESULT)


if __name__ == "__main__":
    main()
